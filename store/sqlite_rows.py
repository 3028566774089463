"""How entries become rows of a SQLite database, and rows entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ..protocol.entry import USUAL_QUALITY, Entry, hash_payload
from ..protocol.hashing import HASH_BYTES
from .base import HeldEntry, LogKey, TimelinePost
from .derived import first_order_ms, links_of_post
from .sqlite_database import Database

PREFIX_BYTES: Final = 5
"""Bytes of an id that are indexed. Whole ids are compared afterwards, so a longer prefix
would only make the index larger: among ten million entries one lookup in a hundred thousand
meets a second candidate."""

INSERT_ENTRY: Final = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Rest(msgspec.Struct, array_like=True, frozen=True, gc=False):
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
_decode_rest: Final = msgspec.msgpack.Decoder(Rest).decode


def prefix_of(entry_id: bytes) -> bytes:
    """Return what is indexed of an id."""
    return entry_id[:PREFIX_BYTES]


def id_range(bits: int, bit_count: int) -> tuple[bytes, bytes]:
    """Return the lowest and the highest id (32 bytes) that begins with these bits."""
    rest = 8 * HASH_BYTES - bit_count
    lowest = bits << rest
    highest = lowest | ((1 << rest) - 1)
    return lowest.to_bytes(HASH_BYTES, "big"), highest.to_bytes(HASH_BYTES, "big")


def row_of(
    entry: Entry,
    n: int,
    log: int,
    channel: int,
    received_ms: int,
    signature: bytes | None,
) -> tuple[Any, ...]:
    """Return the row of an entry, in the order of the columns.

    Args:
        n: number of the entry in order of arrival.
        log: number of its log.
        signature: the author's, if it is kept for good.
    """
    links = links_of_post(channel, entry.payload)
    order_ms = parent = root = None
    t_ms: int | None = entry.t_ms
    if links is not None:
        order_ms = first_order_ms(entry, received_ms)
        t_ms = None if order_ms == t_ms else t_ms
        parent, root = (
            links.parent and prefix_of(links.parent),
            links.root and prefix_of(links.root),
        )
    rest = rest_of(entry)
    place = (n, log, entry.seq, entry.id, t_ms, entry.lamport, order_ms, parent, root)
    return (*place, rest, signature, entry.payload)


def is_post(row: Sequence[Any]) -> bool:
    """Say whether a row of `row_of` is that of a post."""
    return row[6] is not None


def received_ms(database: Database, n: int) -> int:
    """Return when the entry with this number arrived."""
    (received,) = database.row(
        "SELECT received_ms FROM arrival WHERE n <= ? ORDER BY n DESC LIMIT 1", (n,)
    )
    return int(received)


def rest_of(entry: Entry) -> bytes | None:
    """Return what goes beside the columns of an entry; None if everything is as usual."""
    usual = (
        entry.payload is not None
        and entry.t_quality == USUAL_QUALITY
        and not (entry.seen or entry.expire_ms or entry.ext)
    )
    if usual:
        return None
    stub = (entry.size, entry.payload_hash) if entry.payload is None else None
    return _encode_rest(
        Rest(entry.t_quality, entry.seen, entry.expire_ms, entry.remaining_ms, entry.ext, stub)
    )


def entry_of(row: Sequence[Any]) -> Entry:
    """Return the entry of a row that ends with seq, id, t_ms, lamport, rest and payload."""
    seq, entry_id, t_ms, lamport, packed, payload = row[-6:]
    if packed is None:
        digest = hash_payload(payload)
        usual = (USUAL_QUALITY, lamport, (), 0, 0, len(payload), digest, b"")
        return Entry(seq, entry_id, t_ms, *usual, payload)
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
