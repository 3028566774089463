"""Who of the people of a node is near: announcements on the local network, heard and made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

import trio

from ..protocol.nearby import NONCE_BYTES, PAIRING_KEY, nearby_tag
from ..store.base import NodeStore, Peer
from .carriers.lan import Lan, LanError, Sighting
from .clock import RandomBytes
from .logs import Log
from .sessions import Bell

MAX_SEEN: Final = 64
"""Announcements that are kept; the oldest leaves. More nodes than this on one network find each
other by turns, since each announces itself anew every `NEW_NONCE_S`."""
MAX_KNOWN: Final = 1_024
"""Devices that are compared with each announcement, peers first: 65,536 hashes, 0.1 s of a machine
that hears a flood of them, at most every `RINGS_APART_S`."""
RINGS_APART_S: Final = 1.0
NEW_NONCE_S: Final = 600.0
"""How long one announcement can be recognised as the same."""
RETRY_S: Final = 60.0
"""A machine without a network looks again after this long."""


class Neighbourhood:
    """What is called out around this node, and which of it means somebody known."""

    def __init__(self, store: NodeStore, identity: bytes, device: bytes) -> None:
        self._store = store
        self._identity = identity
        self._device = device
        self._seen: dict[bytes, Sighting] = {}
        self._own: set[bytes] = set()
        self.moved: Final = Bell()
        """Rings when somebody came or went."""

    @property
    def pairing(self) -> Sequence[Sighting]:
        """Nodes of others whose people want to pair now, oldest first."""
        return [
            one
            for one in self._seen.values()
            if one.nonce not in self._own and one.tag == nearby_tag(PAIRING_KEY, one.nonce)
        ]

    def on_seen(self, sighting: Sighting) -> None:
        """Take in an announcement; the place of the oldest is taken if there are too many."""
        if self._seen.get(sighting.nonce) == sighting:
            return
        self._seen.pop(sighting.nonce, None)
        while len(self._seen) >= MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        self._seen[sighting.nonce] = sighting
        self.moved.ring()

    def on_gone(self, nonce: bytes) -> None:
        """Forget an announcement."""
        if self._seen.pop(nonce, None) is not None:
            self.moved.ring()

    def forget_all(self) -> None:
        """Forget everything: the network has gone."""
        self._seen.clear()
        self.moved.ring()

    def is_mine(self, nonce: bytes) -> None:
        """Note that an announcement is this node's own."""
        self._own.add(nonce)

    def was_mine(self, nonce: bytes) -> None:
        """Note that an own announcement was taken back."""
        self._own.discard(nonce)
        self.on_gone(nonce)

    def dialled(self) -> list[Peer]:
        """Return everybody worth dialling: peers with addresses, and known people who are near.

        An address of this network stands before those that were written down.
        """
        peers = {peer.device: peer for peer in self._store.peers()}
        others = [one for one in self._seen.values() if one.nonce not in self._own]
        if others:
            for peer in self._known(peers.values()):
                near = tuple(
                    address
                    for one in others
                    if one.tag == nearby_tag(peer.box_public, one.nonce)
                    for address in one.addresses
                )
                if near:
                    kept = [one for one in peer.addresses if one not in near]
                    peers[peer.device] = replace(peer, addresses=(*near, *kept))
        return [peer for peer in peers.values() if peer.addresses]

    def _known(self, peers: Iterable[Peer]) -> list[Peer]:
        """Return peers, own other devices and those of people who are followed."""
        known = {peer.device: peer for peer in peers}
        people = [self._identity]
        people += [follow.identity for follow in self._store.follows(self._identity)]
        for identity in people:
            for one in self._store.devices(identity):
                peer = Peer(identity, one.device, one.box_public, (), one.label, 0)
                known.setdefault(one.device, peer)
            if len(known) >= MAX_KNOWN:
                break
        known.pop(self._device, None)
        return list(known.values())[:MAX_KNOWN]


class Announcer:
    """Keeps a node findable on the local network, under a new nonce every few minutes."""

    def __init__(
        self,
        lan: Lan,
        neighbourhood: Neighbourhood,
        box_public: bytes,
        *,
        random_bytes: RandomBytes,
        log: Log,
    ) -> None:
        self._lan = lan
        self._neighbourhood = neighbourhood
        self._box_public = box_public
        self._random_bytes = random_bytes
        self._log = log
        self._opened = trio.Event()
        self._objection = "this node calls nothing out on the local network"

    async def run(self, port: int) -> None:
        """Listen and call out until cancelled; a machine without a network tries again."""
        warned = False
        self._objection = ""
        try:
            while True:
                try:
                    await self._lan.open(self._neighbourhood.on_seen, self._neighbourhood.on_gone)
                    self._objection = ""
                    self._opened.set()
                    self._log.info("found on the local network", port=port)
                    await self._call_out(port)
                except LanError as error:
                    if not warned:
                        self._log.warning("not found on the local network", reason=str(error))
                    warned = True
                    self._objection = str(error)
                self._opened = trio.Event()
                self._neighbourhood.forget_all()
                await self._lan.aclose()
                await trio.sleep(RETRY_S)
        finally:
            with trio.CancelScope(shield=True):
                await self._lan.aclose()

    async def ready(self) -> None:
        """Wait until the network can be heard: seconds after a start.

        Raises:
            LanError: it cannot, or is not to be.
        """
        if self._objection:
            raise LanError(self._objection)
        await self._opened.wait()

    async def announce(self, key: bytes, port: int) -> bytes:
        """Call out once under a new nonce, and return it; raises LanError."""
        nonce = self._random_bytes(NONCE_BYTES)
        self._neighbourhood.is_mine(nonce)
        await self._lan.announce(nonce, nearby_tag(key, nonce), port)
        return nonce

    async def withdraw(self, nonce: bytes) -> None:
        """Stop calling out under a nonce."""
        await self._lan.withdraw(nonce)
        self._neighbourhood.was_mine(nonce)

    async def _call_out(self, port: int) -> None:
        before: bytes | None = None
        while True:
            now = await self.announce(self._box_public, port)
            if before is not None:
                await self.withdraw(before)
            before = now
            await trio.sleep(NEW_NONCE_S)


async def ring_along(heard: Bell, told: Callable[[], None]) -> None:
    """Pass on the rings of one bell; those of the same second as one."""
    while True:
        await heard.wait()
        await trio.sleep(RINGS_APART_S)
        told()
