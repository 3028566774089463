"""Slowlight as processes of their own: what a person types, and daemons that really run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from tests.command_line import Ending

COMMAND: Final = (sys.executable, "-m", "slowlight.cli")
PATIENCE_S: Final = 60
"""Nothing here takes a tenth of it; a test that waits for ever tells nobody why."""


def environment(folder: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Variables for a person at home in ``folder``: nothing of whoever runs the tests."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(folder), "COLUMNS": "80", **extra}


def slowlight(
    folder: Path, *arguments: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None
) -> Ending:
    """Type a command in ``folder`` and wait for its end."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        env=environment(folder, environ or {}),
        timeout=PATIENCE_S,
        check=False,
    )
    return Ending(done.returncode, done.stdout.decode(), done.stderr.decode())


class Daemon:
    """``slowlight run``, from its ready line until it is told to stop."""

    def __init__(self, folder: Path, home: str, *options: str) -> None:
        self.log = folder / f"{home}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*COMMAND, "--home", home, "run", "--json", "--listen", "127.0.0.1:0", *options],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(folder, {}),
            )
        line = self._stdout.readline()
        if not line:
            raise RuntimeError(f"no ready line; the log says: {self.log.read_text()}")
        self.ready: dict[str, Any] = json.loads(line)

    @property
    def address(self) -> str:
        """Where it accepts peers."""
        return str(self.ready["listening"][0])

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it and return its exit code."""
        self._process.send_signal(how)
        code = self._process.wait(PATIENCE_S)
        self._stdout.close()
        return code

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def __enter__(self) -> Daemon:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self.end()
