"""The canonical encoding: a strict subset of msgpack in which every value has one form.

Signed and hashed bytes contain only arrays, byte strings and unsigned integers below
2**63, each in its shortest msgpack form. msgpack itself accepts several encodings of one
value and promises no canonical form, so `unpack` reads that one form and nothing else: the
bytes are the truth.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final, TypeAlias, TypeVar, cast

import msgpack

from .errors import DecodeError

Value: TypeAlias = int | bytes | Sequence["Value"]
_Key = TypeVar("_Key", int, bytes, tuple[bytes, int])

MAX_UINT: Final = 2**63 - 1
"""Largest integer of the protocol: what SQLite and every common language can hold."""

MAX_DEPTH: Final = 8
"""Most arrays inside one another; the deepest record of the protocol uses 5."""

MAX_ITEMS: Final = 64
"""Most items of an array whose place does not allow more: devices, and channels of one."""

MAX_VARINT_BYTES: Final = 9
"""A varint carries 7 bits a byte; 9 bytes hold every integer below 2**63."""

_VALUES_ANYWAY: Final = 512
_BYTES_OF_A_VALUE: Final = 8
"""Values come with ids and keys, so a record of more values than these and the items of one
array has 8 bytes for each, every array counted twice. What has fewer would take many times its
own size in memory."""

_BIN_8: Final = 0xC4
_UINT_CODES: Final = {0xCC: (1, 0x80), 0xCD: (2, 2**8), 0xCE: (4, 2**16), 0xCF: (8, 2**32)}
"""By msgpack code: how many bytes hold the number, and the smallest that needs so many."""
_BIN_CODES: Final = {0xC5: (2, 2**8), 0xC6: (4, 2**16)}
_ARRAY_CODES: Final = {0xDC: (2, 16), 0xDD: (4, 2**16)}

_packb = msgpack.Packer(use_bin_type=True, autoreset=True).pack


def pack(value: Value) -> bytes:
    """Encode ``value``, which the caller built from checked parts.

    Only lists, tuples, bytes and ints from 0 to 2**63 - 1 are allowed; msgpack writes each
    of them in its shortest form.

    Raises:
        TypeError, OverflowError: msgpack cannot write the value (an error of ours, not of a
            peer).
    """
    packed: bytes = _packb(value)
    return packed


def unpack(
    data: bytes, *, max_bytes: int, max_items: int = MAX_ITEMS, what: str = "record"
) -> Value:
    """Decode one canonical value and refuse everything else.

    Args:
        data: the whole encoding; trailing bytes are refused.
        max_bytes: most bytes that this place of the protocol allows.
        max_items: most items of any array of this place.
        what: the name of the thing, for the message of the error.

    Raises:
        DecodeError: ``data`` is too long, holds a type outside the subset, too long an array or
            more values than any record of its length, or is not the shortest encoding.
    """
    if len(data) > max_bytes:
        raise DecodeError(f"{what}: {len(data)} bytes where at most {max_bytes} are allowed")
    reader = _Reader(data, max_items, what)
    try:
        (value,) = reader.take(1, MAX_DEPTH)
    except IndexError:
        raise DecodeError(f"{what}: cut short") from None
    if reader.at != len(data):
        raise DecodeError(f"{what}: {len(data) - reader.at} bytes follow it")
    return value


class _Reader:
    """Reads the one form of each value and refuses all others.

    msgpack's own decoder makes room for all that an array announces, for a thousand arrays one
    in the other, and for as many empty arrays as there are bytes: 160 times a frame.
    """

    __slots__ = ("_data", "_max_items", "_room", "_what", "at")

    def __init__(self, data: bytes, max_items: int, what: str) -> None:
        self._data = data
        self._max_items = max_items
        self._what = what
        self._room = _VALUES_ANYWAY + max_items + len(data) // _BYTES_OF_A_VALUE
        self.at = 0

    def take(self, count: int, depth_left: int) -> list[Value]:
        """Read ``count`` values from ``at`` on, and go behind them.

        Raises:
            DecodeError: one of them breaks a rule.
            IndexError: the bytes end before they do.
        """
        self._room -= 1 + count
        if self._room < 0:
            raise DecodeError(f"{self._what}: more values than a record of this length has")
        data = self._data
        values: list[Value] = []
        for _ in range(count):
            code = data[self.at]
            self.at += 1
            if code < 0x80:
                values.append(code)
            elif code == _BIN_8:
                length = data[self.at]
                self.at += 1
                values.append(self._bytes(length))
            elif 0x90 <= code < 0xA0:
                values.append(self._items(code & 0x0F, depth_left))
            elif code in _UINT_CODES:
                values.append(self._number(*_UINT_CODES[code]))
            elif code in _BIN_CODES:
                values.append(self._bytes(self._number(*_BIN_CODES[code])))
            elif code in _ARRAY_CODES:
                values.append(self._items(self._number(*_ARRAY_CODES[code]), depth_left))
            else:
                raise DecodeError(
                    f"{self._what}: code {code:#x}, where only arrays, bytes and integers of "
                    "0..2**63-1 may be"
                )
        return values

    def _items(self, count: int, depth_left: int) -> list[Value]:
        if count > self._max_items:
            most = self._max_items
            raise DecodeError(f"{self._what}: {count} items where at most {most} are allowed")
        if not depth_left:
            raise DecodeError(f"{self._what}: nested deeper than {MAX_DEPTH}")
        return self.take(count, depth_left - 1)

    def _number(self, length: int, smallest: int) -> int:
        number = int.from_bytes(self._bytes(length), "big")
        if not smallest <= number <= MAX_UINT:
            raise DecodeError(f"{self._what}: {number} has a shorter form or is outside 0..2**63-1")
        return number

    def _bytes(self, length: int) -> bytes:
        start = self.at
        self.at = end = start + length
        if end > len(self._data):
            raise IndexError
        return self._data[start:end]


def as_uint(value: Value, limit: int, what: str) -> int:
    """Return ``value`` if it is an integer from 0 to ``limit``, both included."""
    if type(value) is not int:
        raise DecodeError(f"{what}: not an integer")
    if value > limit:
        raise DecodeError(f"{what}: {value} is above {limit}")
    return value


def as_bytes(value: Value, length: int, what: str) -> bytes:
    """Return ``value`` if it is exactly ``length`` bytes."""
    if type(value) is not bytes:
        raise DecodeError(f"{what}: not a byte string")
    if len(value) != length:
        raise DecodeError(f"{what}: {len(value)} bytes where {length} are needed")
    return value


def as_bytes_upto(value: Value, most: int, what: str) -> bytes:
    """Return ``value`` if it is a byte string of at most ``most`` bytes."""
    if type(value) is not bytes:
        raise DecodeError(f"{what}: not a byte string")
    if len(value) > most:
        raise DecodeError(f"{what}: {len(value)} bytes where at most {most} are allowed")
    return value


def as_bytes_or_none(value: Value, length: int, what: str) -> bytes | None:
    """Return ``value`` if it is ``length`` bytes, None if it is empty."""
    return None if value == b"" else as_bytes(value, length, what)


def as_list(value: Value, most: int, what: str) -> list[Value]:
    """Return ``value`` if it is an array of at most ``most`` items."""
    if type(value) is not list:
        raise DecodeError(f"{what}: not an array")
    items = cast("list[Value]", value)
    if len(items) > most:
        raise DecodeError(f"{what}: {len(items)} items where at most {most} are allowed")
    return items


def as_fields(value: Value, count: int, what: str) -> list[Value]:
    """Return ``value`` if it is an array of exactly ``count`` items."""
    fields = as_list(value, count, what)
    if len(fields) != count:
        raise DecodeError(f"{what}: {len(fields)} fields where {count} are needed")
    return fields


def as_versioned_fields(value: Value, version: int, count: int, what: str) -> list[Value]:
    """Return ``value`` if it is an array of ``count`` items that begins with ``version``.

    The version is looked at first, so that the message for something newer says so.
    """
    fields = as_list(value, MAX_ITEMS, what)
    found = as_uint(fields[0], MAX_UINT, f"{what} version") if fields else None
    if found != version:
        raise DecodeError(f"{what} version {found} is unknown here; this node knows {version}")
    return as_fields(fields, count, what)


def require_rising(keys: Sequence[_Key], what: str) -> None:
    """Require keys in rising order, which also makes each of them unique."""
    if any(a >= b for a, b in itertools.pairwise(keys)):
        raise DecodeError(f"{what}: not sorted and unique")


def as_text(value: Value, most: int, what: str) -> str:
    """Return ``value`` as text if it is at most ``most`` bytes of UTF-8."""
    try:
        return as_bytes_upto(value, most, what).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DecodeError(f"{what}: not UTF-8") from error


def put_varint(out: bytearray, value: int) -> None:
    """Append ``value`` (0..2**63-1) as LEB128: 7 bits a byte, low bits first."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def take_varint(data: bytes, at: int) -> tuple[int, int]:
    """Read one LEB128 integer of ``data`` from index ``at``.

    Returns:
        The integer (0..2**63-1) and the index behind it.

    Raises:
        DecodeError: the bytes end too early, or the form is not the shortest one, or the
            integer is 2**63 or more.
    """
    try:
        byte = data[at]
        at += 1
        if byte < 0x80:
            return byte, at
        value = byte & 0x7F
        shift = 7
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift >= 7 * MAX_VARINT_BYTES:
                raise DecodeError("varint: longer than 9 bytes")
    except IndexError:
        raise DecodeError("varint: cut short") from None
    if byte == 0:
        raise DecodeError("varint: not in its shortest form")
    return value, at


def zigzag(value: int) -> int:
    """Fold a signed integer (|value| < 2**62) into an unsigned one: 0, -1, 1, -2 to 0, 1, 2, 3."""
    return value << 1 if value >= 0 else (-value << 1) - 1


def unzigzag(value: int) -> int:
    """Undo `zigzag`."""
    return value >> 1 if not value & 1 else -((value + 1) >> 1)
