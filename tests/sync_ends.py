"""Nodes for tests of sync: a store, its owner, and sessions joined by an instant link."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from slowlight.protocol.roster import Depth, Roster, RosterRow
from slowlight.simulations.pair import Pair
from slowlight.store.base import Item, NodeStore
from slowlight.store.memory import MemoryStore
from slowlight.sync.offers import Offers
from slowlight.sync.session import Session

from .people import START_MS, Person


def roster_of(*people: Person, channels: Iterable[int] = (1,)) -> Roster:
    """Return a wish for everything that these people write."""
    wanted = list(channels)
    return Roster(
        RosterRow(person.identity, channel, Depth.EVERYTHING, 0)
        for person in people
        for channel in wanted
    )


class Node:
    """A store, its owner and what it wants; sessions come and go."""

    def __init__(self, owner: Person, *wants: Person, store: NodeStore | None = None) -> None:
        self.owner = owner
        self.store: NodeStore = store or MemoryStore(nonce=owner.identity[:8])
        self.offers = Offers(self.store)
        self.roster = roster_of(*wants)
        self.take(owner.verified_ident())

    def take(self, *batch: Item) -> None:
        """Put runs into the store as if they had come some other way."""
        self.store.ingest(batch, received_ms=START_MS, via="elsewhere")

    def take_all(self, person: Person) -> None:
        """Put everything that a person wrote into the store."""
        self.take(person.verified_ident())
        for channel in person.logs:
            self.take(*person.runs(channel))

    def holds_all(self, person: Person, channel: int = 1) -> bool:
        """Say whether every entry of a log is here with its payload."""
        return all(
            (held := self.store.entry(entry.id)) is not None and held.entry.payload == entry.payload
            for entry in person.log(channel)
        )

    def session(self, peer: Node, *, initiator: bool) -> Session:
        """Return a new session with another node."""
        return Session(
            self.store,
            roster=self.roster,
            identity=self.owner.identity,
            peer_device=peer.owner.device,
            peer_identity=peer.owner.identity,
            offers=self.offers,
            initiator=initiator,
            salt=self.owner.device[:8],
        )


class Link(Pair):
    """An instant link between two nodes."""

    def __init__(self, one: Node, two: Node, *, now_ms: int = START_MS) -> None:
        super().__init__(
            one.session(two, initiator=True), two.session(one, initiator=False), now_ms=now_ms
        )


def meet(one: Node, two: Node, *, before: Callable[[Link], None] | None = None) -> Link:
    """Let two nodes sync once, from HELLO to BYE."""
    link = Link(one, two)
    if before is not None:
        before(link)
    link.ends[0].finish()
    assert link.talk()
    assert link.ends[0].over
    assert link.ends[1].ended is not None
    return link
