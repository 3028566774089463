"""A forked log that a record ends: whoever meets in whatever order ends with the same state."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from slowlight.protocol.entry import CHANNEL_POSTS
from slowlight.protocol.fork import prove_fork
from slowlight.protocol.frames import LogState, RunFrame
from slowlight.store.base import LogKey, NodeStore
from slowlight.store.sqlite import SqliteStore
from tests.owners import revoked, with_records
from tests.people import Person, twins
from tests.sync_ends import Node, meet


def states(node: Node) -> list[LogState]:
    """Return the states of all that a node offers, sorted."""
    return sorted(node.store.states(node.roster))


def digest(node: Node) -> bytes:
    """Return the digest of all that a node would offer to one who wants the same."""
    return node.offers.index(node.roster).digest()


def newest(node: Node, person: Person) -> tuple[int, bytes]:
    """Return the state of the posts of a person at a node."""
    log = next(each for each in states(node) if node.store.log_key(each.log) == _posts(person))
    return log.seq, log.id


def _posts(person: Person) -> LogKey:
    return LogKey(person.device, CHANNEL_POSTS)


@pytest.mark.parametrize("on", ["one", "other"])
@pytest.mark.parametrize(
    ("common", "one", "other"), [(3, 2, 2), (0, 5, 3), (4, 3, 300), (250, 300, 20), (1, 700, 600)]
)
def test_two_branches_meet_who_ended_the_log(on: str, common: int, one: int, other: int) -> None:
    """Both hold the record, each one branch: the selected one is shown on both sides."""
    ada, eve = twins(common, one, other)
    branch = ada if on == "one" else eve
    end = len(branch.log()) - 1
    left, right = Node(Person(101), ada), Node(Person(102), ada)
    left.take_all(ada)
    right.take_all(eve)
    for node in (left, right):
        node.take(with_records(ada, revoked(branch, (1, end))))
    meet(left, right)
    meet(left, right)
    for node in (left, right):
        assert newest(node, ada) == (end, branch.log()[end].id)
        assert len(node.store.timeline(limit=9_999)) == end + 1
        assert list(node.store.holes(node.roster)) == []
    assert digest(left) == digest(right)
    assert not meet(left, right).frames_of(RunFrame)


def test_who_is_new_gets_the_selected_branch(tmp_path: Path) -> None:
    """And the proof, and nothing of the other one but what the proof shows."""
    ada, eve = twins(3, 4, 5)
    left = Node(Person(101), ada)
    left.take_all(ada)
    left.take(*eve.runs(), with_records(ada, revoked(eve, (1, 6))))
    store = SqliteStore(tmp_path / "new.db")
    fresh = Node(Person(102), ada, store=store)
    meet(left, fresh)
    meet(left, fresh)
    assert states(left) == states(fresh)
    assert newest(fresh, ada) == (6, eve.log()[6].id)
    shown = {post.held.entry.id for post in store.timeline()}
    assert shown == {entry.id for entry in eve.log()[:7]}
    for entry in ada.log()[3:]:
        held = store.entry(entry.id)
        assert held is None or (held.void is not None and held.entry.payload is None)
    store.close()


def test_who_is_new_gets_what_is_common_when_neither_branch_is_selected() -> None:
    """The end is known to nobody; the proof vouches for the last common entry."""
    ada, eve = twins(5, 4, 5)
    third = ada.forked(CHANNEL_POSTS, 5)
    third.posts(9)
    left = Node(Person(101), ada)
    left.take_all(ada)
    left.take(*eve.runs(), with_records(ada, revoked(third, (1, 13))))
    fresh = Node(Person(102), ada)
    meet(left, fresh)
    meet(left, fresh)
    assert states(left) == states(fresh)
    assert newest(fresh, ada) == (4, ada.log()[4].id)
    assert len(fresh.store.timeline()) == 5


@pytest.mark.parametrize("seed", range(20))
def test_all_who_meet_end_as_the_record_says(seed: int) -> None:
    """A holder of each branch, of the record, of the proof, and one of nothing; any meetings."""
    chance = random.Random(seed)
    ada, eve = twins(chance.randint(0, 4), 3, chance.randint(1, 6))
    branch = chance.choice([ada, eve])
    end = chance.randrange(len(branch.log()))
    nodes = [Node(Person(100 + n), ada) for n in range(4)]
    nodes[0].take_all(ada)
    nodes[1].take_all(eve)
    nodes[2].take(with_records(ada, revoked(branch, (1, end))))
    proof = prove_fork(ada.run(), eve.run())
    assert proof is not None
    if chance.random() < 0.5:
        nodes[3].take(ada.verified_ident(), proof)
    pairs = list(itertools.combinations(nodes, 2))
    for _ in range(3):
        chance.shuffle(pairs)
        for left, right in pairs:
            meet(left, right)
    assert all(states(node) == states(nodes[0]) for node in nodes)
    assert len({digest(node) for node in nodes}) == 1
    for node in nodes:
        assert newest(node, ada) == (end, branch.log()[end].id)
        assert shown(node.store) == [entry.id for entry in branch.log()[: end + 1]]


def shown(store: NodeStore) -> list[bytes]:
    """Return the ids in the timeline by their number."""
    posts = sorted(store.timeline(limit=999), key=lambda post: post.held.entry.seq)
    return [post.held.entry.id for post in posts]
