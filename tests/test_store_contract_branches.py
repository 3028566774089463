"""A forked log that a record ends: the end selects its branch, whatever came first."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

from slowlight.protocol.content import Delete, EntryRange
from slowlight.protocol.entry import CHANNEL_POSTS, log_id
from slowlight.protocol.fork import MAX_BRANCH_ENTRIES, ForkProof, prove_fork
from slowlight.protocol.frames import LogState
from slowlight.protocol.ident import RecordKind
from slowlight.protocol.identity import LogEnd, Revocation, root_key, sign_revocation
from slowlight.protocol.run import BLOCK
from slowlight.protocol.standing import Void
from slowlight.store.base import Item, NodeStore, Outcome
from slowlight.store.memory import MemoryStore
from tests.owners import Spoken, open_device, revoked, rotated, with_records
from tests.people import Person, twins
from tests.stores import (
    RECEIVED_MS,
    OpenStore,
    everything_of,
    fetch,
    held_entries,
    holdings,
    meet,
    posts_of,
    show_everything,
    take,
)


def proof(one: Person, other: Person) -> ForkProof:
    """Return what proves that two branches part."""
    found = prove_fork(one.run(), other.run())
    assert found is not None
    return found


def ended_at(person: Person, seq: int, entry_id: bytes) -> Spoken:
    """Return a revocation that ends the posts of a device at an entry that nobody may hold."""
    ends = (LogEnd(CHANNEL_POSTS, seq, entry_id),)
    body = Revocation(person.identity, 0, person.device, ends)
    return RecordKind.REVOKE, sign_revocation(root_key(person.root_seed, 0), body)


def state_of(store: NodeStore, person: Person) -> LogState | None:
    """Return the state of a person's posts."""
    found = [each for each in store.states(everything_of(person)) if each.log == _log(person)]
    return found[0] if found else None


def standing_at(person: Person, seq: int) -> LogState:
    """Return the state of a log of which an entry is the newest that stands."""
    return LogState(_log(person), seq, person.log()[seq].id)


def _log(person: Person) -> bytes:
    return log_id(*posts_of(person))


def shown(store: NodeStore) -> list[bytes]:
    """Return the ids in the timeline, sorted."""
    return sorted(post.held.entry.id for post in store.timeline(limit=10_000))


def ids(*entries: object) -> list[bytes]:
    """Return the sorted ids of entries."""
    return sorted(entry.id for entry in entries)  # type: ignore[attr-defined]


def void_of(store: NodeStore, entry_id: bytes) -> Void | None:
    """Return why a held entry does not stand."""
    held = store.entry(entry_id)
    assert held is not None
    return held.void.why if held.void else None


def test_an_end_on_the_other_branch_selects_it(store: NodeStore) -> None:
    """What was held first gives way, in every view; each entry says why it is void."""
    ada, eve = twins(3, 2, 4)
    meet(store, ada)
    take(store, ada.run(), eve.run())
    before = store.change_counter
    end = with_records(ada, revoked(eve, (1, 5)))
    assert take(store, end) == [Outcome.STORED]
    assert state_of(store, ada) == standing_at(eve, 5)
    assert standing_at(eve, 5) in list(store.states(everything_of(ada), since=before))
    assert shown(store) == ids(*eve.log()[:6])
    assert held_entries(store, ada) == [0, 1, 2, 3, 4, 5, 6]
    assert [void_of(store, entry.id) for entry in eve.log()] == [None] * 6 + [Void.ENDED]
    assert [void_of(store, entry.id) for entry in ada.log()[3:]] == [Void.OFF_BRANCH] * 2
    assert all(store.entry(entry.id) for entry in (*ada.log(), *eve.log()))
    assert store.fork(posts_of(ada)) is not None
    show_everything(store)
    word = "dust"
    found = {post.held.entry.id for post in store.search(word, limit=99).posts}
    assert not found & {entry.id for entry in (*ada.log()[3:], eve.log()[6])}


def test_an_end_on_the_branch_that_was_held_thaws_the_log(store: NodeStore) -> None:
    """It is shown and served as its end says, the other branch is void."""
    ada, eve = twins(3, 3, 4)
    meet(store, ada)
    take(store, ada.run(), eve.run(), with_records(ada, revoked(ada, (1, 4))))
    assert state_of(store, ada) == standing_at(ada, 4)
    assert shown(store) == ids(*ada.log()[:5])
    assert void_of(store, ada.log()[5].id) is Void.ENDED
    assert [void_of(store, entry.id) for entry in eve.log()[3:5]] == [Void.OFF_BRANCH] * 2
    assert void_of(store, eve.log()[6].id) is Void.ENDED
    assert [run.last for run in fetch(store, posts_of(ada), 0, 4, end_known=True)] == [4]


def test_the_selected_branch_is_served_like_any_log(store: NodeStore) -> None:
    """From its end down, to who knows the record and to who wants a signature."""
    ada, eve = twins(3, 2, 4)
    meet(store, ada)
    take(store, ada.run(), eve.run(), with_records(ada, revoked(eve, (1, 5))))
    (run,) = fetch(store, posts_of(ada), 0, 5, end_known=True)
    assert (run.first, run.last, run.signature) == (0, 5, None)
    (proven,) = fetch(store, posts_of(ada), 0, 5)
    assert (proven.first, proven.last) == (0, 6)
    other = MemoryStore(bytes(8))
    meet(other, ada)
    take(other, with_records(ada, revoked(eve, (1, 5))), proof(ada, eve), run)
    assert state_of(other, ada) == standing_at(eve, 5)


def test_an_end_that_is_not_held_yet_selects_nothing_yet(store: NodeStore) -> None:
    """Only what is common stands, until what leads to the end has come."""
    ada, eve = twins(3, 2, 6)
    meet(store, ada)
    take(store, ada.run(), eve.run(last=5), with_records(ada, revoked(eve, (1, 7))))
    assert state_of(store, ada) == standing_at(ada, 2)
    assert shown(store) == ids(*ada.log()[:3])
    assert {void_of(store, entry.id) for entry in (*ada.log()[3:], *eve.log()[3:6])} == {
        Void.OFF_BRANCH
    }
    assert list(store.holes(everything_of(ada))) == []
    assert take(store, eve.run(first=6, last=7, signed=False)) == [Outcome.STORED]
    assert state_of(store, ada) == standing_at(eve, 7)
    assert shown(store) == ids(*eve.log()[:8])


def test_what_leads_to_an_end_is_asked_for_from_above(store: NodeStore) -> None:
    """The end comes alone; the gap below it is wanted down to where its block begins."""
    ada, eve = twins(3, 2, 6)
    meet(store, ada)
    parting = prove_fork(ada.run(first=3, last=3), eve.run(first=3, last=3))
    assert parting is not None
    take(store, ada.run(), parting, with_records(ada, revoked(eve, (1, 7))))
    assert state_of(store, ada) == standing_at(ada, 2)
    take(store, eve.run(first=7, last=7, signed=False))
    assert state_of(store, ada) == standing_at(eve, 7)
    (hole,) = store.holes(everything_of(ada))
    assert (hole.first, hole.last, hole.last_id) == (0, 6, eve.log()[6].id)
    assert take(store, eve.run(last=6, signed=False)) == [Outcome.STORED]
    assert shown(store) == ids(*eve.log()[:8])
    assert list(store.holes(everything_of(ada))) == []


def test_an_end_on_neither_branch_leaves_what_is_common(store: NodeStore) -> None:
    """Nobody holds the entry, or a third branch leads there: both proven ones are void."""
    ada, eve = twins(3, 2, 2)
    third = ada.forked(CHANNEL_POSTS, 3)
    third.posts(3)
    meet(store, ada)
    take(store, ada.run(), eve.run(), with_records(ada, revoked(third, (1, 5))))
    assert state_of(store, ada) == standing_at(ada, 2)
    assert shown(store) == ids(*ada.log()[:3])
    assert void_of(store, ada.log()[4].id) is Void.OFF_BRANCH
    assert take(store, third.run()) == [Outcome.STORED]
    assert state_of(store, ada) == standing_at(third, 5)
    assert shown(store) == ids(*third.log())


def test_an_end_in_the_common_part_voids_both_branches(store: NodeStore) -> None:
    """Nothing has to change places."""
    ada, eve = twins(4, 2, 2)
    meet(store, ada)
    take(store, ada.run(), eve.run(), with_records(ada, revoked(ada, (1, 1))))
    assert state_of(store, ada) == standing_at(ada, 1)
    assert shown(store) == ids(*ada.log()[:2])
    assert {void_of(store, e.id) for e in (*ada.log()[2:], *eve.log()[4:])} == {Void.ENDED}


def test_a_log_that_is_closed_altogether_has_no_state(store: NodeStore) -> None:
    """The record names no end of this channel."""
    ada, eve = twins(3, 2, 2)
    meet(store, ada)
    take(store, ada.run(), eve.run())
    before = store.change_counter
    take(store, with_records(ada, revoked(ada)))
    assert state_of(store, ada) is None
    assert list(store.gone(everything_of(ada), since=before)) == [_log(ada)]
    assert shown(store) == []


def test_a_made_up_end_brings_nothing_in(store: NodeStore) -> None:
    """Whoever sends other entries than those that lead there is refused as a forger."""
    ada, eve = twins(3, 2, 4)
    false = ada.forked(CHANNEL_POSTS, 3)
    false.posts(4)
    meet(store, ada)
    take(store, ada.run(), proof(ada, eve), with_records(ada, ended_at(ada, 6, bytes([9]) * 32)))
    assert state_of(store, ada) == standing_at(ada, 2)
    assert take(store, false.run(signed=False)) == [Outcome.FORGED]
    assert state_of(store, ada) == standing_at(ada, 2)


def test_an_end_without_signature_on_another_branch_is_no_forgery(store: NodeStore) -> None:
    """The record names it, but what was held cannot be disproven by it: nothing changes."""
    ada, eve = twins(3, 5, 4)
    meet(store, ada)
    take(store, ada.run(first=4), with_records(ada, revoked(eve, (1, 5))))
    assert take(store, eve.run(last=5, signed=False)) == [Outcome.CONFLICT]
    take(store, ada.run())
    assert state_of(store, ada) == standing_at(ada, 4)
    assert take(store, eve.run(last=5)) == [Outcome.FORKED]
    assert state_of(store, ada) == standing_at(eve, 5)


def test_what_is_beside_comes_back_when_the_log_is_open_again(store: NodeStore) -> None:
    """A rotation decides anew: first for the other branch, then for none."""
    ada, eve = twins(3, 2, 4)
    meet(store, ada)
    take(store, ada.run())
    take(store, eve.run(), received_ms=RECEIVED_MS + 1)
    take(store, with_records(ada, ended_at(ada, 9, bytes([9]) * 32)))
    assert shown(store) == ids(*ada.log()[:3])
    take(store, with_records(ada, rotated(ada, open_device(ada))))
    assert state_of(store, ada) == LogState(_log(ada), 3, b"")
    assert shown(store) == ids(*ada.log())
    assert void_of(store, eve.log()[4].id) is None


def test_orders_of_a_branch_count_only_while_it_is_selected(store: NodeStore) -> None:
    """The thief's branch deleted a post; with its branch the order falls away."""
    ada = Person(1)
    ada.posts(3)
    eve = ada.forked(CHANNEL_POSTS, 3)
    ada.posts(2)
    eve.write(CHANNEL_POSTS, Delete((EntryRange(1, 0, 0, ada.device),)))
    eve.posts(1)
    meet(store, ada)
    take(store, eve.run(), ada.run())
    first = ada.log()[0]
    assert first.id not in shown(store)
    take(store, with_records(ada, revoked(ada, (1, 4))))
    assert state_of(store, ada) == standing_at(ada, 4)
    take(store, ada.run())
    assert shown(store) == ids(*ada.log())


def test_a_long_branch_is_selected_as_a_whole(store: NodeStore) -> None:
    """The cap on what is kept beside a log does not hold for what is selected."""
    ada, eve = twins(1, 1, MAX_BRANCH_ENTRIES + 20)
    meet(store, ada)
    take(store, ada.run())
    runs = [
        eve.run(first=low, last=min(low + BLOCK, len(eve.log())) - 1)
        for low in range(0, len(eve.log()), BLOCK)
    ]
    take(store, *runs)
    top = len(eve.log()) - 1
    take(store, with_records(ada, revoked(eve, (1, top))))
    assert state_of(store, ada) == standing_at(ada, 0)
    assert set(take(store, *runs[::-1])) <= {Outcome.STORED, Outcome.DUPLICATE}
    assert state_of(store, ada) == standing_at(eve, top)
    assert held_entries(store, ada) == list(range(top + 1))


def test_a_long_branch_that_was_held_is_kept_whole_beside(store: NodeStore) -> None:
    """A thief with the root key must not make the owner's posts vanish everywhere."""
    ada, eve = twins(1, 2 * MAX_BRANCH_ENTRIES + 30, 2)
    meet(store, ada)
    take(store, *ada.runs(), eve.run())
    take(store, with_records(ada, revoked(eve, (1, 2))))
    assert state_of(store, ada) == standing_at(eve, 2)
    assert all(store.entry(entry.id) for entry in ada.log())
    take(store, with_records(ada, rotated(ada, open_device(ada))))
    assert state_of(store, ada) == LogState(_log(ada), 1, b"")
    assert all(store.entry(entry.id) for entry in (*ada.log(), *eve.log()))


ENDS = ("first", "second", "second, early", "third", "common", "nothing", "made up")


def _story(where: str, common: int, one: int, other: int) -> tuple[Person, list[Item], LogState]:
    ada, eve = twins(common, one, other)
    third = ada.forked(CHANNEL_POSTS, common)
    third.posts(2)
    none = LogState(_log(ada), -1, b"")
    below = standing_at(ada, common - 1) if common else none
    match where:
        case "first":
            record, state = revoked(ada, (1, common + one - 1)), standing_at(ada, common + one - 1)
        case "second":
            last = common + other - 1
            record, state = revoked(eve, (1, last)), standing_at(eve, last)
        case "second, early":
            record, state = revoked(eve, (1, common)), standing_at(eve, common)
        case "third":
            record, state = revoked(third, (1, common + 1)), below
        case "common":
            record = revoked(ada, (1, max(0, common - 1)))
            state = below if common else standing_at(ada, 0)
        case "nothing":
            record, state = revoked(ada), none
        case _:
            record, state = ended_at(ada, common + 1, bytes([7]) * 32), below
    items: list[Item] = [ada.run(), eve.run(), proof(ada, eve), with_records(ada, record)]
    return ada, items, state


@pytest.mark.parametrize("where", ENDS)
@pytest.mark.parametrize("common", [0, 3])
def test_every_order_ends_with_the_same(open_store: OpenStore, where: str, common: int) -> None:
    """Both branches, the proof and the record: 24 orders, one state, one timeline."""
    ada, items, state = _story(where, common, 3, 4)
    expected = None if state.seq < 0 else state
    ends: set[tuple[object, ...]] = set()
    for order in itertools.permutations(items):
        store = open_store()
        meet(store, ada)
        take_one_by_one(store, order)
        assert state_of(store, ada) == expected
        ends.add(_seen(store, items))
    assert len(ends) == 1


def take_one_by_one(store: NodeStore, items: Sequence[Item]) -> None:
    """Hand over each in a batch of its own."""
    for item in items:
        take(store, item)


def _seen(store: NodeStore, items: Sequence[Item]) -> tuple[object, ...]:
    """Return what must not depend on the order: what is shown, and why the rest is not."""
    entries = [entry for item in items if hasattr(item, "first") for entry in _entries(item)]
    held = [store.entry(entry) for entry in entries]
    return tuple(shown(store)), tuple(each and each.void for each in held)


def _entries(run: object) -> list[bytes]:
    from slowlight.protocol.run import Run, open_run

    assert isinstance(run, Run)
    return [entry.id for entry in open_run(run)]


@pytest.mark.parametrize("seed", range(16))
def test_both_stores_settle_alike(open_store: OpenStore, seed: int) -> None:
    """Pieces of three branches, records that end them here and there, and a rotation."""
    chance = random.Random(seed)
    common = chance.randint(0, 4)
    ada, eve = twins(common, chance.randint(1, 5), chance.randint(1, 5))
    third = ada.forked(CHANNEL_POSTS, chance.randint(0, common))
    third.posts(3)
    branches = [ada, eve, third]
    items: list[Item] = []
    for person in branches:
        for n in range(len(person.log())):
            last = chance.randrange(n, len(person.log()))
            items.append(person.run(first=n, last=last, signed=chance.random() < 0.7))
    for _ in range(chance.randint(1, 3)):
        person = chance.choice(branches)
        items.append(with_records(ada, revoked(person, (1, chance.randrange(len(person.log()))))))
    if chance.random() < 0.5:
        items.append(with_records(ada, rotated(ada, open_device(ada))))
    chance.shuffle(items)
    store, other = open_store(), MemoryStore(bytes(8))
    meet(store, ada)
    meet(other, ada)
    for item in items:
        assert take(store, item) == take(other, item)
        assert holdings(store, *branches) == holdings(other, *branches)
        for person in branches:
            for entry in person.log():
                assert store.entry(entry.id) == other.entry(entry.id)
