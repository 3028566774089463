"""A run proves many entries by one signature, or none of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol import run as run_module
from slowlight.protocol.encoding import pack, put_varint, zigzag
from slowlight.protocol.entry import (
    CHANNEL_POSTS,
    MAX_PAYLOAD_BYTES,
    SALT_BYTES,
    USUAL_QUALITY,
    VERSION,
    Entry,
    LogHead,
    sign_entry,
    verify_entry,
)
from slowlight.protocol.errors import DecodeError, IntegrityError
from slowlight.protocol.frames import MAX_BODY_BYTES, RunFrame, encode_frame
from slowlight.protocol.hashing import ZERO_HASH
from slowlight.protocol.run import BLOCK, MAX_RUN_BYTES, Run, build_run, decode_run, open_run
from tests.people import Person
from tests.second_decoder import RefusedError, read_run
from tests.strategies import AUTHOR, damaged, logs

OVERHEAD_BYTES: Final = 12
"""What a usual entry may cost in a run of 64 or more, beyond its payload."""


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The ids whose signatures were checked, in order."""
    ids: list[bytes] = []

    def counted(device: bytes, entry_id: bytes, signature: bytes) -> None:
        ids.append(entry_id)
        verify_entry(device, entry_id, signature)

    monkeypatch.setattr(run_module, "verify_entry", counted)
    return ids


def signed_run(entries: Sequence[Entry], prev: bytes = ZERO_HASH) -> Run:
    """Consecutive entries of the author as a run with its signature."""
    signature = sign_entry(AUTHOR.secret, entries[-1].id)
    return build_run(AUTHOR.public, CHANNEL_POSTS, prev, entries, signature)


def said_by_author(entry: Entry) -> tuple[object, ...]:
    """What the signature covers: all but the payload's presence and what remains of its life."""
    return tuple(entry._replace(payload=None, remaining_ms=0))


@given(logs())
def test_entries_come_back_as_they_were_written(entries: list[Entry]) -> None:
    run = signed_run(entries)
    assert decode_run(run.encode()) == run
    assert open_run(run) == entries
    assert (
        open_run(replace(run, last_id=None, signature=None), trusted_end=entries[-1].id) == entries
    )


@given(st.data())
def test_entries_from_the_middle_of_a_log_come_back(data: st.DataObject) -> None:
    first = data.draw(st.integers(1, 2**32 - 300))
    head = LogHead(first - 1, b"\x07" * 32, data.draw(st.integers(0, 2**40)))
    entries = data.draw(logs(head=head, most=BLOCK - first % BLOCK if first % BLOCK > 250 else 6))
    run = signed_run(entries, head.id)
    assert (run.first, run.last) == (first, entries[-1].seq)
    assert open_run(decode_run(run.encode())) == entries


@given(logs(most=3).flatmap(lambda entries: damaged(signed_run(entries).encode())))
def test_damage_ends_in_one_of_two_errors(data: bytes) -> None:
    """Malformed or forged; nothing else is raised, and what is accepted was signed."""
    try:
        run = decode_run(data)
    except DecodeError:
        with pytest.raises(RefusedError):
            read_run(data)
        return
    assert read_run(data)["first"] == run.first
    assert run.encode() == data
    try:
        entries = open_run(run)
    except (DecodeError, IntegrityError):
        return
    assert entries[-1].id == run.last_id
    assert signed_run(entries, run.prev).encode() == data


@given(st.data())
def test_damage_behind_a_trusted_end_changes_nothing_that_the_author_said(
    data: st.DataObject,
) -> None:
    """Only the remaining lifetime can differ: it is no part of what is signed."""
    entries = data.draw(logs(most=4))
    run = signed_run(entries)
    columns = data.draw(damaged(run.columns) | st.just(run.columns))
    bodies = data.draw(damaged(run.bodies) | st.just(run.bodies))
    try:
        opened = open_run(
            replace(run, columns=columns, bodies=bodies, last_id=None, signature=None),
            trusted_end=run.last_id,
        )
    except (DecodeError, IntegrityError):
        return
    assert list(map(said_by_author, opened)) == list(map(said_by_author, entries))


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(1, BLOCK))
def test_junk_behind_a_trusted_end_is_refused(columns: bytes, bodies: bytes, count: int) -> None:
    run = Run(AUTHOR.public, 1, 0, count, ZERO_HASH, columns, bodies, None, None)
    with pytest.raises((DecodeError, IntegrityError)):
        open_run(run, trusted_end=b"\x07" * 32)


def junk_runs() -> Iterator[Run]:
    """Runs that somebody made up around entries that a peer has, or around nothing."""
    ada, bob = Person(1), Person(2)
    ada.posts(BLOCK)
    good = ada.run()
    yield replace(good, signature=bytes(64))
    yield replace(good, signature=bob.signed(0)[0][1])
    yield replace(good, device=bob.device)
    yield replace(good, last_id=b"\x07" * 32)
    yield replace(good, bodies=good.bodies[:-1] + b"\x00")
    yield replace(good, bodies=good.bodies[:-1])
    yield replace(good, columns=b"\x00" * len(good.columns))
    yield replace(good, columns=b"\xff" * 60_000, bodies=b"")
    yield replace(good, channel=2)


def test_a_junk_run_costs_at_most_one_signature_check(checks: list[bytes]) -> None:
    """The signature comes first: who sends 256 made-up entries has us check one."""
    for junk in junk_runs():
        checks.clear()
        with pytest.raises((DecodeError, IntegrityError)):
            open_run(junk)
        assert checks == [junk.last_id]


def test_a_whole_block_costs_one_signature_check(checks: list[bytes]) -> None:
    ada = Person(1)
    posts = ada.posts(BLOCK)
    assert open_run(decode_run(ada.run().encode())) == posts
    assert checks == [posts[-1].id]


def test_a_run_before_a_held_entry_needs_no_signature(checks: list[bytes]) -> None:
    """Newest first: the later run proves where the earlier one must end."""
    ada = Person(1)
    posts = ada.posts(BLOCK)
    late, early = ada.run(1, 100), ada.run(1, 0, 99, signed=False)
    assert open_run(late) == posts[100:]
    assert open_run(early, trusted_end=late.prev) == posts[:100]
    assert len(checks) == 1
    with pytest.raises(IntegrityError, match="does not end where the next held entry"):
        open_run(ada.run(1, 0, 98), trusted_end=late.prev)
    with pytest.raises(IntegrityError, match="carries no signature"):
        open_run(early)


def test_any_payload_can_be_a_stub_and_the_run_still_verifies() -> None:
    """Deleted and expired payloads leave their hash, and everything else stays proven."""
    ada = Person(1)
    posts = ada.posts(5)
    opened = open_run(ada.run(stubs={1, 4}))
    assert [entry.payload for entry in opened] == [
        None if entry.seq in {1, 4} else entry.payload for entry in posts
    ]
    assert list(map(said_by_author, opened)) == list(map(said_by_author, posts))


def test_entries_cannot_be_moved_left_out_or_taken_from_another_log() -> None:
    ada, bob = Person(1), Person(2)
    ada.posts(4)
    bob.posts(4)
    good, others = ada.run(), bob.run()
    for forged in (
        replace(good, columns=others.columns, bodies=others.bodies),
        replace(good, first=256, prev=b"\x07" * 32),
        replace(good, count=3),
        replace(ada.run(1, 1), prev=b"\x07" * 32),
        replace(ada.run(1, 1), first=2),
    ):
        with pytest.raises((DecodeError, IntegrityError)):
            open_run(forged)


def test_a_usual_entry_costs_little_beyond_its_payload() -> None:
    ada = Person(1)
    ada.posts(64)
    run = ada.run()
    assert len(run.encode()) - len(run.bodies) <= OVERHEAD_BYTES * run.count
    ada.posts(BLOCK - 64)
    whole = ada.run()
    assert len(whole.encode()) - len(whole.bodies) <= 8 * whole.count


def test_the_largest_entry_fits_a_frame() -> None:
    ada = Person(1)
    for _ in range(2):
        ada.write(CHANNEL_POSTS, bytes(MAX_PAYLOAD_BYTES - SALT_BYTES))
    assert len(encode_frame(RunFrame(ada.run(1, 0, 0).encode()))) < MAX_RUN_BYTES
    with pytest.raises(ValueError, match="64997 fit"):
        encode_frame(RunFrame(ada.run(1, 0, 1).encode()))
    with pytest.raises(DecodeError, match="at most 64997"):
        decode_run(ada.run(1, 0, 1).encode())


def test_a_run_fills_its_frame_to_the_byte() -> None:
    """A run of the very largest size is one; with a byte more it is none."""

    def run_of(body_bytes: int) -> bytes:
        body = bytes(body_bytes)
        return pack([VERSION, AUTHOR.public, 1, 0, 1, b"", b"", body, b"", b""])

    most = MAX_RUN_BYTES - len(run_of(256)) + 256
    assert len(run_of(most)) == MAX_RUN_BYTES == MAX_BODY_BYTES
    assert decode_run(run_of(most)).count == 1
    with pytest.raises(DecodeError, match="64998 bytes where at most 64997"):
        decode_run(run_of(most + 1))


@pytest.mark.parametrize("first", [0, 1, 255, 256, 300, 2**32 - 17])
def test_a_run_stays_inside_its_block(first: int) -> None:
    prev = ZERO_HASH if first == 0 else b"\x07" * 32
    room = min(BLOCK - first % BLOCK, 2**32 - 16 - first)
    run = Run(AUTHOR.public, 1, first, room, prev, b"", b"", None, None)
    assert decode_run(run.encode()).last == first + room - 1
    with pytest.raises(DecodeError):
        decode_run(replace(run, count=room + 1).encode())


def test_nothing_is_built_that_is_not_one_run() -> None:
    posts = Person(1).posts(BLOCK + 1)
    for entries in ([], posts[:1] + posts[2:3], posts, posts[255:257], posts[1::-1]):
        with pytest.raises(ValueError, match="run"):
            build_run(AUTHOR.public, 1, ZERO_HASH, entries, None)


def columns_of(*fields: int, more: bytes = b"") -> bytes:
    """Columns of one entry with some flags, written by hand."""
    out = bytearray()
    for field in fields:
        put_varint(out, field)
    return bytes(out) + more


@pytest.mark.parametrize(
    ("flags", "more"),
    [
        (2, columns_of(0)),
        (4, columns_of(0)),
        (4, columns_of(9, more=bytes(288))),
        (4, columns_of(1, more=bytes(31))),
        (8, columns_of(0, 0)),
        (8, columns_of(5, 6)),
        (16, columns_of(USUAL_QUALITY)),
        (16, columns_of(64)),
        (32, columns_of(0)),
        (32, columns_of(65, more=bytes(65))),
        (32, columns_of(3, more=bytes(2))),
        (64, b""),
        (128, b""),
        (2**62, b""),
    ],
)
def test_every_flag_is_needed_so_one_run_has_one_form(flags: int, more: bytes) -> None:
    """Without a signature to check, the columns are refused before the chain is looked at."""
    columns = columns_of(flags, zigzag(5), SALT_BYTES) + more
    run = Run(AUTHOR.public, 1, 0, 1, ZERO_HASH, columns, bytes(16), b"\x07" * 32, None)
    with pytest.raises(DecodeError):
        open_run(run, trusted_end=b"\x07" * 32)
