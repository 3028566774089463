"""How text becomes search terms: one rule for what is indexed and for what is asked.

Case, accents and compatibility forms do not matter. Chinese, Japanese and Korean are written
without spaces between words (or with endings that stick to them), so a run of their
characters is split into overlapping pairs: a word of two characters is then found inside any
longer run. The last character of a run stands alone too, so that every character begins a
term and a single one can be found by prefix.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from heapq import nlargest
from itertools import islice
from typing import Final, NamedTuple

TOKENIZER: Final = "ascii"
"""The FTS5 tokenizer for `index_text`: it splits between ASCII letters and digits, folds their
case and leaves everything else alone, so that what FTS5 finds is decided here."""

MAX_QUERY_TERMS: Final = 64
"""FTS5 nests one expression for each; its own limit is 256."""

MAX_RANKED: Final = 1_000
"""Matching texts that a search compares, the newest ones: more is nobody's to read."""

_SATURATION: Final = 1.2
_LENGTH_WEIGHT: Final = 0.75
"""k1 and b of BM25, as everybody sets them."""
_USUAL_TERMS: Final = 30
"""Terms of a post of ordinary length (180 bytes)."""

_FOLDED_CHARACTERS: Final = 8192
"""Characters whose folding is remembered: an alphabet or two and the usual Chinese ones."""

_HEBREW_AND_ARABIC_POINTS: Final = range(10, 37)
_ACCENTS: Final = range(200, 256)
"""Canonical combining classes. Those below and between spell other words (the voicing marks
of kana, Indic nukta and virama, Thai vowels) and stay."""

_LETTERS_TYPED_OTHERWISE: Final = {
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "\u0131": "i",  # the dotless i of Turkish
}
"""Letters that Unicode takes as whole ones and many keyboards lack."""

_CJK: Final = (
    "\u1100-\u11ff"  # Hangul jamo
    "\u3005-\u3007\u3021-\u3029"  # iteration mark, closing mark and numerals of Han
    "\u3041-\u30fa\u30fc-\u318f\u31a0-\u31ff"  # kana and bopomofo, without the middle dot
    "\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    "\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_NON_ASCII: Final = re.compile(r"[^\x00-\x7f]")


# Classes of many characters take 10 ms each to compile, which a command that neither indexes
# nor searches should not wait for.
@cache
def _cjk_run() -> re.Pattern[str]:
    return re.compile(f"[{_CJK}]+")


@cache
def _term() -> re.Pattern[str]:
    return re.compile(r"[0-9a-z\x80-\U0010ffff]+")


@cache
def _word() -> re.Pattern[str]:
    return re.compile(f"[{_CJK}]+|(?:(?![{_CJK}])[0-9a-z\x80-\U0010ffff])+")


class Phrase(NamedTuple):
    """Terms that must stand one after the other."""

    terms: tuple[str, ...]
    prefix: bool
    """The only term may go on: a single character of a script that is split into pairs."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a person looks for: every phrase must be there, in any order."""

    phrases: tuple[Phrase, ...]

    @property
    def match(self) -> str:
        """The FTS5 expression for texts that hold every term; needs no positions in the index.

        It finds all texts that match and a few more, in which the pairs of a longer word
        stand apart: `score` tells them. Only folded letters and digits of the person reach it.
        """
        terms = {
            f'"{term}"{" *" if phrase.prefix else ""}': None
            for phrase in self.phrases
            for term in phrase.terms
        }
        return " AND ".join(terms)

    def score(self, text: str) -> float:
        """Return how well a text fits: above 0 if every phrase stands in it, else 0.

        What is named often in a short text fits best, and saying it ten times more hardly helps.

        Source: BM25, without its weight for rare words, because every word is required.
        """
        terms = text_terms(text)
        counts = [_count(phrase, terms) for phrase in self.phrases]
        if not all(counts):
            return 0.0
        length = 1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * len(terms) / _USUAL_TERMS
        return sum(count / (count + _SATURATION * length) for count in counts)


def best_matches(query: Query, newest_first: Iterable[tuple[int, str]], *, limit: int) -> list[int]:
    """Return the numbers of the texts that match, best first, of equal ones the newer first.

    Args:
        newest_first: numbers, falling, and texts; no more are taken than are ranked.
    """
    scored = ((query.score(text), n) for n, text in newest_first)
    matching = islice((each for each in scored if each[0]), MAX_RANKED)
    return [n for _, n in nlargest(limit, matching)]


def index_text(text: str) -> str:
    """Return ``text`` as the index reads it: folded, split, terms between ASCII separators."""
    if text.isascii():
        return text
    return _cjk_run().sub(lambda run: f" {' '.join(_pairs(run[0]))} {run[0][-1]} ", _fold(text))


def text_terms(text: str) -> list[str]:
    """Return the terms of ``text`` in order, as FTS5 finds them in its `index_text`."""
    return _term().findall(index_text(text).lower())


def parse_query(text: str) -> Query:
    """Read what a person typed; nothing in it has a meaning beyond its words.

    Raises:
        ValueError: there is no word in it, or more than 64.
    """
    phrases: dict[Phrase, None] = {}
    for word in _word().findall(_fold(text).lower()):
        split = len(word) > 1 and _cjk_run().match(word)
        terms = tuple(_pairs(word)) if split else (word,)
        phrases[Phrase(terms, prefix=len(word) == 1 and bool(_cjk_run().match(word)))] = None
    if not phrases:
        raise ValueError("there is no word to search for; type at least one")
    if sum(len(phrase.terms) for phrase in phrases) > MAX_QUERY_TERMS:
        raise ValueError(f"too much to search for; type at most {MAX_QUERY_TERMS} words")
    return Query(tuple(phrases))


def _fold(text: str) -> str:
    """Take away what does not matter; what separates words becomes a space."""
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    folded = _NON_ASCII.sub(lambda character: _fold_character(character[0]), decomposed)
    return unicodedata.normalize("NFC", folded)  # syllables of Hangul and voiced kana again


@lru_cache(maxsize=_FOLDED_CHARACTERS)
def _fold_character(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return ""  # soft hyphens, joiners, marks of direction: inside words
    if category[0] not in "LMN":
        return " "
    combining = unicodedata.combining(character)
    if combining in _HEBREW_AND_ARABIC_POINTS or combining in _ACCENTS:
        return ""
    return _LETTERS_TYPED_OTHERWISE.get(character, character)


def _pairs(run: str) -> Iterable[str]:
    return (run[at : at + 2] for at in range(len(run) - 1))


def _count(phrase: Phrase, terms: Sequence[str]) -> int:
    if phrase.prefix:
        return sum(term.startswith(phrase.terms) for term in terms)
    wanted = list(phrase.terms)
    return sum(
        term == wanted[0] and terms[at : at + len(wanted)] == wanted
        for at, term in enumerate(terms)
    )
