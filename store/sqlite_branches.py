"""Branches of forked logs change places in a SQLite database: see `branches`.

Belongs inside `Database.writing`, after all entries that came are written.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..protocol.entry import CHANNEL_IDENTITY
from .base import OWN, Interval, LogEnding, LogKey
from .branches import changes_of, grouped
from .forks import KeptEntry
from .ingest import keeps_signature
from .intervals import Held
from .sqlite_arrivals import Arrivals, Stretch
from .sqlite_database import Database
from .sqlite_deletion import LogRow, apply, lift, log_row, without_marked
from .sqlite_edits import forget_edits
from .sqlite_entries import EntryTable, ending_in
from .sqlite_floor import keep_numbers
from .sqlite_forks import ForkTable, SqliteMain
from .sqlite_held import join_interval
from .sqlite_marks import forget_own_reasons
from .sqlite_people import relearn
from .sqlite_quarantine import cut_interval, settle_head
from .sqlite_standing import last_standing
from .sqlite_visibility import hide, show
from .standings import parted


def settle_branches(database: Database, log: int, *, changed: int, moved: bool) -> None:
    """Let the main branch of a forked log be the one that its end selects.

    Args:
        log: its number; nothing happens to a log that has not forked.
        changed: what the change counter will be.
        moved: whether the log ends elsewhere than before.
    """
    forks = ForkTable(database)
    fork = forks.load(log)
    if fork is None:
        return
    place = log_row(database, log)
    device, *end = database.row(
        "SELECT d.key, end_seq, end_id, end_why, end_record"
        " FROM log AS l JOIN device AS d ON d.n = l.device WHERE l.n = ?",
        (log,),
    )
    ending = ending_in(end)
    key = LogKey(device, place.channel)
    main = SqliteMain(database, log, key)
    aside, joins = changes_of(fork, main, main.held, ending)
    if not (aside or joins or moved):
        return
    for span in reversed(aside):
        fork.put_aside(_take_out(database, place, span))
    if aside:
        settle_head(database, log)
    fork.take_back(joins)
    for group in grouped(joins):
        _put_in(database, place, group, ending)
    forks.save(log, fork, changed)
    database.write("UPDATE log SET changed = ? WHERE n = ?", (changed, log))
    first, last = fork.frozen_from, last_standing(database, log, ending)
    show(database, log, first, last)
    apply(database, log, first, last)
    if (aside or joins) and place.channel == CHANNEL_IDENTITY:
        relearn(database, place.identity)


def _take_out(database: Database, place: LogRow, span: Interval) -> list[KeptEntry]:
    """Take entries of a forked log out of the ordinary tables, and out of every view."""
    log, first, last = place.n, span.first, span.last
    entries = EntryTable(database)
    found = _kept(database, log, span)
    keep_numbers(database)
    hide(database, log, first, last)
    lift(database, log, first, last)
    forget_edits(database, log, first, last)
    database.write("DELETE FROM deletion WHERE log = ? AND seq BETWEEN ? AND ?", (log, first, last))
    database.write("DELETE FROM expiry WHERE log = ? AND seq BETWEEN ? AND ?", (log, first, last))
    database.write("DELETE FROM shown WHERE log = ? AND seq BETWEEN ? AND ?", (log, first, last))
    forget_own_reasons(database, place.id, first, last)
    cut_interval(database, entries, log, span)
    for seq in range(last, first - 1, -1):
        n = entries.number_at(log, seq)
        if n is not None:
            database.write("DELETE FROM edited WHERE post = ?", (n,))
            entries.take_out(n)
    return found


def _kept(database: Database, log: int, span: Interval) -> list[KeptEntry]:
    """Return held entries of one interval as they lie beside the main branch, the lowest first."""
    prev, top, signature = database.row(
        "SELECT prev, last, signature FROM held WHERE log = ? AND first <= ?"
        " ORDER BY first DESC LIMIT 1",
        (log, span.first),
    )
    groups = database.rows(
        "SELECT a.first, a.last, a.received_ms, s.via FROM arrival AS a JOIN source AS s"
        " ON s.n = a.source WHERE a.log = ? AND a.first <= ? AND a.last >= ?",
        (log, span.last, span.first),
    )
    came = {
        seq: (received_ms, via)
        for first, last, received_ms, via in groups
        for seq in range(max(first, span.first), min(last, span.last) + 1)
    }
    entries = EntryTable(database)
    below = entries.known_id(log, span.first - 1) if span.first else None
    kept: list[KeptEntry] = []
    prev = prev if below is None else below
    for placed in reversed(list(entries.newest_first(log, span.first, span.last))):
        entry = placed.entry
        signed = signature if entry.seq == top else placed.signature
        kept.append(KeptEntry(prev, entry, signed or placed.signature, *came[entry.seq]))
        prev = entry.id
    return kept


def _put_in(
    database: Database, place: LogRow, group: Sequence[KeptEntry], ending: LogEnding | None
) -> None:
    """Put consecutive entries that came together into the ordinary tables."""
    first, last = group[0], group[-1]
    received_ms, via = first.received_ms, first.via
    signatures = {
        kept.entry.seq: kept.signature
        for kept in group
        if kept.signature and (via == OWN or keeps_signature(kept.entry.seq))
    }
    taken = without_marked(database, place.id, place.channel, [kept.entry for kept in group])
    arrivals = Arrivals(database, received_ms=received_ms, via=via)
    for part, stands in zip(parted(taken, ending), (True, False), strict=True):
        if part:
            where = place.n, place.identity, place.channel
            arrivals.add(Stretch(*where, part, signatures, stands))
    arrivals.write()
    gained = sum(entry.size for entry in taken if entry.payload is not None)
    database.write(
        "UPDATE log SET payload_bytes = payload_bytes + ?, header_bytes = header_bytes + ?"
        " WHERE n = ?",
        (gained, arrivals.header_bytes[place.n], place.n),
    )
    piece = Held(first.entry.seq, last.entry.seq, first.prev, last.signature)
    join_interval(database, place.n, piece)
    settle_head(database, place.n)
