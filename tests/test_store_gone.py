"""What was deleted is not on the disk any more: no word of it, in no page of no file."""

from __future__ import annotations

import random
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from slowlight.protocol.content import Delete, Edit, EntryRange, Post
from slowlight.protocol.entry import (
    CHANNEL_IDENTITY,
    CHANNEL_POSTS,
    SALT_BYTES,
    hash_payload,
)
from slowlight.store.sqlite import SqliteStore
from slowlight.store.words import index_text
from tests.people import Person
from tests.stores import meet, show_everything, take

DUST = "火星塵暴"


def on_disk(directory: Path, needles: Iterable[bytes]) -> set[bytes]:
    """Return which of these bytes stand in a file of a directory, in whatever case of ASCII."""
    data = [file.read_bytes().lower() for file in directory.iterdir()]
    return {needle for needle in needles if any(needle.lower() in each for each in data)}


def everyday(rng: random.Random) -> str:
    """Return a text of words that many posts share."""
    return " ".join(f"w{rng.randrange(3_000)}" for _ in range(rng.choice([5, 50, 400])))


def write(author: Person, rng: random.Random, victims: Iterable[int], count: int) -> None:
    """Write posts; victims have words of their own."""
    for number in range(count):
        text = everyday(rng)
        if number in victims:
            text = f"zqsecret{number} {text} zqother{number} {DUST}"
        author.post(text)


@pytest.mark.parametrize("seed", range(4))
def test_deleted_words_are_in_no_file(tmp_path: Path, seed: int) -> None:
    """Database, write-ahead log and index are read byte by byte, while open and closed.

    The words were indexed, in parts or all at once, among many that stay; those of Chinese are
    looked for in the pairs that the index holds too.
    """
    rng = random.Random(seed)
    ada, bob = Person(1), Person(2)
    count, step = rng.choice([(40, 5), (250, 20), (250, 256)])
    victims = rng.sample(range(count), rng.choice([1, 20]))
    write(ada, rng, victims, count)
    write(bob, rng, (), count)
    needles = [b"zqsecret", b"zqother", *(each.encode() for each in index_text(DUST).split()[:3])]
    store = SqliteStore(tmp_path / "db")
    with closing(store):
        meet(store, ada, bob)
        for first in range(0, count, step):
            last = min(count, first + step) - 1
            take(store, ada.run(first=first, last=last), bob.run(first=first, last=last))
            if rng.random() < 0.7:
                show_everything(store)
        show_everything(store)
        assert on_disk(tmp_path, needles) == set(needles)
        ada.write(CHANNEL_POSTS, Delete(tuple(EntryRange(1, each, each) for each in victims)))
        take(store, ada.run(first=count, last=count))
        assert store.purge_due()
        while store.purge():
            pass
        assert not store.purge_due()
        assert on_disk(tmp_path, needles) == set()
        assert store.search("w1", limit=500).behind == 0
    assert on_disk(tmp_path, needles) == set()


def test_a_purge_that_was_killed_goes_on_at_the_next_start(tmp_path: Path) -> None:
    """What is left to do stands in the database."""
    ada = Person(1)
    ada.post("zqsecret")
    ada.write(CHANNEL_POSTS, Delete((EntryRange(1, 0, 0),)))
    for steps in range(5):
        with closing(SqliteStore(tmp_path / "db")) as store:
            if steps == 0:
                meet(store, ada)
                take(store, ada.run(last=0))
                show_everything(store)
                take(store, ada.run(first=1))
                continue
            if not store.purge():
                break
    with closing(SqliteStore(tmp_path / "db")) as store:
        assert not store.purge_due()
        assert on_disk(tmp_path, [b"zqsecret"]) == set()


def test_old_versions_and_old_profiles_go_too(tmp_path: Path) -> None:
    """Edits of a deleted post, and the name and biography of a deleted profile."""
    ada = Person(1)
    with closing(SqliteStore(tmp_path / "db")) as store:
        meet(store, ada)
        post = ada.post("zqfirst")
        ada.write(CHANNEL_POSTS, Edit(post.id, Post("zqsecond"), "zqnote"))
        ada.profile("zqname")
        take(store, ada.run(), ada.run(CHANNEL_IDENTITY, 1))
        show_everything(store)
        ranges = (EntryRange(CHANNEL_POSTS, 0, 0), EntryRange(CHANNEL_IDENTITY, 1, 1))
        ada.write(CHANNEL_POSTS, Delete(ranges))
        take(store, ada.run(first=2))
        while store.purge():
            pass
        assert on_disk(tmp_path, [b"zqfirst", b"zqsecond", b"zqnote", b"zqname"]) == set()


def test_a_deleted_yes_cannot_be_guessed(tmp_path: Path) -> None:
    """The hash that stays covers sixteen random bytes, and these are gone with the text."""
    ada = Person(1)
    post = ada.post("yes")
    assert post.payload is not None
    salt, content = post.payload[:SALT_BYTES], post.payload[SALT_BYTES:]
    assert len(salt) == 16
    assert post.payload_hash == hash_payload(salt + content)
    assert post.payload_hash not in (hash_payload(bytes(16) + content), hash_payload(content))
    with closing(SqliteStore(tmp_path / "db")) as store:
        meet(store, ada)
        take(store, ada.run())
        assert on_disk(tmp_path, [salt]) == {salt}
        ada.write(CHANNEL_POSTS, Delete((EntryRange(1, 0, 0),)))
        take(store, ada.run(first=1))
        while store.purge():
            pass
        assert on_disk(tmp_path, [salt, salt[:8], content]) == set()


def test_damage_to_edits_and_deletions_is_mended_without_a_trace(tmp_path: Path) -> None:
    """What was lost is in no view; when it has come back, everything is as before."""
    ada = Person(1)
    post, gone = ada.post("a storm"), ada.post("a secret")
    ada.write(CHANNEL_POSTS, Edit(post.id, Post("a tempest")))
    ada.write(CHANNEL_POSTS, Delete((EntryRange(1, 1, 1),)))
    with closing(SqliteStore(tmp_path / "db")) as store:
        meet(store, ada)
        take(store, ada.run())
        show_everything(store)
        with store.database.writing():
            store.database.write(
                "UPDATE entry SET lamport = lamport + 1 WHERE n > (SELECT max(n) - 2 FROM entry)"
            )
        assert store.scrub(after=0, limit=1_000, now_ms=0).damaged == 2
        (shown,) = store.timeline()
        assert shown.version is None
        meet(store, Person(1, device_number=1))
        take(store, ada.run())
        (shown,) = store.timeline()
        assert shown.version is not None
        assert [each.held.entry.id for each in store.search("tempest", limit=9).posts] == [post.id]
        held = store.entry(gone.id)
        assert held is not None
        assert held.entry.payload is None
