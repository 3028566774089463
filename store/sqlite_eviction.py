"""What is beyond a quota leaves a SQLite store; `eviction` says in which order."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Final

from ..protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS
from .marks import Mark, MarkKind
from .quota import Held
from .sqlite_database import Database
from .sqlite_deletion import drop, log_row
from .sqlite_floor import cut_oldest, forget
from .sqlite_wanting import lower_floor, want_texts
from .sqlite_weight import held_by_person

_LEAST_READ: Final = 64


class SqliteRoom:
    """Keeps `eviction.Room`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def held(self) -> list[Held]:
        return held_by_person(self._database)

    def drop_oldest(self, identity: bytes, wanted_bytes: int, most: int) -> int:
        return evict_oldest(self._database, {identity: wanted_bytes}, most)

    def cut_oldest(self, identity: bytes, wanted_bytes: int, most: int) -> int:
        return cut_oldest(self._database, identity, wanted_bytes, most)

    def forget(self, identity: bytes) -> int:
        return forget(self._database, identity)

    def want_texts(self, identity: bytes, room_bytes: int, most: int) -> int:
        return want_texts(self._database, identity, room_bytes, most)

    def lower_floor(self, identity: bytes, room_bytes: int) -> int:
        return lower_floor(self._database, identity, room_bytes)


def evict_oldest(database: Database, gone: Mapping[bytes, int], most: int) -> int:
    """Drop the oldest payloads of people until so many bytes went; inside `Database.writing`.

    Of channel 1 only posts go: an edit or a deletion says what counts, and is small.

    Returns:
        How many went, about ``most`` at the most.
    """
    dropped = 0
    for identity, wanted in gone.items():
        left = wanted
        oldest = database.rows(
            """
            SELECT a.log, a.first + e.n - a.n, length(e.payload) FROM identity AS i
            JOIN device AS d ON d.identity = i.n
            JOIN log AS l ON l.device = d.n AND l.channel != ?
            JOIN arrival AS a ON a.log = l.n
            CROSS JOIN entry AS e ON e.n BETWEEN a.n AND a.n + a.last - a.first
            WHERE i.id = ? AND e.payload IS NOT NULL AND (l.channel != ? OR e.order_ms IS NOT NULL)
            ORDER BY coalesce(e.t_ms, e.order_ms) LIMIT ?
            """,
            (CHANNEL_IDENTITY, identity, CHANNEL_POSTS, max(_LEAST_READ, most - dropped)),
        )
        chosen: list[tuple[int, int]] = []
        for log, seq, size in oldest:
            if left <= 0 or dropped + len(chosen) >= most:
                break
            chosen.append((log, seq))
            left -= size
        dropped += _drop_all(database, sorted(chosen))
        if dropped >= most:
            break
    return dropped


def _drop_all(database: Database, places: list[tuple[int, int]]) -> int:
    """Drop the payloads of entries in rising order, neighbours together."""
    dropped = 0
    for (log, _), group in groupby(
        enumerate(places), key=lambda item: (item[1][0], item[1][1] - item[0])
    ):
        seqs = [seq for _, (_, seq) in group]
        mark = Mark(seqs[0], seqs[-1], MarkKind.EVICTED, b"")
        dropped += drop(database, log_row(database, log), mark)
    return dropped
