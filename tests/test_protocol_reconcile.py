"""Two sides find every state that differs, whatever they hold, in few and bounded messages."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.digest import frozen_log_state, log_state
from slowlight.protocol.entry import MAX_SEQ
from slowlight.protocol.errors import DecodeError
from slowlight.protocol.frames import LogState
from slowlight.protocol.hashing import hash32
from slowlight.protocol.range_messages import (
    MAX_LISTED,
    MAX_RANGES_BYTES,
    Answer,
    Listing,
    Node,
    RangeMessage,
    Split,
    ToldState,
)
from slowlight.protocol.reconcile import Reconciler, StateDifference

SALT: Final = bytes(range(1, 9))


def _crowded(head: bytes, tail: int) -> bytes:
    return (head + bytes([tail])).rjust(32, b"\xab")


# Prefixes that logs share, as if someone had searched for such logs.
crowded_logs = st.builds(
    _crowded,
    st.sampled_from((b"", b"\x00" * 31, b"\x12" * 31, b"\x12" * 12)),
    st.integers(0, 255),
)
far_logs = st.integers(0, 255).map(lambda number: hash32(b"test", bytes([number])))
states = st.builds(
    LogState,
    crowded_logs | far_logs,
    st.integers(0, 3) | st.integers(0, MAX_SEQ),
    st.sampled_from((b"", bytes(32), b"\1" * 32)),
)
sets_of_states = st.lists(states, max_size=70, unique_by=lambda state: state.log)


def canonical(state: LogState) -> bytes:
    """A state as it is hashed."""
    if state.id:
        return log_state(state.log, state.seq, state.id)
    return frozen_log_state(state.log, state.seq)


def check_of(state: LogState, salt: bytes = SALT) -> bytes:
    """The fingerprint of one state, by its definition."""
    return blake2b(canonical(state), digest_size=8, key=salt, person=b"sl.range").digest()


def told(state: LogState) -> ToldState:
    """A state as the other side tells it."""
    return ToldState(state.log, not state.id, state.seq, check_of(state))


def expected(ours: Iterable[LogState], theirs: Iterable[LogState]) -> list[StateDifference]:
    """What has to be found, by looking at both sides."""
    one, other = ({state.log: state for state in side} for side in (ours, theirs))
    return [
        StateDifference(log, one.get(log), told(other[log]) if log in other else None)
        for log in sorted(one.keys() | other.keys())
        if one.get(log) != other.get(log)
    ]


def converse(one: Reconciler, other: Reconciler) -> list[bytes]:
    """Let two sides talk until none has more to say; return the messages."""
    messages: list[bytes] = []
    message: bytes | None = one.start(SALT)
    sides = [other, one]
    while message is not None:
        messages.append(message)
        assert len(message) <= MAX_RANGES_BYTES
        message = sides[0].receive(message)
        sides.reverse()
    assert one.finished
    assert other.finished
    return messages


@given(sets_of_states, sets_of_states, st.data())
def test_every_difference_is_found_by_both_sides(
    ours: list[LogState], theirs: list[LogState], data: st.DataObject
) -> None:
    """Also where they hold much in common, nothing, or logs that crowd in one corner."""
    shared = data.draw(st.integers(0, len(ours)))
    known = {state.log for state in ours[:shared]}
    theirs = ours[:shared] + [state for state in theirs if state.log not in known]
    one, other = Reconciler(ours), Reconciler(theirs)
    messages = converse(one, other)
    assert one.differences == expected(ours, theirs)
    assert other.differences == expected(theirs, ours)
    assert len(messages) <= 5 + 64


def many(count: int, *, first: int = 0) -> list[LogState]:
    """States of logs spread as hashes are."""
    numbers = (n.to_bytes(4, "big") for n in range(first, first + count))
    return [LogState(hash32(b"log", n), n[3], hash32(b"id", n)) for n in numbers]


def moved(held: list[LogState], count: int) -> list[LogState]:
    """The same with so many logs one entry ahead."""
    chosen = set(random.Random(count).sample(range(len(held)), count))
    return [
        state._replace(seq=state.seq + 1, id=hash32(b"next", state.id)) if at in chosen else state
        for at, state in enumerate(held)
    ]


@pytest.mark.parametrize(
    ("count", "most_bytes", "most_messages"), [(0, 160, 2), (10, 6_328, 5), (100, 42_293, 6)]
)
def test_few_of_ten_thousand_cost_little(count: int, most_bytes: int, most_messages: int) -> None:
    """No more than what a prototype took."""
    ours = many(10_000)
    theirs = moved(ours, count)
    one, other = Reconciler(ours), Reconciler(theirs)
    messages = converse(one, other)
    assert len(one.differences) == len(other.differences) == count
    assert sum(map(len, messages)) <= most_bytes
    assert len(messages) <= most_messages


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([], []),
        ([], many(3)),
        (many(3), []),
        (many(3_000), []),
        ([], many(3_000)),
        (many(2_000), many(2_000, first=2_000)),
        (many(5_000), moved(many(5_000), 5_000)),
    ],
    ids=lambda held: str(len(held)),
)
def test_more_than_a_message_holds_goes_on_in_the_next(
    ours: list[LogState], theirs: list[LogState]
) -> None:
    """Empty sides, sides with nothing in common, and sides that agree on nothing."""
    one, other = Reconciler(ours), Reconciler(theirs)
    messages = converse(one, other)
    assert one.differences == expected(ours, theirs)
    assert other.differences == expected(theirs, ours)
    assert len(messages) <= 9 + 2 * sum(map(len, messages)) // MAX_RANGES_BYTES


def test_another_branch_is_found_though_numbers_agree() -> None:
    """Ids that begin alike as well: the check is keyed, so none can be made to fit."""
    held = many(20)
    for other_id in (held[7].id[:16] + bytes(16), b""):
        theirs = [*held[:7], held[7]._replace(id=other_id), *held[8:]]
        one = Reconciler(held)
        converse(one, Reconciler(theirs))
        (found,) = one.differences
        assert found.log == held[7].log
        assert found.theirs is not None
        assert found.theirs.frozen == (not other_id)


def test_fingerprints_are_others_in_each_session() -> None:
    held = many(20)
    first, second = (
        RangeMessage.decode(Reconciler(held).start(salt)).nodes for salt in (SALT, bytes(8))
    )
    assert isinstance(first[0], Split)
    assert isinstance(second[0], Split)
    assert set(first[0].fingerprints).isdisjoint(second[0].fingerprints)


def test_crowded_logs_take_a_message_for_each_nibble_they_share() -> None:
    """Sharing more than a few costs whoever wants it 16 times the work for each."""
    crowd = [LogState(b"\7" * 31 + bytes([n]), 1, bytes(32)) for n in range(40)]
    one, other = Reconciler(crowd), Reconciler(moved(crowd, 1))
    messages = converse(one, other)
    assert len(one.differences) == 1
    assert 60 <= len(messages) <= 66


def test_the_last_message_comes_from_either_side() -> None:
    """Who began may have the last word or not; both know when it is over."""
    one, other = Reconciler(many(3)), Reconciler(many(4))
    assert len(converse(one, other)) == 2
    for side in (one, other):
        with pytest.raises(DecodeError, match="a message after the last one"):
            side.receive(RangeMessage(b"", more=False, nodes=()).body())


# What a peer says that nobody asked: the side that hears it ends the conversation.


def opening(held: list[LogState]) -> RangeMessage:
    """The first message of a side, to be changed by a test."""
    return RangeMessage.decode(Reconciler(held).start(SALT))


def started(held: list[LogState], *, most_unknown: int = 100) -> Reconciler:
    """A side that waits for an answer to its first message."""
    side = Reconciler(held, most_unknown=most_unknown)
    side.start(SALT)
    return side


def said(*nodes: Node, more: bool = False, salt: bytes = b"") -> bytes:
    """A message of these nodes."""
    return RangeMessage(salt, more, nodes).body()


FEW: Final = many(3)
MUCH: Final = many(200)
DEEP: Final = Split(b"\1\2", (bytes(8),) * 16)
REFUSED: Final[Mapping[str, tuple[Callable[[], Reconciler], bytes, str]]] = {
    "a range below the parts": (lambda: started(MUCH), said(DEEP), "nobody asked"),
    "a range that was listed": (lambda: started(FEW), said(replace(DEEP, prefix=b"\1")), "asked"),
    "a first message about a part of a part": (
        lambda: Reconciler(MUCH),
        said(DEEP, salt=SALT),
        "nobody asked",
    ),
    "a first answer": (
        lambda: Reconciler(MUCH),
        said(Answer(b"", 0, last=True, states=()), salt=SALT),
        "that was not listed",
    ),
    "a first message without salt": (lambda: Reconciler(MUCH), said(DEEP), "salt belongs"),
    "a second salt": (lambda: started(MUCH), said(salt=SALT), "salt belongs"),
    "a list without an answer": (lambda: started(FEW), said(), "not answered"),
    "an answer without a list": (
        lambda: started(MUCH),
        said(Answer(b"\1", 0, last=True, states=())),
        "that was not listed",
    ),
    "an answer that lacks what was not listed": (
        lambda: started(FEW),
        said(Answer(b"", 8, last=True, states=())),
        "more logs are lacked",
    ),
    "a peer with more logs than anyone wants": (
        lambda: started(FEW, most_unknown=9),
        said(Answer(b"", 0, last=True, states=tuple(sorted(map(told, many(10, first=9)))))),
        "more unknown logs",
    ),
}


@pytest.mark.parametrize(("side", "message", "complaint"), REFUSED.values(), ids=REFUSED.keys())
def test_what_nobody_asked_ends_the_conversation(
    side: Callable[[], Reconciler], message: bytes, complaint: str
) -> None:
    hearing = side()
    with pytest.raises(DecodeError, match=complaint):
        hearing.receive(message)
    with pytest.raises(DecodeError, match="a message after the last one"):
        hearing.receive(message)


def test_a_range_is_named_once() -> None:
    """Else a peer could have the same states hashed and told without end."""
    side = started(MUCH)
    again = said(Listing(b"\1", ()), more=True)
    assert side.receive(again) is not None
    with pytest.raises(DecodeError, match="nobody asked about this range"):
        side.receive(again)


def test_parts_of_an_answer_follow_each_other() -> None:
    rows = sorted(map(told, many(6, first=9)))
    first = said(Answer(b"", 1, last=False, states=tuple(rows[:3])), more=True)
    for wrong in (
        Answer(b"", 0, last=True, states=tuple(rows[2:])),
        Answer(b"", 1, last=True, states=tuple(rows[3:])),
    ):
        side = started(FEW)
        assert side.receive(first) is not None
        with pytest.raises(DecodeError, match="does not follow"):
            side.receive(said(wrong))
    side = started(FEW)
    side.receive(first)
    assert side.receive(said(Answer(b"", 0, last=True, states=tuple(rows[3:])))) is None
    assert len(side.differences) == 1 + 6
    assert side.finished


def test_whatever_a_peer_says_the_work_ends() -> None:
    """A peer with other fingerprints everywhere gets each range split at most once."""
    side = Reconciler(MUCH)
    message = side.receive(said(Split(b"", (bytes(8),) * 16), salt=SALT))
    rounds = 0
    while message is not None:
        nodes: list[Node] = []
        for node in RangeMessage.decode(message).nodes:
            if isinstance(node, Split):
                nodes += (Split(node.prefix + bytes([n]), (bytes(8),) * 16) for n in range(16))
            else:
                nodes.append(Answer(node.prefix, 0, last=True, states=()))
        message = side.receive(said(*nodes))
        rounds += 1
    assert rounds <= 4
    assert side.finished


@given(sets_of_states, st.binary(max_size=60))
def test_rubbish_is_refused_in_one_way(held: list[LogState], data: bytes) -> None:
    side = started(held)
    try:
        side.receive(data)
    except DecodeError:
        assert side.finished


def test_our_own_mistakes() -> None:
    with pytest.raises(ValueError, match="two states of one log"):
        Reconciler([*FEW, FEW[0]._replace(seq=77)])
    for salt in (b"", bytes(7)):
        with pytest.raises(ValueError, match="with 8 bytes"):
            Reconciler([]).start(salt)
    with pytest.raises(ValueError, match="begins once"):
        started([]).start(SALT)


def test_a_list_is_never_longer_than_a_list_may_be() -> None:
    for size in (MAX_LISTED, MAX_LISTED + 1):
        (node,) = opening(many(size)).nodes
        assert isinstance(node, Listing) == (size == MAX_LISTED)
