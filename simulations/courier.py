"""A node in memory that brings a signed conversation to another node, as any peer would."""

from __future__ import annotations

from pathlib import Path

from ..node.client import OnEvent, ignore_events
from ..node.clock import RandomBytes, WallClock
from ..node.config import Config
from ..node.direct import DirectClient, MomentaryLinks
from ..node.errors import Code, ServiceError
from ..node.keys import DeviceKeys
from ..node.network import outgoing_board
from ..node.peer_operations import ADD_PEER, SYNC, AddPeerRequest, SyncRequest, SyncResult
from ..node.peering import Reach
from ..node.service import About, Service
from ..node.switchboard import Switchboard
from ..protocol.errors import DecodeError
from ..protocol.frames import NONCE_BYTES
from ..protocol.ident import verify_ident
from ..store.base import OWN
from ..store.memory import MemoryStore
from .conversation import SHIPPED_CONVERSATION, read_messages
from .people import SeededPerson
from .replay import ReplayedConversation, sign_conversation


def load(path: Path | None, *, seed: int, names: bool) -> ReplayedConversation:
    """Read a conversation (None: the one that ships) and sign it; see `sign_conversation`.

    Raises:
        ServiceError: ``invalid``: the file holds no conversation; says what is wrong with it.
        OSError: it cannot be read.
    """
    try:
        messages = read_messages(SHIPPED_CONVERSATION if path is None else path)
        return sign_conversation(messages, seed=seed, names=names)
    except DecodeError as error:
        raise ServiceError(Code.INVALID, str(error), "give another file with --rows") from error


def bring(
    conversation: ReplayedConversation,
    invite: str,
    *,
    clock: WallClock,
    random_bytes: RandomBytes,
    config: Config | None = None,
    timeout_ms: int = 600_000,
    on_event: OnEvent = ignore_events,
) -> SyncResult:
    """Dial the node that made an invite, and let it take of a conversation what it follows.

    The courier is new each time: an identity that lives as long as the call.

    Args:
        invite: its token is used up.
        config: the network to be in; None: the common one.
        timeout_ms: longest time for the exchange, 1 or more.
        on_event: told how it goes.

    Raises:
        ServiceError: ``invalid``: this is no invite.
    """
    settings = Config() if config is None else config
    courier = SeededPerson(random_bytes(32), label="courier", from_ms=clock())
    store = MemoryStore(nonce=random_bytes(NONCE_BYTES))
    own = verify_ident(courier.ident)
    store.ingest([own], received_ms=clock(), via=OWN)
    conversation.fill(store, received_ms=clock(), via=courier.identity.hex())
    keys = DeviceKeys(courier.device, courier.box)

    def make_board() -> Switchboard:
        return outgoing_board(store, keys, settings, clock=clock, random_bytes=random_bytes)

    service = Service(
        store,
        keys,
        MomentaryLinks(make_board),
        about=About(home="", network=settings.node.network),
        clock=clock,
        random_bytes=random_bytes,
        reach=Reach(),
    )
    client = DirectClient(service)
    client.call(ADD_PEER, AddPeerRequest(who=invite))
    return client.call(SYNC, SyncRequest(timeout_ms=timeout_ms), on_event)
