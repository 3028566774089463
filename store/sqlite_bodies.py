"""Payloads of a SQLite store that go: why, when, and off the disk."""

from __future__ import annotations

from ..protocol.entry import log_id
from .base import LogKey
from .marks import Mark, MarkKind
from .sqlite_database import SqlitePart
from .sqlite_deletion import drop, log_row
from .sqlite_lives import due, life_clock
from .sqlite_marks import marks_over
from .sqlite_purge import purge, purge_due


class SqliteBodies(SqlitePart):
    """Marks, lifetimes and purges. `NodeStore` describes the methods."""

    def mark_of(self, key: LogKey, seq: int) -> Mark | None:
        marks = marks_over(self._database, log_id(*key), seq, seq)
        return marks[0] if marks and marks[0].kind is not MarkKind.ORDERED else None

    def expire(self, now_ms: int, *, limit: int = 1_000) -> int | None:
        clock = life_clock(self._database, now_ms)
        if self._database.row("SELECT 1 FROM expiry LIMIT 1") is None:
            return None
        over = due(self._database, clock, limit)
        with self._database.writing():
            self._database.write("UPDATE upkeep SET clock_ms = ?, lived_ms = ?", clock)
            for _, log, seq in over:
                drop(self._database, log_row(self._database, log), _expired(seq))
            self._database.write_many(
                "DELETE FROM expiry WHERE (ends_ms, log, seq) = (?, ?, ?)", over
            )
        (next_ms,) = self._database.row("SELECT min(ends_ms) FROM expiry")
        return None if next_ms is None else max(0, next_ms - clock.lived_ms)

    def purge(self) -> bool:
        return purge(self._database)

    def purge_due(self) -> bool:
        return purge_due(self._database)


def _expired(seq: int) -> Mark:
    return Mark(seq, seq, MarkKind.EXPIRED, b"")
