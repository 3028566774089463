"""Owners for tests: what the words of a person sign, and what a thief of a root key signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from slowlight.protocol.content import (
    AcceptRecord,
    CertificateRecord,
    Content,
    RevokeRecord,
    RotateRecord,
)
from slowlight.protocol.entry import CHANNEL_IDENTITY
from slowlight.protocol.ident import Ident, RecordKind, VerifiedIdent, verify_ident
from slowlight.protocol.identity import (
    Accept,
    Certificate,
    DeviceEnds,
    LogEnd,
    Revocation,
    Rotation,
    SignedRecord,
    commitment,
    root_key,
    rotation_key,
    sign_accept,
    sign_certificate,
    sign_revocation,
    sign_rotation,
)
from tests.people import START_MS, Person

Spoken: TypeAlias = tuple[RecordKind, SignedRecord]


def end_of(person: Person, channel: int, seq: int) -> LogEnd:
    """Return the end of a log at an entry."""
    return LogEnd(channel, seq, person.log(channel)[seq].id)


def open_device(person: Person) -> DeviceEnds:
    """Return a device that goes on."""
    return DeviceEnds(person.device, True, ())


def ended_device(person: Person, *ends: tuple[int, int]) -> DeviceEnds:
    """Return a device that ends, with channel and sequence number of each end."""
    return DeviceEnds(person.device, False, tuple(end_of(person, *each) for each in sorted(ends)))


def revoked(person: Person, *ends: tuple[int, int], epoch: int = 0) -> Spoken:
    """Return a revocation of a device; see `ended_device`."""
    body = Revocation(person.identity, epoch, person.device, ended_device(person, *ends).ends)
    return RecordKind.REVOKE, sign_revocation(root_key(person.root_seed, epoch), body)


def rotated(
    person: Person, *devices: DeviceEnds, epoch: int = 1, after: Spoken | None = None
) -> Spoken:
    """Return the rotation into an epoch by the words of a person."""
    committed = rotation_key(person.root_seed, epoch)
    body = Rotation(
        person.identity,
        epoch,
        committed.public,
        root_key(person.root_seed, epoch).public,
        after[1].hash if after else person.identity,
        commitment(rotation_key(person.root_seed, epoch + 1).public),
        tuple(sorted(devices)),
    )
    return RecordKind.ROTATE, sign_rotation(committed, body)


def accepted(person: Person, device: DeviceEnds, epoch: int = 1) -> Spoken:
    """Return the accept of a device that a rotation forgot."""
    body = Accept(person.identity, epoch, device)
    return RecordKind.ACCEPT, sign_accept(root_key(person.root_seed, epoch), body)


def with_records(person: Person, *records: Spoken, devices: Sequence[Person] = ()) -> VerifiedIdent:
    """Return an identity with records, as a peer's IDENT brings it."""
    others = [other.run(CHANNEL_IDENTITY, 0, 0) for other in devices if other is not person]
    own = person.ident()
    ident = Ident(own.inception, records, (*own.first_entries, *others))
    return verify_ident(ident)


def said(record: Spoken) -> Content:
    """Return a record as content of channel 0."""
    kind, (body, signature) = record
    match kind:
        case RecordKind.ROTATE:
            return RotateRecord(body, signature)
        case RecordKind.REVOKE:
            return RevokeRecord(body, signature)
        case RecordKind.ACCEPT:
            return AcceptRecord(body, signature)


def certified_in(person: Person, epoch: int) -> Person:
    """Let a root key of another epoch certify a device that has written nothing yet."""
    certificate = Certificate(
        person.identity, epoch, person.device, person.box_public, START_MS, "", ""
    )
    record = sign_certificate(root_key(person.root_seed, epoch), certificate)
    person.logs = {}
    person.write(CHANNEL_IDENTITY, CertificateRecord(*record))
    return person


def without_devices(ident: VerifiedIdent) -> VerifiedIdent:
    """Return only the records of an identity."""
    return replace(ident, devices=())
