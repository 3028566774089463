"""Who is known to have what, and what waits for whom. Says nothing that is not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, get_args

from ..protocol.content import Post
from ..protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, log_id
from ..protocol.fork import Place, place_in
from ..protocol.roster import Roster
from ..store.base import (
    NO_MEMORY,
    NOTHING_DELIVERED,
    OWN,
    Delivered,
    HeldEntry,
    LogKey,
    NodeStore,
    Peer,
    PeerMemory,
)
from ..sync.offers import offered_of
from .blocks import blocks_of
from .clock import WallClock, rfc3339
from .delivery_operations import (
    FreshView,
    HolderView,
    Knowledge,
    TraceRequest,
    TraceResult,
    WaitingView,
    Why,
)
from .links import Links
from .names import find_entry
from .operation import Person
from .views import Views, content_of

MAX_FOLLOWERS: Final = 100
"""Followers without a link to here that one answer names."""
MAX_ANSWERS: Final = 1_000
"""Answers to an entry that are looked at for who has read it."""
_ORDER: Final[tuple[Knowledge, ...]] = get_args(Knowledge)


@dataclass(frozen=True, slots=True)
class _Node:
    """One device of someone else, as far as this one knows it."""

    identity: bytes
    device: bytes
    name: str
    memory: PeerMemory | None
    """None: never met."""
    delivered: Delivered
    peer: Peer | None
    offered: Roster | None
    """What a live session offers to it; None: there is none, or it has not said what it wants."""
    connected: bool
    exchanging: bool


@dataclass(frozen=True, slots=True)
class _Traced:
    """An entry, and what is known of it whoever is asked about."""

    held: HeldEntry
    arrival: int
    answered: Mapping[bytes, int]
    """When an answer of each device came."""

    @property
    def log(self) -> LogKey:
        """Its log."""
        return self.held.log


class Delivery:
    """What one node knows of where entries are."""

    def __init__(
        self, store: NodeStore, identity: bytes, device: bytes, links: Links, *, clock: WallClock
    ) -> None:
        """Ask a store and the links of the node that this device is."""
        self._store = store
        self._identity = identity
        self._device = device
        self._links = links
        self._clock = clock

    # Where an entry is

    def trace(self, request: TraceRequest) -> TraceResult:
        """Say who wrote an entry, how it came, and who is known to have it."""
        held = find_entry(self._store, request.id)
        views = Views(self._store, self._identity)
        traced = _Traced(held, self._store.arrival_of(held.entry.id), self._answered(held))
        nodes = self._nodes()
        holders = [self._holder(node, traced, views) for node in nodes]
        holders += self._persons(traced, nodes, views)
        followers = self._unlinked_followers(traced, nodes)
        holders += [
            _of_person(views, each, "unknown", "no_link") for each in followers[:MAX_FOLLOWERS]
        ]
        return TraceResult(
            entry=views.entry(held),
            arrival=traced.arrival,
            brought_by=_brought_by(held, views),
            holders=tuple(sorted(holders, key=_by_knowledge)),
            more=max(0, len(followers) - MAX_FOLLOWERS),
        )

    def _nodes(self) -> list[_Node]:
        """Return every device of others that is a peer, was met, or is connected."""
        live = {link.device: link for link in self._links.live()}
        met = self._store.peers_met()
        peers = {peer.device: peer for peer in self._store.peers()}
        nodes: list[_Node] = []
        for device in sorted({*peers, *met, *live} - {self._device}):
            link, peer = live.get(device), peers.get(device)
            identity = peer.identity if peer else link.identity if link else None
            identity = identity or self._store.identity_of(device)
            if identity is None:
                continue
            state = link.peer_state if link else met.get(device)
            memory, delivered = state or (NO_MEMORY, NOTHING_DELIVERED)
            nodes.append(
                _Node(
                    identity,
                    device,
                    peer.name if peer else "",
                    memory if memory.nonce else None,
                    delivered,
                    peer,
                    link.offered if link else None,
                    connected=link is not None,
                    exchanging=link is not None and not link.in_sync,
                )
            )
        return nodes

    def _offered(self, node: _Node) -> Roster | None:
        """Return what is offered to a node of its roster, one at a time: each may take 18 MB."""
        if node.offered is not None or node.memory is None or not node.memory.roster:
            return node.offered
        whole = self._store.roster(node.memory.roster)
        blocked = frozenset(blocks_of(self._store, self._clock()))
        return None if whole is None else offered_of(whole, blocked)

    def _answered(self, held: HeldEntry) -> Mapping[bytes, int]:
        """Return which devices wrote an answer to an entry, and when the first one came."""
        answers: dict[bytes, int] = {}
        for post in self._store.thread(held.entry.id, limit=MAX_ANSWERS):
            content = content_of(post.held)
            if isinstance(content, Post) and content.reply_to == held.entry.id:
                answers.setdefault(post.held.log.device, post.held.received_ms)
        return answers

    def _holder(self, node: _Node, traced: _Traced, views: Views) -> HolderView:
        knowledge, why, since_ms = self._known(node, traced)
        last_ms = node.peer.last_contact_ms if node.peer else 0
        return HolderView(
            person=views.person(node.identity),
            device=node.device.hex(),
            name=node.name,
            knowledge=knowledge,
            why=why,
            since=rfc3339(since_ms),
            since_ms=since_ms,
            connected=node.connected,
            last_contact=rfc3339(last_ms),
            last_contact_ms=last_ms,
        )

    def _known(self, node: _Node, traced: _Traced) -> tuple[Knowledge, Why, int]:
        """Say what is known of an entry and a device, why it may not be there, and since when."""
        held, memory = traced.held, node.memory
        if node.device == traced.log.device:
            return "wrote", "", held.received_ms
        if node.device in traced.answered:
            return "answered", "", traced.answered[node.device]
        if held.void is not None:
            return "unknown", "void", 0
        if not traced.arrival or self._on_branch(held):
            return "unknown", "fork", 0
        if held.identity in blocks_of(self._store, self._clock()):
            return "unknown", "blocked", 0
        if memory is None:
            return "unknown", "never_met", 0
        roster = self._offered(node)
        if roster is None:
            return "unknown", "never_met", 0
        if not roster.wants(held.identity, traced.log.channel):
            return "not_wanted", "", 0
        channel = traced.log.channel  # channel 0 is always kept whole
        if channel != CHANNEL_IDENTITY and roster.shallow(held.identity, channel) is not None:
            return "unknown", "partial", 0
        holds = node.delivered.holds_for(memory, roster.hash)
        delivered = node.delivered if holds else NOTHING_DELIVERED
        if delivered.arrival >= traced.arrival:
            return "confirmed", "", delivered.confirmed_ms
        if _was_sent(delivered, traced):
            return "sent", _why_waiting(node), 0
        return "waiting", _why_waiting(node), 0

    def _on_branch(self, held: HeldEntry) -> bool:
        proof = self._store.fork(held.log)
        return proof is not None and place_in(proof, held.entry.seq) is not Place.COMMON

    def _persons(self, traced: _Traced, nodes: list[_Node], views: Views) -> Iterator[HolderView]:
        """Yield who has it by what is known of the person, not of one of its devices."""
        held = traced.held
        known = {node.device for node in nodes} | {self._device}
        if held.log.device not in known:
            yield _of_person(
                views, held.identity, "wrote", device=held.log.device, since_ms=held.received_ms
            )
        for device, answered_ms in traced.answered.items():
            identity = self._store.identity_of(device)
            if device not in known | {held.log.device} and identity is not None:
                yield _of_person(views, identity, "answered", device=device, since_ms=answered_ms)
        via = _identity_of_via(held)
        if via is not None and via != held.identity:
            yield _of_person(views, via, "brought", since_ms=held.received_ms)

    def _unlinked_followers(self, traced: _Traced, nodes: list[_Node]) -> list[bytes]:
        """Return who follows the author without being a peer of this node."""
        met = {node.identity for node in nodes} | {self._identity, traced.held.identity}
        return [each for each in self._store.followers(traced.held.identity) if each not in met]

    # How fresh everybody is

    def freshness(self, most: int) -> tuple[FreshView, ...]:
        """Return how fresh what is here of each followed person is, the stalest first.

        Args:
            most: how many to return.
        """
        views = Views(self._store, self._identity)
        heard: dict[bytes, int] = {}
        for node in self._nodes():
            if node.memory is not None:
                now_ms = self._clock() if node.connected and not node.exchanging else 0
                heard_ms = max(node.delivered.heard_ms, now_ms)
                heard[node.identity] = max(heard.get(node.identity, 0), heard_ms)
        stalest: list[tuple[int, bytes]] = []
        blocked = blocks_of(self._store, self._clock())
        for follow in self._store.follows(self._identity):
            if follow.identity == self._identity or follow.identity in blocked:
                continue
            as_of_ms = heard.get(follow.identity, 0)
            said = self._store.entry(follow.entry) if as_of_ms else None
            # What was in sync before somebody was followed says nothing about that person.
            asked = said is not None and said.received_ms <= as_of_ms
            stalest.append((as_of_ms if asked else 0, follow.identity))
        stalest.sort()
        return tuple(self._fresh(views, *each) for each in stalest[:most])

    def _fresh(self, views: Views, as_of_ms: int, identity: bytes) -> FreshView:
        newest: HeldEntry | None = None
        missing = 0
        for device in self._store.devices(identity):
            for channel, head in self._store.logs_of(device.device):
                key = LogKey(device.device, channel)
                held = self._store.held(key)
                missing += head.seq + 1 - sum(each.last - each.first + 1 for each in held)
                entry = self._store.entry(head.id) if channel == CHANNEL_POSTS else None
                if entry and (newest is None or entry.entry.t_ms > newest.entry.t_ms):
                    newest = entry
        return FreshView(
            person=views.person(identity),
            as_of=rfc3339(as_of_ms),
            as_of_ms=as_of_ms,
            newest=rfc3339(newest.entry.t_ms if newest else 0),
            newest_ms=newest.entry.t_ms if newest else 0,
            received=rfc3339(newest.received_ms if newest else 0),
            received_ms=newest.received_ms if newest else 0,
            missing=missing,
        )

    # What waits for whom

    def waiting(self) -> tuple[WaitingView, ...]:
        """Return how much waits for each peer, and for whoever else was met and lacks something."""
        views = Views(self._store, self._identity)
        found: list[WaitingView] = []
        for node in self._nodes():
            roster = self._offered(node)
            entries = 0 if roster is None else self._lacking(node, roster)
            if node.peer is None and not node.connected and not entries:
                continue
            last_ms = node.peer.last_contact_ms if node.peer else 0
            found.append(
                WaitingView(
                    person=views.person(node.identity),
                    device=node.device.hex(),
                    name=node.name,
                    connected=node.connected,
                    known=roster is not None,
                    entries=entries,
                    last_contact=rfc3339(last_ms),
                    last_contact_ms=last_ms,
                )
            )
        return tuple(found)

    def _lacking(self, node: _Node, roster: Roster) -> int:
        """Count the entries that a device wants and has not confirmed."""
        memory, delivered = node.memory, node.delivered
        holds = memory is not None and delivered.holds_for(memory, roster.hash)
        arrival = delivered.arrival if holds else 0
        if arrival >= self._store.last_arrival:
            return 0
        return sum(
            arrived.entries
            for arrived in self._store.arrived_since(arrival)
            if roster.wants(arrived.identity, arrived.log.channel)
            and arrived.via != node.identity.hex()
            and arrived.log.device != node.device
        )


def _was_sent(delivered: Delivered, traced: _Traced) -> bool:
    log = log_id(*traced.log)
    seq = traced.held.entry.seq
    return any(each.log == log and each.first <= seq <= each.last for each in delivered.sent)


def _why_waiting(node: _Node) -> Why:
    if node.connected:
        return "exchanging"
    if node.peer is None or not node.peer.addresses:
        return "calls_us"
    return "no_contact_since"


def _identity_of_via(held: HeldEntry) -> bytes | None:
    """Return who handed an entry over; None: written here, or not known any more."""
    if held.via == OWN or len(held.via) != 64:
        return None
    try:
        return bytes.fromhex(held.via)
    except ValueError:
        return None


def _of_person(
    views: Views,
    identity: bytes,
    knowledge: Knowledge,
    why: Why = "",
    *,
    device: bytes = b"",
    since_ms: int = 0,
) -> HolderView:
    """Return what is known of somebody with whose device this node has no link."""
    return HolderView(
        person=views.person(identity),
        device=device.hex(),
        name="",
        knowledge=knowledge,
        why=why,
        since=rfc3339(since_ms),
        since_ms=since_ms,
        connected=False,
        last_contact="",
        last_contact_ms=0,
    )


def _brought_by(held: HeldEntry, views: Views) -> Person | None:
    via = _identity_of_via(held)
    return None if via is None else views.person(via)


def _by_knowledge(holder: HolderView) -> tuple[int, str, str, str]:
    """Order who has it before who was sent it, and that before who has not."""
    rank = _ORDER.index(holder.knowledge)
    return rank, holder.person.label, holder.person.identity, holder.device
