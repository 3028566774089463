"""The running node: doors, dialler, sessions, API and index, until it is told to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

import trio

from ..protocol.frames import ByeReason
from ..protocol.handshake import prologue_of
from ..protocol.pairing import PAIRING_PROTOCOL
from ..store.base import NodeStore, StoreError
from .addresses import open_port, own_hosts, reachable
from .api import make_app
from .api_server import ApiServer, open_socket
from .beginning import OpenStore, open_own_store, open_sqlite_store
from .bodies import look_after_bodies
from .carriers.lan import Lan
from .carriers.noise_link import LinkKeys
from .carriers.zeroconf_lan import ZeroconfLan
from .clock import RandomBytes, WallClock, system_clock
from .config import Config
from .dialler import Dialler
from .direct import make_service
from .errors import ServiceError
from .first_look import FirstLook
from .home import Home
from .keys import DeviceKeys
from .logs import Log, opened_log
from .nearby import Announcer, Neighbourhood, ring_along
from .network import Carrier, TcpCarrier, make_board, make_reception
from .pairing import Doors, Pairing, TcpDoors
from .pen import Pen
from .period_keys import PeriodKeeper
from .room import keep_room, limits_of
from .scrubbing import keep_scrubbed
from .service import Service
from .sessions import Bell

QUIET_S: Final = 0.25
"""The search index waits until nothing was committed for this long."""
PERIOD_KEYS_AFTER_S: Final = 60.0
"""When a daemon first looks after its period keys."""
DAY_S: Final = 86_400.0
_INDEXED_AT_ONCE: Final = 500
"""Posts that the index reads before others have their turn: about 10 ms."""

Stop: TypeAlias = Callable[[], Awaitable[None]]
"""Returns when the node has to stop."""


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node that accepts peers and answers calls."""

    service: Service
    listening: tuple[str, ...]
    """Its addresses, with their real ports."""
    pairing: Pairing


OnReady: TypeAlias = Callable[[RunningNode], None]


async def run_node(
    home: Home,
    config: Config,
    *,
    stop: Stop,
    log: Log,
    carrier: Carrier | None = None,
    lan: Lan | None = None,
    doors: Doors | None = None,
    open_store: OpenStore = open_sqlite_store,
    clock: WallClock = system_clock,
    random_bytes: RandomBytes = os.urandom,
    task_status: trio.TaskStatus[RunningNode] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the node of a home until ``stop`` returns.

    Then every peer is told BYE, open answers get a moment, and everything is closed. Several
    nodes can run in one process, each with its own home.

    Args:
        carrier: how links are made; TCP if None.
        lan: where the node calls out and listens for others; multicast DNS if None.
        doors: how it meets those whom it pairs with; TCP if None.

    Raises:
        ServiceError: the home is in use or holds no identity, its secrets are open to others,
            its database cannot be opened, or an address cannot be listened on.
    """
    with home.lock("slowlight run"):
        keys = home.keys.device_keys()
        store = open_own_store(home, open_store)
        try:
            node = _Node(
                home,
                config,
                keys,
                store,
                carrier or TcpCarrier(),
                lan or ZeroconfLan(),
                doors or TcpDoors(),
                log=log,
                clock=clock,
                random_bytes=random_bytes,
            )
            await node.run(stop, task_status)
        finally:
            store.close()
    log.info("stopped")


class _Node:
    """The parts of a node, and how they run together."""

    def __init__(
        self,
        home: Home,
        config: Config,
        keys: DeviceKeys,
        store: NodeStore,
        carrier: Carrier,
        lan: Lan,
        doors: Doors,
        *,
        log: Log,
        clock: WallClock,
        random_bytes: RandomBytes,
    ) -> None:
        self._home = home
        self._config = config
        self._store = store
        self._carrier = carrier
        self._log = log
        self._clock = clock
        pen = Pen(home, store, keys.device)
        if pen.objection is not None:
            log.warning("must not sign", reason=pen.objection.message, advice=pen.objection.hint)
        self._board = make_board(
            store,
            keys,
            config,
            carrier,
            clock=clock,
            random_bytes=random_bytes,
            log=log,
            before_sending=pen.before_sending,
        )
        self._service = make_service(
            home,
            config,
            store,
            keys,
            self._board,
            clock=clock,
            random_bytes=random_bytes,
            started_ms=clock(),
            may_sign=pen.require,
        )
        self._first_look = FirstLook(store.peers(), log)
        self._neighbourhood = Neighbourhood(store, self._board.identity, keys.device)
        self._announcer = Announcer(
            lan, self._neighbourhood, keys.box.public, random_bytes=random_bytes, log=log
        )
        self._pairing = Pairing(
            store,
            self._board.identity,
            keys.device,
            LinkKeys(keys.box, prologue_of(config.node.network, PAIRING_PROTOCOL), random_bytes),
            doors,
            self._announcer,
            self._neighbourhood,
            addresses=lambda: reachable(self._board.listening, own_hosts()),
            on_paired=self._board.interest_changed,
            clock=clock,
            random_bytes=random_bytes,
            log=log,
        )
        self._api = ApiServer(
            make_app(
                self._service, log, self._first_look.before, self._pairing, self._board.events
            ),
            log,
        )
        self._reception = make_reception(
            store, keys, config, self._board, clock=clock, random_bytes=random_bytes, log=log
        )
        self._dialler = Dialler(
            self._neighbourhood.dialled,
            self._board.connect,
            self._board.peers_moved,
            random_bytes=random_bytes,
            ceiling_s=config.limits.redial_s,
            log=log,
            on_tried=self._first_look.tried,
        )

    async def run(self, stop: Stop, task_status: trio.TaskStatus[RunningNode]) -> None:
        """Open the doors, run everything until ``stop`` returns, and say goodbye."""
        with open_socket(self._home.socket) as api_socket, self._removing_socket():
            doors = await self._carrier.listen(self._config.node.listen)
            self._board.listening = doors.addresses
            async with trio.open_nursery() as nursery:
                await nursery.start(self._board.run)
                await nursery.start(self._first_look.run, self._board.heard_out)
                await nursery.start(self._api.serve, api_socket)
                await nursery.start(partial(doors.serve, self._reception))
                nursery.start_soon(self._dialler.run)
                await nursery.start(self._pairing.run)
                port = open_port(doors.addresses) if self._config.node.lan else 0
                if port:
                    nursery.start_soon(self._announcer.run, port)
                    nursery.start_soon(
                        ring_along, self._neighbourhood.moved, self._board.peers_moved.ring
                    )
                nursery.start_soon(
                    partial(
                        keep_scrubbed,
                        self._store,
                        self._config.storage.scrub_days,
                        clock=self._clock,
                        log=self._log,
                    )
                )
                nursery.start_soon(
                    partial(
                        keep_room,
                        self._store,
                        self._service.identity,
                        limits_of(self._config.storage),
                        self._board.stored,
                        log=self._log,
                    )
                )
                nursery.start_soon(keep_indexed, self._store, self._board.stored, self._log)
                nursery.start_soon(
                    partial(look_after_bodies, clock=self._clock),
                    self._store,
                    self._board.stored,
                    self._log,
                )
                nursery.start_soon(look_after_period_keys, self._service.period_keys, self._log)
                nursery.start_soon(
                    readmit_when_forgotten,
                    self._service,
                    self._first_look,
                    self._board.stored,
                    self._log,
                )
                where = " ".join(doors.addresses)
                self._log.info("ready", home=str(self._home.path), listening=where)
                task_status.started(
                    RunningNode(self._service, tuple(doors.addresses), self._pairing)
                )
                await stop()
                self._log.info("stopping")
                await self._board.close(ByeReason.SHUTDOWN)
                await self._api.close()
                nursery.cancel_scope.cancel()

    @contextmanager
    def _removing_socket(self) -> Generator[None]:
        try:
            yield
        finally:
            self._home.socket.unlink(missing_ok=True)


async def keep_indexed(store: NodeStore, stored: Bell, log: Log) -> None:
    """Let the search index follow whenever nothing else is to be done; needs no timer at rest."""
    while True:
        await _until_quiet(stored)
        seen = store.change_counter
        try:
            while store.index_posts(_INDEXED_AT_ONCE) and store.change_counter == seen:
                await trio.lowlevel.checkpoint()
        except StoreError as error:
            log.failure("database failed", reason=str(error))
        if store.change_counter == seen:
            await stored.wait()


async def look_after_period_keys(keeper: PeriodKeeper, log: Log) -> None:
    """Publish period keys ahead and erase those whose time is up, once a day.

    Not at once: the first signature after a start waits for the `FirstLook`, and people who
    write go first.
    """
    await trio.sleep(PERIOD_KEYS_AFTER_S)
    while True:
        try:
            kept = keeper.look_after()
        except (ServiceError, StoreError, OSError) as error:
            log.warning("period keys not looked after", reason=str(error))
        else:
            if kept.published or kept.erased:
                log.info("period keys", published=kept.published, erased=kept.erased)
        await trio.sleep(DAY_S)


async def readmit_when_forgotten(
    service: Service, first_look: FirstLook, stored: Bell, log: Log
) -> None:
    """Readmit the own device when peers bring a rotation of which a restored home knew nothing.

    Ends at once in every home that was not restored from words.
    """
    if service.may_readmit:
        await first_look.over()
    while service.may_readmit:
        try:
            if service.readmit():
                log.info("this device was readmitted after a rotation")
                return
        except (ServiceError, StoreError) as error:
            log.warning("this device was not readmitted", reason=str(error))
        await stored.wait()


async def _until_quiet(stored: Bell) -> None:
    while True:
        with trio.move_on_after(QUIET_S) as waiting:
            await stored.wait()
        if waiting.cancelled_caught:
            return


async def run_until_signalled(
    home: Home, config: Config, log: Log, task_status: trio.TaskStatus[RunningNode]
) -> None:
    """Run a node until the first SIGINT or SIGTERM; a second one ends the process at once.

    Signals are heard before the node says that it is ready: whoever saw that can stop it.
    """
    with ExitStack() as hearing:
        signals = hearing.enter_context(trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM))

        async def until_signalled() -> None:
            async for _ in signals:
                hearing.close()
                return

        await run_node(home, config, stop=until_signalled, log=log, task_status=task_status)


class _Announcement(trio.TaskStatus[RunningNode]):
    """Hands the node to a function when it is ready."""

    def __init__(self, on_ready: OnReady) -> None:
        self._on_ready = on_ready

    def started(self, value: RunningNode | None = None) -> None:
        """Take the ready node."""
        if value is not None:
            self._on_ready(value)


def run_daemon(home: Home, config: Config, on_ready: OnReady) -> None:
    """Run the node of a home until SIGINT or SIGTERM, in a trio loop of its own.

    Args:
        on_ready: told once, when peers and calls are accepted.

    Raises:
        ServiceError: see `run_node`.
    """
    ready = _Announcement(on_ready)
    with opened_log(config.log) as log:
        trio.run(run_until_signalled, home.having_asked(), config, log, ready)
