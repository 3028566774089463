"""Which entry is where in a SQLite store, noted in several tables that must agree.

The entries themselves say by their hashes where they belong; what arrived together says where
to look for them, and the held intervals say what of a log is there. Where these notes differ,
they are derived again from what can be checked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from ..protocol.content import CertificateRecord, decode_content, split_payload
from ..protocol.entry import CHANNEL_IDENTITY, Entry, log_id
from ..protocol.errors import DecodeError
from ..protocol.hashing import ZERO_HASH
from ..protocol.identity import decode_certificate
from .intervals import Held
from .sqlite_database import Database
from .sqlite_entries import EntryTable
from .sqlite_quarantine import has_lost_head, settle_head


class Mismatch(NamedTuple):
    """Notes about a log that do not agree."""

    log: int
    reason: str


class _Group(NamedTuple):
    n: int
    first: int
    last: int


def disagreements(database: Database) -> list[Mismatch]:
    """Return the logs whose notes contradict one another; changes nothing."""
    found = [Mismatch(log, "its name is wrong") for log in misnamed_logs(database)]
    groups, held = _groups_by_log(database), _held_by_log(database)
    crossing = {log for log, _ in _crossing_groups(database)}
    for log in sorted({*groups, *held}):
        spans = _joined(groups.get(log, ()))
        if log in crossing or spans is None or spans != [(h.first, h.last) for h in held[log]]:
            found.append(Mismatch(log, "its intervals are wrong"))
    found += [Mismatch(0, "entries belong to no log")] if _orphans(database) else []
    wrong = {mismatch.log for mismatch in found}
    found += [Mismatch(log, "its newest entry is wrong") for log in _misheaded(database) - wrong]
    return found


def mend_places(database: Database, mismatches: Sequence[Mismatch], *, now_ms: int) -> None:
    """Derive the notes about logs again; belongs inside `Database.writing`."""
    if not mismatches:
        return
    for log in misnamed_logs(database):
        _rename(database, log)
    for _, group in _crossing_groups(database):
        _drop_group(database, group)
    database.write("DELETE FROM held WHERE log NOT IN (SELECT n FROM log)")
    groups, held = _groups_by_log(database), _held_by_log(database)
    for log in sorted({mismatch.log for mismatch in mismatches} & {*groups, *held}):
        for group in _overlapping(groups.get(log, ())):
            _drop_group(database, group)
        _hold_what_arrived(database, log, held[log], now_ms)
    for n in _orphans(database):
        database.write("DELETE FROM entry WHERE n = ?", (n,))
        database.write("UPDATE upkeep SET newest = max(newest, ?)", (n,))
    for log in _misheaded(database):
        _lower_head(database, log, now_ms)


def misnamed_logs(database: Database) -> set[int]:
    """Return the logs whose id is not that of their device and channel."""
    return {
        n
        for n, name, device, channel in database.each(
            "SELECT l.n, l.id, d.key, l.channel FROM log AS l LEFT JOIN device AS d"
            " ON d.n = l.device"
        )
        if device is None or not 0 <= channel < 2**32 or log_id(device, channel) != name
    }


def _rename(database: Database, log: int) -> None:
    """Let device and channel name a log, as its entries will have to confirm.

    Where the note about the device itself is wrong, its certificate says what is right.
    """
    for device, first_log, name in database.rows(
        "SELECT d.n, f.n, f.id FROM log AS l JOIN device AS d ON d.n = l.device"
        " JOIN log AS f ON f.device = d.n AND f.channel = ? WHERE l.n = ?",
        (CHANNEL_IDENTITY, log),
    ):
        key = _certified_key(EntryTable(database).at(first_log, 0))
        if key is not None and log_id(key, CHANNEL_IDENTITY) == name:
            database.write("UPDATE OR IGNORE device SET key = ? WHERE n = ?", (key, device))
    found = database.row(
        "SELECT d.key, l.channel FROM log AS l JOIN device AS d ON d.n = l.device WHERE l.n = ?",
        (log,),
    )
    if found is not None and 0 <= found[1] < 2**32:
        database.write("UPDATE OR IGNORE log SET id = ? WHERE n = ?", (log_id(*found), log))


def _certified_key(first: Entry | None) -> bytes | None:
    """Return the device that an entry 0 certifies."""
    if first is None or first.payload is None:
        return None
    said = decode_content(split_payload(first.payload), CHANNEL_IDENTITY)
    if not isinstance(said, CertificateRecord):
        return None
    try:
        return decode_certificate(said.body).device
    except DecodeError:
        return None


def _groups_by_log(database: Database) -> dict[int, list[_Group]]:
    groups: dict[int, list[_Group]] = defaultdict(list)
    for log, *group in database.each("SELECT log, n, first, last FROM arrival ORDER BY log, first"):
        groups[log].append(_Group(*group))
    return groups


def _held_by_log(database: Database) -> defaultdict[int, list[Held]]:
    held: defaultdict[int, list[Held]] = defaultdict(list)
    for log, *interval in database.each(
        "SELECT log, first, last, prev, signature FROM held ORDER BY log, first"
    ):
        held[log].append(Held(*interval))
    return held


def _joined(groups: Sequence[_Group]) -> list[tuple[int, int]] | None:
    """Return the intervals that groups make together; None if two of them overlap."""
    spans: list[tuple[int, int]] = []
    for _, first, last in groups:
        if last < first or (spans and first <= spans[-1][1]):
            return None
        if spans and first == spans[-1][1] + 1:
            spans[-1] = spans[-1][0], last
        else:
            spans.append((first, last))
    return spans


def _overlapping(groups: Sequence[_Group]) -> Iterator[_Group]:
    """Yield the groups that claim entries which another one claims too, or none."""
    for one, other in pairwise(groups):
        if other.first <= one.last:
            yield from (one, other)
    yield from (group for group in groups if group.last < group.first)


def _crossing_groups(database: Database) -> list[tuple[int, _Group]]:
    """Return the groups whose entries run into those of the next, or that no log has."""
    rows = database.rows(
        "SELECT log, n, first, last FROM (SELECT *, lead(n) OVER (ORDER BY n) AS above"
        " FROM arrival) WHERE n + last - first >= above OR log NOT IN (SELECT n FROM log)"
    )
    return [(log, _Group(*group)) for log, *group in rows]


def _drop_group(database: Database, group: _Group) -> None:
    """Forget where the entries of a group belong; they are deleted as orphans."""
    database.write("DELETE FROM arrival WHERE n = ?", (group.n,))


def _orphans(database: Database) -> list[int]:
    """Return the numbers of entries that no group holds; looks closely only if some must exist."""
    entries, placed = database.row(
        "SELECT (SELECT count(*) FROM entry), (SELECT coalesce(sum(last - first + 1), 0)"
        " FROM arrival)"
    )
    if entries == placed:
        return []
    rows = database.rows(
        "SELECT e.n FROM entry AS e WHERE NOT EXISTS (SELECT 1 FROM arrival AS a WHERE a.n ="
        " (SELECT max(n) FROM arrival WHERE n <= e.n) AND e.n <= a.n + a.last - a.first)"
    )
    return [n for (n,) in rows]


def _hold_what_arrived(database: Database, log: int, before: Sequence[Held], now_ms: int) -> None:
    """Derive the held intervals of a log; what cannot be joined to the entry below is left out."""
    entries = EntryTable(database)
    prevs = {held.first: held.prev for held in before}
    signatures = {held.last: held.signature for held in before}
    database.write("DELETE FROM held WHERE log = ?", (log,))
    for first, last in _joined(_groups_by_log(database).get(log, ())) or ():
        prev = ZERO_HASH if first == 0 else prevs.get(first)
        while prev is None and first <= last:
            prev = entries.known_id(log, first)
            n = entries.number_at(log, first)
            if n is not None:
                entries.take_out(n)
            first += 1
        if first <= last:
            signature = signatures.get(last) or entries.signature_at(log, last) or b""
            database.write(
                "INSERT INTO held VALUES (?, ?, ?, ?, ?)", (log, first, last, prev, signature)
            )
    _lower_head(database, log, now_ms)


def _lower_head(database: Database, log: int, now_ms: int) -> None:
    """Let a log stand where it does, and remember what was above."""
    (noted,) = database.row("SELECT seq FROM log WHERE n = ?", (log,))
    settle_head(database, log)
    (true,) = database.row("SELECT seq FROM log WHERE n = ?", (log,))
    if noted > true and not has_lost_head(database, log, true):
        database.write(
            "INSERT OR REPLACE INTO quarantine VALUES (?, ?, NULL, NULL, ?, ?)",
            (log, true + 1, "its place was lost", now_ms),
        )


def _misheaded(database: Database) -> set[int]:
    """Return the logs whose newest entry is noted wrongly."""
    rows = database.rows(
        """
        SELECT l.n FROM log AS l
        LEFT JOIN held AS h ON h.log = l.n
            AND h.first = (SELECT max(first) FROM held WHERE log = l.n)
        LEFT JOIN arrival AS a ON a.log = l.n
            AND a.first = (SELECT max(first) FROM arrival WHERE log = l.n AND first <= h.last)
        LEFT JOIN entry AS e ON e.n = a.n + h.last - a.first
        WHERE (l.seq, l.head, l.lamport) IS NOT
            (coalesce(h.last, -1), coalesce(e.id, zeroblob(32)), coalesce(e.lamport, 0))
        """
    )
    return {log for (log,) in rows}
