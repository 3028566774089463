"""What every store remembers of who can have what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slowlight.protocol.content import Withdraw
from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, log_id
from slowlight.store import memory, sqlite_delivery
from slowlight.store.base import (
    NO_MEMORY,
    NOTHING_DELIVERED,
    OWN,
    Arrived,
    Delivered,
    LogKey,
    NodeStore,
    SentRange,
)
from tests.people import Person
from tests.stores import RECEIVED_MS, VIA, meet, posts_of, take

DELIVERED = Delivered(
    b"n" * 8, 3, b"r" * 32, 17, 1_000, 2_000, (SentRange(log_id(b"d" * 32, 1), 4, 9),)
)


def test_every_entry_arrives_with_a_higher_number(store: NodeStore) -> None:
    """Of any kind; what is not held has none, and what was held stays where it was."""
    ada = Person(1)
    ada.posts(3)
    assert store.last_arrival == 0
    meet(store, ada)
    certificate = store.last_arrival
    assert certificate == store.arrival_of(ada.log(CHANNEL_IDENTITY)[0].id) == 1
    take(store, ada.run(last=1))
    numbers = [store.arrival_of(entry.id) for entry in ada.log()]
    assert sorted(numbers[:2]) == [2, 3]
    assert (numbers[2], store.last_arrival) == (0, 3)
    take(store, ada.run())
    assert [store.arrival_of(entry.id) for entry in ada.log()] == [*numbers[:2], 4]


def test_a_stub_that_is_filled_arrives_anew(store: NodeStore) -> None:
    """Who confirmed before has its header, and nobody knows whether it has the text."""
    ada = Person(1)
    ada.posts(2)
    meet(store, ada)
    take(store, ada.run(stubs={0}))
    stub, whole = (store.arrival_of(entry.id) for entry in ada.log())
    take(store, ada.run(last=0))
    assert store.arrival_of(ada.log()[0].id) > max(stub, whole)
    assert store.arrival_of(ada.log()[1].id) == whole


def test_a_stub_that_came_last_gets_another_number_too(store: NodeStore) -> None:
    """Numbers are used once."""
    ada = Person(1)
    ada.posts(1)
    meet(store, ada)
    take(store, ada.run(stubs={0}))
    stub = store.arrival_of(ada.log()[0].id)
    assert stub == store.last_arrival
    take(store, ada.run())
    assert store.arrival_of(ada.log()[0].id) == store.last_arrival == stub + 1


def test_what_arrived_since_is_counted_by_log_and_by_who_brought_it(store: NodeStore) -> None:
    """From the middle of what came together, too."""
    me, ada = Person(9), Person(1)
    me.posts(2)
    ada.posts(5)
    store.ingest([me.verified_ident()], received_ms=RECEIVED_MS, via=OWN)
    meet(store, ada)
    before = store.last_arrival
    take(store, ada.run())
    store.append(posts_of(me), me.signed(), received_ms=RECEIVED_MS)
    of_ada = Arrived(ada.identity, posts_of(ada), VIA, 5)
    of_me = Arrived(me.identity, posts_of(me), OWN, 2)
    assert sorted(store.arrived_since(before)) == sorted([of_ada, of_me])
    assert sorted(store.arrived_since(before + 2)) == sorted([of_ada._replace(entries=3), of_me])
    assert store.arrived_since(before + 5) == [of_me]
    assert store.arrived_since(store.last_arrival) == []
    everything = store.arrived_since(0)
    assert sum(each.entries for each in everything) == store.last_arrival == 9
    assert Arrived(ada.identity, LogKey(ada.device, CHANNEL_IDENTITY), VIA, 1) in everything


def test_what_a_peer_is_known_to_have_is_replaced_as_a_whole(store: NodeStore) -> None:
    """By device; of a stranger nothing is known."""
    device = Person(1).device
    assert store.delivered(device) == NOTHING_DELIVERED
    store.remember_delivered(device, DELIVERED)
    assert store.delivered(device) == DELIVERED
    store.remember_delivered(device, replace(DELIVERED, arrival=18, sent=()))
    assert store.delivered(device) == replace(DELIVERED, arrival=18, sent=())
    assert store.delivered(Person(2).device) == NOTHING_DELIVERED


def test_all_that_were_met_are_listed(store: NodeStore) -> None:
    """Also those of whom nothing more is known."""
    one, two = Person(1).device, Person(2).device
    assert store.peers_met() == {}
    met = replace(NO_MEMORY, nonce=b"n" * 8)
    for device in (one, two):
        store.remember_peer(device, met)
    store.remember_delivered(one, DELIVERED)
    assert store.peers_met() == {one: (met, DELIVERED), two: (met, NOTHING_DELIVERED)}


def test_those_met_longest_ago_are_forgotten_first(
    store: NodeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers that come and go cannot fill the disk."""
    for module in (memory, sqlite_delivery):
        monkeypatch.setattr(module, "MAX_PEER_MEMORIES", 2)
    devices = [Person(seed).device for seed in range(3)]
    for device in devices:
        store.remember_delivered(device, DELIVERED)
    assert [store.delivered(device) for device in devices] == [
        NOTHING_DELIVERED,
        DELIVERED,
        DELIVERED,
    ]


def test_what_was_confirmed_counts_for_the_same_peer_alone() -> None:
    """Not for a store that was begun anew, nor for one that wants something else."""
    memory_then = replace(NO_MEMORY, nonce=b"n" * 8, counter=3, roster=b"r" * 32)
    assert DELIVERED.holds_for(memory_then, b"r" * 32)
    assert DELIVERED.holds_for(replace(memory_then, counter=4), b"r" * 32)
    assert not DELIVERED.holds_for(replace(memory_then, nonce=b"m" * 8), b"r" * 32)
    assert not DELIVERED.holds_for(memory_then, b"s" * 32)
    assert not NOTHING_DELIVERED.holds_for(NO_MEMORY, b"")


def test_followers_are_those_who_have_not_taken_it_back(store: NodeStore) -> None:
    """As far as their words are here."""
    ada, bob, cleo = Person(1), Person(2), Person(3)
    follow = bob.follow(ada.identity)
    cleo.follow(ada.identity)
    cleo.follow(bob.identity)
    meet(store, ada, bob, cleo)
    assert store.followers(ada.identity) == []
    for person in (bob, cleo):
        take(store, person.run(CHANNEL_IDENTITY))
    assert store.followers(ada.identity) == sorted([bob.identity, cleo.identity])
    (said,) = store.follows(bob.identity)
    assert said.entry == follow.id
    bob.write(CHANNEL_IDENTITY, Withdraw((follow.id,)))
    take(store, bob.run(CHANNEL_IDENTITY))
    assert store.followers(ada.identity) == [cleo.identity]
    assert store.followers(cleo.identity) == []


def test_posts_of_nobody_leave_no_number(store: NodeStore) -> None:
    """What was refused has not arrived."""
    ada = Person(1)
    ada.posts(1)
    take(store, ada.run())
    assert (store.last_arrival, store.arrived_since(0)) == (0, [])
    assert store.head(LogKey(ada.device, CHANNEL_POSTS)).seq == -1
