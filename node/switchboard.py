"""All live sessions of a node: who may connect, which link counts, what each is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias

import trio

from ..protocol.frames import ByeReason
from ..protocol.ident import VerifiedIdent
from ..protocol.invite import hash_token
from ..protocol.range_messages import SALT_BYTES
from ..protocol.roster import Roster
from ..store.base import NodeStore, Outcome, Peer, StoreError
from ..sync.offers import Offers
from ..sync.session import Session
from .blocks import blocks_of, work_out_blocks
from .carriers.base import Link
from .clock import RandomBytes, WallClock
from .errors import ServiceError
from .events import Events, LinkNotice, LinkState
from .exchange import DialError, Exchange
from .greetings import OWN_END, is_ended, may_greet
from .interest import other_devices, roster_of
from .links import ExchangeEnd, LiveLink, OnNews
from .logs import Log
from .peer_clocks import keep_clock
from .peering import forget_token
from .sessions import FAREWELL_S, Bell, LiveSession


@dataclass(frozen=True, slots=True)
class Dialled:
    """A link to a peer that has proven itself."""

    link: Link
    address: str


class Dial(Protocol):
    """Opens links: tries the addresses of a peer in order."""

    async def __call__(self, peer: Peer) -> Dialled:
        """Return a link on which both sides are proven.

        Raises:
            DialError: no address led to this peer.
        """
        ...


BeforeSending: TypeAlias = Callable[[], None]
"""Called before anything new of this device may reach a peer; raises ServiceError to stop it."""


def sends_freely() -> None:
    """Send whatever a device has written that has no home."""


class Switchboard:
    """The sessions of one node, at most one for each device of a peer."""

    def __init__(
        self,
        store: NodeStore,
        identity: bytes,
        device: bytes,
        dial: Dial,
        *,
        clock: WallClock,
        random_bytes: RandomBytes,
        log: Log,
        most_links: int,
        silence_s: float,
        before_sending: BeforeSending = sends_freely,
    ) -> None:
        self._before_sending = before_sending
        self._unsendable = ""
        """Why nothing may be sent; empty if it may."""
        self._store = store
        self.identity: Final = identity
        self._own_device = device
        self._dial = dial
        self._clock = clock
        self._random_bytes = random_bytes
        self._log = log
        self._most_links = most_links
        self._silence_s = silence_s
        self._offers = Offers(store)
        self._followed: frozenset[bytes] = frozenset()
        """Who is let in, besides known peers."""
        self._roster = self._roster_now()
        self._elsewhere = other_devices(store, identity, device)
        self._live: dict[bytes, LiveSession] = {}
        self._dialling: dict[bytes, trio.Lock] = {}
        self._nursery: trio.Nursery | None = None
        self._closing = False
        self._has_ended = False
        """Whether it was said that this device has ended."""
        self.listening: Sequence[str] = ()
        self.peers_moved: Final = Bell()
        """Rings when peers were added, changed or removed."""
        self.events: Final = Events()
        """What programs that listen are told."""
        self.stored: Final = Bell()
        """Rings when entries were committed, own ones or a peer's."""
        self.heard_out: Final = Bell()
        """Rings when a session has got all that its peer has for this node."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the sessions until cancelled or closed; none can begin before this."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    async def close(self, reason: ByeReason) -> None:
        """Say BYE to everyone, wait a moment for their answers, and end `run`."""
        self._closing = True
        live = list(self._live.values())
        for one in live:
            one.say_goodbye(reason)
        with trio.move_on_after(2 * FAREWELL_S):
            for one in live:
                await one.finished.wait()
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    # Who may connect

    def admit(self, ident: VerifiedIdent, device: bytes, token: bytes) -> bool:
        """Decide about a caller that has proven its identity and device.

        People who are followed, known peers and other devices of this identity are let in; a
        stranger only with a valid one-time token, which makes it a peer. A device that has
        ended is not, whoever it was.
        """
        identity = ident.identity
        if identity in self._offers.blocked:
            self._log.info("blocked identity refused", peer=identity, device=device)
            return False
        known = identity in self._followed or any(
            peer.identity == identity for peer in self._store.peers()
        )
        if known:
            self._learn(ident)
        if not may_greet(self._store, ident, device):
            self._log.info("ended device refused", peer=identity, device=device)
            return False
        invited = (
            not known and token != b"" and self._store.use_invite(hash_token(token), self._clock())
        )
        if not known and not invited:
            self._log.info("stranger refused", peer=identity, device=device)
            return False
        self._learn(ident)
        if invited:
            self._log.info("invited peer added", peer=identity, device=device)
            self._store.put_peer(_peer_of(ident, device))
        return True

    def _learn(self, ident: VerifiedIdent) -> None:
        """Take up what a greeting proves, and tell the others if it was news."""
        held = self._store.ident(ident.identity)
        if held is not None:
            devices = {run.device for run in held.first_entries}
            records = {record.hash for _, record in held.records}
            if devices >= {one.certificate.device for one in ident.devices} and records >= {
                record.hash for _, record in ident.records
            }:
                return
        (told,) = self._store.ingest([ident], received_ms=self._clock(), via=ident.identity.hex())
        if told.outcome is Outcome.STORED:
            self._offer(besides=None)

    # Which link counts

    def attach(self, link: Link, *, address: str, outgoing: bool) -> LiveSession | None:
        """Begin the session of a proven link, unless another one counts.

        Of two links to one device the newer counts, since whoever dials knows of no live one.
        Only where both sides dialled at the same time, which shows by a call that comes in
        before ours was answered, that of the device with the lower key counts, so that both
        drop the same.

        Returns:
            The session that counts now: the new one, or the one that was there; None if there
            is none because this node has no room or is closing.
        """
        device = link.peer_device
        existing = self._live.get(device)
        crossing = existing is not None and existing.outgoing and not existing.greeted
        if existing is not None and crossing and not outgoing and self._own_device < device:
            self._tasks.start_soon(link.aclose)
            return existing
        if self._closing or (existing is None and len(self._live) >= self._most_links):
            self._log.warning("no room for a link", peer=link.peer_identity)
            self._tasks.start_soon(link.aclose)
            return None
        if existing is not None:
            existing.say_goodbye(ByeReason.BUSY, "another link to this node is newer")
        if not self._may_send():
            self._tasks.start_soon(link.aclose)
            return None
        session = Session(
            self._store,
            roster=self._roster,
            identity=self.identity,
            peer_device=device,
            peer_identity=link.peer_identity,
            offers=self._offers,
            initiator=outgoing,
            salt=self._random_bytes(SALT_BYTES),
        )
        live = LiveSession(
            link,
            session,
            address=address,
            outgoing=outgoing,
            clock=self._clock,
            log=self._log,
            heard_out=self.heard_out,
        )
        if existing is not None:
            existing.replaced_by = live
        self._live[device] = live
        self._tasks.start_soon(self._carry, live)
        return live

    async def take(self, link: Link, source: str) -> None:
        """Carry the session of a caller that was admitted, until it ends."""
        live = self.attach(link, address=source, outgoing=False)
        if live is not None and live.link is link:
            await live.finished.wait()

    async def connect(self, peer: Peer) -> LiveSession:
        """Return the live session with a peer, dialling if there is none.

        Raises:
            DialError: it was not reached.
        """
        async with self._dialling.setdefault(peer.device, trio.Lock()):
            live = self._live.get(peer.device)
            if live is not None:
                return live
            dialled = await self._dial(peer)
            live = self.attach(dialled.link, address=dialled.address, outgoing=True)
            if live is None:
                why = self._unsendable or "this node has no room for another link"
                raise DialError("failed", why, peer.name)
            return live

    async def _carry(self, live: LiveSession) -> None:
        link = live.link
        peer, device = link.peer_identity, link.peer_device
        self._log.info(
            "link up", peer=peer, device=device, address=live.address, outgoing=live.outgoing
        )
        self._tell(live, "up")
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, live)
                await live.run(
                    silence_s=self._silence_s,
                    on_stored=lambda: self._take_in(live),
                    on_introduced=self._meet_friends_of_friends,
                )
                nursery.cancel_scope.cancel()
        finally:
            self._tell(live, "down")
            if self._live.get(device) is live:
                del self._live[device]
            try:
                self._note_contact(live)
            except StoreError as error:
                self._log.failure("database failed", reason=str(error))
            counts = live.counts
            self._log.info(
                "link down",
                peer=peer,
                device=device,
                reason=live.failure or "farewell",
                entries_in=counts.entries_in,
                entries_out=counts.entries_out,
                bytes_in=counts.wire_bytes_in,
                bytes_out=counts.wire_bytes_out,
            )

    async def _watch(self, live: LiveSession) -> None:
        """Tell whenever a session gets in sync, and when it has something to do again."""
        in_sync = False
        while True:
            await live.moved.wait()
            if live.session.in_sync != in_sync:
                in_sync = not in_sync
                self._tell(live, "in_sync" if in_sync else "exchanging")

    def _tell(self, live: LiveSession, state: LinkState) -> None:
        link = live.link
        self.events.link(LinkNotice(link.peer_identity, link.peer_device, live.address, state))

    def _note_contact(self, live: LiveSession) -> None:
        if not live.greeted:
            return
        device = live.link.peer_device
        forget_token(self._store, device)
        known = next((peer for peer in self._store.peers() if peer.device == device), None)
        if known is not None and live.clock is not None:
            keep_clock(self._store, device, live.clock)
        if known is not None and not live.failure:
            self._store.put_peer(replace(known, last_contact_ms=self._clock()))

    # What each is told

    def live(self) -> Sequence[LiveLink]:
        """Return the sessions that are going on."""
        return [
            LiveLink(
                device=one.link.peer_device,
                identity=one.link.peer_identity,
                address=one.address,
                outgoing=one.outgoing,
                since_ms=one.since_ms,
                in_sync=one.session.in_sync,
                counts=one.counts,
                peer_state=one.session.peer_state,
                offered=one.session.offered,
                clock=one.clock,
            )
            for one in self._live.values()
        ]

    def store_changed(self) -> None:
        """Own entries were committed: offer them."""
        self._offer(besides=None)

    def interest_changed(self) -> None:
        """Someone was followed or unfollowed, or the peers changed."""
        self._roster = self._roster_now()
        self._want()
        self.peers_moved.ring()

    def _meet_friends_of_friends(self) -> None:
        """People who are followed may have followed others: want what these say of themselves."""
        roster = self._roster_now()
        if roster.hash != self._roster.hash:
            self._roster = roster
            self._want()

    def _want(self) -> None:
        """Tell all live sessions what is wanted and offered now."""
        for one in self._live.values():
            if one.link.peer_identity in self._offers.blocked:
                one.say_goodbye(ByeReason.REFUSED, "this node does not talk to that identity")
                continue
            one.session.set_roster(self._roster)
            one.session.offers_changed()
            one.wake()

    def _take_in(self, live: LiveSession) -> None:
        """Offer what a peer has brought, and want whom another device of ours has followed."""
        self._offer(besides=live)
        elsewhere = other_devices(self._store, self.identity, self._own_device)
        if elsewhere != self._elsewhere:
            self._elsewhere = elsewhere
            work_out_blocks(self._store, self.identity, self._clock())
            self.interest_changed()

    def _roster_now(self) -> Roster:
        """Return what is wanted now, and let nothing be offered of who is blocked."""
        blocked = frozenset(blocks_of(self._store, self._clock()))
        self._offers.block(blocked)
        follows = self._store.follows(self.identity)
        self._followed = frozenset({self.identity, *(follow.identity for follow in follows)})
        return roster_of(self._store, self.identity, blocked=blocked)

    def _offer(self, *, besides: LiveSession | None) -> None:
        if self._live and not self._may_send():
            for one in self._live.values():
                one.say_goodbye(ByeReason.SHUTDOWN)
        self._part_from_ended()
        for one in self._live.values():
            if one is not besides:
                one.session.store_changed()
                one.wake()
        self.stored.ring()
        self.events.stored()

    def _part_from_ended(self) -> None:
        """Close the links of devices that have ended, wherever the record came from."""
        try:
            for one in self._live.values():
                if is_ended(self._store, one.link.peer_identity, one.link.peer_device):
                    one.show_out()
            if not self._has_ended and is_ended(self._store, self.identity, self._own_device):
                self._has_ended = True
                self._log.warning("this device has ended", reason=OWN_END)
        except StoreError as error:
            self._log.failure("database failed", reason=str(error))

    def _may_send(self) -> bool:
        try:
            self._before_sending()
        except ServiceError as error:
            self._log.failure("nothing can be sent", reason=error.message)
            self._unsendable = error.message
            return False
        self._unsendable = ""
        return True

    # Exchanging now

    async def exchange(
        self, peers: Sequence[Peer], timeout_s: float, on_news: OnNews
    ) -> list[ExchangeEnd]:
        """Exchange with peers until each is in sync, failed or out of time."""
        ends: dict[bytes, ExchangeEnd] = {}

        async def one(peer: Peer) -> None:
            exchange = Exchange(peer, self._live.get(peer.device), on_news)
            ends[peer.device] = await exchange.run(self.connect, timeout_s)

        async with trio.open_nursery() as nursery:
            for peer in peers:
                nursery.start_soon(one, peer)
        return [ends[peer.device] for peer in peers]

    @property
    def _tasks(self) -> trio.Nursery:
        if self._nursery is None:
            raise RuntimeError("the switchboard is not running")
        return self._nursery


def _peer_of(ident: VerifiedIdent, device: bytes) -> Peer:
    certificate = next(one.certificate for one in ident.devices if one.certificate.device == device)
    return Peer(ident.identity, device, certificate.box_public, (), certificate.label, 0)
