"""The disk changes bits: a scrub finds each, nothing damaged leaves, a peer gives it back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, CHANNEL_PRIVATE
from slowlight.store.base import LogKey, LostHeadError, NodeStore, Outcome
from slowlight.store.scrub import ScrubSlice
from slowlight.store.sqlite import SqliteStore
from tests.bit_rot import Flip, flip_one, flipped, numbers, talkative
from tests.people import Person
from tests.stores import RECEIVED_MS, holdings, meet, posts_of, show_everything, take
from tests.sync_ends import Link, Node, roster_of

FLIPS_A_ROUND: Final = 50


def scrub(store: NodeStore, *, mend: bool = True, limit: int = 97) -> ScrubSlice:
    """Scrub a whole store and return the sum of all slices."""
    entries = damaged = mended = after = 0
    while True:
        part = store.scrub(after=after, limit=limit, now_ms=RECEIVED_MS, mend=mend)
        entries += part.entries
        damaged += part.damaged
        mended += part.mended
        after = part.next
        if not after:
            return ScrubSlice(0, entries, damaged, mended, ())


def sync(one: Node, two: Node) -> None:
    """Let two nodes exchange once, long after everything was written."""
    link = Link(one, two, now_ms=RECEIVED_MS)
    link.ends[0].finish()
    assert link.talk()


class Rotting:
    """A store on a bad disk, a peer that holds the same, and what the truth is."""

    def __init__(self, path: Path) -> None:
        self.owner, ada = Person(1), talkative(2)
        self.people = (ada, talkative(3, (ada,)), talkative(4, (ada,), posts=40))
        self.peer = Node(Person(9))
        self.node = Node(self.owner, store=SqliteStore(path))
        for node in (self.peer, self.node):
            node.roster = roster_of(*self.people, channels=(CHANNEL_POSTS, CHANNEL_PRIVATE))
            for person in self.people:
                runs = [run for channel in person.logs for run in person.runs(channel)]
                take(node.store, person.verified_ident(), *runs)
        show_everything(self.store)
        self.truth = self.seen()
        self.known = {
            entry.id: entry
            for person in self.people
            for log in person.logs.values()
            for entry in log
        }

    @property
    def store(self) -> SqliteStore:
        """The store on the bad disk."""
        assert isinstance(self.node.store, SqliteStore)
        return self.node.store

    def seen(self) -> dict[str, Any]:
        """Return all that the store shows."""
        return holdings(self.store, *self.people)

    def flip(self, chance: random.Random, count: int) -> list[Flip]:
        """Change one bit in each of some entries."""
        chosen = chance.sample(numbers(self.store), count)
        return [flip_one(self.store, chance, n) for n in sorted(chosen)]

    def holds_only_truth(self, store: NodeStore) -> bool:
        """Say whether every entry that a store holds is what was signed."""
        for person in self.people:
            for channel, log in person.logs.items():
                for first, last in store.held(LogKey(person.device, channel)):
                    for entry in log[first : last + 1]:
                        held = store.entry(entry.id)
                        if held is None or held.entry[:9] != entry[:9]:
                            return False
                        if held.entry.payload not in (None, entry.payload):
                            return False
        return True


@pytest.fixture
def rotting(tmp_path: Path) -> Iterator[Rotting]:
    """A store whose bits are about to change."""
    rotting = Rotting(tmp_path / "node.db")
    with closing(rotting.store):
        yield rotting


def test_a_scrub_of_a_sound_store_finds_nothing(rotting: Rotting) -> None:
    """And says how much it has looked at."""
    result = scrub(rotting.store)
    assert (result.damaged, result.mended) == (0, 0)
    assert result.entries == rotting.store.totals().entries
    assert rotting.seen() == rotting.truth


@pytest.mark.parametrize("seed", range(2))
def test_flipped_bits_are_found_and_given_back_by_a_peer(rotting: Rotting, seed: int) -> None:
    """After one scrub nothing wrong is held; after one session everything is there again."""
    check_flips(rotting, random.Random(seed), rounds=1)


@pytest.mark.long
def test_a_thousand_flipped_bits_are_found_and_repaired(rotting: Rotting) -> None:
    """All of them."""
    check_flips(rotting, random.Random("thousand"), rounds=1_000 // FLIPS_A_ROUND)


def without_ties(seen: dict[str, Any]) -> dict[str, Any]:
    """Return what a store shows, whichever of two posts of one moment came first."""
    threads = sorted(sorted(thread) for thread in seen["threads"])
    return {**seen, "order": sorted(seen["order"]), "threads": threads}


def check_flips(rotting: Rotting, chance: random.Random, *, rounds: int) -> None:
    """Flip, look, scrub, repair; again and again."""
    for _ in range(rounds):
        flips = rotting.flip(chance, FLIPS_A_ROUND)
        looked = scrub(rotting.store, mend=False)
        assert looked.damaged + looked.mended >= len(flips), flips
        mended = scrub(rotting.store)
        assert mended.damaged + mended.mended >= len(flips), flips
        assert rotting.holds_only_truth(rotting.store), flips
        again = scrub(rotting.store)
        assert (again.damaged, again.mended) == (0, 0), flips
        sync(rotting.node, rotting.peer)
        assert without_ties(rotting.seen()) == without_ties(rotting.truth), flips
        assert rotting.store.file_state().lost_entries == 0


@pytest.mark.parametrize("seed", range(3))
def test_nothing_damaged_is_sent_even_before_a_scrub(rotting: Rotting, seed: int) -> None:
    """A peer gets what is sound, and the link holds: it is sent nothing that is forged."""
    flips = rotting.flip(random.Random(seed), 2 * FLIPS_A_ROUND)
    far = Node(Person(8), *rotting.people)
    far.roster = rotting.node.roster
    sync(rotting.node, far)
    assert rotting.holds_only_truth(far.store), flips
    sync(rotting.node, rotting.peer)
    scrub(rotting.store)
    sync(rotting.node, rotting.peer)
    sync(rotting.node, far)
    sync(rotting.peer, far)
    for person in rotting.people:
        assert far.holds_all(person), flips


def test_a_damaged_post_is_shown_no_more(rotting: Rotting) -> None:
    """Until it has come back: not in the timeline, not in a thread, not found."""
    (top,) = rotting.store.timeline(limit=1)
    with rotting.store.database.writing():
        rotting.store.database.write(
            "UPDATE entry SET payload = ? WHERE n = ?",
            (flipped(top.held.entry.payload, 200), top.n),
        )
    scrub(rotting.store)
    assert rotting.store.entry(top.held.entry.id) is None
    assert top.held.entry.id not in {one.held.entry.id for one in rotting.store.timeline()}
    assert rotting.store.file_state().lost_entries == 1
    sync(rotting.node, rotting.peer)
    assert rotting.store.timeline(limit=1)[0].held.entry == top.held.entry


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE held SET last = last - 1 WHERE last > 100",
        "UPDATE held SET first = first + 4 WHERE last > 100",
        "UPDATE held SET prev = x'00' WHERE last > 100",
        "DELETE FROM held",
        "UPDATE arrival SET last = last + 2 WHERE n = (SELECT max(n) FROM arrival)",
        "UPDATE arrival SET last = last - 2 WHERE last > 50",
        "UPDATE arrival SET first = first + 1 WHERE last > 50",
        "UPDATE arrival SET log = log + 1 WHERE n = (SELECT max(n) FROM arrival)",
        "DELETE FROM arrival WHERE n = (SELECT max(n) FROM arrival)",
        "DELETE FROM entry WHERE n % 40 = 5",
        "UPDATE log SET seq = seq + 1",
        "UPDATE log SET head = zeroblob(32), lamport = 5",
        "UPDATE log SET id = zeroblob(32) WHERE n = 2",
        "UPDATE device SET key = zeroblob(32) WHERE n = 2",
    ],
)
def test_wrong_notes_about_entries_are_derived_again(rotting: Rotting, change: str) -> None:
    """Whatever table says where entries are; what cannot be joined any more comes from a peer."""
    with rotting.store.database.writing():
        rotting.store.database.write(change)
    found = scrub(rotting.store)
    assert found.damaged + found.mended > 0
    again = scrub(rotting.store)
    assert (again.damaged, again.mended) == (0, 0)
    sync(rotting.node, rotting.peer)
    assert rotting.seen()["held"] == rotting.truth["held"]
    assert sorted(rotting.seen()["order"]) == sorted(rotting.truth["order"])


# The own log


def own_store(store: SqliteStore, ada: Person, posts: int) -> None:
    """Let Ada write some posts into her own store."""
    meet(store, ada)
    ada.posts(posts)
    store.append(posts_of(ada), ada.signed(), received_ms=RECEIVED_MS)


def damage_newest(store: SqliteStore, column: str) -> None:
    """Change a bit of the entry that came last."""
    (n,) = store.database.row("SELECT max(n) FROM entry")
    (value,) = store.database.row(f"SELECT {column} FROM entry WHERE n = ?", (n,))  # noqa: S608
    with store.database.writing():
        store.database.write(
            f"UPDATE entry SET {column} = ? WHERE n = ?",  # noqa: S608
            (flipped(value, 3), n),
        )


@pytest.mark.parametrize("column", ["payload", "id", "lamport", "signature"])
def test_nobody_signs_on_top_of_a_damaged_head(tmp_path: Path, column: str) -> None:
    """What a peer may have already would be contradicted; once it is back, all goes on."""
    ada, bob = Person(1), Person(2)
    with closing(SqliteStore(tmp_path / "node.db")) as store:
        own_store(store, ada, 5)
        home, reader = Node(ada, store=store), Node(bob, ada)
        home.roster = roster_of(ada)
        sync(home, reader)
        damage_newest(store, column)
        scrub(store)
        next_post = ada.post()
        head = store.head(posts_of(ada))
        assert head.seq < 4
        with pytest.raises(LostHeadError, match="contradict"):
            store.append(posts_of(ada), ada.signed(first=head.seq + 1), received_ms=RECEIVED_MS)
        sync(home, reader)
        newest = store.entry(store.head(posts_of(ada)).id)
        assert newest is not None
        assert (newest.entry.seq, newest.via) == (4, "own")
        store.append(posts_of(ada), ada.signed(first=5), received_ms=RECEIVED_MS)
        assert store.head(posts_of(ada)).id == next_post.id


def test_a_log_of_one_damaged_entry_is_as_if_unknown_until_it_returns(tmp_path: Path) -> None:
    """The certificate of somebody else: nobody is told of a log that ends nowhere."""
    ada, bob = Person(1), Person(2)
    with closing(SqliteStore(tmp_path / "node.db")) as store:
        node, peer = Node(bob, ada, store=store), Node(ada)
        sync(node, peer)
        key = LogKey(ada.device, CHANNEL_IDENTITY)
        assert store.head(key).seq == 0
        damage_newest(store, "payload")
        scrub(store)
        assert store.head(key).seq == -1
        assert store.held(key) == []
        assert key not in {store.log_key(state.log) for state in store.states(roster_of(ada))}
        node = Node(bob, ada, store=store)
        sync(node, peer)
        assert store.head(key).seq == 0
        assert store.ident(ada.identity) == ada.ident()


def test_a_device_whose_logs_are_all_gone_is_taken_up_again(rotting: Rotting) -> None:
    """As after a rebuild of a file in which they could not be read."""
    with rotting.store.database.writing():
        for table in ("arrival", "held", "entry", "log"):
            rotting.store.database.write(f"DELETE FROM {table}")  # noqa: S608
    assert scrub(rotting.store).entries == 0
    for person in rotting.people:
        runs = [run for channel in person.logs for run in person.runs(channel)]
        take(rotting.store, person.verified_ident(), *runs)
    assert without_ties(rotting.seen())["held"] == rotting.truth["held"]


def test_a_store_that_is_only_looked_at_stays_as_it_is(rotting: Rotting) -> None:
    """As ``db check`` does."""
    rotting.flip(random.Random(5), 10)
    before = rotting.store.database.connection.total_changes
    assert scrub(rotting.store, mend=False).damaged
    assert rotting.store.database.connection.total_changes == before


def test_what_was_repaired_is_held_as_when_it_first_came(store: NodeStore) -> None:
    """Both kinds of store scrub; memory has nothing to find."""
    ada = talkative(1, posts=30)
    meet(store, ada)
    take(store, *ada.runs())
    assert (scrub(store).damaged, scrub(store).mended) == (0, 0)
    assert scrub(store).entries == store.totals().entries


def test_rows_that_are_gone_altogether_are_an_error_with_a_name(tmp_path: Path) -> None:
    """Intervals that promise more than the table holds crash nobody who reads or serves."""
    with closing(SqliteStore(tmp_path / "node.db")) as store:
        ada = Person(1)
        ada.posts(5)
        meet(store, ada)
        take(store, ada.run())
        store.database.connection.execute("DELETE FROM entry WHERE order_ms IS NOT NULL")
        run = store.read_run(
            posts_of(ada), 0, 4, end_known=False, max_bytes=60_000, now_ms=RECEIVED_MS
        )
        assert run is None
        assert store.held(posts_of(ada)) == []
        assert take(store, ada.run()) == [Outcome.STORED]
