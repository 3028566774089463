"""Edits in a SQLite database: which version of a post is shown.

Belongs inside `Database.writing` where something changes.
"""

from __future__ import annotations

from ..protocol.content import Edit, decode_content, split_payload
from ..protocol.entry import CHANNEL_POSTS
from .derived import searchable_text
from .sqlite_database import Database
from .words import index_text


def add_edit(
    database: Database, place: tuple[int, int, int], identity: int, edit_id: bytes, edit: Edit
) -> None:
    """Take up an edit that is held with its payload.

    Args:
        place: numbers of log, sequence and entry.
    """
    log, seq, n = place
    database.write(
        "INSERT OR REPLACE INTO edit (target, id, identity, log, seq, n) VALUES (?, ?, ?, ?, ?, ?)",
        (edit.target, edit_id, identity, log, seq, n),
    )
    settle_target(database, edit.target, identity)


def forget_edits(database: Database, log: int, first: int, last: int) -> None:
    """The payloads of edits among these entries are about to go."""
    for target, identity in database.rows(
        "SELECT target, identity FROM edit WHERE log = ? AND seq BETWEEN ? AND ?",
        (log, first, last),
    ):
        database.write(
            "DELETE FROM edit WHERE log = ? AND seq BETWEEN ? AND ? AND target = ?",
            (log, first, last, target),
        )
        settle_target(database, target, identity)


def count_edits(database: Database, log: int, first: int, last: int, *, stand: bool) -> None:
    """Edits among these entries stand, or are void and fall away."""
    rows = database.rows(
        "SELECT target, identity FROM edit WHERE log = ? AND seq BETWEEN ? AND ? AND void = ?",
        (log, first, last, int(stand)),
    )
    if not rows:
        return
    database.write(
        "UPDATE edit SET void = ? WHERE log = ? AND seq BETWEEN ? AND ?",
        (int(not stand), log, first, last),
    )
    for target, identity in rows:
        settle_target(database, target, identity)


def settle_target(database: Database, target: bytes, identity: int) -> None:
    """Let the post with this id, if it is held and that identity's, be shown as it is now."""
    found = database.row(
        "SELECT e.n, a.log, d.identity FROM entry AS e"
        " JOIN arrival AS a ON a.n = (SELECT max(n) FROM arrival WHERE n <= e.n)"
        " JOIN log AS l ON l.n = a.log JOIN device AS d ON d.n = l.device"
        " WHERE substr(e.id, 1, 5) = substr(?, 1, 5) AND e.id = ? AND l.channel = ?",
        (target, target, CHANNEL_POSTS),
    )
    if found is not None and found[2] == identity:
        settle(database, found[0], target, identity)


def settle(database: Database, post: int, post_id: bytes, identity: int) -> None:
    """Let a post be shown in the latest version that stands."""
    before = database.row("SELECT edit FROM edited WHERE post = ?", (post,))
    latest = _latest(database, post_id, identity)
    if (before[0] if before else None) == latest:
        return
    payload, is_shown, indexed = database.row(
        "SELECT payload, order_ms IS NOT NULL, n <= (SELECT indexed FROM store)"
        " FROM entry WHERE n = ?",
        (post,),
    )
    in_index = is_shown and indexed
    if payload is None:
        return
    if in_index:
        forget_words(database, post, shown_payload(database, post, payload))
    if latest is None:
        database.write("DELETE FROM edited WHERE post = ?", (post,))
    else:
        database.write("INSERT OR REPLACE INTO edited VALUES (?, ?)", (post, latest))
    if in_index:
        text = index_text(searchable_text(shown_payload(database, post, payload)))
        database.write("INSERT INTO search (rowid, text) VALUES (?, ?)", (post, text))


def _latest(database: Database, target: bytes, identity: int) -> int | None:
    found = database.row(
        "SELECT x.n FROM edit AS x JOIN entry AS e ON e.n = x.n"
        " WHERE x.target = ? AND x.identity = ? AND NOT x.void"
        " ORDER BY e.lamport DESC, coalesce(e.t_ms, e.order_ms) DESC, e.id DESC LIMIT 1",
        (target, identity),
    )
    return int(found[0]) if found else None


def shown_payload(database: Database, post: int, payload: bytes) -> bytes:
    """Return the payload that holds the words of a post as it is shown."""
    found = database.row(
        "SELECT e.payload FROM edited AS x JOIN entry AS e ON e.n = x.edit WHERE x.post = ?",
        (post,),
    )
    return bytes(found[0]) if found else payload


def forget_words(database: Database, post: int, payload: bytes) -> None:
    """Take a post out of the search index, which keeps no text of its own to find it by."""
    database.write(
        "INSERT INTO search (search, rowid, text) VALUES ('delete', ?, ?)",
        (post, index_text(searchable_text(payload))),
    )


def edit_in(payload: bytes) -> Edit | None:
    """Return the edit that a payload of channel 1 holds, if it is one."""
    content = decode_content(split_payload(payload), CHANNEL_POSTS)
    return content if isinstance(content, Edit) else None
