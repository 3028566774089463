"""A network in memory, and running nodes on it, for tests in virtual time."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import trio

from slowlight.node.carriers.base import Decide, Greet, Link
from slowlight.node.carriers.memory import MemoryListener, MemoryNetwork, MemoryStream
from slowlight.node.carriers.memory_lan import MemoryLan
from slowlight.node.carriers.noise_link import LinkKeys
from slowlight.node.carriers.reception import Reception
from slowlight.node.config import Config, NodeConfig
from slowlight.node.daemon import RunningNode, run_node
from slowlight.node.logs import Log
from slowlight.node.pairing import Pairing
from slowlight.node.peer_operations import INVITE, InviteRequest
from slowlight.node.post_operations import READ, ReadRequest
from slowlight.node.service import Service
from tests.nodes import NodeHome, make_home


class MemoryCarrier:
    """The carrier of nodes on a memory network; it remembers each dial."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.network: Final = network
        self.dialled_at_s: Final[list[float]] = []

    async def dial(
        self, address: str, keys: LinkKeys, remote_static: bytes, *, greet: Greet, decide: Decide
    ) -> Link:
        """Open a link."""
        self.dialled_at_s.append(trio.current_time())
        return await self.network.dial(address, keys, remote_static, greet=greet, decide=decide)

    async def listen(self, addresses: Sequence[str]) -> MemoryListening:
        """Open doors."""
        await trio.lowlevel.checkpoint()
        return MemoryListening(self.network, addresses)


class MemoryListening:
    """Open doors on a memory network."""

    def __init__(self, network: MemoryNetwork, addresses: Sequence[str]) -> None:
        self._network = network
        self._listeners = [network.listen(address) for address in addresses]
        self.addresses = addresses

    async def serve(
        self,
        reception: Reception,
        *,
        task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve callers until cancelled."""
        async with trio.open_nursery() as nursery:
            for listener in self._listeners:
                await nursery.start(partial(self._network.serve, listener, reception))
            task_status.started()


def net(seed: int = 1, *, delay_s: float = 0.0) -> MemoryCarrier:
    """Return a new network."""
    return MemoryCarrier(MemoryNetwork(random.Random(seed), delay_s=delay_s))


class MemoryDoors:
    """Doors of a host on a memory network, for pairing; each has the next port."""

    def __init__(self, network: MemoryNetwork, host: str) -> None:
        self._network = network
        self._host = host
        self._port = 1_000

    async def open(self, address: str) -> MemoryStream:
        """Connect."""
        return await self._network.connect(address)

    async def listen(self) -> tuple[int, Sequence[MemoryListener]]:
        """Listen."""
        await trio.lowlevel.checkpoint()
        self._port += 1
        return self._port, [self._network.listen(f"{self._host}:{self._port}")]


@dataclass
class Running:
    """A node that runs on a memory network."""

    made: NodeHome
    service: Service
    stopping: trio.Event
    stopped: trio.Event
    lines: list[str]
    """What it has logged."""
    pairing: Pairing

    async def stop(self) -> None:
        """Let it end as a signal would."""
        self.stopping.set()
        await self.stopped.wait()

    def invite(self) -> str:
        """Make an invite."""
        return self.service.call(INVITE, InviteRequest()).uri

    def texts(self) -> list[str | None]:
        """Return the texts of all posts held, newest first."""
        page = self.service.call(READ, ReadRequest(scope="all", limit=500))
        return [post.text for post in page.posts]

    def told(self, event: str) -> list[str]:
        """Return what it has logged of one event."""
        return [line for line in self.lines if line[33:].startswith(event)]


async def run_home(
    made: NodeHome,
    carrier: MemoryCarrier,
    nursery: trio.Nursery,
    config: Config | None = None,
    lan: MemoryLan | None = None,
) -> Running:
    """Start the node of a home that exists; nobody else is on its local network if None."""
    stopping, stopped = trio.Event(), trio.Event()
    lines: list[str] = []
    address = f"{made.home.path.name}:1"
    settings = config or Config(node=NodeConfig(listen=(address,), lan=lan is not None))

    async def run(*, task_status: trio.TaskStatus[RunningNode]) -> None:
        try:
            await run_node(
                made.home,
                settings,
                stop=stopping.wait,
                log=Log(lines.append, level="debug", clock=made.clock),
                carrier=carrier,
                lan=(lan or MemoryLan()).end(made.home.path.name),
                doors=MemoryDoors(carrier.network, made.home.path.name),
                open_store=made.open_store,
                clock=made.clock,
                random_bytes=made.random_bytes,
                task_status=task_status,
            )
        finally:
            stopped.set()

    node: RunningNode = await nursery.start(run)
    return Running(made, node.service, stopping, stopped, lines, node.pairing)


@asynccontextmanager
async def running(
    path: Path, carrier: MemoryCarrier, *names: str, lan: MemoryLan | None = None
) -> AsyncGenerator[list[Running]]:
    """Run new nodes with these names until the end of the block."""
    async with trio.open_nursery() as nursery:
        nodes = [
            await run_home(make_home(path / name, seed, name), carrier, nursery, lan=lan)
            for seed, name in enumerate(names, start=1)
        ]
        try:
            yield nodes
        finally:
            for node in nodes:
                node.stopping.set()
