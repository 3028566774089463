"""The power goes at any moment: whatever the disk then holds, nothing acknowledged is lost.

Real processes begin a home, post and ingest while strace writes down each thing that they ask of
the disk and each thing that they say. Some end, some are killed, some hear from the disk that a
sync has failed, and the next one goes on from there. Then the power goes at moments that chance
decides, and what the disk may hold by then (see `tests.power_loss`) is opened and proven.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path
from typing import Final

import pytest

from slowlight.node.home import Home
from slowlight.protocol.errors import SlowlightError
from slowlight.protocol.identity import incept
from slowlight.store import sqlite_database
from slowlight.store.sqlite_database import Database
from tests.power_cuts import KILLED_UNSYNCED, Loss, chosen_end, fast_folder, record
from tests.power_loss import Disk, images
from tests.recording import Event, Recorder, Said
from tests.remains import examine
from tests.working_node import Neighbours, Told, Work, check_nothing_doubled, followers_home

SEED: Final = 20_260_103
LIVES: Final = 5
PEOPLE: Final = 6
POSTS_OF_A_LIFE: Final = 12


@pytest.fixture(autouse=True)
def _small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy the write-ahead log into the database after every few posts, not after thousands."""
    monkeypatch.setattr(sqlite_database, "_CHECKPOINT_BYTES", 24 * sqlite_database.PAGE_BYTES)


class _Scene:
    """A home, what it does in some lives, and power cuts."""

    def __init__(self, folder: Path, seed: str, end: int | None) -> None:
        self._folder = folder
        self._end = end
        self._world = folder / "world"
        self._world.mkdir(parents=True)
        self._rng = random.Random(seed)
        self._disk: Disk
        self._neighbours = Neighbours(self._rng, PEOPLE)
        self._home = Home(self._world / "ada")

    def live(self) -> list[Event]:
        """Begin a home and let it live, from life to life; return all that happened."""
        home_seed = self._rng.randrange(2**32)
        followers_home(self._home.path, self._neighbours, home_seed)
        self._disk = Disk(self._world, self._rng)
        recorder = Recorder(self._world)
        events: list[Event] = []
        told = Told()
        for _ in range(LIVES):
            self._neighbours.write(4)
            number = len(told.posts)
            while str(number) in told.posts:
                number += 1
            posts = range(number, number + POSTS_OF_A_LIFE)
            on_error, faults = chosen_end(self._rng, self._end)
            work = Work(self._home, self._neighbours, self._rng.randrange(2**32), posts, on_error)
            for event in record(work, recorder, self._folder / "trace", faults):
                events.append(event)
                if isinstance(event, Said):
                    told.hear(event.line)
        return events

    def lose_power(self, events: list[Event], count: int, loss: Loss) -> None:
        """Cut the power so often, and see what is left."""
        rng = random.Random(self._rng.random())
        me = incept(self._home.keys.root_seed()).identity
        people = [*self._neighbours.identities, me]
        with fast_folder() as folder:
            for number, (said, image) in enumerate(images(self._disk, events, rng, count)):
                told = Told()
                for line in said:
                    told.hear(line)
                found = folder / "found"
                image.put(self._disk.root, found)
                loss.images += 1
                loss.told += len(said)
                try:
                    remains = examine(found / "ada/node.db", people, client_keys=told.posts)
                    check_nothing_doubled(remains)
                except (AssertionError, SlowlightError, sqlite3.Error) as error:
                    loss.find(f"image {number}: {error!r}", broken=True)
                else:
                    if missing := told.missing_from(remains):
                        loss.find(f"image {number}: {len(missing)} lost", broken=False)
                shutil.rmtree(found)
        seen = {p: d for p, d in self._disk.seen().items() if not p.endswith("-shm")}
        really = {str(p.resolve()): p.read_bytes() for p in self._world.rglob("*") if p.is_file()}
        assert seen == {p: d for p, d in really.items() if not p.endswith("-shm")}


def cut(folder: Path, seed: int, scenes: int, images_each: int, *, end: int | None = None) -> Loss:
    """Cut the power of several homes, each so often; ``end``: how each life goes."""
    loss = Loss()
    for number in range(scenes):
        print(f"{seed=} scene {number}")
        scene = _Scene(folder / f"{number}", f"{seed} {number}", end)
        scene.lose_power(scene.live(), images_each, loss)
    print(loss)
    return loss


def test_a_few_power_cuts_lose_nothing(tmp_path: Path) -> None:
    """The short form."""
    loss = cut(tmp_path, SEED, 3, 20)
    assert (loss.images, loss.lossy, loss.broken) == (60, 0, 0), loss.first
    assert loss.told > 100


@pytest.mark.long
def test_two_thousand_power_cuts_lose_nothing(tmp_path: Path) -> None:
    """Forty homes with five lives each."""
    loss = cut(tmp_path, SEED + 1, 40, 50)
    assert (loss.images, loss.lossy, loss.broken) == (2_000, 0, 0), loss.first


@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
def test_a_database_that_does_not_sync_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    """The check can fail: with less than FULL it finds losses, with OFF also broken databases."""
    prepare = Database._prepare  # pyright: ignore[reportPrivateUsage]

    def carelessly(self: Database) -> None:
        prepare(self)
        self.connection.execute(f"PRAGMA synchronous = {level}")

    monkeypatch.setattr(Database, "_prepare", carelessly)
    loss = cut(tmp_path, SEED, 1, 40)
    assert loss.lossy
    assert bool(loss.broken) == (level == "OFF")


def test_a_log_that_is_believed_unseen_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed process had written and not synced is shown to others, and may be gone."""

    def believe(_database: Path) -> None:
        pass

    monkeypatch.setattr(sqlite_database, "secure_log", believe)
    loss = cut(tmp_path, SEED, 4, 40, end=KILLED_UNSYNCED)
    assert loss.lossy + loss.broken
