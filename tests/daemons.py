"""Nodes on disk with a process each, which is stopped, killed and started again."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from slowlight.node.beginning import begin
from slowlight.node.client import SocketClient
from slowlight.node.clock import system_clock
from slowlight.node.home import Home
from slowlight.node.peer_operations import StatusResult
from tests import processes
from tests.nodes import seeded

LONGEST_WAIT_S: Final = 120.0
"""Nothing that is waited for takes a tenth of this; a test that waits longer has failed."""


def make_home(path: Path, seed: int, name: str) -> Home:
    """Begin a node on disk, with keys from a seed."""
    home = Home(path)
    begin(home, name=name, clock=system_clock, random_bytes=seeded(seed))
    return home


class Daemon:
    """The daemon of a home, life after life."""

    def __init__(self, home: Home, *options: str) -> None:
        self.home = home
        self.client = SocketClient(home.socket)
        self._options = options
        self._life: processes.Daemon | None = None

    @property
    def life(self) -> processes.Daemon:
        """Its present life, or the last one."""
        if self._life is None:
            raise RuntimeError("it was never started")
        return self._life

    @property
    def status(self) -> StatusResult:
        """What it said when it was ready."""
        return msgspec.convert(self.life.ready, StatusResult)

    def start(self) -> None:
        """Start it and wait until it is ready."""
        folder, name = self.home.path.parent, self.home.path.name
        self._life = processes.Daemon(folder, name, *self._options)

    def kill(self) -> None:
        """End it without warning, wherever it is, if it lives."""
        if self._life is not None:
            self._life.end(signal.SIGKILL)

    def field_kb(self, name: str) -> int:
        """Return a field of its status in ``/proc`` that counts kB, such as ``VmHWM``."""
        lines = Path(f"/proc/{self.life.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


@contextmanager
def running(home: Home, *options: str) -> Generator[Daemon]:
    """Run the daemon of a home; whatever lives at the end of the block is killed."""
    daemon = Daemon(home, *options)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.kill()
