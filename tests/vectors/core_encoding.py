"""Cases of ``encoding.json``: the canonical encoding and its varints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .by_hand import Case, Value, accept, pack, refusals, varint, zigzag

ABOUT: Final = (
    "what 'value': one canonical value of at most 1,024 bytes; value: integers as numbers (up to "
    "2^63 - 1), byte strings in hex, arrays as arrays. what 'varint': one integer and nothing "
    "behind it; value as a number, signed: the same with its sign unfolded (zigzag)."
)


def _nested(depth: int) -> bytes:
    return b"\x91" * (depth - 1) + b"\x90"


VALUES: Final[Mapping[str, Value]] = {
    "the smallest integer": 0,
    "the largest integer of one byte": 127,
    "the smallest integer that needs a second byte": 128,
    "the largest integer of two bytes": 255,
    "the smallest integer of three bytes": 256,
    "the largest integer of three bytes": 65_535,
    "the smallest integer of five bytes": 65_536,
    "the largest integer of five bytes": 2**32 - 1,
    "the smallest integer of nine bytes": 2**32,
    "the largest integer": 2**63 - 1,
    "an empty byte string": b"",
    "a byte string that looks like msgpack": b"\xc0",
    "the longest byte string with a length of one byte": b"x" * 255,
    "the shortest byte string with a length of two bytes": b"x" * 256,
    "an empty array": [],
    "the longest array with a short head": [0] * 15,
    "the shortest array with a long head": [0] * 16,
    "arrays of different things": [1, [b"two", [3]], b""],
    "arrays eight deep": [[[[[[[[]]]]]]]],
    "1,024 bytes": b"x" * 1021,
}
NOT_VALUES: Final[Mapping[str, Mapping[str, bytes]]] = {
    "one value and nothing behind it": {
        "nothing at all": b"",
        "a byte behind the value": b"\x00\x00",
        "a byte behind an array": b"\x91\x00\xc0",
    },
    "an integer has its shortest form": {
        "0 in two bytes": b"\xcc\x00",
        "127 in two bytes": b"\xcc\x7f",
        "1 in three bytes": b"\xcd\x00\x01",
        "255 in three bytes": b"\xcd\x00\xff",
        "65,535 in five bytes": b"\xce\x00\x00\xff\xff",
        "2^32 - 1 in nine bytes": b"\xcf\x00\x00\x00\x00\xff\xff\xff\xff",
        "1 in two bytes, inside an array": b"\x91\xcc\x01",
    },
    "an integer has an unsigned code": {
        "1 as a signed integer of one byte": b"\xd0\x01",
        "1 as a signed integer of two bytes": b"\xd1\x00\x01",
        "1 as a signed integer of four bytes": b"\xd2\x00\x00\x00\x01",
        "1 as a signed integer of eight bytes": b"\xd3\x00\x00\x00\x00\x00\x00\x00\x01",
        "2^62 as a signed integer": b"\xd3\x40\x00\x00\x00\x00\x00\x00\x00",
    },
    "an integer is at most 2^63 - 1": {
        "2^63": b"\xcf\x80\x00\x00\x00\x00\x00\x00\x00",
        "2^64 - 1": b"\xcf" + b"\xff" * 8,
    },
    "an integer is not below zero": {
        "-1": b"\xff",
        "-32": b"\xe0",
        "-33": b"\xd0\xdf",
        "-2^63": b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
    },
    "only arrays, byte strings and integers": {
        "nil": b"\xc0",
        "the code that msgpack never uses": b"\xc1",
        "false": b"\xc2",
        "true": b"\xc3",
        "1.0 as a float of 32 bits": b"\xca\x3f\x80\x00\x00",
        "1.0 as a float of 64 bits": b"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00",
        "an empty text": b"\xa0",
        "a text": b"\xa2hi",
        "a text with a length of one byte": b"\xd9\x02hi",
        "a text with a length of two bytes": b"\xda\x00\x02hi",
        "a text with a length of four bytes": b"\xdb\x00\x00\x00\x02hi",
        "an empty map": b"\x80",
        "a map": b"\x81\x01\x02",
        "a map with a head of three bytes": b"\xde\x00\x01\x01\x02",
        "a map with a head of five bytes": b"\xdf\x00\x00\x00\x01\x01\x02",
        "an extension of 1 byte": b"\xd4\x05\x00",
        "an empty extension": b"\xc7\x00\x05",
        "an extension with a length of two bytes": b"\xc8\x00\x01\x05\x00",
        "a timestamp of four bytes": b"\xd6\xff\x00\x00\x00\x01",
        "a timestamp of eight bytes": b"\xd7\xff" + bytes(8),
        "nil inside an array": b"\x92\x00\xc0",
        "a text inside an array": b"\x91\xa2hi",
    },
    "a length has its shortest form": {
        "2 bytes with a length of two bytes": b"\xc5\x00\x02hi",
        "255 bytes with a length of two bytes": b"\xc5\x00\xff" + b"x" * 255,
        "2 bytes with a length of four bytes": b"\xc6\x00\x00\x00\x02hi",
        "an empty array with a head of three bytes": b"\xdc\x00\x00",
        "15 items with a head of three bytes": b"\xdc\x00\x0f" + b"\x00" * 15,
        "1 item with a head of five bytes": b"\xdd\x00\x00\x00\x01\x00",
    },
    "cut short": {
        "an integer without its last byte": b"\xcd\x01",
        "a byte string without its last byte": b"\xc4\x03hi",
        "a byte string without its length": b"\xc5\x00",
        "an array without its last item": b"\x92\x00",
        "an array without its length": b"\xdc\x00",
    },
    "more is announced than there is": {
        "4,294,967,295 items": b"\xdd\xff\xff\xff\xff",
        "2,147,483,647 bytes": b"\xc6\x7f\xff\xff\xff",
        "65,535 items, 300 times one in the other": b"\xdc\xff\xff" * 300,
    },
    "at most eight arrays one in the other": {"nine deep": _nested(9)},
    "the place allows 1,024 bytes": {"1,025 bytes": b"\xc5\x03\xfe" + b"x" * 1022},
}
VARINTS: Final[Mapping[str, int]] = {
    "the smallest varint": 0,
    "the first number below zero, folded": 1,
    "the largest varint of one byte": 127,
    "the smallest varint of two bytes": 128,
    "bits in both bytes": 300,
    "the largest varint of two bytes": 16_383,
    "the smallest varint of three bytes": 16_384,
    "a varint of 2^32": 2**32,
    "the smallest varint of nine bytes": 2**56,
    "the largest difference of two dates, folded": 2**63 - 2,
    "the largest varint": 2**63 - 1,
}
NOT_VARINTS: Final[Mapping[str, Mapping[str, bytes]]] = {
    "cut short": {
        "no varint at all": b"",
        "a varint without its last byte": b"\x80",
        "a varint without its third byte": b"\xff\xff",
    },
    "a varint has its shortest form": {
        "0 in two bytes of a varint": b"\x80\x00",
        "127 in two bytes of a varint": b"\xff\x00",
        "300 in three bytes of a varint": b"\xac\x82\x00",
    },
    "a varint has at most nine bytes": {
        "a varint of 2^63": b"\x80" * 9 + b"\x01",
        "a varint of nine bytes that goes on": b"\xff" * 9 + b"\x7f",
        "a varint without end": b"\xff" * 64,
    },
    "one varint and nothing behind it": {"a byte behind a varint": b"\x05\x00"},
}


def encoding_cases() -> list[Case]:
    """All cases of the file."""
    rule = "in its one form"
    return [
        *(accept(name, rule, pack(v), what="value", value=v) for name, v in VALUES.items()),
        *refusals(NOT_VALUES, what="value"),
        *(
            accept(name, rule, varint(v), what="varint", value=v, signed=_unfolded(v))
            for name, v in VARINTS.items()
        ),
        *refusals(NOT_VARINTS, what="varint"),
    ]


def _unfolded(value: int) -> int:
    signed = value // 2 if value % 2 == 0 else -(value + 1) // 2
    if zigzag(signed) != value:
        raise ValueError(value)
    return signed
