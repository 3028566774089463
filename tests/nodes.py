"""Nodes for tests: homes with seeded keys, stores in memory, a clock that stands still."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from slowlight.node.beginning import begin
from slowlight.node.clock import RandomBytes
from slowlight.node.home import Home
from slowlight.store.base import NodeStore
from slowlight.store.memory import MemoryStore
from tests.people import START_MS


class StoodClock:
    """A wall clock that moves only when a test says so."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


class OpenMemoryStore(MemoryStore):
    """A store in memory that outlives being closed, as a file does."""

    def close(self) -> None:
        """Keep everything: the test opens it again."""


@dataclass
class TestHome:
    """A home whose store is in memory, and what its node is made with."""

    __test__ = False

    home: Home
    store: NodeStore
    random_bytes: RandomBytes
    clock: StoodClock = field(default_factory=StoodClock)

    def open_store(self, _home: Home) -> NodeStore:
        """Open the one store that this home has."""
        return self.store


def seeded(seed: int) -> RandomBytes:
    """Return chance that a seed decides."""
    return random.Random(seed).randbytes


def make_home(path: Path, seed: int, name: str = "") -> TestHome:
    """Begin a node: keys from a seed on disk, everything else in memory."""
    random_bytes = seeded(seed)
    made = TestHome(Home(path), OpenMemoryStore(random_bytes(8)), random_bytes)
    begin(
        made.home,
        name=name,
        clock=made.clock,
        random_bytes=random_bytes,
        open_store=made.open_store,
    )
    return made
