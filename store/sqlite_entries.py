"""The entries of a SQLite database: one row each, in order of arrival.

New entries always go to the end of the table. Consecutive entries of one log that arrived
together have consecutive numbers, and one row of ``arrival`` says for all of them where they
belong: an index entry for each is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from ..protocol.entry import USUAL_QUALITY, Entry, hash_payload
from ..protocol.hashing import HASH_BYTES
from ..protocol.standing import Void
from .base import HeldEntry, LogEnding, LogKey, StoreError, TimelinePost
from .sqlite_database import Database

PREFIX_BYTES: Final = 5
"""Bytes of an id that are indexed. Whole ids are compared afterwards, so a longer prefix
would only make the index larger: among ten million entries one lookup in a hundred thousand
meets a second candidate."""


class UnreadableError(StoreError):
    """A row does not hold what was written into it."""

    def __init__(self) -> None:
        super().__init__(
            "an entry was damaged on the disk; take it out, and fetch it again from a peer:"
            " slowlight db scrub, then slowlight sync"
        )


UNREADABLE: Final = (UnreadableError, TypeError, ValueError, OverflowError)
"""What reading and hashing a row raises whose bytes are no longer those that were written."""


class PlacedEntry(NamedTuple):
    """An entry with its number and the signature that is kept with it."""

    n: int
    signature: bytes | None
    entry: Entry


class _Rest(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Fields of an entry that seldom differ from the usual."""

    t_quality: int
    seen: tuple[bytes, ...]
    expire_ms: int
    remaining_ms: int
    """When it arrived here."""
    ext: bytes
    stub: tuple[int, bytes] | None
    """Size and hash of a payload that is not held."""
    elapsed_ms: int = -1
    """What was gone of the lifetime when it arrived: nobody signed what remains, so it is here
    twice, for whoever looks for damage. -1: written by a version that did not know this."""


_encode_rest: Final = msgspec.msgpack.Encoder().encode
_decode_rest: Final = msgspec.msgpack.Decoder(_Rest).decode


def prefix_of(entry_id: bytes) -> bytes:
    """Return what is indexed of an id."""
    return entry_id[:PREFIX_BYTES]


def id_range(bits: int, bit_count: int) -> tuple[bytes, bytes]:
    """Return the lowest and the highest id (32 bytes) that begins with these bits."""
    open_bits = 8 * HASH_BYTES - bit_count
    lowest = bits << open_bits
    highest = lowest | ((1 << open_bits) - 1)
    return lowest.to_bytes(HASH_BYTES, "big"), highest.to_bytes(HASH_BYTES, "big")


def rest_of(entry: Entry) -> bytes | None:
    """Return what goes beside the columns of an entry; None if everything is as usual."""
    _, _, _, t_quality, _, seen, expire_ms, remaining_ms, size, digest, ext, payload = entry
    unusual = t_quality != USUAL_QUALITY or seen or expire_ms or ext
    if payload is not None and not unusual:
        return None
    stub = (size, digest) if payload is None else None
    elapsed_ms = expire_ms - remaining_ms
    return _encode_rest(_Rest(t_quality, seen, expire_ms, remaining_ms, ext, stub, elapsed_ms))


def entry_of(row: Sequence[Any]) -> Entry:
    """Return the entry of seq, id, t_ms, lamport, rest and payload."""
    seq, entry_id, t_ms, lamport, packed, payload = row
    if packed is None:
        if payload is None:
            raise UnreadableError
        digest = hash_payload(payload)
        size = len(payload)
        return Entry(
            seq, entry_id, t_ms, USUAL_QUALITY, lamport, (), 0, 0, size, digest, b"", payload
        )
    try:
        rest = _decode_rest(packed)
    except msgspec.MsgspecError as error:
        raise UnreadableError from error
    is_sound = rest.elapsed_ms in (-1, rest.expire_ms - rest.remaining_ms)
    if not is_sound or (payload is None) != (rest.stub is not None):
        raise UnreadableError
    size, digest = rest.stub or (len(payload), hash_payload(payload))
    return Entry(
        seq,
        entry_id,
        t_ms,
        rest.t_quality,
        lamport,
        rest.seen,
        rest.expire_ms,
        rest.remaining_ms,
        size,
        digest,
        rest.ext,
        payload,
    )


def held_entry_of(row: Sequence[Any]) -> HeldEntry:
    """Return the entry of a row of the view ``held_entry``."""
    device, channel, identity, prev, signature, received_ms, via, *end = row[8:19]
    entry, ending = entry_of(row[2:8]), ending_in(end)
    return HeldEntry(
        log=LogKey(device, channel),
        identity=identity,
        prev=prev,
        entry=entry,
        signature=signature or None,
        received_ms=received_ms,
        via=via,
        void=None if ending is None else ending.void(entry.seq, entry.id),
    )


def ending_in(columns: Sequence[Any]) -> LogEnding | None:
    """Return the end of a log from the columns ``end_seq, end_id, end_why, end_record``."""
    seq, entry_id, why, record = columns
    return None if seq is None else LogEnding(seq, entry_id, Void(why), record)


def ending_columns(ending: LogEnding | None) -> tuple[Any, ...]:
    """Return the columns ``end_seq, end_id, end_why, end_record`` for the end of a log."""
    if ending is None:
        return None, None, None, None
    return ending.seq, ending.id, ending.why.value, ending.record


def post_of(row: Sequence[Any]) -> TimelinePost:
    """Return the post of a row of the view ``held_entry``."""
    n, order_ms = row[:2]
    return TimelinePost(n, order_ms, held_entry_of(row))


class EntryTable:
    """Entries by their log and sequence number. Writes belong inside `Database.writing`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def id_at(self, log: int, seq: int) -> bytes:
        """Return the id of an entry that is held.

        Raises:
            UnreadableError: its row is gone.
        """
        found = self._database.row(
            "SELECT e.id FROM arrival AS a JOIN entry AS e ON e.n = a.n + ? - a.first"
            " WHERE a.log = ? AND a.first <= ? ORDER BY a.first DESC LIMIT 1",
            (seq, log, seq),
        )
        if found is None:
            raise UnreadableError
        return bytes(found[0])

    def number_at(self, log: int, seq: int) -> int | None:
        """Return the number of an entry, or None if it is not held."""
        found = self._database.row(
            "SELECT a.n + ? - a.first FROM arrival AS a"
            " WHERE a.log = ? AND a.first <= ? AND a.last >= ? ORDER BY a.first DESC LIMIT 1",
            (seq, log, seq, seq),
        )
        return found[0] if found else None

    def known_id(self, log: int, seq: int) -> bytes | None:
        """Return the id of an entry, or None where there is no row of it."""
        found = self._database.row("SELECT id FROM entry WHERE n = ?", (self.number_at(log, seq),))
        return found[0] if found else None

    def at(self, log: int, seq: int) -> Entry | None:
        """Return an entry, or None if it is not held."""
        return next((placed.entry for placed in self.newest_first(log, seq, seq)), None)

    def signature_at(self, log: int, seq: int) -> bytes | None:
        """Return the signature that is kept for good with an entry."""
        found = self._database.row(
            "SELECT signature FROM entry WHERE n = ?", (self.number_at(log, seq),)
        )
        return found[0] if found else None

    def newest_first(self, log: int, lowest: int, highest: int) -> Iterator[PlacedEntry]:
        """Yield the held entries ``lowest..highest`` of a log from the upper end."""
        rows = self._database.each(
            """
            SELECT e.n, e.signature, a.first + e.n - a.n, e.id,
                coalesce(e.t_ms, e.order_ms), e.lamport, e.rest, e.payload
            FROM arrival AS a CROSS JOIN entry AS e
                ON e.n BETWEEN a.n + max(? - a.first, 0) AND a.n + min(?, a.last) - a.first
            WHERE a.log = ? AND a.first <= ? AND a.first >= coalesce(
                (SELECT max(first) FROM arrival WHERE log = ? AND first <= ?), 0)
            ORDER BY a.first DESC, e.n DESC
            """,
            (lowest, highest, log, highest, log, lowest),
        )
        for n, signature, *row in rows:
            yield PlacedEntry(n, signature, entry_of(row))

    def received_ms(self, n: int) -> int:
        """Return when an entry arrived."""
        (received_ms,) = self._database.row(
            "SELECT received_ms FROM arrival WHERE n <= ? ORDER BY n DESC LIMIT 1", (n,)
        )
        return int(received_ms)

    def take_out(self, n: int) -> None:
        """Delete the entry with this number and cut the row of its arrival in two."""
        start, log, first, last, received_ms, source, posts = self._database.row(
            "SELECT * FROM arrival WHERE n <= ? ORDER BY n DESC LIMIT 1", (n,)
        )
        end = start + last - first
        above, here = self._database.row(
            "SELECT coalesce(sum(n > ?), 0), coalesce(sum(n = ?), 0) FROM entry"
            " WHERE n >= ? AND n <= ? AND order_ms IS NOT NULL",
            (n, n, n, end),
        )
        self._database.write("DELETE FROM entry WHERE n = ?", (n,))
        # Numbers are used once: peers have confirmed them, and readers go on behind them.
        self._database.write("UPDATE upkeep SET newest = max(newest, ?)", (n,))
        self._database.write("DELETE FROM arrival WHERE n = ?", (start,))
        seq = first + n - start
        parts = [
            (start, log, first, seq - 1, received_ms, source, posts - above - here),
            (n + 1, log, seq + 1, last, received_ms, source, above),
        ]
        self._database.write_many(
            "INSERT INTO arrival VALUES (?, ?, ?, ?, ?, ?, ?)",
            [part for part in parts if part[2] <= part[3]],
        )
