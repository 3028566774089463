"""A second decoder: frames, rosters and digests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import shake_128
from typing import Any, Final

from tests.second_decoder import (
    LARGEST,
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
    text,
)

_MOST_BYTES: Final = 64_997


def read_message(data: bytes) -> list[dict[str, Any]]:
    """Read the whole frames of a message."""
    frames: list[dict[str, Any]] = []
    while data:
        if len(data) < 3:
            raise RefusedError("not a whole frame")
        length, code = int.from_bytes(data[:2], "big"), data[2]
        body, data = data[3 : 3 + length], data[3 + length :]
        expect(len(body) == length <= _MOST_BYTES)
        if code in _UNREAD:
            frames.append({"type": _UNREAD[code], "body": body})
        elif code in _READ:
            name, read = _READ[code]
            frames.append({"type": name, **read(read_value(body, _MOST_BYTES))})
        else:
            frames.append({"type": "unknown", "code": code})
    return frames


def read_roster(data: bytes) -> dict[str, Any]:
    """Read a whole roster, and name it."""
    rows = _rows(read_value(data, _MOST_BYTES), 65_536)
    return {"rows": rows, "hash": tagged("sl.roster", data)}


def digest_of(states: Iterable[bytes]) -> bytes:
    """The digest of a set of states."""
    sums = [0] * 1_024
    for state in states:
        element = shake_128(b"sl-lthash-1" + state).digest(2_048)
        for lane in range(1_024):
            sums[lane] += element[2 * lane] + 256 * element[2 * lane + 1]
    lanes = b"".join((each % 2**16).to_bytes(2, "little") for each in sums)
    return tagged("sl.digest", lanes, 16)


def offer_of(roster_hash: bytes, digest: bytes) -> bytes:
    """The digest of an offer."""
    return tagged("sl.offer", roster_hash + digest, 16)


def _rows(value: Value, most: int) -> list[Value]:
    rows = items(value, most)
    for item in rows:
        row = named(item, "identity channel depth n")
        expect(is_bytes(row["identity"], 32) and is_uint(row["channel"], 2**32 - 1))
        expect(is_uint(row["depth"], 2))
        expect(is_uint(row["n"], LARGEST, 1) if row["depth"] == 1 else row["n"] == 0)
    expect(rises([row[:2] for row in rows]))  # type: ignore[index]
    return rows


def _hello(value: Value) -> dict[str, Any]:
    hello = named(value, "version nonce counter roster flags digests")
    expect(hello.pop("version") == 1 and is_bytes(hello["nonce"], 4))
    expect(is_uint(hello["counter"], LARGEST) and is_bytes(hello["roster"], 8))
    flags, digests = hello.pop("flags"), hello.pop("digests")
    expect(is_uint(flags, 3) and is_bytes(digests, 0, 16, 32))
    expect(flags < 2 or digests == b"")
    flagged = {"complete": flags % 2, "agreed": flags // 2}
    return {**hello, **flagged, "offer": digests[:16], "held": digests[16:]}


def _roster_part(value: Value) -> dict[str, Any]:
    part = named(value, "roster index count rows")
    expect(is_bytes(part["roster"], 8) and is_uint(part["count"], 52))
    expect(is_uint(part["index"], max(part["count"], 1) - 1))
    _rows(part["rows"], 1_280)
    expect(part["count"] > 0 or part["rows"] == [])
    return part


def _digest(value: Value) -> dict[str, Any]:
    digest = named(value, "roster wants digest")
    expect(is_bytes(digest["roster"], 8) and is_uint(digest["wants"], LARGEST))
    expect(is_bytes(digest["digest"], 16))
    return digest


def _reconcile(value: Value) -> dict[str, Any]:
    return named(value, "")


def _want(value: Value) -> dict[str, Any]:
    for item in items(value, 800):
        wanted = named(item, "log first last last_id")
        expect(is_bytes(wanted["log"], 32) and is_uint(wanted["last"], LARGEST_SEQ))
        expect(is_uint(wanted["first"], wanted["last"]) and is_bytes(wanted["last_id"], 0, 32))
    return {"ranges": value}


def _have(value: Value) -> dict[str, Any]:
    have = named(value, "scope final states")
    expect(is_uint(have["scope"], 1) and is_uint(have["final"], 1))
    for item in items(have["states"], 1_290):
        state = named(item, "log seq id")
        expect(is_bytes(state["log"], 32) and is_uint(state["seq"], LARGEST_SEQ))
        expect(is_bytes(state["id"], 0, 8))
    return have


def _receipt(value: Value) -> dict[str, Any]:
    receipt = named(value, "runs complete")
    expect(is_uint(receipt["runs"], LARGEST) and is_uint(receipt["complete"], 1))
    return receipt


def _bye(value: Value) -> dict[str, Any]:
    bye = named(value, "reason text")
    expect(is_uint(bye["reason"], 3))
    return {**bye, "text": text(bye["text"], 200)}


def _ranges(value: Value) -> dict[str, Any]:
    ranges = named(value, "answer number message")
    expect(is_uint(ranges["answer"], 1) and is_uint(ranges["number"], 255))
    expect(isinstance(ranges["message"], bytes) and len(ranges["message"]) <= 64_980)
    return ranges


def _more(value: Value) -> dict[str, Any]:
    more = named(value, "again shards")
    expect(is_uint(more["again"], 1))
    shards = items(more["shards"], 1_024)
    expect(all(is_uint(shard, 1_023) for shard in shards) and rises(shards))
    return more


_UNREAD: Final = {2: "IDENT", 5: "SKETCH", 9: "RUN", 12: "PROOF"}
_READ: Final[dict[int, tuple[str, Callable[[Value], dict[str, Any]]]]] = {
    1: ("HELLO", _hello),
    3: ("ROSTER", _roster_part),
    4: ("DIGEST", _digest),
    6: ("RECONCILE", _reconcile),
    7: ("WANT", _want),
    8: ("HAVE", _have),
    11: ("RECEIPT", _receipt),
    13: ("BYE", _bye),
    14: ("RANGES", _ranges),
    15: ("MORE", _more),
}
