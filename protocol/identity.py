"""Who someone is: root and rotation keys, inception, and the records that they sign.

An identity is the hash of its inception, which names the first root key and commits to the
first rotation key. Root keys certify, revoke and readmit devices. A rotation key signs only the
rotation that names the next root key, so it exists only while the words are typed in; device
keys sign entries. A *record* is ``(body, signature)``: the exact bytes of the body are signed,
hashed and compared, and a record is valid in whatever log or frame it arrives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from nacl import bindings

from .encoding import (
    Value,
    as_bytes,
    as_fields,
    as_list,
    as_text,
    as_uint,
    as_versioned_fields,
    pack,
    require_rising,
    unpack,
)
from .entry import KEY_BYTES, MAX_CHANNEL, MAX_SEQ, MAX_T_MS, VERSION
from .errors import DecodeError, IntegrityError
from .hashing import (
    HASH_BYTES,
    PERSON_COMMITMENT,
    PERSON_INCEPTION,
    PERSON_RECORD,
    PERSON_ROOT,
    PERSON_ROTATE,
    hash32,
)
from .signing import (
    CONTEXT_ACCEPT,
    CONTEXT_CERTIFICATE,
    CONTEXT_REVOCATION,
    CONTEXT_ROTATION,
    sign,
    verify,
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

INCEPTION_BYTES: Final = 70


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
        """Return the canonical bytes (70 bytes)."""
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
    """The committed rotation key names the next root key and voids what earlier epochs signed."""

    identity: bytes
    epoch: int
    """The new epoch, 1 or more."""
    rotation_public: bytes
    """The key that was committed to and signs this; nothing else is signed with it."""
    root_public: bytes
    """The key that signs certificates, revocations and accepts of the new epoch."""
    predecessor: bytes
    """Hash of the rotation before; of epoch 0, the identity id."""
    next_commitment: bytes
    """To the rotation key of the epoch after."""
    devices: tuple[DeviceEnds, ...]

    def encode(self) -> bytes:
        """Return the canonical body to be signed."""
        devices = [_device_ends_value(device) for device in self.devices]
        return pack(
            (
                VERSION,
                self.identity,
                self.epoch,
                self.rotation_public,
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
    return _epoch_key(seed, epoch, PERSON_ROOT)


def rotation_key(seed: bytes, epoch: int) -> KeyPair:
    """Derive the key pair that signs the rotation into an epoch, 1 or more, from the seed.

    Keep it only while the words are typed in: whoever has it can write that rotation anew.
    """
    if epoch == 0:
        raise ValueError("no rotation leads into epoch 0")
    return _epoch_key(seed, epoch, PERSON_ROTATE)


def device_key(seed: bytes) -> KeyPair:
    """Return the Ed25519 key pair of a 32-byte seed."""
    return KeyPair(*bindings.crypto_sign_seed_keypair(seed))


def commitment(rotation_public: bytes) -> bytes:
    """Return the commitment to a rotation key that stays hidden until it signs."""
    return hash32(PERSON_COMMITMENT, pack((ALGORITHM_ED25519, rotation_public)))


def identity_id(inception: bytes) -> bytes:
    """Return the id of the identity that these inception bytes begin."""
    return hash32(PERSON_INCEPTION, inception)


def incept(seed: bytes) -> Inception:
    """Return the inception that a seed always gives back."""
    return Inception(root_key(seed, 0).public, commitment(rotation_key(seed, 1).public))


def decode_inception(data: bytes) -> Inception:
    """Decode an inception, strictly; raises DecodeError."""
    value = unpack(data, max_bytes=INCEPTION_BYTES, what="inception")
    fields = as_versioned_fields(value, VERSION, 3, "inception")
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
    fields = _record_fields(body, 8, "rotation")
    if fields.epoch == 0:
        raise DecodeError("rotation: epoch 0 is the inception's")
    devices = tuple(
        _device_ends(item, "rotation device")
        for item in as_list(fields.rest[4], MAX_DEVICES, "rotation devices")
    )
    require_rising([device.device for device in devices], "rotation devices")
    return Rotation(
        identity=fields.identity,
        epoch=fields.epoch,
        rotation_public=as_bytes(fields.rest[0], KEY_BYTES, "rotation rotation_pk"),
        root_public=as_bytes(fields.rest[1], KEY_BYTES, "rotation root_pk"),
        predecessor=as_bytes(fields.rest[2], HASH_BYTES, "rotation predecessor"),
        next_commitment=as_bytes(fields.rest[3], HASH_BYTES, "rotation commitment"),
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
    """Sign a certificate with the root key of its epoch.

    Raises:
        ValueError: a field is outside its range; likewise for the other records.
    """
    return _sign(root, CONTEXT_CERTIFICATE, certificate, decode_certificate)


def sign_rotation(committed: KeyPair, rotation: Rotation) -> SignedRecord:
    """Sign a rotation with the rotation key that it names."""
    return _sign(committed, CONTEXT_ROTATION, rotation, decode_rotation)


def sign_revocation(root: KeyPair, revocation: Revocation) -> SignedRecord:
    """Sign a revocation with the current root key."""
    return _sign(root, CONTEXT_REVOCATION, revocation, decode_revocation)


def sign_accept(root: KeyPair, accept: Accept) -> SignedRecord:
    """Sign an accept with the current root key."""
    return _sign(root, CONTEXT_ACCEPT, accept, decode_accept)


def verify_certificate(record: SignedRecord, root_public: bytes) -> Certificate:
    """Decode a certificate and check that this root key signed it.

    Raises:
        DecodeError: the body is malformed.
        IntegrityError: the signature is not this root key's.
    """
    certificate = decode_certificate(record.body)
    verify(root_public, CONTEXT_CERTIFICATE, record.body, record.signature, "a certificate")
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
    if commitment(rotation.rotation_public) != committed:
        raise IntegrityError("a rotation is by another key than the committed one")
    verify(rotation.rotation_public, CONTEXT_ROTATION, record.body, record.signature, "a rotation")
    return rotation


def verify_revocation(record: SignedRecord, root_public: bytes) -> Revocation:
    """Decode a revocation and check that this root key signed it; errors as for certificates."""
    revocation = decode_revocation(record.body)
    verify(root_public, CONTEXT_REVOCATION, record.body, record.signature, "a revocation")
    return revocation


def verify_accept(record: SignedRecord, root_public: bytes) -> Accept:
    """Decode an accept and check that this root key signed it; errors as for certificates."""
    accept = decode_accept(record.body)
    verify(root_public, CONTEXT_ACCEPT, record.body, record.signature, "an accept")
    return accept


def _epoch_key(seed: bytes, epoch: int, person: bytes) -> KeyPair:
    if len(seed) != SEED_BYTES or not 0 <= epoch <= MAX_EPOCH:
        raise ValueError(f"a seed of {len(seed)} bytes, epoch {epoch}")
    number = epoch.to_bytes(4, "big")
    return device_key(blake2b(number, digest_size=32, key=seed, person=person).digest())


class _RecordFields(NamedTuple):
    identity: bytes
    epoch: int
    rest: list[Value]


def _record_fields(body: bytes, count: int, what: str) -> _RecordFields:
    value = unpack(body, max_bytes=MAX_RECORD_BYTES, what=what)
    fields = as_versioned_fields(value, VERSION, count, what)
    return _RecordFields(
        as_bytes(fields[1], HASH_BYTES, f"{what} identity"),
        as_uint(fields[2], MAX_EPOCH, f"{what} epoch"),
        fields[3:],
    )


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
    require_rising([end.channel for end in ends], what)
    return tuple(ends)


def _sign(
    key: KeyPair,
    context: bytes,
    record: Certificate | Rotation | Revocation | Accept,
    decode: Callable[[bytes], object],
) -> SignedRecord:
    body = record.encode()
    try:
        decode(body)
    except DecodeError as error:
        raise ValueError(f"no reader would take this record: {error}") from error
    return SignedRecord(body, sign(key.secret, context, body))
