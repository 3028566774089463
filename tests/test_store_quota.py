"""Everyone has room according to how far away they are; floods of strangers take none of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.entry import CHANNEL_IDENTITY
from slowlight.store.base import LogKey, NodeStore
from slowlight.store.quota import Distance, Held, Limits, excess
from tests.people import Person
from tests.stores import RECEIVED_MS, OpenStore, everything_of, fetch, posts_of, take

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
    left = {one.identity: one.payload_bytes - gone.get(one.identity, 0) for one in held}
    strangers = sum(size for who, size in left.items() if who not in FAR)
    assert all(size >= 0 for size in left.values())
    assert left[OWN] == 100
    assert left[FRIEND_OF_FRIEND] <= 500
    assert strangers <= pool
    assert sum(left.values()) <= max(total, 100)
    if sum(one.payload_bytes for one in held) <= total:
        assert left[FRIEND] == 900


# In a store


def evict_all(store: NodeStore, own: Person, limits: Limits) -> int:
    """Evict until nothing more goes."""
    total = 0
    while gone := store.evict(own.identity, limits, most=50):
        total += gone
    return total


def payload_bytes(store: NodeStore, person: Person) -> int:
    """Return what a person takes in a store."""
    shares = {share.identity: share.payload_bytes for share in store.shares()}
    return shares[person.identity]


def bring(store: NodeStore, person: Person, via: str) -> None:
    """Let all of a person arrive by way of a peer."""
    runs = [run for channel in person.logs for run in person.runs(channel)]
    store.ingest([person.verified_ident(), *runs], received_ms=RECEIVED_MS, via=via)


def test_floods_of_strangers_push_out_nobody_else(open_store: OpenStore) -> None:
    """Both stores drop the same: old posts of strangers; all headers, all words about people and
    whatever is one's own or of somebody followed stay."""
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
    whole = {person.device: payload_bytes(store, person) for person in (own, friend, far)}
    before = store.totals().entries
    limits = Limits(10**6, 10**6, 3_000 + payload_bytes(store, strangers[0]), 0)
    assert evict_all(store, own, limits) > 0
    assert store.totals().entries == before
    for person in (own, friend, far):
        assert payload_bytes(store, person) == whole[person.device]
    assert (
        sum(payload_bytes(store, one) for one in strangers) <= limits.strangers_bytes * 1.01 + 3_000
    )
    for stranger in strangers:
        profile = store.profile(stranger.identity)
        assert profile is not None
        identity_log = LogKey(stranger.device, CHANNEL_IDENTITY)
        assert store.held(identity_log)[-1].last == len(stranger.log(CHANNEL_IDENTITY)) - 1
    assert store.evict(own.identity, limits, most=50) == 0


def test_what_was_evicted_is_the_oldest_and_is_not_wanted_again(store: NodeStore) -> None:
    """The newest stay readable; stubs prove the rest; what comes again is not taken up."""
    own, friend = Person(1), Person(2)
    friend.posts(300)
    own.follow(friend.identity)
    for person in (own, friend):
        bring(store, person, "friend")
    limits = Limits(followed_bytes=payload_bytes(store, friend) // 2)
    assert evict_all(store, own, limits) > 0
    held = [store.entry(entry.id) for entry in friend.log()]
    is_stub = [one is not None and one.entry.payload is None for one in held]
    assert is_stub == sorted(is_stub, reverse=True)
    assert payload_bytes(store, friend) <= limits.followed_bytes
    assert list(store.holes(everything_of(friend))) == []
    bring(store, friend, "friend")
    assert payload_bytes(store, friend) <= limits.followed_bytes
    other = Person(3)
    runs = fetch(store, posts_of(friend), 0, 299)
    assert sum(run.count for run in runs) == 300
    assert store.totals().posts == len(held) - sum(is_stub)
    assert other.identity not in {share.identity for share in store.shares()}


def test_one_self_is_never_evicted(store: NodeStore) -> None:
    """However small the total is."""
    own = Person(1)
    own.posts(20)
    take(store, own.verified_ident(), own.run())
    size = payload_bytes(store, own)
    assert store.evict(own.identity, Limits(0, 0, 0, 1), most=50) == 0
    assert payload_bytes(store, own) == size
