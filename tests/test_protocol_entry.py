"""A log is a chain that its author signs: nothing in it can be changed, moved or repeated."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.encoding import MAX_UINT, pack, unpack
from slowlight.protocol.entry import (
    CHANNEL_GROUPS,
    CHANNEL_POSTS,
    CHANNEL_PRIVATE,
    EMPTY_LOG,
    MAX_CHANNEL,
    MAX_EXT_BYTES,
    MAX_HEADER_BYTES,
    MAX_LAMPORT,
    MAX_LAMPORT_STEP,
    MAX_PAYLOAD_BYTES,
    MAX_QUALITY,
    MAX_SEEN,
    MAX_SEQ,
    MAX_T_MS,
    SALT_BYTES,
    Entry,
    LogHead,
    decode_header,
    encode_header,
    hash_header,
    hash_payload,
    log_id,
    next_lamport,
    sign_entry,
    verify_entry,
    write_entry,
)
from slowlight.protocol.errors import DecodeError, IntegrityError
from slowlight.protocol.hashing import ZERO_HASH
from slowlight.protocol.identity import device_key
from tests.second_decoder import RefusedError, read_header
from tests.strategies import AUTHOR, damaged, logs

PAYLOAD: Final = b"sixteen bytes..." + b"First light."
FIRST: Final = write_entry(
    AUTHOR.public, CHANNEL_POSTS, EMPTY_LOG, payload=PAYLOAD, t_ms=1_900_000_000_000
)
IDS: Final = [bytes([number]) * 32 for number in range(1, 10)]
DEEP: Final = LogHead(41, IDS[0], 100)


def header_of(entry: Entry, *, prev: bytes = ZERO_HASH, channel: int = CHANNEL_POSTS) -> bytes:
    """The header of an entry of the author."""
    return encode_header(AUTHOR.public, channel, prev, entry)


def second(**changes: object) -> Entry:
    """An entry that continues a log of 42 entries, some of its fields changed, and its id."""
    entry = write_entry(AUTHOR.public, CHANNEL_POSTS, DEEP, payload=PAYLOAD, t_ms=5)
    assert entry.expire_ms == 0
    return entry._replace(**changes)  # type: ignore[arg-type]


@given(logs())
def test_headers_come_back_and_make_a_chain(entries: list[Entry]) -> None:
    """Each header names the entry before it by the hash of all that it says."""
    prev = ZERO_HASH
    for entry in entries:
        header = decode_header(header_of(entry, prev=prev))
        assert (header.device, header.channel, header.prev) == (AUTHOR.public, 1, prev)
        assert header.entry == entry._replace(payload=None, remaining_ms=entry.expire_ms)
        prev = entry.id


@given(logs(most=1).flatmap(lambda entries: damaged(header_of(entries[0]))))
def test_a_damaged_header_is_another_one_or_none(data: bytes) -> None:
    """Both decoders agree, and what they take is written back as it came."""
    try:
        fields = read_header(data)
    except RefusedError:
        with pytest.raises(DecodeError):
            decode_header(data)
    else:
        header = decode_header(data)
        assert encode_header(header.device, header.channel, header.prev, header.entry) == data
        assert (header.entry.seq, header.entry.t_ms) == (fields["seq"], fields["t_ms"])
        assert header.entry.id == hash_header(data)


@pytest.mark.parametrize(
    ("field", "largest"),
    [
        ("t_ms", MAX_T_MS),
        ("t_quality", MAX_QUALITY),
        ("lamport", MAX_LAMPORT),
        ("expire_ms", MAX_UINT),
        ("size", MAX_PAYLOAD_BYTES),
    ],
)
def test_a_number_of_a_header_has_a_largest_value(field: str, largest: int) -> None:
    for value in (largest - 1, largest):
        taken = decode_header(header_of(second(**{field: value}), prev=DEEP.id)).entry
        assert getattr(taken, field) == value
    with pytest.raises(DecodeError):
        decode_header(header_of(second(**{field: largest + 1}), prev=DEEP.id))


def test_a_log_has_a_last_entry_and_a_last_channel() -> None:
    """16 numbers above the last one are kept free."""
    assert MAX_SEQ == 2**32 - 17
    for seq in (MAX_SEQ - 1, MAX_SEQ):
        assert decode_header(header_of(second(seq=seq), prev=DEEP.id)).entry.seq == seq
    with pytest.raises(DecodeError, match="header seq"):
        decode_header(header_of(second(seq=MAX_SEQ + 1), prev=DEEP.id))
    for channel in (MAX_CHANNEL - 1, MAX_CHANNEL):
        assert decode_header(header_of(FIRST, channel=channel)).channel == channel
    with pytest.raises(DecodeError, match="header channel"):
        decode_header(header_of(FIRST, channel=MAX_CHANNEL + 1))


def test_the_longest_header_fits_and_nothing_longer_is_looked_at() -> None:
    longest = second(
        seq=MAX_SEQ,
        t_ms=MAX_T_MS,
        t_quality=MAX_QUALITY,
        lamport=MAX_LAMPORT,
        seen=tuple(IDS[:MAX_SEEN]),
        expire_ms=MAX_UINT,
        size=MAX_PAYLOAD_BYTES,
        ext=b"x" * MAX_EXT_BYTES,
    )
    data = encode_header(AUTHOR.public, MAX_CHANNEL, DEEP.id, longest)
    assert len(data) == MAX_HEADER_BYTES
    assert decode_header(data).entry.ext == longest.ext
    with pytest.raises(DecodeError, match="485 bytes where at most 484"):
        decode_header(data + b"\x00")


def test_entries_seen_are_few_sorted_and_unique() -> None:
    for seen in ([], IDS[:1], IDS[:MAX_SEEN]):
        assert decode_header(header_of(second(seen=tuple(seen)), prev=DEEP.id)).entry.seen == tuple(
            seen
        )
    for seen in (IDS[: MAX_SEEN + 1], IDS[1::-1], [IDS[0], IDS[0]], [IDS[0][:31]]):
        with pytest.raises(DecodeError, match="header seen"):
            decode_header(header_of(second(seen=tuple(seen)), prev=DEEP.id))


def test_a_header_of_a_later_version_is_called_so() -> None:
    value = unpack(header_of(FIRST), max_bytes=MAX_HEADER_BYTES)
    assert isinstance(value, list)
    with pytest.raises(DecodeError, match="header version 2 is unknown here"):
        decode_header(pack([2, *value[1:], b"a field of tomorrow"]))


def test_a_signature_is_for_one_id_by_one_device_as_an_entry() -> None:
    signature = sign_entry(AUTHOR.secret, FIRST.id)
    verify_entry(AUTHOR.public, FIRST.id, signature)
    other = device_key(bytes(32))
    for device, entry_id, wrong in [
        (other.public, FIRST.id, signature),
        (AUTHOR.public, IDS[0], signature),
        (AUTHOR.public, FIRST.id, sign_entry(other.secret, FIRST.id)),
        (AUTHOR.public, FIRST.id, bytes(64)),
        (AUTHOR.public, FIRST.id, signature[:32] + signature[:32]),
    ]:
        with pytest.raises(IntegrityError, match="the signature of an entry does not fit its key"):
            verify_entry(device, entry_id, wrong)


@pytest.mark.parametrize("length", [0, 31, 33, 63, 65, 96])
def test_keys_and_signatures_of_another_length_prove_nothing(length: int) -> None:
    """libsodium would read on behind a short key; a long signature would be a second one."""
    signature = sign_entry(AUTHOR.secret, FIRST.id)
    with pytest.raises(IntegrityError):
        verify_entry(AUTHOR.public, FIRST.id, (signature + bytes(32))[:length])
    with pytest.raises(IntegrityError):
        verify_entry((AUTHOR.public * 3)[:length], FIRST.id, signature)
    with pytest.raises(ValueError, match=f"a secret key of {length} bytes"):
        sign_entry((AUTHOR.secret * 2)[:length], FIRST.id)


@given(st.integers(0, 511))
def test_no_bit_of_a_signature_can_be_changed(bit: int) -> None:
    signature = int.from_bytes(sign_entry(AUTHOR.secret, FIRST.id), "little") ^ (1 << bit)
    with pytest.raises(IntegrityError):
        verify_entry(AUTHOR.public, FIRST.id, signature.to_bytes(64, "little"))


def test_writing_continues_a_log() -> None:
    head = LogHead(FIRST.seq, FIRST.id, FIRST.lamport)
    entry = write_entry(
        AUTHOR.public,
        CHANNEL_POSTS,
        head,
        payload=PAYLOAD,
        t_ms=7,
        seen=[IDS[2], IDS[0], IDS[2]],
        expire_ms=1_000,
    )
    assert (FIRST.seq, FIRST.lamport, entry.seq, entry.lamport) == (0, 1, 1, 2)
    assert entry.seen == (IDS[0], IDS[2])
    assert (entry.expire_ms, entry.remaining_ms) == (1_000, 1_000)
    assert (entry.size, entry.payload_hash) == (len(PAYLOAD), hash_payload(PAYLOAD))
    header = decode_header(header_of(entry, prev=FIRST.id))
    assert header.entry == entry._replace(payload=None)


def refused(head: LogHead = EMPTY_LOG, channel: int = CHANNEL_POSTS, **arguments: object) -> str:
    """Why an entry cannot be written."""
    usual: dict[str, object] = {"payload": PAYLOAD, "t_ms": 5}
    with pytest.raises(ValueError, match=r"\w") as caught:
        write_entry(AUTHOR.public, channel, head, **(usual | arguments))  # type: ignore[arg-type]
    return str(caught.value)


def test_nothing_is_written_that_a_reader_would_refuse() -> None:
    """The mistake is found where it is made, and not by every peer of the author."""
    assert "size 15" in refused(payload=bytes(SALT_BYTES - 1))
    assert "32769" in refused(payload=bytes(MAX_PAYLOAD_BYTES + 1))
    assert "header t_ms" in refused(t_ms=MAX_T_MS + 1)
    assert "0..2**63-1" in refused(t_ms=-1)
    assert "header t_quality" in refused(t_quality=MAX_QUALITY + 1)
    assert "header lamport" in refused(lamport=MAX_LAMPORT + 1)
    assert "0..2**63-1" in refused(expire_ms=MAX_UINT + 1)
    assert "header seen" in refused(seen=IDS)
    assert "header seen" in refused(seen=[b"short"])
    assert "header channel" in refused(channel=MAX_CHANNEL + 1)
    assert "header prev" in refused(head=LogHead(0, ZERO_HASH, 1))
    assert "this log is full" in refused(head=LogHead(MAX_SEQ, IDS[0], 1))
    full = write_entry(
        AUTHOR.public, CHANNEL_POSTS, LogHead(MAX_SEQ - 1, IDS[0], 1), payload=PAYLOAD, t_ms=5
    )
    assert full.seq == MAX_SEQ


@pytest.mark.parametrize("channel", [CHANNEL_PRIVATE, CHANNEL_GROUPS])
def test_a_sealed_channel_never_tells_who_could_read_what(channel: int) -> None:
    assert f"an entry of channel {channel} cites" in refused(channel=channel, seen=IDS[:1])
    assert write_entry(AUTHOR.public, channel, EMPTY_LOG, payload=PAYLOAD, t_ms=5).seen == ()


def test_lamport_values_follow_what_was_seen_but_no_liar() -> None:
    """A lie of one author moves everybody by 2^20 at the most, so the end is never reached."""
    assert next_lamport(0) == 1
    assert next_lamport(7, [3, 5]) == 8
    assert next_lamport(7, [3, 50]) == 51
    assert next_lamport(7, [7 + MAX_LAMPORT_STEP]) == 8 + MAX_LAMPORT_STEP
    assert next_lamport(7, [8 + MAX_LAMPORT_STEP, 9]) == 10
    assert next_lamport(7, [MAX_LAMPORT]) == 8
    assert next_lamport(MAX_LAMPORT - 1) == next_lamport(MAX_LAMPORT, [MAX_LAMPORT]) == MAX_LAMPORT
    at_the_end = replace(DEEP, lamport=MAX_LAMPORT)
    assert (
        write_entry(AUTHOR.public, CHANNEL_POSTS, at_the_end, payload=PAYLOAD, t_ms=5).lamport
        == MAX_LAMPORT
    )


@given(st.integers(0, MAX_LAMPORT), st.lists(st.integers(0, MAX_LAMPORT), max_size=8))
def test_lamport_values_rise_until_the_largest(own: int, seen: list[int]) -> None:
    value = next_lamport(own, seen)
    assert min(own + 1, MAX_LAMPORT) <= value <= min(own + MAX_LAMPORT_STEP + 1, MAX_LAMPORT)


def test_each_channel_of_each_device_is_a_log_of_its_own() -> None:
    devices = [bytes([number]) * 32 for number in range(4)]
    channels = [0, 1, 255, 256, 2**24, MAX_CHANNEL]
    assert len({log_id(device, channel) for device in devices for channel in channels}) == 24


def test_a_hash_for_one_purpose_is_none_for_another() -> None:
    assert hash_payload(PAYLOAD) != hash_header(PAYLOAD)
