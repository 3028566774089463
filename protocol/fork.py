"""Fork proofs: two branches of one log, both signed by its device.

A branch is a few consecutive headers under the signature of the last one. It vouches for the
id of each of its entries and, by ``prev``, for that of the entry before the first. Two branches
that vouch for different ids of one sequence number can only come from the holder of the device
key, so a proof needs neither the log nor anybody's word. Sources: section "Forks" of
``docs/protocol/forks.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from .digest import frozen_log_state
from .encoding import (
    Value,
    as_bytes,
    as_bytes_upto,
    as_fields,
    as_uint,
    as_versioned_fields,
    pack,
    unpack,
)
from .entry import (
    KEY_BYTES,
    MAX_CHANNEL,
    SIGNATURE_BYTES,
    VERSION,
    Entry,
    log_id,
    verify_entry,
)
from .errors import DecodeError
from .frames import MAX_BODY_BYTES, ProofFrame
from .run import Run, build_run, open_run, rebuild_run, take_place

MAX_PROOF_BYTES: Final = 198_419
"""Two branches of 256 stubs with every field at its largest and 8 ids in ``seen``."""
MAX_PROOF_FRAMES: Final = -(-MAX_PROOF_BYTES // MAX_BODY_BYTES)

MAX_BRANCH_ENTRIES: Final = 1_024
"""Entries from the lowest forked one on that a node still takes of each branch: four blocks."""

_PROOF_FIELDS: Final = 5
_BRANCH_FIELDS: Final = 6


@dataclass(frozen=True, slots=True)
class Branch:
    """Consecutive entries inside one block of 256, and the signature of the last."""

    prev: bytes
    """Id of the entry before the first; 32 zero bytes at sequence 0."""
    stubs: tuple[Entry, ...]
    """1..256 entries without payload and remaining lifetime."""
    signature: bytes

    @property
    def first(self) -> int:
        """Sequence number of the first entry."""
        return self.stubs[0].seq

    @property
    def last(self) -> int:
        """Sequence number of the signed entry."""
        return self.stubs[-1].seq

    def id_at(self, seq: int) -> bytes:
        """Return the id that the branch vouches for at ``seq``, from first - 1 to last."""
        return self.prev if seq < self.first else self.stubs[seq - self.first].id

    def cut_to(self, first: int) -> Branch:
        """Return the branch from entry ``first`` on."""
        return replace(self, prev=self.id_at(first - 1), stubs=self.stubs[first - self.first :])


@dataclass(frozen=True, slots=True)
class ForkProof:
    """Two branches of one log that differ at `frozen_from`; see `decode_fork`, `prove_fork`.

    The branches begin where their difference does: both at the first entries that differ, or,
    where that is not known to be the first difference, both behind it, unless a branch has
    nothing there and is the differing entry alone.
    """

    device: bytes
    channel: int
    branches: tuple[Branch, Branch]
    """The one with the lower id at `frozen_from` comes first."""

    @property
    def log(self) -> bytes:
        """Id of the forked log."""
        return log_id(self.device, self.channel)

    @property
    def reaches_split(self) -> bool:
        """Both branches continue one entry, or begin the log: nothing below has forked there."""
        one, other = self.branches
        return one.first == other.first and one.prev == other.prev

    @property
    def frozen_from(self) -> int:
        """The lowest sequence number that is proven to have two entries."""
        highest_first = max(branch.first for branch in self.branches)
        return highest_first if self.reaches_split else highest_first - 1

    @property
    def vouched_id(self) -> bytes | None:
        """Id of the entry below `frozen_from`; None if there is none or the branches may differ."""
        return self.branches[0].prev if self.reaches_split and self.frozen_from else None

    def encode(self) -> bytes:
        """Return the proof as it travels in PROOF frames and is kept."""
        return pack((VERSION, self.device, self.channel, *map(self._branch_value, self.branches)))

    def _branch_value(self, branch: Branch) -> Value:
        run = build_run(self.device, self.channel, branch.prev, branch.stubs, None)
        prev = branch.prev if branch.first else b""
        return (run.first, prev, run.count, run.columns, run.bodies, branch.signature)


def decode_fork(data: bytes) -> ForkProof:
    """Decode a proof strictly; afterwards only its two signatures are in doubt.

    Rebuilds at most 512 headers and checks no signature.

    Raises:
        DecodeError: not the one form of a proof of two different entries.
    """
    value = unpack(data, max_bytes=MAX_PROOF_BYTES, max_items=_BRANCH_FIELDS, what="fork proof")
    fields = as_versioned_fields(value, VERSION, _PROOF_FIELDS, "fork proof")
    device = as_bytes(fields[1], KEY_BYTES, "fork proof device")
    channel = as_uint(fields[2], MAX_CHANNEL, "fork proof channel")
    one, other = (_decode_branch(field, device, channel) for field in fields[3:])
    proof = ForkProof(device, channel, (one, other))
    _require_one_form(proof)
    return proof


def _decode_branch(value: Value, device: bytes, channel: int) -> Branch:
    what = "fork proof branch"
    fields = as_fields(value, _BRANCH_FIELDS, what)
    first, count, prev = take_place(fields[0], fields[2], fields[1], what)
    columns = as_bytes_upto(fields[3], MAX_PROOF_BYTES, f"{what} columns")
    hashes = as_bytes_upto(fields[4], MAX_PROOF_BYTES, f"{what} hashes")
    signature = as_bytes(fields[5], SIGNATURE_BYTES, f"{what} signature")
    run = Run(device, channel, first, count, prev, columns, hashes, None, None)
    stubs = tuple(rebuild_run(run))
    if any(stub.payload is not None or stub.remaining_ms for stub in stubs):
        raise DecodeError(f"{what}: an entry with a payload or a remaining lifetime")
    return Branch(prev, stubs, signature)


def _require_one_form(proof: ForkProof) -> None:
    """Require branches that differ, in order, and begin nowhere else than they have to."""
    lower, higher = sorted(proof.branches, key=lambda branch: branch.first)
    if higher.first - lower.first > 1 or (lower.first < higher.first and len(lower.stubs) > 1):
        raise DecodeError("fork proof: a branch begins below the difference")
    one, other = (branch.id_at(proof.frozen_from) for branch in proof.branches)
    if one >= other:
        raise DecodeError("fork proof: the ids of the branches do not differ and rise")


def verify_fork(proof: ForkProof) -> None:
    """Check a decoded proof: two signature checks at most.

    Raises:
        IntegrityError: the device did not sign both branches.
    """
    for branch in proof.branches:
        verify_entry(proof.device, branch.stubs[-1].id, branch.signature)


def prove_fork(one: Run, other: Run) -> ForkProof | None:
    """Prove a fork from two signed runs of one log, at the lowest sequence number they show.

    The runs may begin anywhere; what overlaps or adjoins is compared. Both signatures are
    checked, so that nobody spreads a proof that does not hold.

    Returns:
        The proof, or None if the runs show no two ids of one sequence number: they are of one
        branch, or too far apart.

    Raises:
        IntegrityError: a signature does not prove its run.
        DecodeError: a run with malformed columns.
        ValueError: runs of different logs, or without signature.
    """
    if (one.device, one.channel) != (other.device, other.channel):
        raise ValueError("a fork is proven by two runs of one log")
    branches = (_branch_of(one), _branch_of(other))
    seq = _lowest_difference(*branches)
    if seq is None:
        return None
    both_have_it = seq >= max(branch.first for branch in branches)
    start = seq if both_have_it else seq + 1
    low, high = sorted(branches, key=lambda branch: branch.id_at(seq))
    return ForkProof(
        one.device,
        one.channel,
        (low.cut_to(min(start, low.last)), high.cut_to(min(start, high.last))),
    )


def _branch_of(run: Run) -> Branch:
    if run.signature is None:
        raise ValueError("a fork is proven by signed runs")
    stubs = tuple(entry._replace(payload=None, remaining_ms=0) for entry in open_run(run))
    return Branch(run.prev, stubs, run.signature)


def _lowest_difference(one: Branch, other: Branch) -> int | None:
    first = max(one.first, other.first) - 1
    last = min(one.last, other.last)
    return next((n for n in range(first, last + 1) if one.id_at(n) != other.id_at(n)), None)


def kept_proof(held: ForkProof, offered: ForkProof) -> ForkProof:
    """Return which of two verified proofs of one log is kept.

    The lower `frozen_from`; then the one that vouches for the entry below; then the shorter;
    then the lower bytes. Any order of arrival ends with the same proof.

    Raises:
        ValueError: proofs of different logs.
    """
    if held.log != offered.log:
        raise ValueError("one proof is kept for each log; these are of two")
    return min(held, offered, key=_rank)


def _rank(proof: ForkProof) -> tuple[int, bool, int, bytes]:
    data = proof.encode()
    return proof.frozen_from, not proof.reaches_split, len(data), data


def forked_log_state(proof: ForkProof) -> bytes:
    """Return the canonical state of the log that the proof freezes."""
    return frozen_log_state(proof.log, proof.frozen_from)


class Place(Enum):
    """Where an entry of a forked log stands."""

    COMMON = "common"
    """Below the fork: valid, served and read like any other."""
    BRANCH = "branch"
    """On one of two branches: kept and read with a mark; the state of the log ends below."""
    BEYOND = "beyond"
    """Past what is taken of a branch: kept and read if it was held before the proof came."""


def place_in(proof: ForkProof, seq: int) -> Place:
    """Return where the entries of sequence number ``seq`` of the forked log stand."""
    if seq < proof.frozen_from:
        return Place.COMMON
    return Place.BRANCH if seq < proof.frozen_from + MAX_BRANCH_ENTRIES else Place.BEYOND


def proof_frames(proof: ForkProof) -> list[ProofFrame]:
    """Return the frames that carry a proof: one, unless hundreds of stubs cite many entries.

    A body as long as a frame allows goes on in the next PROOF frame; a shorter one ends it.
    """
    data = proof.encode()
    starts = range(0, len(data) + 1, MAX_BODY_BYTES)
    return [ProofFrame(data[at : at + MAX_BODY_BYTES]) for at in starts]


class ProofAssembly:
    """Puts the proofs of one sender together; its frames must come in order."""

    def __init__(self) -> None:
        self._data = b""

    def add(self, frame: ProofFrame) -> ForkProof | None:
        """Take the next frame; return the proof that it ends, not verified yet.

        Raises:
            DecodeError: not a proof, or longer than one can be; the next frame begins anew.
        """
        data, self._data = self._data + frame.data, b""
        if len(frame.data) == MAX_BODY_BYTES and len(data) <= MAX_PROOF_BYTES:
            self._data = data
            return None
        return decode_fork(data)
