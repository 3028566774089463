"""The power goes while a home begins: it never came to exist, or is the one that was named.

Real processes begin a home: anew, from 24 words, or by a code that another machine answers. Some
are killed, some hear from the disk that a sync has failed; the next one does the same again.
Then the power goes at moments that chance decides. On what the disk may hold by then the same is
done once more, and has to succeed.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from slowlight.node import beginning, witness
from slowlight.node.client import open_client
from slowlight.node.config import Config
from slowlight.node.errors import ServiceError
from slowlight.node.home import Home
from slowlight.protocol.errors import SlowlightError
from slowlight.store.base import StoreError
from tests.beginnings import BEGINNINGS, Beginning
from tests.children import Say
from tests.nodes import seeded
from tests.power_cuts import Loss, chosen_end, fast_folder, record
from tests.power_loss import Disk, Image, images
from tests.recording import Event, Recorder
from tests.working_node import OnError

SEED: Final = 20_260_106
LIVES: Final = 4
UNDISTURBED: Final = 2
"""The number of the life in which the home begins at the latest."""
NAME: Final = "ada"


@pytest.fixture(autouse=True)
def _copies_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a copied home sign: an image is a copy."""

    def birth_of(_descriptor: int) -> str:
        return "here"

    monkeypatch.setattr(witness, "birth_of", birth_of)


class _Scene:
    """A home that begins, in a few lives, and power cuts."""

    def __init__(self, folder: Path, way: Beginning, seed: str) -> None:
        self._folder = folder
        self._way = way
        self._rng = random.Random(seed)
        self._world = folder / "world"
        self._world.mkdir(parents=True)
        self._disk = Disk(self._world, self._rng)

    def live(self) -> list[Event]:
        """Begin, and begin again; return all that happened."""
        recorder, events = Recorder(self._world), list[Event]()
        for number in range(LIVES):
            on_error, faults = chosen_end(self._rng, 0 if number == UNDISTURBED else None)
            work = self._life(self._rng.randrange(2**32), on_error)
            events += record(work, recorder, self._folder / "trace", faults)
        return events

    def _life(self, seed: int, on_error: OnError) -> Beginner:
        return Beginner(self._way, Home(self._world / NAME), seed, on_error)

    def lose_power(self, events: list[Event], count: int, loss: Loss) -> None:
        """Cut the power so often, and begin again."""
        rng = random.Random(self._rng.random())
        with fast_folder() as folder:
            for number, (said, image) in enumerate(images(self._disk, events, rng, count)):
                found = folder / "found"
                loss.images += 1
                loss.told += len(said)
                try:
                    self._begin_again(image, found, said, rng)
                except (AssertionError, SlowlightError, OSError, sqlite3.Error) as error:
                    loss.find(f"image {number} {image.files.keys()}: {error!r}", broken=True)
                shutil.rmtree(found)

    def _begin_again(
        self, image: Image, found: Path, said: Sequence[str], rng: random.Random
    ) -> None:
        image.put(self._disk.root, found)
        home = Home(found / NAME)
        if rng.random() < 0.5:
            _try_to_use(home)
        lines = list(said)
        self._way.begin(home, seeded(rng.randrange(2**32)), lines.append)
        self._way.check(home, lines)


class Beginner:
    """What a process does in one life: calling it carries it out."""

    def __init__(self, way: Beginning, home: Home, seed: int, on_error: OnError) -> None:
        self._way = way
        self._home = home
        self._seed = seed
        self._on_error = on_error

    def __call__(self, say: Say) -> None:
        """Begin, and say who did."""
        try:
            self._way.begin(self._home, seeded(self._seed), say)
        except (ServiceError, StoreError, OSError):
            if self._on_error is OnError.DIE:
                os.kill(os.getpid(), signal.SIGKILL)


def _try_to_use(home: Home) -> None:
    """Do as somebody who does not know that the home never began: it says so or works."""
    try:
        with open_client(home, Config(), "a test"):
            pass
    except ServiceError:
        pass


def cut(folder: Path, way: Beginning, seed: int, scenes: int, images_each: int) -> Loss:
    """Cut the power of several beginnings, each so often."""
    loss = Loss()
    for number in range(scenes):
        print(f"{seed=} scene {number}")
        scene = _Scene(folder / f"{number}", way, f"{seed} {number}")
        scene.lose_power(scene.live(), images_each, loss)
    print(loss)
    return loss


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_few_power_cuts_leave_a_home_that_begins(tmp_path: Path, name: str) -> None:
    """The short form."""
    loss = cut(tmp_path, BEGINNINGS[name], SEED, 2, 15)
    assert (loss.images, loss.broken) == (30, 0), loss.first
    assert loss.told


@pytest.mark.long
@pytest.mark.parametrize("name", BEGINNINGS)
def test_five_hundred_power_cuts_leave_a_home_that_begins(tmp_path: Path, name: str) -> None:
    """Twenty homes each way."""
    loss = cut(tmp_path, BEGINNINGS[name], SEED + 1, 20, 25)
    assert (loss.images, loss.broken) == (500, 0), loss.first


def test_a_beginning_that_does_not_sync_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check can fail: keys whose names are not synced are gone, and another one begins."""

    def carelessly(path: Path, line: str) -> None:
        path.touch(mode=0o600)
        path.write_text(f"{line}\n")

    monkeypatch.setattr("slowlight.node.keys.write_whole", carelessly)
    monkeypatch.setattr(beginning, "write_whole", carelessly)
    assert cut(tmp_path, BEGINNINGS["init"], SEED, 2, 20).broken
