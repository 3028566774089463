"""A contact: two nodes of a world and the link between them, from its first message to its end.

Sessions want an ordered stream. Below it a link loses, doubles and reorders packets; what is
lost is sent again after a while, until the link is given up. Whoever has to wait, waits in
virtual time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from ..protocol.errors import SlowlightError
from ..sync.session import Session
from .pair import MESSAGE_OVERHEAD_BYTES
from .world import SECOND_US, World

MAX_TRIES: Final = 8
"""A packet that is lost so often in a row ends the contact."""

RETRY_US: Final = SECOND_US // 5
"""How long a sender waits beyond the way there and back before it sends a packet again."""

Tamper: TypeAlias = Callable[[bytes], list[bytes]]
"""What a hostile node sends instead of one message: none, another one, or several."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a link does to what is sent over it."""

    delay_us: int = 0
    """One way."""
    jitter_us: int = 0
    """At most so much longer, each packet by itself: packets overtake each other."""
    bytes_per_s: int = 0
    """0: as fast as one likes."""
    loss: float = 0.0
    """Part of the packets that never arrives, 0..1."""
    doubling: float = 0.0
    """Part of the packets that arrives twice."""


GOOD: Final = Conditions()


class Party(Protocol):
    """A node as contacts see it."""

    @property
    def name(self) -> str:
        """What traces call it."""
        ...

    @property
    def identity(self) -> bytes:
        """Whose it is."""
        ...

    @property
    def device(self) -> bytes:
        """With which device it meets others."""
        ...

    @property
    def tamper(self) -> Tamper | None:
        """What it does to its messages; None: an honest one."""
        ...

    def session(self, *, peer_identity: bytes, peer_device: bytes, initiator: bool) -> Session:
        """Begin a session with a peer, which a handshake would have proven."""
        ...

    def clock_ms(self) -> int:
        """Return what its clock shows."""
        ...

    def contact_ended(self, contact: Contact) -> None:
        """Take note that a contact is over."""
        ...

    def stored(self, contact: Contact) -> None:
        """Take note that something was committed that came over a contact."""
        ...


class _Direction:
    """One way of a link: packets in, the same packets in the same order out."""

    def __init__(self, world: World, conditions: Conditions, chance: random.Random) -> None:
        self._world = world
        self._conditions = conditions
        self._chance = chance
        self._free_us = world.now_us
        """When the link has sent all that was given to it."""
        self._last_us = world.now_us
        """When the packet before arrives."""
        self.bytes = 0
        self.doubled = 0

    def arrival_us(self, message: bytes) -> int | None:
        """Return when a message is delivered that is sent now; None: never, the link is dead."""
        link = self._conditions
        size = len(message) + MESSAGE_OVERHEAD_BYTES
        self.bytes += size
        start_us = max(self._world.now_us, self._free_us)
        takes_us = size * SECOND_US // link.bytes_per_s if link.bytes_per_s else 0
        self._free_us = start_us + takes_us
        waited_us = 0
        for _ in range(MAX_TRIES):
            if self._chance.random() >= link.loss:
                break
            waited_us += 2 * link.delay_us + RETRY_US
        else:
            return None
        if link.doubling and self._chance.random() < link.doubling:
            self.doubled += 1  # the stream drops it: it has that packet already
        jitter_us = self._chance.randrange(link.jitter_us + 1) if link.jitter_us else 0
        arrives_us = self._free_us + waited_us + link.delay_us + jitter_us
        self._last_us = max(self._last_us, arrives_us)
        return self._last_us


class Contact:
    """Two sessions and the link between them."""

    def __init__(
        self,
        world: World,
        parties: tuple[Party, Party],
        conditions: Conditions,
        *,
        until_us: int,
    ) -> None:
        """Open a contact; the first party dials.

        Args:
            until_us: when the link is cut, whatever is on its way.
        """
        self._world = world
        self.parties: Final = parties
        chance = world.chance("contact", *(party.name for party in parties), world.now_us)
        self._ways = tuple(_Direction(world, conditions, chance) for _ in parties)
        first, second = parties
        self.sessions: Final = (
            _session(first, second, initiator=True),
            _session(second, first, initiator=False),
        )
        self.is_over = False
        self.fault = ""
        """Why it ended, if somebody broke the protocol."""
        for session in self.sessions:
            session.start()
            session.finish()
        world.call_at(until_us, self.cut)
        for end in (0, 1):
            self._send(end)

    @property
    def wire_bytes(self) -> int:
        """Bytes of both directions, the link's framing counted."""
        return sum(way.bytes for way in self._ways)

    @property
    def in_sync(self) -> bool:
        """Each side has confirmed that it wants nothing more of the other."""
        return all(session.in_sync for session in self.sessions)

    def cut(self) -> None:
        """End the contact where it stands."""
        if self.is_over:
            return
        self.is_over = True
        for session in self.sessions:
            if not session.over:
                session.link_lost()
        for party in self.parties:
            party.contact_ended(self)

    def offer(self, party: Party) -> None:
        """Let a party offer what it has got from elsewhere meanwhile."""
        end = self.parties.index(party)
        if not self.is_over and not self.sessions[end].over:
            self.sessions[end].store_changed()
            self._send(end)

    def _send(self, end: int) -> None:
        session, party = self.sessions[end], self.parties[end]
        while not self.is_over:
            message = session.next_message(party.clock_ms())
            if message is None:
                break
            for packet in [message] if party.tamper is None else party.tamper(message):
                self._put(end, packet)
        if not self.is_over and all(session.over for session in self.sessions):
            self.cut()

    def _put(self, end: int, packet: bytes) -> None:
        arrives_us = self._ways[end].arrival_us(packet)
        if arrives_us is None:
            self.cut()
        else:
            self._world.call_at(arrives_us, lambda: self._arrive(1 - end, packet))

    def _arrive(self, end: int, packet: bytes) -> None:
        if self.is_over:
            return
        session, party = self.sessions[end], self.parties[end]
        if session.over:
            return
        before = session.progress.entries_in
        try:
            session.receive(packet)
            session.commit(party.clock_ms())
        except SlowlightError as error:
            self.fault = f"{self.parties[1 - end].name}: {error}"
            self._world.note("fault", self.parties[1 - end].name, type(error).__name__)
            self.cut()
            return
        if session.progress.entries_in != before:
            self._world.note("took", party.name, session.progress.entries_in - before)
            party.stored(self)
        self._send(end)


def _session(party: Party, peer: Party, *, initiator: bool) -> Session:
    return party.session(peer_identity=peer.identity, peer_device=peer.device, initiator=initiator)
