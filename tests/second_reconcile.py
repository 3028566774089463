"""A second decoder: parts of sketches, and messages of ranges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from tests.second_decoder import (
    LARGEST_SEQ,
    RefusedError,
    Value,
    expect,
    is_bytes,
    is_uint,
    items,
    named,
    read_value,
    rises,
    tagged,
    write,
)

_PRIMES: Final = {2: 65_521, 4: 4_294_967_291}
_MOST_BYTES: Final = 64_997
_MOST_RANGES_BYTES: Final = 64_980


def read_sketch(data: bytes) -> dict[str, Any]:
    """Read a part of a sketch."""
    part = named(read_value(data, _MOST_BYTES), "mode first shards digest symbols")
    expect(is_uint(part["mode"], 21) and is_uint(part["first"], 511))
    bits, width = part["mode"] // 2, 4 if part["mode"] % 2 else 2
    shards = items(part["shards"], 2**bits - 1)
    expect(all(is_uint(shard, 2**bits - 1) for shard in shards) and rises(shards))
    expect(is_bytes(part["digest"], 8) and is_bytes(part["symbols"]))
    rows = len(shards) or 2**bits
    count = len(part["symbols"]) // (rows * width)
    expect(count >= 1 and count * rows * width == len(part["symbols"]))
    expect(part["first"] + count <= (64 if bits else 512))
    numbers = [
        int.from_bytes(part["symbols"][at : at + width], "big")
        for at in range(0, len(part["symbols"]), width)
    ]
    expect(all(number < _PRIMES[width] for number in numbers))
    return {
        "width": width,
        "shard_bits": bits,
        "first": part["first"],
        "shards": shards,
        "digest": part["digest"],
        "rows": [numbers[at : at + count] for at in range(0, len(numbers), count)],
    }


def position_of(log: bytes, *, frozen: bool, order: Sequence[bytes]) -> int:
    """Where a log is counted: by its slot in an order of logs, or by its hash without one."""
    if order:
        return len(order) * frozen + order.index(log) + 1
    at = 8 if frozen else 0
    return 1 + int.from_bytes(tagged("sl.sketch", log)[at : at + 8], "big") % (_PRIMES[4] - 1)


def symbols_of(values: Iterable[tuple[int, int]], width: int, first: int, count: int) -> list[int]:
    """So many symbols of the values at positions, those before the first one left out."""
    prime = _PRIMES[width]
    told = list(values)
    return [
        sum(value * pow(position, j, prime) for position, value in told) % prime
        for j in range(first + 1, first + count + 1)
    ]


def read_ranges(data: bytes) -> dict[str, Any]:
    """Read a message of ranges."""
    message = named(read_value(data, _MOST_RANGES_BYTES), "salt more nodes")
    expect(is_bytes(message["salt"], 0, 8) and is_uint(message["more"], 1))
    nodes = [_read_node(node) for node in items(message["nodes"], 512)]
    expect(rises([node["prefix"] for node in nodes]) and (message["more"] == 0 or nodes != []))
    return {**message, "nodes": nodes}


def fingerprint_of(states: Iterable[bytes], salt: bytes) -> bytes:
    """The fingerprint of states in the order of their logs."""
    return tagged("sl.range", b"".join(states), 8, key=salt)


def parts_of(states: Iterable[Sequence[Any]], salt: bytes) -> list[bytes]:
    """The fingerprints of the 16 parts of the whole range."""
    ranked = sorted(states, key=lambda state: bytes(state[0]))
    return [
        fingerprint_of((write(list(each)) for each in ranked if each[0][0] >> 4 == part), salt)
        for part in range(16)
    ]


def _read_node(value: Value) -> dict[str, Any]:
    if not isinstance(value, list) or len(value) not in (3, 5) or not is_uint(value[1], 2):
        raise RefusedError("no node")
    prefix = value[0]
    if not isinstance(prefix, bytes):
        raise RefusedError("no prefix")
    expect(len(prefix) <= 64 and all(nibble < 16 for nibble in prefix))
    if value[1] == 0:
        node = named(value, "prefix kind fingerprints")
        expect(len(prefix) <= 63 and is_bytes(node["fingerprints"], 128))
        parts = [node["fingerprints"][at : at + 8] for at in range(0, 128, 8)]
        return {"prefix": prefix, "kind": "split", "fingerprints": parts}
    if value[1] == 1:
        states = _read_states(named(value, "prefix kind states")["states"], prefix, 8)
        return {"prefix": prefix, "kind": "list", "states": states}
    node = named(value, "prefix kind states lacks last")
    states = _read_states(node["states"], prefix, 1_260)
    expect(is_uint(node["lacks"], 255) and is_uint(node["last"], 1))
    expect(node["last"] == 1 or states != [])
    return {**node, "kind": "answer", "states": states}


def _read_states(value: Value, prefix: bytes, most: int) -> list[dict[str, Any]]:
    states = [named(item, "log frozen seq check") for item in items(value, most)]
    for state in states:
        expect(is_bytes(state["log"], 32) and is_uint(state["frozen"], 1))
        expect(is_uint(state["seq"], LARGEST_SEQ) and is_bytes(state["check"], 8))
        expect(state["log"].hex().startswith("".join(f"{nibble:x}" for nibble in prefix)))
    expect(rises([state["log"] for state in states]))
    return states
