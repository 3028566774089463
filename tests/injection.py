"""A fault at one system call of a process that touches a home: an error, or death.

strace is attached when everything is loaded, and looks only at calls on the files of the home.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.children import Child, Work

CHANGING: Final = (
    "openat", "mkdir", "mkdirat", "write", "pwrite64", "ftruncate", "fallocate", "fsync",
    "fdatasync", "rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat",
    "symlink", "chmod", "fchmod", "fchmodat",
)  # fmt: skip
"""Calls after which a disk may be another. Death at any other call leaves what death at the next
of these leaves."""
NEEDING_SPACE: Final = (
    "openat", "mkdir", "mkdirat", "write", "pwrite64", "ftruncate", "fallocate", "fsync",
    "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "symlink",
)  # fmt: skip
SPARED: Final = frozenset({"close", "mmap", "munmap", "lseek", "fadvise64"})
"""They do not fail for what a disk does, or it makes no difference."""

_PATHS: Final = re.compile(r'"(/[^"]*)"|<(/[^>]*)>')


class Fault(NamedTuple):
    """What happens at which call."""

    call: str
    number: int
    """The how manyth call of this name on the home, from 1."""
    what: str
    """``SIGKILL``, or an error; ``ENOSPC`` goes on for all later calls too, as a full disk does."""

    @property
    def argument(self) -> str:
        """What strace is told."""
        if self.what == "SIGKILL":
            return f"inject={self.call}:signal=SIGKILL:when={self.number}"
        lasting = "+" if self.what == "ENOSPC" else ""
        return f"inject={self.call}:error={self.what}:when={self.number}{lasting}"


class Ending(NamedTuple):
    """How work under a fault came out."""

    code: int
    said: list[str]


def calls_on(work: Work, home: Path, log: Path) -> tuple[list[str], Counter[str]]:
    """Carry out work undisturbed.

    Returns:
        The paths of the home that it touches, and how often each call does.
    """
    ending = _run(work, ["-y", "-s", "4096", "-e", "trace=%file,%desc", "-e", "signal=none"], log)
    assert ending.code == 0, ending.said
    paths = {str(home)}
    calls: Counter[str] = Counter()
    for line in log.read_text().splitlines():
        found = [one or other for one, other in _PATHS.findall(line)]
        ours = {path for path in found if path == str(home) or path.startswith(f"{home}/")}
        paths |= ours
        calls[line.partition("(")[0]] += bool(ours)
    return sorted(path.removesuffix("(deleted)") for path in paths), +calls


def faults(calls: Counter[str]) -> Iterator[Fault]:
    """Yield every fault that there can be."""
    for call, times in sorted(calls.items()):
        if call in SPARED:
            continue
        for number in range(1, times + 1):
            if call in CHANGING:
                yield Fault(call, number, "SIGKILL")
            yield Fault(call, number, "EIO")
            if call in NEEDING_SPACE:
                yield Fault(call, number, "ENOSPC")


def under(fault: Fault, work: Work, paths: list[str], log: Path) -> Ending:
    """Carry out work with a fault."""
    named = [part for path in paths for part in ("-P", path)]
    trace = ["-e", f"trace={fault.call}", "-e", "signal=none"]
    return _run(work, [*named, *trace, "-e", fault.argument], log)


def _run(work: Work, arguments: list[str], log: Path) -> Ending:
    child = Child(work)
    child.trace(arguments, log)
    child.begin()
    said = list(child.rest())
    return Ending(child.end(), said)
