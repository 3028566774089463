"""Operations about the node and its peers: status, links and syncing.

The conventions are those of `operation`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from .db_operations import DbClassView
from .delivery_operations import FreshView, WaitingView
from .operation import (
    DAY_MS,
    MAX_PAGE,
    MAX_WHO,
    Addresses,
    ErrorBody,
    Operation,
    Person,
    Request,
    Result,
    View,
    Who,
)

# Status


class StatusRequest(Request, frozen=True):
    """How is the node?"""

    top: Annotated[int, Meta(ge=0, le=MAX_PAGE)] = 10
    """How many of the people whom one follows to name in ``freshness``, the stalest first."""


class SyncCounts(View, frozen=True):
    """What a session carried so far."""

    entries_in: int = 0
    """Entries new here."""
    entries_out: int = 0
    payload_bytes_in: int = 0
    payload_bytes_out: int = 0
    wire_bytes_in: int = 0
    """All bytes received on the link, handshake and encryption included."""
    wire_bytes_out: int = 0
    wanted: int = 0
    """Entries asked for that have not come yet."""


class LinkView(View, frozen=True):
    """A live session with a peer."""

    peer: Person
    device: str
    address: str
    direction: Literal["in", "out"]
    since: str
    since_ms: int
    in_sync: bool
    counts: SyncCounts


class StatusResult(Result, frozen=True):
    """How the node is."""

    version: str
    home: str
    person: Person
    device: str
    network: str
    """Nodes of different networks never talk to each other; empty: the common one."""
    running: bool
    """Whether a daemon answers; false where the command line opened the home itself."""
    pid: int
    started: str
    started_ms: int
    """When the daemon started; 0 without one."""
    listening: tuple[str, ...]
    """Addresses on which it accepts peers, with their real ports."""
    links: tuple[LinkView, ...]
    peers: int
    follows: int
    unread: int
    """Posts that arrived since the last reading, own ones among them."""
    identities: int
    logs: int
    entries: int
    posts: int
    file_bytes: int
    search_behind: int
    """Posts that the search index has not read yet."""
    purge_due: bool = False
    """Whether something of deleted texts may still be on this disk."""
    forks: int = 0
    """Logs that are known to be forked, own ones among them."""
    own_forks: int = 0
    """Those of own devices that still write."""
    objection: str = ""
    """Why this device must not sign now; empty: it may."""
    freshness: tuple[FreshView, ...] = ()
    waiting: tuple[WaitingView, ...] = ()
    """What waits for each peer."""
    storage: tuple[DbClassView, ...] = ()
    """What is held of whom, by how far away they are."""


# Peers


class PeersRequest(Request, frozen=True):
    """Which nodes does this one dial or accept?"""


class ClockView(View, frozen=True):
    """How far the clock of a peer was from this node's, by the last handshake."""

    ahead_ms: int
    """Below 0: behind."""
    error_ms: int
    """By how much that may be off: half of what the way there and back took."""
    noted: str
    noted_ms: int


class PeerView(View, frozen=True):
    """A node that this one dials or knows."""

    person: Person
    device: str
    box_public: str
    addresses: tuple[str, ...]
    """Tried in order; empty for one that only dials in."""
    name: str
    last_contact: str
    last_contact_ms: int
    """When a session last ended well; 0: never."""
    connected: bool
    following: bool
    clock: ClockView | None = None
    """None: it has not told."""


class PeersResult(Result, frozen=True):
    """The peers."""

    peers: tuple[PeerView, ...]


class AddPeerRequest(Request, frozen=True):
    """Add a node to dial: by invite, or an identity known here with an address."""

    who: Who
    addresses: Addresses = ()
    """Replace the addresses known before or named in the invite; empty keeps those."""
    name: Annotated[str, Meta(max_length=64)] = ""


class AddPeerResult(Result, frozen=True):
    """The peers that were added or changed: one for each device of the identity."""

    peers: tuple[PeerView, ...]
    changed: bool


class RemovePeerRequest(Request, frozen=True):
    """Forget a node: no more dialling, and it is accepted only if it is followed."""

    who: Who
    """Identity (who) or device id."""


class RemovePeerResult(Result, frozen=True):
    """What was removed."""

    peers: tuple[PeerView, ...]


class InviteRequest(Request, frozen=True):
    """Make an invite: a line that lets one new node connect to this one."""

    addresses: Addresses = ()
    """Where this node is reached; empty: as configured, else as the node listens."""
    name: Annotated[str, Meta(max_length=64)] = ""
    """Name suggested for this node; empty: the one of the profile."""
    valid_ms: Annotated[int, Meta(ge=1_000, le=366 * DAY_MS)] = 7 * DAY_MS


class InviteResult(Result, frozen=True):
    """The invite. Whoever has it may connect once: hand it over like a key."""

    uri: str
    identity: str
    addresses: tuple[str, ...]
    name: str
    expires: str
    expires_ms: int


# Syncing


class SyncRequest(Request, frozen=True):
    """Exchange entries with peers now, once, and tell how it went."""

    who: Annotated[tuple[Who, ...], Meta(max_length=MAX_WHO)] = ()
    """Only these peers; empty: all that have an address or are connected."""
    timeout_ms: Annotated[int, Meta(ge=1, le=30 * DAY_MS)] = 10 * 60_000
    """Longest time for the whole; what was exchanged until then is kept."""


class SyncEvent(View, frozen=True):
    """Progress of one peer."""

    peer: Person
    device: str
    state: Literal["dialling", "connected", "exchanging", "done", "failed"]
    counts: SyncCounts
    note: str = ""


class SyncOutcome(View, frozen=True):
    """How it went with one peer."""

    peer: Person
    device: str
    address: str
    """The one that answered, or the last one tried; empty for a peer that had dialled in."""
    outcome: Literal["in_sync", "unreachable", "refused", "failed", "timeout"]
    """``refused``: it answered, and one side did not accept the other. ``failed``: the link
    broke or the peer broke the protocol. What came before the end is kept in any case."""
    reason: str
    """Empty for ``in_sync``."""
    counts: SyncCounts
    """What came and went since the last receipt for this session, or since it began."""
    took_ms: int
    """From the request to this end; a session that was live may have done its part before."""


class SyncResult(Result, frozen=True):
    """The receipt."""

    outcomes: tuple[SyncOutcome, ...]
    in_sync: int
    """How many peers ended in sync; 0: nobody was reached (exit code 5)."""
    total: SyncCounts
    took_ms: int


class StreamLine(View, frozen=True):
    """One line of an answer that tells its progress: exactly one of these."""

    event: SyncEvent | None = None
    result: SyncResult | None = None
    error: ErrorBody | None = None


STATUS: Final = Operation("status", StatusRequest, StatusResult)
PEERS: Final = Operation("peers", PeersRequest, PeersResult)
ADD_PEER: Final = Operation("add_peer", AddPeerRequest, AddPeerResult)
REMOVE_PEER: Final = Operation("remove_peer", RemovePeerRequest, RemovePeerResult)
INVITE: Final = Operation("invite", InviteRequest, InviteResult)
SYNC: Final = Operation("sync", SyncRequest, SyncResult)
"""Its progress comes as `SyncEvent`s before the result."""

PEER_OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    STATUS,
    PEERS,
    ADD_PEER,
    REMOVE_PEER,
    INVITE,
    SYNC,
)
