"""Mutants of vectors: bytes that were hit, and values a little beside those that are allowed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgpack

from tests.second_decoder import RefusedError, read_value, write

Case = Mapping[str, Any]
_EDGES: Final = (0, 7, 8, 15, 16, 22, 31, 32, 62, 63, 64)
_BYTES: Final = (0, 1, 0x7F, 0x80, 0x90, 0x91, 0xC0, 0xC4, 0xC5, 0xCC, 0xCF, 0xDC, 0xFF)
_LENGTHS: Final = (0, 1, 4, 8, 16, 31, 32, 33, 64, 300)
_MOST_SEED_BYTES: Final = 4_000


def mutants(
    told: Sequence[Case], form: str, rng: random.Random, count: int
) -> Iterator[tuple[Case, bytes]]:
    """So many mutants, each with the case that it was made of; the same for the same numbers."""
    seeds = [(case, bytes.fromhex(case["hex"])) for case in told]
    seeds = [(case, data) for case, data in seeds if len(data) <= _MOST_SEED_BYTES] or seeds
    others = [data for _, data in seeds]
    for number in range(count):
        case, data = rng.choice(seeds)
        altered = _altered_value(data, form, rng) if number % 2 else None
        yield case, altered or _hit(data, rng.choice(others), rng)


def _hit(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Bytes that were hit one to three times."""
    hit = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(hit) + 1)
        match rng.randrange(7):
            case 0 | 1 if at < len(hit):
                hit[at] ^= 1 << rng.randrange(8)
            case 2 if at < len(hit):
                hit[at] = rng.choice(_BYTES)
            case 3:
                hit[at:at] = bytes(rng.choice(_BYTES) for _ in range(rng.randint(1, 4)))
            case 4:
                del hit[at : at + rng.randint(1, 8)]
            case 5:
                hit[at:at] = hit[at : at + rng.randint(1, 40)]
            case _:
                start = rng.randrange(len(other) + 1)
                hit[at:] = other[start:]
    return bytes(hit)


def _altered_value(data: bytes, form: str, rng: random.Random) -> bytes | None:
    """Bytes whose values were altered in one or two places; nothing if they are no values."""
    try:
        if form == "canonical":
            return write(_altered(read_value(data, 2**20), rng, _canonical_leaf))
        if form == "frames":
            body = write(_altered(read_value(data[3:], 2**20), rng, _canonical_leaf))
            return len(body).to_bytes(2, "big") + data[2:3] + body
        if form == "msgpack":
            value = msgpack.unpackb(data, strict_map_key=False)
            packed: bytes = msgpack.packb(_altered(value, rng, _any_leaf))
            return packed
    except (RefusedError, ValueError, TypeError, OverflowError, UnicodeError):
        pass
    return None


def _altered(value: Any, rng: random.Random, leaf: Callable[[Any, random.Random], Any]) -> Any:
    if not isinstance(value, list) or rng.random() < 0.05:
        return leaf(value, rng)
    items = list(cast("Sequence[Any]", value))
    at = rng.randrange(len(items) + 1)
    if at == len(items) or rng.random() < 0.15:
        match rng.randrange(4):
            case 0 if items:
                del items[min(at, len(items) - 1)]
            case 1 if items:
                items.insert(at, rng.choice(items))
            case 2:
                items.append(leaf(0, rng))
            case _:
                rng.shuffle(items)
        return items
    items[at] = _altered(items[at], rng, leaf)
    return items


def _canonical_leaf(value: Any, rng: random.Random) -> Any:
    match rng.randrange(6):
        case 0 | 1 if isinstance(value, int):
            return max(0, value + rng.choice((-1, 1)))
        case 0 if isinstance(value, bytes):
            return value[:-1]
        case 1 if isinstance(value, bytes):
            return value + b"\0"
        case 2 if isinstance(value, bytes) and value:
            at = rng.randrange(len(value))
            return value[:at] + bytes([rng.randrange(256)]) + value[at + 1 :]
        case 2 | 3:
            return _number(rng)
        case 4:
            return bytes([rng.choice(_BYTES)]) * rng.choice(_LENGTHS)
        case _:
            return [[], [0], [[0]], [b""]][rng.randrange(4)]


def _any_leaf(value: Any, rng: random.Random) -> Any:
    match rng.randrange(8):
        case 0:
            return rng.choice((None, True, False, 0.0, 1.5, {}, {1: 2}, msgpack.ExtType(5, b"x")))
        case 1:
            return -_number(rng)
        case 2 | 3 if isinstance(value, str):
            return rng.choice(
                (value + "é", value * 9, "x" * rng.choice((35, 36, 64, 65, 128, 129)))
            )
        case 2:
            return "风" * rng.choice(_LENGTHS)
        case _:
            return _canonical_leaf(value, rng)


def _number(rng: random.Random) -> int:
    near = 2 ** rng.choice(_EDGES) + rng.choice((-17, -16, -1, 0, 1))
    return min(max(near, 0), 2**63 - 1)
