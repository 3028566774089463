"""Crashes, copies, old backups and new devices in any order: no honest home makes a fork.

Chance makes the schedules from a printed seed. Snapshots of whole machines that agree to the byte,
births of files included, are not among them: nothing tells those apart.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import ClassVar, Final

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from slowlight.node import witness
from slowlight.node.pen import Pen
from tests.machines import Births, Machine
from tests.power_cuts import fast_folder
from tests.schedules import PEERS, World

SEED: Final = 20_260_107
SHORT: Final = 100
LONG: Final = 10_000
STEPS: Final = 14
MOST_RECORDS: Final = 3
"""So many revocations and rotations of one schedule: most of it is about copies."""
HEALED_EVERY: Final = 10
"""After so many schedules a new device is made from the words and has to be heard."""
EVERYTHING: Final = {
    "posted", "refused", "died", "silent", "readmitted", "put back", "cloned", "healed",
    "revoked", "rotated", "accepted",
}  # fmt: skip
"""What has to happen at least once, or the schedules prove little."""

MACHINES: Final = st.integers(0, 4)
NAMES: Final = st.sampled_from(("m0", "m0", "m1"))


class Schedules(RuleBasedStateMachine):
    """What can happen to the homes of one person."""

    folder: ClassVar[Path]
    births: ClassVar[Births]
    happened: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.happened["schedules"] += 1
        path = self.folder / str(self.happened["schedules"])
        path.mkdir()
        self.world = World(path, self.births, self.happened)
        self.records = 0

    def machine(self, number: int) -> Machine:
        """Return one of the homes that there are."""
        return self.world.machines[number % len(self.world.machines)]

    @rule(number=MACHINES)
    def post(self, number: int) -> None:
        self.world.post(self.machine(number))

    @rule(number=MACHINES, committed=st.booleans())
    def lose_power_in_a_post(self, number: int, committed: bool) -> None:
        self.world.post_and_die(self.machine(number), committed=committed)

    @rule(number=MACHINES, peer=st.integers(0, PEERS - 1))
    def meet_a_peer(self, number: int, peer: int) -> None:
        self.world.meet(self.machine(number), peer)

    @rule(number=MACHINES, peer=st.integers(0, PEERS - 1), messages=st.integers(0, 5))
    def lose_power_in_a_meeting(self, number: int, peer: int, messages: int) -> None:
        self.world.meet(self.machine(number), peer, cut_after=messages)

    @rule(number=MACHINES, other=MACHINES)
    def meet_another_device(self, number: int, other: int) -> None:
        one, two = self.machine(number), self.machine(other)
        if one.device != two.device:
            self.world.meet(one, two)

    @rule(number=MACHINES)
    def back_up(self, number: int) -> None:
        self.world.back_up(self.machine(number))

    @rule(number=MACHINES, whole=st.booleans())
    def put_back(self, number: int, whole: bool) -> None:
        self.world.put_back(self.machine(number), whole=whole)

    @rule(number=MACHINES, name=NAMES)
    def clone(self, number: int, name: str) -> None:
        self.world.clone(self.machine(number), name)

    @rule(number=MACHINES, name=NAMES)
    def move(self, number: int, name: str) -> None:
        self.world.move(self.machine(number), name)

    @rule(number=MACHINES)
    def heal(self, number: int) -> None:
        self.world.heal(self.machine(number))

    @rule()
    def add_a_device(self) -> None:
        if len(self.world.machines) < 3:
            self.world.begin(label=f"device {len(self.world.machines)}")

    @precondition(lambda self: self.records < MOST_RECORDS)
    @rule(number=MACHINES, other=MACHINES)
    def revoke(self, number: int, other: int) -> None:
        self.records += 1
        self.world.revoke(self.machine(number), self.machine(other))

    @precondition(lambda self: self.records < MOST_RECORDS)
    @rule(number=MACHINES, left_out=st.none() | MACHINES)
    def rotate(self, number: int, left_out: int | None) -> None:
        self.records += 1
        other = None if left_out is None else self.machine(left_out)
        self.world.rotate(self.machine(number), other)

    @rule(number=MACHINES, other=MACHINES)
    def accept(self, number: int, other: int) -> None:
        self.world.accept(self.machine(number), self.machine(other))

    @invariant()
    def nobody_forks_and_nothing_is_lost(self) -> None:
        self.world.check_no_fork()
        self.world.check_nothing_lost()

    def teardown(self) -> None:
        """Let everybody meet; all agree then, and the words give the identity back."""
        self.world.settle()
        self.nobody_forks_and_nothing_is_lost()
        self.world.check_agreement()
        if self.happened["schedules"] % HEALED_EVERY == 0:
            self.world.check_words_bring_it_back()
            self.world.check_no_fork()
        shutil.rmtree(self.world.path)


@pytest.fixture(autouse=True)
def _births(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Homes lie in memory, and their files are born when the model says so."""
    Schedules.births = Births()
    Schedules.happened = Counter()
    monkeypatch.setattr(witness, "birth_of", Schedules.births.birth_of)
    with fast_folder() as folder:
        Schedules.folder = folder
        yield


def run_schedules(count: int, *, shrink: bool = True) -> Counter[str]:
    """Run so many schedules; return what happened in them."""
    print(f"{SEED=}")
    run_state_machine_as_test(
        seed(SEED)(Schedules),
        settings=settings(
            max_examples=count,
            stateful_step_count=STEPS,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
            report_multiple_bugs=False,
            suppress_health_check=(HealthCheck.too_slow,),
        ),
    )
    print(dict(Schedules.happened))
    return Schedules.happened


def test_no_schedule_makes_an_honest_home_fork() -> None:
    """And everything that can happen does."""
    happened = run_schedules(SHORT)
    assert happened["schedules"] >= SHORT
    assert happened.keys() >= EVERYTHING


@pytest.mark.long
def test_no_schedule_of_ten_thousand_makes_an_honest_home_fork() -> None:
    """The same, for longer."""
    assert run_schedules(LONG)["schedules"] >= LONG


def test_what_an_accept_lets_stand_again_reaches_the_peers(tmp_path: Path) -> None:
    """A schedule that was found: the peer brings the accept, and takes the post for known.

    A rotation forgot a device that had posted meanwhile. The peer ends its meeting with that
    device believing that it has all of it, though it only then stands again.
    """
    world = World(tmp_path, Schedules.births, Counter())
    forgotten, other = world.machines[0], world.begin(label="other")
    world.meet(forgotten, 0)
    world.rotate(other, None)
    world.post(forgotten)
    world.meet(other, 0)
    world.accept(other, forgotten)
    world.settle()
    world.check_agreement()
    assert [len(numbers) for numbers in world.sent.values()] == [PEERS]


def test_homes_that_sign_whatever_they_are_make_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can fail: a pen that objects to nothing lets a copy contradict the other one."""

    def nothing(_self: Pen) -> None:
        return None

    monkeypatch.setattr(Pen, "_found", nothing)
    with pytest.raises(AssertionError):
        run_schedules(SHORT, shrink=False)
