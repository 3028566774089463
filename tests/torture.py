"""Kills a node that posts and ingests, thousands of times: ``make torture``.

Each cycle is a real process that opens the home as the last one left it, asks again for the posts
of which it has heard no answer, writes new ones, and takes in what others wrote; at a moment that
chance decides SIGKILL ends it. What it left is copied, and held against what it had said.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slowlight.protocol.identity import incept
from slowlight.store.sqlite import SqliteStore
from tests.children import FAILED, Child
from tests.remains import copied, examine
from tests.working_node import Neighbours, Told, Work, check_nothing_doubled, followers_home

CYCLES_OF_A_HOME: Final = 25
PEOPLE: Final = 12
PROVEN_EVERY: Final = 5
"""Every so many deaths all that is there is proven, not only what was said last."""
MOST_POSTS: Final = 40
"""Own posts in one life, at most; few lives come so far."""
MOST_LINES: Final = 60
LONGEST_DELAY_S: Final = 0.004


@dataclass
class Tally:
    """What has happened."""

    cycles: int = 0
    killed: int = 0
    """The others had come to their end before."""
    posts: int = 0
    entries: int = 0


def torture(folder: Path, seed: int, cycles: int, tally: Tally) -> None:
    """Let homes die so often; `AssertionError` if anything acknowledged is lost or doubled."""
    for number in range(-(-cycles // CYCLES_OF_A_HOME)):
        here = folder / f"{number}"
        lives = min(CYCLES_OF_A_HOME, cycles - number * CYCLES_OF_A_HOME)
        try:
            _Victim(here, f"{seed} {number}").live_and_die(lives, tally)
        except BaseException:
            print(f"{seed=}, home {number} of {CYCLES_OF_A_HOME} cycles each, kept in {here}")
            raise
        shutil.rmtree(here)


class _Victim:
    """One home, life after life."""

    def __init__(self, folder: Path, seed: str) -> None:
        folder.mkdir(parents=True)
        self._rng = random.Random(seed)
        self._scratch = folder / "remains"
        self._neighbours = Neighbours(self._rng, PEOPLE)
        self._home = followers_home(folder / "home", self._neighbours, self._rng.randrange(2**32))
        me = incept(self._home.keys.root_seed()).identity
        self._people = [*self._neighbours.identities, me]
        self._told = Told()
        self._next_post = 0

    def live_and_die(self, lives: int, tally: Tally) -> None:
        """Live so many lives, each from where the last one ended."""
        for number in range(1, lives + 1):
            self._neighbours.write(4)
            killed = self._life()
            tally.cycles += 1
            tally.killed += killed
            self._prove(whole=number % PROVEN_EVERY == 0 or number == lives)
        tally.posts += len(self._told.posts)
        tally.entries += len(self._told.entries)

    def _life(self) -> bool:
        """Live until the moment that chance decides; return whether it came to that."""
        posts = range(self._next_post, self._next_post + self._rng.randint(1, MOST_POSTS))
        child = Child(Work(self._home, self._neighbours, self._rng.randrange(2**32), posts))
        lines = self._rng.choice((0, self._rng.randint(1, MOST_LINES)))
        delay_s = self._rng.random() * LONGEST_DELAY_S * (1 if lines else 5)
        child.begin()
        for _ in range(lines):
            line = child.said()
            if line is None:
                break
            self._hear(line)
        time.sleep(delay_s)  # the fault itself: it strikes at any moment
        child.kill()
        for line in child.rest():
            self._hear(line)
        self._next_post = len(self._told.posts)
        return child.end() != 0

    def _hear(self, line: str) -> None:
        assert not line.startswith(FAILED), line
        self._told.hear(line)

    def _prove(self, *, whole: bool) -> None:
        database = copied(self._home, self._scratch)
        if whole:
            remains = examine(database, self._people, client_keys=self._told.posts)
            missing = self._told.missing_from(remains)
            check_nothing_doubled(remains)
        else:
            missing = self._missing_now(database)
        assert not missing, f"{len(missing)} acknowledged entries are lost"
        shutil.rmtree(self._scratch)

    def _missing_now(self, database: Path) -> set[bytes]:
        with closing(SqliteStore(database)) as store:
            posts = {k: store.entry_of_client_key(k) for k in self._told.posts}
            wrong = {entry for key, entry in self._told.posts.items() if posts[key] != entry}
            entries = self._told.entries | set(self._told.posts.values())
            return wrong | {entry for entry in entries if store.entry(entry) is None}


def main() -> int:
    """Torture homes in a folder that is kept if one of them fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--cycles", type=int, default=10_000, help="deaths")
    parser.add_argument("--seed", type=int, help="drawn and printed if left out")
    args = parser.parse_args()
    seed = random.Random().randrange(1, 2**32) if args.seed is None else args.seed
    print(f"{args.cycles:,} cycles, seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="slowlight-torture-"))
    tally, began_s = Tally(), time.monotonic()
    torture(folder, seed, args.cycles, tally)
    folder.rmdir()
    print(
        f"{tally.cycles:,} cycles in {time.monotonic() - began_s:,.0f} s,"
        f" {tally.killed:,} of them killed before their end: {tally.posts:,} posts and"
        f" {tally.entries:,} received entries were acknowledged, 0 are lost, 0 doubled"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
