"""Cases of ``header.json``: one entry of a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from .by_hand import (
    ADA,
    LARGEST_LAMPORT,
    LARGEST_UINT,
    MAX_SEQ,
    SALT,
    Case,
    Fields,
    Raw,
    Value,
    accept,
    ids,
    log_id,
    pack,
    refusals,
)

ABOUT: Final = (
    "One header each. Of those to accept: the fields, the id of the entry, the id of the log, and "
    "the signature of the id by the key of the device (keys: ada)."
)
FIRST: Final = Fields()

HEADERS: Final[Mapping[str, Fields]] = {
    "the first entry of a log": FIRST,
    "the second entry": FIRST.next("A second post."),
    "channel 0": replace(FIRST, channel=0),
    "the last channel": replace(FIRST, channel=2**32 - 1),
    "the last entry that a log can have": replace(FIRST, seq=MAX_SEQ, prev=FIRST.id),
    "a date of 0": replace(FIRST, t_ms=0),
    "the last date": replace(FIRST, t_ms=2**62 - 1),
    "a clock that is exact to a millisecond": replace(FIRST, t_quality=0),
    "no clock": replace(FIRST, t_quality=63),
    "a Lamport value of 0": replace(FIRST, lamport=0),
    "the largest Lamport value": replace(FIRST, lamport=LARGEST_LAMPORT),
    "one entry seen": replace(FIRST, seen=ids(1)),
    "eight entries seen": replace(FIRST, seen=ids(8)),
    "entries seen in channel 2, from which a writer abstains": replace(
        FIRST, channel=2, seen=ids(1)
    ),
    "a payload that lives a day": replace(FIRST, expire_ms=86_400_000),
    "the longest lifetime": replace(FIRST, expire_ms=LARGEST_UINT),
    "an empty content": replace(FIRST, size=-1, payload=SALT),
    "the largest payload": replace(FIRST, size=-1, payload=SALT.ljust(32_768, b"\0")),
    "an extension of one byte": replace(FIRST, ext=b"\x00"),
    "the longest extension": replace(FIRST, ext=b"x" * 64),
    "the longest header": replace(
        FIRST,
        channel=2**32 - 1,
        seq=MAX_SEQ,
        prev=b"\xff" * 32,
        t_ms=2**62 - 1,
        t_quality=63,
        lamport=LARGEST_LAMPORT,
        seen=ids(8),
        expire_ms=LARGEST_UINT,
        size=32_768,
        payload_hash=b"\xff" * 32,
        ext=b"x" * 64,
    ),
}


def _with(**changes: Value) -> bytes:
    """The first header with other fields."""
    return pack(list((FIRST.fields() | changes).values()))


_2_63: Final = Raw(b"\xcf\x80" + bytes(7))
_MINUS_1: Final = Raw(b"\xff")
_FLOAT_0: Final = Raw(b"\xcb" + bytes(8))

BAD_HEADERS: Final[Mapping[str, Mapping[str, bytes]]] = {
    "an array of 13 fields": {
        "an empty array": b"\x90",
        "12 fields": pack(FIRST.row()[:-1]),
        "14 fields": pack([*FIRST.row(), 0]),
        "a map": b"\x8d" + b"".join(pack(at) + pack(item) for at, item in enumerate(FIRST.row())),
        "a byte string around the header": pack(FIRST.header),
        "a byte behind the header": FIRST.header + b"\x00",
        "a header without its last byte": FIRST.header[:-1],
        "an integer": b"\x01",
    },
    "version: 1": {
        "version 0": _with(version=0),
        "version 2": _with(version=2),
        "version 2 with one field more": _with(version=2, another=0),
        "version 1 as a byte string": _with(version=b"\x01"),
        "version 1 in two bytes": _with(version=Raw(b"\xcc\x01")),
    },
    "device: 32 bytes": {
        "a device of 31 bytes": _with(device=ADA.public[:31]),
        "a device of 33 bytes": _with(device=ADA.public + b"\x00"),
        "no device": _with(device=b""),
        "a device as an array": _with(device=list(ADA.public)),
        "a device as a text": _with(device=Raw(b"\xd9\x20" + b"a" * 32)),
    },
    "channel: 0..2^32 - 1": {
        "channel 2^32": _with(channel=2**32),
        "channel 0 as a byte string": _with(channel=b"\x00"),
        "channel -1": _with(channel=_MINUS_1),
    },
    "seq: 0..2^32 - 17": {
        "sequence number 2^32 - 16": _with(seq=2**32 - 16, prev=FIRST.id),
        "a sequence number as a float": _with(seq=_FLOAT_0),
    },
    "prev: 32 bytes, zero exactly at sequence 0": {
        "a previous entry at sequence 0": _with(prev=FIRST.id),
        "no previous entry at sequence 1": _with(seq=1),
        "an empty previous id": _with(prev=b""),
        "a previous id of 31 bytes": _with(prev=bytes(31)),
    },
    "t_ms: 0..2^62 - 1": {
        "a date of 2^62": _with(t_ms=2**62),
        "a date before 1970": _with(t_ms=_MINUS_1),
        "a date as a float": _with(t_ms=_FLOAT_0),
    },
    "t_quality: 0..63": {"a clock quality of 64": _with(t_quality=64)},
    "lamport: 0..2^62 - 1": {"a Lamport value of 2^62": _with(lamport=LARGEST_LAMPORT + 1)},
    "seen: at most 8 ids of 32 bytes, rising": {
        "nine entries seen": _with(seen=ids(9)),
        "entries seen in falling order": _with(seen=ids(2)[::-1]),
        "one entry seen twice": _with(seen=ids(1) * 2),
        "an id of 31 bytes among those seen": _with(seen=[bytes(31)]),
        "a number among those seen": _with(seen=[7]),
        "one id instead of an array of ids": _with(seen=ids(1)[0]),
        "nothing seen, as nil": _with(seen=Raw(b"\xc0")),
        "nothing seen, in an array head of three bytes": _with(seen=Raw(b"\xdc\x00\x00")),
    },
    "expire_ms: 0..2^63 - 1": {"a lifetime of 2^63": _with(expire_ms=_2_63)},
    "size: 16..32,768": {
        "a payload of 15 bytes": _with(size=15),
        "no payload": _with(size=0),
        "a payload of 32,769 bytes": _with(size=32_769),
    },
    "payload_hash: 32 bytes": {
        "a payload hash of 31 bytes": _with(payload_hash=bytes(31)),
        "no payload hash": _with(payload_hash=b""),
    },
    "ext: at most 64 bytes": {
        "an extension of 65 bytes": _with(ext=b"x" * 65),
        "an extension as an integer": _with(ext=0),
        "an extension as an array": _with(ext=[]),
        "an extension with a length of two bytes": _with(ext=Raw(b"\xc5\x00\x01x")),
    },
}


def header_cases() -> list[Case]:
    """All cases of the file."""
    good = [
        accept(
            *(name, "every field in its range", entry.header),
            fields=entry.fields(),
            id=entry.id,
            log=log_id(entry.device, entry.channel),
            signature=ADA.sign("sl-sig-1", entry.id),
        )
        for name, entry in HEADERS.items()
    ]
    return [*good, *refusals(BAD_HEADERS)]
