"""The body of an IDENT frame: what proves that devices belong to an identity.

It carries the inception, the signed records, and entry 0 of channel 0 of each device, whose
payload is the device's certificate. A device belongs to an identity only if a root key of
that identity certified it and the device itself signed the entry that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Final

from .content import CertificateRecord, decode_content, split_payload
from .encoding import as_bytes, as_bytes_upto, as_fields, as_list, as_uint, pack, unpack
from .entry import CHANNEL_IDENTITY, SIGNATURE_BYTES, Entry
from .errors import DecodeError, IntegrityError
from .frames import MAX_BODY_BYTES
from .hashing import PERSON_RECORDS, hash32
from .identity import (
    MAX_DEVICES,
    MAX_RECORD_BYTES,
    Accept,
    Certificate,
    Inception,
    Revocation,
    SignedRecord,
    decode_accept,
    decode_certificate,
    decode_inception,
    decode_revocation,
    decode_rotation,
    verify_accept,
    verify_certificate,
    verify_revocation,
)
from .roots import Flaw, RootChain, root_chain
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
    record: SignedRecord
    """The certificate as it was signed."""
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


def records_id(hashes: Iterable[bytes]) -> bytes:
    """Return what names a set of records, by their hashes in any order (32 bytes).

    In the set of states that two nodes compare, an identity with records stands as
    ``(identity, 0, records_id)`` beside its logs, so that records spread like entries.
    """
    return hash32(PERSON_RECORDS, b"".join(sorted(hashes)))


_FORMS: Final[Mapping[RecordKind, Callable[[bytes], object]]] = {
    RecordKind.ROTATE: decode_rotation,
    RecordKind.REVOKE: decode_revocation,
    RecordKind.ACCEPT: decode_accept,
}
"""What holds the body of a record to its form: before any signature, as with everything else."""


def decode_ident(body: bytes) -> Ident:
    """Decode an IDENT body, strictly; raises DecodeError."""
    value = unpack(body, max_bytes=MAX_BODY_BYTES, max_items=MAX_IDENT_RECORDS, what="IDENT")
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
        try:
            _FORMS[RecordKind(kind)](signed.body)
        except DecodeError as error:
            raise DecodeError(f"IDENT record: {error}") from error
        records.append((RecordKind(kind), signed))
    if len({record.hash for _, record in records}) != len(records):
        raise DecodeError("IDENT: one record twice")
    runs: list[Run] = []
    for item in as_list(fields[2], MAX_DEVICES, "IDENT devices"):
        run = decode_run(as_bytes_upto(item, MAX_RUN_BYTES, "IDENT entry"))
        if (run.channel, run.first, run.count) != (CHANNEL_IDENTITY, 0, 1):
            raise DecodeError("IDENT entry: not entry 0 of channel 0")
        runs.append(run)
    if len({run.device for run in runs}) != len(runs):
        raise DecodeError("IDENT: one device twice")
    return Ident(inception, tuple(records), tuple(runs))


def verify_ident(ident: Ident) -> VerifiedIdent:
    """Check every signature of an IDENT body: two checks a device and one a record.

    What the losing one of two rival rotations brought in is void: it is left out, and it is
    no error, because whoever sent it may not have known the other one.

    Raises:
        DecodeError: a certificate or record is malformed.
        IntegrityError: a signature is wrong, or something names another identity, another
            device or an epoch that no valid rotation opened.
    """
    rotations = [record for kind, record in ident.records if kind is RecordKind.ROTATE]
    chain = _root_chain(ident.inception, rotations)
    devices = (_certified_device(ident.identity, run, chain) for run in ident.first_entries)
    return VerifiedIdent(
        ident.inception,
        tuple(item for item in ident.records if _record_stands(ident.identity, *item, chain)),
        tuple(device for device in devices if device is not None),
    )


def root_keys(inception: Inception, rotations: Iterable[SignedRecord]) -> list[bytes]:
    """Return the root public key of each epoch, in order, as far as rotations prove them.

    Of two rival rotations into one epoch the one with the lower hash wins.

    Raises:
        DecodeError: a rotation is malformed.
        IntegrityError: a rotation is for another identity, continues nothing that is here,
            or is not by the committed key.
    """
    return list(_root_chain(inception, rotations).keys)


def _root_chain(inception: Inception, rotations: Iterable[SignedRecord]) -> RootChain:
    """Find the root keys, and refuse what nobody who verifies before handing on would hand on."""
    chain = root_chain(inception, rotations)
    for _, flaw in chain.ignored:
        if flaw is Flaw.MALFORMED:
            raise DecodeError("a rotation is malformed")
        if flaw is not Flaw.LOST:
            raise IntegrityError(f"a rotation is {flaw.value}")
    return chain


def _proves(chain: RootChain, epoch: int, check: Callable[[bytes], object]) -> bool:
    """Run a check against the root key of an epoch; False: by a branch that lost.

    Raises:
        IntegrityError: the check fails, and the key of the epoch was never contested.
    """
    try:
        if epoch >= len(chain.keys):
            raise IntegrityError(f"a record of epoch {epoch}, which no rotation opened")
        check(chain.keys[epoch])
    except IntegrityError:
        if epoch < chain.contested_from:
            raise
        return False
    return True


def _record_stands(
    identity: bytes, kind: RecordKind, record: SignedRecord, chain: RootChain
) -> bool:
    claimed: Revocation | Accept
    check: Callable[[bytes], object]
    match kind:
        case RecordKind.ROTATE:
            return True  # the chain of roots verified it; also one that lost proves who won
        case RecordKind.REVOKE:
            claimed = decode_revocation(record.body)
            check = partial(verify_revocation, record)
        case RecordKind.ACCEPT:
            claimed = decode_accept(record.body)
            check = partial(verify_accept, record)
    if claimed.identity != identity:
        raise IntegrityError("a record in IDENT names another identity")
    return _proves(chain, claimed.epoch, check)


def _certified_device(identity: bytes, run: Run, chain: RootChain) -> CertifiedDevice | None:
    (entry,) = open_run(run)
    if entry.payload is None:
        raise IntegrityError("IDENT: entry 0 of a device came without its certificate")
    content = decode_content(split_payload(entry.payload), CHANNEL_IDENTITY)
    if not isinstance(content, CertificateRecord):
        raise IntegrityError("IDENT: entry 0 of a device is not a certificate")
    record = SignedRecord(content.body, content.signature)
    certificate = decode_certificate(record.body)
    if (certificate.identity, certificate.device) != (identity, run.device):
        raise IntegrityError("a certificate names another identity or device")
    if not _proves(chain, certificate.epoch, partial(verify_certificate, record)):
        return None
    return CertifiedDevice(certificate, record, entry, run)
