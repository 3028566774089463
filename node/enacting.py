"""How signed records take effect: they are checked, kept, and told to everybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..protocol.content import AcceptRecord, Content, RevokeRecord, RotateRecord
from ..protocol.entry import CHANNEL_IDENTITY
from ..protocol.errors import DecodeError, SlowlightError
from ..protocol.hashing import short_id
from ..protocol.ident import Ident, RecordKind, VerifiedIdent, verify_ident
from ..protocol.identity import (
    MAX_DEVICES,
    Accept,
    DeviceEnds,
    Revocation,
    Rotation,
    SignedRecord,
    decode_accept,
    decode_revocation,
    decode_rotation,
    root_key,
    sign_accept,
)
from ..protocol.roots import Flaw
from ..protocol.standing import Admission, Standing
from ..store.base import OWN, NodeStore
from .author import Author
from .clock import WallClock
from .errors import Code, ServiceError
from .key_operations import (
    AnswerRequest,
    AnswerResult,
    EnactRequest,
    EnactResult,
    Kind,
    RecordView,
)
from .readmitting import RootSeed, forget_restored, readmits
from .standings import own_standing, standing_of_ident
from .views import Views

_KINDS: Final[dict[Kind, RecordKind]] = {
    "rotate": RecordKind.ROTATE,
    "revoke": RecordKind.REVOKE,
    "accept": RecordKind.ACCEPT,
}
Records = Sequence[tuple[RecordKind, SignedRecord]]


class Enacting:
    """Takes signed records of the own identity."""

    def __init__(self, store: NodeStore, author: Author, *, clock: WallClock) -> None:
        self._store = store
        self._author = author
        self._clock = clock

    def enact(self, request: EnactRequest) -> EnactResult:
        """Let signed records take effect, and write them into the own channel 0.

        Raises:
            ServiceError: one is by the wrong key (``integrity``), about somebody else, malformed
                or behind what is known already (``invalid``).
        """
        changed = self._take([_record(one) for one in request.records])
        return EnactResult(
            person=Views(self._store, self._author.identity).person(self._author.identity),
            epoch=self._standing().epoch,
            changed=changed,
        )

    def answer(self, request: AnswerRequest) -> AnswerResult:
        """Return what a new device needs beside its certificate."""
        ident, standing = self._ident(), self._standing()
        device = standing.devices.get(bytes.fromhex(request.device))
        certificate = None
        if device is not None:
            body, signature = device.record
            certificate = RecordView(kind="accept", body=body.hex(), signature=signature.hex())
        return AnswerResult(
            person=Views(self._store, self._author.identity).person(self._author.identity),
            epoch=standing.epoch,
            root_public=standing.roots[-1].hex(),
            inception=ident.inception.encode().hex(),
            rotations=tuple(
                RecordView(kind="rotate", body=record.body.hex(), signature=record.signature.hex())
                for kind, record in standing.records
                if kind is RecordKind.ROTATE
            ),
            certificate=certificate,
            room=device is not None or len(standing.devices) < MAX_DEVICES,
        )

    def readmit(self, root_seed: RootSeed) -> bool:
        """Readmit the own device if a rotation forgot it, where the home was restored.

        Args:
            root_seed: asked for only if it is needed.

        Returns:
            Whether it was readmitted now.
        """
        if not readmits(self._store):
            return False
        standing = self._standing()
        own = standing.devices.get(self._author.device)
        if own is None or own.admission is not Admission.FORGOTTEN:
            return False
        seed = root_seed()
        if seed is None:
            return False
        root = root_key(seed, standing.epoch)
        if root.public != standing.roots[-1]:
            return False
        accept = Accept(
            standing.identity, standing.epoch, DeviceEnds(self._author.device, True, ())
        )
        done = self._take([(RecordKind.ACCEPT, sign_accept(root, accept))])
        forget_restored(self._store)
        return done

    def _take(self, records: Records) -> bool:
        """Check, keep and tell; return whether anything changed."""
        before = self._ident()
        held = {record.hash for _, record in before.records}
        new = [(kind, record) for kind, record in records if record.hash not in held]
        if not new:
            return False
        after = self._checked(before, new)
        if self._may_write(standing_of_ident(before)) and self._may_write(after):
            self._write(new)
        if not self._holds(new):
            verified = VerifiedIdent(before.inception, tuple(new), ())
            self._store.ingest([verified], received_ms=self._clock(), via=OWN)
            self._author.tell()
        if not self._holds(new):
            raise ServiceError(
                Code.INVALID,
                "there is no room for another record of this identity",
                "slowlight key rotate: what came before a rotation is dropped",
            )
        if not self._may_write(standing_of_ident(before)) and self._may_write(after):
            self._write(new)
        return True

    def _checked(self, before: Ident, new: Records) -> Standing:
        """Return what would stand with the new records.

        Raises:
            ServiceError: one of them would count for nothing.
        """
        own = before.identity
        for kind, record in new:
            try:
                claim = _claim(kind, record)
            except DecodeError as error:
                raise ServiceError(Code.INVALID, f"no record: {error}") from error
            if claim.identity != own:
                raise ServiceError(
                    Code.INVALID,
                    f"this record is about another identity, {short_id(claim.identity)};"
                    f" this home has {short_id(own)}",
                    "nothing was written",
                )
        whole = Ident(before.inception, (*before.records, *new), before.first_entries)
        after = standing_of_ident(whole)
        flaws = {each.record.hash: each.flaw for each in after.ignored}
        for kind, record in new:
            flaw = flaws.get(record.hash)
            if flaw is not None:
                raise _refusal(kind, flaw)
        try:
            verify_ident(whole)
        except SlowlightError as error:
            raise ServiceError(Code.INTEGRITY, str(error), "nothing was written") from error
        return after

    def _may_write(self, standing: Standing) -> bool:
        own = standing.devices.get(self._author.device)
        return own is not None and own.closing(CHANNEL_IDENTITY) is None

    def _write(self, records: Records) -> None:
        self._author.write(CHANNEL_IDENTITY, [_content(kind, record) for kind, record in records])

    def _holds(self, records: Records) -> bool:
        held = {record.hash for _, record in self._ident().records}
        return all(record.hash in held for _, record in records)

    def _ident(self) -> Ident:
        ident = self._store.ident(self._author.identity)
        if ident is None:
            raise ServiceError(Code.INTEGRITY, "the own identity is not in the database")
        return ident

    def _standing(self) -> Standing:
        standing = own_standing(self._store, self._author.identity)
        if standing is None:
            raise ServiceError(Code.INTEGRITY, "the own identity is not in the database")
        return standing


def _record(view: RecordView) -> tuple[RecordKind, SignedRecord]:
    return _KINDS[view.kind], SignedRecord(bytes.fromhex(view.body), bytes.fromhex(view.signature))


def _claim(kind: RecordKind, record: SignedRecord) -> Rotation | Revocation | Accept:
    match kind:
        case RecordKind.ROTATE:
            return decode_rotation(record.body)
        case RecordKind.REVOKE:
            return decode_revocation(record.body)
        case RecordKind.ACCEPT:
            return decode_accept(record.body)


def _content(kind: RecordKind, record: SignedRecord) -> Content:
    match kind:
        case RecordKind.ROTATE:
            return RotateRecord(*record)
        case RecordKind.REVOKE:
            return RevokeRecord(*record)
        case RecordKind.ACCEPT:
            return AcceptRecord(*record)


def _refusal(kind: RecordKind, flaw: Flaw) -> ServiceError:
    what = {RecordKind.ROTATE: "rotation", RecordKind.REVOKE: "revocation"}.get(kind, "accept")
    if flaw is Flaw.UNPROVEN:
        signer = "the committed rotation key" if kind is RecordKind.ROTATE else "the root key"
        return ServiceError(
            Code.INTEGRITY,
            f"the {what} is by the wrong key: {signer} did not sign it",
            "nothing was written; type the words of this identity",
        )
    message = {
        Flaw.ORPHAN: f"the {what} continues a rotation that is not here",
        Flaw.LOST: f"the {what} lost against a rival rotation",
        Flaw.SUPERSEDED: f"the {what} is of an earlier epoch: a rotation came in between",
        Flaw.IDLE: "no rotation forgot this device, so the accept would count for nothing",
    }.get(flaw, f"the {what} is {flaw.value}")
    return ServiceError(Code.INVALID, message, "nothing was written; plan it again")
