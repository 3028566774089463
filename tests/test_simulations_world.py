"""Worlds of nodes: the same seed gives the same world, and honest nodes come through."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Final

import pytest

from slowlight.simulations.contact import Conditions, Tamper
from slowlight.simulations.hostile import flooder, forger, stripper, withholder
from slowlight.simulations.mesh import SimulatedNode, every, meet
from slowlight.simulations.world import DAY_US, HOUR_US, SECOND_US, World
from tests.people import START_MS
from tests.source_tree import ROOT

NODES: Final = 5
HOSTILE: Final = ("forger", "stripper", "withholder", "flooder")


class Village:
    """Five nodes that follow each other and meet by chance, once an hour."""

    def __init__(self, seed: int, *, hostile: str = "", days: int = 3) -> None:
        self.world = World(seed, begin_ms=START_MS)
        self.chance = self.world.chance("village")
        self.nodes = [SimulatedNode(self.world, f"node {n}") for n in range(NODES)]
        self.honest = self.nodes[: NODES - 1] if hostile else self.nodes
        self.people = [node.identity for node in self.nodes]
        for node in self.nodes:
            node.follow(self.people)
        self.signed: set[bytes] = {entry.id for node in self.nodes for entry in node.held()}
        if hostile:
            self.nodes[-1].tamper = self._tamper(hostile)
        self.conditions = Conditions(
            delay_us=self.chance.randrange(5 * SECOND_US),
            jitter_us=SECOND_US,
            bytes_per_s=self.chance.choice([0, 2_400, 32_000]),
            loss=self.chance.uniform(0, 0.3),
            doubling=self.chance.uniform(0, 0.2),
        )
        self.end_us = days * DAY_US
        every(self.world, 0, HOUR_US, self.end_us, self.some_meet)
        every(self.world, HOUR_US // 2, 3 * HOUR_US, self.end_us, self.somebody_writes)

    def _tamper(self, how: str) -> Tamper:
        chance = self.world.chance("hostile")
        makers: dict[str, Callable[[], Tamper]] = {
            "forger": lambda: forger(chance),
            "stripper": stripper,
            "withholder": lambda: withholder(chance, 0.5),
            "flooder": flooder,
        }
        return makers[how]()

    def some_meet(self) -> None:
        """Two nodes meet for a while."""
        one, other = self.chance.sample(self.nodes, 2)
        busy = {party.name for contact in one.contacts for party in contact.parties}
        if other.name not in busy:
            length_us = self.chance.randrange(60 * SECOND_US, HOUR_US)
            meet(self.world, one, other, self.conditions, until_us=self.world.now_us + length_us)

    def somebody_writes(self) -> None:
        """One of the nodes gets a post."""
        entry = self.chance.choice(self.nodes).post("Dust again, and a letter from home.")
        self.signed.add(entry.id)

    def disaster(self) -> None:
        """A node loses its links, or goes on with the copy that was made at noon."""
        node = self.chance.choice(self.honest)
        if self.chance.random() < 0.7:
            node.crash()
            return
        node.restore(self.backups[node.name])
        self.signed |= {entry.id for entry in node.held()}

    def with_disasters(self) -> Village:
        """Let disasters happen every few hours."""
        self.backups = {node.name: node.backup() for node in self.honest}
        every(self.world, HOUR_US * 5, 7 * HOUR_US, self.end_us, self.disaster)
        return self

    def settle(self) -> None:
        """Let all honest nodes meet each other over good links, three times round."""
        self.world.run_until(self.end_us + HOUR_US)
        for _ in range(3):
            for at, one in enumerate(self.honest):
                for other in self.honest[at + 1 :]:
                    end_us = self.world.now_us + HOUR_US
                    meet(self.world, one, other, Conditions(), until_us=end_us)
                    self.world.run_until(end_us)


def test_a_village_agrees_in_the_end() -> None:
    """Whatever the links did, everybody holds the same."""
    village = Village(1)
    village.settle()
    states = [node.states(village.people) for node in village.nodes]
    assert len(states[0]) == 2 * NODES
    assert all(one == states[0] for one in states)
    assert {entry.id for entry in village.nodes[0].held()} == village.signed


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("seed", range(3))
def test_honest_nodes_agree_although_one_is_hostile(hostile: str, seed: int) -> None:
    """Nothing is stored that nobody signed, and nothing that an honest node wrote is lost."""
    village = Village(seed, hostile=hostile).with_disasters()
    village.settle()
    written = {entry.id for node in village.honest for entry in node.held()}
    assert written <= village.signed
    states = [node.states(village.people) for node in village.honest]
    assert all(one == states[0] for one in states)
    honest = {node.identity for node in village.honest}
    for node in village.honest:
        own = {held.id for held in village.nodes[0].held()}
        assert own == {held.id for held in node.held()}
        assert honest <= {follow.identity for follow in node.store.follows(node.identity)} | {
            node.identity
        }


def trace_of(seed: int) -> str:
    """Return the trace of a village with everything in it."""
    village = Village(seed, hostile="forger", days=2).with_disasters()
    village.settle()
    return village.world.trace


def test_a_seed_replays_exactly_in_another_process_too() -> None:
    """Whatever the hash seed of the other process."""
    here = trace_of(7)
    assert trace_of(7) == here
    assert trace_of(8) != here
    for hash_seed in ("0", "1"):
        there = subprocess.run(
            [
                sys.executable,
                "-c",
                "from tests.test_simulations_world import trace_of; print(trace_of(7))",
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == here


def test_an_event_in_the_past_is_refused() -> None:
    """Time goes one way."""
    world = World(1)
    world.run_until(10)
    with pytest.raises(ValueError, match="already"):
        world.call_at(9, lambda: None)


def test_events_of_one_moment_happen_as_they_were_planned() -> None:
    """And what they plan for the same moment happens behind them."""
    world, seen = World(1), list[str]()

    def first() -> None:
        seen.append("a")
        world.call_after(0, lambda: seen.append("c"))

    world.call_at(5, first)
    world.call_at(5, lambda: seen.append("b"))
    world.run_until(4)
    assert seen == []
    world.run_until(5)
    assert seen == ["a", "b", "c"]
    assert (world.now_us, world.now_ms, world.events) == (5, 0, 3)
