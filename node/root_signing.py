"""Signing with root and rotation keys, in the process into which the words were typed.

Nothing here talks to a node: a plan comes in, signed records go out, and the keys are forgotten
when the function returns.
"""

from __future__ import annotations

from ..protocol.hashing import short_id
from ..protocol.identity import (
    MAX_EPOCH,
    Accept,
    Certificate,
    DeviceEnds,
    LogEnd,
    Revocation,
    Rotation,
    SignedRecord,
    commitment,
    incept,
    root_key,
    rotation_key,
    sign_accept,
    sign_certificate,
    sign_revocation,
    sign_rotation,
)
from ..protocol.words import WordLanguageError, WordsError, seed_from_words
from .errors import Code, ServiceError
from .key_operations import AnswerResult, PlannedDevice, RecordPlan, RecordView


def seed_of(typed: str, language: str | None = None) -> tuple[bytes, str]:
    """Return the seed of 24 words as they were typed, and their language.

    Raises:
        ServiceError: they are no seed (``invalid``): the message says which word.
    """
    try:
        return seed_from_words(typed, language)
    except WordsError as error:
        fits_two = isinstance(error, WordLanguageError)
        raise ServiceError(
            Code.INVALID,
            str(error),
            "--words-in names the language" if fits_two else "nothing was written; try again",
        ) from error


def require_words_of(identity: bytes, seed: bytes) -> None:
    """Require the words of this identity.

    Raises:
        ServiceError: they are another one's (``invalid``).
    """
    theirs = incept(seed).identity
    if theirs != identity:
        raise ServiceError(
            Code.INVALID,
            f"these are the words of another identity, {short_id(theirs)};"
            f" this home has {short_id(identity)}",
            "nothing was signed; compare the short id that you wrote beside the words",
        )


def sign_plan(plan: RecordPlan, seed: bytes) -> RecordView:
    """Return the signed record of a plan.

    Raises:
        ServiceError: the seed is another identity's (``invalid``), or not the one from which the
            keys of this epoch came (``integrity``).
    """
    identity = bytes.fromhex(plan.person.identity)
    require_words_of(identity, seed)
    if plan.kind == "rotate":
        return _view("rotate", _rotation(plan, identity, seed))
    root = root_key(seed, plan.epoch)
    _require_root(root.public, plan.root_public, plan.epoch)
    (device,) = (_ends(one) for one in plan.devices)
    if plan.kind == "revoke":
        revocation = Revocation(identity, plan.epoch, device.device, device.ends)
        return _view("revoke", sign_revocation(root, revocation))
    return _view("accept", sign_accept(root, Accept(identity, plan.epoch, device)))


def certify(answer: AnswerResult, asking: Certificate, seed: bytes) -> SignedRecord:
    """Return the certificate of a device that asks, signed by the current root key.

    Args:
        asking: all that the certificate shall say.

    Raises:
        ServiceError: as for `sign_plan`.
    """
    require_words_of(asking.identity, seed)
    root = root_key(seed, answer.epoch)
    _require_root(root.public, answer.root_public, answer.epoch)
    return sign_certificate(root, asking)


def _rotation(plan: RecordPlan, identity: bytes, seed: bytes) -> SignedRecord:
    if plan.epoch >= MAX_EPOCH:
        raise ServiceError(Code.INVALID, "this identity has had all its rotations")
    committed = rotation_key(seed, plan.epoch)
    if commitment(committed.public).hex() != plan.commitment:
        raise ServiceError(
            Code.INTEGRITY,
            f"the key that has to sign the rotation into epoch {plan.epoch} does not come from"
            " these words: somebody else has rotated before",
            "nothing was signed; begin a new identity and tell those who follow you",
        )
    devices = sorted(_ends(one) for one in plan.devices if one.after != "forgotten")
    rotation = Rotation(
        identity,
        epoch=plan.epoch,
        rotation_public=committed.public,
        root_public=root_key(seed, plan.epoch).public,
        predecessor=bytes.fromhex(plan.predecessor),
        next_commitment=commitment(rotation_key(seed, plan.epoch + 1).public),
        devices=tuple(devices),
    )
    return sign_rotation(committed, rotation)


def _require_root(public: bytes, wanted: str, epoch: int) -> None:
    if public.hex() != wanted:
        raise ServiceError(
            Code.INTEGRITY,
            f"the root key of epoch {epoch} does not come from these words:"
            " somebody else has rotated before",
            "nothing was signed; begin a new identity and tell those who follow you",
        )


def _ends(one: PlannedDevice) -> DeviceEnds:
    ends = tuple(LogEnd(end.channel, end.seq, bytes.fromhex(end.id)) for end in one.ends)
    return DeviceEnds(bytes.fromhex(one.device), one.after == "open", ends)


def _view(kind: str, record: SignedRecord) -> RecordView:
    return RecordView(
        kind="rotate" if kind == "rotate" else "revoke" if kind == "revoke" else "accept",
        body=record.body.hex(),
        signature=record.signature.hex(),
    )
