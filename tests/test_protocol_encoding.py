"""One value has one form, and whatever arrives is that form or a DecodeError."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slowlight.protocol import encoding
from slowlight.protocol.encoding import (
    MAX_ITEMS,
    MAX_UINT,
    Value,
    pack,
    put_varint,
    require_rising,
    take_varint,
    unpack,
    unzigzag,
    zigzag,
)
from slowlight.protocol.errors import DecodeError
from slowlight.protocol.frames import (
    MAX_STATES,
    MAX_WANTS,
    Have,
    LogHint,
    RosterPart,
    Scope,
    Want,
    WantRange,
    decode_frames,
    encode_frame,
)
from slowlight.protocol.identity import (
    MAX_DEVICES,
    MAX_LOGS_PER_DEVICE,
    DeviceEnds,
    LogEnd,
    Rotation,
    decode_rotation,
)
from slowlight.protocol.invite import Invite, InvitedNode, read_invite, write_invite
from slowlight.protocol.roster import Depth, RosterRow
from tests.hostile_bytes import crammed
from tests.second_decoder import RefusedError, read_value, read_varint
from tests.strategies import damaged, uints, values

MOST: Final = 100_000


def rising(count: int) -> list[bytes]:
    """Ids in rising order."""
    return [number.to_bytes(32, "big") for number in range(count)]


def read(data: bytes) -> Value:
    """Decode with limits that no drawn value reaches."""
    return unpack(data, max_bytes=MOST)


def verdict(read: Callable[[bytes], object], data: bytes) -> object:
    """What a decoder makes of bytes: a value, or None if it refuses them."""
    try:
        return read(data)
    except (DecodeError, RefusedError):
        return None


@given(values)
def test_every_value_comes_back(value: Value) -> None:
    assert read(pack(value)) == value


@given(st.binary(max_size=60) | values.flatmap(lambda value: damaged(pack(value))))
@example(b"\x81\x90\x00")
@example(b"\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff")
@example(b"\xc7\x0c\xff" + b"\xff" * 12)
def test_bytes_are_the_one_form_of_a_value_or_refused(data: bytes) -> None:
    """Whatever the bytes, both decoders say the same, and what they take is written alike."""
    value = verdict(read, data)
    assert value == verdict(lambda data: read_value(data, MOST), data)
    if value is not None:
        assert pack(read(data)) == data


@given(values.flatmap(lambda value: damaged(pack(value))), values)
def test_two_encodings_are_never_one_value(data: bytes, value: Value) -> None:
    other = pack(value)
    assert data == other or verdict(read, data) != value


@pytest.mark.parametrize("size", [0, 100, 1_000])
def test_a_place_allows_so_many_bytes_and_no_more(size: int) -> None:
    data = pack(b"x" * size)
    assert unpack(data, max_bytes=len(data)) == b"x" * size
    with pytest.raises(DecodeError, match=f"{len(data)} bytes where at most"):
        unpack(data, max_bytes=len(data) - 1)


@pytest.mark.parametrize("most", [3, MAX_ITEMS, 1_280])
def test_a_place_allows_so_many_items_and_no_more(most: int) -> None:
    assert unpack(pack([0] * most), max_bytes=MOST, max_items=most) == [0] * most
    with pytest.raises(DecodeError):
        unpack(pack([0] * (most + 1)), max_bytes=MOST, max_items=most)


def test_eight_arrays_one_in_the_other_and_no_more() -> None:
    eight: list[Value] = []
    for _ in range(7):
        eight = [eight]
    assert read(pack(eight)) == eight
    with pytest.raises(DecodeError, match="deeper than 8"):
        read(pack([eight]))


@pytest.mark.parametrize("head", [b"\x9f", b"\xdc\x00\x40", b"\xdc\x05\x0a", b"\xdc\xff\xff"])
def test_heads_of_arrays_reserve_no_memory_for_their_items(head: bytes) -> None:
    """A thousand arrays one in the other announce millions of items; none of them comes."""
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            unpack(head * 20_000, max_bytes=MOST, max_items=MAX_STATES)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_objects_that_are_smaller_than_any_field_are_counted() -> None:
    """As many empty arrays as there are bytes would take 64 times their length."""
    with pytest.raises(DecodeError, match="more values"):
        unpack(crammed(b"\x90", 60_000, MAX_ITEMS), max_bytes=MOST)


def test_a_record_has_room_for_so_many_values_and_no_more() -> None:
    """Ten arrays of small integers: each value counts, and each array twice."""
    refused: list[int] = []
    for last in range(MAX_ITEMS):
        data = pack([[0] * MAX_ITEMS] * 9 + [[0] * last])
        values = 2 + 11 + 9 * (1 + MAX_ITEMS) + 1 + last
        room = 512 + MAX_ITEMS + len(data) // 8
        assert (verdict(read, data) is None) == (values > room)
        if values > room:
            refused.append(values - room)
    assert 0 < len(refused) < MAX_ITEMS
    assert min(refused) == 1


def test_what_follows_a_value_is_counted() -> None:
    with pytest.raises(DecodeError, match="record: 2 bytes follow it"):
        read(pack([1, 2]) + b"ab")


@pytest.mark.parametrize(
    "frame",
    [
        RosterPart(
            bytes(8), 0, 1, tuple(RosterRow(each, 0, Depth.STUBS, 0) for each in rising(1_280))
        ),
        Have(Scope.ALL, True, tuple(LogHint(each, 0, b"") for each in rising(MAX_STATES))),
        Want(tuple(WantRange(each, 0, 0, None) for each in rising(MAX_WANTS))),
    ],
)
def test_the_shortest_rows_fill_a_frame(frame: RosterPart | Have | Want) -> None:
    """What counts the values of a record leaves room for the densest that there are."""
    assert list(decode_frames(encode_frame(frame))) == [frame]


def test_the_records_with_the_most_ends_are_read() -> None:
    ends = tuple(LogEnd(channel, 0, bytes(32)) for channel in range(MAX_LOGS_PER_DEVICE))
    devices = tuple(
        DeviceEnds(each, False, ends) if number < 11 else DeviceEnds(each, True, ())
        for number, each in enumerate(rising(MAX_DEVICES))
    )
    some = bytes(32)
    rotation = Rotation(some, 1, some, some, some, some, devices)
    assert decode_rotation(rotation.encode()) == rotation
    nodes = (InvitedNode(bytes(32), bytes(32), ("",) * 16),) * 8
    invite = Invite(bytes(32), nodes, b"", "")
    assert read_invite(write_invite(invite)) == invite


def test_a_writer_that_failed_writes_the_next_value_whole() -> None:
    """A mistake of ours in one record does not stand in front of the next one."""
    for mistake in ([1, object()], [1, 2**64], [1, -(2**63) - 1]):
        with pytest.raises((TypeError, OverflowError)):
            pack(mistake)  # type: ignore[arg-type]
        assert pack([1, b"x"]) == b"\x92\x01\xc4\x01x"


@given(uints)
def test_every_varint_comes_back_and_is_the_shortest(value: int) -> None:
    out = bytearray(b"before")
    put_varint(out, value)
    assert take_varint(bytes(out) + b"\x80", 6) == (value, len(out))
    assert len(out) - 6 == max(1, -(-value.bit_length() // 7))


@given(st.binary(max_size=12))
def test_both_decoders_say_the_same_of_a_varint(data: bytes) -> None:
    def whole(data: bytes) -> int:
        value, end = take_varint(data, 0)
        if end != len(data):
            raise DecodeError("something follows")
        return value

    assert verdict(whole, data) == verdict(read_varint, data)


@given(st.integers(-(2**62), 2**62 - 1))
def test_a_sign_is_folded_and_unfolded(value: int) -> None:
    assert 0 <= zigzag(value) <= MAX_UINT
    assert unzigzag(zigzag(value)) == value


Check = Callable[[Value, int, str], object]
FIELDS: Final[dict[Check, tuple[list[Value], list[Value]]]] = {
    encoding.as_uint: ([0, 2], [3, b"", b"\x01", [1]]),
    encoding.as_bytes: ([b"ab"], [b"a", b"abc", 2, [b"ab"]]),
    encoding.as_bytes_upto: ([b"", b"ab"], [b"abc", 0, []]),
    encoding.as_list: ([[], [1, 2]], [[1, 2, 3], b"ab", 2]),
    encoding.as_fields: ([[1, 2]], [[], [1], [1, 2, 3], b"ab"]),
}
"""Checks of a field, with what they let through for the number 2 and what not."""


@pytest.mark.parametrize("check", FIELDS)
def test_a_field_is_what_its_place_allows(check: Check) -> None:
    good, bad = FIELDS[check]
    assert [check(value, 2, "it") for value in good] == good
    for value in bad:
        with pytest.raises(DecodeError, match=r"^it: "):
            check(value, 2, "it")


def test_bytes_that_may_be_missing_are_empty_then() -> None:
    assert encoding.as_bytes_or_none(b"ab", 2, "it") == b"ab"
    assert encoding.as_bytes_or_none(b"", 2, "it") is None
    refused: list[Value] = [b"a", 0, []]
    for value in refused:
        with pytest.raises(DecodeError):
            encoding.as_bytes_or_none(value, 2, "it")


def test_text_is_utf8_and_counted_in_bytes() -> None:
    assert encoding.as_text("Jezéro".encode(), 7, "it") == "Jezéro"
    for value in ("Jezéros".encode(), b"\xff", b"\xc3", b"\xed\xa0\x80", 5):
        with pytest.raises(DecodeError, match=r"^it: "):
            encoding.as_text(value, 7, "it")


def test_something_newer_is_called_newer() -> None:
    """A person who reads the log sees that an update is missing, not that bytes are broken."""
    assert encoding.as_versioned_fields([1, b"x"], 1, 2, "it") == [1, b"x"]
    newer: list[Value] = [[2, b"x"], [2, b"x", b"later"], [2]]
    for value in newer:
        with pytest.raises(DecodeError, match="it version 2 is unknown here; this node knows 1"):
            encoding.as_versioned_fields(value, 1, 2, "it")
    broken: list[Value] = [[], [1], [1, b"x", b"y"], [b"\x01", b"x"], b"\x01"]
    for value in broken:
        with pytest.raises(DecodeError):
            encoding.as_versioned_fields(value, 1, 2, "it")


def test_sorted_keys_are_unique_too() -> None:
    require_rising([], "it")
    require_rising([1, 2, 5], "it")
    for keys in ([b"b", b"a"], [b"a", b"a"]):
        with pytest.raises(DecodeError, match="it: not sorted and unique"):
            require_rising(keys, "it")
