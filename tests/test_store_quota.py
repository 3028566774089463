"""Everyone has room according to how far away they are; floods of strangers take none of it."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.store.base import NodeStore, Outcome
from slowlight.store.memory import MemoryStore
from slowlight.store.quota import Distance, Held, Limits, excess
from slowlight.sync.offers import Offers
from tests.people import Person
from tests.stores import RECEIVED_MS, OpenStore, everything_of, fetch, posts_of, take
from tests.sync_ends import Node, meet

OWN, FRIEND, FRIEND_OF_FRIEND, STRANGER = (bytes([n]) * 32 for n in range(4))
FAR = {
    OWN: Distance.SELF,
    FRIEND: Distance.FOLLOWED,
    FRIEND_OF_FRIEND: Distance.TWO_HOPS,
}
SMALL = Limits(followed_bytes=3_000, two_hops_bytes=2_000, strangers_bytes=4_000)


def test_each_class_has_its_own_room() -> None:
    """Oneself has no limit; a stranger may have the whole pool while nobody else needs it."""
    held = [
        Held(OWN, 10**9, "own"),
        Held(FRIEND, 3_500, "x"),
        Held(FRIEND_OF_FRIEND, 2_001, "x"),
        Held(STRANGER, 4_000, "x"),
    ]
    assert excess(held, FAR, SMALL) == {FRIEND: 500, FRIEND_OF_FRIEND: 1}


def test_the_pool_of_strangers_is_shared_out_among_those_who_brought_them() -> None:
    """Who brings a thousand strangers pushes out their own, not the one whom another brought."""
    flood = [Held(bytes([9, n]) * 16, 1_000, "flooder") for n in range(100)]
    quiet = Held(STRANGER, 1_500, "quiet")
    gone = excess([quiet, *flood], FAR, SMALL)
    assert STRANGER not in gone
    assert sum(gone.values()) == 100_000 + 1_500 - 4_000


def test_beyond_the_total_strangers_go_first_and_oneself_never() -> None:
    """Then those two hops away, then the followed."""
    held = [Held(OWN, 5_000, "own"), Held(FRIEND, 900, "x"), Held(FRIEND_OF_FRIEND, 800, "x")]
    held.append(Held(STRANGER, 700, "x"))
    for total, wanted in (
        (7_400, {}),
        (7_000, {STRANGER: 400}),
        (6_000, {STRANGER: 700, FRIEND_OF_FRIEND: 700}),
        (10, {STRANGER: 700, FRIEND_OF_FRIEND: 800, FRIEND: 900}),
    ):
        assert excess(held, FAR, Limits(total_bytes=total)) == wanted


@given(
    st.lists(st.tuples(st.integers(0, 5_000), st.sampled_from(["a", "b", "c"])), max_size=20),
    st.integers(0, 20_000),
    st.integers(1, 30_000),
)
def test_what_stays_fits(sizes: list[tuple[int, str]], pool: int, total: int) -> None:
    """To the byte, whoever has brought whatever; nobody loses more than they have."""
    limits = Limits(1_000, 500, pool, total)
    held = [Held(OWN, 100, "own"), Held(FRIEND, 900, "a"), Held(FRIEND_OF_FRIEND, 700, "b")]
    held += [Held(bytes([7, n]) * 16, size, via) for n, (size, via) in enumerate(sizes)]
    gone = excess(held, FAR, limits)
    left = {one.identity: one.size_bytes - gone.get(one.identity, 0) for one in held}
    strangers = sum(size for who, size in left.items() if who not in FAR)
    assert all(size >= 0 for size in left.values())
    assert left[OWN] == 100
    assert left[FRIEND_OF_FRIEND] <= 500
    assert strangers <= pool
    assert sum(left.values()) <= max(total, 100)
    if sum(one.size_bytes for one in held) <= total:
        assert left[FRIEND] == 900


# In a store


def evict_all(store: NodeStore, own: Person, limits: Limits) -> int:
    """Evict until nothing more goes."""
    total = 0
    while gone := store.evict(own.identity, limits, most=50):
        total += gone
    return total


def size_bytes(store: NodeStore, person: Person) -> int:
    """Return what a person takes in a store."""
    shares = {share.identity: share.bytes for share in store.shares()}
    return shares.get(person.identity, 0)


def bring(store: NodeStore, person: Person, via: str) -> None:
    """Let all of a person arrive by way of a peer."""
    runs = [run for channel in person.logs for run in person.runs(channel)]
    store.ingest([person.verified_ident(), *runs], received_ms=RECEIVED_MS, via=via)


def test_floods_of_strangers_push_out_nobody_else(open_store: OpenStore) -> None:
    """Both stores let go of the same: of strangers beyond the pool, by who brought them; all that
    is one's own or of somebody followed stays."""
    own, friend, far = Person(1), Person(2), Person(3)
    own.posts(40)
    friend.posts(40)
    far.posts(40)
    own.follow(friend.identity)
    friend.follow(far.identity)
    strangers = [Person(10 + n) for n in range(6)]
    for stranger in strangers:
        stranger.profile("stranger")
        stranger.posts(60)
    store = open_store()
    for person in (own, friend, far):
        bring(store, person, "friend")
    for number, stranger in enumerate(strangers):
        bring(store, stranger, "flooder" if number else "quiet")
    whole = {person.device: size_bytes(store, person) for person in (own, friend, far)}
    quiet = size_bytes(store, strangers[0])
    limits = Limits(10**6, 10**6, quiet * 2, 0)
    assert evict_all(store, own, limits) > 0
    for person in (own, friend, far):
        assert size_bytes(store, person) == whole[person.device]
    assert size_bytes(store, strangers[0]) == quiet
    assert 0 < sum(size_bytes(store, one) for one in strangers) <= limits.strangers_bytes
    assert store.evict(own.identity, limits, most=50) == 0


def flood(store: NodeStore, own: Person, limits: Limits, authors: int) -> None:
    """Let authors whom nobody knows arrive, and the node make room now and then."""
    for number in range(authors):
        sybil = Person(1_000 + number)
        sybil.posts(3)
        bring(store, sybil, f"flooder {number % 2}")
        if number % 100 == 99:
            evict_all(store, own, limits)


MOST_IN_MEMORY: Final = 1_000
"""A store without a disk shows no more with more of them, and takes minutes."""


@pytest.mark.parametrize("authors", [600, pytest.param(10_000, marks=pytest.mark.long)])
def test_a_flood_of_sybil_authors_takes_no_more_than_the_pool(
    open_store: OpenStore, authors: int
) -> None:
    """The disk holds the quota and one percent; nothing followed or own went, and nobody is
    promised what was forgotten."""
    own, friend, quiet = Person(1), Person(2), Person(3)
    for person in (own, friend, quiet):
        person.posts(200)
    own.follow(friend.identity)
    store = open_store()
    if isinstance(store, MemoryStore):
        authors = min(authors, MOST_IN_MEMORY)
    for person in (own, friend):
        bring(store, person, "friend")
    bring(store, quiet, "quiet")
    before = [size_bytes(store, person) for person in (own, friend, quiet)]
    pages = used_bytes(store) - before[2]
    limits = Limits(strangers_bytes=authors * 300 + 3 * before[2])
    offers = Offers(store)
    roster = everything_of(own, friend, *(Person(1_000 + n) for n in range(20)))
    offers.index(roster).digest()
    flood(store, own, limits, authors)
    assert [size_bytes(store, person) for person in (own, friend, quiet)] == before
    evict_all(store, own, limits)
    assert used_bytes(store) - pages <= limits.strangers_bytes * 1.01
    assert offers.index(roster).digest() == Offers(store).index(roster).digest()
    assert store.scrub(after=0, limit=10**6, now_ms=RECEIVED_MS).damaged == 0
    come_back = Person(1_000)
    bring(store, come_back, "friend")
    assert size_bytes(store, come_back) > 0


def used_bytes(store: NodeStore) -> int:
    """Return what of a database is in use; of a store in memory what it weighs."""
    state = store.file_state()
    if not state.database_bytes:
        return sum(share.bytes for share in store.shares())
    return state.database_bytes - state.free_bytes


def test_what_was_evicted_is_the_oldest_and_is_not_wanted_again(store: NodeStore) -> None:
    """The newest stay readable; stubs prove the rest; what comes again is not taken up."""
    own, friend = Person(1), Person(2)
    for number in range(300):
        friend.post(f"{number} words " * 40)
    own.follow(friend.identity)
    for person in (own, friend):
        bring(store, person, "friend")
    limits = Limits(followed_bytes=size_bytes(store, friend) * 5 // 6)
    assert evict_all(store, own, limits) > 0
    held = [store.entry(entry.id) for entry in friend.log()]
    is_stub = [one is not None and one.entry.payload is None for one in held]
    assert 0 < sum(is_stub) < 300
    assert is_stub == sorted(is_stub, reverse=True)
    assert size_bytes(store, friend) <= limits.followed_bytes
    assert list(store.holes(everything_of(friend))) == []
    bring(store, friend, "friend")
    assert size_bytes(store, friend) <= limits.followed_bytes
    runs = fetch(store, posts_of(friend), 0, 299)
    assert sum(run.count for run in runs) == 300
    assert store.totals().posts == len(held) - sum(is_stub)


def test_where_no_text_is_left_to_drop_a_log_begins_higher(open_store: OpenStore) -> None:
    """Its state stays, what remains can be proven to anyone, and nothing below is taken."""
    own, friend, reader = Person(1), Person(2), open_store()
    friend.posts(700)
    own.follow(friend.identity)
    store = open_store()
    for person in (own, friend):
        bring(store, person, "friend")
    state = list(store.states(everything_of(friend)))
    limits = Limits(followed_bytes=size_bytes(store, friend) // 3)
    assert evict_all(store, own, limits) > 0
    floor = store.floor(posts_of(friend))
    assert 0 < floor < 699
    assert store.held(posts_of(friend)) == [(floor, 699)]
    assert list(store.states(everything_of(friend))) == state
    assert size_bytes(store, friend) <= limits.followed_bytes
    assert list(store.holes(everything_of(friend))) == []
    runs = fetch(store, posts_of(friend), 0, 699)
    assert sum(run.count for run in runs) == 700 - floor
    answers = reader.ingest([friend.verified_ident(), *runs], received_ms=RECEIVED_MS, via="store")
    assert all(answer.outcome is Outcome.STORED for answer in answers)
    assert take(store, friend.run(last=min(floor, 256) - 1)) == [Outcome.UNWANTED]
    bring(store, friend, "friend")
    assert store.held(posts_of(friend)) == [(floor, 699)]
    assert store.entry(friend.log()[0].id) is None
    friend.posts(1)
    bring(store, friend, "friend")
    assert store.held(posts_of(friend)) == [(floor, 700)]
    assert store.scrub(after=0, limit=10**6, now_ms=RECEIVED_MS).mended == 0


def test_nothing_goes_back_and_forth_over_many_sessions(open_store: OpenStore) -> None:
    """A node at its quota asks for nothing twice; with a raised one all comes back, in parts."""
    own, friend = Person(1), Person(2)
    friend.posts(700)
    own.follow(friend.identity)
    here, there = Node(own, friend, store=open_store()), Node(friend, own)
    here.take_all(own)
    there.take_all(friend)
    meet(here, there)
    whole = size_bytes(here.store, friend)
    small = Limits(followed_bytes=whole // 3)
    evict_all(here.store, own, small)
    for _ in range(8):
        assert here.store.want_evicted(own.identity, small, most=4_096) == 0
        link = meet(here, there)
        assert link.ends[0].progress.runs_in == 0
        assert here.store.evict(own.identity, small, most=50) == 0
    large = Limits(followed_bytes=whole * 2)
    for _ in range(12):
        here.store.want_evicted(own.identity, large, most=200)
        meet(here, there)
        assert here.store.evict(own.identity, large, most=50) == 0
    assert here.holds_all(friend)
    assert here.store.want_evicted(own.identity, large, most=200) == 0


def test_one_self_is_never_evicted(store: NodeStore) -> None:
    """However small the total is."""
    own = Person(1)
    own.posts(20)
    take(store, own.verified_ident(), own.run())
    size = size_bytes(store, own)
    assert store.evict(own.identity, Limits(0, 0, 0, 1), most=50) == 0
    assert size_bytes(store, own) == size


def test_a_stranger_with_a_name_here_is_not_forgotten(store: NodeStore) -> None:
    """Whoever was given a petname keeps their identity; texts and old headers go."""
    own, known = Person(1), Person(2)
    known.posts(50)
    for person in (own, known):
        bring(store, person, "friend")
    store.set_petname(known.identity, "known")
    assert evict_all(store, own, Limits(strangers_bytes=0)) > 0
    assert store.identity_of(known.device) == known.identity
    assert store.held(posts_of(known)) == [(49, 49)]


def test_who_was_forgotten_is_no_longer_offered_and_may_come_back(store: NodeStore) -> None:
    """An offer that was made before says so, readers miss nothing that comes later, and a peer
    does not take it for amnesia."""
    own, stranger, later = Person(1), Person(2), Person(3)
    own.posts(1)
    stranger.posts(5)
    later.posts(2)
    bring(store, own, "own")
    offers, roster = Offers(store), everything_of(own, stranger)
    without = offers.index(roster).digest()
    bring(store, stranger, "peer")
    assert offers.index(roster).digest() != without
    counter, last, shown = store.change_counter, store.last_arrival, store.newest_arrival()
    assert evict_all(store, own, Limits(strangers_bytes=0)) > 0
    assert store.identity_of(stranger.device) is None
    assert store.ident(stranger.identity) is None
    assert store.head(posts_of(stranger)).seq == -1
    assert offers.index(roster).digest() == without
    assert store.change_counter > counter
    assert store.last_arrival >= last
    bring(store, later, "peer")
    assert len(store.arrived(after=shown, limit=10)) == 2
    bring(store, stranger, "peer")
    assert store.held(posts_of(stranger)) == [(0, 4)]
    assert len(store.arrived(after=shown, limit=10)) == 7
