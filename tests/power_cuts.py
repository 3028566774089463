"""Lives of processes whose disk is written down, so that the power can go at any moment of them."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests import children
from tests.children import FAILED, Child
from tests.recording import ARGUMENTS, Event, Recorder
from tests.working_node import OnError

SYNCS: Final = ("fsync", "fdatasync")
KILLED_UNSYNCED: Final = 2


@contextmanager
def fast_folder() -> Generator[Path]:
    """A folder in memory, where the system has one: images are many, and need no disk."""
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def record(work: children.Work, recorder: Recorder, log: Path, faults: list[str]) -> list[Event]:
    """Carry out work in a process, with faults that strace injects; return what happened."""
    child = Child(work)
    injections = [part for fault in faults for part in ("-e", f"inject={fault}")]
    child.trace([*ARGUMENTS, *injections], log)
    child.begin()
    lines = list(child.rest())
    code = child.end()
    assert not any(line.startswith(FAILED) for line in lines), lines
    assert code in (0, -9)
    events = list(recorder.read(log, child.says))
    log.unlink()
    return events


def chosen_end(rng: random.Random, chosen: int | None = None) -> tuple[OnError, list[str]]:
    """Choose how a life goes: undisturbed, killed, or told by the disk that a sync has failed."""
    writes, syncs = rng.randint(1, 80), rng.randint(1, 20)
    match rng.choice(range(6) if chosen is None else (chosen,)):
        case 0:
            return OnError.KEEP_ON, []
        case 1:
            return OnError.KEEP_ON, [f"pwrite64:signal=SIGKILL:when={writes}"]
        case 2:  # all is written, nothing is synced
            return OnError.KEEP_ON, [f"{call}:signal=SIGKILL:when={syncs}" for call in SYNCS]
        case number:
            on_error = OnError.DIE if number == 3 else OnError.KEEP_ON
            faults = [f"{call}:error=EIO:when={syncs}" for call in SYNCS]
            killed = [f"pwrite64:signal=SIGKILL:when={writes}"] if number == 4 else []
            return on_error, faults + killed


@dataclass
class Loss:
    """What was found after power cuts."""

    images: int = 0
    told: int = 0
    lossy: int = 0
    """Images in which something acknowledged was missing."""
    broken: int = 0
    """Images that could not be opened, or not be proven."""
    first: str = ""

    def find(self, what: str, *, broken: bool) -> None:
        """Count a find."""
        self.broken += broken
        self.lossy += not broken
        self.first = self.first or what
