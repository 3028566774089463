"""``slowlight db``: look after the database, by hand, and save what a bad disk has left."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from slowlight.cli.shell import Shell
from slowlight.node.home import Home
from slowlight.protocol.content import Delete, Edit, EntryRange, Post
from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS
from slowlight.store.base import LogKey
from slowlight.store.sqlite import SqliteStore
from slowlight.store.sqlite_salvage import finish_rebuild, rebuilt_path
from tests.bit_rot import flip_one, flipped, numbers, talkative
from tests.command_line import Ending, typed
from tests.owners import revoked, said
from tests.people import Person
from tests.stores import everything_of, holdings, take

Type = Callable[..., Ending]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with an identity and a few posts."""
    home = Home(tmp_path / "home")
    assert run(home, "init", "--name", "ada").code == 0
    for number in range(3):
        assert run(home, "post", f"post {number}").code == 0
    return home


def run(home: Home, *arguments: str) -> Ending:
    """Type a command on a home without a daemon."""
    shell = Shell()
    shell.home_flag = str(home.path)
    return typed(shell, *arguments)


def receive(home: Home, *people: Person) -> None:
    """Let everything of people arrive in a home that nobody uses."""
    with closing(SqliteStore(home.database)) as store:
        for person in people:
            runs = [run for channel in person.logs for run in person.runs(channel)]
            take(store, person.verified_ident(), *runs)


def test_stats_say_what_takes_room(home: Home) -> None:
    """By distance and by person, for people and for programs."""
    receive(home, talkative(2, posts=20))
    shown = run(home, "db", "stats")
    assert shown.code == 0
    assert "strangers" in shown.out
    told = run(home, "db", "stats", "--top", "1", "--json").json
    strangers = next(one for one in told["classes"] if one["distance"] == "stranger")
    assert (strangers["people"], strangers["entries"]) == (1, 42)
    assert told["people"][0]["entries"] == 42
    assert told["database_bytes"] > told["payload_bytes"] > 0


def test_a_sound_database_is_said_to_be_sound(home: Home) -> None:
    """Again and again."""
    for command in ("check", "scrub", "rebuild", "compact", "check"):
        ending = run(home, "db", command, "--json")
        assert ending.code == 0, ending.err
    assert run(home, "db", "check").out == "Sound: 5 entries, each as it was signed.\n"
    assert run(home, "post", "after").code == 0


def test_damaged_entries_are_found_and_taken_out(home: Home) -> None:
    """``check`` only says so, with exit code 6; ``scrub`` acts, and then all is sound."""
    receive(home, talkative(2, posts=20))
    with closing(SqliteStore(home.database)) as store:
        for n in random.Random(1).sample(numbers(store)[10:], 5):
            flip_one(store, random.Random(n), n)
    for _ in range(2):
        checked = run(home, "db", "check")
        assert checked.code == 6
        assert "slowlight db scrub" in checked.err
    told = run(home, "db", "check", "--json")
    assert told.code == 6
    assert not told.json["sound"]
    assert told.json["damaged"] + told.json["mended"] == len(told.json["named"])
    assert run(home, "db", "scrub", "--json").json["damaged"] > 0
    assert run(home, "db", "check").code == 0


def test_a_damaged_own_head_is_not_written_over(home: Home) -> None:
    """Whoever posts is told why not, and what to type."""
    with closing(SqliteStore(home.database)) as store:
        n = numbers(store)[-1]
        (payload,) = store.database.row("SELECT payload FROM entry WHERE n = ?", (n,))
        with store.database.writing():
            store.database.write(
                "UPDATE entry SET payload = ? WHERE n = ?", (flipped(payload, 9), n)
            )
    assert run(home, "db", "scrub").code == 0
    ending = run(home, "post", "in its place")
    assert (ending.code, ending.out) == (6, "")
    assert "slowlight" in ending.err


# Copies


def test_a_backup_is_a_whole_database_for_its_owner_alone(home: Home, tmp_path: Path) -> None:
    """With everything but the keys; an existing file is never overwritten."""
    copy = tmp_path / "copy.db"
    ending = run(home, "db", "backup", str(copy))
    assert ending.code == 0
    assert "words" in ending.err
    assert copy.stat().st_mode & 0o777 == 0o600
    secrets = [path.read_bytes().strip() for path in (home.path / "keys").iterdir()]
    assert not any(secret in copy.read_bytes() for secret in secrets)
    with closing(SqliteStore(copy)) as one, closing(SqliteStore(home.database)) as other:
        assert one.totals().entries == other.totals().entries == 5
        assert one.nonce == other.nonce
    assert run(home, "db", "backup", str(copy)).code == 2
    missing = run(home, "db", "backup", str(tmp_path / "no" / "where.db"))
    assert missing.code == 2
    assert f"there is no folder {tmp_path / 'no'}" in missing.err
    assert f"mkdir -p {tmp_path / 'no'}" in " ".join(missing.err.split())


def test_a_home_in_use_is_left_alone(home: Home) -> None:
    """Whatever needs the home for itself says who has it."""
    with home.lock("slowlight run"):
        for command in ("check", "rebuild", "compact"):
            ending = run(home, "db", command)
            assert ending.code == 4
            assert "slowlight run" in ending.err


def test_compacting_gives_room_back(home: Home) -> None:
    """What was deleted leaves no hole in the file."""
    with closing(SqliteStore(home.database)) as store, store.database.writing():
        store.database.write("CREATE TABLE filling (body BLOB)")
        store.database.write("INSERT INTO filling VALUES (zeroblob(2000000))")
        store.database.write("DROP TABLE filling")
    told = run(home, "db", "compact", "--json").json
    assert told["before_bytes"] - told["after_bytes"] > 1_900_000


# Rebuilding


def test_views_are_derived_again(home: Home) -> None:
    """Timeline, threads, names, follows and search, all of them forgotten before."""
    ada, bob = talkative(2, posts=30), talkative(3, (talkative(2, posts=30),), posts=30)
    receive(home, ada, bob)
    with closing(SqliteStore(home.database)) as store:
        while store.index_posts(100):
            pass
        before = holdings(store, ada, bob)
        found = {post.held.entry.id for post in store.search("dust", limit=100).posts}
        with store.database.writing():
            store.database.write(
                "UPDATE entry SET t_ms = coalesce(t_ms, order_ms), order_ms = 5, parent = NULL,"
                " root = NULL WHERE order_ms IS NOT NULL"
            )
            store.database.write("UPDATE identity SET name = '', profile = NULL")
            store.database.write("DELETE FROM follow")
            store.database.write("UPDATE arrival SET posts = 0")
            store.database.write("DELETE FROM source")
            store.database.write("UPDATE log SET payload_bytes = 7")
            store.database.write("INSERT INTO search (search) VALUES ('delete-all')")
    assert run(home, "db", "rebuild").code == 0
    with closing(SqliteStore(home.database)) as store:
        assert holdings(store, ada, bob) == before
        assert found
        assert {post.held.entry.id for post in store.search("dust", limit=100).posts} == found
        shares = {share.identity: share.payload_bytes for share in store.shares()}
        sizes = sum(entry.size for log in ada.logs.values() for entry in log)
        assert shares[ada.identity] == sizes


def test_a_rebuild_asks_the_entries_again_what_counts(home: Home) -> None:
    """Edits, deletions and what a revocation voids, where every note about them was lost."""
    laptop, thief = Person(5), Person(5, device_number=1)
    kept, gone, wanted = (laptop.post(text) for text in ("a storm", "a secret", "stays"))
    laptop.write(CHANNEL_POSTS, Edit(kept.id, Post("a tempest")))
    laptop.write(CHANNEL_POSTS, Delete((EntryRange(CHANNEL_POSTS, 1, 1),)))
    thief.post("spam")
    thief.write(CHANNEL_POSTS, Edit(kept.id, Post("rubbish")))
    thief.write(CHANNEL_POSTS, Delete((EntryRange(CHANNEL_POSTS, 2, 2, laptop.device),)))
    laptop.write(CHANNEL_IDENTITY, said(revoked(thief)))
    receive(home, laptop, thief)
    receive(home, laptop)

    def told() -> tuple[dict[bytes, bytes | None], Any]:
        with closing(SqliteStore(home.database)) as store:
            shown = {
                post.held.entry.id: post.version.entry.id if post.version else None
                for post in store.timeline()
            }
            mark = store.mark_of(LogKey(laptop.device, CHANNEL_POSTS), 1)
            states = sorted(store.states(everything_of(laptop)))
            ending = store.ending(LogKey(thief.device, CHANNEL_POSTS))
            return shown, (mark, states, ending, list(store.holes(everything_of(laptop))))

    before = told()
    assert {kept.id, wanted.id} < before[0].keys()
    assert before[0][kept.id]
    assert gone.id not in before[0]
    with closing(SqliteStore(home.database)) as store, store.database.writing():
        for table in ("edit", "edited", "deletion", "mark", "record"):
            store.database.write(f"DELETE FROM {table}")  # noqa: S608
        store.database.write(
            "UPDATE log SET end_seq = NULL, end_id = NULL, end_why = NULL, end_record = NULL"
        )
        store.database.write(
            "UPDATE entry SET order_ms = NULL, t_ms = coalesce(t_ms, order_ms) WHERE id = ?",
            (kept.id,),
        )
    assert told() != before
    for _ in range(2):
        assert run(home, "db", "rebuild").code == 0
        assert told() == before
    assert run(home, "db", "check").code == 0


@pytest.mark.parametrize("seed", range(6))
def test_what_can_be_read_of_a_damaged_file_is_saved(home: Home, seed: int) -> None:
    """Pages full of rubbish: one clear error, one command, and what remains is true."""
    chance = random.Random(seed)
    people = (talkative(2, posts=400), talkative(3, posts=400))
    receive(home, *people)
    data = bytearray(home.database.read_bytes())
    pages = [
        start
        for start in range(8192, len(data), 8192)
        if b"CREATE " not in data[start : start + 8192]  # the schema is known, not salvaged
    ]
    only_entries = seed % 2 == 0
    if only_entries:
        texts = [entry.payload or b"" for person in people for entry in person.log()]
        pages = [start for start in pages if any(x in data[start : start + 8192] for x in texts)]
    for start in chance.sample(pages, max(2, len(pages) // 30)):
        data[start : start + 8192] = chance.randbytes(8192)
    home.database.write_bytes(bytes(data))
    checked = run(home, "db", "check")
    assert "Traceback" not in checked.err
    assert checked.code == 6
    assert "slowlight db " in checked.err
    ending = run(home, "db", "rebuild", "--json")
    assert ending.code == 0, ending.err
    kept = ending.json["kept_aside"]
    if kept:
        assert Path(kept).read_bytes() == bytes(data)
    assert run(home, "db", "check").code == 0
    with closing(SqliteStore(home.database)) as store:
        held = 0
        for person in people:
            for log in person.logs.values():
                for entry in log:
                    found = store.entry(entry.id)
                    assert found is None or found.entry[:9] == entry[:9]
                    held += found is not None
        assert held > 400 or not only_entries
        for person in people:
            runs = [run for channel in person.logs for run in person.runs(channel)]
            take(store, person.verified_ident(), *runs)
            assert all(store.entry(entry.id) for log in person.logs.values() for entry in log)


@pytest.mark.parametrize("step", range(3))
def test_a_replacement_that_was_interrupted_goes_on(home: Home, step: int) -> None:
    """Between any two of its steps: the next command finds one whole database."""
    rebuilt, kept = rebuilt_path(home.database), home.path / "node.db.damaged-1"
    with closing(SqliteStore(home.database)) as store:
        store.backup(rebuilt)
    home.database.write_bytes(b"rubbish")
    (home.path / "node.db-wal").write_bytes(b"a log of the rubbish")
    if step >= 1:
        kept.hardlink_to(home.database)
    if step >= 2:
        (home.path / "node.db-wal").rename(home.path / f"{kept.name}-wal")
    assert len(run(home, "read", "--all", "--json").json["posts"]) == 3
    assert kept.read_bytes() == b"rubbish"
    assert (home.path / f"{kept.name}-wal").read_bytes() == b"a log of the rubbish"
    assert finish_rebuild(home.database) is None
    assert run(home, "db", "check").code == 0


def test_a_file_of_which_nothing_is_left_is_said_to_be_lost(home: Home) -> None:
    """And it stays as it is."""
    home.database.write_bytes(b"rubbish" * 5_000)
    ending = run(home, "db", "rebuild")
    assert ending.code == 6
    assert "key restore" in ending.err
    assert home.database.read_bytes() == b"rubbish" * 5_000


@pytest.mark.parametrize("seed", range(3))
def test_single_bits_of_the_file_are_found_or_harmless(home: Home, seed: int) -> None:
    """Whatever page they are in: nothing untrue is shown as sound."""
    chance = random.Random(f"bits {seed}")
    person = talkative(2, posts=300)
    receive(home, person)
    whole = home.database.read_bytes()
    for _ in range(4):
        data = bytearray(whole)
        for _ in range(4):
            data[chance.randrange(100, len(data))] ^= 1 << chance.randrange(8)
        home.database.write_bytes(bytes(data))
        checked = run(home, "db", "check")
        assert checked.code in (0, 6), checked.err
        assert "Traceback" not in checked.err
        if checked.code == 0:
            with closing(sqlite3.connect(home.database)) as raw:
                assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            with closing(SqliteStore(home.database)) as store:
                for entry in person.log():
                    found = store.entry(entry.id)
                    assert found is not None
                    assert found.entry[:9] == entry[:9]
        else:
            assert run(home, "db", "rebuild").code == 0
            assert run(home, "db", "check").code == 0
        for leftover in home.path.glob("node.db*"):
            leftover.unlink()
