"""Every operation of a node, once.

The HTTP API and the in-process client are thin shells over `Service`: they turn bytes or
calls into requests, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from .. import __version__
from ..store.base import NodeStore, Peer, StoreError
from .author import Author, MaySign, signs_freely
from .blocking import Blocking
from .blocking_operations import BLOCK, BLOCKS, UNBLOCK
from .clock import RandomBytes, WallClock, rfc3339
from .config import PrivateConfig
from .db_operations import DB_BACKUP, DB_SCRUB, DB_STATS
from .delivery import Delivery
from .delivery_operations import TRACE
from .errors import Code, ServiceError, storage_error
from .forks import Forks
from .keys import DeviceKeys
from .links import ExchangeEnd, ExchangeNews, Links, LiveLink
from .names import find_who
from .operation import Operation, Person, PostView, Request, Result
from .peer_operations import (
    ADD_PEER,
    INVITE,
    PEERS,
    REMOVE_PEER,
    STATUS,
    LinkView,
    StatusRequest,
    StatusResult,
    SyncCounts,
    SyncEvent,
    SyncOutcome,
    SyncRequest,
    SyncResult,
)
from .peering import Peering, Reach
from .people import People
from .people_operations import FOLLOW, FOLLOWS, FORKS, NAME, PERIODS, PROFILE, SET_PROFILE, UNFOLLOW
from .post_operations import DELETE, EDIT, POST, READ, SEARCH, SHOW, THREAD
from .reading import Reading
from .readmitting import RootSeed, readmits
from .revising import Revising
from .upkeep import Upkeep
from .views import Views
from .writing import Writing

if TYPE_CHECKING:
    from .devices import Devices
    from .enacting import Enacting
    from .period_keys import PeriodKeeper

Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Result)

OnEvent = Callable[[SyncEvent], None]


@dataclass(frozen=True, slots=True)
class About:
    """What the node says of itself."""

    home: str
    network: str = ""
    pid: int = 0
    """Process of the daemon; 0 without one."""
    started_ms: int = 0
    """When the daemon started; 0 without one."""


class Service:
    """The operations of one node."""

    def __init__(
        self,
        store: NodeStore,
        keys: DeviceKeys,
        links: Links,
        *,
        about: About,
        secrets: Path | None = None,
        private: PrivateConfig | None = None,
        clock: WallClock,
        random_bytes: RandomBytes,
        reach: Reach,
        may_sign: MaySign = signs_freely,
        root_seed: RootSeed = lambda: None,
    ) -> None:
        """Serve the node of a store.

        Args:
            may_sign: asked before each signature.
            root_seed: the seed behind the words, if it is here; asked for only where a home that
                was restored readmits its own device.
            secrets: directory of the keys, where those of periods are kept; None: this node
                has no home, and nobody seals messages to it.
            private: how private messages are prepared for.

        Raises:
            ServiceError: ``no_identity``.
        """
        self._store = store
        self._links = links
        self._about = about
        self._author = Author(
            store,
            keys,
            clock=clock,
            random_bytes=random_bytes,
            on_written=links.store_changed,
            may_sign=may_sign,
        )
        self._secrets = secrets
        self._root_seed = root_seed
        self._box_secret = keys.box.private
        self._private = private or PrivateConfig()
        self._clock = clock
        self._random_bytes = random_bytes
        self._reading = Reading(store, self._author.identity)
        self._forks = Forks(store, self._author.identity, self._author.device)
        self._upkeep = Upkeep(store, self._author.identity, clock=clock)
        self._delivery = Delivery(
            store, self._author.identity, self._author.device, links, clock=clock
        )
        self._operations: Mapping[str, Callable[[Any], Result]] = {
            STATUS.name: self._status,
            **self._about_posts(),
            **self._about_people(reach),
            **self._about_store(),
            **self._about_keys(),
            "pair": _needs_daemon,
            "pair_answer": _needs_daemon,
        }

    def _about_posts(self) -> Mapping[str, Callable[[Any], Result]]:
        writing = Writing(self._store, self._author, self._reading)
        revising = Revising(self._store, self._author, self._reading, clock=self._clock)
        return {
            POST.name: writing.post,
            PROFILE.name: writing.profile,
            SET_PROFILE.name: writing.set_profile,
            READ.name: self._reading.read,
            THREAD.name: self._reading.thread,
            SHOW.name: self._reading.show,
            SEARCH.name: self._reading.search,
            DELETE.name: revising.delete,
            EDIT.name: revising.edit,
            TRACE.name: self._delivery.trace,
        }

    def _about_people(self, reach: Reach) -> Mapping[str, Callable[[Any], Result]]:
        store, author, links, clock = self._store, self._author, self._links, self._clock
        random_bytes = self._random_bytes
        peering = Peering(store, author, links, reach, clock=clock, random_bytes=random_bytes)
        people = People(store, author, peering, links, clock=clock)
        blocking = Blocking(store, author, links, clock=clock)
        return {
            FOLLOW.name: people.follow,
            UNFOLLOW.name: people.unfollow,
            FOLLOWS.name: people.follows,
            NAME.name: people.name,
            BLOCK.name: blocking.block,
            UNBLOCK.name: blocking.unblock,
            BLOCKS.name: blocking.blocks,
            FORKS.name: self._forks.forks,
            PEERS.name: peering.peers,
            ADD_PEER.name: peering.add_peer,
            REMOVE_PEER.name: peering.remove_peer,
            INVITE.name: peering.invite,
        }

    def _about_store(self) -> Mapping[str, Callable[[Any], Result]]:
        return {
            DB_STATS.name: self._upkeep.stats,
            DB_SCRUB.name: self._upkeep.scrub,
            DB_BACKUP.name: self._upkeep.backup,
        }

    def _about_keys(self) -> Mapping[str, Callable[[Any], Result]]:
        return {
            PERIODS.name: lambda request: self.period_keys.periods(request),
            "devices": lambda request: self.devices.devices(request),
            "plan_revocation": lambda request: self.devices.plan_revocation(request),
            "plan_rotation": lambda request: self.devices.plan_rotation(request),
            "plan_accept": lambda request: self.devices.plan_accept(request),
            "enact": lambda request: self.enacting.enact(request),
            "answer": lambda request: self.enacting.answer(request),
        }

    @property
    def identity(self) -> bytes:
        """The identity of this node."""
        return self._author.identity

    # What the event stream tells

    def person(self, identity: bytes) -> Person:
        """Return an identity as this reader knows it."""
        return Views(self._store, self.identity).person(identity)

    def arrived(self, after: int, limit: int) -> tuple[PostView, ...]:
        """Return posts that arrived after a number, in that order; reading stays where it is."""
        posts = self._store.arrived(after=after, limit=limit)
        return Views(self._store, self.identity).posts(posts)

    def newest_post(self) -> int:
        """Return the number of the post that arrived last; 0 if there is none."""
        return self._store.newest_arrival()

    def last_arrival(self) -> int:
        """Return the number of the entry that arrived last, of any kind."""
        return self._store.last_arrival

    @cached_property
    def period_keys(self) -> PeriodKeeper:
        """The keys of private messages; a daemon looks after them once a day.

        Raises:
            ServiceError: this node has no home (``invalid``).
        """
        from .period_keys import PeriodKeeper  # most commands never need them
        from .period_secrets import PeriodSecrets

        if self._secrets is None:
            raise ServiceError(Code.INVALID, "a node without a home has nowhere to keep secrets")
        return PeriodKeeper(
            self._store,
            self._author,
            PeriodSecrets(self._secrets, self._box_secret, self._random_bytes),
            self._private,
            clock=self._clock,
            random_bytes=self._random_bytes,
        )

    @cached_property
    def devices(self) -> Devices:
        """The devices of the own identity."""
        from .devices import Devices  # most commands never need them

        return Devices(self._store, self.identity, self._author.device, clock=self._clock)

    @cached_property
    def enacting(self) -> Enacting:
        """What takes signed records of the own identity."""
        from .enacting import Enacting  # likewise

        return Enacting(self._store, self._author, clock=self._clock)

    @property
    def may_readmit(self) -> bool:
        """Whether `readmit` has anything to wait for."""
        return readmits(self._store)

    def readmit(self) -> bool:
        """Readmit the own device after a restore, if a rotation forgot it; see `readmitting`.

        Raises:
            ServiceError: as for `Enacting.readmit`.
        """
        return readmits(self._store) and self.enacting.readmit(self._root_seed)

    def call(self, operation: Operation[Q, R], request: Q) -> R:
        """Carry out an operation that needs no link; every one but `SYNC`.

        Raises:
            ServiceError: it was refused or failed.
        """
        try:
            return cast(R, self._operations[operation.name](request))
        except StoreError as error:
            raise storage_error(error) from error

    async def sync(self, request: SyncRequest, on_event: OnEvent) -> SyncResult:
        """Exchange with peers now.

        Raises:
            ServiceError: there is nobody to exchange with (``nothing_to_do``).
        """
        views = Views(self._store, self.identity)

        def tell(news: ExchangeNews) -> None:
            on_event(
                SyncEvent(
                    peer=views.person(news.peer.identity),
                    device=news.peer.device.hex(),
                    state=news.state,
                    counts=news.counts,
                    note=news.note,
                )
            )

        peers, timeout_s = self._peers_to_sync(request.who), request.timeout_ms / 1_000
        ends = await self._links.exchange(peers, timeout_s, tell)
        if self.readmit():
            later = await self._links.exchange(peers, timeout_s, tell)  # let them know at once
            ends = [_together(*both) for both in zip(ends, later, strict=True)]
        fresh = Views(self._store, self.identity)
        return SyncResult(
            outcomes=tuple(_outcome(end, fresh) for end in ends),
            in_sync=sum(end.ending == "in_sync" for end in ends),
            total=_total([end.counts for end in ends]),
            took_ms=max(end.took_ms for end in ends),
        )

    def _peers_to_sync(self, who: Sequence[str]) -> list[Peer]:
        live = {link.device for link in self._links.live()}
        peers = [peer for peer in self._store.peers() if peer.addresses or peer.device in live]
        if who:
            wanted = {find_who(self._store, one).identity for one in who}
            peers = [peer for peer in peers if peer.identity in wanted]
        if not peers:
            raise ServiceError(
                Code.NOTHING_TO_DO,
                "there is no peer with an address to exchange with",
                "ask someone for an invite, then: slowlight peer add INVITE",
            )
        return peers

    def _status(self, request: StatusRequest) -> StatusResult:
        views = Views(self._store, self.identity)
        totals = self._store.totals()
        return StatusResult(
            version=__version__,
            home=self._about.home,
            person=views.person(self.identity),
            device=self._author.device.hex(),
            network=self._about.network,
            running=self._about.pid != 0,
            pid=self._about.pid,
            started=rfc3339(self._about.started_ms),
            started_ms=self._about.started_ms,
            listening=tuple(self._links.listening),
            links=tuple(_link_view(link, views) for link in self._links.live()),
            peers=len(self._store.peers()),
            follows=len(self._store.follows(self.identity)),
            unread=self._reading.unread(),
            identities=totals.identities,
            logs=totals.logs,
            entries=totals.entries,
            posts=totals.posts,
            file_bytes=totals.file_bytes,
            search_behind=totals.search_behind,
            purge_due=self._store.purge_due(),
            forks=totals.forks,
            own_forks=self._forks.own_open() if totals.forks else 0,
            objection=self._author.objection(),
            freshness=self._delivery.freshness(request.top),
            waiting=self._delivery.waiting(),
            storage=self._upkeep.classes(),
        )


def _link_view(link: LiveLink, views: Views) -> LinkView:
    return LinkView(
        peer=views.person(link.identity),
        device=link.device.hex(),
        address=link.address,
        direction="out" if link.outgoing else "in",
        since=rfc3339(link.since_ms),
        since_ms=link.since_ms,
        in_sync=link.in_sync,
        counts=link.counts,
    )


def _outcome(end: ExchangeEnd, views: Views) -> SyncOutcome:
    return SyncOutcome(
        peer=views.person(end.peer.identity),
        device=end.peer.device.hex(),
        address=end.address,
        outcome=end.ending,
        reason=end.reason,
        counts=end.counts,
        took_ms=end.took_ms,
    )


def _together(first: ExchangeEnd, second: ExchangeEnd) -> ExchangeEnd:
    """Return how two exchanges with one peer ended, with all that both carried."""
    counts = _total([msgspec.structs.replace(first.counts, wanted=0), second.counts])
    return replace(second, counts=counts, took_ms=first.took_ms + second.took_ms)


def _total(counts: Sequence[SyncCounts]) -> SyncCounts:
    return SyncCounts(
        entries_in=sum(one.entries_in for one in counts),
        entries_out=sum(one.entries_out for one in counts),
        payload_bytes_in=sum(one.payload_bytes_in for one in counts),
        payload_bytes_out=sum(one.payload_bytes_out for one in counts),
        wire_bytes_in=sum(one.wire_bytes_in for one in counts),
        wire_bytes_out=sum(one.wire_bytes_out for one in counts),
        wanted=sum(one.wanted for one in counts),
    )


def _needs_daemon(_request: Request) -> Result:
    raise ServiceError(
        Code.UNREACHABLE,
        "two nodes pair while both run",
        "start this one in another window: slowlight run; then type slowlight pair again",
    )
