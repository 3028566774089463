"""Fork proofs travel first, and everybody who meets ends with the same one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slowlight.protocol.entry import CHANNEL_POSTS
from slowlight.protocol.errors import IntegrityError
from slowlight.protocol.fork import ForkProof, prove_fork
from slowlight.protocol.frames import (
    DigestFrame,
    Have,
    Hello,
    IdentFrame,
    ProofFrame,
    RosterPart,
    RunFrame,
    encode_frame,
)
from slowlight.protocol.question_frames import Reconcile
from slowlight.store.base import LogKey
from tests.people import Person, twins
from tests.sync_ends import Link, Node, meet


def holder(number: int, author: Person) -> Node:
    """Return a node that holds everything of one branch."""
    node = Node(Person(100 + number), author)
    node.take_all(author)
    return node


def proof_at(node: Node, author: Person) -> ForkProof | None:
    """Return the proof that a node keeps of an author's posts."""
    return node.store.fork(LogKey(author.device, CHANNEL_POSTS))


def digest(node: Node) -> bytes:
    """Return the digest of all that a node would offer to one who wants the same."""
    return node.offers.index(node.roster).digest()


def holds(node: Node, authors: Sequence[Person]) -> bool:
    """Say whether every post of these branches can be read."""
    return all(
        (held := node.store.entry(entry.id)) is not None and held.entry.payload == entry.payload
        for author in authors
        for entry in author.log()
    )


@pytest.mark.parametrize(
    ("common", "one", "other"),
    [(3, 2, 2), (3, 1, 5), (0, 1, 1), (0, 5, 3), (4, 3, 300), (250, 300, 20), (1, 700, 600)],
)
def test_two_branches_meet(common: int, one: int, other: int) -> None:
    """Whatever their lengths: one proof at the split, equal digests, both branches readable."""
    ada, eve = twins(common, one, other)
    left, right = holder(1, ada), holder(2, eve)
    meet(left, right)
    assert proof_at(left, ada) == proof_at(right, ada)
    assert digest(left) == digest(right)
    for node in (left, right):
        found = proof_at(node, ada)
        assert found is not None
        assert (found.frozen_from, found.reaches_split) == (common, True)
        assert holds(node, [ada, eve])
    meet(left, right)  # each confirms to the other what it learned last
    again = meet(left, right)
    assert not again.frames_of(ProofFrame)
    assert not again.frames_of(RunFrame)


def test_a_proof_goes_before_everything_else() -> None:
    """To who wants the log: only greetings, short questions and whose log it is go first."""
    ada, eve = twins(3, 2, 2)
    left, right = holder(1, ada), holder(2, eve)
    meet(left, right)
    third = Node(Person(103), ada)
    link = meet(left, third)
    kinds = [type(frame) for sender, frame in link.frames if sender == 0]
    before = set(itertools.takewhile(lambda kind: kind is not ProofFrame, kinds))
    assert before <= {Hello, RosterPart, IdentFrame, Reconcile}
    assert kinds.index(ProofFrame) < kinds.index(DigestFrame)
    assert proof_at(third, ada) == proof_at(left, ada)
    assert holds(third, [ada, eve])
    assert digest(third) == digest(left)


def test_a_proof_goes_only_to_who_wants_the_log() -> None:
    """Others are not told."""
    ada, eve = twins(3, 2, 2)
    left, right = holder(1, ada), holder(2, eve)
    meet(left, right)
    stranger = Node(Person(104), Person(9))
    assert not meet(left, stranger).frames_of(ProofFrame)


def test_a_long_proof_takes_several_frames() -> None:
    """Entries with all they can cite, on both branches."""
    ada = Person(1)
    eve = ada.forked(CHANNEL_POSTS, 0)
    for person, salt in ((ada, 0), (eve, 1)):
        for n in range(256):
            person.post(seen=sorted(bytes([i, salt, n]) * 10 + bytes(2) for i in range(8)))
    left, right = holder(1, ada), holder(2, eve)
    link = meet(left, right)
    assert len(link.frames_of(ProofFrame)) > 1
    assert proof_at(left, ada) == proof_at(right, ada)


def test_a_false_proof_ends_the_session() -> None:
    """The peer made it up; what is held stays as it was."""
    ada, eve = twins(3, 2, 2)
    good = prove_fork(ada.run(), eve.run())
    assert good is not None
    bad = bytearray(good.encode())
    bad[-1] ^= 1
    left, right = holder(1, ada), Node(Person(102), ada)
    link = Link(left, right)
    link.talk()
    left_end = link.ends[0]
    left_end.receive(encode_frame(ProofFrame(bytes(bad))))
    with pytest.raises(IntegrityError):
        left_end.commit(0)
    assert proof_at(left, ada) is None


def test_a_fork_is_told_on_live_links() -> None:
    """The proof is pushed as soon as it is known, without being asked for."""
    ada, eve = twins(3, 2, 2)
    left, right = holder(1, ada), holder(2, ada)
    link = Link(left, right)
    assert link.talk()
    left.take(*eve.runs())
    link.ends[0].store_changed()
    assert link.talk()
    assert proof_at(right, ada) == proof_at(left, ada) is not None
    assert digest(left) == digest(right)


def test_a_state_with_the_same_number_and_another_id_is_looked_at() -> None:
    """Nobody is behind, and still somebody lied."""
    ada, eve = twins(5, 1, 1)
    left, right = holder(1, ada), holder(2, eve)
    link = meet(left, right)
    assert link.frames_of(Have)
    assert proof_at(left, ada) == proof_at(right, ada) is not None


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_all_who_meet_end_with_the_same_proof(data: st.DataObject) -> None:
    """Several branches, several nodes, links that are cut, any order of meetings."""
    trunk = Person(data.draw(st.integers(1, 5)))
    trunk.posts(data.draw(st.integers(0, 5)))
    branches = [trunk]
    for _ in range(data.draw(st.integers(1, 3))):
        base = data.draw(st.sampled_from(branches))
        at = data.draw(st.integers(0, len(base.log())))
        branches.append(base.forked(CHANNEL_POSTS, at))
        branches[-1].posts(data.draw(st.integers(1, 5)))
    trunk.posts(data.draw(st.integers(0, 5)))
    nodes = [Node(Person(100 + n), trunk) for n in range(data.draw(st.integers(2, 4)))]
    for node in nodes:
        node.take_all(data.draw(st.sampled_from(branches)))
    pairs = list(itertools.permutations(range(len(nodes)), 2))
    for one, other in data.draw(st.lists(st.sampled_from(pairs), max_size=6)):
        Link(nodes[one], nodes[other]).talk(cut_after=data.draw(st.integers(1, 12)))
    for _ in range(len(nodes)):
        for left, right in data.draw(st.permutations(list(itertools.combinations(nodes, 2)))):
            meet(left, right)
    proofs = [proof_at(node, trunk) for node in nodes]
    assert len({proof and proof.encode() for proof in proofs}) == 1
    assert len({digest(node) for node in nodes}) == 1
