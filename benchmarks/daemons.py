"""Real homes and real daemons for benchmarks; everything is taken away at the end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from slowlight.node.beginning import begin
from slowlight.node.client import SocketClient
from slowlight.node.clock import system_clock
from slowlight.node.home import Home
from slowlight.node.operation import MAX_WHO
from slowlight.node.peer_operations import ADD_PEER, INVITE, AddPeerRequest, InviteRequest
from slowlight.node.people_operations import FOLLOW, FollowRequest

SLOWLIGHT = Path(sys.executable).with_name("slowlight")


class Daemon:
    """A running ``slowlight run``."""

    def __init__(self, home: Home, process: subprocess.Popen[str]) -> None:
        self.home = home
        self.process = process
        self.client = SocketClient(home.socket)

    def status_kb(self, field: str) -> int:
        """Return a field of the process's status that counts kB, such as ``VmRSS``."""
        return int(self._field(field).split()[0])

    def context_switches(self) -> int:
        """Return how often the process was woken so far."""
        return int(self._field("voluntary_ctxt_switches"))

    def _field(self, name: str) -> str:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return line.partition(":")[2].strip()
        raise KeyError(name)


@contextmanager
def empty_home(name: str) -> Generator[Home]:
    """Name a home in a temporary folder; it holds nothing yet."""
    folder = Path(tempfile.mkdtemp(prefix="slowlight-bench-"))
    try:
        yield Home(folder / name)
    finally:
        shutil.rmtree(folder)


@contextmanager
def new_home(name: str) -> Generator[Home]:
    """Make a home with an identity in a temporary folder."""
    with empty_home(name) as home:
        begin(home, name=name, clock=system_clock, random_bytes=os.urandom)
        yield home


@contextmanager
def running(home: Home) -> Generator[Daemon]:
    """Run the daemon of a home until the block ends."""
    environ = {**os.environ, "SLOWLIGHT_NODE_LISTEN": "127.0.0.1:0", "SLOWLIGHT_LOG_LEVEL": "error"}
    process = subprocess.Popen(
        [SLOWLIGHT, "--home", home.path, "run"], stdout=subprocess.PIPE, text=True, env=environ
    )
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError("the daemon ended before it was ready")
        yield Daemon(home, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def follow_all(daemon: Daemon, people: list[bytes]) -> None:
    """Let the node of a daemon follow everyone."""
    for start in range(0, len(people), MAX_WHO):
        names = tuple(person.hex() for person in people[start : start + MAX_WHO])
        daemon.client.call(FOLLOW, FollowRequest(who=names))


def introduce(dialler: Daemon, answerer: Daemon) -> None:
    """Let one daemon know how to dial the other."""
    invite = answerer.client.call(INVITE, InviteRequest())
    dialler.client.call(ADD_PEER, AddPeerRequest(who=invite.uri))
