"""A second decoder: what the columns of runs and of fork proofs say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tests.second_decoder import (
    LARGEST,
    LARGEST_TIME,
    RefusedError,
    UnprovenError,
    check_stretch,
    expect,
    is_bytes,
    is_signed,
    named,
    read_run,
    read_value,
    read_varint,
    rises,
    tagged,
    write,
)

LONGEST_PROOF_BYTES: Final = 198_419
_USUAL_QUALITY: Final = 10


def open_run(data: bytes, trusted_end: bytes | None) -> dict[str, Any]:
    """Read a run in the order of the page: form, proof of the end, columns, chain."""
    run = read_run(data)
    if trusted_end is None:
        end = run["last_id"]
        if not is_signed("sl-sig-1", end, run["signature"], run["device"]):
            raise UnprovenError("not signed by the device")
    else:
        end = trusted_end
        if run["last_id"] not in (b"", end):
            raise UnprovenError("ends elsewhere")
    entries = read_entries(run, run["columns"], run["bodies"])
    if entries[-1]["id"] != end:
        raise UnprovenError("the entries lead elsewhere")
    return {**run, "entries": entries}


def read_entries(place: dict[str, Any], columns: bytes, bodies: bytes) -> list[dict[str, Any]]:
    """Rebuild the entries of a stretch of a log."""
    entries: list[dict[str, Any]] = []
    column, body = _Bytes(columns), _Bytes(bodies)
    before = {"t_ms": 0, "lamport": place["first"], "t_quality": _USUAL_QUALITY}
    prev = place["prev"] or bytes(32)
    for seq in range(place["first"], place["first"] + place["count"]):
        entry = _read_columns(column, before)
        if entry.pop("stub"):
            entry |= {"payload": None, "payload_hash": body.take(32)}
        else:
            payload = body.take(entry["size"])
            entry |= {"payload": payload, "payload_hash": tagged("sl.payload", payload)}
        entry |= {"seq": seq, "prev": prev}
        order = "t_ms t_quality lamport seen expire_ms size payload_hash ext"
        rest = [entry[name] for name in order.split()]
        header = write([1, place["device"], place["channel"], seq, prev, *rest])
        prev = entry["id"] = tagged("sl.header", header)
        entries.append(entry)
        before = entry
    expect(column.is_empty() and body.is_empty())
    return entries


def read_proof(data: bytes) -> dict[str, Any]:
    """Read a fork proof: what it proves, and what it vouches for."""
    if len(data) > LONGEST_PROOF_BYTES:
        raise RefusedError("longer than any proof")
    proof = named(read_value(data, LONGEST_PROOF_BYTES), "version device channel one other")
    expect(proof["version"] == 1)
    place = {name: proof[name] for name in ("device", "channel")}
    one, other = (_read_branch(place, proof[name]) for name in ("one", "other"))
    frozen_from, vouched_id = _difference(one, other)
    for branch in (one, other):
        last = branch["entries"][-1]
        if not is_signed("sl-sig-1", last["id"], branch["signature"], proof["device"]):
            raise UnprovenError("a branch is not signed by the device")
    log = tagged("sl.log", proof["device"] + proof["channel"].to_bytes(4, "big"))
    return {
        **place,
        "log": log,
        "frozen_from": frozen_from,
        "vouched_id": vouched_id,
        "state": write([log, 1, frozen_from]),
        "branches": [
            [each["first"], each["first"] + each["count"] - 1, each["entries"][-1]["id"]]
            for each in (one, other)
        ],
    }


def _difference(one: dict[str, Any], other: dict[str, Any]) -> tuple[int, bytes]:
    """The lowest sequence number with two entries, and the id below it if both share it."""
    if (one["first"], one["prev"]) == (other["first"], other["prev"]):
        seq, vouched_id = one["first"], one["prev"]
    else:
        seq, vouched_id = max(one["first"], other["first"]) - 1, b""
        if one["first"] != other["first"]:
            lower = one if one["first"] < other["first"] else other
            expect(abs(one["first"] - other["first"]) == 1 and lower["count"] == 1)
    expect(_id_at(one, seq) < _id_at(other, seq))
    return seq, vouched_id


def _id_at(branch: dict[str, Any], seq: int) -> bytes:
    at = seq - branch["first"]
    found: bytes = branch["prev"] if at < 0 else branch["entries"][at]["id"]
    return found


def _read_branch(place: dict[str, Any], value: Any) -> dict[str, Any]:
    branch = place | named(value, "first prev count columns hashes signature")
    check_stretch(branch)
    expect(is_bytes(branch["columns"]) and is_bytes(branch["hashes"]))
    expect(is_bytes(branch["signature"], 64))
    branch["entries"] = read_entries(branch, branch["columns"], branch["hashes"])
    for entry in branch["entries"]:
        expect(entry["payload"] is None and entry["remaining_ms"] == 0)
    return branch


@dataclass
class _Bytes:
    """Bytes from which one thing after the other is taken."""

    data: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        expect(len(taken) == count)
        self.at += count
        return taken

    def varint(self, smallest: int, largest: int) -> int:
        end = self.at
        while end < len(self.data) and self.data[end] > 127:
            end += 1
        number = read_varint(self.take(end + 1 - self.at))
        expect(smallest <= number <= largest)
        return number

    def signed(self) -> int:
        number = self.varint(0, LARGEST)
        return -(number + 1) // 2 if number % 2 else number // 2

    def is_empty(self) -> bool:
        return self.at == len(self.data)


def _read_columns(column: _Bytes, before: dict[str, Any]) -> dict[str, Any]:
    """The fields of one entry, given those of the entry before."""
    (flags,) = column.take(1)
    expect(flags < 64)
    t_ms = before["t_ms"] + column.signed()
    size = column.varint(16, 32_768)
    lamport, quality = before["lamport"] + 1, before["t_quality"]
    seen: list[bytes] = []
    expire_ms = remaining_ms = 0
    ext = b""
    if flags & 2:
        step = column.signed()
        expect(step != 0)
        lamport += step
    if flags & 4:
        seen = [column.take(32) for _ in range(column.varint(1, 8))]
        expect(rises(seen))
    if flags & 8:
        expire_ms = column.varint(1, LARGEST)
        remaining_ms = column.varint(0, expire_ms)
    if flags & 16:
        quality = column.varint(0, 63)
        expect(quality != before["t_quality"])
    if flags & 32:
        ext = column.take(column.varint(1, 64))
    expect(0 <= t_ms <= LARGEST_TIME and 0 <= lamport <= LARGEST_TIME)
    return {
        "stub": flags & 1,
        "t_ms": t_ms,
        "t_quality": quality,
        "lamport": lamport,
        "seen": seen,
        "expire_ms": expire_ms,
        "remaining_ms": remaining_ms,
        "size": size,
        "ext": ext,
    }
