"""The held intervals of logs in a SQLite database."""

from __future__ import annotations

from collections.abc import Sequence

from .intervals import Held, merged
from .sqlite_database import Database


def touched_intervals(database: Database, log: int, first: int, last: int) -> list[Held]:
    """Return the held intervals that overlap or adjoin ``first..last``, highest first."""
    touched: list[Held] = []
    for row in database.each(
        "SELECT first, last, prev, signature FROM held"
        " WHERE log = ? AND first <= ? ORDER BY first DESC",
        (log, last + 1),
    ):
        first_held, last_held, prev, signature = row
        held = Held(first_held, last_held, prev, signature or None)
        if held.last < first - 1:
            break
        touched.append(held)
    return touched


def join_interval(
    database: Database, log: int, piece: Held, touched: Sequence[Held] | None = None
) -> None:
    """Write that a piece is held; belongs inside `Database.writing`.

    Args:
        touched: the held intervals that it overlaps or adjoins; None: they are looked up.
    """
    if touched is None:
        touched = touched_intervals(database, log, piece.first, piece.last)
    whole = merged(piece, touched)
    for each in touched:
        if each.first != whole.first:
            database.write("DELETE FROM held WHERE log = ? AND first = ?", (log, each.first))
    database.write(
        "INSERT INTO held VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET last = excluded.last, signature = excluded.signature",
        (log, *whole[:3], whole.signature or b""),
    )
