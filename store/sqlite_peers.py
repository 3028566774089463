"""What a SQLite store remembers for its node: peers, invites, settings, what was shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple

import msgspec

from ..protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, MAX_SEEN
from ..protocol.hashing import HASH_BYTES
from ..protocol.roster import Roster, RosterRow
from .base import MAX_PEER_MEMORIES, NO_MEMORY, HeldEntry, Peer, PeerMemory
from .sqlite_database import SqlitePart
from .sqlite_entries import held_entry_of, prefix_of


class SqlitePeers(SqlitePart):
    """Peers and small things. `NodeStore` describes the methods."""

    def peer_memory(self, device: bytes) -> PeerMemory:
        found = self._database.row(
            "SELECT nonce, counter, roster, acked, satisfied, absent FROM peer_memory"
            " WHERE device = ?",
            (device,),
        )
        return PeerMemory(*found) if found else NO_MEMORY

    def remember_peer(self, device: bytes, memory: PeerMemory) -> None:
        with self._database.writing():
            self._database.write("DELETE FROM peer_memory WHERE device = ?", (device,))
            self._database.write(
                "INSERT INTO peer_memory (device, nonce, counter, roster, acked, satisfied,"
                " absent) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (device, *astuple(memory)),
            )
            self._database.write(
                "DELETE FROM peer_memory WHERE n <= ("
                "    SELECT n FROM peer_memory ORDER BY n DESC LIMIT 1 OFFSET ?)",
                (MAX_PEER_MEMORIES,),
            )

    def roster(self, name: bytes) -> Roster | None:
        found = self._database.row(
            "SELECT entries FROM roster WHERE hash BETWEEN ? AND ?",
            (name, name.ljust(HASH_BYTES, b"\xff")),
        )
        if found is None:
            return None
        return Roster(msgspec.msgpack.decode(found[0], type=list[RosterRow]))

    def keep_roster(self, roster: Roster) -> None:
        with self._database.writing():
            self._database.write(
                "DELETE FROM roster WHERE hash NOT IN (SELECT roster FROM peer_memory)"
            )
            self._database.write(
                "INSERT OR IGNORE INTO roster VALUES (?, ?)",
                (roster.hash, msgspec.msgpack.encode(roster.rows)),
            )

    def note_shown(self, entry_ids: Iterable[bytes]) -> None:
        with self._database.writing():
            self._database.write_many(
                "INSERT INTO shown SELECT log, seq, n FROM held_entry"
                " WHERE substr(id, 1, 5) = ? AND id = ? AND channel IN (?, ?)"
                " ON CONFLICT DO UPDATE SET seq = excluded.seq, entry = excluded.entry"
                " WHERE excluded.seq > seq",
                [
                    (prefix_of(entry_id), entry_id, CHANNEL_IDENTITY, CHANNEL_POSTS)
                    for entry_id in entry_ids
                ],
            )

    def shown(self) -> list[HeldEntry]:
        rows = self._database.rows(
            "SELECT e.* FROM shown AS s JOIN held_entry AS e ON e.n = s.entry"
            " WHERE NOT e.own ORDER BY e.lamport DESC LIMIT ?",
            (MAX_SEEN,),
        )
        return [held_entry_of(row) for row in rows]

    def forget_shown(self) -> None:
        with self._database.writing():
            self._database.write("DELETE FROM shown")

    def peers(self) -> list[Peer]:
        rows = self._database.rows(
            "SELECT identity, device, box_public, addresses, name, last_contact_ms"
            " FROM peer ORDER BY name, identity, device"
        )
        return [
            Peer(
                identity,
                device,
                box_public,
                msgspec.json.decode(addresses, type=tuple[str, ...]),
                name,
                last_contact_ms,
            )
            for identity, device, box_public, addresses, name, last_contact_ms in rows
        ]

    def put_peer(self, peer: Peer) -> None:
        with self._database.writing():
            self._database.write(
                "INSERT OR REPLACE INTO peer VALUES (?, ?, ?, ?, ?, ?)",
                (
                    peer.device,
                    peer.identity,
                    peer.box_public,
                    msgspec.json.encode(peer.addresses).decode(),
                    peer.name,
                    peer.last_contact_ms,
                ),
            )

    def remove_peer(self, device: bytes) -> bool:
        with self._database.writing():
            return self._database.write("DELETE FROM peer WHERE device = ?", (device,)) > 0

    def add_invite(self, token_hash: bytes, expires_ms: int) -> None:
        with self._database.writing():
            self._database.write(
                "INSERT OR REPLACE INTO invite VALUES (?, ?)", (token_hash, expires_ms)
            )

    def use_invite(self, token_hash: bytes, now_ms: int) -> bool:
        with self._database.writing():
            self._database.write("DELETE FROM invite WHERE expires_ms <= ?", (now_ms,))
            used = self._database.write("DELETE FROM invite WHERE token_hash = ?", (token_hash,))
            return used > 0

    def setting(self, name: str) -> str:
        found = self._database.row("SELECT value FROM setting WHERE name = ?", (name,))
        return found[0] if found else ""

    def put_setting(self, name: str, value: str) -> None:
        with self._database.writing():
            self._database.write("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))
