"""A fault at each thing that a process asks of its home: the same again works, nothing is lost.

SIGKILL at every call that changes the disk; EIO, once, at every call; ENOSPC from every call on
that needs space. What is tried begins a home, also from words or a code, sets, changes and removes
a passphrase, brings a database up to date, posts, and takes in what others wrote.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from nacl.pwhash import argon2id

from slowlight.node import witness
from slowlight.node.client import open_client
from slowlight.node.config import Config
from slowlight.node.errors import ServiceError
from slowlight.node.home import Home
from slowlight.node.keys import SECRET_BYTES
from slowlight.node.post_operations import POST, PostRequest
from slowlight.protocol.errors import SlowlightError
from slowlight.protocol.identity import device_key, incept
from slowlight.store import schema
from slowlight.store.base import StoreError
from slowlight.store.sqlite import SqliteStore
from tests.beginnings import BEGINNINGS
from tests.children import FAILED, Say, carried_out
from tests.daemons import make_home
from tests.injection import Fault, calls_on, faults, under
from tests.nodes import seeded
from tests.remains import examine
from tests.working_node import Neighbours, Told, check_nothing_doubled, followers_home
from tests.working_node import Work as Life

ADA: Final = 1
OLD, NEW = "the old passphrase", "the new passphrase"
FEW: Final = 10
"""So many faults of each task are tried where time is short."""
ALL: Final = 1_000_000
STEPS: Final = {"restore": 11, "join": 7}
"""They do most of what ``init`` does, of which every fault is tried."""

Prepare: TypeAlias = Callable[[Path], None]
"""Makes what the work begins with, in an empty directory."""


@dataclass(frozen=True)
class Task:
    """What a process does to a home, and what must hold afterwards."""

    prepare: Callable[[Path], None]
    """Makes the home, or nothing."""
    work: Callable[[Home, Say], None]
    check: Callable[[Home, list[str]], None]
    """Looks at the home after the fault and after the same again, and at all that was said."""


@pytest.fixture(autouse=True)
def _quick_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make keys of passphrases at once: what is tried here is the disk."""

    def kdf(size: int, password: bytes, salt: bytes, *_cost: int) -> bytes:
        return hashlib.blake2b(password + salt, digest_size=size).digest()

    monkeypatch.setattr(argon2id, "kdf", kdf)


@pytest.fixture(autouse=True)
def _copies_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a copied home sign: each fault begins with the same one."""

    def birth_of(_descriptor: int) -> str:
        return "here"

    monkeypatch.setattr(witness, "birth_of", birth_of)


def nothing(_path: Path) -> None:
    """Begin with nothing."""


def ada(path: Path) -> None:
    """Begin with a home that has one post."""
    home = make_home(path, ADA, "ada")
    with open_client(home, Config(), "a test") as client:
        client.call(POST, PostRequest(text="before", client_key="before"))


def ada_locked(path: Path) -> None:
    """Begin with a home under a passphrase."""
    ada(path)
    Home(path).keys.set_passphrase(OLD, os.urandom)


def identity_of(home: Home) -> bytes:
    return incept(home.keys.root_seed()).identity


def post(home: Home, text: str) -> bytes:
    """Post, with the text as its client key."""
    with open_client(home, Config(), "a test") as client:
        return bytes.fromhex(client.call(POST, PostRequest(text=text, client_key=text)).post.id)


# Passphrases


def lock(home: Home, say: Say) -> None:
    with home.lock("a test"):
        if home.keys.have_passphrase:  # as a person does who types the command again
            home = replace(home, ask_passphrase=lambda: OLD)
        home.keys.set_passphrase(OLD, os.urandom)
    say("locked")


def relock(home: Home, say: Say) -> None:
    with home.lock("a test"):
        passphrase = opening(home, OLD, NEW)
        replace(home, ask_passphrase=lambda: passphrase).keys.set_passphrase(NEW, os.urandom)
    say("relocked")


def unlock(home: Home, say: Say) -> None:
    with home.lock("a test"):
        if home.keys.have_passphrase:
            replace(home, ask_passphrase=lambda: OLD).keys.remove_passphrase()
    say("unlocked")


def opening(home: Home, *passphrases: str) -> str:
    """Return the passphrase that opens a home; raises what the last one met."""
    for passphrase in passphrases:
        try:
            replace(home, ask_passphrase=partial(str, passphrase)).keys.root_seed()
        except ServiceError:
            if passphrase == passphrases[-1]:
                raise
        else:
            return passphrase
    raise AssertionError


def check_keys(expected: str | None) -> Callable[[Home, list[str]], None]:
    """Return what checks that the same secrets are there, under a passphrase or none."""

    def check(home: Home, said: list[str]) -> None:
        assert home.keys.have_passphrase == (expected is not None)
        if expected is not None:
            home = replace(home, ask_passphrase=lambda: expected)
        random_bytes = seeded(ADA)
        assert home.keys.root_seed() == random_bytes(SECRET_BYTES)
        assert home.keys.device_keys().device == device_key(random_bytes(SECRET_BYTES)).public
        left = {path.name for path in home.secrets.iterdir()}
        assert left == ({"vault"} if expected else {"root.seed", "device.key", "box.key"})
        with closing(SqliteStore(home.database)) as store:
            assert store.entry_of_client_key("before") is not None

    return check


# The database


def _another_step(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE later (a INTEGER, b BLOB) STRICT")
    connection.execute("INSERT INTO later SELECT seq, body FROM (SELECT 1 AS seq, x'00' AS body)")
    connection.execute("ALTER TABLE client_key ADD COLUMN later INTEGER NOT NULL DEFAULT 7")


@contextmanager
def newer_version() -> Generator[None]:
    """Be a version of Slowlight that wants one more step of the database."""
    step = schema.Migration("another_step", _another_step)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))
        yield


def bring_up_to_date(home: Home, say: Say) -> None:
    with newer_version(), closing(SqliteStore(home.database)):
        say("new")


def check_new(home: Home, _said: list[str]) -> None:
    """The step was made once, and what was there is there."""
    with closing(sqlite3.connect(home.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT a FROM later").fetchall() == [(1,)]
        assert connection.execute("SELECT later FROM client_key").fetchall() == [(7,)]
    with newer_version(), closing(SqliteStore(home.database)) as store:
        assert store.entry_of_client_key("before") is not None


def post_after(home: Home, say: Say) -> None:
    say(f"posted after {post(home, 'after').hex()}")


def check_posted(home: Home, said: list[str]) -> None:
    """Both posts are there, once."""
    assert len(set(said)) == 1
    remains = examine(home.database, [identity_of(home)], client_keys=["after"])
    assert list(remains.posts.values()) == ["before", "after"]
    assert said == [f"posted after {remains.client_keys['after'].hex()}"] * len(said)


NEIGHBOURS: Final = Neighbours(random.Random(5), 3)
NEIGHBOURS.write(3)


def follower(path: Path) -> None:
    """Begin with a home that follows others, of whom there is news."""
    followers_home(path, NEIGHBOURS, 1)


def take_in(home: Home, say: Say) -> None:
    Life(home, NEIGHBOURS, 1, range(2))(say)


def check_taken_in(home: Home, said: list[str]) -> None:
    """Everything that was confirmed is there, and after the same again everything is."""
    told = Told()
    for line in said:
        told.hear(line)
    people = [*NEIGHBOURS.identities, identity_of(home)]
    remains = examine(home.database, people, client_keys=told.posts)
    check_nothing_doubled(remains)
    assert not told.missing_from(remains)
    for person in NEIGHBOURS.people:
        assert {entry.id for entry in person.log()} <= remains.entries


TASKS: Final = {
    **{name: Task(nothing, way, way.check) for name, way in BEGINNINGS.items()},
    "passphrase set": Task(ada, lock, check_keys(OLD)),
    "passphrase changed": Task(ada_locked, relock, check_keys(NEW)),
    "passphrase removed": Task(ada_locked, unlock, check_keys(None)),
    "migration": Task(ada, bring_up_to_date, check_new),
    "post": Task(ada, post_after, check_posted),
    "sync": Task(follower, take_in, check_taken_in),
}


def _nobody_listens(_line: str) -> None:
    pass


class Trial:
    """One task, under one fault after the other."""

    def __init__(self, folder: Path, task: Task) -> None:
        self._folder = folder
        self._task = task
        self._log = folder / "strace"
        self._template = folder / "template"
        self._template.mkdir()
        task.prepare(self._template / "home")
        self._home = Home(folder / "home")

    def all_faults(self) -> list[Fault]:
        """Carry the task out undisturbed; return all faults that there can be."""
        self._fresh()
        self._task.work(self._home, _nobody_listens)  # loads here what processes then share
        self._fresh()
        self._paths, calls = calls_on(self._work, self._home.path, self._log)
        print(dict(calls))
        return list(faults(calls))

    def suffer(self, fault: Fault) -> bool:
        """Let one fault strike, and do the same again; return whether it struck."""
        self._fresh()
        ending = under(fault, self._work, self._paths, self._log)
        struck = "INJECTED" in self._log.read_text() or ending.code == -9
        said = [line for line in ending.said if not line.startswith("refused")]
        assert not any(line.startswith(FAILED) for line in said), ending.said
        said += carried_out(self._work)
        assert not any(line.startswith("refused") for line in said), said
        self._task.check(self._home, said)
        return struck

    def _work(self, say: Say) -> None:
        try:
            self._task.work(self._home, say)
        except (ServiceError, StoreError, OSError) as error:
            say(f"refused {error!r}")

    def _fresh(self) -> None:
        shutil.rmtree(self._home.path, ignore_errors=True)
        if (self._template / "home").exists():
            shutil.copytree(self._template / "home", self._home.path)


def sweep(folder: Path, task: Task, *, most: int, step: int = 1) -> None:
    """Try one fault in so many, and about so many at most, and complain of all that went wrong."""
    trial = Trial(folder, task)
    every = trial.all_faults()
    tried = every[:: max(step, len(every) // most)]
    struck, wrong = 0, list[str]()
    for fault in tried:
        try:
            struck += trial.suffer(fault)
        except (AssertionError, SlowlightError, sqlite3.Error) as error:
            wrong.append(f"{fault}: {error!r}")
    print(f"{len(tried)} faults tried, {struck} struck")
    assert not wrong, f"{len(wrong)} homes were left unusable: " + "\n".join(wrong[:20])
    assert struck == len(tried), "some faults came too late to strike"


@pytest.mark.parametrize("name", TASKS)
def test_a_fault_at_some_calls_leaves_a_home_that_goes_on(tmp_path: Path, name: str) -> None:
    """The thin form."""
    sweep(tmp_path, TASKS[name], most=FEW)


@pytest.mark.long
@pytest.mark.parametrize("name", TASKS)
def test_a_fault_at_any_call_leaves_a_home_that_goes_on(tmp_path: Path, name: str) -> None:
    """Every fault at every call."""
    sweep(tmp_path, TASKS[name], step=STEPS.get(name, 1), most=ALL)


def test_a_home_that_was_left_unusable_is_found(tmp_path: Path) -> None:
    """The check can fail: a secret that is written over is lost by some fault."""

    def carelessly(home: Home, say: Say) -> None:
        seed = home.secrets / "root.seed"
        written = seed.read_text() if home.keys.root_seed() else ""
        seed.write_text(written)
        say("written")

    with pytest.raises(AssertionError, match="unusable"):
        sweep(tmp_path, Task(ada, carelessly, check_keys(None)), most=ALL)
