"""Crashes, copies and old backups in any order: no honest home signs two entries of one number."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from slowlight.node.author import Author
from slowlight.node.beginning import begin
from slowlight.node.errors import ServiceError
from slowlight.node.home import Home
from slowlight.node.pen import Pen
from slowlight.protocol.content import Post
from slowlight.protocol.entry import CHANNEL_POSTS
from slowlight.protocol.ident import verify_ident
from slowlight.store.base import LogKey
from slowlight.store.memory import MemoryStore
from tests.nodes import StoodClock, seeded
from tests.people import START_MS
from tests.snapshots import copied

STEPS: Final = 12
SHORT: Final = 150
LONG: Final = 10_000


class Machine:
    """A home on a disk that can be copied, put back and moved, and its database in memory."""

    def __init__(self, home: Home, store: MemoryStore) -> None:
        self.home = home
        self.store = store
        self.backup = copied(store)

    @property
    def device(self) -> bytes:
        """The key that it signs with, if it is allowed to."""
        return self.home.keys.device_keys().device

    def post(self) -> None:
        """Sign and commit a post; refused where another copy could have signed its number."""
        keys = self.home.keys.device_keys()
        author = Author(
            self.store,
            keys,
            clock=StoodClock(),
            random_bytes=random.randbytes,
            on_written=lambda: None,
            may_sign=Pen(self.home, self.store, keys.device).require,
        )
        author.write(CHANNEL_POSTS, [Post("anything")])

    def meet(self, world: MemoryStore) -> None:
        """Exchange with everybody else, who are one store here."""
        try:
            Pen(self.home, self.store, self.device).before_sending()
        except ServiceError:
            return
        for source, sink in ((self.store, world), (world, self.store)):
            _carry(source, sink, self.device)


def _carry(source: MemoryStore, sink: MemoryStore, device: bytes) -> None:
    identity = source.identity_of(device)
    ident = source.ident(identity) if identity else None
    if ident is None:
        return
    sink.ingest([verify_ident(ident)], received_ms=START_MS, via="peer")
    key = LogKey(device, CHANNEL_POSTS)
    for first, last in source.held(key):
        run = source.read_run(key, first, last, end_known=False, max_bytes=60_000, now_ms=START_MS)
        if run is not None:
            sink.ingest([run], received_ms=START_MS, via="peer")


class World:
    """Homes that one seed crashes, copies and puts back, and everybody who hears of them."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.random = random.Random(seed)
        self.heard = MemoryStore(bytes(8))
        self.refused = 0
        home, store = Home(path / "0", machine=lambda: "m0"), MemoryStore(bytes(8))
        begin(
            home,
            clock=StoodClock(),
            random_bytes=seeded(seed),
            open_store=lambda _home: store,
        )
        self.machines = [Machine(home, store)]

    def step(self) -> None:
        """Let something happen to one of the homes."""
        machine = self.random.choice(self.machines)
        match self.random.choice(("post", "post", "meet", "back up", "put back", "copy", "move")):
            case "post":
                try:
                    machine.post()
                except ServiceError:
                    self.refused += 1
            case "meet":
                machine.meet(self.heard)
            case "back up":
                machine.backup = copied(machine.store)
            case "put back":  # also what a lost commit comes to
                machine.store = copied(machine.backup)
            case "copy":
                self._copy(machine, f"m{self.random.randrange(3)}")
            case _:
                machine.home = replace(machine.home, machine=lambda: "m9")

    def _copy(self, machine: Machine, name: str) -> None:
        if len(self.machines) < 4:
            home = Home(self.path / str(len(self.machines)), machine=lambda: name)
            shutil.copytree(machine.home.path, home.path)
            self.machines.append(Machine(home, copied(machine.store)))


def run_schedules(path: Path, seeds: range) -> int:
    """Run one schedule for each seed; return how often a home refused to sign."""
    refused = 0
    for seed in seeds:
        world = World(path / str(seed), seed)
        for _ in range(STEPS):
            world.step()
        for machine in world.machines:
            machine.meet(world.heard)
        assert world.heard.forked_logs() == [], f"{seed=}"
        refused += world.refused
        shutil.rmtree(world.path)
    return refused


def test_no_schedule_makes_an_honest_home_fork(tmp_path: Path) -> None:
    """And some of them would have, had nobody refused."""
    assert run_schedules(tmp_path, range(SHORT)) > 0


@pytest.mark.long
def test_no_schedule_of_ten_thousand_makes_an_honest_home_fork(tmp_path: Path) -> None:
    """The same, for longer."""
    assert run_schedules(tmp_path, range(LONG)) > 0
