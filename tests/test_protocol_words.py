"""24 words on paper give the seed back, and a slip of the pen is named."""

import json
import subprocess
import sys
import unicodedata
from pathlib import Path
from random import Random
from typing import Final

import pytest

from slowlight.protocol.words import (
    LANGUAGES,
    UnknownWordError,
    WordChecksumError,
    WordCountError,
    WordLanguageError,
    seed_from_words,
    words_from_seed,
)

PUBLISHED: Final[list[tuple[str, str]]] = json.loads(
    (Path(__file__).with_name("vectors") / "words" / "bip39-256.json").read_text()
)["english"]
SEED: Final = bytes(range(32))


@pytest.mark.parametrize(("seed_hex", "sentence"), PUBLISHED)
def test_published_sentences(seed_hex: str, sentence: str) -> None:
    seed = bytes.fromhex(seed_hex)
    assert words_from_seed(seed) == sentence.split()
    assert seed_from_words(sentence) == (seed, "english")


def test_french_words_stand_at_the_places_of_the_english_ones() -> None:
    """One seed is the same 24 numbers in every language; the first and last words are known."""
    assert words_from_seed(bytes(32), "french")[:23] == ["abaisser"] * 23
    assert words_from_seed(b"\xff" * 32, "french")[:23] == ["zoologie"] * 23
    places: dict[str, str] = {}
    rng = Random("places")
    for _ in range(200):
        seed = rng.randbytes(32)
        pairs = zip(words_from_seed(seed), words_from_seed(seed, "french"), strict=True)
        for english, french in pairs:
            assert places.setdefault(english, french) == french


@pytest.mark.parametrize("language", LANGUAGES)
def test_random_seeds_come_back_and_the_language_is_found(language: str) -> None:
    rng = Random(language)
    for _ in range(200):
        seed = rng.randbytes(32)
        words = words_from_seed(seed, language)
        assert seed_from_words(words) == (seed, language)
        assert seed_from_words(words, language) == (seed, language)


def test_case_accents_and_spacing_do_not_matter() -> None:
    rng = Random("accents")
    for _ in range(50):
        seed = rng.randbytes(32)
        words = words_from_seed(seed, "french")
        sentence = " ".join(words)
        bare = "".join(
            letter
            for letter in unicodedata.normalize("NFKD", sentence)
            if not unicodedata.combining(letter)
        )
        for typed in (
            sentence.upper(),
            bare,
            unicodedata.normalize("NFD", sentence),
            "\n  " + "\t \u00a0".join(words) + "\n",
            sentence.title().replace("oe", "œ"),
        ):
            assert seed_from_words(typed) == (seed, "french")


def test_printed_words_are_composed_letters() -> None:
    """A terminal shows one character for é, and so do copies of it."""
    sentence = " ".join(words_from_seed(Random("é").randbytes(32), "french"))
    assert any(ord(letter) > 127 for letter in sentence)
    assert unicodedata.is_normalized("NFC", sentence)


@pytest.mark.parametrize("count", [0, 1, 12, 23, 25])
def test_a_wrong_number_of_words(count: int) -> None:
    with pytest.raises(WordCountError, match=f"{count} words where 24") as caught:
        seed_from_words(["abandon"] * count)
    assert caught.value.count == count


def test_an_unknown_word_is_named_with_its_place_and_the_nearest_word() -> None:
    words = words_from_seed(SEED)
    words[6] = "galaxi"
    with pytest.raises(UnknownWordError, match=r"word 7, 'galaxi', .* mean galaxy") as caught:
        seed_from_words(words)
    assert (caught.value.position, caught.value.language) == (7, "english")
    assert "galaxy" in caught.value.nearest


def test_the_nearest_french_word_is_shown_with_its_accents() -> None:
    words = words_from_seed(SEED, "french")
    words[23] = "académi"
    with pytest.raises(UnknownWordError) as caught:
        seed_from_words(words)
    assert caught.value.language == "french"
    assert "académie" in caught.value.nearest


def test_a_word_like_no_other_gets_no_advice() -> None:
    words = words_from_seed(SEED)
    words[0] = "q" * 1_000_000
    with pytest.raises(UnknownWordError) as caught:
        seed_from_words(words)
    assert caught.value.nearest == ()
    assert len(str(caught.value)) < 100


def test_words_of_another_language_than_the_one_asked_for() -> None:
    with pytest.raises(WordLanguageError, match="french, not english"):
        seed_from_words(words_from_seed(SEED, "french"), "english")
    mixed = words_from_seed(SEED, "french")[:12] + words_from_seed(SEED)[12:]
    with pytest.raises(UnknownWordError):
        seed_from_words(mixed)


def test_words_of_both_lists_are_told_apart_by_their_checksum() -> None:
    """A hundred words stand in both lists, so a sentence of them alone may be a seed in both."""
    only_english = (
        "junior cycle wagon innocent spatial abandon badge exact bicycle abandon client source"
        " wagon valve cycle loyal spatial pizza palace vital mobile coyote image opinion"
    )
    assert seed_from_words(only_english)[1] == "english"

    in_both = (
        "mobile valve million excuse wagon animal wagon nature brave simple minute jaguar"
        " train piano piano service digital caution amateur nature fatal mobile suspect usage"
    )
    with pytest.raises(WordLanguageError, match="name the language"):
        seed_from_words(in_both)
    assert seed_from_words(in_both, "english")[0] != seed_from_words(in_both, "french")[0]


def is_seed(words: list[str], language: str) -> bool:
    try:
        seed_from_words(words, language)
    except WordChecksumError:
        return False
    return True


def test_two_words_swapped_fail_the_checksum() -> None:
    """The checksum has 8 bits: of 1,000 swaps about 4 pass it, and a paper copy says which."""
    rng = Random("swaps")
    passed = 0
    for _ in range(1000):
        words = words_from_seed(rng.randbytes(32))
        one, other = rng.sample(range(24), 2)
        words[one], words[other] = words[other], words[one]
        passed += is_seed(words, "english")
    assert passed < 20


def test_our_own_mistakes() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        words_from_seed(bytes(16))
    with pytest.raises(ValueError, match="klingon"):
        words_from_seed(SEED, "klingon")
    with pytest.raises(ValueError, match="klingon"):
        seed_from_words(words_from_seed(SEED), "klingon")


def test_the_lists_are_imported_only_when_needed() -> None:
    code = "import sys, slowlight.protocol.words; print('mnemonic' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
