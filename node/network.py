"""How this node calls others and is called: who proves what, over which carrier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from ..protocol.errors import IntegrityError, SlowlightError
from ..protocol.handshake import Greeting, prologue_of
from ..protocol.ident import VerifiedIdent, decode_ident, verify_ident
from ..store.base import NodeStore, Outcome, Peer
from .addresses import parse_address, write_address
from .carriers import tcp
from .carriers.base import (
    Decide,
    Greet,
    Link,
    ProvenPeer,
    RefusedError,
    UnreachableError,
)
from .carriers.noise_link import LinkKeys
from .carriers.reception import Limits, Reception
from .clock import RandomBytes, WallClock
from .config import Config
from .errors import Code, ServiceError
from .exchange import DialError
from .greetings import ENDED, OWN_END, is_ended, may_greet
from .keys import DeviceKeys
from .logs import Log, no_log
from .own_proof import keep_own_proof, own_proof
from .peering import token_for
from .switchboard import BeforeSending, Dialled, Switchboard, sends_freely


class Listening(Protocol):
    """Open doors: callers can knock, and are served once `serve` runs."""

    addresses: Sequence[str]
    """``host:port`` of each, with its real port."""

    async def serve(
        self,
        reception: Reception,
        *,
        task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve callers until cancelled."""
        ...


class Carrier(Protocol):
    """A way for proven links between addresses."""

    async def dial(
        self, address: str, keys: LinkKeys, remote_static: bytes, *, greet: Greet, decide: Decide
    ) -> Link:
        """Open a link.

        Raises:
            UnreachableError: nobody answers there.
            RefusedError, LostLinkError, ProtocolError, DecodeError, IntegrityError: somebody
                does, but no link came about.
        """
        ...

    async def listen(self, addresses: Sequence[str]) -> Listening:
        """Open doors.

        Raises:
            ServiceError: ``invalid``: an address cannot be listened on.
        """
        ...


class TcpListening:
    """Listening TCP sockets."""

    def __init__(self, listeners: Sequence[trio.SocketListener]) -> None:
        self._listeners = listeners
        self.addresses: Sequence[str] = [
            write_address(*listener.socket.getsockname()[:2]) for listener in listeners
        ]

    async def serve(
        self,
        reception: Reception,
        *,
        task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve callers until cancelled."""
        await tcp.serve(self._listeners, reception, task_status=task_status)


class TcpCarrier:
    """Links over TCP, as `Carrier` asks."""

    async def dial(
        self, address: str, keys: LinkKeys, remote_static: bytes, *, greet: Greet, decide: Decide
    ) -> Link:
        """Open a link to ``host:port``."""
        host, port = parse_address(address)
        return await tcp.dial(host, port, keys, remote_static, greet=greet, decide=decide)

    async def listen(self, addresses: Sequence[str]) -> TcpListening:
        """Open a socket for each address."""
        listeners: list[trio.SocketListener] = []
        for address in addresses:
            host, port = parse_address(address, least_port=0)
            try:
                listeners += await trio.open_tcp_listeners(port, host=host)
            except OSError as error:
                for listener in listeners:
                    await listener.aclose()
                raise ServiceError(
                    Code.INVALID,
                    f"cannot listen on {address}: {error.strerror or error}",
                    "choose another address: slowlight run --listen HOST:PORT; port 0 is any",
                ) from error
        return TcpListening(listeners)


class Caller:
    """Opens links to peers, and believes only whom it meant to call."""

    def __init__(
        self,
        store: NodeStore,
        identity: bytes,
        device: bytes,
        keys: LinkKeys,
        carrier: Carrier,
        *,
        clock: WallClock,
    ) -> None:
        self._store = store
        self._identity = identity
        self._device = device
        self._keys = keys
        self._carrier = carrier
        self._clock = clock
        self.on_stored: Callable[[], None] = lambda: None
        """Called when a greeting brought something new."""

    async def __call__(self, peer: Peer) -> Dialled:
        """Try the addresses of a peer in order; see `Dial`."""
        failure = DialError("unreachable", "no address of it is known", "")
        for address in peer.addresses:
            try:
                link = await self._carrier.dial(
                    address,
                    self._keys,
                    peer.box_public,
                    greet=lambda: own_greeting(
                        self._store,
                        self._device,
                        token_for(self._store, peer.device),
                        now_ms=self._clock(),
                    ),
                    decide=lambda static, greeting: self._expect(peer, static, greeting),
                )
            except (UnreachableError, ServiceError) as error:
                failure = DialError("unreachable", str(error), address)
            except RefusedError as error:
                failure = DialError("refused", str(error), address)
            except SlowlightError as error:
                failure = DialError("failed", str(error), address)
            else:
                if not self._has_ended(peer):
                    return Dialled(link, address)
                await link.aclose()
                failure = DialError("refused", ENDED, address)
        raise failure

    def _expect(self, peer: Peer, static: bytes, greeting: Greeting) -> ProvenPeer:
        ident, device = prove(static, greeting)
        if (ident.identity, device) != (peer.identity, peer.device):
            raise RefusedError("another node answers at this address")
        if ident.identity == self._identity:
            self._hear_of_own_end(ident)
        # An ended device of the own identity gets our greeting: it may not have heard of its end.
        if not may_greet(self._store, ident, device) and not self._has_ended(peer):
            raise RefusedError(ENDED)
        return ProvenPeer(ident.identity, device)

    def _has_ended(self, peer: Peer) -> bool:
        return peer.identity == self._identity and is_ended(self._store, peer.identity, peer.device)

    def _hear_of_own_end(self, ident: VerifiedIdent) -> None:
        """Take up what another device of ours says: it will not let in one that has ended."""
        (told,) = self._store.ingest([ident], received_ms=self._clock(), via=ident.identity.hex())
        if told.outcome is Outcome.STORED:
            self.on_stored()
        if is_ended(self._store, self._identity, self._device):
            raise RefusedError(OWN_END)


def prove(static: bytes, greeting: Greeting) -> tuple[VerifiedIdent, bytes]:
    """Return who someone is, and the device whose certificate names the static key.

    Args:
        static: Noise key (32 bytes) that the handshake proves.

    Raises:
        DecodeError: the greeting is malformed.
        IntegrityError: a signature is wrong, or no device has this key.
    """
    ident = verify_ident(decode_ident(greeting.ident))
    for device in ident.devices:
        if device.certificate.box_public == static:
            return ident, device.certificate.device
    raise IntegrityError("none of its certificates names the key of this link")


def own_greeting(
    store: NodeStore, device: bytes, token: bytes = b"", *, now_ms: int = 0
) -> Greeting:
    """Return what this node says of itself in a handshake.

    Args:
        device: the own one.
        now_ms: what its clock shows; 0: it does not tell.

    Raises:
        ServiceError: nothing proves it any more (``integrity``).
    """
    return Greeting(own_proof(store, device, now_ms=now_ms).encode(), token, now_ms)


def link_keys(keys: DeviceKeys, config: Config, random_bytes: RandomBytes) -> LinkKeys:
    """Return what this node brings to each handshake."""
    return LinkKeys(keys.box, prologue_of(config.node.network), random_bytes)


def make_board(
    store: NodeStore,
    keys: DeviceKeys,
    config: Config,
    carrier: Carrier,
    *,
    clock: WallClock,
    random_bytes: RandomBytes,
    log: Log,
    before_sending: BeforeSending = sends_freely,
) -> Switchboard:
    """Return the switchboard of a node, which dials by ``carrier``.

    Args:
        before_sending: called before anything new of this device may reach a peer.
    """
    identity = store.identity_of(keys.device)
    if identity is None:
        raise ServiceError(
            Code.NO_IDENTITY, "this home has keys but no identity yet", "slowlight init"
        )
    keep_own_proof(store, keys.device)
    caller = Caller(
        store, identity, keys.device, link_keys(keys, config, random_bytes), carrier, clock=clock
    )
    board = Switchboard(
        store,
        identity,
        keys.device,
        caller,
        clock=clock,
        random_bytes=random_bytes,
        log=log,
        most_links=config.limits.links,
        silence_s=config.limits.silence_s,
        before_sending=before_sending,
    )
    caller.on_stored = board.store_changed
    return board


def outgoing_board(
    store: NodeStore,
    keys: DeviceKeys,
    config: Config,
    *,
    clock: WallClock,
    random_bytes: RandomBytes,
    before_sending: BeforeSending = sends_freely,
) -> Switchboard:
    """Return the switchboard of a node that only dials, over TCP."""
    return make_board(
        store,
        keys,
        config,
        TcpCarrier(),
        clock=clock,
        random_bytes=random_bytes,
        log=no_log(),
        before_sending=before_sending,
    )


def make_reception(
    store: NodeStore,
    keys: DeviceKeys,
    config: Config,
    board: Switchboard,
    *,
    clock: WallClock,
    random_bytes: RandomBytes,
    log: Log,
) -> Reception:
    """Return the reception of a node: it lets in whom the switchboard admits."""

    def decide(static: bytes, greeting: Greeting) -> ProvenPeer:
        ident, device = prove(static, greeting)
        if not board.admit(ident, device, greeting.token):
            raise RefusedError("a stranger without a valid invite")
        return ProvenPeer(ident.identity, device)

    async def on_link(link: Link, source: str) -> None:
        await board.take(link, source)

    def on_refusal(source: str, refusal: SlowlightError) -> None:
        log.info("caller refused", source=source, reason=str(refusal))

    return Reception(
        link_keys(keys, config, random_bytes),
        greet=lambda: own_greeting(store, keys.device, now_ms=clock()),
        decide=decide,
        on_link=on_link,
        on_refusal=on_refusal,
        limits=Limits(
            links=config.limits.links,
            per_source=config.limits.links_per_source,
            handshakes=config.limits.handshakes,
            handshake_s=config.limits.silence_s,
        ),
    )
