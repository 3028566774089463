"""Derive again what a SQLite store derives from entries: places, words, search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from .base import OWN
from .derived import links_of_post
from .schema import RECOUNT_PAYLOADS
from .schema_room import RECOUNT_HEADERS
from .sqlite_database import Database
from .sqlite_entries import PREFIX_BYTES
from .sqlite_people import relearn
from .sqlite_places import disagreements, mend_places
from .sqlite_timeline import move_answers

_POSTS_AT_ONCE: Final = 2_000
"""So many are placed before answers among them are moved, as a sync would bring them."""


def rebuild_views(database: Database, *, now_ms: int) -> None:
    """Derive all views again, in one transaction; the search index then has to read all posts.

    Posts that do not count, because their author took them back or the entry does not stand,
    stay out of every view.
    """
    with database.writing():
        _name_sources(database)
        mend_places(database, disagreements(database), now_ms=now_ms)
        _place_posts(database)
        for (identity,) in database.rows("SELECT n FROM identity"):
            relearn(database, identity)
        database.write(
            "UPDATE arrival SET posts = (SELECT count(*) FROM entry AS e WHERE order_ms IS NOT NULL"
            " AND e.n BETWEEN arrival.n AND arrival.n + last - first)"
        )
        database.write(RECOUNT_PAYLOADS)
        database.write(RECOUNT_HEADERS)
        database.write("INSERT INTO search (search) VALUES ('delete-all')")
        database.write("UPDATE store SET indexed = 0")


def _name_sources(database: Database) -> None:
    """Let everything have come some way, also where the note about it was lost.

    What this node's own devices wrote came by itself; that a home was copied is told elsewhere.
    """
    (lost,) = database.row(
        "SELECT count(*) FROM arrival WHERE source NOT IN (SELECT n FROM source)"
    )
    if not lost:
        return
    database.write("INSERT OR IGNORE INTO source (via) VALUES (?)", (OWN,))
    database.write(
        "UPDATE arrival SET source = (SELECT n FROM source WHERE via = ?)"
        " WHERE source NOT IN (SELECT n FROM source) AND log IN"
        " (SELECT l.n FROM log AS l JOIN device AS d ON d.n = l.device WHERE d.own)",
        (OWN,),
    )
    database.write(
        "INSERT OR IGNORE INTO source (n, via) SELECT DISTINCT source, 'unknown ' || source"
        " FROM arrival WHERE source NOT IN (SELECT n FROM source)"
    )


def _place_posts(database: Database) -> None:
    """Put every post that is shown where its date and what it answers put it."""
    shown = database.each(
        """
        SELECT e.n, coalesce(e.t_ms, e.order_ms), a.received_ms, l.channel, e.payload
        FROM arrival AS a JOIN log AS l ON l.n = a.log
        CROSS JOIN entry AS e ON e.n BETWEEN a.n AND a.n + a.last - a.first
        WHERE e.order_ms IS NOT NULL ORDER BY e.n
        """
    )
    for batch in _batches(shown):
        for n, t_ms, received_ms, channel, payload in batch:
            links = links_of_post(channel, payload)
            parent, root = links or (None, None)
            order_ms = None if links is None else min(t_ms, received_ms)
            database.write(
                "UPDATE entry SET t_ms = ?, order_ms = ?, parent = ?, root = ? WHERE n = ?",
                (
                    None if order_ms == t_ms else t_ms,
                    order_ms,
                    parent and parent[:PREFIX_BYTES],
                    root and root[:PREFIX_BYTES],
                    n,
                ),
            )
    last = 0
    while posts := database.rows(
        "SELECT n FROM entry WHERE n > ? AND parent IS NOT NULL AND order_ms IS NOT NULL"
        " ORDER BY n LIMIT ?",
        (last, _POSTS_AT_ONCE),
    ):
        move_answers(database, last + 1, posts[-1][0])
        last = posts[-1][0]


def _batches(rows: Iterator[Any]) -> Iterator[Sequence[Any]]:
    """Read rows in pieces: what is read must not change meanwhile, and memory is bounded."""
    while batch := list(islice(rows, _POSTS_AT_ONCE)):
        yield batch
