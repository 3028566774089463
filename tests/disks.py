"""A disk that fills up or turns read-only: one of its own where mounting is allowed.

Where it is not, permissions are taken away and files may not grow, which looks the same to a home.
"""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from slowlight.node.home import Home
from tests.command_line import Ending
from tests.processes import COMMAND, PATIENCE_S, environment

COMMON: Final = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
"""Takes from root what lets it read and write everything."""

_SIZE: Final = "4m"
_UNLIMITED: Final = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
_CHUNK: Final = bytes(65_536)


class Disk:
    """Where homes are; `disk_at` makes one."""

    def __init__(self, path: Path, *, mounted: bool) -> None:
        self.path: Final = path
        self.mounted: Final = mounted
        self._prefix: tuple[str, ...] = ()

    def typed(self, home: Home, *arguments: str) -> Ending:
        """Type a command for a home as somebody whom the state of this disk binds."""
        done = subprocess.run(
            [*self._prefix, *COMMAND, "--home", home.path, *arguments],
            env=environment(self.path.parent, {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Ending(done.returncode, done.stdout.decode(), done.stderr.decode())

    @contextmanager
    def read_only(self) -> Generator[None]:
        """Let nothing on it be changed; no file may be open for writing."""
        if self.mounted:
            _mount("-o", "remount,ro", str(self.path))
            yield
            _mount("-o", "remount,rw", str(self.path))
            return
        modes = {path: path.stat().st_mode & 0o777 for path in self.path.rglob("*")}
        self._prefix = COMMON if os.geteuid() == 0 else ()
        for path, mode in modes.items():
            path.chmod(mode & 0o555)
        try:
            yield
        finally:
            self._prefix = ()
            for path, mode in modes.items():
                path.chmod(mode)

    @contextmanager
    def full(self, *processes: int) -> Generator[None]:
        """Leave no room on it, neither for these processes nor for commands."""
        if self.mounted:
            ballast = self.path / "ballast"
            with ballast.open("wb", buffering=0) as file:
                _fill(file.fileno())
            yield
            ballast.unlink()
            return
        self._prefix = ("prlimit", "--fsize=0:0", "--")
        for pid in processes:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        try:
            yield
        finally:
            self._prefix = ()
            for pid in processes:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, _UNLIMITED)


@contextmanager
def disk_at(path: Path, *, mount: bool) -> Generator[Disk]:
    """Make a disk of four MiB in a directory, of its own if that is wanted and allowed."""
    path.mkdir()
    mounted = mount and _mount("-t", "tmpfs", "-o", f"size={_SIZE},mode=700", "tmpfs", str(path))
    try:
        yield Disk(path, mounted=mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", path], check=True)


def _mount(*arguments: str) -> bool:
    done = subprocess.run(["mount", *arguments], capture_output=True, check=False)
    return done.returncode == 0


def _fill(descriptor: int) -> None:
    size = len(_CHUNK)
    while size:
        try:
            os.write(descriptor, _CHUNK[:size])
        except OSError:  # this much does not fit
            size //= 2
