"""Which held posts the views of a SQLite store show: one switch for all of them.

A post is in timeline, threads, counts and search exactly as long as its row has a place in
reading order. Whoever finds that an entry no longer stands, or that its payload has to go,
hides it here; nothing else about the entry changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..protocol.entry import CHANNEL_POSTS
from .derived import links_of_post, searchable_text
from .sqlite_database import Database
from .sqlite_edits import count_edits, forget_words, shown_payload
from .sqlite_entries import PREFIX_BYTES
from .sqlite_timeline import move_answers
from .words import index_text


class _Row(NamedTuple):
    n: int
    t_ms: int
    is_shown: bool
    payload: bytes


class _Group(NamedTuple):
    """The part of a range that arrived together."""

    arrival: int
    first_n: int
    last_n: int
    received_ms: int


def hide(database: Database, log: int, first: int, last: int) -> int:
    """Take the posts among the held entries ``first..last`` of a log out of all views.

    Belongs inside `Database.writing`, before a payload is dropped: the search index has to be
    told what it shall forget. Done twice, it changes nothing.

    Returns:
        How many were shown before.
    """
    count_edits(database, log, first, last, stand=False)
    hidden = 0
    for group in _groups(database, log, first, last):
        shown = [row for row in _rows(database, group) if row.is_shown]
        _forget_words(database, shown)
        database.write_many(
            "UPDATE entry SET t_ms = coalesce(t_ms, order_ms), order_ms = NULL,"
            " parent = NULL, root = NULL WHERE n = ?",
            [(row.n,) for row in shown],
        )
        _count(database, group, -len(shown))
        hidden += len(shown)
    return hidden


def show(database: Database, log: int, first: int, last: int) -> int:
    """Put those back into all views whose payload is held.

    Belongs inside `Database.writing`. The caller knows that they stand. Done twice, it changes
    nothing.

    Returns:
        How many were hidden before.
    """
    (channel,) = database.row("SELECT channel FROM log WHERE n = ?", (log,))
    count_edits(database, log, first, last, stand=True)
    returned = 0
    for group in _groups(database, log, first, last) if channel == CHANNEL_POSTS else ():
        hidden = [row for row in _rows(database, group) if not row.is_shown]
        placed = [(row, links_of_post(channel, row.payload)) for row in hidden]
        posts = [(row, links) for row, links in placed if links is not None]
        for row, (parent, root) in posts:
            order_ms = min(row.t_ms, group.received_ms)
            database.write(
                "UPDATE entry SET t_ms = ?, order_ms = ?, parent = ?, root = ? WHERE n = ?",
                (
                    None if order_ms == row.t_ms else row.t_ms,
                    order_ms,
                    parent and parent[:PREFIX_BYTES],
                    root and root[:PREFIX_BYTES],
                    row.n,
                ),
            )
        if posts:
            _remember_words(database, [row for row, _ in posts])
            _count(database, group, len(posts))
            move_answers(database, group.first_n, group.last_n)
        returned += len(posts)
    return returned


def _groups(database: Database, log: int, first: int, last: int) -> list[_Group]:
    return [
        _Group(n, n + max(first - low, 0), n + min(last, high) - low, received_ms)
        for n, low, high, received_ms in database.rows(
            "SELECT n, first, last, received_ms FROM arrival WHERE log = ? AND first <= ?"
            " AND last >= ? ORDER BY first",
            (log, last, first),
        )
    ]


def _rows(database: Database, group: _Group) -> Iterator[_Row]:
    """Yield the entries of a group that are held with their payload."""
    for n, t_ms, is_shown, payload in database.rows(
        "SELECT n, coalesce(t_ms, order_ms), order_ms IS NOT NULL, payload FROM entry"
        " WHERE n BETWEEN ? AND ? AND payload IS NOT NULL",
        (group.first_n, group.last_n),
    ):
        yield _Row(n, t_ms, bool(is_shown), payload)


def _count(database: Database, group: _Group, change: int) -> None:
    if change:
        database.write("UPDATE arrival SET posts = posts + ? WHERE n = ?", (change, group.arrival))


def _forget_words(database: Database, rows: list[_Row]) -> None:
    """Take posts out of the search index as far as it has read them."""
    (indexed,) = database.row("SELECT indexed FROM store")
    for row in rows:
        if row.n <= indexed:
            forget_words(database, row.n, shown_payload(database, row.n, row.payload))


def _remember_words(database: Database, rows: list[_Row]) -> None:
    """Put posts back that the search index has passed already."""
    (indexed,) = database.row("SELECT indexed FROM store")
    for row in rows:
        if row.n <= indexed:
            text = searchable_text(shown_payload(database, row.n, row.payload))
            database.write(
                "INSERT INTO search (rowid, text) VALUES (?, ?)", (row.n, index_text(text))
            )
