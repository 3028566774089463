"""Arithmetic of held intervals: what touches, what merges, what is missing.

A store keeps for each log the intervals of entries that it holds. Two of them never overlap
or adjoin, and the last entry of each is signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .base import Interval


class Held(NamedTuple):
    """Consecutive entries that are held, with what joins them to the rest of their log."""

    first: int
    last: int
    prev: bytes
    """Id of the entry before the first; 32 zero bytes at sequence 0."""
    signature: bytes | None
    """Signature of the last entry; None only while a piece waits to be merged below another."""


def touching(held: Iterable[Held], first: int, last: int) -> list[Held]:
    """Return the intervals that overlap or adjoin ``first..last``."""
    return [each for each in held if each.first <= last + 1 and each.last >= first - 1]


def merged(piece: Held, touched: Sequence[Held]) -> Held:
    """Return the one interval that ``piece`` makes with those that it touches."""
    lowest = min((piece, *touched), key=lambda each: each.first)
    highest = max((*touched, piece), key=lambda each: each.last)  # of two equal ends, the held
    return Held(lowest.first, highest.last, lowest.prev, highest.signature)


def missing(first: int, last: int, held: Iterable[Held]) -> Iterator[Interval]:
    """Yield the parts of ``first..last`` that are in none of the intervals, lowest first."""
    for each in sorted(held):
        if each.first > last:
            break
        if each.first > first:
            yield Interval(first, each.first - 1)
        first = max(first, each.last + 1)
    if first <= last:
        yield Interval(first, last)
