"""How far the clock of a peer is from one's own, as its handshakes tell."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
import trio.testing

from slowlight.node.carriers.base import Link
from slowlight.node.carriers.memory import MemoryLine
from slowlight.node.peer_clocks import (
    AGE_MS,
    NEWS_MS,
    ClockNote,
    clock_note,
    forget_clock,
    keep_clock,
    kept_clock,
)
from slowlight.node.peer_operations import (
    PEERS,
    REMOVE_PEER,
    ClockView,
    PeersRequest,
    PeersResult,
    RemovePeerRequest,
)
from slowlight.protocol.handshake import Greeting
from slowlight.store.base import Peer
from slowlight.store.memory import MemoryStore
from tests.command_line import ScriptedClient, some_peer
from tests.link_ends import End, meet
from tests.nodes import RecordedLinks, make_home, service_of
from tests.people import START_MS, Person

DEVICE = b"d" * 32


class Told:
    """A link whose handshake told a time."""

    def __init__(self, t_ms: int | None, round_trip_s: float) -> None:
        self.peer_greeting = None if t_ms is None else Greeting(b"", t_ms=t_ms)
        self.round_trip_s = round_trip_s


def note(
    t_ms: int | None, *, round_trip_s: float = 0.0, now_ms: int = START_MS
) -> ClockNote | None:
    """What a link tells of the clock at its other end."""
    return clock_note(cast(Link, Told(t_ms, round_trip_s)), now_ms)


def test_the_middle_of_the_way_there_and_back_is_when_its_clock_showed_that() -> None:
    """Within half of it on both sides: more cannot be known."""
    assert note(START_MS + 5_000) == ClockNote(5_000, 0, START_MS)
    assert note(START_MS - 600, round_trip_s=1.2) == ClockNote(0, 600, START_MS)
    assert note(START_MS - 86_400_000, round_trip_s=2.0) == ClockNote(-86_399_000, 1_000, START_MS)


def test_who_has_no_clock_tells_none() -> None:
    """Nor does a link without a greeting."""
    assert note(0) is None
    assert note(None) is None


async def test_a_greeting_is_as_old_as_the_way_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Over three seconds of delay each way, both ends measure six."""
    line = MemoryLine(Random("clock"), delay_s=3.0)
    near, far = await meet(End("ada"), End("bob"), line.near, line.far)
    assert (near.round_trip_s, far.round_trip_s) == (6.0, 6.0)


def test_a_difference_is_written_only_when_it_is_news() -> None:
    """Each meeting would cost a commit else; beyond the error of both, or after a day."""
    store = MemoryStore(b"n" * 8)
    assert kept_clock(store, DEVICE) is None
    first = ClockNote(-40, 20, START_MS)
    keep_clock(store, DEVICE, first)
    assert kept_clock(store, DEVICE) == first
    for quiet in (
        ClockNote(NEWS_MS, 60, START_MS + 1),
        ClockNote(-40, 20, START_MS + AGE_MS - 1),
    ):
        keep_clock(store, DEVICE, quiet)
        assert kept_clock(store, DEVICE) == first
    for news in (
        ClockNote(NEWS_MS + 2_000, 60, START_MS + 1),
        ClockNote(NEWS_MS + 2_000, 60, START_MS + 1 + AGE_MS),
        ClockNote(NEWS_MS + 2_000, 60, START_MS - 1),
    ):
        keep_clock(store, DEVICE, news)
        assert kept_clock(store, DEVICE) == news
    forget_clock(store, DEVICE)
    assert kept_clock(store, DEVICE) is None


def test_the_peers_are_listed_with_their_clocks(tmp_path: Path) -> None:
    """And one that was removed is forgotten with it."""
    bob, eve = Person(2), Person(3)
    made = make_home(tmp_path / "ada", 1, "Ada")
    service = service_of(made, RecordedLinks())
    for person in (bob, eve):
        made.store.put_peer(Peer(person.identity, person.device, person.box_public, (), "", 0))
    keep_clock(made.store, bob.device, ClockNote(-3_600_000, 20, START_MS))
    clocks = {one.device: one.clock for one in service.call(PEERS, PeersRequest()).peers}
    told = clocks[bob.device.hex()]
    assert told is not None
    assert (told.ahead_ms, told.error_ms, told.noted_ms) == (-3_600_000, 20, START_MS)
    assert clocks[eve.device.hex()] is None
    service.call(REMOVE_PEER, RemovePeerRequest(who=bob.device.hex()))
    assert kept_clock(made.store, bob.device) is None


@pytest.mark.parametrize(
    ("ahead_ms", "error_ms", "said"),
    [
        (1_900, 0, "its clock agrees"),
        (-60_000, 59_000, "its clock agrees"),
        (7_200_000, 20, "its clock is 2 h ahead of ours"),
        (-90_000, 20, "its clock is 1 min behind ours"),
    ],
)
def test_people_are_told_in_words(ahead_ms: int, error_ms: int, said: str) -> None:
    """What is within the error of measuring is no difference."""
    clock = ClockView(ahead_ms=ahead_ms, error_ms=error_ms, noted="", noted_ms=START_MS)
    answers: dict[str, Any] = {PEERS.name: PeersResult(peers=(some_peer("bob", clock=clock),))}
    assert said in ScriptedClient(answers).type("peer", "list").out


def test_nothing_is_said_of_a_clock_that_told_nothing() -> None:
    """Rather than that it agrees."""
    answers: dict[str, Any] = {PEERS.name: PeersResult(peers=(some_peer("bob"),))}
    assert "clock" not in ScriptedClient(answers).type("peer", "list").out
