"""Two branches of one log convict its device; nothing else does."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from slowlight.protocol import fork as fork_module
from slowlight.protocol.digest import frozen_log_state
from slowlight.protocol.encoding import MAX_UINT, as_fields, pack, unpack
from slowlight.protocol.entry import (
    CHANNEL_POSTS,
    EMPTY_LOG,
    MAX_CHANNEL,
    MAX_EXT_BYTES,
    MAX_LAMPORT,
    MAX_PAYLOAD_BYTES,
    MAX_QUALITY,
    MAX_SEEN,
    MAX_SEQ,
    MAX_T_MS,
    Entry,
    LogHead,
    encode_header,
    hash_header,
    log_id,
    sign_entry,
    verify_entry,
)
from slowlight.protocol.errors import DecodeError, IntegrityError
from slowlight.protocol.fork import (
    MAX_BRANCH_ENTRIES,
    MAX_PROOF_BYTES,
    MAX_PROOF_FRAMES,
    ForkProof,
    Place,
    ProofAssembly,
    decode_fork,
    forked_log_state,
    kept_proof,
    place_in,
    proof_frames,
    prove_fork,
    verify_fork,
)
from slowlight.protocol.frames import MAX_BODY_BYTES, ProofFrame, decode_frames, encode_frame
from slowlight.protocol.hashing import ZERO_HASH
from slowlight.protocol.run import BLOCK, Run, build_run, open_run
from tests.people import Person
from tests.source_tree import ROOT
from tests.strategies import AUTHOR, damaged, logs
from tests.vector_files import FOLDER, in_hex, vector_file, vectors
from tests.vectors.make_fork import NAME, fork_text

USUAL_PROOF_BYTES: Final = 400
"""What a proof by two signed entries that cite nothing may cost."""


def proven(one: Run, other: Run) -> ForkProof:
    """Prove a fork, send the proof, and check it at the other end."""
    proof = prove_fork(one, other)
    assert proof is not None
    received = decode_fork(proof.encode())
    verify_fork(received)
    assert received == proof
    assert prove_fork(other, one) == proof
    return proof


def forked_people(seq: int, count: int = 3) -> tuple[Person, Person]:
    """Two machines with one device key that part at ``seq`` and write ``count`` posts each."""
    ada = Person(1)
    ada.posts(seq)
    clone = ada.forked(CHANNEL_POSTS, seq)
    ada.posts(count)
    clone.posts(count)
    return ada, clone


# Stories


def test_a_cloned_disk_is_proven_at_the_split() -> None:
    """Both machines go on from entry 6: their posts 7 convict the device, entry 6 stands."""
    ada, clone = forked_people(7)
    proof = proven(ada.run(), clone.run())
    assert (proof.device, proof.channel, proof.frozen_from) == (ada.device, CHANNEL_POSTS, 7)
    assert proof.reaches_split
    assert proof.vouched_id == ada.log()[6].id
    assert [branch.last for branch in proof.branches] == [9, 9]


def test_two_first_entries_leave_nothing_to_vouch_for() -> None:
    ada, clone = forked_people(0)
    proof = proven(ada.run(), clone.run())
    assert (proof.frozen_from, proof.reaches_split, proof.vouched_id) == (0, True, None)


def test_one_entry_that_continues_another_past_is_enough() -> None:
    """A reader holds 0..8, and a live post 9 names another entry 8, which nobody shows."""
    ada, clone = forked_people(7)
    proof = proven(ada.run(CHANNEL_POSTS, 0, 8), clone.run(CHANNEL_POSTS, 9))
    assert proof.frozen_from == 8
    assert (proof.reaches_split, proof.vouched_id) == (False, None)
    assert sorted((branch.first, branch.last) for branch in proof.branches) == [(8, 8), (9, 9)]


def test_two_entries_that_continue_different_pasts_are_enough() -> None:
    """Both hold only 9: the entries 8 that they name differ."""
    ada, clone = forked_people(7)
    proof = proven(ada.run(CHANNEL_POSTS, 9), clone.run(CHANNEL_POSTS, 9))
    assert (proof.frozen_from, proof.vouched_id) == (8, None)


def test_a_fork_is_proven_across_the_end_of_a_block() -> None:
    ada, clone = forked_people(BLOCK - 1)
    proof = proven(ada.run(CHANNEL_POSTS, 0, BLOCK - 1), clone.run(CHANNEL_POSTS, BLOCK))
    assert proof.frozen_from == BLOCK - 1


def test_one_more_entry_lets_the_proof_reach_lower() -> None:
    """First the fork is known from 8 on, then from 7 on, where the machines parted."""
    ada, clone = forked_people(7)
    early = proven(ada.run(CHANNEL_POSTS, 8), clone.run(CHANNEL_POSTS, 8))
    late = proven(ada.run(CHANNEL_POSTS, 9), clone.run(CHANNEL_POSTS, 9))
    split = proven(ada.run(), clone.run())
    assert [proof.frozen_from for proof in (late, early, split)] == [8, 7, 7]
    for order in itertools.permutations((late, early, split)):
        assert kept_proof(kept_proof(order[0], order[1]), order[2]) == split


def test_at_the_same_depth_the_shorter_proof_is_kept_then_the_lower_bytes() -> None:
    ada, clone = forked_people(7)
    short = proven(ada.run(CHANNEL_POSTS, 7, 7), clone.run(CHANNEL_POSTS, 7, 7))
    long = proven(ada.run(), clone.run())
    assert kept_proof(long, short) == kept_proof(short, long) == short
    third = ada.forked(CHANNEL_POSTS, 7)
    third.posts(1)
    rival = proven(ada.run(CHANNEL_POSTS, 7, 7), third.run(CHANNEL_POSTS, 7, 7))
    assert len(rival.encode()) == len(short.encode())
    assert kept_proof(rival, short).encode() == min(rival.encode(), short.encode())


def test_proofs_of_two_logs_are_both_kept() -> None:
    """One device forked two of its channels: neither proof replaces the other."""
    ada, clone = forked_people(7)
    posts = proven(ada.run(), clone.run())
    for person in (ada, clone):
        person.follow(person.log()[7].id)
    graph = proven(ada.run(0), clone.run(0))
    assert graph.device == posts.device
    with pytest.raises(ValueError, match="one proof is kept for each log"):
        kept_proof(posts, graph)


def test_a_forked_log_counts_as_frozen_and_stays_readable() -> None:
    ada, clone = forked_people(7)
    proof = proven(ada.run(), clone.run())
    log = log_id(ada.device, CHANNEL_POSTS)
    assert proof.log == log
    assert forked_log_state(proof) == frozen_log_state(log, 7)
    last = 6 + MAX_BRANCH_ENTRIES
    assert [place_in(proof, seq) for seq in (0, 6, 7, last, last + 1)] == [
        Place.COMMON,
        Place.COMMON,
        Place.BRANCH,
        Place.BRANCH,
        Place.BEYOND,
    ]


def test_payloads_and_lifetimes_are_no_part_of_a_proof() -> None:
    """Whoever holds the posts and whoever holds their stubs, later, prove the same."""
    ada = Person(1)
    clone = ada.forked(CHANNEL_POSTS, 0)
    for person in (ada, clone):
        person.post(expire_ms=1_000)
    held = proven(ada.run(), clone.run())
    aged = [entry._replace(remaining_ms=7) for entry in ada.log()]
    signature = ada.run().signature
    later = build_run(ada.device, CHANNEL_POSTS, ZERO_HASH, aged, signature)
    assert proven(later, clone.run(stubs={0})) == held
    assert [stub.payload for branch in held.branches for stub in branch.stubs] == [None, None]


def test_two_runs_of_one_branch_prove_nothing() -> None:
    ada = Person(1)
    ada.posts(12)
    runs = [ada.run(CHANNEL_POSTS, 0, 4), ada.run(CHANNEL_POSTS, 5), ada.run(CHANNEL_POSTS, 3, 8)]
    for one, other in itertools.product([*runs, ada.run()], repeat=2):
        assert prove_fork(one, other) is None


def test_branches_that_are_far_apart_prove_nothing_yet() -> None:
    ada, clone = forked_people(2, count=9)
    assert prove_fork(ada.run(CHANNEL_POSTS, 0, 4), clone.run(CHANNEL_POSTS, 6)) is None


def test_a_run_that_is_not_signed_convicts_nobody() -> None:
    ada, clone = forked_people(3)
    good = ada.run()
    with pytest.raises(ValueError, match="signed runs"):
        prove_fork(good, clone.run(signed=False))
    with pytest.raises(ValueError, match="one log"):
        prove_fork(good, ada.run(0))
    for junk in (
        replace(clone.run(), signature=bytes(64)),
        replace(clone.run(), prev=ZERO_HASH, first=1),
    ):
        with pytest.raises(IntegrityError):
            prove_fork(good, junk)


def test_nobody_else_can_convict_a_device() -> None:
    """Bob signs a branch of ada's log himself, or shows two branches of his own as hers."""
    ada, clone = forked_people(3)
    bob = Person(2)
    proof = proven(ada.run(), clone.run())
    for device, forged in (
        (ada.device, [sign_entry(bob.key.secret, b.stubs[-1].id) for b in proof.branches]),
        (bob.device, [b.signature for b in proof.branches]),
        (ada.device, [b.signature for b in proof.branches[::-1]]),
    ):
        one, other = (
            replace(branch, signature=signature)
            for branch, signature in zip(proof.branches, forged, strict=True)
        )
        with pytest.raises(IntegrityError):
            verify_fork(replace(proof, device=device, branches=(one, other)))


def test_a_proof_costs_two_signature_checks_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bytes] = []

    def counted(device: bytes, entry_id: bytes, signature: bytes) -> None:
        checked.append(entry_id)
        verify_entry(device, entry_id, signature)

    monkeypatch.setattr(fork_module, "verify_entry", counted)
    ada, clone = forked_people(0, count=BLOCK)
    proof = prove_fork(ada.run(), clone.run())
    assert proof is not None
    verify_fork(decode_fork(proof.encode()))
    assert checked == [branch.stubs[-1].id for branch in proof.branches]


# Any fork


Continuations = tuple[bytes, list[Entry], list[Entry]]


@st.composite
def continuations(draw: st.DrawFn) -> Continuations:
    """Two continuations of one entry: its id, and the entries of each."""
    first = draw(st.just(0) | st.integers(1, BLOCK + 1) | st.integers(1, MAX_SEQ - 2 * BLOCK))
    head = EMPTY_LOG if first == 0 else LogHead(first - 1, b"\x07" * 32, first)
    most = min(5, BLOCK - first % BLOCK)
    common: list[Entry] = []
    if most > 1 and draw(st.booleans()):
        common.extend(draw(logs(head=head, most=most - 1)))
    after = LogHead(common[-1].seq, common[-1].id, common[-1].lamport) if common else head
    one, other = (draw(logs(head=after, most=most - len(common))) for _ in range(2))
    return head.id, [*common, *one], [*common, *other]


def drawn_run(data: st.DataObject, prev: bytes, entries: Sequence[Entry]) -> Run:
    """A signed run of some consecutive ones of these entries."""
    begin = data.draw(st.integers(0, len(entries) - 1))
    end = data.draw(st.integers(begin, len(entries) - 1))
    signature = sign_entry(AUTHOR.secret, entries[end].id)
    before = entries[begin - 1].id if begin else prev
    return build_run(AUTHOR.public, CHANNEL_POSTS, before, entries[begin : end + 1], signature)


def ids_of(run: Run) -> dict[int, bytes]:
    """Every id that a run vouches for, that below its first entry included."""
    below = {run.first - 1: run.prev} if run.first else {}
    return below | {entry.seq: entry.id for entry in open_run(run)}


@given(continuations(), st.data())
def test_any_two_different_continuations_convict_at_their_lowest_difference(
    drawn: Continuations, data: st.DataObject
) -> None:
    prev, *both = drawn
    one, other = (drawn_run(data, prev, entries) for entries in both)
    ids, others = ids_of(one), ids_of(other)
    different = [seq for seq in ids.keys() & others.keys() if ids[seq] != others[seq]]
    if not different:
        assert prove_fork(one, other) is None
        return
    proof = proven(one, other)
    assert proof.frozen_from == min(different)
    below = ids.get(proof.frozen_from - 1)
    agreed = below is not None and below == others.get(proof.frozen_from - 1)
    assert proof.vouched_id == (below if agreed else None)


@given(continuations(), st.data())
def test_damage_never_convicts(drawn: Continuations, data: st.DataObject) -> None:
    """Malformed or forged; nothing else is raised, and no other bytes are a proof."""
    prev, *both = drawn
    proof = prove_fork(*(drawn_run(data, prev, entries) for entries in both))
    assume(proof is not None)
    assert proof is not None
    hit = data.draw(damaged(proof.encode()))
    assume(hit != proof.encode())
    with pytest.raises((DecodeError, IntegrityError)):
        verify_fork(decode_fork(hit))


@given(st.binary(max_size=300))
def test_junk_is_no_proof(junk: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_fork(junk)


def test_swapped_branches_are_another_form_of_the_same_proof_and_refused() -> None:
    ada, clone = forked_people(3)
    value = unpack(proven(ada.run(), clone.run()).encode(), max_bytes=MAX_BODY_BYTES)
    *head, one, other = as_fields(value, 5, "fork proof")
    with pytest.raises(DecodeError, match="differ and rise"):
        decode_fork(pack((*head, other, one)))
    with pytest.raises(DecodeError, match="differ and rise"):
        decode_fork(pack((*head, one, one)))


# How large a proof is


def largest_branch(count: int, number: int, most_seen: int, exts: Sequence[bytes]) -> Run:
    """Stubs that are as long to write as their fields allow, in the last full block."""
    first = 2**32 - 2 * BLOCK
    prev = b"\x07" * 32
    seen = tuple(bytes([each]) * 32 for each in range(most_seen))
    entries: list[Entry] = []
    for seq, ext in zip(
        range(first, first + count), itertools.chain(exts, itertools.repeat(b"")), strict=False
    ):
        high = seq % 2 == 0
        entry = Entry(
            seq,
            id=ZERO_HASH,
            t_ms=MAX_T_MS if high else 0,
            t_quality=MAX_QUALITY - high,
            lamport=MAX_LAMPORT if high else 0,
            seen=seen,
            expire_ms=MAX_UINT,
            remaining_ms=0,
            size=MAX_PAYLOAD_BYTES,
            payload_hash=bytes([number]) * 32,
            ext=ext,
            payload=None,
        )
        header = encode_header(AUTHOR.public, MAX_CHANNEL, prev, entry)
        entries.append(entry._replace(id=hash_header(header)))
        prev = entries[-1].id
    signature = sign_entry(AUTHOR.secret, entries[-1].id)
    return build_run(AUTHOR.public, MAX_CHANNEL, b"\x07" * 32, entries, signature)


def largest_proof(count: int, *, most_seen: int, exts: Sequence[bytes] = ()) -> ForkProof:
    """The longest proof of so many stubs in each branch; ``exts``: those of the first ones."""
    return proven(
        largest_branch(count, 1, most_seen, exts), largest_branch(count, 2, most_seen, exts)
    )


def test_two_signed_posts_convict_in_400_bytes() -> None:
    assert len(largest_proof(1, most_seen=0).encode()) <= USUAL_PROOF_BYTES


def test_the_page_names_the_size_of_every_kind_of_proof() -> None:
    exts = [b"x" * MAX_EXT_BYTES] * BLOCK
    measured = [
        proven(*(person.run() for person in forked_people(7, count=1))),
        largest_proof(1, most_seen=0),
        proven(*(person.run() for person in forked_people(0, count=BLOCK))),
        largest_proof(BLOCK, most_seen=0),
        largest_proof(BLOCK, most_seen=MAX_SEEN),
        largest_proof(BLOCK, most_seen=MAX_SEEN, exts=exts),
    ]
    page = (ROOT / "docs" / "protocol" / "forks.md").read_text(encoding="utf-8")
    table = page.split("| Proof | Bytes |")[1].split("\n\n")[0]
    assert re.findall(r"\| ([\d,]+) \|$", table, re.MULTILINE) == [
        f"{len(proof.encode()):,}" for proof in measured
    ]
    assert [len(proof_frames(proof)) for proof in measured] == [1, 1, 1, 1, 3, MAX_PROOF_FRAMES]


def test_the_longest_proof_fills_its_limit_and_travels_in_parts() -> None:
    proof = largest_proof(BLOCK, most_seen=MAX_SEEN, exts=[b"x" * MAX_EXT_BYTES] * BLOCK)
    assert len(proof.encode()) == MAX_PROOF_BYTES
    frames = proof_frames(proof)
    assert len(frames) == MAX_PROOF_FRAMES
    assembly = ProofAssembly()
    *parts, whole = (assembly.add(frame) for frame in sent(frames))
    assert parts == [None] * (MAX_PROOF_FRAMES - 1)
    assert whole == proof


def sent(frames: Sequence[ProofFrame]) -> Iterator[ProofFrame]:
    """The frames as a receiver reads them from a message."""
    for frame in decode_frames(b"".join(map(encode_frame, frames))):
        assert isinstance(frame, ProofFrame)
        yield frame


def test_proofs_follow_each_other_in_one_assembly() -> None:
    ada, clone = forked_people(3)
    short = proven(ada.run(), clone.run())
    long = largest_proof(BLOCK, most_seen=MAX_SEEN)
    assembly = ProofAssembly()
    found = [assembly.add(frame) for each in (short, long, short) for frame in proof_frames(each)]
    assert [proof for proof in found if proof] == [short, long, short]


def test_parts_without_end_are_refused_at_the_longest_proof() -> None:
    """Who goes on and on fills no more than four frames of memory, and can begin anew."""
    assembly = ProofAssembly()
    part = ProofFrame(bytes(MAX_BODY_BYTES))
    for _ in range(MAX_PROOF_FRAMES - 1):
        assert assembly.add(part) is None
    with pytest.raises(DecodeError, match=f"at most {MAX_PROOF_BYTES}"):
        assembly.add(part)
    ada, clone = forked_people(3)
    proof = proven(ada.run(), clone.run())
    assert assembly.add(*proof_frames(proof)) == proof


def test_a_proof_that_fills_its_frame_is_ended_by_an_empty_one() -> None:
    count = 166
    gap = MAX_BODY_BYTES - len(largest_proof(count, most_seen=4).encode())
    usual, last = divmod(gap // 2, 33)
    full = largest_proof(count, most_seen=4, exts=[b"x" * 32] * usual + [b"x" * (last - 1)])
    assert [len(frame.data) for frame in proof_frames(full)] == [MAX_BODY_BYTES, 0]
    assembly = ProofAssembly()
    assert [assembly.add(frame) for frame in proof_frames(full)] == [None, full]


# The vectors


def test_the_committed_vectors_are_those_that_were_written_by_hand() -> None:
    assert (FOLDER / NAME).read_text(encoding="ascii") == fork_text()


@vectors("fork", expect="accept")
def test_a_proof_convicts_and_says_what_stands(case: dict[str, Any]) -> None:
    proof = decode_fork(bytes.fromhex(case["hex"]))
    verify_fork(proof)
    assert proof.encode().hex() == case["hex"]
    assert (in_hex(proof.device), proof.channel) == (case["device"], case["channel"])
    assert (in_hex(proof.log), proof.frozen_from) == (case["log"], case["frozen_from"])
    assert in_hex(proof.vouched_id or b"") == case["vouched_id"]
    assert forked_log_state(proof).hex() == case["state"]
    found = [[branch.first, branch.last, branch.stubs[-1].id.hex()] for branch in proof.branches]
    assert found == case["branches"]


@vectors("fork", refused_by="form")
def test_a_proof_of_another_form_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        decode_fork(bytes.fromhex(case["hex"]))


@vectors("fork", refused_by="proof")
def test_a_proof_that_the_device_did_not_sign_is_refused(case: dict[str, Any]) -> None:
    proof = decode_fork(bytes.fromhex(case["hex"]))
    with pytest.raises(IntegrityError):
        verify_fork(proof)


def test_of_several_proofs_of_one_log_every_reader_keeps_the_same() -> None:
    """The file lists proofs of one log, the one to keep first, each before those it beats."""
    ranked = [decode_fork(bytes.fromhex(data)) for data in vector_file("fork")["ranked"]]
    for better, worse in itertools.combinations(ranked, 2):
        assert kept_proof(better, worse) == kept_proof(worse, better) == better
