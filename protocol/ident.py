"""The body of an IDENT frame: what proves that devices belong to an identity.

It carries the inception, the signed records, and entry 0 of channel 0 of each device, whose
payload is the device's certificate. A device belongs to an identity only if a root key of
that identity certified it and the device itself signed the entry that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from .content import CertificateContent, decode_content, split_payload
from .encoding import as_bytes, as_bytes_upto, as_fields, as_list, as_uint, pack, unpack
from .entry import CHANNEL_IDENTITY, SIGNATURE_BYTES, Entry
from .errors import DecodeError, IntegrityError
from .frames import MAX_BODY_BYTES
from .identity import (
    MAX_DEVICES,
    MAX_RECORD_BYTES,
    Certificate,
    Inception,
    SignedRecord,
    decode_certificate,
    decode_inception,
    decode_rotation,
    verify_certificate,
    verify_rotation,
)
from .run import MAX_RUN_BYTES, Run, decode_run, open_run

MAX_IDENT_RECORDS: Final = 1024
"""Records of one IDENT frame; they must fit its 65,000 bytes anyway."""


class RecordKind(IntEnum):
    """What a signed record outside a log is; the numbers are those of the content kinds."""

    ROTATE = 2
    REVOKE = 3
    ACCEPT = 4


@dataclass(frozen=True, slots=True)
class Ident:
    """A decoded IDENT body; nothing in it is verified yet."""

    inception: Inception
    records: tuple[tuple[RecordKind, SignedRecord], ...]
    first_entries: tuple[Run, ...]
    """Entry 0 of channel 0 of each device: runs of one signed entry."""

    @property
    def identity(self) -> bytes:
        """The identity id (32 bytes)."""
        return self.inception.identity

    def encode(self) -> bytes:
        """Return the canonical body."""
        return pack(
            (
                self.inception.encode(),
                [(int(kind), record.body, record.signature) for kind, record in self.records],
                [run.encode() for run in self.first_entries],
            )
        )


@dataclass(frozen=True, slots=True)
class CertifiedDevice:
    """A device whose certificate and own signature were checked."""

    certificate: Certificate
    first_entry: Entry
    run: Run


@dataclass(frozen=True, slots=True)
class VerifiedIdent:
    """An identity and the devices that were proven to be its own."""

    inception: Inception
    records: tuple[tuple[RecordKind, SignedRecord], ...]
    devices: tuple[CertifiedDevice, ...]

    @property
    def identity(self) -> bytes:
        """The identity id (32 bytes)."""
        return self.inception.identity


def decode_ident(body: bytes) -> Ident:
    """Decode an IDENT body, strictly; raises DecodeError."""
    value = unpack(body, max_bytes=MAX_BODY_BYTES, what="IDENT")
    fields = as_fields(value, 3, "IDENT")
    inception = decode_inception(as_bytes_upto(fields[0], MAX_BODY_BYTES, "IDENT inception"))
    records: list[tuple[RecordKind, SignedRecord]] = []
    for item in as_list(fields[1], MAX_IDENT_RECORDS, "IDENT records"):
        record = as_fields(item, 3, "IDENT record")
        kind = as_uint(record[0], 255, "IDENT record kind")
        if kind not in set(RecordKind):
            raise DecodeError(f"IDENT record of kind {kind}")
        signed = SignedRecord(
            as_bytes_upto(record[1], MAX_RECORD_BYTES, "IDENT record body"),
            as_bytes(record[2], SIGNATURE_BYTES, "IDENT record signature"),
        )
        records.append((RecordKind(kind), signed))
    runs: list[Run] = []
    for item in as_list(fields[2], MAX_DEVICES, "IDENT devices"):
        run = decode_run(as_bytes_upto(item, MAX_RUN_BYTES, "IDENT entry"))
        if (run.channel, run.first, run.count) != (CHANNEL_IDENTITY, 0, 1):
            raise DecodeError("IDENT entry: not entry 0 of channel 0")
        runs.append(run)
    return Ident(inception, tuple(records), tuple(runs))


def verify_ident(ident: Ident) -> VerifiedIdent:
    """Check every signature that attributes devices to the identity.

    Costs two checks a device and one a rotation.

    Raises:
        DecodeError: a certificate or rotation is malformed.
        IntegrityError: a signature is wrong, or a certificate names another identity,
            another device or an epoch that no valid rotation opened.
    """
    roots = root_keys(
        ident.inception,
        (record for kind, record in ident.records if kind is RecordKind.ROTATE),
    )
    devices = tuple(_verify_device(ident.identity, run, roots) for run in ident.first_entries)
    return VerifiedIdent(ident.inception, ident.records, devices)


def root_keys(inception: Inception, rotations: Iterable[SignedRecord]) -> list[bytes]:
    """Return the root public key of each epoch, in order, as far as rotations prove them.

    Of two rival rotations into one epoch the one with the lower hash wins.

    Raises:
        DecodeError: a rotation is malformed.
        IntegrityError: a rotation is for another identity, or not by the committed key.
    """
    roots = [inception.root_public]
    identity = inception.identity
    committed, predecessor = inception.next_commitment, identity
    by_epoch = sorted((_epoch_of(record), record.hash, record) for record in rotations)
    for epoch, record_hash, record in by_epoch:
        if epoch != len(roots):
            if epoch < len(roots):
                continue  # a rival with a higher hash
            raise IntegrityError(f"rotation into epoch {epoch} without the one before")
        rotation = verify_rotation(record, committed)
        if rotation.identity != identity or rotation.predecessor != predecessor:
            raise IntegrityError("a rotation does not continue this identity")
        roots.append(rotation.root_public)
        committed, predecessor = rotation.next_commitment, record_hash
    return roots


def _epoch_of(record: SignedRecord) -> int:
    return decode_rotation(record.body).epoch


def _verify_device(identity: bytes, run: Run, roots: Sequence[bytes]) -> CertifiedDevice:
    (entry,) = open_run(run)
    if entry.payload is None:
        raise IntegrityError("IDENT: entry 0 of a device came without its certificate")
    content = decode_content(split_payload(entry.payload), CHANNEL_IDENTITY)
    if not isinstance(content, CertificateContent):
        raise IntegrityError("IDENT: entry 0 of a device is not a certificate")
    record = SignedRecord(content.body, content.signature)
    certificate = certificate_of(identity, run.device, record, roots)
    return CertifiedDevice(certificate, entry, run)


def certificate_of(
    identity: bytes, device: bytes, record: SignedRecord, roots: Sequence[bytes]
) -> Certificate:
    """Check that a certificate was signed by a root key of this identity for this device.

    Raises:
        DecodeError: the body is malformed.
        IntegrityError: another identity, another device, an unknown epoch, a wrong signature.
    """
    certificate = decode_certificate(record.body)
    if certificate.identity != identity or certificate.device != device:
        raise IntegrityError("a certificate names another identity or device")
    if certificate.epoch >= len(roots):
        raise IntegrityError(
            f"a certificate of epoch {certificate.epoch}, which no rotation opened"
        )
    return verify_certificate(record, roots[certificate.epoch])
