"""SIGKILL at any moment, to a process that posts and ingests: nothing acknowledged is lost.

`tests.torture` does it; ``make torture`` does it ten thousand times.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slowlight.store.sqlite_database import Database
from tests.torture import Tally, torture

SEED = 20_260_103


def test_twenty_deaths_lose_nothing(tmp_path: Path) -> None:
    """The short form: one home."""
    tally = Tally()
    torture(tmp_path, SEED, 20, tally)
    assert tally.killed >= 10
    assert tally.posts
    assert tally.entries


@pytest.mark.long
def test_five_hundred_deaths_lose_nothing(tmp_path: Path) -> None:
    """Twenty homes, each killed 25 times."""
    tally = Tally()
    torture(tmp_path, SEED + 1, 500, tally)
    print(tally)
    assert tally.killed >= 250


def test_a_node_that_acknowledges_before_it_commits_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check can fail: with every third commit alone, what lies between is lost."""
    calls, honest, here = itertools.count(), Database.writing, os.getpid()

    @contextmanager
    def writing(self: Database) -> Generator[None]:
        if os.getpid() == here:
            with honest(self):
                yield
            return
        if not self.connection.in_transaction:
            self.connection.execute("BEGIN IMMEDIATE")
        yield
        if next(calls) % 3 == 0:
            self.connection.execute("COMMIT")

    monkeypatch.setattr(Database, "writing", writing)
    with pytest.raises(AssertionError, match="acknowledged entries are lost"):
        torture(tmp_path, SEED, 25, Tally())
