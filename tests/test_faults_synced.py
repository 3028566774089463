"""What is acknowledged was synced before: counted at the system calls of real processes."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from slowlight.node.client import SocketClient, open_client
from slowlight.node.config import Config
from slowlight.node.home import Home
from slowlight.node.post_operations import POST, PostRequest
from tests.children import PATIENCE_S, Child, Say
from tests.daemons import Daemon, make_home, running
from tests.recording import ARGUMENTS, Event, Recorder, Said, Synced, Written

POSTS: Final = 5


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The home of ada."""
    return make_home(tmp_path / "ada", 1, "ada")


def unsynced_before_said(events: list[Event]) -> list[set[str]]:
    """Return for each line that was said which files held writes that were not synced by then.

    Raises:
        AssertionError: nothing at all was synced since the line before.
    """
    found, unsynced, syncs = list[set[str]](), set[str](), 0
    for event in events:
        match event:
            case Written(path):
                unsynced.add(path)
            case Synced(path, True):
                unsynced.discard(path)
                syncs += path.endswith("node.db-wal")
            case Said():
                assert syncs, "acknowledged without a sync"
                found.append(set(unsynced))
                syncs = 0
            case _:
                pass
    return found


def log_alone(unsynced: set[str]) -> set[str]:
    """Return those of some files that acknowledged posts are in."""
    return {path for path in unsynced if path.endswith(("node.db", "node.db-wal"))}


def recorded(home: Home, log: Path, *injections: str) -> list[Event]:
    """Post in a process that says when each post is acknowledged; return what it did."""

    def post(say: Say) -> None:
        with open_client(home, Config(), "a test") as client:
            for number in range(POSTS):
                client.call(POST, PostRequest(text=f"post {number}"))
                say(f"acknowledged {number}")

    child = Child(post)
    child.trace([*ARGUMENTS, *injections], log)
    child.begin()
    said = list(child.rest())
    assert child.end() == 0, said
    return list(Recorder(home.path).read(log, child.says))


def test_nothing_is_acknowledged_before_it_is_synced(home: Home, tmp_path: Path) -> None:
    """One sync of the log at least between two answers, and none of its writes is left behind."""
    unsynced = unsynced_before_said(recorded(home, tmp_path / "strace"))
    assert len(unsynced) == POSTS
    assert [log_alone(each) for each in unsynced] == [set()] * POSTS


def test_a_store_that_syncs_less_is_caught(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check can fail: ``synchronous`` NORMAL leaves the last writes to the system."""
    from slowlight.store.sqlite_database import Database

    prepare = Database._prepare  # pyright: ignore[reportPrivateUsage]

    def carelessly(self: Database) -> None:
        prepare(self)
        self.connection.execute("PRAGMA synchronous = NORMAL")

    monkeypatch.setattr(Database, "_prepare", carelessly)
    events = recorded(home, tmp_path / "strace")
    with pytest.raises(AssertionError, match="without a sync"):
        unsynced_before_said(events)


@contextmanager
def traced(daemon: Daemon, log: Path) -> Generator[None]:
    """Count the syncs of a daemon that runs, its threads among them."""
    arguments = ("-f", "-y", "-p", str(daemon.life.pid), "-o", str(log))
    tracer = subprocess.Popen(
        ["strace", *arguments, "-e", "trace=fsync,fdatasync"], stderr=subprocess.PIPE
    )
    assert tracer.stderr is not None
    assert b"attached" in tracer.stderr.readline()
    try:
        yield
    finally:
        tracer.terminate()
        tracer.communicate(timeout=PATIENCE_S)


def test_the_daemon_syncs_for_each_post_that_it_acknowledges(home: Home, tmp_path: Path) -> None:
    """One answer after the other from one daemon: so many answers, so many syncs or more."""
    with running(home) as daemon:
        client = SocketClient(home.socket)
        client.call(POST, PostRequest(text="the first"))
        with traced(daemon, tmp_path / "strace"):
            for number in range(POSTS):
                client.call(POST, PostRequest(text=f"post {number}"))
        assert daemon.life.end() == 0
    lines = (tmp_path / "strace").read_text().splitlines()
    synced = [line for line in lines if "node.db-wal>" in line and line.endswith("= 0")]
    assert len(synced) >= POSTS
