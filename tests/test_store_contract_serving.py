"""What every store tells peers: states, and runs that prove themselves, whatever arrived."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.entry import (
    CHANNEL_IDENTITY,
    CHANNEL_POSTS,
    CHANNEL_PRIVATE,
    log_id,
)
from slowlight.protocol.ident import VerifiedIdent
from slowlight.protocol.roster import Depth, Roster, RosterRow
from slowlight.protocol.run import BLOCK, MAX_RUN_BYTES, Run, open_run
from slowlight.store.base import LogKey, NodeStore, Outcome
from slowlight.store.memory import MemoryStore
from tests.people import START_MS, Person
from tests.stores import (
    RECEIVED_MS,
    OpenStore,
    any_order,
    everything_of,
    fetch,
    held_entries,
    holdings,
    meet,
    posts_of,
    take,
)

STORED: Final = Outcome.STORED
DUPLICATE: Final = Outcome.DUPLICATE

LONG: Final = Person(11)
LONG.posts(600)


def test_states_are_those_of_logs_that_the_roster_wants(store: NodeStore) -> None:
    """Channel 0 comes with any other channel; what was not asked for is not told."""
    ada, bob = Person(1), Person(2)
    for person in (ada, bob):
        person.post()
        person.write(CHANNEL_PRIVATE, b"sealed")
        meet(store, person)
        take(store, person.run(), person.run(CHANNEL_PRIVATE))
    roster = Roster([RosterRow(ada.identity, CHANNEL_POSTS, Depth.EVERYTHING, 0)])
    assert sorted(store.states(roster)) == sorted(
        (log_id(ada.device, channel), 0, ada.head(channel).id)
        for channel in (CHANNEL_IDENTITY, CHANNEL_POSTS)
    )
    assert not list(store.states(Roster([])))


def test_states_since_a_change_are_those_that_changed(store: NodeStore) -> None:
    """The counter rises once a commit; older entries that fill a gap are no change of state."""
    ada, bob = Person(1), Person(2)
    ada.posts(10)
    bob.posts(1)
    meet(store, ada, bob)
    met = store.change_counter
    wanted = everything_of(ada, bob)
    take(store, ada.run(first=6, last=8), bob.run())
    assert store.change_counter == met + 1
    assert {state.log for state in store.states(wanted, since=met)} == {
        log_id(bob.device, CHANNEL_POSTS),
        log_id(ada.device, CHANNEL_POSTS),
    }
    newer = store.change_counter
    take(store, ada.run(first=2, last=4))
    take(store, ada.run())  # reaches entry 9, which is new
    assert store.change_counter == newer + 1
    (state,) = store.states(wanted, since=newer)
    assert state == (log_id(ada.device, CHANNEL_POSTS), 9, ada.head().id)
    assert not list(store.states(wanted, since=store.change_counter))
    assert len(list(store.states(wanted))) == 4


def test_what_was_refused_or_known_is_no_change(store: NodeStore) -> None:
    """Peers are not asked again for nothing."""
    ada = Person(1)
    ada.posts(3)
    meet(store, ada)
    take(store, ada.run(first=2))
    counter = store.change_counter
    take(store, ada.run(first=2), ada.run(first=1, last=1, signed=False))
    take(store, replace(ada.run(), last_id=bytes(32)), Person(2).run(CHANNEL_IDENTITY))
    assert store.change_counter == counter


def test_the_time_of_an_entry_is_that_of_the_one_held_below(store: NodeStore) -> None:
    """Newest posts go first, judged by what the author said; a hole asks what is under it."""
    ada = Person(1)
    ada.posts(10)
    meet(store, ada)
    take(store, ada.run(first=2, last=4), ada.run(first=8))
    log = ada.log()
    at = [store.written_ms(posts_of(ada), seq) for seq in (0, 1, 2, 4, 5, 7, 8, 9, 99)]
    low, high = log[4].t_ms, log[9].t_ms
    assert at == [0, 0, log[2].t_ms, low, low, low, log[8].t_ms, high, high]
    assert store.written_ms(LogKey(ada.device, 5), 3) == 0


def test_a_run_for_one_who_knows_its_end_carries_no_signature(store: NodeStore) -> None:
    """The asker holds the entry behind it, so 64 bytes stay at home."""
    ada = Person(1)
    ada.posts(10)
    meet(store, ada)
    take(store, ada.run())
    (run,) = fetch(store, posts_of(ada), 2, 5, end_known=True)
    assert run == ada.run(first=2, last=5, signed=False)


def test_a_run_for_one_who_does_not_goes_on_to_a_kept_signature(store: NodeStore) -> None:
    """What was not asked for travels as stubs: only to prove the rest."""
    ada = Person(1)
    ada.posts(10)
    meet(store, ada)
    take(store, ada.run())
    (run,) = fetch(store, posts_of(ada), 2, 5)
    assert run == ada.run(first=2, stubs={6, 7, 8, 9})


def test_own_entries_need_no_surplus(store: NodeStore) -> None:
    """All own signatures are kept."""
    ada = Person(1)
    ada.posts(10)
    meet(store, ada)
    store.append(posts_of(ada), ada.signed(last=5), received_ms=RECEIVED_MS)
    store.append(posts_of(ada), ada.signed(first=6), received_ms=RECEIVED_MS)
    (run,) = fetch(store, posts_of(ada), 2, 5)
    assert run == ada.run(first=2, last=5)


@pytest.mark.parametrize("newest_first", [True, False])
def test_runs_end_at_blocks_and_each_block_can_be_proven_alone(
    store: NodeStore, newest_first: bool
) -> None:
    """Every holder of a block keeps the signature of its end, however the block came."""
    ada = LONG
    meet(store, ada)
    blocks = ada.runs() if newest_first else ada.runs()[::-1]
    assert {*take(store, *blocks)} == {STORED}
    runs = fetch(store, posts_of(ada), 0, 999)
    assert [(run.first, run.last) for run in runs] == [(512, 599), (256, 511), (0, 255)]
    assert all(run.signature for run in runs)
    (proof,) = fetch(store, posts_of(ada), 250, 255)
    assert proof == ada.run(first=250, last=255)


@pytest.mark.parametrize("signature", [None, bytes(64)])
def test_a_signature_at_the_end_of_a_block_is_never_taken_on_trust(
    store: NodeStore, signature: bytes | None
) -> None:
    """A run proven by the entry above it still has to carry the signature that will be served;
    a wrong one or none would leave a block that nobody else believes."""
    ada = LONG
    meet(store, ada)
    take(store, ada.run(first=256, last=300))
    wrong = replace(ada.run(first=200, last=255), signature=signature)
    assert take(store, wrong) == [Outcome.FORGED]
    assert take(store, ada.run(first=200, last=255)) == [STORED]


def test_a_run_is_as_long_as_its_bytes_allow_and_at_least_one_entry(store: NodeStore) -> None:
    """A small window gets a few of the newest; the rest is asked for later."""
    ada = Person(1)
    ada.posts(40)
    meet(store, ada)
    take(store, ada.run())
    for max_bytes in (1, 400, 700, 1_500, 60_000):
        runs = fetch(store, posts_of(ada), 0, 39, max_bytes=max_bytes)
        assert [seq for run in reversed(runs) for seq in range(run.first, run.last + 1)] == [
            *range(40)
        ]
        for run, below in itertools.pairwise(runs):
            longer = ada.run(first=run.first - 1, last=run.last, signed=bool(run.signature))
            assert len(longer.encode()) > max_bytes
            assert open_run(below, trusted_end=run.prev)
    assert len(runs) == 1


def test_stubs_that_fill_more_than_a_frame_are_sent_in_several(open_store: OpenStore) -> None:
    """An author whose headers are as large as they may be stops nobody from serving the log:
    the proof of an entry then takes two runs."""
    ada = Person(1)
    for _ in range(BLOCK):
        ada.post(seen=[ada.random.randbytes(32) for _ in range(8)])
    store, other = open_store(), open_store()
    meet(store, ada)
    meet(other, ada)
    assert {*take(store, *ada.runs(longest=100))} == {STORED}
    runs = fetch(store, posts_of(ada), 0, 0)
    assert len(runs) == 2
    assert runs[-1].first == 0
    assert all(len(run.encode()) <= MAX_RUN_BYTES for run in runs)
    assert take(other, *runs) == [STORED, STORED]


def test_nothing_is_sent_of_what_is_not_held(store: NodeStore) -> None:
    """A want may come late or be a mistake; it is no error."""
    ada = Person(1)
    ada.posts(10)
    meet(store, ada)
    take(store, ada.run(first=3, last=5))
    assert fetch(store, posts_of(ada), 6, 9) == []
    assert fetch(store, posts_of(ada), 0, 2) == []
    assert fetch(store, LogKey(bytes(32), 1), 0, 2) == []
    assert [(run.first, run.last) for run in fetch(store, posts_of(ada), 0, 9)] == [(3, 5)]


def test_a_range_with_gaps_is_proven_on_each_side(store: NodeStore) -> None:
    """Below a gap the asker can vouch for nothing, so the run there is signed again."""
    ada = Person(1)
    ada.posts(20)
    meet(store, ada)
    take(store, ada.run(first=2, last=6), ada.run(first=10))
    runs = fetch(store, posts_of(ada), 0, 19, end_known=True)
    assert [(run.first, run.last) for run in runs] == [(10, 19), (2, 6)]
    assert runs[1].signature


def test_a_payload_lives_as_long_as_its_author_said_wherever_it_is(open_store: OpenStore) -> None:
    """What remains is reduced by the time held; then the stub stays, for the chain."""
    ada = Person(1)
    ada.post("short-lived", expire_ms=10_000)
    ada.post("lasting")
    near, far = open_store(), open_store()
    meet(near, ada)
    meet(far, ada)
    take(near, ada.run())
    (run,) = fetch(near, posts_of(ada), 0, 1, now_ms=RECEIVED_MS + 4_000)
    take(far, run, received_ms=RECEIVED_MS + 50_000)
    arrived = far.entry(ada.log()[0].id)
    assert arrived is not None
    assert arrived.entry == ada.log()[0]._replace(remaining_ms=6_000)

    for store, end_ms in ((near, RECEIVED_MS + 10_000), (far, RECEIVED_MS + 56_000)):
        (last,) = fetch(store, posts_of(ada), 0, 1, now_ms=end_ms - 1)
        assert open_payloads(last) == [True, True]
        (after,) = fetch(store, posts_of(ada), 0, 1, now_ms=end_ms)
        assert open_payloads(after) == [False, True]
        (back,) = fetch(store, posts_of(ada), 0, 1, now_ms=0)
        assert open_payloads(back) == [True, True]  # a clock set back lengthens no life


def test_a_payload_that_took_a_detour_lives_no_longer(store: NodeStore) -> None:
    """Its stub said how much was left; whoever kept the payload back cannot give it more."""
    ada = Person(1)
    ada.post(expire_ms=10_000)
    meet(store, ada)
    take(store, ada.run(stubs={0}))
    take(store, ada.run(), received_ms=RECEIVED_MS + 4_000)
    held = store.entry(ada.head().id)
    assert held is not None
    assert held.entry == ada.log()[0]._replace(remaining_ms=6_000)
    assert held.received_ms == RECEIVED_MS + 4_000


def open_payloads(run: Run) -> list[bool]:
    return [entry.payload is not None for entry in open_run(run)]


def conversation() -> list[Person]:
    """Three people who answer each other, one of them with a clock far behind."""
    ada, bob, cleo = people = [Person(seed) for seed in (21, 22, 23)]
    roots = [ada.post(t_ms=START_MS), bob.post(t_ms=START_MS + 30_000)]
    for turn in range(30):
        person = people[turn % 3]
        root = roots[turn % 2]
        parent = root if turn < 6 else people[(turn + 1) % 3].log()[-1]
        late_ms = 300 * 86_400_000 if person is cleo else 0
        t_ms = START_MS + (turn + 1) * 60_000 + person.random.randrange(60_000) - late_ms
        person.post(reply_to=parent.id, root=root.id, t_ms=t_ms)
    bob.profile("Bob")
    ada.follow(bob.identity)
    return people


PEOPLE: Final = conversation()
PIECES: Final = [
    person.run(channel, first, last)
    for person in PEOPLE
    for channel, log in person.logs.items()
    for first, last in ((0, 2), (2, 4), (5, 6), (7, 20), (18, 20))
    for first, last in [(first, min(last, len(log) - 1))]
    if first <= last
]


@cache
def as_written() -> dict[str, Any]:
    """What a store shows in which these people wrote their posts themselves."""
    store = MemoryStore(bytes(8))
    meet(store, *PEOPLE)
    for person in PEOPLE:
        for channel in person.logs:
            first = 1 if channel == CHANNEL_IDENTITY else 0
            for signed in person.signed(channel, first):
                store.append(LogKey(person.device, channel), [signed], received_ms=RECEIVED_MS)
    return holdings(store, *PEOPLE)


@any_order
@given(
    order=st.permutations(range(len(PIECES) * 4 // 3)),
    sizes=st.lists(st.integers(1, 12), min_size=len(PIECES) * 4 // 3),
)
def test_runs_in_any_order_and_number_end_alike(
    open_store: OpenStore, order: list[int], sizes: list[int]
) -> None:
    """Shuffled, doubled, overlapping, in batches of any size: the same states, intervals,
    timeline and threads as in the store of one who wrote it all."""
    store = open_store()
    meet(store, *PEOPLE)
    runs = iter([PIECES[number % len(PIECES)] for number in order])
    for size in sizes:
        assert {*take(store, *itertools.islice(runs, size))} <= {STORED, DUPLICATE}
    assert holdings(store, *PEOPLE) == as_written()


@st.composite
def some_runs(draw: st.DrawFn) -> list[Run]:
    """Runs of a long log as they may arrive: signed or not, with payloads or without."""
    runs: list[Run] = []
    for _ in range(draw(st.integers(1, 8))):
        last = draw(st.one_of(st.integers(0, 599), st.sampled_from([255, 511, 599])))
        first = draw(st.integers(max(last // BLOCK * BLOCK, last - 60), last))
        stubs = range(first, draw(st.integers(first, last + 1)))
        runs.append(LONG.run(first=first, last=last, signed=draw(st.booleans()), stubs=stubs))
        if first % BLOCK and draw(st.booleans()):
            below = draw(st.integers(max(first // BLOCK * BLOCK, first - 30), first - 1))
            runs.append(LONG.run(first=below, last=first - 1, signed=False))
    return runs


@any_order
@given(
    runs=some_runs(),
    first=st.integers(0, 599),
    length=st.integers(1, 400),
    max_bytes=st.sampled_from([500, 3_000, 60_000]),
)
def test_whatever_is_held_can_be_served_and_believed(
    open_store: OpenStore, runs: list[Run], first: int, length: int, max_bytes: int
) -> None:
    """Any part of what arrived in any way convinces an empty store: signatures are kept where
    they are needed."""
    store, other = open_store(), open_store()
    for each in (store, other):
        meet(each, LONG)
    for run in runs:
        take(store, run)
    last = min(599, first + length - 1)
    served = fetch(store, posts_of(LONG), first, last, max_bytes=max_bytes)
    assert {*take(other, *served)} <= {STORED}
    wanted = [seq for seq in held_entries(store, LONG) if first <= seq <= last]
    assert [seq for seq in held_entries(other, LONG) if first <= seq <= last] == wanted
    for seq in wanted:
        entry_id = LONG.log()[seq].id
        mine, theirs = store.entry(entry_id), other.entry(entry_id)
        assert mine is not None
        assert theirs is not None
        assert mine.entry == theirs.entry


@st.composite
def anything(draw: st.DrawFn) -> list[Run | VerifiedIdent]:
    """What honest and dishonest peers may send of three people, two of whom use one key."""
    items: list[Run | VerifiedIdent] = []
    for _ in range(draw(st.integers(1, 12))):
        author = draw(st.sampled_from(AUTHORS))
        channel = draw(st.sampled_from([CHANNEL_IDENTITY, CHANNEL_POSTS]))
        last = draw(st.integers(0, len(author.log(channel)) - 1))
        first = draw(st.integers(0, last))
        stubs = draw(st.sets(st.integers(first, last)))
        signed = draw(st.booleans())
        run = author.run(channel, first, last, signed=signed, stubs=stubs)
        match draw(st.integers(0, 5)):
            case 0:
                items.append(author.verified_ident())
            case 1:
                items.append(replace(run, bodies=run.bodies[:-1] + b"?"))
            case 2:
                items.append(
                    replace(run, last_id=author.log(channel)[last].id, signature=bytes(64))
                )
            case _:
                items.append(run)
    return items


def some_authors() -> list[Person]:
    ada, bob = Person(31), Person(32)
    thief = Person(33, key=bob.key)
    for person in (ada, bob, thief):
        person.profile("somebody")
        person.follow(ada.identity)
        for _ in range(6):
            person.post(
                seen=[ada.log(CHANNEL_IDENTITY)[0].id], expire_ms=person.random.choice([0, 9])
            )
    other = ada.forked(CHANNEL_POSTS, 3)
    other.posts(4)
    return [ada, ada, bob, thief, other]


AUTHORS: Final = some_authors()


@any_order
@given(items=anything(), sizes=st.lists(st.integers(1, 4), min_size=12))
def test_both_stores_answer_alike_whatever_comes(
    open_kind: Callable[[str], NodeStore], items: list[Run | VerifiedIdent], sizes: list[int]
) -> None:
    """One rule for what is proven, new, forged or a fork, and one picture afterwards."""
    memory, sqlite = open_kind("memory"), open_kind("sqlite")
    waiting = iter(items)
    for number, size in enumerate(sizes):
        batch = list(itertools.islice(waiting, size))
        received_ms = RECEIVED_MS + number
        answers = [each.ingest(batch, received_ms=received_ms, via="") for each in (memory, sqlite)]
        assert answers[0] == answers[1]
        assert memory.change_counter == sqlite.change_counter
    assert holdings(memory, *AUTHORS) == holdings(sqlite, *AUTHORS)
    for author in AUTHORS:
        for channel, log in author.logs.items():
            key = LogKey(author.device, channel)
            for seq in range(len(log)):
                runs = [
                    fetch(each, key, max(0, seq - 2), seq, now_ms=RECEIVED_MS + 5)
                    for each in (memory, sqlite)
                ]
                assert runs[0] == runs[1]
