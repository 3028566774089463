"""What was evicted from a SQLite store is wanted again once there is room for it.

Everything here belongs inside `Database.writing`.
"""

from __future__ import annotations

from typing import Final

from ..protocol.run import BLOCK
from .marks import Mark, MarkKind, without
from .serving import is_alive
from .sqlite_database import Database
from .sqlite_entries import EntryTable
from .sqlite_marks import MAX_HOLES_READ, lay, marks_over
from .weight import ENTRY_BYTES, LEAST_ENTRY_BYTES

_LOGS_OF: Final = (
    "FROM identity AS i JOIN device AS d ON d.identity = i.n JOIN log AS l ON l.device = d.n"
)


def people_evicted(database: Database) -> set[bytes]:
    """Return the people of whom anything was evicted."""
    rows = database.rows(
        f"SELECT DISTINCT i.id {_LOGS_OF} WHERE l.floor > 0"
        f" UNION SELECT DISTINCT i.id {_LOGS_OF} JOIN mark AS m ON m.log = l.id AND m.kind = ?",
        (MarkKind.EVICTED,),
    )
    return {identity for (identity,) in rows}


def want_texts(database: Database, identity: bytes, room_bytes: int, most: int) -> int:
    """Make holes of evicted payloads of a person, the newest first (see `Room.want_texts`)."""
    entries = EntryTable(database)
    left = room_bytes - _awaited_bytes(database, entries, identity)
    if left <= 0:
        return 0
    done = 0
    for log, name, n, seq in database.rows(
        f"""
        SELECT l.n, l.id, e.n, a.first + e.n - a.n {_LOGS_OF}
        JOIN mark AS m ON m.log = l.id AND m.kind = ?
        JOIN arrival AS a ON a.log = l.n AND a.first <= m.last AND a.last >= m.first
        CROSS JOIN entry AS e ON e.n BETWEEN a.n + max(m.first - a.first, 0)
            AND a.n + min(m.last, a.last) - a.first
        WHERE i.id = ? AND e.payload IS NULL AND e.hole IS NULL
        ORDER BY coalesce(e.t_ms, e.order_ms) DESC, e.n DESC LIMIT ?
        """,
        (MarkKind.EVICTED, identity, most),
    ):
        stub = entries.at(log, seq)
        if stub is None or stub.size > left:
            break
        _lift(database, name, seq)
        if is_alive(stub):
            database.write("UPDATE entry SET hole = 1 WHERE n = ?", (n,))
            left -= stub.size
        done += 1
    return done


def lower_floor(database: Database, identity: bytes, room_bytes: int) -> int:
    """Let one log of a person reach further down (see `Room.lower_floor`)."""
    rows = database.rows(
        f"""
        SELECT l.n, l.floor, l.payload_bytes + l.header_bytes,
            (SELECT min(first) FROM held WHERE log = l.n),
            (SELECT sum(last - first + 1) FROM held WHERE log = l.n)
        {_LOGS_OF} WHERE i.id = ? AND l.floor > 0 ORDER BY l.floor DESC
        """,  # noqa: S608  no value of anybody is in it
        (identity,),
    )
    awaited = _awaited_bytes(database, EntryTable(database), identity)
    if awaited or any(bottom is None or bottom > floor for _, floor, _, bottom, _ in rows):
        return 0
    for log, floor, size_bytes, _, held in rows:
        each = max(ENTRY_BYTES + size_bytes // held, LEAST_ENTRY_BYTES)
        count = min(room_bytes // each, floor - (floor - 1) // BLOCK * BLOCK)
        if count > 0:
            database.write("UPDATE log SET floor = ? WHERE n = ?", (floor - count, log))
            return int(count)
    return 0


def _awaited_bytes(database: Database, entries: EntryTable, identity: bytes) -> int:
    """Return what the payloads take that are wanted of a person and have not come."""
    rows = database.rows(
        """
        SELECT a.log, a.first + e.n - a.n FROM entry AS e
        JOIN arrival AS a ON a.n = (SELECT max(n) FROM arrival WHERE n <= e.n)
        JOIN log AS l ON l.n = a.log JOIN device AS d ON d.n = l.device
        JOIN identity AS i ON i.n = d.identity
        WHERE e.hole IS NOT NULL AND i.id = ? LIMIT ?
        """,
        (identity, MAX_HOLES_READ),
    )
    stubs = (entries.at(log, seq) for log, seq in rows)
    return sum(stub.size for stub in stubs if stub is not None)


def _lift(database: Database, log: bytes, seq: int) -> None:
    """Take the mark off one entry."""
    for mark in marks_over(database, log, seq, seq):
        if mark.kind is MarkKind.EVICTED:
            database.write("DELETE FROM mark WHERE log = ? AND first = ?", (log, mark.first))
            for part in without(mark, seq):
                lay(database, log, Mark(*part))
