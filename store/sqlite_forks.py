"""Forked logs in a SQLite database: their proofs, and what is kept beside the main branch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from ..protocol.entry import Entry
from ..protocol.fork import ForkProof, decode_fork
from ..protocol.run import BLOCK, Run, build_run
from .base import OWN, HeldEntry, LogKey
from .branches import void_beside
from .forks import Fork, KeptEntry
from .intervals import Held
from .sqlite_database import Database
from .sqlite_entries import EntryTable, ending_in

SELECT_KEPT: Final = """
    SELECT d.key, l.channel, i.id AS identity, b.seq, b.id, b.prev, b.header, b.payload,
        b.signature, b.received_ms, b.via, l.end_seq, l.end_id, l.end_why, l.end_record
    FROM branch_entry AS b
    JOIN log AS l ON l.n = b.log
    JOIN device AS d ON d.n = l.device
    JOIN identity AS i ON i.n = d.identity
"""


class _Header(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The fields of a kept entry that nobody asks for by themselves."""

    t_ms: int
    t_quality: int
    lamport: int
    seen: tuple[bytes, ...]
    expire_ms: int
    remaining_ms: int
    size: int
    payload_hash: bytes
    ext: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Header).decode


class SqliteMain:
    """The branch of a log in the ordinary tables; keeps `forks.Main`."""

    def __init__(self, database: Database, log: int, key: LogKey) -> None:
        self._log = log
        self._key = key
        self._entries = EntryTable(database)
        self.held: Final = [
            Held(first, last, prev, signature or None)
            for first, last, prev, signature in database.rows(
                "SELECT first, last, prev, signature FROM held WHERE log = ? ORDER BY first",
                (log,),
            )
        ]

    def id_at(self, seq: int) -> bytes | None:
        return self._entries.id_at(self._log, seq) if self._interval(seq) else None

    def id_below(self, seq: int) -> bytes | None:
        interval = self._interval(seq + 1)
        if interval is None:
            return None
        return interval.prev if interval.first == seq + 1 else self.id_at(seq)

    def top(self) -> int:
        return self.held[-1].last if self.held else -1

    def stubs_from(self, seq: int) -> Run | None:
        interval = self._interval(seq)
        if interval is None:
            return None
        top = min(interval.last, seq // BLOCK * BLOCK + BLOCK - 1)
        prev = interval.prev if seq == interval.first else self._entries.id_at(self._log, seq - 1)
        stubs: list[Entry] = []
        for placed in reversed(list(self._entries.newest_first(self._log, seq, top))):
            stubs.append(placed.entry._replace(payload=None, remaining_ms=0))
            at_end = placed.entry.seq == interval.last
            signature = placed.signature or (interval.signature if at_end else None)
            if signature:
                return build_run(*self._key, prev, stubs, signature)
        return build_run(*self._key, prev, stubs, None)

    def _interval(self, seq: int) -> Held | None:
        return next((each for each in self.held if each.first <= seq <= each.last), None)


class ForkTable:
    """Proofs and kept entries by log. Writes belong inside `Database.writing`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has_any(self) -> bool:
        """Say whether there is any forked log."""
        return self._database.row("SELECT 1 FROM fork LIMIT 1") is not None

    def frozen(self) -> dict[bytes, int]:
        """Return the frozen logs by id, with their lowest forked sequence number: those that
        forked, and that no record has ended."""
        return dict(
            self._database.rows(
                "SELECT l.id, frozen_from FROM fork CROSS JOIN log AS l ON l.n = log"
                " WHERE l.end_seq IS NULL"
            )
        )

    def ended(self) -> set[bytes]:
        """Return the ids of the logs that forked and that a record has ended."""
        rows = self._database.rows(
            "SELECT l.id FROM fork CROSS JOIN log AS l ON l.n = log WHERE l.end_seq IS NOT NULL"
        )
        return {log for (log,) in rows}

    def has(self, log: int) -> bool:
        """Say whether a log is known to be forked."""
        return self._database.row("SELECT 1 FROM fork WHERE log = ?", (log,)) is not None

    def load(self, log: int) -> Fork | None:
        """Return what is known of a forked log; None if it is not forked."""
        found = self._database.row(
            "SELECT f.proof, l.end_seq, l.end_id, l.end_why, l.end_record"
            " FROM fork AS f JOIN log AS l ON l.n = f.log WHERE f.log = ?",
            (log,),
        )
        if found is None:
            return None
        proof, *end = found
        rows = self._database.rows(f"{SELECT_KEPT} WHERE b.log = ? ORDER BY b.seq", (log,))
        kept = {(row[3], row[4]): _kept_of(row) for row in rows}
        return Fork(decode_fork(proof), kept, ending_in(end))

    def save(self, log: int, fork: Fork, changed: int) -> None:
        """Write what has changed of a forked log."""
        if fork.proof_changed:
            self._database.write(
                "INSERT OR REPLACE INTO fork VALUES (?, ?, ?, ?)",
                (log, fork.frozen_from, fork.proof.encode(), changed),
            )
            self._database.write("UPDATE log SET changed = ? WHERE n = ?", (changed, log))
        self._database.write_many(
            "DELETE FROM branch_entry WHERE log = ? AND seq = ? AND id = ?",
            [(log, *place) for place in fork.dropped],
        )
        self._database.write_many(
            "INSERT OR REPLACE INTO branch_entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(log, *place, *_columns(fork.kept[place])) for place in fork.written],
        )

    def proof_bytes(self, identity: int, besides: int) -> int:
        """Return how long all proofs of an identity are, but that of one log."""
        (size,) = self._database.row(
            "SELECT coalesce(sum(length(f.proof)), 0) FROM fork AS f JOIN log AS l ON l.n = f.log"
            " JOIN device AS d ON d.n = l.device WHERE d.identity = ? AND f.log != ?",
            (identity, besides),
        )
        return int(size)

    def proofs(
        self, since: int, identity: bytes | None = None
    ) -> list[tuple[bytes, int, bytes, ForkProof]]:
        """Return log id, channel, identity and proof of the logs that forked after a change.

        Args:
            identity: of which; None: of all.
        """
        rows = self._database.rows(
            "SELECT l.id, l.channel, i.id, f.proof FROM fork AS f JOIN log AS l ON l.n = f.log"
            " JOIN device AS d ON d.n = l.device JOIN identity AS i ON i.n = d.identity"
            " WHERE f.changed > :since AND (:identity IS NULL OR i.id = :identity)"
            " ORDER BY f.log",
            {"since": since, "identity": identity},
        )
        return [(log, channel, author, decode_fork(proof)) for log, channel, author, proof in rows]


def note_strange(database: Database, logs: Iterable[int]) -> None:
    """Remember of which own logs something is held that others brought: see `written_elsewhere`."""
    database.write_many(
        "UPDATE device SET elsewhere = 1 WHERE n = (SELECT device FROM log WHERE n = :log)"
        " AND EXISTS (SELECT 1 FROM arrival JOIN source ON source.n = arrival.source"
        " WHERE log = :log AND via != :own)",
        [{"log": log, "own": OWN} for log in logs],
    )


def held_kept_of(row: Sequence[Any]) -> HeldEntry:
    """Return the entry of a row of `SELECT_KEPT`."""
    kept = _kept_of(row)
    ending = ending_in(row[11:15])
    return HeldEntry(
        LogKey(row[0], row[1]),
        row[2],
        kept.prev,
        kept.entry,
        kept.signature,
        kept.received_ms,
        kept.via,
        void_beside(ending, kept.entry.seq),
    )


def _kept_of(row: Sequence[Any]) -> KeptEntry:
    seq, entry_id, prev, packed, payload, signature, received_ms, via = row[3:11]
    header = _decode(packed)
    entry = Entry(
        seq,
        entry_id,
        header.t_ms,
        header.t_quality,
        header.lamport,
        header.seen,
        header.expire_ms,
        header.remaining_ms,
        header.size,
        header.payload_hash,
        header.ext,
        payload,
    )
    return KeptEntry(prev, entry, signature, received_ms, via)


def _columns(kept: KeptEntry) -> tuple[Any, ...]:
    header = _encode(kept.entry[2:-1])
    return kept.prev, header, kept.entry.payload, kept.signature, kept.received_ms, kept.via
