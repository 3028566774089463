"""What a SQLite store knows of the order in which entries arrived, and of who follows whom."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from .base import (
    MAX_PEER_MEMORIES,
    NOTHING_DELIVERED,
    Arrived,
    Delivered,
    LogKey,
    PeerMemory,
    SentRange,
)
from .sqlite_entries import prefix_of
from .sqlite_peers import SqlitePeers

_SELECT: Final = (
    "SELECT nonce, counter, offered, arrival, confirmed_ms, heard_ms, sent, device FROM delivered"
)


class SqliteDelivery(SqlitePeers):
    """What tells who can have which entry. `NodeStore` describes the methods."""

    @property
    def last_arrival(self) -> int:
        (newest,) = self._database.row(
            "SELECT max(coalesce((SELECT max(n) FROM entry), 0), newest) FROM upkeep"
        )
        return int(newest)

    def delivered(self, device: bytes) -> Delivered:
        found = self._database.row(f"{_SELECT} WHERE device = ?", (device,))
        return _delivered_of(found) if found else NOTHING_DELIVERED

    def remember_delivered(self, device: bytes, delivered: Delivered) -> None:
        with self._database.writing():
            self._database.write("DELETE FROM delivered WHERE device = ?", (device,))
            self._database.write(
                "INSERT INTO delivered (device, nonce, counter, offered, arrival, confirmed_ms,"
                " heard_ms, sent) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    device,
                    delivered.nonce,
                    delivered.counter,
                    delivered.offered,
                    delivered.arrival,
                    delivered.confirmed_ms,
                    delivered.heard_ms,
                    msgspec.msgpack.encode(delivered.sent),
                ),
            )
            self._database.write(
                "DELETE FROM delivered WHERE n <= ("
                "    SELECT n FROM delivered ORDER BY n DESC LIMIT 1 OFFSET ?)",
                (MAX_PEER_MEMORIES,),
            )

    def peers_met(self) -> dict[bytes, tuple[PeerMemory, Delivered]]:
        known = {row[-1]: _delivered_of(row) for row in self._database.rows(_SELECT)}
        met = self._database.rows("SELECT device FROM peer_memory")
        return {
            device: (self.peer_memory(device), known.get(device, NOTHING_DELIVERED))
            for (device,) in met
        }

    def arrival_of(self, entry_id: bytes) -> int:
        found = self._database.row(
            "SELECT n FROM entry WHERE substr(id, 1, 5) = ? AND id = ?",
            (prefix_of(entry_id), entry_id),
        )
        return found[0] if found else 0

    def arrived_since(self, arrival: int) -> list[Arrived]:
        rows = self._database.rows(
            """
            SELECT i.id, d.key, l.channel, s.via,
                sum(a.n + a.last - a.first - max(a.n - 1, :after))
            FROM arrival AS a
            JOIN source AS s ON s.n = a.source
            JOIN log AS l ON l.n = a.log
            JOIN device AS d ON d.n = l.device
            JOIN identity AS i ON i.n = d.identity
            WHERE a.n >= coalesce((SELECT max(n) FROM arrival WHERE n <= :after), 0)
                AND a.n + a.last - a.first > :after
            GROUP BY a.log, a.source ORDER BY i.id, d.key, l.channel, s.via
            """,
            {"after": arrival},
        )
        return [
            Arrived(identity, LogKey(device, channel), via, entries)
            for identity, device, channel, via, entries in rows
        ]

    def followers(self, identity: bytes) -> list[bytes]:
        rows = self._database.rows(
            "SELECT i.id FROM follow AS f JOIN identity AS i ON i.n = f.identity"
            " WHERE f.followed = ? AND NOT EXISTS"
            "     (SELECT 1 FROM withdrawn WHERE identity = i.n AND entry = f.entry)"
            " ORDER BY i.id",
            (identity,),
        )
        return [follower for (follower,) in rows]


def _delivered_of(row: Any) -> Delivered:
    """Return what is in a row of `_SELECT`."""
    nonce, counter, offered, arrival, confirmed_ms, heard_ms, sent, _device = row
    ranges = msgspec.msgpack.decode(sent, type=list[tuple[bytes, int, int]])
    sent_ranges = tuple(SentRange(*each) for each in ranges)
    return Delivered(nonce, counter, offered, arrival, confirmed_ms, heard_ms, sent_ranges)
