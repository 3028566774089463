"""Writes ``fork.json``: ``python -m tests.vectors.make_fork``, from the top folder.

Proofs that a device signed two branches of one log, as ``docs/protocol/forks.md`` says; nothing
here imports the code that the vectors judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, combinations, product
from pathlib import Path
from typing import Any, Final

from .by_hand import (
    ADA,
    BOB,
    KEYS,
    LARGEST_LAMPORT,
    LARGEST_UINT,
    MAX_SEQ,
    SALT,
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
    log_id,
    pack,
    refusals,
    vector_text,
)

NAME: Final = "fork.json"
ABOUT: Final = (
    "One fork proof each: what the bodies of PROOF frames carry. frozen_from: the lowest sequence "
    "number that is proven to have two entries; vouched_id: id of the entry below, empty if there "
    "is none or the branches may differ there; state: of the frozen log; branches: first and last "
    "sequence number, and the id that is signed. refused_by: 'form' (malformed) or 'proof' (a "
    "signature). ranked: proofs of one log, the one to keep before those that it replaces."
)
FIRST: Final = Fields()
Stubs = Sequence[Fields]


def _log(first: Fields, *texts: str, **changes: Any) -> list[Fields]:
    """A chain of stubs: ``first``, and one more for each text."""
    entries = accumulate(texts, lambda entry, text: entry.next(text, **changes), initial=first)
    return [entry.stub() for entry in entries]


def branch(stubs: Stubs, **changes: Value) -> list[Value]:
    """One branch under the signature of its last entry, some of its fields changed."""
    first, last = stubs[0], stubs[-1]
    fields: dict[str, Value] = {
        "first": first.seq,
        "prev": first.prev if first.seq else b"",
        "count": len(stubs),
        "columns": columns(stubs),
        "hashes": bodies(stubs),
        "signature": ADA.sign("sl-sig-1", last.id),
    }
    return list((fields | changes).values())


def _id_at(stubs: Stubs, seq: int) -> bytes:
    by_seq = {stub.seq: stub.id for stub in stubs}
    return by_seq.get(seq, stubs[0].prev)


def _frozen_from(one: Stubs, other: Stubs) -> int:
    first = max(one[0].seq, other[0].seq)
    return first if _splits(one, other) else first - 1


def _splits(one: Stubs, other: Stubs) -> bool:
    return (one[0].seq, one[0].prev) == (other[0].seq, other[0].prev)


def ordered(one: Stubs, other: Stubs) -> list[Stubs]:
    """Two branches, the one with the lower id at their difference first."""
    seq = _frozen_from(one, other)
    return sorted((one, other), key=lambda stubs: _id_at(stubs, seq))


def _signer_of(stub: Fields) -> Key:
    return BOB if stub.device == BOB.public else ADA


def outer(*branches: Value, device: bytes = ADA.public, channel: Value = 1) -> bytes:
    """A proof around two branches in this order."""
    return pack([1, device, channel, *branches])


def proof(one: Stubs, other: Stubs) -> bytes:
    """A proof of two branches."""
    return _signed_as((one, one[-1]), (other, other[-1]))


def _signed_as(*branches: tuple[Stubs, Fields]) -> bytes:
    """A proof of two branches, each with the signature of a given entry."""
    signed = {
        stubs[-1].id: _signer_of(entry).sign("sl-sig-1", entry.id) for stubs, entry in branches
    }
    one, other = (stubs for stubs, _ in branches)
    return outer(
        *(branch(stubs, signature=signed[stubs[-1].id]) for stubs in ordered(one, other)),
        device=one[0].device,
        channel=one[0].channel,
    )


COMMON: Final = _log(FIRST, "Dust.")
NEXT: Final = COMMON[-1]
LEFT: Final = _log(NEXT.next("left"), "left again", "and again")
RIGHT: Final = _log(NEXT.next("right"), "right again", "and again")
THIRD: Final = _log(NEXT.next("straight on"), "straight on again")
_BLOCK_START: Final = replace(FIRST, seq=256, prev=b"\x07" * 32, lamport=257, size=-1, payload=SALT)
_BLOCK: Final = _log(_BLOCK_START, *[""] * 255)
_OTHER_BLOCK: Final = _log(replace(_BLOCK_START, t_ms=0), *[""] * 255)
_LAST: Final = replace(FIRST, seq=MAX_SEQ, prev=b"\x07" * 32, channel=2**32 - 1)
_LARGEST: Final = replace(
    _LAST, t_ms=2**62 - 1, t_quality=63, lamport=LARGEST_LAMPORT, expire_ms=LARGEST_UINT
)

BOBS: Final = replace(FIRST, device=BOB.public)

PROOFS: Final[Mapping[str, tuple[Stubs, Stubs]]] = {
    "two second entries": (LEFT[:1], RIGHT[:1]),
    "two first entries": ([FIRST.stub()], [replace(FIRST, t_ms=0).stub()]),
    "two branches of three entries": (LEFT, RIGHT),
    "branches of one entry and of three": (LEFT[:1], RIGHT),
    "entries that differ in their date alone": (
        [FIRST.next("On.").stub()],
        [FIRST.next("On.", t_ms=0).stub()],
    ),
    "entries that continue different ones": (LEFT[1:2], RIGHT[1:2]),
    "longer branches that continue different ones": (LEFT[1:], RIGHT[1:2]),
    "an entry and one that continues another": (LEFT[:1], RIGHT[1:2]),
    "an entry and two that continue another": (LEFT[:1], RIGHT[1:]),
    "a first entry and one that continues another": (
        [FIRST.stub()],
        [replace(FIRST, t_ms=0).next("On.").stub()],
    ),
    "one entry named as the one before two": (
        LEFT[:1],
        [replace(RIGHT[1], prev=NEXT.id)],
    ),
    "across the end of a block": (
        _BLOCK[-1:],
        [_OTHER_BLOCK[-1].next("On.").stub()],
    ),
    "two whole blocks": (_BLOCK, _OTHER_BLOCK),
    "two last entries that a log can have": (
        [_LAST.stub()],
        [replace(_LAST, t_ms=0).stub()],
    ),
    "the largest fields that need no list": (
        [_LARGEST.stub()],
        [replace(_LARGEST, prev=b"\x08" * 32).stub()],
    ),
    "entries seen and extensions": (
        _log(NEXT.next("left", seen=ids(8), ext=b"later"), "left again"),
        _log(NEXT.next("right", seen=ids(1), expire_ms=9)),
    ),
    "channel 0": (_log(replace(FIRST, channel=0)), _log(replace(FIRST, channel=0, t_ms=0))),
    "a log of bob": (_log(BOBS), _log(replace(BOBS, t_ms=0))),
}

LOW, HIGH = ordered(LEFT[:1], RIGHT[:1])
_LOW_THREE, _HIGH_THREE = ordered(LEFT, RIGHT)


def _low(**changes: Value) -> bytes:
    """The proof of two second entries, some fields of its first branch changed."""
    return outer(branch(LOW, **changes), branch(HIGH))


def _column(flags: int, rest: bytes = b"") -> bytes:
    """The columns of the first branch with other flags."""
    return bytes([flags]) + columns(LOW)[1:] + rest


def _fields(count: int) -> bytes:
    fields: list[Value] = [1, ADA.public, 1, branch(LOW), branch(HIGH), 0]
    return pack(fields[:count])


def _moved(**changes: Any) -> bytes:
    """Entries that stand elsewhere under the signatures that they had."""
    return _signed_as(*(([replace(stubs[0], **changes)], stubs[0]) for stubs in (LOW, HIGH)))


BAD_FORMS: Final[Mapping[str, Mapping[str, bytes]]] = {
    "an array of 5 fields": {
        "no bytes": b"",
        "4 fields": _fields(4),
        "6 fields": _fields(6),
        "a byte behind the proof": _fields(5) + b"\x00",
        "a proof without its last byte": _fields(5)[:-1],
        "a channel in two bytes": outer(branch(LOW), branch(HIGH), channel=Raw(b"\xcc\x01")),
    },
    "version: 1": {"version 2": pack([2, ADA.public, 1, branch(LOW), branch(HIGH)])},
    "device: 32 bytes": {"a device of 31 bytes": _moved(device=ADA.public[:31])},
    "channel: 0..2^32 - 1": {"channel 2^32": _moved(channel=2**32)},
    "a branch: an array of 6 fields": {
        "a branch of 5 fields": outer(branch(LOW)[:-1], branch(HIGH)),
        "a branch of 7 fields": outer([*branch(LOW), 0], branch(HIGH)),
        "a branch as a byte string": outer(b"branch", branch(HIGH)),
        "an empty branch": outer([], branch(HIGH)),
    },
    "first, count and prev as in a run": {
        "no entries": _low(count=0),
        "257 entries": _low(count=257),
        "entries across the end of a block": _low(first=255, count=2),
        "a first entry of 2^32 - 16": _low(first=MAX_SEQ + 1),
        "a previous id at sequence 0": _low(first=0),
        "no previous id above it": _low(prev=b""),
        "zero bytes as previous id": _low(prev=ZERO),
        "a previous id of 31 bytes": _low(prev=bytes(31)),
    },
    "columns as in a run": {
        "no columns": _low(columns=b""),
        "a byte behind the columns": _low(columns=columns(LOW) + b"\x00"),
        "columns of one entry for two": _low(count=2),
        "columns as an array": _low(columns=[columns(LOW)]),
        "flag 64": _low(columns=_column(65)),
        "a flagged Lamport value of one more": _low(columns=_column(3, b"\x00")),
    },
    "every entry is a stub": {
        "an entry with its payload": outer(
            *(branch(stubs) for stubs in ordered([NEXT.next("left")], [NEXT.next("right")]))
        ),
        "a hash of 31 bytes": _low(hashes=bodies(LOW)[:-1]),
        "a hash too many": _low(hashes=bodies(LOW) * 2),
    },
    "what remains of a lifetime is 0": {
        "7 ms remain": proof(_log(NEXT.next("left", expire_ms=9, remaining_ms=7)), RIGHT[:1]),
    },
    "signature: 64 bytes": {
        "no signature": _low(signature=b""),
        "a signature of 63 bytes": _low(signature=bytes(63)),
        "a signature of 65 bytes": _low(signature=bytes(65)),
    },
    "the branches differ, the one with the lower id there first": {
        "branches in falling order": outer(branch(HIGH), branch(LOW)),
        "longer branches in falling order": outer(branch(_HIGH_THREE), branch(_LOW_THREE)),
        "one branch twice": outer(branch(LOW), branch(LOW)),
        "one branch, signed at two ends": outer(branch(LEFT[:1]), branch(LEFT)),
        "an entry and the one that continues it": outer(branch(LEFT[:1]), branch(LEFT[1:2])),
    },
    "a branch begins where the difference does": {
        "a common entry below": outer(
            *(branch([NEXT, *stubs]) for stubs in ordered(LEFT[:1], RIGHT[:1]))
        ),
        "a common entry below one branch": outer(
            *(branch(stubs) for stubs in ordered([NEXT, *LEFT[:1]], RIGHT[:1]))
        ),
        "an entry below the difference that another names": outer(
            *(branch(stubs) for stubs in ordered(LEFT, RIGHT[1:]))
        ),
        "an entry too many below it": outer(
            *(branch(stubs) for stubs in ordered(LEFT[:2], RIGHT[1:]))
        ),
        "branches two entries apart": outer(
            *(branch(stubs) for stubs in sorted((LEFT[:1], RIGHT[2:]), key=lambda s: s[0].id))
        ),
    },
}


CHANGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "date": {"t_ms": 0},
    "clock": {"t_quality": 20},
    "Lamport value": {"lamport": 9},
    "entry seen": {"seen": ids(1)},
    "lifetime": {"expire_ms": 5},
    "size": {"size": 99},
    "payload": {"payload_hash": bytes(32)},
    "extension": {"ext": b"later"},
    "entry before": {"prev": b"\x07" * 32},
}
UNPROVEN: Final[Mapping[str, Mapping[str, bytes]]] = {
    "the device signed the last id of both branches, as entries": {
        "the first branch signed by bob": _low(signature=BOB.sign("sl-sig-1", LOW[0].id)),
        "the second branch signed by bob": outer(
            branch(LOW), branch(HIGH, signature=BOB.sign("sl-sig-1", HIGH[0].id))
        ),
        "signed for another purpose": _low(signature=ADA.sign("sl-cert-1", LOW[0].id)),
        "signed without a purpose": _low(signature=ADA.sign("", LOW[0].id)),
        "a signature of zeros": _low(signature=bytes(64)),
        "the signatures exchanged": _signed_as((LOW, HIGH[0]), (HIGH, LOW[0])),
        "the first entry of a branch is signed, not the last": _signed_as(
            (LEFT, LEFT[0]), (RIGHT, RIGHT[2])
        ),
        "an entry that nobody signed behind a signed one": _signed_as(
            (LEFT[:2], LEFT[0]), (RIGHT, RIGHT[2])
        ),
        "both branches moved to another channel": _moved(channel=2),
        "both branches moved to another device": _moved(device=BOB.public),
        "both branches moved up the log": _moved(seq=3),
    },
    "a signature covers every field": {
        f"another {name}": _signed_as(
            (LEFT[:1], LEFT[0]), ([replace(RIGHT[0], **changes)], RIGHT[0])
        )
        for name, changes in CHANGES.items()
    },
}
RANKED: Final = [
    proof([FIRST.stub()], [replace(FIRST, t_ms=0).stub()]),
    *sorted(
        (
            proof(one[:length], other[:other_length])
            for one, other in combinations((LEFT, RIGHT, THIRD), 2)
            for length, other_length in product((1, 2), repeat=2)
        ),
        key=lambda data: (len(data), data),
    ),
    proof(LEFT[1:2], RIGHT[1:2]),
    proof(LEFT[1:2], RIGHT[1:]),
    proof(LEFT[2:], RIGHT[2:]),
]


def fork_text() -> str:
    """The file."""
    cases = [
        *(_accepted(name, *stubs) for name, stubs in PROOFS.items()),
        *refusals(BAD_FORMS, refused_by="form"),
        *refusals(UNPROVEN, refused_by="proof"),
    ]
    return vector_text(ABOUT, cases, keys=KEYS, ranked=RANKED)


def _accepted(name: str, one: Stubs, other: Stubs) -> Case:
    first = one[0]
    log = log_id(first.device, first.channel)
    seq = _frozen_from(one, other)
    return accept(
        *(name, "two branches that differ, both signed by the device", proof(one, other)),
        device=first.device,
        channel=first.channel,
        log=log,
        frozen_from=seq,
        vouched_id=first.prev if _splits(one, other) and seq else b"",
        state=pack([log, 1, seq]),
        branches=[[stubs[0].seq, stubs[-1].seq, stubs[-1].id] for stubs in ordered(one, other)],
    )


if __name__ == "__main__":
    Path(__file__).with_name(NAME).write_text(fork_text(), encoding="ascii")
