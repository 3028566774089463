"""Take up again what people said about their own posts: which were edited, which are deleted."""

from __future__ import annotations

from ..protocol.entry import CHANNEL_POSTS
from .sqlite_branches import settle_branches
from .sqlite_database import Database
from .sqlite_deletion import take_words
from .sqlite_entries import ending_in
from .sqlite_standing import change_counter, last_standing, said_in_logs, settle
from .sqlite_visibility import hide, show
from .standings import RememberedChecks


def retake_words(database: Database) -> None:
    """Let the entries themselves say again what stands, and what they edit and delete.

    In one transaction, for a database whose entries were checked. Marks that are held stay: of
    what expired or made room nothing else tells. An entry that orders a deletion lays its mark
    again.
    """
    check = RememberedChecks()
    with database.writing():
        changed = change_counter(database) + 1
        for (identity,) in database.rows("SELECT n FROM identity"):
            said = said_in_logs(database, identity)
            settled = settle(database, identity, said, changed=changed, check=check)
            for log in settled.forked:
                settle_branches(database, log, changed=changed, moved=True)
        for table in ("edit", "edited", "deletion"):
            database.write(f"DELETE FROM {table}")  # noqa: S608
        for log, identity, newest, *end in database.rows(
            "SELECT l.n, d.identity, l.seq, l.end_seq, l.end_id, l.end_why, l.end_record"
            " FROM log AS l JOIN device AS d ON d.n = l.device WHERE l.channel = ?",
            (CHANNEL_POSTS,),
        ):
            _retake_log(
                database, log, identity, newest, last_standing(database, log, ending_in(end))
            )


def _retake_log(database: Database, log: int, identity: int, newest: int, last: int) -> None:
    """Show what stands of a log and hide the rest, then act on its edits and deletions."""
    show(database, log, 0, min(last, newest))
    hide(database, log, last + 1, newest)
    for seq, n in database.rows(
        "SELECT a.first + e.n - a.n, e.n FROM arrival AS a"
        " CROSS JOIN entry AS e ON e.n BETWEEN a.n AND a.n + a.last - a.first"
        " WHERE a.log = ? AND e.payload IS NOT NULL AND e.order_ms IS NULL ORDER BY a.first, e.n",
        (log,),
    ):
        take_words(database, (log, seq, n), identity, stands=seq <= last)
