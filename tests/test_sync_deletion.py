"""Deletions and payloads that come later, between nodes that meet."""

from __future__ import annotations

from slowlight.protocol.content import Delete, EntryRange
from slowlight.protocol.entry import CHANNEL_POSTS
from slowlight.store.base import LogKey, NodeStore
from slowlight.store.memory import MemoryStore
from tests.people import Person
from tests.stores import OpenStore
from tests.sync_ends import Node, meet


def holds(store: NodeStore, person: Person) -> list[int]:
    """Return the posts that are held with their payload."""
    held = (store.entry(entry.id) for entry in person.log())
    return [one.entry.seq for one in held if one and one.entry.payload is not None]


def test_a_payload_comes_later_from_whoever_has_it(open_store: OpenStore) -> None:
    """A peer that has only the stub answers with the stub, and is not asked twice in a session."""
    ada = Person(1)
    ada.posts(8)
    poor = Node(Person(2), ada, store=open_store())
    stubs = Node(Person(3), ada, store=MemoryStore(b"stubs..."))
    rich = Node(Person(4), ada, store=MemoryStore(b"rich...."))
    for node in (poor, stubs):
        node.take(ada.verified_ident(), ada.run(stubs={2, 3, 6}))
    rich.take_all(ada)
    link = meet(poor, stubs)
    asked = sum(end.progress.runs_in for end in link.ends)
    assert 1 <= asked <= 4  # what is missing, once in each direction
    assert holds(poor.store, ada) == [0, 1, 4, 5, 7]
    meet(poor, rich)
    assert holds(poor.store, ada) == list(range(8))
    assert len(poor.store.timeline()) == 8


def test_a_deleted_post_never_comes_back(open_store: OpenStore) -> None:
    """From a peer that has not heard of it yet; that peer drops its own in the same meeting."""
    ada = Person(1)
    ada.posts(4)
    late = Node(Person(2), ada, store=MemoryStore(b"late...."))
    late.take_all(ada)
    ada.write(CHANNEL_POSTS, Delete((EntryRange(CHANNEL_POSTS, 1, 2),)))
    fresh = Node(Person(3), ada, store=open_store())
    fresh.take(ada.verified_ident(), ada.run(first=4))
    meet(fresh, late)
    for node in (fresh, late):
        assert holds(node.store, ada) == [0, 3, 4]
    meet(late, fresh)
    for node in (fresh, late):
        assert holds(node.store, ada) == [0, 3, 4]
        assert list(node.store.holes(node.roster)) == []


def test_what_was_dropped_is_served_and_verified_whole(open_store: OpenStore) -> None:
    """A newcomer gets every header from one who dropped most payloads."""
    ada = Person(1)
    ada.posts(300)
    ada.write(CHANNEL_POSTS, Delete((EntryRange(CHANNEL_POSTS, 5, 290),)))
    holder = Node(Person(2), ada, store=open_store())
    holder.take_all(ada)
    newcomer = Node(Person(3), ada, store=MemoryStore(b"newcomer"))
    meet(newcomer, holder)
    (whole,) = newcomer.store.held(LogKey(ada.device, CHANNEL_POSTS))
    assert (whole.first, whole.last) == (0, 300)
    assert holds(newcomer.store, ada) == [*range(5), *range(291, 301)]
