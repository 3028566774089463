"""How revocations and rotations spread: whoever syncs knows the same end of a log."""

from __future__ import annotations

import pytest

from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, log_id
from slowlight.protocol.ident import records_id
from slowlight.store.base import LogKey, NodeStore
from slowlight.store.sqlite import SqliteStore
from tests.owners import ended_device, open_device, revoked, rotated, said, with_records
from tests.people import Person
from tests.stores import OpenStore, posts_of
from tests.sync_ends import Link, Node, meet


@pytest.fixture
def laptop() -> Person:
    """A person at a first device, with a few posts."""
    person = Person(1)
    person.posts(3)
    return person


@pytest.fixture
def phone() -> Person:
    """The same person at a second device."""
    person = Person(1, device_number=1)
    person.posts(10)
    return person


def shown(store: NodeStore) -> set[bytes]:
    """Return the ids of all posts that a store shows."""
    return {post.held.entry.id for post in store.timeline(limit=1_000)}


def offers_alike(one: Node, two: Node) -> bool:
    """Say whether two nodes would offer the same."""
    return one.offers.index(one.roster).digest() == two.offers.index(one.roster).digest()


def two_nodes(open_store: OpenStore, laptop: Person) -> tuple[Node, Node]:
    """Return two nodes that want a person, and hold nothing of her."""
    return (
        Node(Person(7), laptop, store=open_store()),
        Node(Person(8), laptop, store=open_store()),
    )


def test_records_alone_reach_who_knows_all_entries(
    open_store: OpenStore, laptop: Person, phone: Person
) -> None:
    """Two nodes that differ in nothing but a revocation end alike, whoever dials."""
    for first_dials in (True, False):
        one, two = two_nodes(open_store, laptop)
        for node in (one, two):
            node.take_all(laptop)
            node.take_all(phone)
        meet(one, two)
        one.take(with_records(laptop, revoked(phone, (CHANNEL_POSTS, 4))))
        assert not offers_alike(one, two)
        link = meet(one, two) if first_dials else meet(two, one)
        assert sum(end.progress.idents_out for end in link.ends) == 1
        assert sum(end.progress.runs_out for end in link.ends) == 0
        assert offers_alike(one, two)
        assert shown(one.store) == shown(two.store)
        assert len(shown(two.store)) == 3 + 5
        again = meet(one, two)
        assert sum(end.progress.idents_out for end in again.ends) == 0


def test_each_brings_what_the_other_lacks(
    open_store: OpenStore, laptop: Person, phone: Person
) -> None:
    """A rotation here, a revocation of its epoch there, and of another epoch too."""
    one, two = two_nodes(open_store, laptop)
    rotation = rotated(laptop, open_device(laptop), open_device(phone))
    end = revoked(phone, (CHANNEL_POSTS, 4), epoch=1)
    for node in (one, two):
        node.take_all(laptop)
        node.take_all(phone)
    one.take(with_records(laptop, revoked(laptop)))
    two.take(with_records(laptop, rotation, end))
    meet(one, two)
    assert offers_alike(one, two)
    ident = one.store.ident(laptop.identity)
    assert ident is not None
    assert set(ident.records) == {rotation, end}
    assert shown(one.store) == shown(two.store)
    assert len(shown(one.store)) == 3 + 5


def test_a_revocation_is_told_while_a_session_lasts(
    open_store: OpenStore, laptop: Person, phone: Person
) -> None:
    """It goes out at once, and is not sent back to where it came from."""
    one, two = two_nodes(open_store, laptop)
    for node in (one, two):
        node.take_all(laptop)
        node.take_all(phone)
    link = Link(one, two)
    link.talk()
    before = link.ends[0].progress.idents_out
    one.take(with_records(laptop, revoked(phone)))
    link.ends[0].store_changed()
    link.talk()
    assert link.ends[0].progress.idents_out == before + 1
    assert len(shown(two.store)) == 3
    link.ends[1].store_changed()
    link.talk()
    assert link.ends[1].progress.idents_out == 0
    assert offers_alike(one, two)


def test_a_record_spreads_that_voids_the_device_which_published_it(
    open_store: OpenStore, laptop: Person, phone: Person
) -> None:
    """Its own entry is void and travels no further; the record does."""
    phone.write(CHANNEL_IDENTITY, said(revoked(phone)))
    one, two = two_nodes(open_store, laptop)
    one.take_all(laptop)
    one.take_all(phone)
    assert len(shown(one.store)) == 3
    meet(two, one)
    assert shown(two.store) == shown(one.store)
    assert two.store.held(LogKey(phone.device, CHANNEL_IDENTITY))[-1].last == 0
    assert two.store.held(posts_of(phone)) == []
    assert offers_alike(one, two)


def test_nobody_wants_what_is_void(open_store: OpenStore, laptop: Person, phone: Person) -> None:
    """Who knows the end of a log asks for it by its id, and gets it without what follows."""
    one, two = two_nodes(open_store, laptop)
    for node in (one, two):
        node.take_all(laptop)
    two.take_all(phone)
    one.take(with_records(laptop, revoked(phone, (CHANNEL_POSTS, 4)), devices=[phone]))
    meet(one, two)
    meet(one, two)
    assert [tuple(span) for span in one.store.held(posts_of(phone))] == [(0, 4)]
    assert [tuple(span) for span in two.store.held(posts_of(phone))] == [(0, 9)]
    assert shown(one.store) == shown(two.store)
    assert offers_alike(one, two)
    # And it hands on what it can prove by the record alone.
    three = Node(Person(9), laptop, store=open_store())
    meet(three, one)
    assert shown(three.store) == shown(one.store)
    assert offers_alike(three, one)


def test_what_stands_again_is_offered_again(
    open_store: OpenStore, laptop: Person, phone: Person
) -> None:
    """The next rotation opens the device: what one has of it the other gets."""
    one, two = two_nodes(open_store, laptop)
    for node in (one, two):
        node.take_all(laptop)
        node.take(with_records(laptop, revoked(phone, (CHANNEL_POSTS, 4)), devices=[phone]))
    two.take_all(phone)
    meet(one, two)
    assert one.store.head(posts_of(phone)).seq == 4
    rotation = rotated(laptop, open_device(laptop), open_device(phone))
    two.take(with_records(laptop, rotation))
    meet(one, two)
    assert len(shown(one.store)) == 13
    assert offers_alike(one, two)


def test_another_branch_at_the_end_breaks_no_session(
    open_store: OpenStore, laptop: Person, phone: Person
) -> None:
    """An honest relay that holds what forks off below the end leaves the range out."""
    other = phone.forked(CHANNEL_POSTS, 3)
    other.posts(7)
    one, two = two_nodes(open_store, laptop)
    two.take_all(laptop)
    two.take_all(other)
    one.take(
        with_records(laptop, revoked(phone, (CHANNEL_POSTS, 4)), devices=[phone]),
        *laptop.runs(CHANNEL_POSTS),
    )
    meet(one, two)
    assert one.store.held(posts_of(phone)) == []
    assert shown(one.store) == {entry.id for entry in laptop.log()}


def test_the_state_of_records_names_them(open_store: OpenStore, laptop: Person) -> None:
    """Identities without records have none, so nothing changes for them."""
    node = Node(Person(7), laptop, store=open_store())
    node.take_all(laptop)
    states = {state.log: state for state in node.store.states(node.roster)}
    assert set(states) == {log_id(laptop.device, channel) for channel in laptop.logs}
    rotation = rotated(laptop, ended_device(laptop, (CHANNEL_POSTS, 1)))
    node.take(with_records(laptop, rotation))
    states = {state.log: state for state in node.store.states(node.roster)}
    assert states[laptop.identity][1:] == (0, records_id([rotation[1].hash]))
    assert states[log_id(laptop.device, CHANNEL_POSTS)].seq == 1


def test_a_store_that_is_opened_again_knows_the_same(
    open_store: OpenStore, laptop: Person, phone: Person
) -> None:
    """Ends and records are on the disk."""
    store = open_store()
    if not isinstance(store, SqliteStore):
        return
    node = Node(Person(7), laptop, store=store)
    node.take_all(laptop)
    node.take_all(phone)
    node.take(with_records(laptop, revoked(phone, (CHANNEL_POSTS, 4))))
    before = (shown(store), sorted(store.states(node.roster)), store.standing(laptop.identity))
    other = SqliteStore(store.database.path)
    try:
        assert before == (
            shown(other),
            sorted(other.states(node.roster)),
            other.standing(laptop.identity),
        )
        assert other.change_counter == store.change_counter
    finally:
        other.close()
