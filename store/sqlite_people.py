"""People in a SQLite store: names, devices, profiles, and whom they follow."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ..protocol import content
from ..protocol.entry import CHANNEL_IDENTITY, Entry
from .base import Device, Follow, HeldEntry, Identity
from .derived import word_rank
from .sqlite_database import Database, SqlitePart
from .sqlite_entries import EntryTable, ending_in, held_entry_of, id_range, prefix_of
from .standings import parted

_SELECT_IDENTITY: Final = "SELECT id, inception, coalesce(petname, ''), name FROM identity"


class SqlitePeople(SqlitePart):
    """Identities and what they say of themselves. `NodeStore` describes the methods."""

    def identity(self, identity: bytes) -> Identity | None:
        found = self._database.row(f"{_SELECT_IDENTITY} WHERE id = ?", (identity,))
        return found and Identity(*found)

    def find_identities(self, bits: int, bit_count: int, limit: int) -> list[Identity]:
        rows = self._database.rows(
            f"{_SELECT_IDENTITY} WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
            (*id_range(bits, bit_count), limit),
        )
        return [Identity(*row) for row in rows]

    def identities_named(self, name: str) -> list[Identity]:
        if not name:
            return []
        rows = self._database.rows(
            f"{_SELECT_IDENTITY} WHERE petname = ?"
            f" UNION ALL {_SELECT_IDENTITY} WHERE name = ? AND name != '' AND petname IS NULL",
            (name, name),
        )
        return [Identity(*row) for row in rows]

    def set_petname(self, identity: bytes, petname: str) -> None:
        with self._database.writing():
            taken = petname and self._database.row(
                "SELECT 1 FROM identity WHERE petname = ? AND id != ?", (petname, identity)
            )
            if taken:
                raise ValueError(f"somebody else is called {petname!r} here")
            named = self._database.write(
                "UPDATE identity SET petname = ? WHERE id = ?", (petname or None, identity)
            )
            if not named:
                raise ValueError("nobody with this identity is known here")

    def devices(self, identity: bytes) -> list[Device]:
        rows = self._database.rows(
            "SELECT d.key, i.id, d.box_public, d.label, d.place"
            " FROM identity AS i JOIN device AS d ON d.identity = i.n WHERE i.id = ? ORDER BY d.n",
            (identity,),
        )
        return [Device(*row) for row in rows]

    def profile(self, identity: bytes) -> HeldEntry | None:
        found = self._database.row(
            "SELECT e.* FROM identity AS i JOIN held_entry AS e"
            " ON e.id = i.profile AND substr(e.id, 1, 5) = substr(i.profile, 1, 5)"
            " WHERE i.id = ?",
            (identity,),
        )
        return found and held_entry_of(found)

    def follows(self, identity: bytes) -> list[Follow]:
        rows = self._database.rows(
            """
            SELECT f.followed, f.channels, f.depth, f.amount, f.entry
            FROM identity AS i JOIN follow AS f ON f.identity = i.n
            WHERE i.id = ? AND NOT EXISTS
                (SELECT 1 FROM withdrawn WHERE identity = i.n AND entry = f.entry)
            ORDER BY f.followed
            """,
            (identity,),
        )
        return [
            Follow(followed, msgspec.json.decode(channels, type=tuple[int, ...]), depth, n, entry)
            for followed, channels, depth, n, entry in rows
        ]


def learn(database: Database, identity: int, entry: Entry) -> None:
    """Take up what an entry of channel 0 says, if it is the newest word about its matter.

    Args:
        identity: number of the identity that says it.
        entry: held already.
    """
    if entry.payload is None:
        return
    said = content.decode_content(content.split_payload(entry.payload), CHANNEL_IDENTITY)
    match said:
        case content.Profile():
            before = database.row("SELECT profile FROM identity WHERE n = ?", (identity,))
            if _is_newer(database, entry, before):
                database.write(
                    "UPDATE identity SET name = ?, profile = ? WHERE n = ?",
                    (said.name, entry.id, identity),
                )
        case content.Follow():
            before = database.row(
                "SELECT entry FROM follow WHERE identity = ? AND followed = ?",
                (identity, said.identity),
            )
            if _is_newer(database, entry, before):
                channels = msgspec.json.encode(said.channels).decode()
                database.write(
                    "INSERT OR REPLACE INTO follow VALUES (?, ?, ?, ?, ?, ?)",
                    (identity, said.identity, entry.id, channels, said.depth, said.n),
                )
        case content.Withdraw():
            database.write_many(
                "INSERT OR IGNORE INTO withdrawn VALUES (?, ?)",
                [(identity, withdrawn) for withdrawn in said.entries],
            )
        case _:
            pass


def relearn(database: Database, identity: int) -> None:
    """Read all that stands of what an identity says in channel 0 anew.

    Belongs inside `Database.writing`.
    """
    database.write("UPDATE identity SET name = '', profile = NULL WHERE n = ?", (identity,))
    database.write("DELETE FROM follow WHERE identity = ?", (identity,))
    database.write("DELETE FROM withdrawn WHERE identity = ?", (identity,))
    logs = database.rows(
        "SELECT l.n, l.seq, end_seq, end_id, end_why, end_record"
        " FROM device AS d JOIN log AS l ON l.device = d.n AND l.channel = ?"
        " WHERE d.identity = ?",
        (CHANNEL_IDENTITY, identity),
    )
    entries = EntryTable(database)
    for log, newest, *end in logs:
        held = [placed.entry for placed in entries.newest_first(log, 1, newest)]
        for entry in parted(held[::-1], ending_in(end)).standing:
            learn(database, identity, entry)


def _is_newer(database: Database, entry: Entry, before: Any) -> bool:
    """Compare an entry with the one that stands; ``before`` is a row with its id, or nothing."""
    if before is None or before[0] is None:
        return True
    (standing,) = before
    lamport, t_ms = database.row(
        "SELECT lamport, coalesce(t_ms, order_ms) FROM entry WHERE substr(id, 1, 5) = ? AND id = ?",
        (prefix_of(standing), standing),
    )
    return word_rank(entry) > (lamport, t_ms, standing)
