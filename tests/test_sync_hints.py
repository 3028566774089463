"""What a node remembers of its peers is a hint: any of it may be wrong, old or gone."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from slowlight.protocol.entry import Entry
from slowlight.store.base import NO_MEMORY, NodeStore, PeerMemory
from slowlight.sync.offers import Offers

from .people import Person
from .sync_ends import Link, Node, meet, roster_of

PEOPLE = 11
"""More than a node may hold and still ask for the list of all states."""
NODES = 3

which = st.integers(0, NODES - 1)
who = st.integers(0, PEOPLE - 1)
digests = st.binary(min_size=16, max_size=16)
memories = st.builds(
    PeerMemory,
    nonce=st.binary(min_size=4, max_size=4),
    counter=st.integers(0, 60),
    roster=st.just(b"") | st.binary(min_size=32, max_size=32),
    acked=st.integers(0, 200),
    satisfied=st.just(b"") | digests,
    absent=st.binary(max_size=5).map(lambda seed: seed.ljust(8 * len(seed), b"\7")),
)


class Forgetful(RuleBasedStateMachine):
    """Nodes that write, meet, lose links, lose their memory and come back from backups."""

    @initialize()
    def begin(self) -> None:
        self.people = [Person(number) for number in range(1, PEOPLE + 1)]
        self.nodes = [
            Node(Person(100 + number), *self.people[number : number + PEOPLE - 1])
            for number in range(NODES)
        ]
        self.backups: list[NodeStore] = [copy.deepcopy(node.store) for node in self.nodes]

    @rule(node=which, person=who, count=st.integers(1, 3))
    def write(self, node: int, person: int, count: int) -> None:
        """Posts reach one node first."""
        author = self.people[person]
        entries = author.posts(count)
        run = author.run(1, entries[0].seq, entries[-1].seq)
        self.nodes[node].take(author.verified_ident(), run)

    @rule(one=which, other=which)
    def meet(self, one: int, other: int) -> None:
        """From HELLO to BYE."""
        if one != other:
            meet(self.nodes[one], self.nodes[other])

    @rule(one=which, other=which, cut_after=st.integers(0, 8), batch=st.integers(1, 3))
    def lose_the_link(self, one: int, other: int, cut_after: int, batch: int) -> None:
        """After any message."""
        if one != other:
            Link(self.nodes[one], self.nodes[other]).talk(cut_after=cut_after, batch=batch)

    @rule(node=which)
    def forget_everyone(self, node: int) -> None:
        """The table of peers is deleted."""
        for peer in self.nodes:
            self.nodes[node].store.remember_peer(peer.owner.device, NO_MEMORY)

    @rule(node=which, peer=which, memory=memories)
    def remember_nonsense(self, node: int, peer: int, memory: PeerMemory) -> None:
        """Nothing of it is true."""
        self.nodes[node].store.remember_peer(self.nodes[peer].owner.device, memory)

    @rule(node=which, peer=which, counter=st.integers(0, 200), acked=st.integers(0, 200))
    def remember_half(self, node: int, peer: int, counter: int, acked: int) -> None:
        """The nonce is right, and the numbers are not."""
        store = self.nodes[node].store
        device = self.nodes[peer].owner.device
        memory = store.peer_memory(device)
        store.remember_peer(device, replace(memory, counter=counter, acked=acked))

    @rule(node=which)
    def back_up(self, node: int) -> None:
        """A copy is put aside."""
        self.backups[node] = copy.deepcopy(self.nodes[node].store)

    @rule(node=which)
    def restore(self, node: int) -> None:
        """The copy is put back; what came since is lost there."""
        self.take_store(node, copy.deepcopy(self.backups[node]))

    @rule(node=which, nonce=st.binary(min_size=8, max_size=8))
    def restore_elsewhere(self, node: int, nonce: bytes) -> None:
        """The same, as another instance."""
        store = copy.deepcopy(self.backups[node])
        store._nonce = nonce  # type: ignore[attr-defined]
        self.take_store(node, store)

    @rule(node=which, first=st.integers(0, 3))
    def want_others(self, node: int, first: int) -> None:
        """Its owner follows others."""
        self.nodes[node].roster = roster_of(*self.people[first : first + PEOPLE - 2])

    def take_store(self, node: int, store: NodeStore) -> None:
        """Begin anew with another store."""
        self.nodes[node].store = store
        self.nodes[node].offers = Offers(store)

    @invariant()
    def a_digest_is_that_of_what_is_held(self) -> None:
        """The index that is kept up to date equals one that is made anew."""
        for node in getattr(self, "nodes", []):
            kept = node.offers.index(node.roster)
            anew = Offers(node.store).index(node.roster)
            assert kept.digest() == anew.digest()
            kept_part, new_part = (
                index.sketch().part(bytes(16), count=8) for index in (kept, anew)
            )
            assert kept_part == new_part

    def teardown(self) -> None:
        """Whatever was remembered: all meet, and everyone has what it wants and anyone has."""
        if not hasattr(self, "nodes"):
            return
        for _ in range(NODES):
            for one in range(NODES):
                for other in range(one):
                    meet(self.nodes[one], self.nodes[other])
        held: list[tuple[Person, Entry]] = [
            (person, entry)
            for person in self.people
            for entry in person.log()
            if any(node.store.entry(entry.id) is not None for node in self.nodes)
        ]
        for node in self.nodes:
            for person, entry in held:
                if node.roster.wants(person.identity, 1):
                    found = node.store.entry(entry.id)
                    assert found is not None
                    assert found.entry.payload == entry.payload
        for one in range(NODES):
            for other in range(one):
                quiet = Link(self.nodes[one], self.nodes[other])
                assert quiet.talk()
                ends = (self.nodes[one], self.nodes[other])
                if not any(list(node.store.holes(node.roster)) for node in ends):
                    assert quiet.messages == [1, 1]


def test_no_memory_of_a_peer_makes_anything_stall_or_be_skipped() -> None:
    run_state_machine_as_test(
        Forgetful, settings=settings(max_examples=40, stateful_step_count=25, deadline=None)
    )


@pytest.mark.long
def test_no_memory_of_a_peer_makes_anything_stall_or_be_skipped_in_many_lives() -> None:
    run_state_machine_as_test(
        Forgetful,
        settings=settings(
            max_examples=300,
            stateful_step_count=50,
            deadline=None,
            derandomize=True,
            database=None,
        ),
    )
