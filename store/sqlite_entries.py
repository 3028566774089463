"""The entries of a SQLite database: one row each, in order of arrival.

New entries always go to the end of the table. Consecutive entries of one log that arrived
together have consecutive numbers, and one row of ``arrival`` says for all of them where they
belong: an index entry for each is not needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec

from ..protocol.content import post_links
from ..protocol.entry import CHANNEL_POSTS, SALT_BYTES, USUAL_QUALITY, Entry, hash_payload
from ..protocol.hashing import HASH_BYTES
from .base import HeldEntry, Interval, LogKey, TimelinePost
from .sqlite_database import Database

PREFIX_BYTES: Final = 5
"""Bytes of an id that are indexed. Whole ids are compared afterwards, so a longer prefix
would only make the index larger: among ten million entries one lookup in a hundred thousand
meets a second candidate."""

Row = tuple[Any, ...]


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


def consecutive(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """Split entries in rising order where sequence numbers are missing between them."""
    if entries[-1].seq - entries[0].seq == len(entries) - 1:
        return [entries]
    pairs = enumerate(pairwise(entries), start=1)
    cuts = [at for at, (one, next_one) in pairs if next_one.seq != one.seq + 1]
    return [entries[start:end] for start, end in pairwise([0, *cuts, len(entries)])]


class Rows(NamedTuple):
    """Rows of consecutive entries for the table, in two forms.

    sqlite3 asks for an adapter of every value but exact numbers, texts and bytearrays, which
    takes as long as storing it. So an ordinary post is written without its empty columns, and
    blobs are handed over as bytearrays: together a quarter of the time of ingest.
    """

    plain: list[Row]
    """Posts that answer nothing: n, id, lamport, order_ms, payload."""
    other: list[Row]
    """All columns."""
    posts: int
    """How many are posts."""


def entry_rows(
    entries: Iterable[Entry],
    *,
    first_n: int,
    channel: int,
    received_ms: int,
    signatures: Mapping[int, bytes],
) -> Rows:
    """Return the rows of consecutive numbers for entries that arrive now.

    The loop does by hand what `links_of_post` and `first_order_ms` say: it is the hot path.

    Args:
        first_n: number of the first one.
        signatures: those that are kept for good, by sequence number.
    """
    plain: list[Row] = []
    other: list[Row] = []
    answers = 0
    for n, entry in enumerate(entries, first_n):
        seq, entry_id, t_ms, _, lamport, _, _, _, _, _, _, payload = entry
        links = None
        if channel == CHANNEL_POSTS and payload is not None:
            links = post_links(payload[SALT_BYTES:])
        rest = _rest_of(entry)
        signature = signatures.get(seq)
        if links is None:
            empty = (None, None, None)
            other.append((n, entry_id, t_ms, lamport, *empty, rest, signature, payload))
            continue
        order_ms = t_ms if t_ms < received_ms else received_ms
        parent, root = links
        if parent is root is rest is signature is None and order_ms == t_ms and payload:
            plain.append((n, bytearray(entry_id), lamport, order_ms, bytearray(payload)))
            continue
        answers += 1
        claimed_ms = None if order_ms == t_ms else t_ms
        begins = (parent and parent[:PREFIX_BYTES], root and root[:PREFIX_BYTES])
        other.append(
            (n, entry_id, claimed_ms, lamport, order_ms, *begins, rest, signature, payload)
        )
    return Rows(plain, other, len(plain) + answers)


def _rest_of(entry: Entry) -> bytes | None:
    """Return what goes beside the columns of an entry; None if everything is as usual."""
    _, _, _, t_quality, _, seen, expire_ms, remaining_ms, size, digest, ext, payload = entry
    unusual = t_quality != USUAL_QUALITY or seen or expire_ms or ext
    if payload is not None and not unusual:
        return None
    stub = (size, digest) if payload is None else None
    return _encode_rest(_Rest(t_quality, seen, expire_ms, remaining_ms, ext, stub))


def entry_of(row: Sequence[Any]) -> Entry:
    """Return the entry of seq, id, t_ms, lamport, rest and payload."""
    seq, entry_id, t_ms, lamport, packed, payload = row
    if packed is None:
        digest = hash_payload(payload)
        size = len(payload)
        return Entry(
            seq, entry_id, t_ms, USUAL_QUALITY, lamport, (), 0, 0, size, digest, b"", payload
        )
    rest = _decode_rest(packed)
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
    device, channel, identity, prev, signature, received_ms, via = row[8:15]
    return HeldEntry(
        log=LogKey(device, channel),
        identity=identity,
        prev=prev,
        entry=entry_of(row[2:8]),
        signature=signature,
        received_ms=received_ms,
        via=via,
    )


def post_of(row: Sequence[Any]) -> TimelinePost:
    """Return the post of a row of the view ``held_entry``."""
    n, order_ms = row[:2]
    return TimelinePost(n, order_ms, held_entry_of(row))


class EntryTable:
    """Entries by their log and sequence number. Writes belong inside `Database.writing`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def id_at(self, log: int, seq: int) -> bytes:
        """Return the id of an entry that is held."""
        (entry_id,) = self._database.row(
            "SELECT e.id FROM arrival AS a JOIN entry AS e ON e.n = a.n + ? - a.first"
            " WHERE a.log = ? AND a.first <= ? ORDER BY a.first DESC LIMIT 1",
            (seq, log, seq),
        )
        return bytes(entry_id)

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

    def insert(
        self, log: int, rows: Rows, *, span: Interval, n: int, received_ms: int, source: int
    ) -> None:
        """Write consecutive entries of a log.

        Args:
            rows: made by `entry_rows` for exactly these entries.
            span: their sequence numbers.
            n: number of the first, above the highest in use.
        """
        if rows.plain:
            self._database.write_many(
                "INSERT INTO entry (n, id, lamport, order_ms, payload) VALUES (?, ?, ?, ?, ?)",
                rows.plain,
            )
        if rows.other:
            self._database.write_many(
                "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows.other
            )
        self._database.write(
            "INSERT INTO arrival VALUES (?, ?, ?, ?, ?, ?, ?)",
            (n, log, *span, received_ms, source, rows.posts),
        )

    def take_out(self, n: int) -> None:
        """Delete the entry with this number, a stub, and cut the row of its arrival in two."""
        start, log, first, last, received_ms, source, posts = self._database.row(
            "SELECT * FROM arrival WHERE n <= ? ORDER BY n DESC LIMIT 1", (n,)
        )
        end = start + last - first
        (above,) = self._database.row(
            "SELECT count(*) FROM entry WHERE n > ? AND n <= ? AND order_ms IS NOT NULL", (n, end)
        )
        self._database.write("DELETE FROM entry WHERE n = ?", (n,))
        self._database.write("DELETE FROM arrival WHERE n = ?", (start,))
        seq = first + n - start
        parts = [
            (start, log, first, seq - 1, received_ms, source, posts - above),
            (n + 1, log, seq + 1, last, received_ms, source, above),
        ]
        self._database.write_many(
            "INSERT INTO arrival VALUES (?, ?, ?, ?, ?, ?, ?)",
            [part for part in parts if part[2] <= part[3]],
        )
