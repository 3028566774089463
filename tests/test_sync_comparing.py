"""How two sessions find out what differs: by a few bytes, and exactly whatever is remembered."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slowlight.protocol.errors import DecodeError, ProtocolError
from slowlight.protocol.frames import (
    SHORT_HASH_BYTES,
    DigestFrame,
    Frame,
    Have,
    Hello,
    Receipt,
    RosterPart,
    RunFrame,
    encode_frame,
)
from slowlight.protocol.question_frames import More, RangesFrame, Reconcile, SketchFrame
from slowlight.protocol.run import Run, decode_run
from slowlight.protocol.sketch import SketchPart, Width
from slowlight.store.base import NO_MEMORY, LogKey
from slowlight.sync.questions import LARGE_DIFFERENCES

from .people import START_MS, Person
from .sync_ends import Link, Node, meet, roster_of


def crowd(count: int) -> list[Person]:
    """People who each have two posts."""
    people = [Person(number) for number in range(1, count + 1)]
    for person in people:
        person.posts(2)
    return people


def neighbours(people: list[Person]) -> tuple[Node, Node]:
    """Two nodes that follow all of them, hold everything and have met."""
    one, two = Node(people[0], *people), Node(people[1], *people)
    for person in people:
        one.take_all(person)
    meet(one, two)
    return one, two


def write(node: Node, *people: Person) -> None:
    """Let each of these write a post, which reaches one node."""
    for person in people:
        entry = person.post()
        node.take(person.run(1, entry.seq, entry.seq))


def said(link: Link) -> list[type]:
    """The kinds of frames that went over a link, in order."""
    return [type(frame) for _, frame in link.frames]


def connected(one: Node, two: Node) -> Link:
    """A link whose ends are in sync and stay connected."""
    link = Link(one, two)
    assert link.talk()
    assert link.ends[0].in_sync
    assert link.ends[1].in_sync
    return link


def sent_entries(link: Link) -> list[tuple[bytes, int, int]]:
    """Device, channel and number of every entry that travelled, IDENTs aside."""
    runs = [decode_run(frame.data) for frame in link.frames_of(RunFrame)]  # type: ignore[union-attr]
    return [
        (run.device, run.channel, seq) for run in runs for seq in range(run.first, run.last + 1)
    ]


def test_nothing_new_is_one_message_each_way_of_128_bytes_together() -> None:
    """Two greetings, after which both know that they hold the same."""
    one, two = neighbours(crowd(40))
    for ends in ((one, two), (two, one)):
        link = connected(*ends)
        assert link.messages == [1, 1]
        assert said(link) == [Hello, Hello]
        assert link.total_bytes <= 128


@pytest.mark.parametrize("forgetful", [(0,), (1,), (0, 1)])
def test_nothing_new_costs_little_more_when_peers_were_forgotten(
    forgetful: tuple[int, ...],
) -> None:
    """The memory of a peer only saves the digests of the greeting."""
    nodes = neighbours(crowd(40))
    for number in forgetful:
        nodes[number].store.remember_peer(nodes[1 - number].owner.device, NO_MEMORY)
    link = connected(*nodes)
    assert link.frames_of(Have) == link.frames_of(SketchFrame) == link.frames_of(RosterPart) == []
    assert link.total_bytes <= 260
    assert connected(*nodes).total_bytes <= 128


def test_a_node_that_wants_more_than_its_peer_has_is_content_with_that() -> None:
    """Bob follows thirty people of whom Ada carries ten: still one message each way."""
    people = crowd(30)
    home, reader = Node(people[0], *people[:10]), Node(people[1], *people)
    for person in people[:10]:
        home.take_all(person)
    for person in people[10:]:
        reader.take_all(person)
    meet(reader, home)
    for ends in ((home, reader), (reader, home)):
        link = connected(*ends)
        assert said(link) == [Hello, Hello]
    write(home, people[3])
    write(reader, people[20])
    link = connected(reader, home)
    assert reader.holds_all(people[3])
    assert link.frames_of(RangesFrame) == []
    assert link.total_bytes <= 700


@pytest.mark.parametrize("changed", [1, 5, 12, 31])
@pytest.mark.parametrize("dialler", [0, 1])
def test_one_sketch_brings_what_was_written_meanwhile(changed: int, dialler: int) -> None:
    """No list, no questions: the sketch says what is held, and runs come back."""
    people = crowd(40)
    one, two = neighbours(people)
    written = random.Random(changed).sample(people, changed)
    write(one, *written)
    link = connected(*((one, two) if dialler == 0 else (two, one)))
    assert [type(frame) for frame in link.frames_of(SketchFrame)] == [SketchFrame]
    assert {*said(link)} <= {Hello, SketchFrame, Have, RunFrame, DigestFrame, Receipt}
    assert sorted(sent_entries(link)) == sorted(
        (person.device, 1, person.head().seq) for person in written
    )
    assert all(two.holds_all(person) for person in people)


def test_ten_changes_are_told_by_61_bytes() -> None:
    """The peer's commits since the last meeting say how long the sketch has to be."""
    people = crowd(40)
    one, two = neighbours(people)
    write(one, *people[5:15])
    link = connected(one, two)
    (sketch,) = link.frames_of(SketchFrame)
    assert isinstance(sketch, SketchFrame)
    assert len(encode_frame(sketch)) <= 80 - 18
    assert SketchPart.decode(sketch.data).width is Width.NARROW


def test_both_sides_wrote_and_one_sketch_tells_both() -> None:
    """Who reads the sketch sees where the other is ahead, and wants that at once."""
    people = crowd(40)
    one, two = neighbours(people)
    write(one, *people[:6])
    write(two, *people[20:29])
    link = connected(one, two)
    assert len(link.frames_of(SketchFrame)) == 1
    assert link.frames_of(RangesFrame) == []
    assert len(sent_entries(link)) == 6 + 9
    for node in (one, two):
        assert all(node.holds_all(person) for person in people)


def test_a_sketch_that_is_too_short_is_followed_by_more() -> None:
    """One commit brought forty logs: the hint was wrong, and only bytes were lost."""
    people = crowd(60)
    one, two = neighbours(people)
    batch: list[Run] = []
    for person in people[:40]:
        entry = person.post()
        batch.append(person.run(1, entry.seq, entry.seq))
    one.take(*batch)
    link = connected(one, two)
    assert len(link.frames_of(More)) >= 1
    assert link.frames_of(RangesFrame) == []
    assert len(sent_entries(link)) == 40
    assert all(two.holds_all(person) for person in people)


def test_very_many_changes_are_spread_over_shards() -> None:
    """More than one sketch can tell between friends; each entry still travels once."""
    people = crowd(LARGE_DIFFERENCES + 70)
    one, two = neighbours(people)
    write(one, *people)
    link = connected(one, two)
    parts = [SketchPart.decode(frame.data) for frame in link.frames_of(SketchFrame)]  # type: ignore[union-attr]
    assert max(part.shard_bits for part in parts) > 0
    assert len(sent_entries(link)) == len(people)
    assert all(two.holds_all(person) for person in people)


def test_a_fork_that_no_sketch_shows_is_found_by_ranges() -> None:
    """Two entries with one number: the digest tells, ranges name the log, the proof comes."""
    people = crowd(20)
    one, two = neighbours(people)
    person = people[7]
    other = person.forked(1, 2)
    write(one, person)
    write(two, other)
    link = connected(one, two)
    assert link.frames_of(RangesFrame) != []
    for node in (one, two):
        proof = node.store.fork(LogKey(person.device, 1))
        assert proof is not None


def test_strangers_are_read_no_large_sketch() -> None:
    """A peer that was never met gets ranges where 31 differences are not enough."""
    people = crowd(60)
    one, two = Node(people[0], *people), Node(people[1], *people)
    for person in people:
        one.take_all(person)
        two.take(person.verified_ident(), person.run(1, 0, 0))
    link = connected(one, two)
    assert link.frames_of(RangesFrame) != []
    parts = [SketchPart.decode(frame.data) for frame in link.frames_of(SketchFrame)]  # type: ignore[union-attr]
    assert all(part.first + len(part.rows[0]) <= 64 for part in parts)
    assert all(two.holds_all(person) for person in people)


def _offer(link: Link, end: int) -> bytes:
    """The digest that an end told last."""
    told = b""
    for sender, frame in link.frames:
        if sender == end and isinstance(frame, (DigestFrame, Hello)):
            told = frame.digest if isinstance(frame, DigestFrame) else frame.offer or told
    return told


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=2, max_size=128), st.integers(0, 3))
def test_a_sketch_that_lies_costs_its_sender_only(symbols: bytes, shard_bits: int) -> None:
    """Whatever it says, what comes of it is what the roster of the liar covers."""
    people = crowd(12)
    one, two = neighbours(people)
    link = connected(one, two)
    write(one, people[3])
    link.ends[0].store_changed()
    link.talk()
    count = 2**shard_bits
    rows = tuple(
        tuple(byte for byte in symbols[: len(symbols) // count or 1]) for _ in range(count)
    )
    part = SketchPart(Width.NARROW, shard_bits, 0, (), _offer(link, 0)[:8], rows)
    link.ends[0].receive(encode_frame(SketchFrame(part.body())))
    link.ends[0].commit(START_MS)
    assert link.talk()
    assert all(one.holds_all(person) and two.holds_all(person) for person in people)


def receive(session: object, *frames: Frame) -> None:
    """Let a session take frames that its peer made up."""
    for frame in frames:
        session.receive(encode_frame(frame))  # type: ignore[attr-defined]
    session.commit(START_MS)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (SketchFrame(b"rubbish"), DecodeError),
        (RangesFrame(False, 1, b"rubbish"), DecodeError),
        (RangesFrame(False, 1, b"\x93\xc4\x00\x00\x90"), DecodeError),
    ],
)
def test_questions_that_make_no_sense_end_the_session(frame: Frame, error: type[Exception]) -> None:
    one, two = neighbours(crowd(3))
    link = connected(one, two)
    with pytest.raises(error):
        receive(link.ends[0], frame)


def test_answers_that_nobody_waits_for_are_passed_over() -> None:
    """They belong to a question that a newer roster made void."""
    one, two = neighbours(crowd(3))
    link = connected(one, two)
    receive(
        link.ends[0],
        More(again=True, shards=()),
        RangesFrame(True, 3, b"rubbish"),
        Have(scope=1, final=True, states=()),  # type: ignore[arg-type]
    )
    assert link.talk()
    assert link.ends[0].in_sync


def test_a_peer_that_reconciles_without_end_is_left() -> None:
    people = crowd(3)
    one, two = neighbours(people)
    link = connected(one, two)
    start = b"\x93\xc4\x08saltsalt\x00\x90"
    for number in range(256):
        receive(link.ends[0], RangesFrame(False, number, start))
    with pytest.raises(ProtocolError, match="again and again"):
        receive(link.ends[0], RangesFrame(False, 0, start))


def test_before_a_roster_is_known_there_is_nothing_to_compare() -> None:
    one, two = Node(Person(1)), Node(Person(2))
    for frame in (Reconcile(), RangesFrame(False, 1, b"")):
        session = two.session(one, initiator=False)
        session.receive(encode_frame(Hello(bytes(4), 1, bytes(SHORT_HASH_BYTES))))
        with pytest.raises(ProtocolError, match="before it said what it wants"):
            session.receive(encode_frame(frame))


def test_a_changed_roster_makes_the_greeting_ask_anew() -> None:
    """Bob follows one more between two meetings: the digest that Ada says answers the old
    roster, and nobody takes it for a difference."""
    people = crowd(12)
    one, two = neighbours(people)
    stranger = Person(99)
    stranger.posts(2)
    one.take_all(stranger)
    two.roster = roster_of(*people, stranger)
    for ends in ((one, two), (two, one)):
        connected(*ends)
    assert two.holds_all(stranger)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    forget=st.lists(st.sampled_from(["one", "two", "neither"]), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 9), max_size=3),
)
def test_what_differs_is_what_travels(seed: int, forget: list[str], cuts: list[int]) -> None:
    """Meeting after meeting, each side gets just the entries that it lacks, each once."""
    rng = random.Random(seed)
    people = crowd(14)
    nodes = neighbours(people)
    for forgotten in forget:
        for node in nodes:
            write(node, *rng.sample(people[:7] if node is nodes[0] else people[7:], 4))
        for cut_after in cuts:
            Link(*nodes).talk(cut_after=cut_after, batch=rng.randint(1, 3))
        for node, name, other in zip(nodes, ("one", "two"), nodes[::-1], strict=True):
            if name == forgotten:
                memory = rng.choice(
                    [NO_MEMORY, replace(node.store.peer_memory(other.owner.device), acked=0)]
                )
                node.store.remember_peer(other.owner.device, memory)
        lacking = [
            (person.device, 1, entry.seq)
            for node in nodes
            for person in people
            for entry in person.log()
            if node.store.entry(entry.id) is None
        ]
        link = meet(*nodes)
        assert sorted(sent_entries(link)) == sorted(lacking)
        assert all(node.holds_all(person) for node in nodes for person in people)
