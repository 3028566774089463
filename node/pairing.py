"""The window in which a node pairs: opened by a person, shut by an answer or by time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

import trio

from ..protocol.errors import SlowlightError
from ..protocol.hashing import short_id
from ..protocol.nearby import PAIRING_KEY
from ..protocol.pairing import MAX_ADDRESSES, RANDOM_BYTES, PairingHello
from ..store.base import NodeStore, Peer, StoreError
from .addresses import parse_address
from .carriers.lan import LanError
from .carriers.noise_link import LinkKeys
from .clock import RandomBytes, WallClock
from .errors import Code, ServiceError, storage_error
from .greetings import may_greet
from .logs import Log
from .nearby import Announcer, Neighbourhood
from .network import own_greeting
from .pair_operations import PairAnswerRequest, PairedResult, PairRequest, PairResult
from .pairing_exchange import HANDSHAKE_S, PairingExchange, Partner, call_partner, meet_caller

MAX_HANDSHAKES: Final = 4
"""Callers that shake hands with a window at the same time; the next ones are hung up on."""
MAX_CALLS: Final = 3
"""Calls to one announcement: a door that opens late, or hangs up for a while."""
CALL_AGAIN_S: Final = 2.0
ACCEPT_AGAIN_S: Final = 0.5


class Doors(Protocol):
    """Plain streams between addresses, for as long as a window is open."""

    async def open(self, address: str) -> trio.abc.Stream:
        """Return a stream to ``host:port``; raises OSError."""
        ...

    async def listen(self) -> tuple[int, Sequence[trio.abc.Listener[trio.abc.Stream]]]:
        """Open a door of which nobody knows yet; return its port and what accepts callers.

        Raises:
            OSError: there is no network.
        """
        ...


class TcpDoors:
    """Doors on every network of this machine: see `Doors`."""

    async def open(self, address: str) -> trio.abc.Stream:
        """Connect."""
        host, port = parse_address(address)
        return await trio.open_tcp_stream(host, port)

    async def listen(self) -> tuple[int, Sequence[trio.abc.Listener[trio.abc.Stream]]]:
        """Listen on a free port."""
        listeners = await trio.open_tcp_listeners(0, host="0.0.0.0")  # noqa: S104  the whole LAN
        return listeners[0].socket.getsockname()[1], listeners


class Pairing:
    """Pairs this node with others, one at a time, while its person looks on."""

    def __init__(
        self,
        store: NodeStore,
        identity: bytes,
        device: bytes,
        keys: LinkKeys,
        doors: Doors,
        announcer: Announcer,
        neighbourhood: Neighbourhood,
        *,
        addresses: Callable[[], Sequence[str]],
        on_paired: Callable[[], None],
        clock: WallClock,
        random_bytes: RandomBytes,
        log: Log,
    ) -> None:
        """Prepare to pair.

        Args:
            keys: the static key of the device, and the prologue of pairing.
            addresses: where this node is reached from now on.
            on_paired: told when the peers of the store have changed.
        """
        self._store = store
        self._identity = identity
        self._device = device
        self.keys: Final = keys
        self.doors: Final = doors
        self.announcer: Final = announcer
        self.neighbourhood: Final = neighbourhood
        self._addresses = addresses
        self._on_paired = on_paired
        self._clock = clock
        self._random_bytes = random_bytes
        self._log = log
        self._window: _Window | None = None
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the window, if one is open, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    async def call(self, request: PairRequest | PairAnswerRequest) -> PairResult | PairedResult:
        """Carry out either operation.

        Raises:
            ServiceError: it was refused or failed.
        """
        try:
            if isinstance(request, PairRequest):
                return await self.pair(request)
            return await self.answer(request)
        except StoreError as error:
            raise storage_error(error) from error

    async def pair(self, request: PairRequest) -> PairResult:
        """Open a window, and return whom it has found.

        Raises:
            ServiceError: ``unreachable``: nobody else paired, or there is no network.
        """
        try:
            with trio.fail_after(request.for_ms / 1_000):
                await self.announcer.ready()
        except (LanError, trio.TooSlowError) as error:
            why = "it is not ready yet" if isinstance(error, trio.TooSlowError) else str(error)
            raise ServiceError(
                Code.UNREACHABLE,
                f"this node cannot be found on a local network: {why}",
                "look at the settings node.lan and node.listen (slowlight config);"
                " or use an invite: slowlight invite",
            ) from error
        self._shut()
        window = _Window(
            self,
            self._hello(request.name),
            without={bytes.fromhex(device) for device in request.without} | {self._device},
        )
        self._window = window
        window.until_s = trio.current_time() + 2 * request.for_ms / 1_000
        self._tasks.start_soon(window.run)
        with trio.move_on_after(request.for_ms / 1_000):
            await window.moved.wait()
        found = window.found
        if found is None:
            window.shut()
            raise ServiceError(
                Code.UNREACHABLE,
                window.failure or "nobody else pairs on this network now",
                "both of you type slowlight pair within two minutes, on the same network;"
                " or use an invite: slowlight invite",
            )
        partner = found.partner
        return PairResult(
            words=tuple(found.words),
            identity=partner.ident.identity.hex(),
            short_id=short_id(partner.ident.identity),
            device=partner.device.hex(),
            name=partner.name,
        )

    async def answer(self, request: PairAnswerRequest) -> PairedResult:
        """Say what the person has seen, and wait for the other's answer.

        Raises:
            ServiceError: ``not_found``: no window is open; ``unreachable``: the other node left
                or did not answer in time.
        """
        window = self._window
        if window is None or window.found is None:
            raise ServiceError(
                Code.NOT_FOUND, "this node is not pairing with anybody", "slowlight pair"
            )
        found, self._window = window.found, None
        try:
            with trio.fail_at(window.until_s):
                paired = await found.answer(same=request.same)
        except (SlowlightError, trio.TooSlowError) as error:
            why = "no answer came in time" if isinstance(error, trio.TooSlowError) else str(error)
            raise ServiceError(
                Code.UNREACHABLE, f"not paired: {why}", "both of you type slowlight pair again"
            ) from error
        finally:
            await found.aclose()
            window.shut()
        partner = found.partner
        if paired:
            self._take(partner)
        return PairedResult(
            paired=paired,
            identity=partner.ident.identity.hex(),
            short_id=short_id(partner.ident.identity),
            device=partner.device.hex(),
            name=partner.name,
            addresses=partner.addresses,
        )

    def new_random(self) -> bytes:
        """Return a random number for one hello."""
        return self._random_bytes(RANDOM_BYTES)

    def hung_up(self, failure: Exception) -> None:
        """Note a handshake that came to nothing."""
        self._log.info("pairing failed", reason=str(failure))

    def _hello(self, name: str) -> PairingHello:
        """Return what this node says of itself; its random number is drawn for each handshake."""
        known = self._store.identity(self._identity)
        hello = PairingHello(
            bytes(RANDOM_BYTES),
            own_greeting(self._store, self._device).ident,
            tuple(self._addresses())[:MAX_ADDRESSES],
            name or (known.name if known else ""),
        )
        try:
            hello.encode()
        except ValueError as error:
            raise ServiceError(
                Code.INVALID, f"this node cannot introduce itself: {error}", "use a shorter name"
            ) from error
        return hello

    def _take(self, partner: Partner) -> None:
        """Make the partner a peer."""
        identity = partner.ident.identity
        self._store.ingest([partner.ident], received_ms=self._clock(), via=identity.hex())
        if not may_greet(self._store, partner.ident, partner.device):
            raise ServiceError(
                Code.INTEGRITY,
                "not paired: its person has closed that device",
                "they begin a new one there: slowlight --home NEWDIR key add-device",
            )
        before = next((one for one in self._store.peers() if one.device == partner.device), None)
        last_contact_ms = before.last_contact_ms if before else 0
        addresses = tuple(one for one in partner.addresses if _is_address(one))
        self._store.put_peer(
            Peer(identity, partner.device, partner.static, addresses, partner.name, last_contact_ms)
        )
        self._log.info("paired", peer=identity, device=partner.device)
        self._on_paired()

    @property
    def _tasks(self) -> trio.Nursery:
        if self._nursery is None:
            raise RuntimeError("pairing is not running")
        return self._nursery

    def _shut(self) -> None:
        if self._window is not None:
            self._window.shut()
            self._window = None


class _Window:
    """One opening: calls out, calls and is called until somebody is found."""

    def __init__(self, pairing: Pairing, hello: PairingHello, *, without: set[bytes]) -> None:
        self._pairing = pairing
        self._template = hello
        self._without = without
        self._scope = trio.CancelScope()
        self._calling = trio.CancelScope()
        self._shaking = 0
        self._called: set[bytes] = set()
        self.until_s = 0.0
        self.found: PairingExchange | None = None
        self.failure = ""
        self.moved: Final = trio.Event()
        """Set when somebody was found, or nobody can be."""

    def shut(self) -> None:
        """End everything."""
        self._scope.cancel()

    async def run(self) -> None:
        """Look for somebody until shut; time closes it, too."""
        try:
            with self._scope:
                with trio.move_on_at(self.until_s):
                    await self._look()
                    await trio.sleep_forever()
        except (OSError, LanError) as error:
            self.failure = f"the window cannot be opened: {error}"
            self.moved.set()
        finally:
            if self.found is not None:
                with trio.CancelScope(shield=True):
                    await self.found.aclose()

    async def _look(self) -> None:
        port, listeners = await self._pairing.doors.listen()
        nonce = b""
        try:
            nonce = await self._pairing.announcer.announce(PAIRING_KEY, port)
            async with trio.open_nursery() as nursery:
                self._calling = nursery.cancel_scope
                for listener in listeners:
                    nursery.start_soon(self._accept, listener, nursery)
                await self._call_others(nonce)
        finally:
            with trio.CancelScope(shield=True):
                for listener in listeners:
                    await listener.aclose()
                await self._pairing.announcer.withdraw(nonce)

    async def _accept(
        self, listener: trio.abc.Listener[trio.abc.Stream], nursery: trio.Nursery
    ) -> None:
        while True:
            try:
                nursery.start_soon(self._meet, await listener.accept())
            except OSError as error:  # such as too many open files: others may close theirs
                self._pairing.hung_up(error)
                await trio.sleep(ACCEPT_AGAIN_S)

    async def _call_others(self, nonce: bytes) -> None:
        """Call whoever pairs, one after the other: of two nodes the one with the lower nonce."""
        neighbourhood = self._pairing.neighbourhood
        while True:
            for one in neighbourhood.pairing:
                if nonce < one.nonce and one.nonce not in self._called:
                    self._called.add(one.nonce)
                    await self._call(one.addresses)
                    break
            else:
                await neighbourhood.moved.wait()

    async def _call(self, addresses: Sequence[str]) -> None:
        for attempt in range(MAX_CALLS):
            if attempt:
                await trio.sleep(CALL_AGAIN_S)
            for address in addresses:
                try:
                    with trio.fail_after(HANDSHAKE_S):
                        stream = await self._pairing.doors.open(address)
                    exchange = await call_partner(stream, self._pairing.keys, self._hello)
                except (OSError, trio.TooSlowError, SlowlightError) as error:
                    self._pairing.hung_up(error)
                else:
                    await self._meet_partner(exchange)
                    return

    async def _meet(self, stream: trio.abc.Stream) -> None:
        if self._shaking >= MAX_HANDSHAKES:
            await trio.aclose_forcefully(stream)
            return
        self._shaking += 1
        try:
            exchange = await meet_caller(stream, self._pairing.keys, self._hello)
        except SlowlightError as error:
            self._pairing.hung_up(error)
        else:
            await self._meet_partner(exchange)
        finally:
            self._shaking -= 1

    async def _meet_partner(self, exchange: PairingExchange) -> None:
        if self.found is not None or exchange.partner.device in self._without:
            await exchange.aclose()
            return
        self.found = exchange
        self.moved.set()
        self._calling.cancel()

    def _hello(self) -> PairingHello:
        return replace(self._template, random=self._pairing.new_random())


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except ServiceError:
        return False
    return True
