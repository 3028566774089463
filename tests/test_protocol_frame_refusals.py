"""Every field of every frame that is wrong is named, and so is a body that is no record."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final

import pytest

from slowlight.protocol.encoding import pack
from slowlight.protocol.errors import DecodeError
from slowlight.protocol.frames import MAX_BODY_BYTES, Bye, ByeReason, FrameType, RunFrame
from slowlight.protocol.frames import decode_frames as decode
from slowlight.protocol.frames import encode_frame as encode

_ROW: Final = [bytes(32), 1, 0, 0]
_STATE: Final = [bytes(32), 5, bytes(8)]
_RANGE: Final = [bytes(32), 0, 5, bytes(32)]
VALID: Final[dict[FrameType, list[Any]]] = {
    FrameType.HELLO: [1, bytes(4), 3, bytes(8), 1, bytes(32)],
    FrameType.ROSTER: [bytes(8), 0, 1, [_ROW]],
    FrameType.DIGEST: [bytes(8), 3, bytes(16)],
    FrameType.RECONCILE: [],
    FrameType.RANGES: [0, 1, b"message"],
    FrameType.MORE: [1, [0, 5]],
    FrameType.HAVE: [0, 1, [_STATE]],
    FrameType.WANT: [_RANGE],
    FrameType.RECEIPT: [7, 1],
    FrameType.BYE: [0, b"bye"],
}
NAMES: Final[dict[tuple[FrameType, tuple[int, ...]], str]] = {
    (FrameType.HELLO, (1,)): "HELLO nonce",
    (FrameType.HELLO, (2,)): "HELLO counter",
    (FrameType.HELLO, (3,)): "HELLO roster",
    (FrameType.HELLO, (4,)): "HELLO flags",
    (FrameType.HELLO, (5,)): "HELLO digests",
    (FrameType.ROSTER, (0,)): "ROSTER hash",
    (FrameType.ROSTER, (1,)): "ROSTER index",
    (FrameType.ROSTER, (2,)): "ROSTER count",
    (FrameType.ROSTER, (3,)): "roster",
    (FrameType.ROSTER, (3, 0)): "roster row",
    (FrameType.ROSTER, (3, 0, 0)): "roster identity",
    (FrameType.ROSTER, (3, 0, 1)): "roster channel",
    (FrameType.ROSTER, (3, 0, 2)): "roster depth",
    (FrameType.ROSTER, (3, 0, 3)): "roster n",
    (FrameType.DIGEST, (0,)): "DIGEST roster",
    (FrameType.DIGEST, (1,)): "DIGEST wants",
    (FrameType.DIGEST, (2,)): "DIGEST digest",
    (FrameType.RANGES, (0,)): "RANGES answer",
    (FrameType.RANGES, (1,)): "RANGES number",
    (FrameType.RANGES, (2,)): "RANGES message",
    (FrameType.MORE, (0,)): "MORE again",
    (FrameType.MORE, (1,)): "MORE shards",
    (FrameType.MORE, (1, 0)): "MORE shard",
    (FrameType.HAVE, (0,)): "HAVE scope",
    (FrameType.HAVE, (1,)): "HAVE final",
    (FrameType.HAVE, (2,)): "HAVE states",
    (FrameType.HAVE, (2, 0)): "HAVE state",
    (FrameType.HAVE, (2, 0, 0)): "HAVE log",
    (FrameType.HAVE, (2, 0, 1)): "HAVE seq",
    (FrameType.HAVE, (2, 0, 2)): "HAVE id",
    (FrameType.WANT, (0,)): "WANT range",
    (FrameType.WANT, (0, 0)): "WANT log",
    (FrameType.WANT, (0, 1)): "WANT first",
    (FrameType.WANT, (0, 2)): "WANT last",
    (FrameType.WANT, (0, 3)): "WANT last_id",
    (FrameType.RECEIPT, (0,)): "RECEIPT runs",
    (FrameType.RECEIPT, (1,)): "RECEIPT complete",
    (FrameType.BYE, (0,)): "BYE reason",
    (FrameType.BYE, (1,)): "BYE text",
}
WRONG: Final = b"\x00\x00\x00"
"""Neither a number, nor a list, nor as long as any byte string that has one length."""


def refusal(kind: FrameType, body: bytes) -> str:
    """Decode one frame, which is refused; return what was said."""
    with pytest.raises(DecodeError) as caught:
        list(decode(len(body).to_bytes(2, "big") + bytes((kind,)) + body))
    return str(caught.value)


@pytest.mark.parametrize(("kind", "path"), NAMES)
def test_a_wrong_field_is_named(kind: FrameType, path: Sequence[int]) -> None:
    body = copy.deepcopy(VALID[kind])
    inner: Any = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = [[]] if NAMES[kind, tuple(path)] in ("BYE text", "RANGES message") else WRONG
    said = refusal(kind, pack(body))
    assert said.startswith((f"{NAMES[kind, tuple(path)]}:", f"{NAMES[kind, tuple(path)]} ")), said


@pytest.mark.parametrize("kind", VALID)
def test_a_frame_that_is_no_record_is_named(kind: FrameType) -> None:
    """A body that is not msgpack, one that holds another value, and one with a field less."""
    fewer = [] if not VALID[kind] or kind is FrameType.WANT else [VALID[kind][:-1]]
    for body in (b"\xc1", pack(0), *map(pack, fewer)):
        said = refusal(kind, body)
        assert said.startswith((f"{kind.name}:", f"{kind.name} ")), said


@pytest.mark.parametrize("kind", VALID)
def test_every_frame_here_is_valid(kind: FrameType) -> None:
    """Else the tests above would prove nothing."""
    body = pack(VALID[kind])
    (frame,) = decode(len(body).to_bytes(2, "big") + bytes((kind,)) + body)
    assert frame == next(decode(encode(frame)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        (FrameType.HELLO, 80),
        (FrameType.DIGEST, 64),
        (FrameType.RECONCILE, 8),
        (FrameType.RECEIPT, 16),
        (FrameType.BYE, 256),
    ],
)
def test_a_short_frame_has_its_own_limit(kind: FrameType, most: int) -> None:
    """Nothing longer is even looked at."""
    at_limit, above = (refusal(kind, b"\xc1" * size) for size in (most, most + 1))
    assert str(most + 1) not in at_limit
    assert str(most + 1) in above


def test_a_frame_that_is_too_long_to_be_sent_is_named() -> None:
    with pytest.raises(ValueError, match=f"RunFrame of {MAX_BODY_BYTES + 1} bytes"):
        encode(RunFrame(bytes(MAX_BODY_BYTES + 1)))


def test_words_of_farewell_are_cut_between_letters() -> None:
    """Half a letter is not sent, and what cannot be written at all is replaced."""
    assert Bye(ByeReason.DONE, "é" * 101).body() == pack([0, ("é" * 100).encode()])
    assert Bye(ByeReason.DONE, "x" + "é" * 100).body() == pack([0, ("x" + "é" * 99).encode()])
    assert Bye(ByeReason.DONE, "\ud800").body() == pack([0, b"?"])
