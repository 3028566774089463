"""Headers leave a SQLite store from the bottom of its logs, and whole strangers leave it.

Everything here belongs inside `Database.writing`.
"""

from __future__ import annotations

from typing import NamedTuple

from ..protocol.entry import CHANNEL_IDENTITY
from .marks import MarkKind
from .sqlite_database import Database
from .sqlite_edits import forget_edits
from .sqlite_entries import EntryTable, ending_in
from .sqlite_purge import PurgeStep
from .sqlite_standing import change_counter, last_standing
from .sqlite_visibility import hide
from .weight import ENTRY_BYTES


def keep_numbers(database: Database) -> None:
    """See to it that the numbers of entries that go are not given again: readers hold them as
    cursors. Belongs inside `Database.writing`."""
    database.write(
        "UPDATE upkeep SET newest = max(newest, (SELECT coalesce(max(n), 0) FROM entry))"
    )


class _Bottom(NamedTuple):
    """A log that can lose headers."""

    log: int
    first: int
    """Its lowest entry held."""
    cap: int
    """Its newest one that stands, which stays."""
    entry_bytes: int
    """What an entry of it takes, on average."""


def cut_oldest(database: Database, identity: bytes, wanted_bytes: int, most: int) -> int:
    """Evict headers of a person, those of the log first that reaches back furthest."""
    entries = EntryTable(database)
    done, left = 0, wanted_bytes
    for bottom in _bottoms(database, entries, identity):
        if left <= 0 or done >= most:
            break
        count = min(most - done, -(-left // bottom.entry_bytes))
        floor = _floor_above(database, bottom, count)
        gone = cut(database, bottom.log, floor)
        done += gone
        left -= gone * bottom.entry_bytes
    return done


def _bottoms(database: Database, entries: EntryTable, identity: bytes) -> list[_Bottom]:
    found: list[tuple[int, _Bottom]] = []
    for log, bytes_held, held, first, *end in database.rows(
        """
        SELECT l.n, l.payload_bytes + l.header_bytes, sum(h.last - h.first + 1), min(h.first),
            l.end_seq, l.end_id, l.end_why, l.end_record
        FROM identity AS i JOIN device AS d ON d.identity = i.n
        JOIN log AS l ON l.device = d.n AND l.channel != ? JOIN held AS h ON h.log = l.n
        WHERE i.id = ? AND l.n NOT IN (SELECT log FROM fork) GROUP BY l.n
        """,
        (CHANNEL_IDENTITY, identity),
    ):
        (cap,) = database.row(
            "SELECT max(min(last, :end)) FROM held WHERE log = :log AND first <= :end",
            {"log": log, "end": last_standing(database, log, ending_in(end))},
        )
        lowest = next(entries.newest_first(log, first, first), None)
        if cap is not None and first < cap and lowest is not None:
            entry_bytes = ENTRY_BYTES + bytes_held // held
            found.append((lowest.entry.t_ms, _Bottom(log, first, cap, entry_bytes)))
    return [bottom for _, bottom in sorted(found)]


def _floor_above(database: Database, bottom: _Bottom, count: int) -> int:
    """Return where a log begins without the lowest ``count`` entries held, never in a gap."""
    for first, last in database.rows(
        "SELECT first, last FROM held WHERE log = ? ORDER BY first", (bottom.log,)
    ):
        if first + count <= last or first <= bottom.cap <= last:
            return int(min(first + max(count, 0), bottom.cap))
        count -= last - first + 1
    return bottom.cap


def cut(database: Database, log: int, floor: int) -> int:
    """Let a log begin at entry ``floor``, which is held; return how many entries went."""
    entries = EntryTable(database)
    spans = database.rows("SELECT * FROM held WHERE log = ? AND first < ?", (log, floor))
    prev = entries.id_at(log, floor - 1) if any(last >= floor for _, _, last, *_ in spans) else b""
    gone = _delete_entries(database, log, floor)
    for _, first, last, _, signature in spans:
        database.write("DELETE FROM held WHERE log = ? AND first = ?", (log, first))
        if last >= floor:
            database.write(
                "INSERT INTO held VALUES (?, ?, ?, ?, ?)", (log, floor, last, prev, signature)
            )
    database.write("UPDATE log SET floor = ? WHERE n = ?", (floor, log))
    database.write(
        "DELETE FROM mark WHERE log = (SELECT id FROM log WHERE n = ?) AND last < ? AND kind = ?",
        (log, floor, MarkKind.EVICTED),
    )
    return gone


def _delete_entries(database: Database, log: int, floor: int) -> int:
    """Delete the entries of a log below ``floor`` and all that points at them."""
    keep_numbers(database)
    hide(database, log, 0, floor - 1)
    forget_edits(database, log, 0, floor - 1)
    gone = 0
    for row in database.rows("SELECT * FROM arrival WHERE log = ? AND first < ?", (log, floor)):
        n, _, first, last, *how = row
        count = min(last, floor - 1) - first + 1
        database.write("DELETE FROM edited WHERE post BETWEEN ? AND ?", (n, n + count - 1))
        database.write("DELETE FROM entry WHERE n BETWEEN ? AND ?", (n, n + count - 1))
        database.write("DELETE FROM arrival WHERE n = ?", (n,))
        if last >= floor:
            database.write(
                "INSERT INTO arrival VALUES (?, ?, ?, ?, ?, ?, ?)",
                (n + count, log, floor, last, *how),
            )
        gone += count
    for table in ("expiry", "quarantine", "shown"):
        database.write(f"DELETE FROM {table} WHERE log = ? AND seq < ?", (log, floor))  # noqa: S608
    database.write("UPDATE upkeep SET purge = max(purge, ?)", (PurgeStep.DUE,))
    return gone


def forget(database: Database, identity: bytes) -> int:
    """Forget a person with all of their logs (see `Room.forget`)."""
    found = database.row(
        "SELECT n FROM identity AS i WHERE id = :id AND petname IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM peer WHERE identity = :id)"
        " AND NOT EXISTS (SELECT 1 FROM device WHERE identity = i.n AND own)",
        {"id": identity},
    )
    if found is None:
        return 0
    (n,) = found
    changed = change_counter(database) + 1
    gone = 0
    for log, name, newest in database.rows(
        "SELECT l.n, l.id, l.seq FROM device AS d JOIN log AS l ON l.device = d.n"
        " WHERE d.identity = ?",
        (n,),
    ):
        gone += _delete_entries(database, log, newest + 1)
        for table in ("held", "fork", "branch_entry", "deletion", "quarantine"):
            database.write(f"DELETE FROM {table} WHERE log = ?", (log,))  # noqa: S608
        database.write("DELETE FROM mark WHERE log = ?", (name,))
        database.write("DELETE FROM log WHERE n = ?", (log,))
    for table in ("record", "follow", "withdrawn", "device"):
        database.write(f"DELETE FROM {table} WHERE identity = ?", (n,))  # noqa: S608
    database.write("DELETE FROM identity WHERE n = ?", (n,))
    database.write("UPDATE upkeep SET forgotten = ?", (changed,))
    return max(gone, 1)
