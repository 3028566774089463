"""Nodes of a world: a store, an owner and sessions, and what can happen to them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ..protocol.content import Follow, Post
from ..protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, Entry
from ..protocol.frames import NONCE_BYTES, LogState
from ..protocol.ident import verify_ident
from ..protocol.range_messages import SALT_BYTES
from ..protocol.roster import Depth, Roster, RosterRow
from ..store.base import OWN, LogKey
from ..store.memory import MemoryStore
from ..sync.offers import Offers
from ..sync.session import Session
from .contact import Conditions, Contact, Tamper
from .people import SeededPerson, derive_seed
from .world import World


class SimulatedNode:
    """A node of a world, with the store and the sync of every other node."""

    def __init__(self, world: World, name: str) -> None:
        """Make a node and its owner; both follow from the world's seed and the name."""
        self.name: Final = name
        self.tamper: Tamper | None = None
        self.clock_error_ms = 0
        self._world = world
        self._seed = derive_seed(str(world.seed).encode().ljust(32, b"."), name)
        self._devices = 0
        self._instances = 0
        self._sessions = 0
        self.contacts: Final[list[Contact]] = []
        """Those that are open."""
        self.owner: SeededPerson
        self.store: MemoryStore
        self._offers: Offers
        self._begin(self._empty_store())
        self._take_up_pen()

    @property
    def identity(self) -> bytes:
        """Identity of its owner."""
        return self.owner.identity

    @property
    def device(self) -> bytes:
        """The device with which its owner writes now."""
        return self.owner.device.public

    def clock_ms(self) -> int:
        """Return what its clock shows."""
        return max(0, self._world.now_ms + self.clock_error_ms)

    # What its owner does

    def post(self, text: str) -> Entry:
        """Write a post."""
        return self._write(CHANNEL_POSTS, Post(text))

    def follow(self, people: Iterable[bytes]) -> None:
        """Follow identities."""
        for identity in people:
            if identity != self.identity:
                self._write(CHANNEL_IDENTITY, Follow(identity))

    def _write(self, channel: int, content: Post | Follow) -> Entry:
        entry = self.owner.write(channel, content, self.clock_ms())
        signature = self.owner.logs[channel].signatures[-1]
        key = LogKey(self.device, channel)
        self.store.append(key, [(entry, signature)], received_ms=self.clock_ms())
        self._world.note("wrote", self.name, entry.id)
        self._offer_news(besides=None)
        return entry

    # What happens to it

    def crash(self) -> None:
        """Lose every link and everything that was not committed."""
        self._world.note("crash", self.name)
        for contact in list(self.contacts):
            contact.cut()
        self._offers = Offers(self.store)

    def backup(self) -> MemoryStore:
        """Return a copy of the store as it is now."""
        return copy.deepcopy(self.store)

    def restore(self, backup: MemoryStore) -> None:
        """Go on with an older copy of the store, as its owner's other device.

        The old device key is never used again: that is what keeps a restored backup from
        forking.
        """
        self._world.note("restore", self.name)
        for contact in list(self.contacts):
            contact.cut()
        self._begin(copy.deepcopy(backup))
        self._take_up_pen()

    def wipe(self) -> None:
        """Lose the disk; the owner goes on with the 24 words."""
        self.restore(self._empty_store())

    def _empty_store(self) -> MemoryStore:
        self._instances += 1
        return MemoryStore(derive_seed(self._seed, "store", self._instances)[:NONCE_BYTES])

    def _begin(self, store: MemoryStore) -> None:
        self.store = store
        self._offers = Offers(store)

    def _take_up_pen(self) -> None:
        self.owner = SeededPerson(
            self._seed,
            label=self.name,
            from_ms=self.clock_ms(),
            device_number=self._devices,
        )
        self._devices += 1
        ident = verify_ident(self.owner.ident)
        self.store.ingest([ident], received_ms=self.clock_ms(), via=OWN)
        self._world.note("device", self.name, self.device)

    # As contacts see it

    @property
    def roster(self) -> Roster:
        """What it wants: everything of itself and of whom its owner follows."""
        followed = {follow.identity for follow in self.store.follows(self.identity)}
        return Roster(
            RosterRow(identity, CHANNEL_POSTS, Depth.EVERYTHING, 0)
            for identity in followed | {self.identity}
        )

    def session(self, *, peer_identity: bytes, peer_device: bytes, initiator: bool) -> Session:
        """Begin a session with a peer."""
        self._sessions += 1
        return Session(
            self.store,
            roster=self.roster,
            identity=self.identity,
            peer_device=peer_device,
            peer_identity=peer_identity,
            offers=self._offers,
            initiator=initiator,
            salt=derive_seed(self._seed, "session", self._sessions)[:SALT_BYTES],
        )

    def contact_ended(self, contact: Contact) -> None:
        """Take note that a contact is over."""
        if contact in self.contacts:
            self.contacts.remove(contact)

    def stored(self, contact: Contact) -> None:
        """Offer what came over one contact to all others."""
        self._offer_news(besides=contact)

    def _offer_news(self, *, besides: Contact | None) -> None:
        for contact in list(self.contacts):
            if contact is not besides:
                contact.offer(self)

    # What can be seen of it

    def states(self, people: Iterable[bytes]) -> list[LogState]:
        """Return the states of the logs that it holds of some people, in order."""
        wanted = Roster(
            RosterRow(identity, CHANNEL_POSTS, Depth.EVERYTHING, 0) for identity in set(people)
        )
        return sorted(self.store.states(wanted))

    def held_ids(self) -> set[bytes]:
        """Return the ids of all entries that it holds."""
        return {entry.id for entry in self.held()}

    def held(self) -> Iterator[Entry]:
        """Yield every entry that it holds, of everybody it knows."""
        for log in self.store.logs():
            for held in log.entries.values():
                yield held.entry


def meet(
    world: World,
    dialler: SimulatedNode,
    answerer: SimulatedNode,
    conditions: Conditions,
    *,
    until_us: int,
) -> Contact:
    """Open a contact between two nodes, until it is cut or both are in sync."""
    contact = Contact(world, (dialler, answerer), conditions, until_us=until_us)
    if not contact.is_over:
        for node in (dialler, answerer):
            node.contacts.append(contact)
    return contact


def every(
    world: World, first_us: int, period_us: int, end_us: int, action: Callable[[], None]
) -> None:
    """Plan something again and again, from ``first_us`` up to ``end_us``."""

    def once() -> None:
        action()
        if world.now_us + period_us <= end_us:
            world.call_after(period_us, once)

    if first_us <= end_us:
        world.call_at(first_us, once)
