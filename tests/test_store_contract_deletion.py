"""Deletions, edits and lifetimes: whatever comes first, both stores show and keep the same."""

# How an order is lifted has no name of its own in the interface of stores: standing uses it.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import random
from itertools import pairwise, permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.content import Delete, Edit, EntryRange, PeriodKey, PeriodKeys, Post
from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, Entry
from slowlight.protocol.run import Run
from slowlight.store.base import NodeStore
from slowlight.store.lives import MAX_LIFE_STEP_MS
from slowlight.store.marks import MarkKind
from slowlight.store.memory import MemoryStore
from slowlight.store.sqlite import SqliteStore
from slowlight.store.sqlite_deletion import apply, lift
from tests.people import Person
from tests.stores import (
    RECEIVED_MS,
    OpenStore,
    any_order,
    everything_of,
    fetch,
    meet,
    posts_of,
    show_everything,
    take,
)

DAY_MS = 86_400_000


def delete(
    author: Person, *seqs: int, of: Person | None = None, channel: int = CHANNEL_POSTS
) -> Entry:
    """Order entries of the author, or of another device, to be deleted."""
    device = None if of is None else of.device
    ranges = tuple(EntryRange(channel, seq, seq, device) for seq in seqs)
    return author.write(CHANNEL_POSTS, Delete(ranges))


def edit(author: Person, target: Entry, text: str) -> Entry:
    """Write a new version of a post."""
    return author.write(CHANNEL_POSTS, Edit(target.id, Post(text)))


def payload(store: NodeStore, entry: Entry) -> bytes | None:
    """Return what is held of a payload."""
    held = store.entry(entry.id)
    return None if held is None else held.entry.payload


def texts(store: NodeStore) -> dict[bytes, str]:
    """Return what the timeline shows, by the id of the post."""
    shown: dict[bytes, str] = {}
    for post in store.timeline(limit=1_000):
        version = store.versions(post.held.entry.id)[-1]
        assert (post.version or post.held) == version
        content = version.entry.payload
        assert content is not None
        shown[post.held.entry.id] = content[16:].decode("latin-1")
    return shown


def found(store: NodeStore, word: str) -> set[bytes]:
    """Return the posts that a search finds."""
    show_everything(store)
    return {post.held.entry.id for post in store.search(word, limit=1_000).posts}


def void(store: NodeStore, person: Person, seqs: list[int], *, stand: bool = False) -> None:
    """Lift what these entries ordered, or let it count again."""
    if isinstance(store, MemoryStore):
        log = store._logs[posts_of(person)]
        (store._bodies.apply if stand else store._bodies.lift)(log, seqs)
        (store._posts.show if stand else store._posts.hide)(log, seqs)
        return
    assert isinstance(store, SqliteStore)
    (log_n,) = store.database.row(
        "SELECT l.n FROM log AS l JOIN device AS d ON d.n = l.device"
        " WHERE d.key = ? AND l.channel = 1",
        (person.device,),
    )
    from slowlight.store.sqlite_visibility import hide, show

    with store.database.writing():
        for seq in seqs:
            (apply if stand else lift)(store.database, log_n, seq, seq)
            (show if stand else hide)(store.database, log_n, seq, seq)


def test_a_deleted_post_is_gone_and_its_log_still_proven(store: NodeStore) -> None:
    """Header, id and signature stay: the log is served and verified whole, with a stub in it."""
    ada, bob = Person(1), Person(2)
    meet(store, ada)
    kept, gone = ada.post("a calm day"), ada.post("a storm from the north")
    order = delete(ada, gone.seq)
    take(store, ada.run(last=1))
    assert found(store, "storm") == {gone.id}
    take(store, ada.run(first=2))
    assert payload(store, gone) is None
    assert payload(store, kept) is not None
    assert list(texts(store)) == [kept.id]
    assert found(store, "storm") == set()
    assert store.count_arrived(after=0) == store.totals().posts == 1
    mark = store.mark_of(posts_of(ada), gone.seq)
    assert mark is not None
    assert (mark.kind, mark.ordered_by) == (MarkKind.DELETED, order.id)
    assert list(store.holes(everything_of(ada))) == []

    other = MemoryStore(b"another.")
    meet(other, ada, bob)
    take(other, *fetch(store, posts_of(ada), 0, 2))
    assert other.head(posts_of(ada)) == store.head(posts_of(ada))
    held = other.entry(gone.id)
    assert held is not None
    assert (held.entry.payload_hash, held.entry.size) == (gone.payload_hash, gone.size)


def test_a_deletion_that_comes_first_keeps_the_payload_out(store: NodeStore) -> None:
    """From whichever peer it comes later, and however often."""
    ada = Person(1)
    meet(store, ada)
    gone = ada.post("a storm")
    delete(ada, 0)
    take(store, ada.run(first=1))
    take(store, ada.run(last=0))
    take(store, ada.run())
    assert payload(store, gone) is None
    assert texts(store) == {}
    assert list(store.holes(everything_of(ada))) == []


def test_nobody_deletes_what_another_wrote(store: NodeStore) -> None:
    """An order counts for devices of the same identity alone, known before or after it."""
    ada, mallory = Person(1), Person(2)
    meet(store, mallory)
    post = ada.post()
    delete(mallory, 0, of=ada)
    take(store, mallory.run())
    meet(store, ada)
    take(store, ada.run())
    assert payload(store, post) is not None
    assert store.mark_of(posts_of(ada), 0) is None


def test_one_device_deletes_what_another_of_the_identity_wrote(open_store: OpenStore) -> None:
    """Also where the other device gets known later than the order."""
    for known_before in (True, False):
        store = open_store()
        laptop, phone = Person(1), Person(1, device_number=1)
        meet(store, laptop)
        if known_before:
            meet(store, phone)
        post = phone.post()
        delete(laptop, 0, of=phone)
        take(store, laptop.run())
        meet(store, phone)
        take(store, phone.run())
        assert payload(store, post) is None
        assert store.timeline() == []


def test_what_proves_and_seals_is_never_deleted(store: NodeStore) -> None:
    """Certificates and period keys stay, whether they come whole or first as a stub."""
    ada = Person(1)
    meet(store, ada)
    keys = ada.write(CHANNEL_IDENTITY, PeriodKeys((PeriodKey(700, 1, 2, bytes(32)),)))
    named = ada.profile("Ada of the storms")
    later = ada.write(CHANNEL_IDENTITY, PeriodKeys((PeriodKey(701, 1, 2, bytes(32)),)))
    delete(ada, 0, 1, 2, 3, 4, 5, channel=CHANNEL_IDENTITY)
    take(store, ada.run(CHANNEL_IDENTITY, 0, 2), ada.run(), ada.run(CHANNEL_IDENTITY, 3, stubs={3}))
    assert payload(store, ada.log(CHANNEL_IDENTITY)[0]) is not None
    assert payload(store, keys) is not None
    assert payload(store, named) is None
    assert store.profile(ada.identity) is None
    held = store.identity(ada.identity)
    assert held is not None
    assert held.name == ""
    wanted = [(hole.first, hole.last) for hole in store.holes(everything_of(ada))]
    assert wanted == [(3, 3)]  # what it says must be looked at before it may go
    take(store, ada.run(CHANNEL_IDENTITY, 3))
    assert payload(store, later) is not None
    take(store, ada.run(CHANNEL_IDENTITY, 2))
    assert payload(store, named) is None


def test_a_deletion_cannot_be_deleted(store: NodeStore) -> None:
    """Else it would depend on the order of arrival what is gone."""
    ada = Person(1)
    meet(store, ada)
    post = ada.post()
    order = delete(ada, 0)
    delete(ada, 1)
    take(store, ada.run(first=2), ada.run(first=1, last=1), ada.run(last=0))
    assert payload(store, order) is not None
    assert payload(store, post) is None


def test_entries_that_are_yet_to_be_written_can_be_deleted(store: NodeStore) -> None:
    """A range may reach beyond what is held."""
    ada = Person(1)
    meet(store, ada)
    ada.post()
    ada.write(CHANNEL_POSTS, Delete((EntryRange(CHANNEL_POSTS, 2, 2**32 - 17),)))
    take(store, ada.run())
    ada.posts(3)
    take(store, ada.run(first=2))
    assert [post.held.entry.seq for post in store.timeline()] == [0]


def test_a_void_deletion_is_undone(store: NodeStore) -> None:
    """The payload is wanted again, and comes back from whoever has it."""
    ada = Person(1)
    meet(store, ada)
    first, second = ada.posts(2)
    delete(ada, 0, 1)
    delete(ada, 1)
    take(store, ada.run())
    void(store, ada, [2])
    void(store, ada, [2])
    wanted = [(hole.first, hole.last) for hole in store.holes(everything_of(ada))]
    assert wanted == [(0, 0)]
    take(store, ada.run())
    assert payload(store, first) is not None
    assert payload(store, second) is None
    assert list(texts(store)) == [first.id]
    void(store, ada, [2], stand=True)
    assert payload(store, first) is None
    assert list(store.holes(everything_of(ada))) == []


def test_an_edit_replaces_the_words_of_a_post(store: NodeStore) -> None:
    """In the timeline, in threads and in the search; its place stays that of the first version."""
    ada, mallory = Person(1), Person(2)
    meet(store, ada, mallory)
    post = ada.post("a storm is coming")
    later = ada.post("fine weather")
    take(store, ada.run(last=1))
    assert found(store, "storm") == {post.id}
    edit(ada, post, "a tempest is coming")
    edit(ada, post, "a hurricane is coming")
    edit(mallory, post, "all is lost")
    take(store, ada.run(first=3), ada.run(first=2, last=2), mallory.run())
    assert [each.held.entry.id for each in store.timeline()] == [later.id, post.id]
    assert "hurricane" in texts(store)[post.id]
    assert found(store, "storm") == found(store, "tempest") == found(store, "lost") == set()
    assert found(store, "hurricane") == {post.id}
    (shown,) = store.thread(post.id, limit=9)
    assert shown.version is not None
    assert len(store.versions(post.id)) == 3
    void(store, ada, [3])
    assert found(store, "tempest") == {post.id}
    assert found(store, "hurricane") == set()
    void(store, ada, [3], stand=True)
    assert found(store, "hurricane") == {post.id}


def test_a_deletion_takes_the_edits_along(open_store: OpenStore) -> None:
    """Whichever of post, edit and order comes first, and if the post comes as a stub."""
    for number, pieces in enumerate(_orders(3)):
        for stubs in (set[int](), {0}):
            store, ada = open_store(), Person(number)
            meet(store, ada)
            post = ada.post("a storm")
            edited = edit(ada, post, "a tempest")
            delete(ada, 0)
            for seq in pieces:
                take(store, ada.run(first=seq, last=seq, stubs=stubs))
            assert payload(store, edited) is None, pieces
            assert found(store, "tempest") == set()
            assert list(store.holes(everything_of(ada))) == []


def _orders(count: int) -> list[list[int]]:
    return [list(each) for each in permutations(range(count))]


def test_a_lifetime_ends_and_the_payload_is_not_wanted_again(store: NodeStore) -> None:
    """By the time that is left when it comes, at most so many at once."""
    ada = Person(1)
    meet(store, ada)
    short = ada.post("a short life", expire_ms=DAY_MS)
    long = ada.post("a long life", expire_ms=20 * DAY_MS)
    ever = ada.post("for ever")
    take(store, ada.run(), received_ms=RECEIVED_MS)
    assert store.expire(RECEIVED_MS + DAY_MS - 1) == 1
    assert payload(store, short) is not None
    assert store.expire(RECEIVED_MS + DAY_MS) == 19 * DAY_MS
    assert payload(store, short) is None
    mark = store.mark_of(posts_of(ada), 0)
    assert mark is not None
    assert mark.kind is MarkKind.EXPIRED
    take(store, ada.run())
    assert payload(store, short) is None
    assert list(store.holes(everything_of(ada))) == []
    assert store.expire(RECEIVED_MS + 20 * DAY_MS) is None
    assert payload(store, long) is None
    assert list(texts(store)) == [ever.id]


def test_a_wrong_date_takes_a_month_from_a_life_and_no_more(store: NodeStore) -> None:
    """Thirty years forwards and back again."""
    ada = Person(1)
    meet(store, ada)
    post = ada.post(expire_ms=60 * DAY_MS)
    take(store, ada.run(), received_ms=RECEIVED_MS)
    assert store.expire(RECEIVED_MS + 30 * 365 * DAY_MS) == 60 * DAY_MS - MAX_LIFE_STEP_MS
    assert store.expire(RECEIVED_MS) == 60 * DAY_MS - MAX_LIFE_STEP_MS
    assert store.expire(RECEIVED_MS - 30 * 365 * DAY_MS) == 60 * DAY_MS - MAX_LIFE_STEP_MS
    assert payload(store, post) is not None
    for day in range(31):
        store.expire(RECEIVED_MS - (30 * 365 - day) * DAY_MS)
    assert payload(store, post) is None


def test_a_deletion_lasts_longer_than_its_lifetime(store: NodeStore) -> None:
    """It is kept and handed on, though its author gave it an end."""
    ada = Person(1)
    meet(store, ada)
    ada.post()
    ranges = (EntryRange(CHANNEL_POSTS, 0, 0),)
    order = ada.write(CHANNEL_POSTS, Delete(ranges), expire_ms=1_000)
    take(store, ada.run())
    store.expire(RECEIVED_MS + DAY_MS)
    assert payload(store, order) is not None
    (run,) = fetch(store, posts_of(ada), 0, 1, now_ms=RECEIVED_MS + DAY_MS)
    other = MemoryStore(b"another.")
    meet(other, ada)
    take(other, run)
    assert payload(other, order) is not None


def test_a_stub_without_a_reason_is_a_hole(store: NodeStore) -> None:
    """It is wanted, as a range with the id of its last entry, until its payload comes."""
    ada = Person(1)
    meet(store, ada)
    ada.posts(6)
    take(store, ada.run(stubs={1, 2, 4}))
    wanted = sorted(
        (hole.first, hole.last, hole.last_id) for hole in store.holes(everything_of(ada))
    )
    assert wanted == [(1, 2, ada.log()[2].id), (4, 4, ada.log()[4].id)]
    take(store, ada.run(first=1, last=2))
    assert [hole.first for hole in store.holes(everything_of(ada))] == [4]
    assert len(store.timeline()) == 5


def _pieces(people: list[Person], rng: random.Random) -> list[Run]:
    runs: list[Run] = []
    for person in people:
        count = len(person.log())
        for _ in range(rng.randint(1, 3)):
            cuts = sorted({0, count, *(rng.randrange(count + 1) for _ in range(4))})
            for first, end in pairwise(cuts):
                stubs = {seq for seq in range(first, end) if rng.random() < 0.2}
                runs.append(person.run(first=first, last=end - 1, stubs=stubs))
    rng.shuffle(runs)
    return runs


def _views(store: NodeStore, people: list[Person]) -> dict[str, Any]:
    return {
        "texts": texts(store),
        "storm": found(store, "storm"),
        "held": {
            (person.device, entry.seq): payload(store, entry) is not None
            for person in people
            for entry in person.log()
        },
        "holes": sorted(store.holes(everything_of(*people))),
        "counts": (store.count_arrived(after=0), store.totals().posts),
    }


@any_order
@given(seed=st.integers(0, 2**32))
def test_any_order_of_posts_edits_and_deletions_gives_the_same(
    open_store: OpenStore, seed: int
) -> None:
    """Also where much of it is handed over twice, in pieces, some of them as stubs first."""
    rng = random.Random(seed)
    people = [Person(7), Person(7, device_number=1), Person(8)]
    posts: list[tuple[Person, Entry]] = []
    for _ in range(rng.randint(4, 16)):
        author = rng.choice(people)
        action = rng.random()
        if action < 0.5 or not posts:
            posts.append((author, author.post(f"a storm {rng.randrange(99)}")))
        elif action < 0.75:
            edit(
                author,
                rng.choice(posts)[1],
                f"fair {rng.randrange(99)} storm"[: rng.choice((7, 99))],
            )
        else:
            owner, post = rng.choice(posts)
            delete(author, post.seq, of=owner)
    for person in people:
        if not person.log():
            person.post()
    results: list[dict[str, Any]] = []
    for turn in range(3):
        store = open_store()
        meet(store, people[0], people[2])
        late = turn == 1
        if not late:
            meet(store, people[1])
        for number, run in enumerate(_pieces(people, rng)):
            if number == 3:
                meet(store, people[1])
            take(store, run)
            if rng.random() < 0.5:
                show_everything(store)
        meet(store, people[1])
        for person in people:
            take(store, person.run())
        results.append(_views(store, people))
    assert results[0] == results[1] == results[2]
