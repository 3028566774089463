"""The frames that nodes exchange, whatever carries them.

A frame is a two-byte big-endian body length, a type byte and the body; most bodies are one
canonical array. Frames of an unknown type are skipped, so a later version can add some.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from .digest import DIGEST_BYTES
from .encoding import (
    MAX_UINT,
    as_bytes,
    as_bytes_or_none,
    as_bytes_upto,
    as_fields,
    as_list,
    as_text,
    as_uint,
    as_versioned_fields,
    pack,
    unpack,
)
from .entry import MAX_SEQ, VERSION
from .errors import DecodeError
from .hashing import HASH_BYTES
from .question_frames import More, RangesFrame, Reconcile, SketchFrame
from .roster import MAX_ROSTER_ROWS, RosterRow, roster_rows, roster_value

FRAME_HEAD_BYTES: Final = 3
MAX_FRAME_BYTES: Final = 65_000
"""With its 16-byte tag a frame fits one Noise message of 65,535 bytes."""
MAX_BODY_BYTES: Final = MAX_FRAME_BYTES - FRAME_HEAD_BYTES

NONCE_BYTES: Final = 8
INSTANCE_BYTES: Final = 4
"""So much of the nonce of a store is told: it spots a store that was replaced by another one."""
SHORT_HASH_BYTES: Final = 8
"""Names one of a few things that both sides know; the digest judges, not this."""
MAX_ROWS_PER_PART: Final = 1_280
"""Roster rows of at most 50 bytes; 1,280 fit a frame."""
MAX_ROSTER_PARTS: Final = -(-MAX_ROSTER_ROWS // MAX_ROWS_PER_PART)
MAX_STATES: Final = 1_290
"""Log states of at most 50 bytes; 1,290 fit a frame."""
MAX_WANTS: Final = 800
"""Wants of at most 79 bytes; 800 fit a frame."""
MAX_BYE_TEXT_BYTES: Final = 200


class FrameType(IntEnum):
    """The type byte."""

    HELLO = 1
    IDENT = 2
    ROSTER = 3
    DIGEST = 4
    SKETCH = 5
    RECONCILE = 6
    WANT = 7
    HAVE = 8
    RUN = 9
    CHUNK = 10
    RECEIPT = 11
    PROOF = 12
    BYE = 13
    RANGES = 14
    MORE = 15


class Scope(IntEnum):
    """Which states a HAVE tells."""

    NAMED = 0
    """Those that a sketch showed to differ, and that cannot be sent unasked."""
    ALL = 1


class ByeReason(IntEnum):
    """Why a session ends."""

    DONE = 0
    SHUTDOWN = 1
    REFUSED = 2
    """The other side broke the protocol."""
    BUSY = 3


@dataclass(frozen=True, slots=True)
class Hello:
    """Who is here, what it wants, and how it compares with the other side."""

    nonce: bytes
    """Beginning of the instance nonce of the store (4 bytes): another one means that its memory
    was replaced."""
    counter: int
    """Commits of the store so far; a lower one than remembered means amnesia."""
    roster: bytes
    """First 8 bytes of the hash of the sender's roster."""
    complete: bool = False
    """Of what the receiver's HELLO offered, the sender wants nothing."""
    agreed: bool = False
    """The sender offers just what the receiver's HELLO said that it holds."""
    offer: bytes = b""
    """Digest of what the sender offers; empty if the receiver's roster is not known or `agreed`."""
    held: bytes = b""
    """Digest of an offer of which the sender would want nothing; empty: none is known, or no
    ``offer`` stands before it."""

    def body(self) -> bytes:
        flags = self.complete + 2 * self.agreed
        digests = self.offer + self.held
        return pack((VERSION, self.nonce, self.counter, self.roster, flags, digests))

    @classmethod
    def decode(cls, body: bytes) -> Hello:
        value = unpack(body, max_bytes=80, what="HELLO")
        fields = as_versioned_fields(value, VERSION, 6, "HELLO")
        flags = as_uint(fields[4], 3, "HELLO flags")
        digests = as_bytes_upto(fields[5], 2 * DIGEST_BYTES, "HELLO digests")
        if len(digests) % DIGEST_BYTES or (digests and flags & 2):
            raise DecodeError(f"HELLO digests: {len(digests)} bytes with flags {flags}")
        return cls(
            as_bytes(fields[1], INSTANCE_BYTES, "HELLO nonce"),
            as_uint(fields[2], MAX_UINT, "HELLO counter"),
            as_bytes(fields[3], SHORT_HASH_BYTES, "HELLO roster"),
            complete=bool(flags & 1),
            agreed=bool(flags & 2),
            offer=digests[:DIGEST_BYTES],
            held=digests[DIGEST_BYTES:],
        )


@dataclass(frozen=True, slots=True)
class IdentFrame:
    """An identity; the body is decoded by `slowlight.protocol.ident`."""

    data: bytes

    def body(self) -> bytes:
        return self.data

    @classmethod
    def decode(cls, body: bytes) -> IdentFrame:
        return cls(body)


@dataclass(frozen=True, slots=True)
class RosterPart:
    """A part of the sender's roster, or, without parts, a request for the receiver's."""

    roster: bytes
    """First 8 bytes of the hash of the whole roster."""
    index: int
    """Which part, from 0."""
    count: int
    """How many parts there are; 0: please send me the roster of this hash."""
    rows: tuple[RosterRow, ...]

    def body(self) -> bytes:
        return pack((self.roster, self.index, self.count, roster_value(self.rows)))

    @classmethod
    def decode(cls, body: bytes) -> RosterPart:
        value = unpack(body, max_bytes=MAX_BODY_BYTES, max_items=MAX_ROWS_PER_PART, what="ROSTER")
        fields = as_fields(value, 4, "ROSTER")
        count = as_uint(fields[2], MAX_ROSTER_PARTS, "ROSTER count")
        index = as_uint(fields[1], max(0, count - 1), "ROSTER index")
        rows = tuple(roster_rows(fields[3]))
        if rows and not count:
            raise DecodeError(f"ROSTER: {len(rows)} rows in a request")
        return cls(as_bytes(fields[0], SHORT_HASH_BYTES, "ROSTER hash"), index, count, rows)


@dataclass(frozen=True, slots=True)
class DigestFrame:
    """The digest of what the sender offers under a roster of the receiver."""

    roster: bytes
    """First 8 bytes of the hash of the receiver's roster that the offer answers."""
    wants: int
    """WANT frames of this session dealt with so far: a receiver that has sent more of them waits
    for the next digest."""
    digest: bytes

    def body(self) -> bytes:
        return pack((self.roster, self.wants, self.digest))

    @classmethod
    def decode(cls, body: bytes) -> DigestFrame:
        fields = as_fields(unpack(body, max_bytes=64, what="DIGEST"), 3, "DIGEST")
        return cls(
            as_bytes(fields[0], SHORT_HASH_BYTES, "DIGEST roster"),
            as_uint(fields[1], MAX_UINT, "DIGEST wants"),
            as_bytes(fields[2], DIGEST_BYTES, "DIGEST digest"),
        )


class LogState(NamedTuple):
    """The newest entry that the sender has of a log, or the records it has of an identity."""

    log: bytes
    seq: int
    """Of a frozen log the lowest forked sequence number."""
    id: bytes
    """Empty if a fork proof froze the log."""


class LogHint(NamedTuple):
    """A state as a HAVE tells it: enough to see what is missing; the digest judges."""

    log: bytes
    seq: int
    id: bytes
    """First 8 bytes of the newest id; empty if a fork proof froze the log."""


@dataclass(frozen=True, slots=True)
class Have:
    """States of logs that the sender offers."""

    scope: Scope
    final: bool
    """The last part of the answer to one RECONCILE or SKETCH."""
    states: tuple[LogHint, ...]

    def body(self) -> bytes:
        states = [(state.log, state.seq, state.id) for state in self.states]
        return pack((int(self.scope), int(self.final), states))

    @classmethod
    def decode(cls, body: bytes) -> Have:
        value = unpack(body, max_bytes=MAX_BODY_BYTES, max_items=MAX_STATES, what="HAVE")
        fields = as_fields(value, 3, "HAVE")
        states: list[LogHint] = []
        for item in as_list(fields[2], MAX_STATES, "HAVE states"):
            state = as_fields(item, 3, "HAVE state")
            states.append(
                LogHint(
                    as_bytes(state[0], HASH_BYTES, "HAVE log"),
                    as_uint(state[1], MAX_SEQ, "HAVE seq"),
                    as_bytes_or_none(state[2], SHORT_HASH_BYTES, "HAVE id") or b"",
                )
            )
        return cls(
            Scope(as_uint(fields[0], max(Scope), "HAVE scope")),
            bool(as_uint(fields[1], 1, "HAVE final")),
            tuple(states),
        )


class WantRange(NamedTuple):
    """Entries ``first..last`` of a log, both included."""

    log: bytes
    first: int
    last: int
    last_id: bytes | None
    """Id of entry ``last`` if the asker can vouch for it: then no signature is needed."""


@dataclass(frozen=True, slots=True)
class Want:
    """Please send these ranges; what cannot be sent is left out silently."""

    ranges: tuple[WantRange, ...]

    def body(self) -> bytes:
        return pack([(w.log, w.first, w.last, w.last_id or b"") for w in self.ranges])

    @classmethod
    def decode(cls, body: bytes) -> Want:
        ranges: list[WantRange] = []
        value = unpack(body, max_bytes=MAX_BODY_BYTES, max_items=MAX_WANTS, what="WANT")
        for item in as_list(value, MAX_WANTS, "WANT"):
            fields = as_fields(item, 4, "WANT range")
            last = as_uint(fields[2], MAX_SEQ, "WANT last")
            ranges.append(
                WantRange(
                    as_bytes(fields[0], HASH_BYTES, "WANT log"),
                    as_uint(fields[1], last, "WANT first"),
                    last,
                    as_bytes_or_none(fields[3], HASH_BYTES, "WANT last_id"),
                )
            )
        return cls(tuple(ranges))


@dataclass(frozen=True, slots=True)
class RunFrame:
    """A run; the body is decoded by `slowlight.protocol.run`."""

    data: bytes

    def body(self) -> bytes:
        return self.data

    @classmethod
    def decode(cls, body: bytes) -> RunFrame:
        return cls(body)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the sender of the receipt has committed."""

    runs: int
    """RUN frames of this session dealt with so far, in order; what was kept is committed."""
    complete: bool
    """Nothing more is wanted of what was offered last."""

    def body(self) -> bytes:
        return pack((self.runs, int(self.complete)))

    @classmethod
    def decode(cls, body: bytes) -> Receipt:
        fields = as_fields(unpack(body, max_bytes=16, what="RECEIPT"), 2, "RECEIPT")
        return cls(
            as_uint(fields[0], MAX_UINT, "RECEIPT runs"),
            bool(as_uint(fields[1], 1, "RECEIPT complete")),
        )


@dataclass(frozen=True, slots=True)
class ProofFrame:
    """A fork proof or a part of one; put together and decoded by `slowlight.protocol.fork`."""

    data: bytes

    def body(self) -> bytes:
        return self.data

    @classmethod
    def decode(cls, body: bytes) -> ProofFrame:
        return cls(body)


@dataclass(frozen=True, slots=True)
class Bye:
    """The orderly end of a session; without it the session was cut."""

    reason: ByeReason
    text: str
    """For people: what went wrong and what to do; cut to 200 bytes of UTF-8 when sent."""

    def body(self) -> bytes:
        cut = self.text.encode(errors="replace")[:MAX_BYE_TEXT_BYTES]
        whole = cut.decode(errors="ignore").encode()
        return pack((int(self.reason), whole))

    @classmethod
    def decode(cls, body: bytes) -> Bye:
        fields = as_fields(unpack(body, max_bytes=256, what="BYE"), 2, "BYE")
        reason = as_uint(fields[0], max(ByeReason), "BYE reason")
        return cls(ByeReason(reason), as_text(fields[1], MAX_BYE_TEXT_BYTES, "BYE text"))


@dataclass(frozen=True, slots=True)
class UnknownFrame:
    """A frame of a type that this version does not know; it is skipped."""

    type: int


Frame: TypeAlias = (
    Hello
    | IdentFrame
    | RosterPart
    | DigestFrame
    | SketchFrame
    | Reconcile
    | Have
    | Want
    | RunFrame
    | Receipt
    | ProofFrame
    | Bye
    | RangesFrame
    | More
)

_TYPES: Final[dict[type[Frame], FrameType]] = {
    Hello: FrameType.HELLO,
    IdentFrame: FrameType.IDENT,
    RosterPart: FrameType.ROSTER,
    DigestFrame: FrameType.DIGEST,
    SketchFrame: FrameType.SKETCH,
    Reconcile: FrameType.RECONCILE,
    Want: FrameType.WANT,
    Have: FrameType.HAVE,
    RunFrame: FrameType.RUN,
    Receipt: FrameType.RECEIPT,
    ProofFrame: FrameType.PROOF,
    Bye: FrameType.BYE,
    RangesFrame: FrameType.RANGES,
    More: FrameType.MORE,
}
_CLASSES: Final[dict[int, type[Frame]]] = {int(code): kind for kind, code in _TYPES.items()}


def encode_frame(frame: Frame) -> bytes:
    """Return the frame as it travels: length, type, body.

    Raises:
        ValueError: the body is longer than a frame may be.
    """
    body = frame.body()
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"{type(frame).__name__} of {len(body)} bytes; {MAX_BODY_BYTES} fit")
    return len(body).to_bytes(2, "big") + bytes((_TYPES[type(frame)],)) + body


def decode_frames(data: bytes) -> Iterator[Frame | UnknownFrame]:
    """Yield the frames of one message, which holds whole frames only.

    Raises:
        DecodeError: at the first frame that is cut short or malformed; the frames before it
            were yielded.
    """
    at = 0
    while at < len(data):
        body_at = at + FRAME_HEAD_BYTES
        length = int.from_bytes(data[at : at + 2], "big")
        at = body_at + length
        if length > MAX_BODY_BYTES or at > len(data):
            raise DecodeError(f"frame of {length} bytes is too long or cut short")
        code = data[body_at - 1]
        kind = _CLASSES.get(code)
        yield UnknownFrame(code) if kind is None else kind.decode(data[body_at:at])
