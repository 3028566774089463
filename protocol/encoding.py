"""The canonical encoding: a strict subset of msgpack in which every value has one form.

Signed and hashed bytes contain only arrays, byte strings and unsigned integers below
2**63, each in its shortest msgpack form. msgpack itself accepts several encodings of one
value and promises no canonical form, so `unpack` decodes, encodes again and requires the
same bytes: the bytes are the truth.
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
        DecodeError: ``data`` is too long, is not msgpack, holds a type outside the subset
            or too long an array, or is not the shortest encoding of its value.
    """
    if len(data) > max_bytes:
        raise DecodeError(f"{what}: {len(data)} bytes where at most {max_bytes} are allowed")
    try:
        value = msgpack.unpackb(
            data,
            raw=True,
            use_list=True,
            strict_map_key=False,
            max_bin_len=max_bytes,
            # msgpack makes room for every item that an array announces, before it has come,
            # and for a thousand such arrays one in the other.
            max_array_len=min(max_items, len(data)),
            max_str_len=0,
            max_map_len=0,
            max_ext_len=0,
        )
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        # ValueError covers FormatError, StackError and ExtraData of msgpack; the pure Python
        # fallback of msgpack raises RecursionError where the C decoder raises StackError.
        raise DecodeError(f"{what}: {str(error) or 'not msgpack'}") from error
    _check(value, 0, what)
    if _packb(value) != data:
        raise DecodeError(f"{what}: not in canonical form")
    return value  # type: ignore[no-any-return]


def _check(value: object, depth: int, what: str) -> None:
    if type(value) is bytes:
        return
    if type(value) is int:
        if not 0 <= value <= MAX_UINT:
            raise DecodeError(f"{what}: integer outside 0..2**63-1")
        return
    if type(value) is not list:
        found = type(value).__name__
        raise DecodeError(f"{what}: a {found} where only arrays, bytes and integers may be")
    if depth >= MAX_DEPTH:
        raise DecodeError(f"{what}: nested deeper than {MAX_DEPTH}")
    for item in cast("list[object]", value):
        _check(item, depth + 1, what)


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
