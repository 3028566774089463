"""A second decoder: the canonical encoding, headers and the outer form of runs.

Written from ``docs/protocol.md`` alone: it imports nothing of the package and no msgpack, and
reads byte by byte instead of decoding and encoding again. Where it and the package disagree
about any bytes, one of them misreads the page. The other modules ``second_*`` read the rest of
what the pages describe; of libraries all of them use only hashlib and the primitives of PyNaCl.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, TypeAlias

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

Value: TypeAlias = "int | bytes | list[Value]"

_UINT_CODES: Final = {0xCC: (1, 128), 0xCD: (2, 2**8), 0xCE: (4, 2**16), 0xCF: (8, 2**32)}
"""Code of an integer: how many bytes follow, and the smallest integer that needs so many."""
_BIN_CODES: Final = {0xC4: (1, 0), 0xC5: (2, 2**8), 0xC6: (4, 2**16)}
_ARRAY_CODES: Final = {0xDC: (2, 16), 0xDD: (4, 2**16)}
_DEEPEST: Final = 8


LARGEST_SEQ: Final = 2**32 - 17
LARGEST_TIME: Final = 2**62 - 1
LARGEST: Final = 2**63 - 1


class RefusedError(Exception):
    """These bytes break a rule of the page: they are malformed."""


class UnprovenError(RefusedError):
    """Their form is right, and a signature, hash or link is wrong."""


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


def read_header(data: bytes) -> dict[str, Any]:
    """Read the 13 fields of a header."""
    fields = named(
        read_value(data, 484),
        "version device channel seq prev t_ms t_quality lamport seen expire_ms size payload_hash"
        " ext",
    )
    expect(fields["version"] == 1 and is_bytes(fields["device"], 32))
    expect(is_uint(fields["channel"], 2**32 - 1) and is_uint(fields["seq"], LARGEST_SEQ))
    expect(is_bytes(fields["prev"], 32))
    expect((fields["prev"] == bytes(32)) == (fields["seq"] == 0))
    expect(is_uint(fields["t_ms"], LARGEST_TIME) and is_uint(fields["lamport"], LARGEST_TIME))
    expect(is_uint(fields["t_quality"], 63))
    ids(fields["seen"], 8)
    expect(is_uint(fields["expire_ms"], LARGEST) and is_uint(fields["size"], 32_768, 16))
    expect(is_bytes(fields["payload_hash"], 32))
    expect(isinstance(fields["ext"], bytes) and len(fields["ext"]) <= 64)
    return fields


def read_run(data: bytes) -> dict[str, Any]:
    """Read the outer fields of a run."""
    fields = named(
        read_value(data, 64_997),
        "version device channel first count prev columns bodies last_id signature",
    )
    expect(fields["version"] == 1)
    check_stretch(fields)
    expect(is_bytes(fields["columns"]) and is_bytes(fields["bodies"]))
    if fields["signature"] == b"":
        expect(fields["last_id"] == b"")
    else:
        expect(is_bytes(fields["last_id"], 32) and is_bytes(fields["signature"], 64))
    return fields


def check_stretch(fields: dict[str, Any]) -> None:
    """Check the fields that say which entries of which log these are."""
    expect(is_bytes(fields["device"], 32) and is_uint(fields["channel"], 2**32 - 1))
    first, count = fields["first"], fields["count"]
    expect(is_uint(first, LARGEST_SEQ) and is_uint(count, 256, 1))
    expect(first + count - 1 <= LARGEST_SEQ and first // 256 == (first + count - 1) // 256)
    if first == 0:
        expect(fields["prev"] == b"")
    else:
        expect(is_bytes(fields["prev"], 32) and fields["prev"] != bytes(32))


def write(value: Value) -> bytes:
    """The one encoding of a value."""
    if isinstance(value, int):
        return _head(value, 0x00, 127, _UINT_CODES)
    if isinstance(value, bytes):
        return _head(len(value), 0, -1, _BIN_CODES) + value
    return _head(len(value), 0x90, 15, _ARRAY_CODES) + b"".join(map(write, value))


def _head(number: int, base: int, largest: int, codes: dict[int, tuple[int, int]]) -> bytes:
    """The shortest form of a number: in the code itself up to the largest, else behind a code."""
    if number <= largest:
        return bytes([base + number])
    code, length = next((c, n) for c, (n, _) in codes.items() if number < 256**n)
    return bytes([code]) + number.to_bytes(length, "big")


def tagged(tag: str, data: bytes, size: int = 32, key: bytes = b"") -> bytes:
    """H(tag, data)."""
    return blake2b(data, digest_size=size, key=key, person=tag.encode()).digest()


def is_signed(context: str, message: bytes, signature: bytes, key: bytes) -> bool:
    """Whether a key signed a message in a context."""
    if len(signature) != 64 or len(key) != 32:
        return False
    try:
        VerifyKey(key).verify(context.encode() + message, signature)
    except BadSignatureError:
        return False
    return True


def named(value: Value, names: str) -> dict[str, Any]:
    """The fields of an array by their names."""
    fields = names.split()
    if not isinstance(value, list) or len(value) != len(fields):
        raise RefusedError(f"not an array of {len(fields)} fields")
    return dict(zip(fields, value, strict=True))


def items(value: Value, most: int) -> list[Value]:
    """The items of an array."""
    if not isinstance(value, list) or len(value) > most:
        raise RefusedError(f"not an array of at most {most} items")
    return value


def ids(value: Value, most: int) -> list[bytes]:
    """Ids that rise."""
    found = [item for item in items(value, most) if is_bytes(item, 32)]
    expect(value == found and rises(found))
    return found  # type: ignore[return-value]


def rises(values: Sequence[Any]) -> bool:
    """Whether each is above the one before."""
    return all(values[at] < values[at + 1] for at in range(len(values) - 1))


def is_bytes(value: Value, *lengths: int) -> bool:
    """Whether it is a byte string of one of these lengths; of any, if none is named."""
    return isinstance(value, bytes) and (not lengths or len(value) in lengths)


def is_uint(value: Value, largest: int, smallest: int = 0) -> bool:
    """Whether it is an integer of this range."""
    return isinstance(value, int) and smallest <= value <= largest


def text(value: Value, most_bytes: int) -> str:
    """A text."""
    if not isinstance(value, bytes) or len(value) > most_bytes:
        raise RefusedError(f"not a text of at most {most_bytes} bytes")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError("not UTF-8") from None


def expect(true: bool) -> None:
    """Refuse the bytes unless a rule holds."""
    if not true:
        raise RefusedError("a field is outside its range")
