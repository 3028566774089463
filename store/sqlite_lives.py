"""Lifetimes of payloads in a SQLite database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..protocol.entry import Entry
from .lives import LifeClock
from .sqlite_database import Database

_LONGEST_MS: Final = 2**61
"""A lifetime above seventy million years counts as that, so that no sum overflows."""


def life_clock(database: Database, now_ms: int) -> LifeClock:
    """Return the clock of lives at ``now_ms`` of the machine's clock."""
    return LifeClock(*database.row("SELECT clock_ms, lived_ms FROM upkeep")).at(now_ms)


def note_ends(database: Database, lives: Iterable[tuple[int, Entry]], now_ms: int) -> None:
    """Note when payloads that just came have to go. Belongs inside `Database.writing`.

    Args:
        lives: numbers of logs, and entries that expire.
    """
    clock = life_clock(database, now_ms)
    database.write("UPDATE upkeep SET clock_ms = ?, lived_ms = ?", clock)
    database.write_many(
        "INSERT OR IGNORE INTO expiry VALUES (?, ?, ?)",
        [
            (clock.lived_ms + min(entry.remaining_ms, _LONGEST_MS), log, entry.seq)
            for log, entry in lives
        ],
    )


def due(database: Database, clock: LifeClock, limit: int) -> list[tuple[int, int, int]]:
    """Return end, log and sequence number of lives that are over, the oldest first."""
    return database.rows(
        "SELECT ends_ms, log, seq FROM expiry WHERE ends_ms <= ? ORDER BY ends_ms LIMIT ?",
        (clock.lived_ms, limit),
    )
