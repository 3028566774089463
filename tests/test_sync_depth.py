"""How much of a log travels: all of it, its newest entries, or headers alone."""

from __future__ import annotations

import pytest

from slowlight.protocol.frames import RunFrame, Want
from slowlight.protocol.roster import Depth, Roster, RosterRow
from slowlight.protocol.run import BLOCK, decode_run
from slowlight.store.base import Interval, LogKey

from .people import Person
from .sync_ends import Link, Node, meet, roster_of


def shallow(*people: Person, depth: Depth, n: int = 0) -> Roster:
    """Return a wish for the posts of these people, so deep."""
    return Roster(RosterRow(person.identity, 1, depth, n) for person in people)


def held(node: Node, person: Person) -> list[Interval]:
    """What a node holds of a person's posts."""
    return node.store.held(LogKey(person.device, 1))


def connected(one: Node, two: Node) -> Link:
    """A link whose ends are in sync."""
    link = Link(one, two)
    assert link.talk()
    assert link.ends[0].in_sync
    assert link.ends[1].in_sync
    return link


@pytest.mark.parametrize("others", [0, 20])
def test_of_a_long_log_only_the_newest_entries_come(others: int) -> None:
    """Bob wants ten: ten are sent, found by a list or by a sketch; none is asked for later."""
    ada, bob = Person(1), Person(2)
    crowd = [Person(number) for number in range(10, 10 + others)]
    ada.posts(2 * BLOCK)
    for person in crowd:
        person.posts(3)
    home, reader = Node(ada), Node(bob)
    for person in (ada, *crowd):
        home.take_all(person)
    reader.roster = shallow(ada, *crowd, depth=Depth.NEWEST, n=10)
    for person in crowd:
        reader.take_all(person)
    meet(home, reader)
    assert held(reader, ada) == [Interval(2 * BLOCK - 10, 2 * BLOCK - 1)]
    link = connected(home, reader)
    assert link.frames_of(Want) == link.frames_of(RunFrame) == []
    assert link.messages == [1, 1]


def test_after_an_absence_the_newest_come_and_a_gap_stays() -> None:
    """Thirty posts later: the newest ten, and nothing of those between."""
    ada, bob = Person(1), Person(2)
    ada.posts(20)
    home, reader = Node(ada), Node(bob)
    home.take_all(ada)
    reader.roster = shallow(ada, depth=Depth.NEWEST, n=10)
    meet(home, reader)
    more = ada.posts(30)
    home.take(ada.run(1, more[0].seq, more[-1].seq))
    meet(home, reader)
    assert held(reader, ada) == [Interval(10, 19), Interval(40, 49)]


def test_what_is_pushed_is_as_deep_as_it_is_wanted() -> None:
    """Fifteen posts at once, while Bob is connected: the newest ten of them."""
    ada, bob = Person(1), Person(2)
    ada.posts(3)
    home, reader = Node(ada), Node(bob)
    home.take_all(ada)
    reader.roster = shallow(ada, depth=Depth.NEWEST, n=10)
    link = connected(home, reader)
    more = ada.posts(15)
    home.take(ada.run(1, more[0].seq, more[-1].seq))
    link.ends[0].store_changed()
    assert link.talk()
    assert held(reader, ada) == [Interval(0, 2), Interval(8, 17)]


def test_who_wants_more_later_gets_the_rest() -> None:
    """Bob follows Ada deeper: what lies below comes, and nothing twice."""
    ada, bob = Person(1), Person(2)
    ada.posts(40)
    home, reader = Node(ada), Node(bob)
    home.take_all(ada)
    reader.roster = shallow(ada, depth=Depth.NEWEST, n=10)
    meet(home, reader)
    reader.roster = roster_of(ada)
    link = meet(home, reader)
    assert reader.holds_all(ada)
    assert link.ends[1].progress.entries_in == 30


def test_headers_alone_prove_that_something_was_written() -> None:
    """No text travels, nor is one asked for; who wants the texts later gets them."""
    ada, bob = Person(1), Person(2)
    ada.posts(20)
    home, reader = Node(ada), Node(bob)
    home.take_all(ada)
    reader.roster = shallow(ada, depth=Depth.STUBS)
    link = meet(home, reader)
    assert held(reader, ada) == [Interval(0, 19)]
    found = [reader.store.entry(entry.id) for entry in ada.log()]
    assert all(each is not None and each.entry.payload is None for each in found)
    runs = [decode_run(frame.data) for frame in link.frames_of(RunFrame)]  # type: ignore[union-attr]
    assert sum(len(run.bodies) for run in runs if run.channel == 1) == 20 * 32
    again = connected(home, reader)
    assert again.messages == [1, 1]
    reader.roster = roster_of(ada)
    meet(home, reader)
    assert reader.holds_all(ada)


def test_a_shallow_relay_hands_on_what_it_has() -> None:
    """Carol wants all of Ada, and Bob has the newest ten: she gets these from him, and the rest
    from Ada's node."""
    ada, bob, carol = Person(1), Person(2), Person(3)
    ada.posts(30)
    home, relay, far = Node(ada), Node(bob), Node(carol, ada)
    home.take_all(ada)
    relay.roster = shallow(ada, depth=Depth.NEWEST, n=10)
    meet(home, relay)
    meet(relay, far)
    assert held(far, ada) == [Interval(20, 29)]
    meet(home, far)
    assert far.holds_all(ada)
