"""Branches of forked logs change places in a store in memory: see `branches`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .base import Interval
from .branches import changes_of
from .forks import Fork, KeptEntry
from .memory_forks import MemoryMain
from .memory_log import MemoryLog


class Settled(NamedTuple):
    """What changed places in the ordinary branch of a log."""

    fork: Fork
    aside: Sequence[Interval]
    gone: Sequence[KeptEntry]
    """Left it, and is kept beside it as far as there is room."""
    joined: Sequence[KeptEntry]
    """Has to be put in."""


def unsettled(log: MemoryLog) -> Settled | None:
    """Return what has to change places so that the branch that an end selects is the main one.

    The log itself stays as it is; None for one that has not forked.
    """
    if log.fork is None:
        return None
    fork = log.fork.copy(log.ending)
    aside, joins = changes_of(fork, MemoryMain(log), log.intervals, log.ending)
    gone: list[KeptEntry] = []
    for span in reversed(aside):
        entries = _entries_of(log, span)
        fork.put_aside(entries)
        gone += entries
    fork.take_back(joins)
    return Settled(fork, aside, gone, joins)


def _entries_of(log: MemoryLog, span: Interval) -> list[KeptEntry]:
    held = (log.entries[seq] for seq in range(span.first, span.last + 1))
    return [
        KeptEntry(each.prev, each.entry, each.signature, each.received_ms, each.via)
        for each in held
    ]
