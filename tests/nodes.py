"""Nodes for tests: homes with seeded keys, stores in memory, a clock that stands still."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from slowlight.node.api import make_app
from slowlight.node.api_server import ApiServer, open_socket
from slowlight.node.beginning import begin
from slowlight.node.client import SocketClient
from slowlight.node.clock import RandomBytes
from slowlight.node.config import Config
from slowlight.node.direct import make_service
from slowlight.node.home import Home
from slowlight.node.links import ExchangeEnd, ExchangeNews, LiveLink, OnNews
from slowlight.node.logs import Log, no_log
from slowlight.node.peer_operations import SyncCounts
from slowlight.node.service import Service
from slowlight.protocol.entry import Entry
from slowlight.store.base import Ingested, Item, LogKey, NodeStore, Peer, PeerMemory, StoreError
from slowlight.store.memory import MemoryStore
from tests.people import START_MS


class StoodClock:
    """A wall clock that moves only when a test says so."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        """Return the time on it."""
        return self.now_ms


class OpenMemoryStore(MemoryStore):
    """A store in memory that outlives being closed, as a file does, and can be full."""

    is_full = False

    def close(self) -> None:
        """Keep everything: the test opens it again."""

    def ingest(self, batch: Sequence[Item], *, received_ms: int, via: str) -> list[Ingested]:
        """Store a batch, if there is space."""
        self._require_space()
        return super().ingest(batch, received_ms=received_ms, via=via)

    def append(
        self,
        key: LogKey,
        entries: Sequence[tuple[Entry, bytes]],
        *,
        received_ms: int,
        client_key: str = "",
    ) -> None:
        """Append own entries, if there is space."""
        self._require_space()
        super().append(key, entries, received_ms=received_ms, client_key=client_key)

    def remember_peer(self, device: bytes, memory: PeerMemory) -> None:
        """Remember a peer, if there is space."""
        self._require_space()
        super().remember_peer(device, memory)

    def put_peer(self, peer: Peer) -> None:
        """Keep a peer, if there is space."""
        self._require_space()
        super().put_peer(peer)

    def _require_space(self) -> None:
        if self.is_full:
            raise StoreError("disk full")


@dataclass
class NodeHome:
    """A home whose store is in memory, and what its node is made with."""

    home: Home
    store: OpenMemoryStore
    random_bytes: RandomBytes
    clock: StoodClock = field(default_factory=StoodClock)

    def open_store(self, _home: Home) -> NodeStore:
        """Open the one store that this home has."""
        return self.store


class RecordedLinks:
    """Links that nobody is at the other end of; they remember what they were told."""

    def __init__(self) -> None:
        self.listening: Sequence[str] = ("127.0.0.1:4242",)
        self.told: list[str] = []
        self.ends: dict[bytes, ExchangeEnd] = {}

    def live(self) -> Sequence[LiveLink]:
        """There are none."""
        return ()

    def store_changed(self) -> None:
        """Remember it."""
        self.told.append("store changed")

    def interest_changed(self) -> None:
        """Remember it."""
        self.told.append("interest changed")

    async def exchange(
        self, peers: Sequence[Peer], timeout_s: float, on_news: OnNews
    ) -> list[ExchangeEnd]:
        """Tell of one step with each peer, then the end that the test has chosen."""
        for peer in peers:
            on_news(ExchangeNews(peer, "connected", SyncCounts(entries_in=1)))
            await trio.lowlevel.checkpoint()
        return [
            self.ends.get(peer.device)
            or ExchangeEnd(peer, "host:1", "unreachable", "nobody answers", SyncCounts(), 7)
            for peer in peers
        ]


def seeded(seed: int) -> RandomBytes:
    """Return chance that a seed decides."""
    return random.Random(seed).randbytes


def make_home(path: Path, seed: int, name: str = "") -> NodeHome:
    """Begin a node: keys from a seed on disk, everything else in memory."""
    random_bytes = seeded(seed)
    made = NodeHome(Home(path), OpenMemoryStore(random_bytes(8)), random_bytes)
    begin(
        made.home,
        name=name,
        clock=made.clock,
        random_bytes=random_bytes,
        open_store=made.open_store,
    )
    return made


def service_of(made: NodeHome, links: RecordedLinks) -> Service:
    """Return the service of a home, with links that go nowhere."""
    return make_service(
        made.home,
        Config(),
        made.store,
        made.home.keys.device_keys(),
        links,
        clock=made.clock,
        random_bytes=made.random_bytes,
    )


@contextmanager
def served(service: Service, path: Path, log: Log | None = None) -> Generator[SocketClient]:
    """Serve the API of a service in a thread of its own, as a daemon would."""
    listening = open_socket(path)
    server = ApiServer(make_app(service, log or no_log()), log or no_log())
    tokens: list[trio.lowlevel.TrioToken] = []
    ready = threading.Event()

    async def serve() -> None:
        tokens.append(trio.lowlevel.current_trio_token())
        ready.set()
        await server.serve(listening)

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    ready.wait()
    try:
        yield SocketClient(path)
    finally:
        trio.from_thread.run(server.close, trio_token=tokens[0])
        thread.join()
        path.unlink()


def raw_answer(path: Path, request: bytes) -> bytes:
    """Send bytes to the API's socket, and return everything that comes back."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))
        connection.sendall(request)
        with connection.makefile("rb") as answer:
            return answer.read()
