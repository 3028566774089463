"""Cases of ``roster.json``, ``digest.json`` and ``frames.json``: what nodes say to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .by_hand import (
    MAX_SEQ,
    Case,
    Fields,
    Raw,
    Value,
    accept,
    blake,
    digest,
    frame,
    ids,
    lanes,
    log_id,
    pack,
    refusals,
    run,
)
from .core_ident import ident_body

ABOUT_ROSTERS: Final = (
    "One roster each, whole: the bytes whose hash names it. rows: identity, channel, depth "
    "(0 everything, 1 the newest n entries, 2 headers only), n."
)
ABOUT_DIGESTS: Final = (
    "hex: the states one behind the other, as they are hashed, in any order. A state is [log, 0, "
    "newest seq, its id], of a frozen log [log, 1, lowest forked seq]. first_lanes: the first "
    "lanes of the element of the first state. offer: the digest of the offer of these states under "
    "a roster whose hash is 32 bytes 01."
)
ABOUT_FRAMES: Final = (
    "One message each: whole frames, one behind the other. frames: what they say; a frame of "
    "another type is skipped (unknown: its type). The bodies of IDENT, RUN and PROOF are "
    "judged elsewhere (ident.json, run.json, fork.json)."
)
FIRST, SECOND, THIRD = ids(3)

ROSTERS: Final[Mapping[str, Sequence[Sequence[Value]]]] = {
    "no wishes": [],
    "all posts of one identity": [[FIRST, 1, 0, 0]],
    "the newest ten posts": [[FIRST, 1, 1, 10]],
    "headers only": [[FIRST, 1, 2, 0]],
    "several channels and identities": [
        [FIRST, 0, 0, 0],
        [FIRST, 1, 1, 100],
        [FIRST, 2**32 - 1, 0, 0],
        [SECOND, 1, 0, 0],
        [THIRD, 0, 2, 0],
    ],
    "as many entries as there are numbers": [[FIRST, 1, 1, 2**63 - 1]],
    "sixteen rows": [[bytes([number]) * 32, 1, 0, 0] for number in range(16)],
}
BAD_ROSTERS: Final[Mapping[str, Mapping[str, bytes]]] = {
    "rows rise by identity, then channel": {
        "two identities in falling order": pack([[SECOND, 1, 0, 0], [FIRST, 1, 0, 0]]),
        "two channels in falling order": pack([[FIRST, 1, 0, 0], [FIRST, 0, 0, 0]]),
        "one row twice": pack([[FIRST, 1, 0, 0], [FIRST, 1, 0, 0]]),
        "two depths for one channel": pack([[FIRST, 1, 0, 0], [FIRST, 1, 2, 0]]),
    },
    "n is 0 unless the depth is 1, then above 0": {
        "the newest 0": pack([[FIRST, 1, 1, 0]]),
        "everything, and 5": pack([[FIRST, 1, 0, 5]]),
        "headers, and 5": pack([[FIRST, 1, 2, 5]]),
    },
    "a row: [identity, channel, depth, n]": {
        "three fields": pack([[FIRST, 1, 0]]),
        "five fields": pack([[FIRST, 1, 0, 0, 0]]),
        "an identity of 31 bytes": pack([[bytes(31), 1, 0, 0]]),
        "channel 2^32 wanted": pack([[FIRST, 2**32, 0, 0]]),
        "depth 3": pack([[FIRST, 1, 3, 0]]),
        "a row as a byte string": pack([FIRST]),
        "a roster as a byte string": pack(FIRST),
        "a depth in two bytes": pack([[FIRST, 1, Raw(b"\xcc\x00"), 0]]),
    },
}


def roster_cases() -> list[Case]:
    """All cases of ``roster.json``."""
    return [
        *(
            accept(
                *(name, "rows in rising order", pack(rows)),
                rows=rows,
                hash=blake("sl.roster", pack(rows)),
            )
            for name, rows in ROSTERS.items()
        ),
        *refusals(BAD_ROSTERS),
    ]


def _state(number: int, seq: int) -> list[Value]:
    return [log_id(bytes([number]) * 32, 1), 0, seq, bytes([number, seq % 256]) * 16]


_FROZEN: Final[list[Value]] = [log_id(FIRST, 1), 1, 7]
STATES: Final[Mapping[str, Sequence[Sequence[Value]]]] = {
    "no log": [],
    "one log": [_state(1, 0)],
    "one log, one entry later": [_state(1, 1)],
    "two logs": [_state(1, 0), _state(2, 41)],
    "two logs the other way round": [_state(2, 41), _state(1, 0)],
    "a hundred logs": [_state(number, number * 3) for number in range(100)],
    "a log at its last entry": [_state(1, MAX_SEQ)],
    "a frozen log": [_FROZEN],
    "a frozen log among others": [_state(2, 5), _FROZEN, _state(3, 6)],
    "lanes that overflow: 70 times one state": [_state(1, 0)] * 70,
}


def digest_cases() -> list[Case]:
    """All cases of ``digest.json``."""
    return [_digest_case(name, states) for name, states in STATES.items()]


def _digest_case(name: str, states: Sequence[Sequence[Value]]) -> Case:
    packed = [pack(state) for state in states]
    return accept(
        *(name, "the sum of the elements, lane by lane, modulo 2^16", b"".join(packed)),
        states=states,
        first_lanes=lanes(packed[0])[:4] if packed else [],
        digest=digest(packed),
        offer=blake("sl.offer", FIRST + digest(packed), length=16),
    )


HELLO, IDENT, ROSTER, DIGEST, SKETCH, RECONCILE, WANT = range(1, 8)
HAVE, RUN, CHUNK, RECEIPT, PROOF, BYE = range(8, 14)
RANGES, MORE = 14, 15
NONCE: Final = b"inst"
SHORT: Final = b"roster#1"
DIGEST_16: Final = bytes(range(16))
_HELLO: Final[list[Value]] = [1, NONCE, 7, SHORT, 0, b""]
_OTHER_16: Final = bytes(range(16, 32))
_LONG_TEXT: Final = "é" * 100


def _said(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def _hello(**changes: Any) -> dict[str, Any]:
    plain = {"nonce": NONCE, "counter": 7, "roster": SHORT, "complete": 0, "agreed": 0}
    return _said("HELLO", **(plain | {"offer": b"", "held": b""} | changes))


GOOD: Final[Mapping[str, tuple[bytes, Sequence[Mapping[str, Any]]]]] = {
    "an empty message": (b"", []),
    "HELLO": (frame(HELLO, pack(_HELLO)), [_hello()]),
    "HELLO of a new store": (frame(HELLO, pack([1, NONCE, 0, SHORT, 0, b""])), [_hello(counter=0)]),
    "HELLO after very many commits": (
        frame(HELLO, pack([1, NONCE, 2**63 - 1, SHORT, 0, b""])),
        [_hello(counter=2**63 - 1)],
    ),
    "HELLO with what is offered": (
        frame(HELLO, pack([1, NONCE, 7, SHORT, 0, DIGEST_16])),
        [_hello(offer=DIGEST_16)],
    ),
    "HELLO with what is offered and what is held": (
        frame(HELLO, pack([1, NONCE, 7, SHORT, 0, DIGEST_16 + _OTHER_16])),
        [_hello(offer=DIGEST_16, held=_OTHER_16)],
    ),
    "HELLO of one who wants nothing, with what is offered": (
        frame(HELLO, pack([1, NONCE, 7, SHORT, 1, DIGEST_16])),
        [_hello(complete=1, offer=DIGEST_16)],
    ),
    "HELLO of one who has nothing new": (
        frame(HELLO, pack([1, NONCE, 7, SHORT, 3, b""])),
        [_hello(complete=1, agreed=1)],
    ),
    "IDENT": (frame(IDENT, ident_body()), [_said("IDENT", body=ident_body())]),
    "ROSTER, asked for": (
        frame(ROSTER, pack([SHORT, 0, 0, []])),
        [_said("ROSTER", roster=SHORT, index=0, count=0, rows=[])],
    ),
    "ROSTER, empty": (
        frame(ROSTER, pack([SHORT, 0, 1, []])),
        [_said("ROSTER", roster=SHORT, index=0, count=1, rows=[])],
    ),
    "ROSTER, the last of 52 parts": (
        frame(ROSTER, pack([SHORT, 51, 52, [[FIRST, 1, 0, 0]]])),
        [_said("ROSTER", roster=SHORT, index=51, count=52, rows=[[FIRST, 1, 0, 0]])],
    ),
    "DIGEST": (
        frame(DIGEST, pack([SHORT, 0, DIGEST_16])),
        [_said("DIGEST", roster=SHORT, wants=0, digest=DIGEST_16)],
    ),
    "DIGEST after five wants": (
        frame(DIGEST, pack([SHORT, 5, DIGEST_16])),
        [_said("DIGEST", roster=SHORT, wants=5, digest=DIGEST_16)],
    ),
    "RECONCILE": (frame(RECONCILE, pack([])), [_said("RECONCILE")]),
    "SKETCH": (frame(SKETCH, b"symbols"), [_said("SKETCH", body=b"symbols")]),
    "MORE of a sketch without shards": (
        frame(MORE, pack([1, []])),
        [_said("MORE", again=1, shards=[])],
    ),
    "MORE of two shards": (
        frame(MORE, pack([1, [3, 1_023]])),
        [_said("MORE", again=1, shards=[3, 1_023])],
    ),
    "MORE, but no sketch": (frame(MORE, pack([0, []])), [_said("MORE", again=0, shards=[])]),
    "RANGES about what the receiver offers": (
        frame(RANGES, pack([0, 1, b"message"])),
        [_said("RANGES", answer=0, number=1, message=b"message")],
    ),
    "RANGES about what the sender offers": (
        frame(RANGES, pack([1, 255, b""])),
        [_said("RANGES", answer=1, number=255, message=b"")],
    ),
    "WANT nothing": (frame(WANT, pack([])), [_said("WANT", ranges=[])]),
    "WANT two ranges": (
        frame(WANT, pack([[FIRST, 0, 255, b""], [SECOND, 7, 7, THIRD]])),
        [_said("WANT", ranges=[[FIRST, 0, 255, b""], [SECOND, 7, 7, THIRD]])],
    ),
    "WANT a whole log": (
        frame(WANT, pack([[FIRST, 0, MAX_SEQ, b""]])),
        [_said("WANT", ranges=[[FIRST, 0, MAX_SEQ, b""]])],
    ),
    "HAVE nothing": (
        frame(HAVE, pack([1, 1, []])),
        [_said("HAVE", scope=1, final=1, states=[])],
    ),
    "HAVE two logs, and more to come": (
        frame(HAVE, pack([0, 0, [[FIRST, 0, SECOND[:8]], [SECOND, MAX_SEQ, THIRD[:8]]]])),
        [
            _said(
                "HAVE",
                scope=0,
                final=0,
                states=[[FIRST, 0, SECOND[:8]], [SECOND, MAX_SEQ, THIRD[:8]]],
            )
        ],
    ),
    "HAVE a frozen log": (
        frame(HAVE, pack([0, 1, [[FIRST, 7, b""]]])),
        [_said("HAVE", scope=0, final=1, states=[[FIRST, 7, b""]])],
    ),
    "RUN": (frame(RUN, run([Fields()])), [_said("RUN", body=run([Fields()]))]),
    "RECEIPT": (frame(RECEIPT, pack([3, 1])), [_said("RECEIPT", runs=3, complete=1)]),
    "RECEIPT of nothing": (frame(RECEIPT, pack([0, 0])), [_said("RECEIPT", runs=0, complete=0)]),
    "PROOF": (frame(PROOF, b"a part"), [_said("PROOF", body=b"a part")]),
    "PROOF, the empty end of one": (frame(PROOF, b""), [_said("PROOF", body=b"")]),
    "BYE": (frame(BYE, pack([0, b""])), [_said("BYE", reason=0, text="")]),
    "BYE with a text": (
        frame(BYE, pack([2, _LONG_TEXT.encode()])),
        [_said("BYE", reason=2, text=_LONG_TEXT)],
    ),
    "BYE, busy": (frame(BYE, pack([3, b"later"])), [_said("BYE", reason=3, text="later")]),
    "CHUNK, which this version skips": (frame(CHUNK, b"\x90"), [_said("unknown", code=CHUNK)]),
    "a type that nobody knows, between others": (
        frame(RECEIPT, pack([1, 0])) + frame(16, b"later") + frame(RECONCILE, pack([])),
        [
            _said("RECEIPT", runs=1, complete=0),
            _said("unknown", code=16),
            _said("RECONCILE"),
        ],
    ),
    "types 0 and 255": (
        frame(0, b"") + frame(255, b"\xff"),
        [_said("unknown", code=0), _said("unknown", code=255)],
    ),
    "a greeting in one message": (
        frame(HELLO, pack(_HELLO)) + frame(DIGEST, pack([SHORT, 0, DIGEST_16])),
        [_hello(), _said("DIGEST", roster=SHORT, wants=0, digest=DIGEST_16)],
    ),
}


def _body(code: int, *fields: Value) -> bytes:
    return frame(code, pack(list(fields)))


def _many(code: int, count: int, item: Value) -> bytes:
    return frame(code, pack([item] * count))


_RECEIPT: Final = frame(RECEIPT, pack([1, 0]))
BAD: Final[Mapping[str, Mapping[str, bytes]]] = {
    "a message holds whole frames": {
        "half a length": b"\x00",
        "a length without type": b"\x00\x01",
        "a type without its body": b"\x00\x01\x06",
        "a body without its last byte": _RECEIPT[:-1],
        "a byte behind a frame": _RECEIPT + b"\x00",
        "two bytes behind a frame": _RECEIPT + b"\x00\x00",
        "a length above what there is": b"\xff\xff" + _RECEIPT[2:],
        "an empty HELLO": frame(HELLO, b""),
    },
    "a body is one canonical value": {
        "a byte behind a body": frame(RECONCILE, b"\x90\x00"),
        "a number in two bytes": frame(RECEIPT, b"\x92\xcc\x01\x00"),
        "a bool": frame(RECEIPT, b"\x92\x01\xc3"),
        "a map for HELLO": frame(HELLO, b"\x81\x01\x02"),
    },
    "HELLO: [1, nonce 4, counter, roster 8, flags 0..3, digests of 0, 16 or 32 bytes]": {
        "HELLO of version 2": _body(HELLO, 2, NONCE, 7, SHORT, 0, b""),
        "HELLO with a nonce of 3 bytes": _body(HELLO, 1, NONCE[1:], 7, SHORT, 0, b""),
        "HELLO with a hash of 32 bytes": _body(HELLO, 1, NONCE, 7, FIRST, 0, b""),
        "HELLO with a counter of 2^63": _body(
            HELLO, 1, NONCE, Raw(b"\xcf\x80" + bytes(7)), SHORT, 0, b""
        ),
        "HELLO with flags of 4": _body(HELLO, 1, NONCE, 7, SHORT, 4, b""),
        "HELLO with half a digest": _body(HELLO, 1, NONCE, 7, SHORT, 0, bytes(8)),
        "HELLO with three digests": _body(HELLO, 1, NONCE, 7, SHORT, 0, bytes(48)),
        "HELLO that agrees, and offers": _body(HELLO, 1, NONCE, 7, SHORT, 2, DIGEST_16),
        "HELLO with seven fields": _body(HELLO, *_HELLO, 0),
        "HELLO with five fields": _body(HELLO, *_HELLO[:5]),
    },
    "ROSTER: [roster 8, index, count 0..52, rows], index below count": {
        "a part behind the last": _body(ROSTER, SHORT, 1, 1, []),
        "53 parts": _body(ROSTER, SHORT, 0, 53, []),
        "rows in a request": _body(ROSTER, SHORT, 0, 0, [[FIRST, 1, 0, 0]]),
        "an index in a request": _body(ROSTER, SHORT, 1, 0, []),
        "rows in falling order": _body(ROSTER, SHORT, 0, 1, [[SECOND, 1, 0, 0], [FIRST, 1, 0, 0]]),
        "ROSTER with a hash of 32 bytes": _body(ROSTER, FIRST, 0, 1, []),
    },
    "DIGEST: [roster 8, wants, digest 16]": {
        "a digest of 32 bytes": _body(DIGEST, SHORT, 0, FIRST),
        "DIGEST without its roster": _body(DIGEST, 0, DIGEST_16),
        "DIGEST without its wants": _body(DIGEST, SHORT, DIGEST_16),
    },
    "RECONCILE: []": {
        "RECONCILE with a field": _body(RECONCILE, 1),
        "RECONCILE as a number": frame(RECONCILE, b"\x00"),
    },
    "MORE: [again 0 or 1, shards below 1,024 that rise]": {
        "again is 2": _body(MORE, 2, []),
        "shard 1,024": _body(MORE, 1, [1_024]),
        "a shard twice": _body(MORE, 1, [3, 3]),
        "MORE without shards": _body(MORE, 1),
    },
    "RANGES: [answer 0 or 1, number 0..255, at most 64,980 bytes]": {
        "answer is 2": _body(RANGES, 2, 0, b""),
        "the 257th reconciliation": _body(RANGES, 0, 256, b""),
        "a message of 64,981 bytes": _body(RANGES, 0, 0, bytes(64_981)),
        "RANGES without a message": _body(RANGES, 0, 0),
    },
    "WANT: at most 800 of [log, first, last, last_id or empty], first <= last": {
        "a range that ends before it begins": _body(WANT, [FIRST, 8, 7, b""]),
        "a range up to 2^32 - 16": _body(WANT, [FIRST, 0, MAX_SEQ + 1, b""]),
        "a last id of 31 bytes": _body(WANT, [FIRST, 0, 7, bytes(31)]),
        "a log of 31 bytes": _body(WANT, [bytes(31), 0, 7, b""]),
        "a range of three fields": _body(WANT, [FIRST, 0, 7]),
        "801 ranges": _many(WANT, 801, [FIRST, 0, 7, b""]),
    },
    "HAVE: [scope, final 0 or 1, at most 1,290 of [log, seq, 8 bytes of the id or empty]]": {
        "HAVE of scope 2": _body(HAVE, 2, 1, []),
        "neither final nor not": _body(HAVE, 0, 2, []),
        "a newest entry of 2^32 - 16": _body(HAVE, 0, 1, [[FIRST, MAX_SEQ + 1, SECOND[:8]]]),
        "a whole id": _body(HAVE, 0, 1, [[FIRST, 0, SECOND]]),
        "a state of two fields": _body(HAVE, 0, 1, [[FIRST, 0]]),
        "1,291 states": _body(HAVE, 0, 1, [[FIRST, 0, b""]] * 1_291),
    },
    "RECEIPT: [runs, complete 0 or 1]": {
        "complete is 2": _body(RECEIPT, 1, 2),
        "RECEIPT without complete": _body(RECEIPT, 1),
    },
    "BYE: [reason 0..3, at most 200 bytes of UTF-8]": {
        "reason 4": _body(BYE, 4, b""),
        "a text of 201 bytes": _body(BYE, 0, b"x" * 201),
        "a text that is not UTF-8": _body(BYE, 0, b"\xff"),
        "a text that is cut inside a character": _body(BYE, 0, _LONG_TEXT.encode()[:199]),
    },
}


def frame_cases() -> list[Case]:
    """All cases of ``frames.json``."""
    return [
        *(
            accept(name, "whole frames", message, frames=frames)
            for name, (message, frames) in GOOD.items()
        ),
        *refusals(BAD),
    ]
