"""Who someone is: root keys, inception, and the records that root keys sign.

An identity is the hash of its inception, which names the first root key and commits to the
next. Root keys certify devices, rotate themselves, revoke and readmit devices; device keys
sign entries. A *record* is ``(body, signature)``: the exact bytes of the body are signed,
hashed and compared, and a record is valid in whatever log or frame it arrives.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from nacl import bindings
from nacl.exceptions import BadSignatureError

from .encoding import (
    MAX_UINT,
    Value,
    as_bytes,
    as_fields,
    as_list,
    as_text,
    as_uint,
    pack,
    unpack,
)
from .entry import KEY_BYTES, MAX_CHANNEL, MAX_SEQ, MAX_T_MS, SIGNATURE_BYTES, VERSION
from .errors import DecodeError, IntegrityError
from .hashing import (
    HASH_BYTES,
    PERSON_COMMITMENT,
    PERSON_INCEPTION,
    PERSON_RECORD,
    PERSON_ROOT,
    hash32,
)

SEED_BYTES: Final = 32
ALGORITHM_ED25519: Final = 1
MAX_EPOCH: Final = 65_535
"""A root key for every day of 179 years; it also bounds how far a search for one goes."""
MAX_DEVICES: Final = 64
MAX_LOGS_PER_DEVICE: Final = 64
"""Channels of one device whose ends a rotation or revocation can name."""
MAX_LABEL_BYTES: Final = 64
MAX_PLACE_BYTES: Final = 128
MAX_RECORD_BYTES: Final = 32_000
"""A record travels as content inside a payload of 32 KiB."""

_MAX_INCEPTION_BYTES: Final = 80
_CONTEXT_CERTIFICATE: Final = b"sl-cert-1"
_CONTEXT_ROTATION: Final = b"sl-rotate-1"
_CONTEXT_REVOCATION: Final = b"sl-revoke-1"
_CONTEXT_ACCEPT: Final = b"sl-accept-1"


class KeyPair(NamedTuple):
    """An Ed25519 key pair."""

    public: bytes
    secret: bytes
    """64 bytes: the seed and the public key, as libsodium keeps it."""


class SignedRecord(NamedTuple):
    """The exact bytes that were signed, and the signature."""

    body: bytes
    signature: bytes

    @property
    def hash(self) -> bytes:
        """Hash of the body (32 bytes): how a record is named."""
        return hash32(PERSON_RECORD, self.body)


class LogEnd(NamedTuple):
    """The last entry of a channel that a record lets stand."""

    channel: int
    seq: int
    id: bytes


class DeviceEnds(NamedTuple):
    """A device in a rotation: still open, or closed at the ends named."""

    device: bytes
    open: bool
    ends: tuple[LogEnd, ...]


@dataclass(frozen=True, slots=True)
class Inception:
    """The birth of an identity; its hash is the identity id."""

    root_public: bytes
    next_commitment: bytes

    def encode(self) -> bytes:
        """Return the canonical bytes (69 bytes)."""
        return pack((VERSION, self.root_public, self.next_commitment))

    @property
    def identity(self) -> bytes:
        """The identity id (32 bytes)."""
        return identity_id(self.encode())


@dataclass(frozen=True, slots=True)
class Certificate:
    """A root key says that a device belongs to its identity."""

    identity: bytes
    epoch: int
    device: bytes
    box_public: bytes
    """X25519: seals private messages and is the static key of the Noise handshake."""
    from_ms: int
    label: str
    place: str
    """Where the account or device was created, as a path; a claim."""

    def encode(self) -> bytes:
        """Return the canonical body to be signed."""
        return pack(
            (
                VERSION,
                self.identity,
                self.epoch,
                self.device,
                self.box_public,
                self.from_ms,
                self.label.encode(),
                self.place.encode(),
            )
        )


@dataclass(frozen=True, slots=True)
class Rotation:
    """The pre-committed next root key takes over and voids what earlier epochs signed since."""

    identity: bytes
    epoch: int
    """The new epoch, 1 or more."""
    root_public: bytes
    predecessor: bytes
    """Hash of the rotation before; of epoch 0, the identity id."""
    next_commitment: bytes
    devices: tuple[DeviceEnds, ...]

    def encode(self) -> bytes:
        """Return the canonical body to be signed."""
        devices = [_device_ends_value(device) for device in self.devices]
        return pack(
            (
                VERSION,
                self.identity,
                self.epoch,
                self.root_public,
                self.predecessor,
                self.next_commitment,
                devices,
            )
        )


@dataclass(frozen=True, slots=True)
class Revocation:
    """The current root key closes a device at the ends named; other channels end empty."""

    identity: bytes
    epoch: int
    device: bytes
    ends: tuple[LogEnd, ...]

    def encode(self) -> bytes:
        """Return the canonical body to be signed."""
        ends = [(end.channel, end.seq, end.id) for end in self.ends]
        return pack((VERSION, self.identity, self.epoch, self.device, ends))


@dataclass(frozen=True, slots=True)
class Accept:
    """The current root key readmits a device that a rotation forgot."""

    identity: bytes
    epoch: int
    device: DeviceEnds

    def encode(self) -> bytes:
        """Return the canonical body to be signed."""
        return pack((VERSION, self.identity, self.epoch, *_device_ends_value(self.device)))


def root_key(seed: bytes, epoch: int) -> KeyPair:
    """Derive the root key pair of an epoch from the 32-byte seed behind the words."""
    if len(seed) != SEED_BYTES or not 0 <= epoch <= MAX_EPOCH:
        raise ValueError(f"a seed of {len(seed)} bytes, epoch {epoch}")
    derived = blake2b(
        epoch.to_bytes(4, "big"), digest_size=32, key=seed, person=PERSON_ROOT
    ).digest()
    return device_key(derived)


def device_key(seed: bytes) -> KeyPair:
    """Return the Ed25519 key pair of a 32-byte seed."""
    return KeyPair(*bindings.crypto_sign_seed_keypair(seed))


def commitment(root_public: bytes) -> bytes:
    """Return the commitment to a root key that stays hidden until it rotates in."""
    return hash32(PERSON_COMMITMENT, pack((ALGORITHM_ED25519, root_public)))


def identity_id(inception: bytes) -> bytes:
    """Return the id of the identity that these inception bytes begin."""
    return hash32(PERSON_INCEPTION, inception)


def incept(seed: bytes) -> Inception:
    """Return the inception that a seed always gives back."""
    return Inception(root_key(seed, 0).public, commitment(root_key(seed, 1).public))


def decode_inception(data: bytes) -> Inception:
    """Decode an inception, strictly; raises DecodeError."""
    value = unpack(data, max_bytes=_MAX_INCEPTION_BYTES, what="inception")
    fields = as_fields(value, 3, "inception")
    _check_version(fields[0], "inception")
    return Inception(
        root_public=as_bytes(fields[1], KEY_BYTES, "inception root_pk"),
        next_commitment=as_bytes(fields[2], HASH_BYTES, "inception commitment"),
    )


def decode_certificate(body: bytes) -> Certificate:
    """Decode the body of a certificate, strictly; raises DecodeError."""
    fields = _record_fields(body, 8, "certificate")
    return Certificate(
        identity=fields.identity,
        epoch=fields.epoch,
        device=as_bytes(fields.rest[0], KEY_BYTES, "certificate device"),
        box_public=as_bytes(fields.rest[1], KEY_BYTES, "certificate box_pk"),
        from_ms=as_uint(fields.rest[2], MAX_T_MS, "certificate from_ms"),
        label=as_text(fields.rest[3], MAX_LABEL_BYTES, "certificate label"),
        place=as_text(fields.rest[4], MAX_PLACE_BYTES, "certificate place"),
    )


def decode_rotation(body: bytes) -> Rotation:
    """Decode the body of a rotation, strictly; raises DecodeError."""
    fields = _record_fields(body, 7, "rotation")
    if fields.epoch == 0:
        raise DecodeError("rotation: epoch 0 is the inception's")
    devices = tuple(
        _device_ends(item, "rotation device")
        for item in as_list(fields.rest[3], MAX_DEVICES, "rotation devices")
    )
    _require_rising([device.device for device in devices], "rotation devices")
    return Rotation(
        identity=fields.identity,
        epoch=fields.epoch,
        root_public=as_bytes(fields.rest[0], KEY_BYTES, "rotation root_pk"),
        predecessor=as_bytes(fields.rest[1], HASH_BYTES, "rotation predecessor"),
        next_commitment=as_bytes(fields.rest[2], HASH_BYTES, "rotation commitment"),
        devices=devices,
    )


def decode_revocation(body: bytes) -> Revocation:
    """Decode the body of a revocation, strictly; raises DecodeError."""
    fields = _record_fields(body, 5, "revocation")
    return Revocation(
        identity=fields.identity,
        epoch=fields.epoch,
        device=as_bytes(fields.rest[0], KEY_BYTES, "revocation device"),
        ends=_log_ends(fields.rest[1], "revocation ends"),
    )


def decode_accept(body: bytes) -> Accept:
    """Decode the body of an accept, strictly; raises DecodeError."""
    fields = _record_fields(body, 6, "accept")
    return Accept(
        identity=fields.identity,
        epoch=fields.epoch,
        device=_device_ends(fields.rest, "accept device"),
    )


def sign_certificate(root: KeyPair, certificate: Certificate) -> SignedRecord:
    """Sign a certificate with the root key of its epoch."""
    return _sign(root, _CONTEXT_CERTIFICATE, certificate.encode())


def sign_rotation(next_root: KeyPair, rotation: Rotation) -> SignedRecord:
    """Sign a rotation with the root key that it brings in."""
    return _sign(next_root, _CONTEXT_ROTATION, rotation.encode())


def sign_revocation(root: KeyPair, revocation: Revocation) -> SignedRecord:
    """Sign a revocation with the current root key."""
    return _sign(root, _CONTEXT_REVOCATION, revocation.encode())


def sign_accept(root: KeyPair, accept: Accept) -> SignedRecord:
    """Sign an accept with the current root key."""
    return _sign(root, _CONTEXT_ACCEPT, accept.encode())


def verify_certificate(record: SignedRecord, root_public: bytes) -> Certificate:
    """Decode a certificate and check that this root key signed it.

    Raises:
        DecodeError: the body is malformed.
        IntegrityError: the signature is not this root key's.
    """
    certificate = decode_certificate(record.body)
    _verify(record, _CONTEXT_CERTIFICATE, root_public, "certificate")
    return certificate


def verify_rotation(record: SignedRecord, committed: bytes) -> Rotation:
    """Decode a rotation and check that the committed key signed it.

    Args:
        committed: the commitment of the inception or rotation before.

    Raises:
        DecodeError: the body is malformed.
        IntegrityError: the key is not the committed one, or did not sign.
    """
    rotation = decode_rotation(record.body)
    if commitment(rotation.root_public) != committed:
        raise IntegrityError("a rotation brings in another key than the committed one")
    _verify(record, _CONTEXT_ROTATION, rotation.root_public, "rotation")
    return rotation


def verify_revocation(record: SignedRecord, root_public: bytes) -> Revocation:
    """Decode a revocation and check that this root key signed it; errors as for certificates."""
    revocation = decode_revocation(record.body)
    _verify(record, _CONTEXT_REVOCATION, root_public, "revocation")
    return revocation


def verify_accept(record: SignedRecord, root_public: bytes) -> Accept:
    """Decode an accept and check that this root key signed it; errors as for certificates."""
    accept = decode_accept(record.body)
    _verify(record, _CONTEXT_ACCEPT, root_public, "accept")
    return accept


class _RecordFields(NamedTuple):
    identity: bytes
    epoch: int
    rest: list[Value]


def _record_fields(body: bytes, count: int, what: str) -> _RecordFields:
    fields = as_fields(unpack(body, max_bytes=MAX_RECORD_BYTES, what=what), count, what)
    _check_version(fields[0], what)
    return _RecordFields(
        as_bytes(fields[1], HASH_BYTES, f"{what} identity"),
        as_uint(fields[2], MAX_EPOCH, f"{what} epoch"),
        fields[3:],
    )


def _check_version(value: Value, what: str) -> None:
    version = as_uint(value, MAX_UINT, f"{what} version")
    if version != VERSION:
        raise DecodeError(f"{what} version {version} is unknown here; this node knows {VERSION}")


def _device_ends_value(device: DeviceEnds) -> list[Value]:
    return [
        device.device,
        int(device.open),
        [(end.channel, end.seq, end.id) for end in device.ends],
    ]


def _device_ends(value: Value, what: str) -> DeviceEnds:
    fields = as_fields(value, 3, what)
    still_open = bool(as_uint(fields[1], 1, f"{what} open"))
    ends = _log_ends(fields[2], f"{what} ends")
    if still_open and ends:
        raise DecodeError(f"{what}: an open device has no ends")
    return DeviceEnds(as_bytes(fields[0], KEY_BYTES, what), still_open, ends)


def _log_ends(value: Value, what: str) -> tuple[LogEnd, ...]:
    ends: list[LogEnd] = []
    for item in as_list(value, MAX_LOGS_PER_DEVICE, what):
        fields = as_fields(item, 3, what)
        ends.append(
            LogEnd(
                as_uint(fields[0], MAX_CHANNEL, f"{what} channel"),
                as_uint(fields[1], MAX_SEQ, f"{what} seq"),
                as_bytes(fields[2], HASH_BYTES, f"{what} id"),
            )
        )
    _require_rising([end.channel for end in ends], what)
    return tuple(ends)


def _require_rising(keys: Sequence[int] | Sequence[bytes], what: str) -> None:
    if any(a >= b for a, b in itertools.pairwise(keys)):  # type: ignore[operator]
        raise DecodeError(f"{what}: not sorted and unique")


def _sign(key: KeyPair, context: bytes, body: bytes) -> SignedRecord:
    signature = bindings.crypto_sign(context + body, key.secret)[:SIGNATURE_BYTES]
    return SignedRecord(body, signature)


def _verify(record: SignedRecord, context: bytes, public: bytes, what: str) -> None:
    try:
        bindings.crypto_sign_open(record.signature + context + record.body, public)
    except (BadSignatureError, ValueError) as error:
        raise IntegrityError(f"the signature of a {what} does not fit its key") from error
