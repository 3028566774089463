"""Deletions in a SQLite database: orders are taken up, payloads dropped, marks laid and lifted.

Everything here belongs inside `Database.writing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ..protocol.content import Delete, decode_content, split_payload
from ..protocol.deletion import is_lasting, ordered_ranges
from ..protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, Entry, log_id
from .marks import Mark, MarkKind, mark_at
from .sqlite_database import Database
from .sqlite_edits import add_edit, count_edits, edit_in, forget_edits, settle_target
from .sqlite_entries import EntryTable, PlacedEntry, prefix_of, rest_of
from .sqlite_marks import lay, lift_marks, marks_over
from .sqlite_people import relearn
from .sqlite_purge import PurgeStep
from .sqlite_visibility import hide

_CHUNK: Final = 256
"""Entries whose payloads are in memory at once while they are dropped."""


class LogRow(NamedTuple):
    """A log of which something is held."""

    n: int
    id: bytes
    channel: int
    identity: int
    newest: int
    """Its highest sequence number held."""


def log_row(database: Database, log: int) -> LogRow:
    """Return a log by its number."""
    return LogRow(
        *database.row(
            "SELECT l.n, l.id, l.channel, d.identity, l.seq FROM log AS l"
            " JOIN device AS d ON d.n = l.device WHERE l.n = ?",
            (log,),
        )
    )


def without_marked(
    database: Database, log: bytes, channel: int, entries: Sequence[Entry]
) -> Sequence[Entry]:
    """Return entries that arrive without the payloads that are not wanted."""
    marks = marks_over(database, log, entries[0].seq, entries[-1].seq)
    if not marks:
        return entries
    taken: list[Entry] = []
    for entry in entries:
        mark = mark_at(marks, entry.seq)
        if mark is None or entry.payload is None or is_lasting(channel, entry.payload):
            taken.append(entry)
            continue
        if mark.kind is MarkKind.ORDERED:
            seen = Mark(entry.seq, entry.seq, MarkKind.DELETED, mark.ordered_by)
            lay(database, log, seen)
        taken.append(entry._replace(payload=None))
    return taken


def unwant_marked(database: Database, first: int, n: int) -> None:
    """Entries of one arrival, among them stubs, were written: those under marks are not wanted.

    Args:
        first: sequence number of the first of them.
        n: its number.
    """
    log_of, last = database.row(
        "SELECT l.id, a.last FROM arrival AS a JOIN log AS l ON l.n = a.log WHERE a.n = ?", (n,)
    )
    for mark in marks_over(database, log_of, first, last):
        if mark.kind is not MarkKind.ORDERED:
            low, high = max(mark.first, first), min(mark.last, last)
            database.write(
                "UPDATE entry SET hole = NULL WHERE n BETWEEN ? AND ? AND hole IS NOT NULL",
                (n + low - first, n + high - first),
            )


def take_words(
    database: Database, place: tuple[int, int, int], identity: int, *, stands: bool
) -> None:
    """Act on an entry of channel 1 that arrived with its payload and is no post.

    Args:
        place: numbers of log, sequence and entry.
        stands: whether it counts; a void one is kept in mind until it does.
    """
    log, seq, n = place
    entry_id, payload = database.row("SELECT id, payload FROM entry WHERE n = ?", (n,))
    if payload is None:
        return  # another order of the same batch dropped it
    edit = edit_in(payload)
    if edit is not None:
        gone = _mark_of_post(database, edit.target, identity)
        if gone is None:
            add_edit(database, place, identity, entry_id, edit)
            if not stands:
                count_edits(database, log, seq, seq, stand=False)
        else:
            drop(database, log_row(database, log), gone._replace(first=seq, last=seq))
        return
    if isinstance(decode_content(split_payload(payload), CHANNEL_POSTS), Delete):
        database.write(
            "INSERT OR IGNORE INTO deletion (log, seq, id, identity, lifted)"
            " VALUES (?, ?, ?, ?, ?)",
            (log, seq, entry_id, identity, int(not stands)),
        )
        if stands:
            _carry_out(database, identity, log, n)


def take_ids(database: Database, first_n: int, last_n: int) -> None:
    """Join entries that arrived, with payload or without, with the edits that name them."""
    if database.row("SELECT 1 FROM edit LIMIT 1") is None:
        return
    for target, identity in database.rows(
        "SELECT DISTINCT x.target, x.identity FROM entry AS e CROSS JOIN edit AS x"
        " ON x.target = e.id WHERE e.n BETWEEN ? AND ?",
        (first_n, last_n),
    ):
        gone = _mark_of_post(database, target, identity)
        if gone is None:
            settle_target(database, target, identity)
        else:
            _drop_edits(database, target, identity, gone)


def carry_out_all(database: Database, identity: int) -> None:
    """Carry out every order of an identity that stands, as when it has a new device."""
    for log, seq in database.rows(
        "SELECT log, seq FROM deletion WHERE identity = ? AND NOT lifted", (identity,)
    ):
        _carry_out(database, identity, log, _number(database, log, seq))


def lift(database: Database, log: int, first: int, last: int) -> None:
    """The entries ``first..last`` of a log are void: what they deleted is wanted again.

    Done twice, it changes nothing. Payloads that others hold come back at the next contact.
    """
    orders = database.rows(
        "SELECT id, identity FROM deletion WHERE log = ? AND seq BETWEEN ? AND ? AND NOT lifted",
        (log, first, last),
    )
    if not orders:
        return
    database.write(
        "UPDATE deletion SET lifted = 1 WHERE log = ? AND seq BETWEEN ? AND ?", (log, first, last)
    )
    lifted = [pair for order, _ in orders for pair in lift_marks(database, order)]
    for identity in {identity for _, identity in orders}:
        carry_out_all(database, identity)
    for marked_log, mark in lifted:
        _want_again(database, marked_log, mark)


def apply(database: Database, log: int, first: int, last: int) -> None:
    """The entries ``first..last`` of a log stand after all: their deletions count again."""
    orders = database.rows(
        "SELECT seq, identity FROM deletion WHERE log = ? AND seq BETWEEN ? AND ? AND lifted",
        (log, first, last),
    )
    for seq, identity in orders:
        database.write("UPDATE deletion SET lifted = 0 WHERE log = ? AND seq = ?", (log, seq))
        _carry_out(database, identity, log, _number(database, log, seq))


def drop(database: Database, log: LogRow, mark: Mark, *, remember: bool = True) -> int:
    """Drop the payloads of a range, whose marks are laid; headers stay.

    Args:
        remember: lay the mark too; not in channel 0, where each entry has to be looked at.

    Returns:
        How many payloads went.
    """
    looked_at = log.channel == CHANNEL_IDENTITY and mark.kind is MarkKind.DELETED
    if remember:
        lay(database, log.id, mark._replace(kind=MarkKind.ORDERED) if looked_at else mark)
    dropped = 0
    entries = EntryTable(database)
    top = min(mark.last, log.newest)
    while top >= mark.first:
        low = max(mark.first, top - _CHUNK + 1)
        held = list(entries.newest_first(log.n, low, top))
        gone = [
            placed
            for placed in held
            if placed.entry.payload is not None
            and not is_lasting(log.channel, placed.entry.payload)
        ]
        if gone:
            _drop_held(database, log, gone)
        if log.channel == CHANNEL_POSTS:
            for placed in held:
                _drop_edits(database, placed.entry.id, log.identity, mark)
        if looked_at:
            for placed in gone:
                seq = placed.entry.seq
                lay(database, log.id, mark._replace(first=seq, last=seq))
        else:
            database.write_many(
                "UPDATE entry SET hole = NULL WHERE n = ? AND hole IS NOT NULL",
                [(placed.n,) for placed in held],
            )
        dropped += len(gone)
        top = low - 1
    return dropped


def _drop_held(database: Database, log: LogRow, gone: Sequence[PlacedEntry]) -> None:
    seqs = [placed.entry.seq for placed in gone]
    for seq in seqs:
        hide(database, log.n, seq, seq)
    if log.channel == CHANNEL_POSTS:
        forget_edits(database, log.n, seqs[-1], seqs[0])
    database.write_many("DELETE FROM edited WHERE post = ?", [(placed.n,) for placed in gone])
    database.write_many(
        "UPDATE entry SET payload = NULL, hole = NULL, rest = ? WHERE n = ?",
        [(rest_of(placed.entry._replace(payload=None)), placed.n) for placed in gone],
    )
    database.write("UPDATE upkeep SET purge = max(purge, ?)", (PurgeStep.DUE,))
    if log.channel == CHANNEL_IDENTITY:
        relearn(database, log.identity)


def _drop_edits(database: Database, target: bytes, identity: int, mark: Mark) -> None:
    """A post takes its edits along."""
    for log, seq in database.rows(
        "SELECT log, seq FROM edit WHERE target = ? AND identity = ?", (target, identity)
    ):
        drop(database, log_row(database, log), mark._replace(first=seq, last=seq))


def _carry_out(database: Database, identity: int, author_log: int, n: int | None) -> None:
    """Carry out one deletion, if it is held."""
    if n is None:
        return
    order_id, payload, author = database.row(
        "SELECT e.id, e.payload, d.key FROM entry AS e, log AS l JOIN device AS d ON d.n = l.device"
        " WHERE e.n = ? AND l.n = ?",
        (n, author_log),
    )
    content = payload and decode_content(split_payload(payload), CHANNEL_POSTS)
    if not isinstance(content, Delete):
        return
    known = {
        key for (key,) in database.rows("SELECT key FROM device WHERE identity = ?", (identity,))
    }
    for device, channel, first, last in ordered_ranges(content, author):
        if device not in known:
            continue  # another's, or not known yet: then it is carried out when it comes
        mark = Mark(first, last, MarkKind.DELETED, order_id)
        found = database.row("SELECT n FROM log WHERE id = ?", (log_id(device, channel),))
        if found:
            drop(database, log_row(database, found[0]), mark)
        else:
            kind = MarkKind.ORDERED if channel == CHANNEL_IDENTITY else MarkKind.DELETED
            lay(database, log_id(device, channel), mark._replace(kind=kind))


def _mark_of_post(database: Database, target: bytes, identity: int) -> Mark | None:
    """Return why a post of this identity was deleted or has expired; None if it is not."""
    found = database.row(
        "SELECT a.first + e.n - a.n, l.id FROM entry AS e"
        " JOIN arrival AS a ON a.n = (SELECT max(n) FROM arrival WHERE n <= e.n)"
        " JOIN log AS l ON l.n = a.log JOIN device AS d ON d.n = l.device"
        " WHERE substr(e.id, 1, 5) = ? AND e.id = ? AND d.identity = ? AND e.payload IS NULL",
        (prefix_of(target), target, identity),
    )
    if found is None:
        return None
    mark = mark_at(marks_over(database, found[1], found[0], found[0]), found[0])
    return mark if mark and mark.kind >= MarkKind.EXPIRED else None


def _want_again(database: Database, log: bytes, mark: Mark) -> None:
    """Make holes of the stubs under a mark that was lifted and under no other."""
    found = database.row("SELECT n FROM log WHERE id = ?", (log,))
    if found is None:
        return
    row = log_row(database, found[0])
    top = min(mark.last, row.newest)
    while top >= mark.first:
        low = max(mark.first, top - _CHUNK + 1)
        marks = marks_over(database, log, low, top)
        stubs = [
            placed.n
            for placed in EntryTable(database).newest_first(row.n, low, top)
            if placed.entry.payload is None and mark_at(marks, placed.entry.seq) is None
        ]
        database.write_many("UPDATE entry SET hole = 1 WHERE n = ?", [(n,) for n in stubs])
        top = low - 1


def _number(database: Database, log: int, seq: int) -> int | None:
    """Return the number of an entry; None if it was lost to damage and has not come back."""
    return EntryTable(database).number_at(log, seq)
