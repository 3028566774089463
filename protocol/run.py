"""A run: consecutive entries of one log in one frame, under one signature.

What a receiver can rebuild is not sent: of each header only the flags, the time difference
and the size usually travel. The signature of the last entry binds its id, and that id binds
every entry before it by ``prev``; so one signature proves the whole run. A run without a
signature must end exactly at the ``prev`` of an entry that the receiver already holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from .encoding import (
    Value,
    as_bytes,
    as_bytes_or_none,
    as_bytes_upto,
    as_uint,
    as_versioned_fields,
    pack,
    put_varint,
    take_varint,
    unpack,
    unzigzag,
    zigzag,
)
from .entry import (
    KEY_BYTES,
    MAX_CHANNEL,
    MAX_EXT_BYTES,
    MAX_LAMPORT,
    MAX_QUALITY,
    MAX_SEEN,
    MAX_SEQ,
    MAX_T_MS,
    SIGNATURE_BYTES,
    USUAL_QUALITY,
    VERSION,
    Entry,
    check_seen,
    check_size,
    verify_entry,
)
from .errors import DecodeError, IntegrityError
from .hashing import HASH_BYTES, PERSON_HEADER, PERSON_PAYLOAD, ZERO_HASH

BLOCK: Final = 256
"""Runs never cross a multiple of this; the last entry of each block keeps its signature."""

MAX_RUN_BYTES: Final = 64_997
"""A frame is at most 65,000 bytes, its length and type included."""

FLAG_STUB: Final = 1
FLAG_LAMPORT: Final = 2
FLAG_SEEN: Final = 4
FLAG_EXPIRY: Final = 8
FLAG_QUALITY: Final = 16
FLAG_EXT: Final = 32
_UNKNOWN_FLAGS: Final = 0xC0

_RUN_FIELDS: Final = 10


@dataclass(frozen=True, slots=True)
class Run:
    """Entries ``first .. first + count - 1`` of one log, packed as they travel."""

    device: bytes
    channel: int
    first: int
    """Sequence number of the first entry."""
    count: int
    """Entries in the run, 1..256; the run stays inside one block of 256."""
    prev: bytes
    """Id of the entry before the first; 32 zero bytes at sequence 0."""
    columns: bytes
    """Per entry: flags, time difference, size, and the flagged fields, as varints."""
    bodies: bytes
    """Payloads one after the other; a stub has its 32-byte payload hash instead."""
    last_id: bytes | None
    """Id of the last entry where it is signed; else None: whoever holds the next one knows it."""
    signature: bytes | None
    """Signature of ``last_id``; None where the receiver can vouch for the last entry."""

    @property
    def last(self) -> int:
        """Sequence number of the last entry."""
        return self.first + self.count - 1

    def encode(self) -> bytes:
        """Return the body of a RUN frame."""
        return pack(
            (
                VERSION,
                self.device,
                self.channel,
                self.first,
                self.count,
                self.prev if self.first else b"",
                self.columns,
                self.bodies,
                self.last_id or b"",
                self.signature or b"",
            )
        )


def decode_run(data: bytes) -> Run:
    """Decode the outer form of a run; the entries inside are neither read nor believed yet.

    Raises:
        DecodeError: not a canonical run, or it crosses a block of 256.
    """
    value = unpack(data, max_bytes=MAX_RUN_BYTES, what="run")
    fields = as_versioned_fields(value, VERSION, _RUN_FIELDS, "run")
    first, count, prev = take_place(fields[3], fields[4], fields[5], "run")
    last_id = as_bytes_or_none(fields[8], HASH_BYTES, "run last_id")
    signature = as_bytes_or_none(fields[9], SIGNATURE_BYTES, "run signature")
    if (last_id is None) != (signature is None):
        raise DecodeError("run last_id: there exactly where a signature proves it")
    return Run(
        device=as_bytes(fields[1], KEY_BYTES, "run device"),
        channel=as_uint(fields[2], MAX_CHANNEL, "run channel"),
        first=first,
        count=count,
        prev=prev,
        columns=as_bytes_upto(fields[6], MAX_RUN_BYTES, "run columns"),
        bodies=as_bytes_upto(fields[7], MAX_RUN_BYTES, "run bodies"),
        last_id=last_id,
        signature=signature,
    )


def take_place(first: Value, count: Value, prev: Value, what: str) -> tuple[int, int, bytes]:
    """Read where consecutive entries of one block stand: the first, how many, what they continue.

    Returns:
        Sequence number of the first, their number (1..256), id of the entry before the first
        (32 zero bytes at sequence 0, where it is left out on the wire).

    Raises:
        DecodeError: a value is outside its range, or they cross a block of 256.
    """
    first_seq = as_uint(first, MAX_SEQ, f"{what} first")
    entries = as_uint(count, BLOCK, f"{what} count")
    last_seq = first_seq + entries - 1
    if entries == 0 or last_seq > MAX_SEQ:
        raise DecodeError(f"{what}: {entries} entries from {first_seq}")
    if first_seq // BLOCK != last_seq // BLOCK:
        raise DecodeError(f"{what}: {entries} entries from {first_seq} cross a block of {BLOCK}")
    before = as_bytes_or_none(prev, HASH_BYTES, f"{what} prev")
    if (before is None) != (first_seq == 0) or before == ZERO_HASH:
        raise DecodeError(f"{what} prev: empty exactly where the log begins")
    return first_seq, entries, before or ZERO_HASH


def open_run(run: Run, *, trusted_end: bytes | None = None) -> list[Entry]:
    """Prove a run and return its entries.

    The proof comes first and costs one signature check at most, whatever the run holds.

    Args:
        run: as decoded; nothing in it is trusted.
        trusted_end: the id that entry ``run.last`` must have because the receiver holds the
            entry behind it, or None; with it no signature is needed.

    Raises:
        DecodeError: the columns or bodies are malformed.
        IntegrityError: there is no proof for the last id, or the entries do not lead to it.
    """
    end = run.last_id if trusted_end is None else trusted_end
    if run.last_id not in (None, end):
        raise IntegrityError("a run does not end where the next held entry continues")
    if trusted_end is None:
        if run.signature is None or run.last_id is None:
            raise IntegrityError("a run carries no signature and ends at no held entry")
        verify_entry(run.device, run.last_id, run.signature)
    entries = rebuild_run(run)
    if entries[-1].id != end:
        raise IntegrityError("the entries of a run do not lead to its proven end")
    return entries


def rebuild_run(run: Run) -> list[Entry]:
    """Return the entries that the columns and bodies describe; nothing of them is proven.

    The bytes of this loop are the hot path.

    Raises:
        DecodeError: the columns or bodies are malformed.
    """
    device, channel, columns, bodies = run.device, run.channel, run.columns, run.bodies
    header_hash = blake2b(digest_size=HASH_BYTES, person=PERSON_HEADER)
    payload_hash = blake2b(digest_size=HASH_BYTES, person=PERSON_PAYLOAD)
    entries: list[Entry] = []
    prev, t_ms, quality, lamport = run.prev, 0, USUAL_QUALITY, run.first
    at = body_at = 0
    for seq in range(run.first, run.first + run.count):
        flags, at = take_varint(columns, at)
        difference, at = take_varint(columns, at)
        size, at = take_varint(columns, at)
        t_ms += unzigzag(difference)
        check_size(size)
        lamport += 1
        seen: tuple[bytes, ...] = ()
        expire_ms = remaining_ms = 0
        ext = b""
        if flags:
            rare, at = _take_rare(columns, at, flags, lamport, quality)
            lamport, seen, expire_ms, remaining_ms, quality, ext = rare
        if flags & FLAG_STUB:
            payload, body_end = None, body_at + HASH_BYTES
            digest = bodies[body_at:body_end]
        else:
            body_end = body_at + size
            payload = bodies[body_at:body_end]
            hasher = payload_hash.copy()
            hasher.update(payload)
            digest = hasher.digest()
        body_at = body_end
        if not 0 <= t_ms <= MAX_T_MS or not 0 <= lamport <= MAX_LAMPORT:
            raise DecodeError(f"run: time or Lamport value of entry {seq} is out of range")
        hasher = header_hash.copy()
        hasher.update(
            pack(
                (
                    VERSION,
                    device,
                    channel,
                    seq,
                    prev,
                    t_ms,
                    quality,
                    lamport,
                    seen,
                    expire_ms,
                    size,
                    digest,
                    ext,
                )
            )
        )
        prev = hasher.digest()
        entries.append(
            Entry(
                seq,
                prev,
                t_ms,
                quality,
                lamport,
                seen,
                expire_ms,
                remaining_ms,
                size,
                digest,
                ext,
                payload,
            )
        )
    if at != len(columns) or body_at != len(bodies):
        raise DecodeError("run: columns or bodies do not fit the number of entries")
    return entries


def _take_rare(
    columns: bytes, at: int, flags: int, lamport: int, quality: int
) -> tuple[tuple[int, tuple[bytes, ...], int, int, int, bytes], int]:
    """Read the flagged fields of one entry; each flag must be needed, so one form exists."""
    if flags & _UNKNOWN_FLAGS or flags > 0xFF:
        raise DecodeError(f"run: unknown flags {flags:#x}")
    usual_lamport, usual_quality = lamport, quality
    seen: tuple[bytes, ...] = ()
    expire_ms = remaining_ms = 0
    ext = b""
    if flags & FLAG_LAMPORT:
        difference, at = take_varint(columns, at)
        lamport += unzigzag(difference)
    if flags & FLAG_SEEN:
        count, at = take_varint(columns, at)
        if not 1 <= count <= MAX_SEEN or at + HASH_BYTES * count > len(columns):
            raise DecodeError(f"run: {count} seen ids")
        end = at + HASH_BYTES * count
        seen = check_seen(columns[i : i + HASH_BYTES] for i in range(at, end, HASH_BYTES))
        at = end
    if flags & FLAG_EXPIRY:
        expire_ms, at = take_varint(columns, at)
        remaining_ms, at = take_varint(columns, at)
        if remaining_ms > expire_ms or expire_ms == 0:
            raise DecodeError(f"run: {remaining_ms} ms remain of {expire_ms}")
    if flags & FLAG_QUALITY:
        quality, at = take_varint(columns, at)
        if quality > MAX_QUALITY:
            raise DecodeError(f"run: clock quality {quality}")
    if flags & FLAG_EXT:
        length, at = take_varint(columns, at)
        ext = columns[at : at + length]
        if not 1 <= length <= MAX_EXT_BYTES or len(ext) != length:
            raise DecodeError(f"run: ext of {length} bytes")
        at += length
    if (flags & FLAG_LAMPORT and lamport == usual_lamport) or (
        flags & FLAG_QUALITY and quality == usual_quality
    ):
        raise DecodeError("run: a flagged field has its usual value")
    return (lamport, seen, expire_ms, remaining_ms, quality, ext), at


def build_run(
    device: bytes,
    channel: int,
    prev: bytes,
    entries: Sequence[Entry],
    signature: bytes | None,
) -> Run:
    """Pack consecutive entries of one block into a run.

    Args:
        prev: id of the entry before the first.
        entries: 1 to 256 consecutive entries inside one block; ``payload`` None makes a stub.
        signature: that of the last entry, or None where the receiver can vouch for its id.

    Raises:
        ValueError: no entries, or they are not consecutive entries of one block.
    """
    _require_one_block(entries)
    columns = bytearray()
    bodies: list[bytes] = []
    t_ms, quality, lamport = 0, USUAL_QUALITY, entries[0].seq
    for entry in entries:
        columns += entry_columns(entry, t_ms, quality, lamport)
        bodies.append(entry.payload_hash if entry.payload is None else entry.payload)
        t_ms, quality, lamport = entry.t_ms, entry.t_quality, entry.lamport
    return Run(
        device=device,
        channel=channel,
        first=entries[0].seq,
        count=len(entries),
        prev=prev,
        columns=bytes(columns),
        bodies=b"".join(bodies),
        last_id=entries[-1].id if signature else None,
        signature=signature,
    )


def _require_one_block(entries: Sequence[Entry]) -> None:
    if not entries:
        raise ValueError("a run holds at least one entry")
    first, last = entries[0].seq, entries[-1].seq
    if last - first != len(entries) - 1 or first // BLOCK != last // BLOCK:
        raise ValueError(f"{len(entries)} entries from {first} to {last} are not one run")


def entry_columns(entry: Entry, t_ms: int, quality: int, lamport: int) -> bytes:
    """Return the column bytes of one entry after one with the given time, quality, Lamport."""
    flags = (
        (FLAG_STUB if entry.payload is None else 0)
        | (FLAG_LAMPORT if entry.lamport != lamport + 1 else 0)
        | (FLAG_SEEN if entry.seen else 0)
        | (FLAG_EXPIRY if entry.expire_ms else 0)
        | (FLAG_QUALITY if entry.t_quality != quality else 0)
        | (FLAG_EXT if entry.ext else 0)
    )
    out = bytearray((flags,))
    put_varint(out, zigzag(entry.t_ms - t_ms))
    put_varint(out, entry.size)
    if flags & FLAG_LAMPORT:
        put_varint(out, zigzag(entry.lamport - lamport - 1))
    if flags & FLAG_SEEN:
        out.append(len(entry.seen))
        out += b"".join(entry.seen)
    if flags & FLAG_EXPIRY:
        put_varint(out, entry.expire_ms)
        put_varint(out, entry.remaining_ms)
    if flags & FLAG_QUALITY:
        put_varint(out, entry.t_quality)
    if flags & FLAG_EXT:
        out.append(len(entry.ext))
        out += entry.ext
    return bytes(out)
