"""Does the person still have the 24 words? A few of them are asked for, or all."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

from ..protocol.hashing import short_id
from ..protocol.identity import incept
from ..protocol.words import (
    LANGUAGES,
    WORD_COUNT,
    WordsError,
    nearest_words,
    same_word,
    seed_from_words,
    words_from_seed,
)
from .clock import RandomBytes, WallClock
from .errors import Code, ServiceError
from .home import Home
from .home_results import KeyVerifyResult

DRILLED_WORDS: Final = 4
"""Who guesses them has one chance in 2**44."""

_LOT_BYTES: Final = 8


def positions_to_ask(random_bytes: RandomBytes) -> tuple[int, ...]:
    """Return which words to ask for, from 1 to 24, in order; each choice is as likely."""
    lots = {position: random_bytes(_LOT_BYTES) for position in range(1, WORD_COUNT + 1)}
    return tuple(sorted(sorted(lots, key=lots.__getitem__)[:DRILLED_WORDS]))


def verify_words(home: Home, typed: Mapping[int, str], *, clock: WallClock) -> KeyVerifyResult:
    """Compare words that a person has typed with those of a home, and remember that they agree.

    Nothing of it goes through the API; a daemon may run meanwhile.

    Args:
        typed: words by their number, from 1 to 24; English or French.

    Raises:
        ServiceError: a word is wrong (``invalid``): the message says which, and what it may
            have been; or as for `KeyFiles.root_seed`.
    """
    seed = home.keys.root_seed()
    identity = incept(seed).identity
    lists = {language: words_from_seed(seed, language) for language in LANGUAGES}
    language = max(LANGUAGES, key=lambda name: _agreeing(typed, lists[name]))
    wrong = [
        _mistake(position, word, lists[language][position - 1], language)
        for position, word in typed.items()
        if not same_word(word, lists[language][position - 1])
    ]
    if wrong:
        other = _identity_of(list(typed.values()))
        raise ServiceError(
            Code.INVALID,
            f"these are the words of another identity, {short_id(other)};"
            f" this home has {short_id(identity)}"
            if other
            else "; ".join(wrong),
            "compare with your paper; slowlight key words shows them again",
        )
    home.keys.note_words_verified(clock())
    return KeyVerifyResult(identity=identity.hex(), language=language, positions=tuple(typed))


def _agreeing(typed: Mapping[int, str], words: list[str]) -> int:
    return sum(same_word(word, words[position - 1]) for position, word in typed.items())


def _mistake(position: int, typed: str, word: str, language: str) -> str:
    nearest = nearest_words(typed, language) or difflib.get_close_matches(typed, [word])
    advice = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
    return f"word {position}, {typed!r}, is not the right one{advice}"


def _identity_of(typed: list[str]) -> bytes | None:
    try:
        seed, _ = seed_from_words(typed)
    except WordsError:
        return None
    return incept(seed).identity
