"""Cases of ``run.json``: entries as they travel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, Final

from .by_hand import (
    ADA,
    BOB,
    LARGEST_LAMPORT,
    LARGEST_UINT,
    MAX_SEQ,
    SALT,
    T_MS,
    ZERO,
    Case,
    Fields,
    Key,
    Raw,
    Value,
    accept,
    bodies,
    columns,
    ids,
    pack,
    refusals,
    reject,
    run,
    run_fields,
    varint,
    zigzag,
)

ABOUT: Final = (
    "One run each: the body of a RUN frame. trusted_end: the id that the receiver demands of the "
    "last entry because it holds the one behind it; null: the signature has to prove the run. "
    "refused_by: 'form' (the outer array), 'proof' (signature or trusted end), 'columns' (columns "
    "and bodies), 'chain' (the entries do not lead to last_id); each stands behind the one before. "
    "payload null: a stub. Keys: ada, unless the reason says otherwise."
)
FIRST: Final = Fields()
DEEP: Final = replace(FIRST, seq=1_000, prev=b"\x07" * 32, lamport=1_001)


def _log(*steps: Mapping[str, Any], first: Fields = FIRST) -> list[Fields]:
    """Entries that begin with ``first``; one more for each set of unusual fields."""
    return list(accumulate(steps, lambda entry, step: entry.next(**step), initial=first))


THREE: Final = _log({"text": "Dust."}, {"text": "A clear sky."})
_BLOCK_START: Final = replace(DEEP, seq=256, lamport=257, size=-1, payload=SALT)
_UNUSUAL: Final[Mapping[str, Any]] = {
    "lamport": 77,
    "seen": ids(2),
    "expire_ms": 9,
    "remaining_ms": 8,
    "t_quality": 20,
    "ext": b"later",
}

RUNS: Final[Mapping[str, Sequence[Fields]]] = {
    "one entry": THREE[:1],
    "three entries": THREE,
    "from the middle of a log": _log({"text": "On."}, first=DEEP),
    "a whole block": _log(*[{"payload": SALT}] * 255, first=_BLOCK_START),
    "the last entry that a log can have": [replace(DEEP, seq=MAX_SEQ, lamport=MAX_SEQ + 1)],
    "a stub among payloads": [THREE[0], THREE[1].stub(), THREE[2]],
    "only stubs": [entry.stub() for entry in THREE],
    "a Lamport value that jumps": _log({"lamport": 5_000}, {}),
    "a Lamport value that stays": _log({"lamport": 1}),
    "a Lamport value that falls": _log({"lamport": 900}, {"lamport": 0}),
    "the largest Lamport value, twice": _log(
        {"lamport": LARGEST_LAMPORT}, {"lamport": LARGEST_LAMPORT}
    ),
    "entries seen": _log({"seen": ids(1)}, {"seen": ids(8)}),
    "lifetimes": _log(
        {"expire_ms": 1_000, "remaining_ms": 1_000},
        {"expire_ms": 1_000, "remaining_ms": 1},
        {"expire_ms": LARGEST_UINT, "remaining_ms": 0},
    ),
    "a clock that is lost and comes back": _log({"t_quality": 63}, {}, {"t_quality": 10}),
    "extensions": _log({"ext": b"\x00"}, {"ext": b"x" * 64}),
    "dates that fall": _log({"t_ms": 5}, {"t_ms": 5}, {"t_ms": 0}),
    "dates from one end to the other": _log({"t_ms": 0}, {"t_ms": 2**62 - 1}, {"t_ms": 0}),
    "a content of no bytes": _log({"payload": SALT}),
    "every flag but the stub's": _log(_UNUSUAL),
    "every flag": [FIRST, FIRST.next(**_UNUSUAL).stub()],
    "unusual from the first entry": [replace(FIRST, t_quality=0, lamport=9)],
}


def _three(**changes: Value) -> bytes:
    return run(THREE, **changes)


def _deep(**changes: Value) -> bytes:
    return run([DEEP], **changes)


BAD_FORMS: Final[Mapping[str, Mapping[str, bytes]]] = {
    "an array of 10 fields": {
        "9 fields": pack(list(run_fields(THREE).values())[:-1]),
        "11 fields": _three(another=b""),
        "a byte behind the run": _three() + b"\x00",
        "a run without its last byte": _three()[:-1],
        "a count in two bytes": _three(count=Raw(b"\xcc\x03")),
    },
    "version: 1": {"version 2": _three(version=2)},
    "device: 32 bytes": {"a device of 31 bytes": _three(device=ADA.public[:31])},
    "channel: 0..2^32 - 1": {"channel 2^32": _three(channel=2**32)},
    "count: 1..256": {
        "no entries": _three(count=0),
        "257 entries": _three(count=257),
        "a count as a byte string": _three(count=b"\x03"),
    },
    "a run stays inside one block of 256": {
        "two entries across the end of a block": _deep(first=255, count=2),
        "256 entries from sequence 1": _deep(first=1, count=256),
    },
    "the last entry is at most 2^32 - 17": {
        "first is 2^32 - 16": _deep(first=2**32 - 16),
        "two entries from 2^32 - 17": _deep(first=MAX_SEQ, count=2),
    },
    "prev: empty exactly at sequence 0, else 32 bytes and not zero": {
        "a previous id at sequence 0": _three(prev=b"\x07" * 32),
        "zero bytes at sequence 0": _three(prev=ZERO),
        "no previous id at sequence 1,000": _deep(prev=b""),
        "zero bytes at sequence 1,000": _deep(prev=ZERO),
        "a previous id of 31 bytes": _deep(prev=b"\x07" * 31),
    },
    "columns and bodies: byte strings": {
        "columns as an array": _three(columns=list(columns(THREE))),
        "bodies as an array": _three(bodies=[bodies(THREE)]),
    },
    "last_id: 32 bytes where there is a signature, else empty": {
        "a last id of 31 bytes": _three(last_id=bytes(31)),
        "a last id that nobody signed": _three(signature=b""),
        "a signature of nothing": _three(last_id=b""),
    },
    "signature: empty or 64 bytes": {
        "a signature of 63 bytes": _three(signature=bytes(63)),
        "a signature of 65 bytes": _three(signature=bytes(65)),
    },
}


def _column(flags: int, rest: bytes = b"", *, size: int = 16, t_ms: int = T_MS) -> bytes:
    """The columns of one entry that carries nothing but its salt."""
    return bytes([flags]) + varint(zigzag(t_ms)) + varint(size) + rest


def _one(column: bytes, *, body: bytes = SALT) -> bytes:
    return run([FIRST], columns=column, bodies=body)


def _two(column: bytes, *, bodies: bytes = SALT * 2) -> bytes:
    return run(THREE[:2], columns=column, bodies=bodies)


_NEXT: Final = b"\x00\x00\x10"
"""The columns of a second entry at the same time with a payload of 16 bytes."""

BAD_COLUMNS: Final[Mapping[str, Mapping[str, bytes]]] = {
    "flags: one byte, 0..63": {
        "flag 64": _one(_column(64)),
        "flag 128": _one(b"\x80\x01" + _column(0)[1:]),
        "flag 256": _one(b"\x80\x02" + _column(0)[1:]),
        "no flags in two bytes": _one(b"\x80\x00" + _column(0)[1:]),
    },
    "a varint has its shortest form": {
        "a size of 16 in two bytes": _one(_column(0)[:-1] + b"\x90\x00"),
        "one entry seen, counted in two bytes": _one(_column(4, b"\x81\x00" + ids(1)[0])),
        "an extension of one byte, counted in two": _one(_column(32, b"\x81\x00x")),
    },
    "a varint has at most nine bytes": {
        "a difference of dates in ten bytes": _one(b"\x00" + b"\x80" * 9 + b"\x01\x10"),
    },
    "columns hold exactly count entries": {
        "no columns": _one(b""),
        "columns without the last byte": _one(_column(0)[:-1]),
        "a byte behind the columns": _one(_column(0) + b"\x00"),
        "columns of one entry for two": _two(_column(0)),
        "columns of two entries for one": _one(_column(0) + _NEXT, body=SALT * 2),
    },
    "bodies hold exactly what the columns announce": {
        "a body of 15 bytes for 16": _one(_column(0), body=SALT[:-1]),
        "a body of 17 bytes for 16": _one(_column(0), body=SALT + b"x"),
        "one body for two entries": _two(_column(0) + _NEXT, bodies=SALT),
        "a hash of 31 bytes for a stub": _one(_column(1), body=bytes(31)),
        "a payload for a stub": _one(_column(1), body=SALT),
    },
    "size: 16..32,768": {
        "a size of 15": _one(_column(0, size=15), body=SALT[:-1]),
        "a stub of 15 bytes": _one(_column(1, size=15), body=bytes(32)),
        "a stub of 32,769 bytes": _one(_column(1, size=32_769), body=bytes(32)),
    },
    "t_ms: 0..2^62 - 1": {
        "a date before 1970": _one(_column(0, t_ms=-1)),
        "a date of 2^62, in two steps": _two(_column(0, t_ms=2**62 - 1) + b"\x00\x02\x10"),
        "a date before 1970, in two steps": _two(_column(0, t_ms=0) + b"\x00\x01\x10"),
    },
    "lamport: 0..2^62 - 1": {
        "one more than the largest Lamport value": _two(
            _column(2, varint(zigzag(LARGEST_LAMPORT - 1))) + _NEXT
        ),
        "a Lamport value below 0": _one(_column(2, varint(zigzag(-2)))),
    },
    "a flagged field differs from the usual one": {
        "a flagged Lamport value of one more": _one(_column(2, varint(0))),
        "a flagged quality of the usual 10": _one(_column(16, varint(10))),
        "a flagged quality of the entry before": _two(
            _column(16, b"\x3f") + b"\x10\x00\x10\x3f",
        ),
        "flagged as seen, but none": _one(_column(4, b"\x00")),
        "flagged as expiring, but never": _one(_column(8, b"\x00\x00")),
        "a flagged extension of no bytes": _one(_column(32, b"\x00")),
    },
    "seen: at most 8 ids of 32 bytes, rising": {
        "nine entries seen": _one(_column(4, b"\x09" + b"".join(ids(9)))),
        "entries seen in falling order": _one(_column(4, b"\x02" + b"".join(ids(2)[::-1]))),
        "one entry seen twice": _one(_column(4, b"\x02" + ids(1)[0] * 2)),
        "ids of seen that are cut short": _one(_column(4, b"\x02" + ids(1)[0])),
    },
    "what remains of a lifetime is at most the lifetime": {
        "1,001 ms remain of 1,000": _one(_column(8, varint(1_000) + varint(1_001))),
    },
    "t_quality: 0..63": {"a clock quality of 64": _one(_column(16, b"\x40"))},
    "ext: at most 64 bytes": {
        "an extension of 65 bytes": _one(_column(32, b"\x41" + b"x" * 65)),
        "an extension that is cut short": _one(_column(32, b"\x05xxxx")),
    },
}

_GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_NEUTRAL_POINT: Final = b"\x01" + bytes(31)


def _with_larger_scalar(signature: bytes) -> bytes:
    scalar = int.from_bytes(signature[32:], "little") + _GROUP_ORDER
    return signature[:32] + scalar.to_bytes(32, "little")


UNPROVEN: Final[Mapping[str, Mapping[str, bytes]]] = {
    "the device signed last_id, as an entry": {
        "signed by another device": pack(list(run_fields(THREE, signer=BOB).values())),
        "signed for another purpose": pack(list(run_fields(THREE, context="sl-cert-1").values())),
        "signed without a purpose": pack(list(run_fields(THREE, context="").values())),
        "another device than the signer": _three(device=BOB.public),
        "the first entry is signed, not the last": _three(signature=ADA.sign("sl-sig-1", FIRST.id)),
        "a last id that is not signed": _three(last_id=THREE[1].id),
        "a signature of zeros": _three(signature=bytes(64)),
    },
    "a signature has one form: its scalar is below the order of the group": {
        "a scalar with the order of the group added": _three(
            signature=_with_larger_scalar(ADA.sign("sl-sig-1", THREE[-1].id))
        ),
    },
    "a device key is a point of full order": {
        "the neutral point, for which anything is signed": _three(
            device=_NEUTRAL_POINT, signature=_NEUTRAL_POINT + bytes(32)
        ),
    },
    "no signature and no trusted end": {"not signed": _three(signature=b"", last_id=b"")},
}
_CHANGED: Final = THREE[1].next("A clean sky.")

BROKEN: Final[Mapping[str, Mapping[str, bytes]]] = {
    "the entries lead to last_id": {
        "another payload": _three(bodies=bodies([*THREE[:2], _CHANGED]), last_id=THREE[-1].id),
        "two payloads of one size exchanged": run(
            _log({"text": "one"}, {"text": "two"}),
            bodies=bodies([FIRST, FIRST.next("two"), FIRST.next("one")]),
        ),
        "another date": _three(columns=columns([replace(FIRST, t_ms=T_MS + 1), *THREE[1:]])),
        "another Lamport value": _three(columns=columns([replace(FIRST, lamport=2), *THREE[1:]])),
        "another lifetime": _three(
            columns=columns([replace(FIRST, expire_ms=5, remaining_ms=5), *THREE[1:]])
        ),
        "a stub with another hash": _three(
            columns=columns([*THREE[:2], THREE[2].stub()]),
            bodies=bodies([*THREE[:2], replace(THREE[2].stub(), payload_hash=bytes(32))]),
        ),
        "another channel": _three(channel=2),
        "another entry before the first": _deep(prev=b"\x08" * 32),
        "another place in the log": _deep(first=1_001),
        "the last entry is missing": _three(
            count=2, columns=columns(THREE[:2]), bodies=bodies(THREE[:2])
        ),
    },
}


def run_cases() -> list[Case]:
    """All cases of the file."""
    unsigned = _three(signature=b"", last_id=b"")
    end = THREE[-1].id
    return [
        *(_accepted(name, entries) for name, entries in RUNS.items()),
        _accepted("no signature, but a trusted end", THREE, signer=None, trusted_end=end),
        _accepted(
            "a wrong signature before a trusted end is not looked at",
            THREE,
            signature=bytes(64),
            trusted_end=end,
        ),
        *refusals(BAD_FORMS, refused_by="form"),
        *refusals(UNPROVEN, refused_by="proof", trusted_end=None),
        reject(
            "another end than the trusted one",
            "the entries lead to the trusted end",
            unsigned,
            refused_by="chain",
            trusted_end=FIRST.id,
        ),
        reject(
            "signed, but not up to the trusted end",
            "last_id is the trusted end",
            _three(),
            refused_by="proof",
            trusted_end=FIRST.id,
        ),
        *refusals(BAD_COLUMNS, refused_by="columns", trusted_end=None),
        *refusals(BROKEN, refused_by="chain", trusted_end=None),
    ]


def _accepted(
    name: str,
    entries: Sequence[Fields],
    *,
    signer: Key | None = ADA,
    trusted_end: bytes | None = None,
    **changes: Value,
) -> Case:
    outer = run_fields(entries, signer=signer) | changes
    return accept(
        *(name, "proven, and the entries lead to last_id", pack(list(outer.values()))),
        trusted_end=trusted_end,
        fields={key: outer[key] for key in ("device", "channel", "first", "count", "last_id")}
        | {"signature": outer["signature"]},
        entries=[_shown(entry) for entry in entries],
    )


def _shown(entry: Fields) -> dict[str, Any]:
    names = ("seq", "t_ms", "t_quality", "lamport", "seen", "expire_ms", "size", "payload_hash")
    return {
        "id": entry.id,
        **{name: getattr(entry, name) for name in (*names, "ext")},
        "remaining_ms": entry.remaining_ms,
        "payload": entry.payload,
    }
