"""In which order entries arrived in a memory store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from .base import Arrived, LogKey
from .memory_log import MemoryLog


class MemoryArrivals:
    """Entries by the number of their arrival, from 1; one that is filled later arrives anew."""

    def __init__(self) -> None:
        self._places: Final[list[tuple[MemoryLog, int]]] = []
        self._number_of: Final[dict[tuple[LogKey, int], int]] = {}

    def add(self, taken: Iterable[tuple[MemoryLog, int]]) -> None:
        """Number what a batch brought."""
        for log, seq in taken:
            self._places.append((log, seq))
            self._number_of[log.key, seq] = len(self._places)

    @property
    def last(self) -> int:
        """The number of the entry that arrived last."""
        return len(self._places)

    def number_of(self, log: MemoryLog, seq: int) -> int:
        """Return the number of an entry; 0 if it has none."""
        return self._number_of.get((log.key, seq), 0)

    def since(self, arrival: int) -> list[Arrived]:
        """Count what arrived after a number; see `NodeStore.arrived_since`."""
        counts = Counter(
            (log.identity, log.key, log.entries[seq].via)
            for n, (log, seq) in enumerate(self._places[arrival:], start=arrival + 1)
            if seq in log.entries and self._number_of[log.key, seq] == n
        )
        return [Arrived(*of, entries) for of, entries in sorted(counts.items())]
