"""Damaged entries of a SQLite store leave it, so that sync fetches them like any gap.

What is taken out is in no view, no interval and no run any more. A note of it stays: of an own
log the node must know that its newest entry was lost, because signing another one in its place
would fork it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from ..protocol.entry import CHANNEL_IDENTITY
from ..protocol.hashing import ZERO_HASH
from .base import OWN, Interval
from .intervals import Held
from .sqlite_database import Database
from .sqlite_edits import forget_edits
from .sqlite_entries import EntryTable
from .sqlite_people import relearn
from .sqlite_scrub import MISPLACED, Fault
from .sqlite_standing import change_counter
from .sqlite_visibility import hide, show

MAX_NOTES: Final = 100_000
"""Lost entries that are remembered one by one; of the logs that lost more, their newest are."""


def quarantine(database: Database, faults: Iterable[Fault], *, now_ms: int) -> int:
    """Take damaged entries out of a store; belongs inside `Database.writing`.

    A post that only stands in the wrong place is put where it belongs.

    Returns:
        How many were taken out.
    """
    found = list(faults)
    misplaced = [fault for fault in found if fault.reason == MISPLACED]
    lost = sorted(fault for fault in found if fault.reason != MISPLACED)
    for fault in misplaced:
        hide(database, fault.log, fault.seq, fault.seq)
    for log, of_log in groupby(lost, key=lambda fault: fault.log):
        _take_out(database, log, list(of_log), now_ms)
    # Only now: an answer is placed by what it answers, whose date may be what is damaged.
    for fault in misplaced:
        show(database, fault.log, fault.seq, fault.seq)
    return len(lost)


def _take_out(database: Database, log: int, lost: Sequence[Fault], now_ms: int) -> None:
    _note(database, lost, now_ms)
    # What a peer was known to have no more of for us, it has again.
    database.write("UPDATE peer_memory SET satisfied = x'' WHERE satisfied != x''")
    entries = EntryTable(database)
    for bare_span in reversed(list(_spans(fault.seq for fault in lost))):
        span = _down_from_known(entries, log, bare_span)
        cut_interval(database, entries, log, span)
        forget_edits(database, log, span.first, span.last)
        for seq in range(span.last, span.first - 1, -1):
            n = entries.number_at(log, seq)
            if n is not None:
                database.write("DELETE FROM edited WHERE post = ?", (n,))
                entries.take_out(n)
    settle_head(database, log)
    channel, identity = database.row(
        "SELECT l.channel, d.identity FROM log AS l JOIN device AS d ON d.n = l.device"
        " WHERE l.n = ?",
        (log,),
    )
    if channel == CHANNEL_IDENTITY:
        relearn(database, identity)


def _note(database: Database, lost: Sequence[Fault], now_ms: int) -> None:
    database.write_many(
        "INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?, ?)",
        [
            (log, seq, stored_id, computed_id, reason, now_ms)
            for log, seq, reason, stored_id, computed_id in lost[-MAX_NOTES:]
        ],
    )


def _spans(seqs: Iterable[int]) -> Iterator[Interval]:
    """Join neighbours among rising numbers."""
    span: Interval | None = None
    for seq in seqs:
        if span is None or seq > span.last + 1:
            if span is not None:
                yield span
            span = Interval(seq, seq)
        else:
            span = Interval(span.first, seq)
    if span is not None:
        yield span


def _down_from_known(entries: EntryTable, log: int, span: Interval) -> Interval:
    """Widen a span upwards until its last id is there: what remains above must continue it."""
    last = span.last
    while entries.number_at(log, last) is not None and entries.known_id(log, last) is None:
        last += 1
    return span._replace(last=last)


def cut_interval(database: Database, entries: EntryTable, log: int, span: Interval) -> None:
    """Take a span out of the held intervals; what is below it keeps a signature if it has one."""
    for first, last, prev, signature in database.rows(
        "SELECT first, last, prev, signature FROM held WHERE log = ? AND first <= ? AND last >= ?",
        (log, span.last, span.first),
    ):
        parts: list[Held] = []
        if span.last < last:
            below = entries.known_id(log, span.last) or b""
            parts.append(Held(span.last + 1, last, below, signature))
        if span.first > first:
            kept = entries.signature_at(log, span.first - 1)
            parts.append(Held(first, span.first - 1, prev, kept))
        database.write("DELETE FROM held WHERE log = ? AND first = ?", (log, first))
        database.write_many(
            "INSERT INTO held VALUES (?, ?, ?, ?, ?)",
            [(log, *part[:3], part.signature or b"") for part in parts],
        )


def settle_head(database: Database, log: int) -> bool:
    """Let a log stand where its highest held entry is; return whether it stood elsewhere."""
    noted = database.row("SELECT seq, head, lamport FROM log WHERE n = ?", (log,))
    (top,) = database.row("SELECT max(last) FROM held WHERE log = ?", (log,))
    true = (-1, ZERO_HASH, 0)
    if top is not None:
        held = EntryTable(database).at(log, top)
        true = (top, held.id, held.lamport) if held is not None else true
    if true == tuple(noted):
        return False
    database.write(
        "UPDATE log SET seq = ?, head = ?, lamport = ?, changed = ? WHERE n = ?",
        (*true, change_counter(database) + 1, log),
    )
    return True


def forget_returned(database: Database) -> None:
    """Drop the notes of entries that are held again; belongs inside `Database.writing`."""
    database.write(
        "DELETE FROM quarantine WHERE EXISTS (SELECT 1 FROM held AS h"
        " WHERE h.log = quarantine.log AND quarantine.seq BETWEEN h.first AND h.last)"
    )


def has_lost_head(database: Database, log: int, seq: int) -> bool:
    """Say whether a log had entries above ``seq`` that were lost and have not come back."""
    found = database.row("SELECT 1 FROM quarantine WHERE log = ? AND seq > ? LIMIT 1", (log, seq))
    return found is not None


def reclaim(database: Database, log: int) -> None:
    """Note those own entries as own again that were lost and have come back from a peer.

    A stretch that brings an entry which this node never had stays foreign: then the home was
    copied, and somebody must notice.
    """
    database.write(
        "INSERT INTO source (via) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM source WHERE via = ?)",
        (OWN, OWN),
    )
    database.write(
        """
        UPDATE arrival SET source = (SELECT n FROM source WHERE via = ?)
        WHERE log = ? AND (
            SELECT count(*) FROM quarantine AS q JOIN entry AS e ON e.n = arrival.n + q.seq - first
            WHERE q.log = arrival.log AND q.seq BETWEEN first AND last
                AND e.id IN (q.stored_id, q.computed_id)
        ) = last - first + 1
        """,
        (OWN, log),
    )
