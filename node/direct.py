"""A node without its daemon: the caller's own process does the work, under the lock."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar, cast

from ..store.base import NodeStore, Peer, StoreError
from .author import MaySign
from .beginning import OpenStore, open_own_store, open_sqlite_store, open_sqlite_to_read
from .client import OnEvent, ignore_events
from .clock import RandomBytes, WallClock, system_clock
from .config import Config
from .home import Home
from .keys import DeviceKeys
from .links import ExchangeEnd, Links, LiveLink, OnNews
from .operation import Operation, Request, Result
from .peer_operations import SyncRequest
from .peering import Reach
from .pen import Pen
from .service import About, Service
from .shell import decode_request, encode_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from .switchboard import Switchboard

Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Result)


class DirectClient:
    """Calls the service in this process, with the same strictness as over the socket."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def call(self, operation: Operation[Q, R], request: Q, on_event: OnEvent = ignore_events) -> R:
        """Carry out one operation; see `Client`."""
        checked = decode_request(operation, encode_request(request))
        if isinstance(checked, SyncRequest):
            import trio

            return cast(R, trio.run(self._service.sync, checked, on_event))
        return self._service.call(operation, checked)


class MomentaryLinks:
    """No link lives between the calls: an exchange dials, and says goodbye at its end."""

    listening: Sequence[str] = ()

    def __init__(self, make_board: Callable[[], Switchboard]) -> None:
        self._make_board = make_board

    def live(self) -> Sequence[LiveLink]:
        """There are none."""
        return ()

    def store_changed(self) -> None:
        """Nobody is there to be told; the next session offers it."""

    def interest_changed(self) -> None:
        """Nobody is there to be told; the next session knows it."""

    async def exchange(
        self, peers: Sequence[Peer], timeout_s: float, on_news: OnNews
    ) -> list[ExchangeEnd]:
        """Dial the peers, exchange, and say goodbye."""
        import trio

        from ..protocol.frames import ByeReason

        board = self._make_board()
        async with trio.open_nursery() as nursery:
            await nursery.start(board.run)
            try:
                return await board.exchange(peers, timeout_s, on_news)
            finally:
                with trio.CancelScope(shield=True):
                    await board.close(ByeReason.DONE)


def make_service(
    home: Home,
    config: Config,
    store: NodeStore,
    keys: DeviceKeys,
    links: Links,
    *,
    clock: WallClock,
    random_bytes: RandomBytes,
    started_ms: int = 0,
    may_sign: MaySign | None = None,
) -> Service:
    """Return the service of a home, in its daemon (``started_ms`` above 0) or without one.

    Args:
        may_sign: asked before each signature; None: whatever speaks against it in the home.
    """
    return Service(
        store,
        keys,
        links,
        about=About(
            home=str(home.path),
            network=config.node.network,
            pid=os.getpid() if started_ms else 0,
            started_ms=started_ms,
        ),
        secrets=home.secrets,
        private=config.private,
        clock=clock,
        random_bytes=random_bytes,
        reach=Reach(listen=config.node.listen, advertise=config.node.advertise),
        may_sign=may_sign or Pen(home, store, keys.device).require,
        root_seed=lambda: home.keys.root_seed() if home.keys.have_root_seed else None,
    )


def _drop_expired(store: NodeStore, now_ms: int) -> None:
    """Drop a bounded part of what expired while no node ran, and of what is left of a purge.

    A disk that cannot be written hinders nobody from reading.
    """
    with suppress(StoreError):
        store.expire(now_ms)
        if store.purge_due():
            store.purge()


@contextmanager
def open_direct(
    home: Home,
    config: Config,
    *,
    open_store: OpenStore = open_sqlite_store,
    clock: WallClock = system_clock,
    random_bytes: RandomBytes = os.urandom,
    read_only: bool = False,
) -> Generator[DirectClient]:
    """Open the node of a home, whose lock the caller holds.

    Args:
        read_only: the home cannot be written: nothing is signed or sent, and what was read is
            not noted.

    Raises:
        ServiceError: there is no identity, its secrets are open to others, or the database
            cannot be opened.
    """
    keys = home.keys.device_keys()
    store = open_own_store(home, open_sqlite_to_read if read_only else open_store)
    try:
        if not read_only:
            _drop_expired(store, clock())
        pen = Pen(home, store, keys.device)

        def refuse() -> None:
            raise home.unwritable(None)

        def momentary_board() -> Switchboard:
            if read_only:
                refuse()
            from .network import outgoing_board

            return outgoing_board(
                store,
                keys,
                config,
                clock=clock,
                random_bytes=random_bytes,
                before_sending=pen.before_sending,
            )

        yield DirectClient(
            make_service(
                home,
                config,
                store,
                keys,
                MomentaryLinks(momentary_board),
                clock=clock,
                random_bytes=random_bytes,
                may_sign=refuse if read_only else pen.require,
            )
        )
    finally:
        store.close()
