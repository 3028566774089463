"""Marks in a SQLite database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..protocol.frames import WantRange
from ..protocol.roster import Depth, Roster
from .base import MAX_PAYLOAD_HOLES
from .marks import MAX_MARKS_PER_LOG, Mark, MarkKind, laid, without_own_reasons
from .sqlite_database import Database

MAX_HOLES_READ: Final = 65_536
"""Stubs that are looked at for one session, about 0.2 s."""


def marks_over(database: Database, log: bytes, first: int, last: int) -> list[Mark]:
    """Return the marks of a log (by its id) that reach into ``first..last``, lowest first."""
    rows = database.rows(
        "SELECT first, last, kind, ordered_by FROM mark WHERE log = :log AND first <= :last"
        " AND first >= coalesce("
        "(SELECT max(first) FROM mark WHERE log = :log AND first <= :first), 0)"
        " AND last >= :first ORDER BY first",
        {"log": log, "first": first, "last": last},
    )
    return [Mark(low, high, MarkKind(kind), order) for low, high, kind, order in rows]


def lay(database: Database, log: bytes, mark: Mark) -> None:
    """Lay a mark over a log (by its id); stronger ones stay. Belongs inside `Database.writing`."""
    touching = marks_over(database, log, max(mark.first - 1, 0), mark.last + 1)
    after = laid(touching, mark)
    if len(after) > len(touching):
        (count,) = database.row("SELECT count(*) FROM mark WHERE log = ?", (log,))
        if count + len(after) - len(touching) > MAX_MARKS_PER_LOG:
            return
    database.write_many(
        "DELETE FROM mark WHERE log = ? AND first = ?", [(log, old.first) for old in touching]
    )
    database.write_many("INSERT INTO mark VALUES (?, ?, ?, ?, ?)", [(log, *new) for new in after])


def lift_marks(database: Database, ordered_by: bytes) -> list[tuple[bytes, Mark]]:
    """Take the marks of an order away; return them with the ids of their logs."""
    rows = database.rows(
        "SELECT log, first, last, kind, ordered_by FROM mark"
        " WHERE ordered_by = ? AND ordered_by != x''",
        (ordered_by,),
    )
    database.write("DELETE FROM mark WHERE ordered_by = ? AND ordered_by != x''", (ordered_by,))
    return [
        (log, Mark(first, last, MarkKind(kind), order)) for log, first, last, kind, order in rows
    ]


def forget_own_reasons(database: Database, log: bytes, first: int, last: int) -> None:
    """Take away the marks of ``first..last`` that nobody ordered: other entries stand there now.

    Belongs inside `Database.writing`.
    """
    before = marks_over(database, log, first, last)
    after = without_own_reasons(before, first, last)
    if after == before:
        return
    database.write_many(
        "DELETE FROM mark WHERE log = ? AND first = ?", [(log, mark.first) for mark in before]
    )
    database.write_many("INSERT INTO mark VALUES (?, ?, ?, ?, ?)", [(log, *mark) for mark in after])


def payload_holes(database: Database, roster: Roster) -> Iterator[WantRange]:
    """Yield ranges of stubs whose payload is wanted, the last that came first, not too many."""
    found = 0
    wanted: tuple[bytes, int, int, bytes] | None = None
    for log, channel, identity, seq, entry_id in database.rows(
        """
        SELECT l.id, l.channel, i.id, a.first + e.n - a.n, e.id
        FROM entry AS e
        JOIN arrival AS a ON a.n = (SELECT max(n) FROM arrival WHERE n <= e.n)
        JOIN log AS l ON l.n = a.log
        JOIN device AS d ON d.n = l.device
        JOIN identity AS i ON i.n = d.identity
        WHERE e.hole IS NOT NULL AND a.first + e.n - a.n <= coalesce(l.end_seq, 4294967296)
        ORDER BY e.n DESC LIMIT ?
        """,
        (MAX_HOLES_READ,),
    ):
        row = roster.shallow(identity, channel)
        if not roster.wants(identity, channel) or (row and row.depth is Depth.STUBS):
            continue
        if wanted and wanted[0] == log and wanted[1] == seq + 1:
            wanted = (log, seq, *wanted[2:])
            continue
        if wanted:
            yield WantRange(*wanted)
        found += 1
        if found > MAX_PAYLOAD_HOLES:
            return
        wanted = (log, seq, seq, entry_id)
    if wanted:
        yield WantRange(*wanted)
