"""SIGKILL inside each migration: the database is of the old version or of the new, never between.

A real process takes one step up from a database of each older version that has content in it, and
is killed at a call that changes the disk. The next start goes on: everything is there, to the row.
The first step of all, which makes the tables, is a part of ``init``; `test_faults_syscalls` kills
that.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from slowlight.node import witness
from slowlight.node.client import open_client
from slowlight.node.config import Config
from slowlight.node.home import Home
from slowlight.node.post_operations import POST, PostRequest
from slowlight.protocol.errors import SlowlightError
from slowlight.protocol.identity import incept
from slowlight.store import schema
from slowlight.store.schema import MIGRATIONS
from slowlight.store.sqlite import SqliteStore
from slowlight.store.sqlite_database import Database
from tests.children import FAILED, Say, carried_out
from tests.injection import Fault, calls_on, faults, under
from tests.remains import copied, examine
from tests.working_node import Neighbours, Told, Work, check_nothing_doubled, followers_home

SEED: Final = 20_260_105
AFTERWARDS: Final = "after all"
FEW: Final = 4
"""So many deaths in each migration are tried where time is short."""
STEPS: Final = [
    pytest.param(count, id=MIGRATIONS[count].name) for count in range(1, len(MIGRATIONS))
]
"""Each migration but the first, as how many were made before it."""


@contextmanager
def only_the_first(count: int) -> Generator[None]:
    """Be a version of Slowlight that knows no more than so many migrations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", MIGRATIONS[:count])
        yield


def tables_in(path: Path) -> list[Any]:
    """Return what a database consists of."""
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2").fetchall()


def rows_in(path: Path) -> dict[str, list[Any]]:
    """Return all that stands in the tables of a database."""
    with closing(sqlite3.connect(path)) as raw:
        names = [
            name
            for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if name not in ("_sqlite_migrations", "search")  # times of day; no rows of its own
        ]
        rows = {name: raw.execute(f"SELECT * FROM {name}") for name in names}  # noqa: S608
        return {name: sorted(found, key=repr) for name, found in rows.items()}


class Ladder:
    """One home with content, in every version that its database could have."""

    def __init__(self, folder: Path) -> None:
        print(f"{SEED=}")
        self._folder = folder
        self._neighbours = Neighbours(random.Random(SEED), 3)
        self._neighbours.write(3)
        self._told = Told()
        home = followers_home(folder / "newest", self._neighbours, 1)
        work = Work(home, self._neighbours, 1, range(3))
        for line in carried_out(work):
            self._told.hear(line)
        self.homes: Final = [
            self._older(home, count, folder / f"version-{count}")
            for count in range(len(MIGRATIONS) + 1)
        ]
        self.tables: Final = [tables_in(home.database) for home in self.homes]
        self.people: Final = [*self._neighbours.identities, incept(home.keys.root_seed()).identity]

    def _older(self, newest: Home, count: int, path: Path) -> Home:
        """Make the home as a version with so many migrations would have left it."""
        shutil.copytree(newest.path, path, ignore=shutil.ignore_patterns("node.db*"))
        home = Home(path)
        with closing(sqlite3.connect(home.database, isolation_level=None)) as raw:
            raw.execute("PRAGMA journal_mode = WAL")
            with only_the_first(count):
                schema.migrate(raw)
            raw.execute("ATTACH ? AS newest", (str(newest.database),))
            for (table,) in raw.execute(_TABLES).fetchall():
                found = raw.execute(_COLUMNS, (table, table))
                columns = ", ".join(name for (name,) in found)
                raw.execute(f"DELETE FROM main.{table}")  # noqa: S608 - names of the schema
                copy = f"({columns}) SELECT {columns} FROM newest.{table}"  # noqa: S608
                raw.execute(f"INSERT INTO main.{table} {copy}")
        return home

    def undisturbed(self, count: int) -> dict[str, list[Any]]:
        """Return what an older version becomes if nothing happens to it, proven.

        It is what the newest version holds, but for what is to be done because of the past.
        """
        home = self.fresh(count)
        SqliteStore(home.database).close()
        rows = rows_in(home.database)
        newest = rows_in(self.homes[-1].database)
        assert rows | {"upkeep": []} == newest | {"upkeep": []}
        self.prove(home)
        return rows

    def fresh(self, count: int) -> Home:
        """Return a copy of the home in an older version."""
        home = Home(self._folder / "home")
        shutil.rmtree(home.path, ignore_errors=True)
        shutil.copytree(self.homes[count].path, home.path)
        return home

    def prove(self, home: Home) -> None:
        """Require that everything is there and the home is used."""
        with open_client(home, Config(), "a test") as client:
            client.call(POST, PostRequest(text=AFTERWARDS, client_key=AFTERWARDS))
        keys = [*self._told.posts, AFTERWARDS]
        remains = examine(home.database, self.people, client_keys=keys)
        check_nothing_doubled(remains)
        assert not self._told.missing_from(remains)
        assert remains.client_keys.keys() == set(keys)
        assert AFTERWARDS in remains.posts.values()


_TABLES: Final = (
    "SELECT name FROM main.sqlite_schema WHERE type = 'table'"
    " AND name NOT LIKE '%sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%'"
)
_COLUMNS: Final = (
    "SELECT name FROM pragma_table_info(?, 'main')"
    " INTERSECT SELECT name FROM pragma_table_info(?, 'newest')"
)


@pytest.fixture(scope="module")
def ladder() -> Generator[Ladder]:
    """Homes of every version, and copies of them may sign: each death begins with the same one."""

    def birth_of(_descriptor: int) -> str:
        return "here"

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(witness, "birth_of", birth_of)
        yield Ladder(Path(folder))


class Trial:
    """One migration, killed at one call after the other."""

    def __init__(self, ladder: Ladder, count: int, folder: Path) -> None:
        self._ladder = ladder
        self._count = count
        self._folder = folder
        self._log = folder / "strace"
        self._rows = ladder.undisturbed(count)
        self._home = ladder.fresh(count)
        self._paths, calls = calls_on(self._migrate, self._home.path, self._log)
        print(dict(calls))
        self.deaths: Final = [fault for fault in faults(calls) if fault.what == "SIGKILL"]

    def _migrate(self, say: Say) -> None:
        with only_the_first(self._count + 1):
            Database(self._home.database).close()
        say("new")

    def die(self, death: Fault) -> bool:
        """Let the process die there, and start again; return whether it was of the new version."""
        self._ladder.fresh(self._count)
        ending = under(death, self._migrate, self._paths, self._log)
        assert ending.code == -9, "death came too late"
        assert not any(line.startswith(FAILED) for line in ending.said), ending.said
        found = tables_in(copied(self._home, self._folder / "copy"))
        shutil.rmtree(self._folder / "copy")
        old, new = self._ladder.tables[self._count : self._count + 2]
        assert found in (old, new), "between two versions"
        assert found == new or not ending.said, "what was said to be done is not"
        SqliteStore(self._home.database).close()
        assert rows_in(self._home.database) == self._rows, "other content"
        self._ladder.prove(self._home)
        return found == new


def kill_inside(ladder: Ladder, count: int, folder: Path, most: int | None = None) -> set[bool]:
    """Kill one migration at each call, or at so many; return which versions were left."""
    trial = Trial(ladder, count, folder)
    step = 1 if most is None else max(1, len(trial.deaths) // most)
    found, wrong = set[bool](), list[str]()
    for death in trial.deaths[::step]:
        try:
            found.add(trial.die(death))
        except (AssertionError, SlowlightError, sqlite3.Error) as error:
            wrong.append(f"{death}: {error!r}")
    print(f"{len(trial.deaths[::step])} deaths")
    assert not wrong, f"{len(wrong)} homes were left unusable: " + "\n".join(wrong[:20])
    return found


@pytest.mark.parametrize("count", STEPS)
def test_death_at_some_calls_of_a_migration_loses_nothing(
    ladder: Ladder, tmp_path: Path, count: int
) -> None:
    """The thin form."""
    kill_inside(ladder, count, tmp_path, FEW)


@pytest.mark.long
@pytest.mark.parametrize("count", STEPS)
def test_death_at_any_call_of_a_migration_loses_nothing(
    ladder: Ladder, tmp_path: Path, count: int
) -> None:
    """Every call that changes the disk; some deaths come before the step, some after it."""
    assert kill_inside(ladder, count, tmp_path) == {False, True}


def test_a_step_that_is_no_transaction_is_caught(
    ladder: Ladder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check can fail: statements that are committed one by one leave something between."""
    from slowlight.store import sqlite_database

    def carelessly(connection: sqlite3.Connection) -> None:
        for migration in schema.pending_migrations(connection):
            migration.apply(connection)
            connection.execute(
                "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
                " VALUES ('slowlight', ?, '')",
                (migration.name,),
            )

    monkeypatch.setattr(sqlite_database, "migrate", carelessly)
    with pytest.raises(AssertionError, match="unusable"):
        kill_inside(ladder, len(MIGRATIONS) - 1, tmp_path, 25)
