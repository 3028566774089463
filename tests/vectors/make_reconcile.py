"""Writes ``sketch.json`` and ``reconcile.json``: ``python -m tests.vectors.make_reconcile``.

Follows ``docs/protocol/reconciliation.md`` with hashlib and msgpack; imports nothing of the package
that the vectors judge.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgpack

ABOUT_SKETCH: Final = (
    "hex: a part of a sketch. values: [log, frozen, value] of the vector that it is the sketch of; "
    "order: the logs by their slots, empty with 4-byte symbols. positions: where the values are "
    "counted."
)
ABOUT_RANGES: Final = (
    "hex: a message. states: those of the range it speaks of, [log, 0, seq, id] or, frozen, "
    "[log, 1, seq]; salt: the key of its fingerprints."
)
PRIMES: Final = {4: 4_294_967_291, 2: 65_521}
LOGS: Final = [blake2b(bytes([n]), digest_size=32).digest() for n in range(24)]
SALT: Final = bytes(range(1, 9))
DIGEST: Final = bytes(range(8))


def packed(value: Any) -> bytes:
    """Return the canonical encoding."""
    data: bytes = msgpack.packb(value)
    return data


def position(log: bytes, frozen: bool, order: list[bytes]) -> int:
    """Return where a value is counted."""
    if order:
        return order.index(log) + 1 + (len(order) if frozen else 0)
    h = blake2b(log, digest_size=32, person=b"sl.sketch").digest()
    return 1 + int.from_bytes(h[8:16] if frozen else h[:8], "big") % (PRIMES[4] - 1)


def sketch(
    name: str, values: list[tuple[bytes, bool, int]], count: int, order: list[bytes], first: int = 0
) -> dict[str, Any]:
    """Return a case to accept."""
    width = 2 if order else 4
    p = PRIMES[width]
    places = [position(log, frozen, order) for log, frozen, _ in values]
    symbols = b""
    for j in range(first + 1, first + count + 1):
        total = sum(v * pow(x, j, p) for x, (_, _, v) in zip(places, values, strict=True))
        symbols += (total % p).to_bytes(width, "big")
    return {
        "name": name,
        "expect": "accept",
        "reason": "the sums of value times position to the power of j, modulo p",
        "hex": packed([1 if width == 4 else 0, first, [], DIGEST, symbols]).hex(),
        "values": [[log.hex(), int(frozen), value] for log, frozen, value in values],
        "order": [log.hex() for log in order],
        "positions": places,
    }


def refused(name: str, reason: str, value: Any, more: bytes = b"") -> dict[str, Any]:
    """Return a case to reject."""
    return {
        "name": name,
        "expect": "reject",
        "reason": reason,
        "hex": (packed(value) + more).hex(),
    }


def sketch_cases() -> list[dict[str, Any]]:
    """Return the cases of ``sketch.json``."""
    some = [(LOGS[0], False, 1), (LOGS[1], False, 2**32 - 16), (LOGS[2], True, 7)]
    four, two = bytes(8), bytes(4)
    return [
        sketch("nothing", [], 1, []),
        sketch("three logs by hash", some, 7, []),
        sketch("its later symbols", some, 3, [], 7),
        sketch("three logs by order", some, 7, LOGS[:5]),
        refused("no symbols", "at least 1", [1, 0, [], DIGEST, b""]),
        refused("half a symbol", "4 bytes each", [1, 0, [], DIGEST, bytes(6)]),
        refused("a symbol of p", "below p", [1, 0, [], DIGEST, PRIMES[4].to_bytes(4, "big")]),
        refused("a short symbol of p", "below p", [0, 0, [], DIGEST, PRIMES[2].to_bytes(2, "big")]),
        refused("513 symbols", "at most 512", [0, 512, [], DIGEST, two]),
        refused("symbols to 513", "at most 512", [1, 511, [], DIGEST, four]),
        refused("65 symbols of a shard", "at most 64", [3, 64, [0], DIGEST, four]),
        refused("11 shard bits", "at most 10", [22, 0, [0], DIGEST, two]),
        refused("all shards named", "fewer than 2^b", [3, 0, [0, 1], DIGEST, four]),
        refused("falling shards", "rising", [5, 0, [2, 1], DIGEST, four]),
        refused("no such shard", "below 2^b", [5, 0, [4], DIGEST, four]),
        refused("a long digest", "8 bytes", [1, 0, [], bytes(16), four]),
        refused("a byte more", "one value", [1, 0, [], DIGEST, four], b"\0"),
    ]


def fingerprint(states: list[Any]) -> bytes:
    """Return the fingerprint of a range."""
    data = b"".join(map(packed, states))
    return blake2b(data, digest_size=8, key=SALT, person=b"sl.range").digest()


def told(state: list[Any]) -> list[Any]:
    """Return a state as it is told."""
    return [state[0], state[1], state[2], fingerprint([state])]


def message(name: str, states: list[Any], salt: bytes, nodes: list[Any]) -> dict[str, Any]:
    """Return a case to accept."""
    return {
        "name": name,
        "expect": "accept",
        "reason": "fingerprints of states in order, keyed with the salt",
        "hex": packed([salt, 0, nodes]).hex(),
        "salt": SALT.hex(),
        "states": [[v.hex() if isinstance(v, bytes) else v for v in state] for state in states],
    }


def range_cases() -> list[dict[str, Any]]:
    """Return the cases of ``reconcile.json``."""
    states: list[list[Any]] = [
        [log, 0, n, blake2b(log, digest_size=32).digest()] for n, log in enumerate(LOGS)
    ]
    states = sorted([*states[:-1], [LOGS[-1], 1, 300]])
    parts = [fingerprint([s for s in states if s[0][0] >> 4 == n]) for n in range(16)]
    few = states[:3]
    one = told(states[0])
    nibble = bytes([states[0][0][0] >> 4])
    return [
        message("a first message", states, SALT, [[b"", 0, b"".join(parts)]]),
        message("a first list", few, SALT, [[b"", 1, [told(state) for state in few]]]),
        message("an answer", few, b"", [[b"", 2, [told(state) for state in few], 5, 1]]),
        message("nothing differs", [], b"", []),
        refused("a short salt", "8 bytes or none", [bytes(7), 0, []]),
        refused("more of nothing", "more needs a range", [b"", 1, []]),
        refused("no nibble", "0..15", [b"", 0, [[b"\x10", 1, []]]]),
        refused("one log split", "63 nibbles", [b"", 0, [[bytes(64), 0, bytes(128)]]]),
        refused("15 fingerprints", "16", [b"", 0, [[b"", 0, bytes(120)]]]),
        refused("no such kind", "0..2", [b"", 0, [[b"", 3, []]]]),
        refused("falling ranges", "rising", [b"", 0, [[b"\2", 1, []], [b"\1", 1, []]]]),
        refused("a range twice", "rising", [b"", 0, [[b"\1", 1, []], [b"\1", 1, []]]]),
        refused("nine in a list", "at most 8", [b"", 0, [[b"", 1, [told(s) for s in states[:9]]]]]),
        refused("a log twice", "rising", [b"", 0, [[b"", 1, [one, one]]]]),
        refused("a log elsewhere", "in its range", [b"", 0, [[bytes([nibble[0] ^ 1]), 1, [one]]]]),
        refused("an empty part", "states, or the last", [b"", 0, [[b"", 2, [], 0, 0]]]),
        refused("256 lacked", "8 bits", [b"", 0, [[b"", 2, [], 256, 1]]]),
        refused("a field more", "3 fields", [b"", 0, [[b"", 1, [], 0]]]),
    ]


def reconcile_files() -> dict[str, str]:
    """Return both files as they have to stand."""
    return {
        name: json.dumps({"about": about, "cases": cases}, indent=1, ensure_ascii=True) + "\n"
        for name, about, cases in (
            ("sketch.json", ABOUT_SKETCH, sketch_cases()),
            ("reconcile.json", ABOUT_RANGES, range_cases()),
        )
    }


if __name__ == "__main__":
    for file_name, text in reconcile_files().items():
        Path(__file__).with_name(file_name).write_text(text, encoding="ascii")
