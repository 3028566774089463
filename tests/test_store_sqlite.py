"""What is special to the store in SQLite: its file, its migrations, crashes, its indexes."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from slowlight.protocol.entry import CHANNEL_POSTS, log_id
from slowlight.protocol.hashing import short_id, short_prefix
from slowlight.protocol.roster import Roster
from slowlight.store import sqlite, sqlite_arrivals
from slowlight.store.base import Interval, LogKey, NodeStore, PageMark, StoreError
from slowlight.store.schema import MIGRATIONS
from slowlight.store.sqlite import SqliteStore
from slowlight.store.sqlite_arrivals import Arrivals, Stretch
from tests.people import Person
from tests.stores import (
    RECEIVED_MS,
    everything_of,
    fetch,
    holdings,
    meet,
    posts_of,
    show_everything,
    take,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database of a test is to be."""
    return tmp_path / "slowlight.db"


@pytest.fixture
def opened(path: Path) -> Iterator[SqliteStore]:
    """A new store at ``path``."""
    with closing(SqliteStore(path)) as store:
        yield store


def run_python(script: str, *arguments: str | Path, status: int = 0) -> str:
    """Run a program that opens a store in a process of its own; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def value_of(database: Path, query: str) -> Any:
    with closing(sqlite3.connect(database)) as connection:
        (value,) = connection.execute(query).fetchone()
        return value


# --- The file --------------------------------------------------------------------------------


def test_every_commit_reaches_the_disk(opened: SqliteStore, path: Path) -> None:
    """A write-ahead log, synced at each commit; one page holds several posts."""
    settings = {
        name: opened.database.row(f"PRAGMA {name}")[0]
        for name in ("journal_mode", "synchronous", "page_size")
    }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "page_size": 8192}


def test_a_store_is_found_again_as_it_was_left(path: Path) -> None:
    """Nonce, counter, entries, names, search: everything is in the file."""
    ada = Person(1)
    ada.posts(4)
    with closing(SqliteStore(path)) as store:
        meet(store, ada)
        take(store, ada.run())
        store.set_petname(ada.identity, "ada")
        show_everything(store)
        before = (store.nonce, store.change_counter, holdings(store, ada))
    with closing(SqliteStore(path)) as store:
        assert (store.nonce, store.change_counter, holdings(store, ada)) == before
        assert store.totals().search_behind == 0


def test_the_nonce_can_be_given(path: Path) -> None:
    """A simulation replays exactly; a store that exists keeps its own."""
    with closing(SqliteStore(path, make_nonce=lambda size: b"n" * size)) as store:
        assert store.nonce == b"n" * 8
    with closing(SqliteStore(path)) as store:
        assert store.nonce == b"n" * 8


KILLED_AFTER_WRITING: Final = """
import os, sys
from pathlib import Path
from slowlight.store.sqlite import SqliteStore
from slowlight.store.sqlite_intake import Intake
from tests.people import Person

ada = Person(1)
ada.posts(20)
store = SqliteStore(Path(sys.argv[1]))
store.ingest([ada.verified_ident(), ada.run(last=9)], received_ms=1, via="peer")
with store.database.writing():
    Intake(store.database, received_ms=2, via="peer").take(ada.run(first=10))
    os._exit(9)
"""


def test_what_was_committed_survives_a_kill_and_nothing_else(path: Path) -> None:
    """The log beside the database is read at the next start; a half-written batch is gone."""
    ada = Person(1)
    ada.posts(20)
    run_python(KILLED_AFTER_WRITING, path, status=9)
    assert path.with_name("slowlight.db-wal").stat().st_size > 0
    with closing(SqliteStore(path)) as store:
        assert store.held(posts_of(ada)) == [Interval(0, 9)]
        assert [post.held.entry for post in store.timeline()] == ada.log()[9::-1]
        take(store, ada.run())
        assert store.held(posts_of(ada)) == [Interval(0, 19)]
    assert value_of(path, "PRAGMA integrity_check") == "ok"


def test_a_batch_that_fails_half_way_leaves_nothing(
    opened: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong inside, the next call finds the store as it was."""
    ada = Person(1)
    ada.posts(4)
    meet(opened, ada)
    before = holdings(opened, ada)

    def fail(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_arrivals, "move_answers", fail)
        with pytest.raises(RuntimeError, match="a mistake of ours"):
            take(opened, ada.run())
        with pytest.raises(RuntimeError, match="a mistake of ours"):
            opened.append(posts_of(ada), ada.signed(), received_ms=RECEIVED_MS, client_key="again")
    assert holdings(opened, ada) == before
    assert opened.entry_of_client_key("again") is None
    opened.append(posts_of(ada), ada.signed(), received_ms=RECEIVED_MS, client_key="again")
    assert len(opened.timeline()) == 4


def test_a_full_disk_is_named_and_loses_nothing(opened: SqliteStore) -> None:
    """The batch is refused as a whole; with room again, it is taken."""
    ada = Person(1)
    ada.posts(600)
    meet(opened, ada)
    before = holdings(opened, ada)
    (pages,) = opened.database.row("PRAGMA page_count")
    opened.database.row(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(StoreError, match="make room"):
        take(opened, *ada.runs())
    assert holdings(opened, ada) == before
    opened.database.row("PRAGMA max_page_count = 1000000")
    take(opened, *ada.runs())
    assert len(opened.timeline(limit=1_000)) == 600


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not a database, but long enough to be taken for one" * 20, "no database"),
        (b"", None),
    ],
    ids=["text", "empty"],
)
def test_what_is_no_database_is_refused(path: Path, content: bytes, reason: str | None) -> None:
    """An empty file becomes a store; any other file is left alone."""
    path.write_bytes(content)
    if reason is None:
        SqliteStore(path).close()
        return
    with pytest.raises(StoreError, match=reason):
        SqliteStore(path)
    assert path.read_bytes() == content


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    """The error says what to look at."""
    with pytest.raises(StoreError, match=r"missing.*check that its directory exists"):
        SqliteStore(tmp_path / "missing" / "slowlight.db")


def test_another_program_that_writes_is_waited_for_and_named(
    opened: SqliteStore, path: Path
) -> None:
    """A person's script that holds the database locks the node out, and damages nothing."""
    opened.database.row("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program"):
            opened.put_setting("name", "value")
        other.execute("ROLLBACK")
    opened.put_setting("name", "value")
    assert opened.setting("name") == "value"


# --- Migrations ------------------------------------------------------------------------------


KILLED_WHILE_MIGRATING: Final = """
import os, sys
from pathlib import Path
from slowlight.store import schema, sqlite_database

left = int(sys.argv[2])

def count(statement):
    global left
    left -= 1
    if not left:
        os._exit(9)

def migrate(connection):
    connection.set_trace_callback(count)
    schema.migrate(connection)

sqlite_database.migrate = migrate
sqlite_database.Database(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("statements", [1, 2, 5, 9, 20, 48])
def test_a_migration_that_was_killed_runs_again(path: Path, statements: int) -> None:
    """At whatever statement the power fails, the next start makes the store whole."""
    run_python(KILLED_WHILE_MIGRATING, path, str(statements), status=9)
    ada = Person(1)
    ada.posts(2)
    with closing(SqliteStore(path)) as store:
        take(store, ada.verified_ident(), ada.run())
        assert len(store.timeline()) == 2
    applied = (
        "SELECT group_concat(name) FROM (SELECT name FROM _sqlite_migrations"
        " WHERE migration_set = 'slowlight' ORDER BY id)"
    )
    assert value_of(path, applied) == ",".join(migration.name for migration in MIGRATIONS)


def test_a_database_of_a_newer_version_is_refused_untouched(path: Path) -> None:
    """Nothing is guessed about tables that this version does not know."""
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('slowlight', 'from_the_future', '2050-01-01')"
        )
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer version"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_untouched(path: Path) -> None:
    """A wrong path destroys nobody's data."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE recipe (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        SqliteStore(path)
    assert path.read_bytes() == before


OPENS: Final = """
import sys
from pathlib import Path
from slowlight.store.sqlite import SqliteStore

store = SqliteStore(Path(sys.argv[1]))
store.put_setting("name", "value")
store.timeline()
print("sqlite_utils" in sys.modules)
"""


def test_a_current_database_is_opened_without_sqlite_utils(path: Path) -> None:
    """It takes as long to import as everything else together; only a migration needs it."""
    assert run_python(OPENS, path) == "True\n"
    assert run_python(OPENS, path) == "False\n"


# --- Bounds and indexes ----------------------------------------------------------------------


def test_the_oldest_client_keys_are_forgotten(
    opened: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry comes within minutes; years of keys are not kept."""
    monkeypatch.setattr(sqlite, "MAX_CLIENT_KEYS", 3)
    monkeypatch.setattr(sqlite, "CLIENT_KEYS_FORGOTTEN_EVERY", 4)
    ada = Person(1)
    ada.posts(5)
    meet(opened, ada)
    for seq, signed in enumerate(ada.signed()):
        opened.append(
            posts_of(ada), [signed], received_ms=RECEIVED_MS + seq, client_key=f"key {seq}"
        )
    kept = [opened.entry_of_client_key(f"key {seq}") for seq in range(5)]
    assert kept == [None, None, *(entry.id for entry in ada.log()[2:])]


def test_ids_that_begin_alike_are_told_apart(
    opened: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index knows five bytes of an id; whoever makes two that share them gains nothing."""
    ada, eve = Person(1), Person(2)
    meet(opened, ada, eve)
    question = ada.post()
    beside = eve.post(t_ms=ada.now_ms + 10**9)
    answer = ada.post(reply_to=question.id)
    take(opened, ada.run())
    alike = question.id[:5] + beside.id[5:]
    add = Arrivals.add

    def add_with_another_id(arrivals: Arrivals, stretch: Stretch) -> None:
        entries = [entry._replace(id=alike) for entry in stretch.entries]
        add(arrivals, stretch._replace(entries=entries))

    with monkeypatch.context() as patched:
        patched.setattr(Arrivals, "add", add_with_another_id)
        take(opened, eve.run(), received_ms=RECEIVED_MS + 10**10)
    found = opened.entry(question.id)
    forged = opened.entry(alike)
    assert found is not None
    assert forged is not None
    assert (found.entry, forged.identity) == (question, eve.identity)
    thread = opened.thread(question.id, limit=10)
    assert [post.held.entry.id for post in thread] == [question.id, answer.id]
    assert thread[1].order_ms == answer.t_ms
    assert len(opened.find_entries(*short_prefix(short_id(question.id)[:9]), 10)) == 2
    assert len(opened.find_entries(*short_prefix(short_id(question.id)), 10)) == 1


def test_no_question_reads_a_whole_table_of_entries(opened: SqliteStore) -> None:
    """What a node asks all day stays quick among millions of posts: an index answers it."""
    asked: set[str] = set()
    opened.database.connection.set_trace_callback(asked.add)
    ask_everything(opened)
    opened.database.connection.set_trace_callback(None)
    assert len(asked) > 30
    for statement in asked:
        if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)", statement):
            for *_, step in opened.database.rows(f"EXPLAIN QUERY PLAN {statement}"):
                whole = re.match(r"SCAN (entry|e|c|p|arrival|a|log|l|device|d|identity|i)\b", step)
                few = "posts > 0" in statement or "entry_hole" in step  # an index of few rows
                assert not whole or few, f"{step}: {statement}"


def ask_everything(store: NodeStore) -> None:
    """Use each part of a store that deals with entries."""
    ada, bob = Person(1), Person(2)
    meet(store, ada, bob)
    question = ada.post()
    ada.posts(10)
    bob.post(reply_to=question.id, root=question.id)
    bob.profile("Bob")
    bob.follow(ada.identity)
    take(store, bob.run(), bob.run(0), ada.run(stubs={2, 3}), ada.run(last=4))
    ada.post()
    store.append(posts_of(ada), ada.signed(first=11), received_ms=RECEIVED_MS, client_key="k")
    fetch(store, posts_of(ada), 2, 9)
    show_everything(store)
    store.search("storm dust", limit=5)
    for identity in (None, ada.identity):
        store.timeline(identity=identity)
        store.timeline(identity=identity, before=PageMark(RECEIVED_MS, 3))
    store.arrived(after=2, limit=5)
    store.count_arrived(after=store.newest_arrival() - 1, besides=ada.identity)
    store.thread(question.id, limit=5)
    store.entry(question.id)
    store.find_entries(*short_prefix(short_id(question.id)[:4]), 5)
    store.find_identities(*short_prefix(short_id(ada.identity)[:4]), 5)
    store.identities_named("Bob")
    store.set_petname(bob.identity, "bob")
    store.profile(bob.identity)
    store.follows(bob.identity)
    store.devices(bob.identity)
    store.ident(bob.identity)
    store.note_shown([question.id])
    store.shown()
    roster: Roster = everything_of(ada, bob)
    list(store.states(roster))
    list(store.states(roster, since=1))
    list(store.holes(roster))
    store.written_ms(posts_of(ada), 3)
    store.log_key(log_id(ada.device, CHANNEL_POSTS))
    store.head(LogKey(ada.device, CHANNEL_POSTS))
    store.held(posts_of(ada))


# Copies


def test_a_copy_made_amid_a_commit_has_what_was_committed_before(
    opened: SqliteStore, tmp_path: Path
) -> None:
    """It is made by another thread and holds up nobody."""
    person, late = Person(1), Person(2)
    meet(opened, person)
    copy = tmp_path / "copy.db"
    with opened.database.writing():
        opened.database.write("UPDATE store SET indexed = 77")
        thread = threading.Thread(target=opened.backup, args=(copy,))
        thread.start()
        thread.join(60)
        assert copy.exists()
    meet(opened, late)
    with closing(SqliteStore(copy)) as copied:
        assert copied.database.row("SELECT indexed FROM store") == (0,)
        assert copied.nonce == opened.nonce
        assert copied.totals().identities == opened.totals().identities - 1
    assert not list(tmp_path.glob("*.part*"))


def test_a_database_that_only_one_can_open_is_copied_by_its_own_connection(
    opened: SqliteStore, tmp_path: Path
) -> None:
    """So it is opened where the disk is too full for more; another thread is told why not."""
    meet(opened, Person(1))
    opened.database._prepare_alone()  # pyright: ignore[reportPrivateUsage]
    opened.backup(tmp_path / "copy.db")
    refused: list[str] = []

    def try_it() -> None:
        with pytest.raises(StoreError) as error:
            opened.backup(tmp_path / "other.db")
        refused.append(str(error.value))

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join(60)
    assert "make room" in refused[0]
    assert [file.name for file in tmp_path.glob("*py.db*")] == ["copy.db"]
    assert not list(tmp_path.glob("other.db*"))
