"""Real daemons for tests: processes with homes of their own, stopped, killed and started again."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec

from slowlight.node.beginning import begin
from slowlight.node.client import SocketClient
from slowlight.node.clock import system_clock
from slowlight.node.home import Home
from slowlight.node.operations import StatusResult
from tests.nodes import seeded

SLOWLIGHT: Final = Path(sys.executable).with_name("slowlight")
LONGEST_WAIT_S: Final = 120.0
"""Nothing that is waited for takes a tenth of this; a test that waits longer has failed."""


def make_home(path: Path, seed: int, name: str) -> Home:
    """Begin a node on disk, with keys from a seed."""
    home = Home(path)
    begin(home, name=name, clock=system_clock, random_bytes=seeded(seed))
    return home


def command(
    home: Home, *arguments: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Carry out one command on a home, in a process of its own."""
    return subprocess.run(
        [SLOWLIGHT, "--home", home.path, *arguments],
        env=_environment(environ or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT_S,
        check=False,
    )


class Daemon:
    """A node in a process of its own, or the place where it will be."""

    def __init__(self, home: Home, **environ: str) -> None:
        self.home = home
        self.client = SocketClient(home.socket)
        self.log = home.path.with_name(f"{home.path.name}.log")
        """What it wrote to standard error, over all its lives."""
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        self._status: StatusResult | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process of its present life, or of the last one."""
        if self._process is None:
            raise RuntimeError("it was never started")
        return self._process

    @property
    def status(self) -> StatusResult:
        """What it said when it was ready."""
        if self._status is None:
            raise RuntimeError("it was never ready")
        return self._status

    @property
    def address(self) -> str:
        """Where it accepts peers in its present life."""
        return self.status.listening[0]

    def start(self) -> StatusResult:
        """Start it, and return what it says of itself when it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [SLOWLIGHT, "--home", self.home.path, "--json", "run"],
                env=_environment(self._environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        line = first_line(self._process.stdout)
        assert line, f"the daemon ended before it was ready:\n{self.log.read_text()}"
        self._status = msgspec.json.decode(line, type=StatusResult)
        return self._status

    def kill(self) -> None:
        """End it without warning, wherever it is."""
        self.process.kill()
        self._reap()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to end, and return its exit code."""
        self.process.send_signal(number)
        return self._reap()

    def field_kb(self, name: str) -> int:
        """Return a field of the process's status that counts kB, such as ``VmHWM``."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))

    def _reap(self) -> int:
        code = self.process.wait(LONGEST_WAIT_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


@contextmanager
def running(home: Home, **environ: str) -> Generator[Daemon]:
    """Run the daemon of a home; whatever lives at the end of the block is killed."""
    daemon = Daemon(home, **environ)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.kill()


def first_line(stream: IO[bytes] | None) -> bytes:
    """Return the first line of a pipe; nothing if its other end closes before."""
    assert stream is not None
    ready, _, _ = select.select([stream], [], [], LONGEST_WAIT_S)
    assert ready, "no line came"
    return stream.readline()


def _environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without any settings of ours but these."""
    kept = {name: value for name, value in os.environ.items() if "SLOWLIGHT" not in name}
    listen = {"SLOWLIGHT_NODE_LISTEN": "127.0.0.1:0", "SLOWLIGHT_LOG_LEVEL": "debug"}
    return {**kept, **listen, **changes}
