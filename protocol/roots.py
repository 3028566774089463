"""Which root key speaks in which epoch: the tree of rotations and the branch of it that wins.

The inception names the root key of epoch 0 and commits to the rotation key of epoch 1. Each
rotation is signed by the rotation key that was committed to, names the root key of its epoch and
commits to the rotation key of the next, so a root key never decides which one is next.
Two rotations may continue the same predecessor, so rotations form a tree. From the inception
on always the continuation with the lower hash wins: whoever holds the same rotations, in
whatever order they came, finds the same chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from .errors import DecodeError, IntegrityError
from .identity import MAX_EPOCH, Inception, Rotation, SignedRecord, commitment, decode_rotation
from .signing import CONTEXT_ROTATION, verify

SignatureCheck: TypeAlias = Callable[[bytes, bytes, SignedRecord], bool]
"""Whether a public key signed a record in a context: ``check(key, context, record)``.

It has to answer for exactly this key. Which key an epoch has may change when a rival rotation
arrives, so "verified once" may be remembered only together with the key.
"""

UNCONTESTED: Final = MAX_EPOCH + 1


class Flaw(Enum):
    """Why a record counts for nothing."""

    MALFORMED = "malformed"
    FOREIGN = "foreign"
    """It is about another identity."""
    UNPROVEN = "unproven"
    """The key or signature is wrong, or a rotation skips an epoch: a forgery."""
    ORPHAN = "orphan"
    """No rotation here opened its epoch, or is its predecessor. One that comes later may."""
    LOST = "lost"
    """Of the losing one of two rival rotations: that rotation, or what it brought in."""
    SUPERSEDED = "superseded"
    """Of an earlier epoch than the newest; its signature was not looked at."""
    IDLE = "idle"
    """An accept of a device that no rotation forgot."""
    CROWDED = "crowded"
    """The certificate of a device beyond the last one that an identity may have."""
    DOUBLE = "double"
    """The same body is here with another signature that fits."""


class Ignored(NamedTuple):
    """A record that counts for nothing."""

    record: SignedRecord
    flaw: Flaw


@dataclass(frozen=True, slots=True)
class RootChain:
    """The root keys of an identity as far as rotations prove them."""

    identity: bytes
    keys: tuple[bytes, ...]
    """Root public keys by epoch."""
    rotations: tuple[SignedRecord, ...]
    """Those that won: item i opens epoch i + 1."""
    newest: Rotation | None
    """The last of them."""
    contested_from: int
    """The first epoch for which a losing rotation brings in another key."""
    ignored: tuple[Ignored, ...]
    """All other rotations, by hash."""

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return len(self.keys) - 1

    def flaw_of(
        self, epoch: int, context: bytes, record: SignedRecord, check: SignatureCheck
    ) -> Flaw | None:
        """Say what keeps a record from having been signed by the root key of its epoch."""
        if epoch < len(self.keys) and check(self.keys[epoch], context, record):
            return None
        if epoch >= self.contested_from:
            return Flaw.LOST
        return Flaw.UNPROVEN if epoch < len(self.keys) else Flaw.ORPHAN


def signed_by(public: bytes, context: bytes, record: SignedRecord) -> bool:
    """Check a signature; the plain `SignatureCheck`."""
    try:
        verify(public, context, record.body, record.signature, "a record")
    except IntegrityError:
        return False
    return True


def root_chain(
    inception: Inception,
    rotations: Iterable[SignedRecord],
    check: SignatureCheck = signed_by,
) -> RootChain:
    """Find the chain of root keys; a rotation that is malformed or forged is ignored.

    At most one signature is checked for each rotation, and none for one whose predecessor or
    key does not fit. Neither order nor repetition of the rotations matters.
    """
    identity = inception.identity
    ignored: list[Ignored] = []
    candidates = _by_epoch_and_hash(rotations, ignored)
    if not candidates:
        only_key = (inception.root_public,)
        return RootChain(identity, only_key, (), None, UNCONTESTED, tuple(ignored))
    tree = {identity: _Node(0, inception.root_public, inception.next_commitment)}
    keys, won, newest, tip = [inception.root_public], list[SignedRecord](), None, identity
    for each in candidates:
        flaw = _flaw(each, identity, tree, check)
        if flaw is None:
            rotation = each.rotation
            tree[each.hash] = _Node(each.epoch, rotation.root_public, rotation.next_commitment)
            if rotation.predecessor == tip:
                keys.append(rotation.root_public)
                won.append(each.record)
                newest, tip = rotation, each.hash
            else:
                flaw = Flaw.LOST
        if flaw is not None:
            ignored.append(Ignored(each.record, flaw))
    contested = (
        node.epoch
        for node in tree.values()
        if [node.root_public] != keys[node.epoch : node.epoch + 1]
    )
    return RootChain(
        identity,
        tuple(keys),
        tuple(won),
        newest,
        min(contested, default=UNCONTESTED),
        tuple(ignored),
    )


class _Node(NamedTuple):
    epoch: int
    root_public: bytes
    next_commitment: bytes


class _Candidate(NamedTuple):
    epoch: int
    hash: bytes
    record: SignedRecord
    rotation: Rotation


def _by_epoch_and_hash(
    rotations: Iterable[SignedRecord], ignored: list[Ignored]
) -> list[_Candidate]:
    """Predecessors before what continues them, and of two rivals first the one that wins."""
    candidates: list[_Candidate] = []
    for record in sorted(set(rotations)):
        try:
            rotation = decode_rotation(record.body)
        except DecodeError:
            ignored.append(Ignored(record, Flaw.MALFORMED))
        else:
            candidates.append(_Candidate(rotation.epoch, record.hash, record, rotation))
    return sorted(candidates, key=lambda each: each[:3])


def _flaw(
    each: _Candidate, identity: bytes, tree: dict[bytes, _Node], check: SignatureCheck
) -> Flaw | None:
    rotation = each.rotation
    if rotation.identity != identity:
        return Flaw.FOREIGN
    if each.hash in tree:
        return Flaw.DOUBLE
    before = tree.get(rotation.predecessor)
    if before is None:
        return Flaw.ORPHAN
    proven = (
        rotation.epoch == before.epoch + 1
        and commitment(rotation.rotation_public) == before.next_commitment
        and check(rotation.rotation_public, CONTEXT_ROTATION, each.record)
    )
    return None if proven else Flaw.UNPROVEN
