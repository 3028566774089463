"""A message holds whole frames, each of one form; whatever else arrives is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slowlight.protocol.encoding import MAX_UINT
from slowlight.protocol.entry import MAX_CHANNEL, MAX_SEQ
from slowlight.protocol.errors import DecodeError
from slowlight.protocol.frames import (
    MAX_BODY_BYTES,
    MAX_FRAME_BYTES,
    MAX_ROSTER_PARTS,
    MAX_ROWS_PER_PART,
    MAX_STATES,
    MAX_WANTS,
    Bye,
    ByeReason,
    DigestFrame,
    Frame,
    FrameType,
    Have,
    Hello,
    IdentFrame,
    LogHint,
    ProofFrame,
    Receipt,
    RosterPart,
    RunFrame,
    Scope,
    UnknownFrame,
    Want,
    WantRange,
    decode_frames,
    encode_frame,
)
from slowlight.protocol.question_frames import More, RangesFrame, Reconcile, SketchFrame
from slowlight.protocol.roster import MAX_ROSTER_ROWS, Depth, RosterRow
from tests.strategies import damaged, ids, uints

LOG: Final = b"\xff" * 32
SHORT: Final = b"\xff" * 8
NOISE_MESSAGE_BYTES: Final = 65_535
NOISE_TAG_BYTES: Final = 16

shorts = st.binary(min_size=8, max_size=8)
seqs = st.integers(0, MAX_SEQ)
ranges = st.tuples(ids, seqs, seqs, st.none() | ids).map(
    lambda row: WantRange(row[0], min(row[1:3]), max(row[1:3]), row[3])
)
roster_parts = st.builds(RosterPart, shorts, st.just(0), st.just(0), st.just(())) | st.builds(
    RosterPart,
    shorts,
    st.integers(0, 3),
    st.integers(4, MAX_ROSTER_PARTS),
    st.sets(ids.map(lambda identity: RosterRow(identity, 1, Depth.EVERYTHING, 0)), max_size=3)
    .map(sorted)
    .map(tuple),
)
shards = st.sets(st.integers(0, 1023), max_size=4).map(sorted).map(tuple)
digests = st.binary(min_size=16, max_size=16)
hellos = st.builds(
    Hello,
    st.binary(min_size=4, max_size=4),
    uints,
    shorts,
    complete=st.booleans(),
    agreed=st.booleans(),
) | st.builds(
    Hello,
    st.binary(min_size=4, max_size=4),
    uints,
    shorts,
    complete=st.booleans(),
    offer=digests,
    held=digests | st.just(b""),
)
frames: st.SearchStrategy[Frame] = st.one_of(
    hellos,
    st.builds(SketchFrame, st.binary(max_size=40)),
    st.builds(RangesFrame, st.booleans(), st.integers(0, 255), st.binary(max_size=40)),
    st.builds(More, st.booleans(), shards),
    st.builds(IdentFrame, st.binary(max_size=40)),
    roster_parts,
    st.builds(DigestFrame, shorts, uints, st.binary(min_size=16, max_size=16)),
    st.builds(Reconcile),
    st.builds(
        Have,
        st.sampled_from(Scope),
        st.booleans(),
        st.lists(st.builds(LogHint, ids, seqs, shorts | st.just(b"")), max_size=3).map(tuple),
    ),
    st.builds(Want, st.lists(ranges, max_size=3).map(tuple)),
    st.builds(RunFrame, st.binary(max_size=40)),
    st.builds(ProofFrame, st.binary(max_size=40)),
    st.builds(Receipt, uints, st.booleans()),
    st.builds(Bye, st.sampled_from(ByeReason), st.text(max_size=50)),
)


def message(said: Sequence[Frame]) -> bytes:
    """Frames one behind the other."""
    return b"".join(map(encode_frame, said))


def raw_frame(code: int, body: bytes) -> bytes:
    """A frame of any type."""
    return len(body).to_bytes(2, "big") + bytes([code]) + body


@given(st.lists(frames, max_size=4))
def test_frames_come_back_as_they_were_said(said: list[Frame]) -> None:
    assert list(decode_frames(message(said))) == said


@given(
    st.lists(frames, min_size=1, max_size=3).flatmap(lambda said: damaged(message(said)))
    | st.binary(max_size=100)
)
def test_a_damaged_message_is_another_one_or_refused(data: bytes) -> None:
    """What is taken is written back as it came, frames of unknown types left out."""
    try:
        found = list(decode_frames(data))
    except DecodeError:
        return
    known = [frame for frame in found if not isinstance(frame, UnknownFrame)]
    if len(known) == len(found):
        assert message(known) == data


def test_frames_before_a_broken_one_were_said() -> None:
    """What came whole can be acted on; the error comes with the frame that is broken."""
    found = decode_frames(encode_frame(Receipt(1, complete=False)) + b"\x00\x02\x06\x91")
    assert next(found) == Receipt(1, complete=False)
    with pytest.raises(DecodeError, match="cut short"):
        next(found)


@pytest.mark.parametrize("code", [0, FrameType.CHUNK, 16, 255])
def test_a_frame_of_tomorrow_is_skipped(code: int) -> None:
    """A later version may add frames; this one hears the rest of the message."""
    before, after = Reconcile(), Receipt(3, complete=True)
    for body in (b"", b"\xc1", bytes(MAX_BODY_BYTES)):
        data = encode_frame(before) + raw_frame(code, body) + encode_frame(after)
        assert list(decode_frames(data)) == [before, UnknownFrame(code), after]


def test_a_frame_fits_one_noise_message() -> None:
    longest = encode_frame(RunFrame(bytes(MAX_BODY_BYTES)))
    assert len(longest) == MAX_FRAME_BYTES
    assert len(longest) + NOISE_TAG_BYTES <= NOISE_MESSAGE_BYTES
    assert list(decode_frames(longest)) == [RunFrame(bytes(MAX_BODY_BYTES))]
    with pytest.raises(ValueError, match=f"{MAX_BODY_BYTES} fit"):
        encode_frame(RunFrame(bytes(MAX_BODY_BYTES + 1)))
    with pytest.raises(DecodeError, match="too long"):
        list(decode_frames(raw_frame(FrameType.RUN, bytes(MAX_BODY_BYTES + 1))))


LARGEST: Final[dict[str, tuple[Frame, Frame]]] = {
    "ROSTER": (
        RosterPart(
            SHORT,
            MAX_ROSTER_PARTS - 1,
            MAX_ROSTER_PARTS,
            tuple(
                RosterRow(number.to_bytes(32, "big"), MAX_CHANNEL, Depth.NEWEST, MAX_UINT)
                for number in range(MAX_ROWS_PER_PART)
            ),
        ),
        RosterPart(
            SHORT,
            0,
            1,
            tuple(
                RosterRow(number.to_bytes(32, "big"), 0, Depth.EVERYTHING, 0)
                for number in range(MAX_ROWS_PER_PART + 1)
            ),
        ),
    ),
    "HAVE": (
        Have(Scope.ALL, True, (LogHint(LOG, MAX_SEQ, LOG[:8]),) * MAX_STATES),
        Have(Scope.ALL, True, (LogHint(LOG, 0, b""),) * (MAX_STATES + 1)),
    ),
    "WANT": (
        Want((WantRange(LOG, MAX_SEQ, MAX_SEQ, LOG),) * MAX_WANTS),
        Want((WantRange(LOG, 0, 0, None),) * (MAX_WANTS + 1)),
    ),
}


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_frame_of_each_type_fits_whatever_it_says(name: str) -> None:
    """However large its numbers are; and one item more is refused however small they are."""
    largest, beyond = LARGEST[name]
    assert list(decode_frames(encode_frame(largest))) == [largest]
    with pytest.raises(DecodeError):
        list(decode_frames(encode_frame(beyond)))


def test_the_largest_roster_travels_in_parts() -> None:
    assert MAX_ROSTER_PARTS * MAX_ROWS_PER_PART >= MAX_ROSTER_ROWS
    assert (MAX_ROSTER_PARTS - 1) * MAX_ROWS_PER_PART < MAX_ROSTER_ROWS
    row = RosterRow(LOG, 1, Depth.EVERYTHING, 0)
    for part in (
        RosterPart(SHORT, 1, 1, ()),
        RosterPart(SHORT, 0, MAX_ROSTER_PARTS + 1, ()),
        RosterPart(SHORT, 1, 0, ()),
        RosterPart(SHORT, 0, 0, (row,)),
        RosterPart(SHORT, 0, 1, (row, row)),
    ):
        with pytest.raises(DecodeError):
            list(decode_frames(encode_frame(part)))


@given(st.text(max_size=260))
@example("\ud800 half a pair")
@example("é" * 100)
@example("é" * 101)
def test_a_farewell_is_cut_between_characters(text: str) -> None:
    """Half a character would be refused, and the reason would never arrive."""
    (bye,) = decode_frames(encode_frame(Bye(ByeReason.REFUSED, text)))
    assert isinstance(bye, Bye)
    sendable = text.encode(errors="replace").decode()
    assert sendable.startswith(bye.text)
    assert len(bye.text.encode()) <= 200
    assert bye.text == sendable or len(bye.text.encode()) > 196
