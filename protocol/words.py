"""The 24 words that stand for a 32-byte seed on paper.

The words carry the seed's 256 bits and an 8-bit checksum, 11 bits a word; nothing is
stretched or salted, so the same words in any tool that follows BIP39 give the same
entropy. Reading is generous: letter case, accents and spacing do not matter.

Source: BIP39, "Generating the mnemonic"; lists of the package ``mnemonic``, which is
imported only when a list is needed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from .errors import SlowlightError

if TYPE_CHECKING:
    from mnemonic import Mnemonic

SEED_BYTES: Final = 32
WORD_COUNT: Final = 24
LANGUAGES: Final = ("english", "french")

_WORD_BITS: Final = 11
"""Each list has 2,048 words."""
_LONGEST_TYPED: Final = 32
"""Typed words are cut here before they are compared or shown; list words have 3 to 8 letters."""


class WordsError(SlowlightError):
    """What was typed is not a seed: the fault is in the typing, or in what it was copied from."""


class WordCountError(WordsError):
    """There are more or fewer than 24 words."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} words where {WORD_COUNT} are needed")
        self.count = count


class UnknownWordError(WordsError):
    """A word stands in no list of this language; ``position`` counts from 1."""

    def __init__(self, position: int, word: str, language: str, nearest: Sequence[str]) -> None:
        advice = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
        super().__init__(f"word {position}, {word!r}, is not in the {language} list{advice}")
        self.position = position
        self.word = word
        self.language = language
        self.nearest = tuple(nearest)


class WordLanguageError(WordsError):
    """The words are of another language than the one asked for, or fit two equally well."""


class WordChecksumError(WordsError):
    """Every word is known, but together they are no seed: one is another word, or out of place."""

    def __init__(self) -> None:
        super().__init__(
            "every word is in the list, but together they are no seed:"
            " compare each word and the order with what you wrote down"
        )


def words_from_seed(seed: bytes, language: str = "english") -> list[str]:
    """Return the 24 words of ``seed``, in composed letters (NFC), first word first.

    Args:
        seed: 32 bytes.
        language: one of `LANGUAGES`.

    Raises:
        ValueError: another length or language.
    """
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed of {len(seed)} bytes where {SEED_BYTES} are needed")
    return unicodedata.normalize("NFC", _list(language).to_mnemonic(seed)).split()


def seed_from_words(words: str | Sequence[str], language: str | None = None) -> tuple[bytes, str]:
    """Return the 32-byte seed of 24 words, and their language.

    Args:
        words: as typed: a text, or the single words.
        language: one of `LANGUAGES`; None finds out.

    Raises:
        WordCountError, UnknownWordError, WordLanguageError, WordChecksumError: what is wrong,
            checked in this order.
        ValueError: ``language`` is none of ours.
    """
    text = words if isinstance(words, str) else " ".join(words)
    typed = text.split()
    if len(typed) != WORD_COUNT:
        raise WordCountError(len(typed))
    folded = [_fold(word[:_LONGEST_TYPED]) for word in typed]
    fitting = [name for name in LANGUAGES if all(word in _spelling(name) for word in folded)]
    if language is None:
        candidates = fitting or [max(LANGUAGES, key=lambda name: _known_count(folded, name))]
    else:
        candidates = [_checked(language)]
        if language not in fitting and fitting:
            raise WordLanguageError(f"these words are {fitting[0]}, not {language}")
    seeds = [(seed, name) for name in candidates if (seed := _seed(folded, name)) is not None]
    if len(seeds) > 1:
        raise WordLanguageError(f"these words fit {' and '.join(candidates)}: name the language")
    if not seeds:
        raise WordChecksumError
    return seeds[0]


def same_word(typed: str, word: str) -> bool:
    """Return whether a word was typed, as generously as `seed_from_words` reads."""
    return _fold(typed[:_LONGEST_TYPED]) == _fold(word)


def spoken_words(data: bytes, count: int) -> list[str]:
    """Return the first ``count`` x 11 bits of ``data`` as English words, for two people to compare.

    Raises:
        ValueError: ``data`` is too short.
    """
    bits = len(data) * 8
    if bits < count * _WORD_BITS:
        raise ValueError(f"{count} words need {count * _WORD_BITS} bits, not {bits}")
    number = int.from_bytes(data, "big")
    wordlist = _list("english").wordlist
    return [
        wordlist[number >> (bits - _WORD_BITS * place) & (1 << _WORD_BITS) - 1]
        for place in range(1, count + 1)
    ]


def nearest_words(typed: str, language: str) -> list[str]:
    """Return the words of a list, at most two, that a typing error may have come from.

    Empty if ``typed`` is in the list itself.
    """
    spelling, folded = _spelling(language), _fold(typed[:_LONGEST_TYPED])
    if folded in spelling:
        return []
    import difflib  # only who mistyped a word waits for it

    nearest = difflib.get_close_matches(folded, spelling, n=2, cutoff=0.6)
    return [unicodedata.normalize("NFC", spelling[found]) for found in nearest]


def _seed(folded: Sequence[str], language: str) -> bytes | None:
    """Return the seed, or None if the checksum fails."""
    spelling = _spelling(language)
    for position, word in enumerate(folded, start=1):
        if word not in spelling:
            raise UnknownWordError(position, word, language, nearest_words(word, language))
    words = [spelling[word] for word in folded]
    if not _list(language).check(" ".join(words)):
        return None
    return bytes(_list(language).to_entropy(words))


def _known_count(folded: Sequence[str], language: str) -> int:
    return sum(word in _spelling(language) for word in folded)


def _fold(word: str) -> str:
    """Return what of a word matters: its letters, without case and accents."""
    apart = unicodedata.normalize("NFKD", word.casefold().replace("œ", "oe"))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _checked(language: str) -> str:
    if language not in LANGUAGES:
        raise ValueError(f"no list of words in {language!r}; there are {', '.join(LANGUAGES)}")
    return language


@cache
def _list(language: str) -> Mnemonic:
    from mnemonic import Mnemonic

    return Mnemonic(_checked(language))


@cache
def _spelling(language: str) -> dict[str, str]:
    """Map each word of a list, folded, to the form in the list."""
    return {_fold(word): word for word in _list(language).wordlist}
