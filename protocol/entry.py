"""One entry of a log: its header, its id, its signature.

A log is the chain of entries of one (device, channel). The header of an entry is one
canonical array; its hash is the entry's id; the author signs the id. The payload is
detached: the header holds only its hash and size, so a payload can be dropped and the
chain still verifies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from .encoding import (
    MAX_UINT,
    as_bytes,
    as_bytes_upto,
    as_list,
    as_uint,
    as_versioned_fields,
    pack,
    require_rising,
    unpack,
)
from .errors import DecodeError
from .hashing import HASH_BYTES, PERSON_HEADER, PERSON_LOG, PERSON_PAYLOAD, ZERO_HASH, hash32
from .signing import CONTEXT_ENTRY, sign, verify

VERSION: Final = 1
"""Format and algorithm suite: Ed25519 and BLAKE2b-256."""

KEY_BYTES: Final = 32
SECRET_KEY_BYTES: Final = 64
SIGNATURE_BYTES: Final = 64
SALT_BYTES: Final = 16
"""Random bytes before the content, so that a deleted short text cannot be guessed."""

MAX_SEQ: Final = 2**32 - 17
"""Last sequence number of a log; the 16 above it are kept free for marks."""
MAX_CHANNEL: Final = 2**32 - 1
MAX_PAYLOAD_BYTES: Final = 32_768
MAX_SEEN: Final = 8
MAX_EXT_BYTES: Final = 64
MAX_QUALITY: Final = 63
NO_CLOCK_QUALITY: Final = MAX_QUALITY
USUAL_QUALITY: Final = 10
"""log2 of the clock uncertainty in ms that a run does not need to mention: about one second."""
MAX_T_MS: Final = 2**62 - 1
"""Latest date: a difference of two dates, its sign folded in, still fits a varint."""
MAX_LAMPORT: Final = MAX_T_MS
"""Highest Lamport value, for the same reason."""
MAX_LAMPORT_STEP: Final = 2**20
"""A seen Lamport value further above one's own is ignored: it would be a liar's."""

MAX_HEADER_BYTES: Final = 484
"""What 13 fields take at the most, with 8 seen ids and a full ext."""

CHANNEL_IDENTITY: Final = 0
CHANNEL_POSTS: Final = 1
CHANNEL_PRIVATE: Final = 2
CHANNEL_GROUPS: Final = 3

_CHANNELS_WITHOUT_SEEN: Final = frozenset({CHANNEL_PRIVATE, CHANNEL_GROUPS})
_HEADER_FIELDS: Final = 13
_header_hash = blake2b(digest_size=HASH_BYTES, person=PERSON_HEADER)
_payload_hash = blake2b(digest_size=HASH_BYTES, person=PERSON_PAYLOAD)


class Entry(NamedTuple):
    """One entry of a known log at a known place of its chain.

    A tuple rather than a dataclass because ingest makes one for every entry it reads.
    """

    seq: int
    id: bytes
    """BLAKE2b-256 of the header (32 bytes)."""
    t_ms: int
    """When the author says it was written, Unix milliseconds: a claim."""
    t_quality: int
    """log2 of the claimed uncertainty of ``t_ms`` in ms, 0..63; 63: the author has no clock."""
    lamport: int
    seen: tuple[bytes, ...]
    """Ids of foreign heads that the author had read, sorted, at most 8."""
    expire_ms: int
    """Lifetime of the payload in ms from writing; 0: it does not expire."""
    remaining_ms: int
    """What is left of ``expire_ms`` where the entry is now; 0 if it does not expire."""
    size: int
    """Bytes of the payload, salt included, 16..32768."""
    payload_hash: bytes
    ext: bytes
    payload: bytes | None
    """Salt and content; None for a stub."""


@dataclass(frozen=True, slots=True)
class LogHead:
    """Where a log stands: what the next entry of it must continue."""

    seq: int
    """Sequence number of the newest entry; -1 if the log is empty."""
    id: bytes
    """Id of the newest entry; 32 zero bytes if the log is empty."""
    lamport: int
    """Lamport value of the newest entry; 0 if the log is empty."""


EMPTY_LOG: Final = LogHead(-1, ZERO_HASH, 0)


def log_id(device: bytes, channel: int) -> bytes:
    """Return the id of a log (32 bytes)."""
    return hash32(PERSON_LOG, device + channel.to_bytes(4, "big"))


def hash_payload(payload: bytes) -> bytes:
    """Return the hash of a payload, salt and content together (32 bytes)."""
    hasher = _payload_hash.copy()
    hasher.update(payload)
    return hasher.digest()


def hash_header(header: bytes) -> bytes:
    """Return the id of the entry whose canonical header is ``header`` (32 bytes)."""
    hasher = _header_hash.copy()
    hasher.update(header)
    return hasher.digest()


def payload_hasher() -> blake2b:
    """Return the hasher of payloads, to be copied by loops that cannot afford a call for each."""
    return _payload_hash


def header_hasher() -> blake2b:
    """Return the hasher of headers, to be copied like `payload_hasher`."""
    return _header_hash


def encode_header(device: bytes, channel: int, prev: bytes, entry: Entry) -> bytes:
    """Return the canonical header of ``entry``, which continues ``prev`` in its log."""
    return pack(
        (
            VERSION,
            device,
            channel,
            entry.seq,
            prev,
            entry.t_ms,
            entry.t_quality,
            entry.lamport,
            entry.seen,
            entry.expire_ms,
            entry.size,
            entry.payload_hash,
            entry.ext,
        )
    )


@dataclass(frozen=True, slots=True)
class Header:
    """A decoded header: the entry without its payload, and where it belongs."""

    device: bytes
    channel: int
    prev: bytes
    entry: Entry


def decode_header(data: bytes) -> Header:
    """Decode one header, strictly.

    Raises:
        DecodeError: not a canonical header of version 1 with every field in its range.
    """
    value = unpack(data, max_bytes=MAX_HEADER_BYTES, what="header")
    fields = as_versioned_fields(value, VERSION, _HEADER_FIELDS, "header")
    seq = as_uint(fields[3], MAX_SEQ, "header seq")
    prev = as_bytes(fields[4], HASH_BYTES, "header prev")
    check_prev(seq, prev)
    expire_ms = as_uint(fields[9], MAX_UINT, "header expire_ms")
    entry = Entry(
        seq=seq,
        id=hash_header(data),
        t_ms=as_uint(fields[5], MAX_T_MS, "header t_ms"),
        t_quality=as_uint(fields[6], MAX_QUALITY, "header t_quality"),
        lamport=as_uint(fields[7], MAX_LAMPORT, "header lamport"),
        seen=check_seen(
            as_bytes(item, HASH_BYTES, "header seen")
            for item in as_list(fields[8], MAX_SEEN, "header seen")
        ),
        expire_ms=expire_ms,
        remaining_ms=expire_ms,
        size=check_size(as_uint(fields[10], MAX_PAYLOAD_BYTES, "header size")),
        payload_hash=as_bytes(fields[11], HASH_BYTES, "header payload_hash"),
        ext=as_bytes_upto(fields[12], MAX_EXT_BYTES, "header ext"),
        payload=None,
    )
    return Header(
        device=as_bytes(fields[1], KEY_BYTES, "header device"),
        channel=as_uint(fields[2], MAX_CHANNEL, "header channel"),
        prev=prev,
        entry=entry,
    )


def check_prev(seq: int, prev: bytes) -> None:
    """Require 32 zero bytes as ``prev`` at sequence 0 and nowhere else."""
    if (prev == ZERO_HASH) != (seq == 0):
        raise DecodeError(f"header prev: zero exactly at sequence 0, not at {seq}")


def check_size(size: int) -> int:
    """Require a payload size in 16..32768: every payload begins with 16 random bytes."""
    if not SALT_BYTES <= size <= MAX_PAYLOAD_BYTES:
        raise DecodeError(f"payload size {size} is outside {SALT_BYTES}..{MAX_PAYLOAD_BYTES}")
    return size


def check_seen(ids: Iterable[bytes]) -> tuple[bytes, ...]:
    """Require ids in rising order, which also makes them unique."""
    seen = tuple(ids)
    require_rising(seen, "header seen")
    return seen


def sign_entry(secret_key: bytes, entry_id: bytes) -> bytes:
    """Sign the id of an entry with a device key (64 bytes: seed and public key)."""
    return sign(secret_key, CONTEXT_ENTRY, entry_id)


def verify_entry(device: bytes, entry_id: bytes, signature: bytes) -> None:
    """Check the signature of an entry.

    Raises:
        IntegrityError: the device did not sign this id.
    """
    verify(device, CONTEXT_ENTRY, entry_id, signature, "an entry")


def next_lamport(own: int, seen: Sequence[int] = ()) -> int:
    """Return the Lamport value of the next entry of a log.

    Args:
        own: the value of the log's newest entry.
        seen: the values of the foreign entries it cites; those more than 2**20 above
            ``own`` are ignored, so that a liar cannot push everyone to the end of the range.
    """
    believed = (value for value in seen if value <= own + MAX_LAMPORT_STEP)
    return min(MAX_LAMPORT, 1 + max((own, *believed)))


def write_entry(
    device: bytes,
    channel: int,
    head: LogHead,
    *,
    payload: bytes,
    t_ms: int,
    t_quality: int = USUAL_QUALITY,
    lamport: int | None = None,
    seen: Iterable[bytes] = (),
    expire_ms: int = 0,
) -> Entry:
    """Build the entry that continues ``head``; `sign_entry` then signs its id.

    Args:
        payload: 16 fresh random bytes and the content, at most 32 KiB.
        t_ms: the author's time, Unix milliseconds, 0..2**62-1.
        t_quality: log2 of its uncertainty in ms, 0..63; 63: the author has no clock.
        lamport: see `next_lamport`, which also gives it where None.
        seen: ids of foreign entries of channels 0 and 1, at most 8, in any order; none in
            channels 2 and 3, whose entries must not tell who could read what.
        expire_ms: lifetime of the payload; 0: none.

    Raises:
        ValueError: an argument is outside its range, or the log is full.
    """
    cited = tuple(sorted(set(seen)))
    seq = head.seq + 1
    if seq > MAX_SEQ:
        raise ValueError("this log is full; a new device key starts a new one")
    if cited and channel in _CHANNELS_WITHOUT_SEEN:
        raise ValueError(f"an entry of channel {channel} cites others inside its payload only")
    draft = Entry(
        seq=seq,
        id=ZERO_HASH,
        t_ms=t_ms,
        t_quality=t_quality,
        lamport=next_lamport(head.lamport) if lamport is None else lamport,
        seen=cited,
        expire_ms=expire_ms,
        remaining_ms=expire_ms,
        size=len(payload),
        payload_hash=hash_payload(payload),
        ext=b"",
        payload=payload,
    )
    header = encode_header(device, channel, head.id, draft)
    try:
        decode_header(header)
    except DecodeError as error:
        raise ValueError(f"no reader would take this entry: {error}") from error
    return draft._replace(id=hash_header(header))
