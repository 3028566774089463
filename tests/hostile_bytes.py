"""Bytes that resemble valid ones: what a fuzzer and a quick test put before decoders."""

from __future__ import annotations

from random import Random
from typing import Any, Final

import msgpack

_NUMBERS: Final = (0, 1, 127, 128, 255, 256, 2**16, 2**32 - 17, 2**32, 2**63 - 1, 2**63, -1)
_MOST_NESTED: Final = 4
"""Records inside byte strings of records: an entry in a run in an IDENT, and one to spare."""


def resembling(data: bytes, random: Random, *, nested: int = _MOST_NESTED) -> bytes:
    """Change bytes in one place: of a msgpack value often a field of it, else any bytes.

    A field that changes its length keeps a right head, and byte strings that hold records
    are changed from within; so the change is not lost on the outermost check.
    """
    if random.random() < 0.6:
        try:
            value: object = msgpack.unpackb(data, strict_map_key=False)
            return msgpack.packb(_with_one_field_changed(value, random, nested))
        except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException):
            pass
    return _with_bytes_changed(data, random)


def _with_one_field_changed(value: Any, random: Random, nested: int) -> Any:
    if isinstance(value, list) and value and random.random() < 0.9:
        items: list[Any] = [*value]
        at = random.randrange(len(items))
        match random.randrange(12):
            case 0:
                del items[at]
            case 1:
                items[at:at] = [items[at]] * random.choice((1, 2, 70))
            case 2:
                other = random.randrange(len(items))
                items[at], items[other] = items[other], items[at]
            case _:
                items[at] = _with_one_field_changed(items[at], random, nested)
        return items
    if isinstance(value, bytes) and random.random() < 0.9:
        if nested:
            return resembling(value, random, nested=nested - 1)
        return _with_bytes_changed(value, random)
    if isinstance(value, str) and random.random() < 0.9:
        return _with_bytes_changed(value.encode(), random).decode("utf-8", "ignore")
    if isinstance(value, int) and random.random() < 0.4:
        return value + random.choice((-1, 1))
    kinds: tuple[Any, ...] = ([], b"", "", None, True, 0.5, {}, bytes(32), random.choice(_NUMBERS))
    return random.choice((*kinds, *[random.choice(_NUMBERS)] * len(kinds)))


def _with_bytes_changed(data: bytes, random: Random) -> bytes:
    out = bytearray(data)
    at = random.randrange(len(out) + 1)
    match random.randrange(6):
        case 0:
            del out[at:]
        case 1:
            del out[at : at + random.randint(1, 40)]
        case 2:
            out[at:at] = random.randbytes(random.randint(1, 8))
        case 3:
            out[at:at] = out[at : at + random.randint(1, 80)]
        case 4 if at < len(out):
            out[at] = random.choice((0, 0x7F, 0x80, 0xFF))
        case _ if at < len(out):
            out[at] ^= 1 << random.randrange(8)
        case _:
            pass
    return bytes(out)


def crammed(unit: bytes, most_bytes: int, most_items: int) -> bytes:
    """One canonical array of arrays that says ``unit`` (a whole value) as often as it can."""
    level = [unit] * ((most_bytes - 2 * most_bytes // most_items // len(unit) - 64) // len(unit))
    while len(level) > 1:
        groups = (level[at : at + most_items] for at in range(0, len(level), most_items))
        level = [_array(group) for group in groups]
    return level[0]


def _array(items: list[bytes]) -> bytes:
    few = len(items) < 16
    head = bytes((0x90 + len(items),)) if few else b"\xdc" + len(items).to_bytes(2, "big")
    return head + b"".join(items)
