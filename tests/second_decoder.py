"""A second decoder of the canonical encoding, headers and the outer form of runs.

Written from ``docs/protocol.md`` alone: it imports nothing of the package and no msgpack, and
reads byte by byte instead of decoding and encoding again. Where it and the package disagree
about any bytes, one of them misreads the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Value: TypeAlias = "int | bytes | list[Value]"

_UINT_CODES: Final = {0xCC: (1, 128), 0xCD: (2, 2**8), 0xCE: (4, 2**16), 0xCF: (8, 2**32)}
"""Code of an integer: how many bytes follow, and the smallest integer that needs so many."""
_BIN_CODES: Final = {0xC4: (1, 0), 0xC5: (2, 2**8), 0xC6: (4, 2**16)}
_ARRAY_CODES: Final = {0xDC: (2, 16), 0xDD: (4, 2**16)}
_DEEPEST: Final = 8


class RefusedError(Exception):
    """These bytes break a rule of the page."""


@dataclass
class Reader:
    """Reads one byte after the other."""

    data: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        if len(taken) < count:
            raise RefusedError("cut short")
        self.at += count
        return taken

    def number(self, length: int, smallest: int) -> int:
        number = int.from_bytes(self.take(length), "big")
        if number < smallest:
            raise RefusedError("a shorter form exists")
        return number

    def value(self, arrays_around: int = 0) -> Value:
        code = self.take(1)[0]
        if code < 128:
            return code
        if code in _UINT_CODES:
            number = self.number(*_UINT_CODES[code])
            if number >= 2**63:
                raise RefusedError("too large")
            return number
        if code in _BIN_CODES:
            return self.take(self.number(*_BIN_CODES[code]))
        if 0x90 <= code < 0xA0:
            length = code - 0x90
        elif code in _ARRAY_CODES:
            length = self.number(*_ARRAY_CODES[code])
        else:
            raise RefusedError(f"code {code:#x}")
        if arrays_around == _DEEPEST:
            raise RefusedError("too deep")
        return [self.value(arrays_around + 1) for _ in range(length)]


def read_value(data: bytes, most_bytes: int) -> Value:
    """Read one value and nothing behind it."""
    if len(data) > most_bytes:
        raise RefusedError("too long for its place")
    reader = Reader(data)
    value = reader.value()
    if reader.at != len(data):
        raise RefusedError("something follows")
    return value


def read_varint(data: bytes) -> int:
    """Read one varint and nothing behind it."""
    if not 1 <= len(data) <= 9 or any(byte < 128 for byte in data[:-1]) or data[-1] > 127:
        raise RefusedError("not one varint")
    if len(data) > 1 and data[-1] == 0:
        raise RefusedError("a shorter form exists")
    return sum((byte & 127) << 7 * place for place, byte in enumerate(data))


def read_header(data: bytes) -> dict[str, Value]:
    """Read the 13 fields of a header."""
    names = "version device channel seq prev t_ms t_quality lamport seen expire_ms size"
    fields = _named(read_value(data, 484), [*names.split(), "payload_hash", "ext"])
    _expect(fields["version"] == 1)
    _expect(_is_bytes(fields["device"], 32))
    _expect(_is_uint(fields["channel"], 2**32 - 1))
    _expect(_is_uint(fields["seq"], 2**32 - 17))
    _expect(_is_bytes(fields["prev"], 32))
    _expect((fields["prev"] == bytes(32)) == (fields["seq"] == 0))
    _expect(_is_uint(fields["t_ms"], 2**62 - 1))
    _expect(_is_uint(fields["t_quality"], 63))
    _expect(_is_uint(fields["lamport"], 2**62 - 1))
    seen = list(_ids(fields["seen"]))
    _expect(len(seen) <= 8 and sorted(set(seen)) == seen)
    _expect(_is_uint(fields["expire_ms"], 2**63 - 1))
    _expect(_is_uint(fields["size"], 32_768) and fields["size"] >= 16)
    _expect(_is_bytes(fields["payload_hash"], 32))
    _expect(isinstance(fields["ext"], bytes) and len(fields["ext"]) <= 64)
    return fields


def read_run(data: bytes) -> dict[str, Value]:
    """Read the outer fields of a run."""
    names = "version device channel first count prev columns bodies last_id signature"
    fields = _named(read_value(data, 64_997), names.split())
    _expect(fields["version"] == 1)
    _expect(_is_bytes(fields["device"], 32))
    _expect(_is_uint(fields["channel"], 2**32 - 1))
    first, count = fields["first"], fields["count"]
    _expect(_is_uint(first, 2**32 - 17) and _is_uint(count, 256) and count > 0)
    _expect(first + count - 1 <= 2**32 - 17)
    _expect(first // 256 == (first + count - 1) // 256)
    if first == 0:
        _expect(fields["prev"] == b"")
    else:
        _expect(_is_bytes(fields["prev"], 32) and fields["prev"] != bytes(32))
    _expect(isinstance(fields["columns"], bytes) and isinstance(fields["bodies"], bytes))
    if fields["signature"] == b"":
        _expect(fields["last_id"] == b"")
    else:
        _expect(_is_bytes(fields["last_id"], 32) and _is_bytes(fields["signature"], 64))
    return fields


def _named(value: Value, names: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, list) or len(value) != len(names):
        raise RefusedError(f"not an array of {len(names)} fields")
    return dict(zip(names, value, strict=True))


def _ids(value: Value) -> Iterator[bytes]:
    if not isinstance(value, list):
        raise RefusedError("not an array of ids")
    for item in value:
        if not isinstance(item, bytes) or len(item) != 32:
            raise RefusedError("not an id")
        yield item


def _is_bytes(value: Value, length: int) -> bool:
    return isinstance(value, bytes) and len(value) == length


def _is_uint(value: Value, largest: int) -> bool:
    return isinstance(value, int) and value <= largest


def _expect(true: bool) -> None:
    if not true:
        raise RefusedError("a field is outside its range")
