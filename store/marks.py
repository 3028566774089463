"""Marks: ranges of a log whose payloads are gone for a reason, and are not wanted again.

The marks of a log never overlap. Of two reasons for one entry the stronger stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final, NamedTuple

MAX_MARKS_PER_LOG: Final = 65_536
"""Ranges that a log may have; further ones are not remembered. Whoever deletes more of their
posts singly has taken every second one of 131,072; what was held of them is dropped all the
same."""


class MarkKind(IntEnum):
    """Why a payload is not wanted; the higher reason stays where two meet."""

    ORDERED = 1
    """A deletion names it, but what it says must be looked at first (channel 0): it is wanted
    until then."""
    EVICTED = 2
    """This node had no room for it."""
    EXPIRED = 3
    """Its lifetime has ended."""
    DELETED = 4
    """Its author ordered it."""


class Mark(NamedTuple):
    """Consecutive entries of one log with one reason, both ends included."""

    first: int
    last: int
    kind: MarkKind
    ordered_by: bytes
    """Id of the entry that ordered a deletion; else empty."""


def laid(touching: Iterable[Mark], new: Mark) -> list[Mark]:
    """Return marks that say what the old ones and the new one say together.

    Args:
        touching: the marks of the log that overlap or adjoin the new one.
    """
    stays: list[Mark] = []
    for old in touching:
        stays += [old] if old.kind >= new.kind else _around(old, new)
    return _joined([*stays, *_uncovered(new, stays)])


def _around(old: Mark, new: Mark) -> Iterator[Mark]:
    """Yield what of a weaker mark reaches beyond a stronger one."""
    if old.first < new.first:
        yield old._replace(last=min(old.last, new.first - 1))
    if old.last > new.last:
        yield old._replace(first=max(old.first, new.last + 1))


def _uncovered(new: Mark, stays: Iterable[Mark]) -> Iterator[Mark]:
    first = new.first
    for old in sorted(stays):
        if old.last < first or old.first > new.last:
            continue
        if old.first > first:
            yield new._replace(first=first, last=old.first - 1)
        first = old.last + 1
    if first <= new.last:
        yield new._replace(first=first)


def _joined(marks: Iterable[Mark]) -> list[Mark]:
    joined: list[Mark] = []
    for mark in sorted(marks):
        below = joined[-1] if joined else None
        if below and below.last + 1 == mark.first and below[2:] == mark[2:]:
            joined[-1] = below._replace(last=mark.last)
        else:
            joined.append(mark)
    return joined


def without(mark: Mark, seq: int) -> list[Mark]:
    """Return what remains of a mark when it is taken off one entry."""
    parts = (mark._replace(last=seq - 1), mark._replace(first=seq + 1))
    return [part for part in parts if part.first <= part.last]


def mark_at(marks: Iterable[Mark], seq: int) -> Mark | None:
    """Return the mark that covers an entry, or None."""
    return next((mark for mark in marks if mark.first <= seq <= mark.last), None)


def without_own_reasons(marks: Iterable[Mark], first: int, last: int) -> list[Mark]:
    """Return marks without what of ``first..last`` nobody ordered: others stand there now."""
    left: list[Mark] = []
    for mark in marks:
        if mark.ordered_by or mark.last < first or mark.first > last:
            left.append(mark)
            continue
        parts = mark._replace(last=first - 1), mark._replace(first=last + 1)
        left += [part for part in parts if part.first <= part.last]
    return left
