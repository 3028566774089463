"""A log that its device forked: proven, frozen, and both branches kept. For every store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.content import Delete, EntryRange
from slowlight.protocol.entry import CHANNEL_POSTS, log_id
from slowlight.protocol.fork import MAX_BRANCH_ENTRIES, ForkProof, decode_fork, prove_fork
from slowlight.protocol.frames import LogState
from slowlight.protocol.run import BLOCK
from slowlight.store.base import OWN, ForkedLog, LogKey, NodeStore, Outcome
from slowlight.store.forks import MAX_FORK_BYTES_OF_IDENTITY
from slowlight.store.memory import MemoryStore
from tests.owners import revoked, with_records
from tests.people import Person, twins
from tests.stores import (
    RECEIVED_MS,
    OpenStore,
    any_order,
    everything_of,
    fetch,
    held_entries,
    meet,
    posts_of,
    take,
)

FORKED = Outcome.FORKED
STORED = Outcome.STORED


def proof_of(store: NodeStore, person: Person) -> ForkProof:
    """Return the proof that a store keeps, which must be a good one."""
    proof = store.fork(posts_of(person))
    assert proof is not None
    return decode_fork(proof.encode())


def answer_wants(store: NodeStore, *branches: Person) -> None:
    """Bring what a store asks for, until it asks no more."""
    for _ in range(8):
        wants = [want for want in store.holes(everything_of(*branches)) if want.last_id]
        for want in wants:
            branch = next(
                one
                for one in branches
                if one.log()[want.last :][:1] and one.log()[want.last].id == want.last_id
            )
            take(store, branch.run(first=want.first, last=want.last))
        if not wants:
            return
    pytest.fail("it never had enough")


def test_another_branch_freezes_the_log(store: NodeStore) -> None:
    """Below the fork everything stays as it was; both branches can be read."""
    ada, eve = twins(3, 2, 4)
    meet(store, ada)
    take(store, ada.run())
    before = store.change_counter
    (answer,) = store.ingest([eve.run()], received_ms=RECEIVED_MS, via="eve")
    assert (answer.outcome, answer.entries, answer.payloads) == (FORKED, 4, 4)
    proof = proof_of(store, ada)
    assert (proof.frozen_from, proof.vouched_id) == (3, ada.log()[2].id)
    assert len(proof.encode()) <= 400 + 2 * 60
    frozen = LogState(log_id(*posts_of(ada)), 3, b"")
    assert frozen in list(store.states(everything_of(ada)))
    assert frozen in list(store.states(everything_of(ada), since=before))
    assert list(store.forks(everything_of(ada), since=before)) == [proof]
    assert list(store.forks(everything_of(ada), since=store.change_counter)) == []
    assert list(store.forks(everything_of(Person(9)))) == []
    for entry in (*ada.log(), *eve.log()[3:]):
        held = store.entry(entry.id)
        assert held is not None
        assert (held.entry.payload, held.log) == (entry.payload, posts_of(ada))
        found = store.find_entries(int.from_bytes(entry.id[:5], "big"), 40, 9)
        assert [one.entry.id for one in found] == [entry.id]
    assert store.forked_logs() == [ForkedLog(posts_of(ada), ada.identity, proof, 4)]
    assert store.forked_logs(ada.identity) == store.forked_logs()
    assert store.forked_logs(Person(9).identity) == []
    assert store.totals().forks == 1
    assert len(store.timeline()) == 5
    assert take(store, eve.run()) == [Outcome.DUPLICATE]


def test_a_signed_pair_is_proven_in_400_bytes(store: NodeStore) -> None:
    """As long as the entries cite nothing."""
    ada, eve = twins(0, 1, 1)
    meet(store, ada)
    take(store, ada.run(), eve.run())
    assert len(proof_of(store, ada).encode()) <= 400


def test_the_branch_is_served_by_the_id_of_its_end(store: NodeStore) -> None:
    """In unsigned runs that end where the asker says, down to what both branches share."""
    ada, eve = twins(3, 2, 4)
    meet(store, ada)
    take(store, ada.run(), eve.run())
    key, end = posts_of(ada), eve.log()[-1].id
    run = store.read_branch(key, 0, 6, end, max_bytes=60_000, now_ms=RECEIVED_MS)
    assert run is not None
    assert (run.first, run.last, run.prev) == (3, 6, ada.log()[2].id)
    assert store.read_branch(key, 0, 4, ada.log()[4].id, max_bytes=9_999, now_ms=0) is None
    assert store.read_branch(key, 0, 6, bytes(32), max_bytes=9_999, now_ms=0) is None
    assert [run.last for run in fetch(store, key, 0, 4)] == [4]


def test_nothing_above_the_freeze_is_an_ordinary_continuation(store: NodeStore) -> None:
    """What continues either branch is kept beside the log, as far as it goes."""
    ada, eve = twins(3, 2, 2)
    meet(store, ada)
    take(store, ada.run(), eve.run())
    ada.posts(2)
    eve.posts(2)
    assert take(store, ada.run(first=5), eve.run(first=5)) == [FORKED, FORKED]
    assert held_entries(store, ada) == [0, 1, 2, 3, 4]
    assert store.head(posts_of(ada)).seq == 4
    assert all(store.entry(entry.id) for entry in (*ada.log(), *eve.log()))


def test_a_third_branch_is_not_kept(store: NodeStore) -> None:
    """Two are enough to prove it, and nobody fills the disk with more."""
    ada, eve = twins(3, 2, 2)
    third = ada.forked(CHANNEL_POSTS, 4)
    third.posts(2)
    meet(store, ada)
    take(store, ada.run(), eve.run())
    stray = third.run(first=5)
    assert take(store, stray) == [Outcome.CONFLICT]
    assert store.entry(third.log()[5].id) is None


def test_a_branch_is_taken_up_to_a_cap(store: NodeStore) -> None:
    """1,024 entries from the lowest forked one on."""
    ada, eve = twins(1, 1, MAX_BRANCH_ENTRIES + 20)
    meet(store, ada)
    take(store, ada.run())
    for low in range(0, len(eve.log()), BLOCK):
        take(store, eve.run(first=low, last=min(low + BLOCK, len(eve.log())) - 1))
    (forked,) = store.forked_logs()
    assert (forked.proof.frozen_from, forked.kept) == (1, MAX_BRANCH_ENTRIES)
    assert store.entry(eve.log()[MAX_BRANCH_ENTRIES].id) is not None
    assert store.entry(eve.log()[MAX_BRANCH_ENTRIES + 1].id) is None


def test_a_branch_that_came_from_above_is_followed_down(store: NodeStore) -> None:
    """First a run that ends nowhere; then, block by block, what lies below it."""
    ada, eve = twins(2, BLOCK + 4, BLOCK + 8)
    meet(store, ada)
    for run in reversed(ada.runs()):
        take(store, run)
    assert take(store, eve.run(first=BLOCK + 6)) == [FORKED]
    assert proof_of(store, ada).frozen_from == BLOCK + 5
    asked: list[tuple[int, int]] = []
    while True:
        wants = [want for want in store.holes(everything_of(ada)) if want.last_id]
        if not wants:
            break
        (want,) = wants
        asked.append((want.first, want.last))
        assert want.last_id == eve.log()[want.last].id
        take(store, eve.run(first=want.first, last=want.last, signed=want.last == BLOCK - 1))
    assert asked == [(BLOCK, BLOCK + 5), (0, BLOCK - 1)]
    proof = proof_of(store, ada)
    assert (proof.frozen_from, proof.reaches_split) == (2, True)
    assert all(store.entry(entry.id) for entry in (*ada.log(), *eve.log()))


def test_a_gap_that_another_branch_fills_proves_the_fork(store: NodeStore) -> None:
    """Below it one branch is held, above it the other."""
    ada, eve = twins(2, 3, 10)
    meet(store, ada)
    assert take(store, ada.run(), eve.run(first=8)) == [STORED, STORED]
    assert take(store, eve.run(first=3, last=7, signed=False)) == [FORKED]
    assert proof_of(store, ada).frozen_from <= 4
    assert store.entry(eve.log()[5].id) is not None
    assert all(hole.last < 3 for hole in store.holes(everything_of(ada)) if not hole.last_id)


def test_a_proof_alone_freezes_a_log(store: NodeStore) -> None:
    """Nothing of it is held yet; what is common comes later as always."""
    ada, eve = twins(3, 2, 2)
    proof = prove_fork(ada.run(), eve.run())
    assert proof is not None
    assert take(store, proof) == [Outcome.UNATTRIBUTED]
    meet(store, ada)
    assert take(store, proof, proof) == [STORED, Outcome.DUPLICATE]
    assert LogState(proof.log, 3, b"") in list(store.states(everything_of(ada)))
    assert store.head(posts_of(ada)).seq == -1
    wants = {(want.first, want.last, want.last_id) for want in store.holes(everything_of(ada))}
    branches = {(3, 4, person.log()[4].id) for person in (ada, eve)}
    assert wants == {(0, 2, None), *branches}
    assert take(store, ada.run(last=2)) == [STORED]
    for person in (ada, eve):
        take(store, person.run(first=3, signed=False))
    assert list(store.holes(everything_of(ada))) == []
    assert all(store.entry(entry.id) for entry in (*ada.log(), *eve.log()))


def test_a_false_proof_proves_nothing(store: NodeStore) -> None:
    """Somebody signed with another key."""
    ada, eve = twins(3, 2, 2)
    proof = prove_fork(ada.run(), eve.run())
    assert proof is not None
    data = bytearray(proof.encode())
    data[-1] ^= 1
    meet(store, ada)
    assert take(store, decode_fork(bytes(data))) == [Outcome.FORGED]
    assert store.forked_logs() == []


def test_the_proofs_of_an_identity_have_a_limit(store: NodeStore) -> None:
    """Whoever forks with the largest entries fills no disk."""
    outcomes: list[Outcome] = []
    meet(store, Person(1))
    for channel in range(4, 30):
        ada = Person(1)
        eve = ada.forked(channel, 0)
        for person in (ada, eve):
            for n in range(BLOCK):
                seen = sorted((n * 8 + i).to_bytes(32, "big") for i in range(8))
                person.write(channel, b"\x91\x01", seen=seen)
        proof = prove_fork(ada.run(channel), eve.run(channel))
        assert proof is not None
        outcomes += take(store, proof)
        if outcomes[-1] is not STORED:
            break
    assert outcomes == [*[STORED] * (len(outcomes) - 1), Outcome.OVER_LIMIT]
    kept = sum(len(forked.proof.encode()) for forked in store.forked_logs())
    assert kept <= MAX_FORK_BYTES_OF_IDENTITY


def test_an_own_entry_from_elsewhere_is_noticed(store: NodeStore) -> None:
    """Whether it goes on with a log or contradicts it; what was written here is none."""
    ada, eve = twins(0, 2, 2)
    store.ingest([ada.verified_ident()], received_ms=RECEIVED_MS, via=OWN)
    store.append(posts_of(ada), ada.signed(last=0), received_ms=RECEIVED_MS)
    assert not store.written_elsewhere(ada.device)
    take(store, ada.run(last=0))
    assert not store.written_elsewhere(ada.device)
    take(store, eve.run() if store.fork(posts_of(ada)) else ada.run(first=1))
    assert store.written_elsewhere(ada.device)
    assert not store.written_elsewhere(Person(9).device)


def test_an_own_text_that_a_peer_brings_back_is_no_sign_of_a_copy(store: NodeStore) -> None:
    """It was deleted by a thief, whose order was voided: the owner goes on writing."""
    laptop, thief = Person(1), Person(1, device_number=1)
    mine, other = laptop.posts(2)
    thief.write(CHANNEL_POSTS, Delete((EntryRange(1, 0, 0, laptop.device),)))
    store.ingest([laptop.verified_ident()], received_ms=RECEIVED_MS, via=OWN)
    store.append(posts_of(laptop), laptop.signed(), received_ms=RECEIVED_MS)
    take(store, thief.verified_ident(), thief.run())
    assert [post.held.entry.id for post in store.timeline()] == [other.id]
    take(store, with_records(laptop, revoked(thief)))
    take(store, laptop.run())
    back = store.entry(mine.id)
    assert back is not None
    assert (back.entry.payload, back.via) == (mine.payload, OWN)
    assert not store.written_elsewhere(laptop.device)


def test_a_fork_of_an_own_log_is_noticed(store: NodeStore) -> None:
    """By a proof as well."""
    ada, eve = twins(0, 2, 2)
    store.ingest([ada.verified_ident()], received_ms=RECEIVED_MS, via=OWN)
    proof = prove_fork(ada.run(), eve.run())
    assert proof is not None
    take(store, proof)
    assert store.written_elsewhere(ada.device)


@any_order
@given(data=st.data())
def test_any_order_ends_with_the_same_fork(open_store: OpenStore, data: st.DataObject) -> None:
    """Runs of both branches and the proof, cut anywhere: one proof that holds, no lost entry."""
    common = data.draw(st.integers(0, 4))
    ada, eve = twins(common, data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4)))
    items = [
        person.run(first=n, last=m)
        for person in (ada, eve)
        for n in range(len(person.log()))
        for m in [data.draw(st.integers(n, len(person.log()) - 1))]
    ]
    store, other = open_store(), MemoryStore(bytes(8))
    for each in (store, other):
        meet(each, ada)
        for item in data.draw(st.permutations(items)):
            take(each, item)
        answer_wants(each, ada, eve)
    assert proof_of(store, ada).frozen_from == proof_of(other, ada).frozen_from == common
    assert sorted(store.states(everything_of(ada))) == sorted(other.states(everything_of(ada)))
    for seq in range(common):
        assert store.id_at(LogKey(ada.device, CHANNEL_POSTS), seq) == ada.log()[seq].id


@pytest.mark.parametrize("seed", range(8))
def test_both_stores_keep_the_same(open_store: OpenStore, seed: int) -> None:
    """Whatever comes in whatever order."""
    ada, eve = twins(seed % 3, 5, 6, seed)
    items = [
        person.run(first=n, last=min(n + ada.random.randrange(3), len(person.log()) - 1))
        for person in (ada, eve)
        for n in range(len(person.log()))
    ]
    ada.random.shuffle(items)
    store, other = open_store(), MemoryStore(bytes(8))
    meet(store, ada)
    meet(other, ada)
    for item in items:
        assert take(store, item) == take(other, item)
        assert store.forked_logs() == other.forked_logs()
        assert list(store.holes(everything_of(ada))) == list(other.holes(everything_of(ada)))
        for person in (ada, eve):
            for entry in person.log():
                assert store.entry(entry.id) == other.entry(entry.id)
