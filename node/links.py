"""What the operations know of the live links: nothing of how they are carried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from ..protocol.roster import Roster
from ..store.base import Delivered, Peer, PeerMemory
from .peer_clocks import ClockNote
from .peer_operations import SyncCounts

State: TypeAlias = Literal["dialling", "connected", "exchanging", "done", "failed"]
Ending: TypeAlias = Literal["in_sync", "unreachable", "refused", "failed", "timeout"]


@dataclass(frozen=True, slots=True)
class LiveLink:
    """One session that is going on."""

    device: bytes
    identity: bytes
    address: str
    outgoing: bool
    since_ms: int
    in_sync: bool
    counts: SyncCounts
    peer_state: tuple[PeerMemory, Delivered]
    """What is known of that peer by now; the store learns it when the session ends."""
    offered: Roster | None = None
    """What of its roster is offered to that peer; None: it has not said it yet."""
    clock: ClockNote | None = None
    """What the handshake told of the peer's clock."""


@dataclass(frozen=True, slots=True)
class ExchangeNews:
    """Progress of an exchange with one peer."""

    peer: Peer
    state: State
    counts: SyncCounts
    note: str = ""


@dataclass(frozen=True, slots=True)
class ExchangeEnd:
    """How an exchange with one peer ended."""

    peer: Peer
    address: str
    ending: Ending
    reason: str
    counts: SyncCounts
    took_ms: int


OnNews: TypeAlias = Callable[[ExchangeNews], None]


class Links(Protocol):
    """The links of one node."""

    @property
    def listening(self) -> Sequence[str]:
        """Addresses on which peers are accepted, with their real ports."""
        ...

    def live(self) -> Sequence[LiveLink]:
        """Return the sessions that are going on."""
        ...

    def store_changed(self) -> None:
        """Own entries were committed: offer them."""
        ...

    def interest_changed(self) -> None:
        """Someone was followed or unfollowed, or the peers changed."""
        ...

    async def exchange(
        self, peers: Sequence[Peer], timeout_s: float, on_news: OnNews
    ) -> list[ExchangeEnd]:
        """Exchange with peers until each is in sync, failed or out of time; one end for each."""
        ...
