"""An identity is what its first root key began: only root keys speak for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.entry import MAX_CHANNEL, MAX_SEQ, MAX_T_MS
from slowlight.protocol.errors import DecodeError, IntegrityError
from slowlight.protocol.hashing import short_id, short_prefix
from slowlight.protocol.identity import (
    INCEPTION_BYTES,
    MAX_DEVICES,
    MAX_EPOCH,
    MAX_LABEL_BYTES,
    MAX_LOGS_PER_DEVICE,
    MAX_PLACE_BYTES,
    MAX_RECORD_BYTES,
    Accept,
    Certificate,
    DeviceEnds,
    KeyPair,
    LogEnd,
    Revocation,
    Rotation,
    SignedRecord,
    commitment,
    decode_accept,
    decode_certificate,
    decode_inception,
    decode_revocation,
    decode_rotation,
    device_key,
    incept,
    root_key,
    rotation_key,
    sign_accept,
    sign_certificate,
    sign_revocation,
    sign_rotation,
    verify_accept,
    verify_certificate,
    verify_revocation,
    verify_rotation,
)
from tests.strategies import damaged, ids

SEED: Final = bytes(range(32))
ROOTS: Final = [root_key(SEED, epoch) for epoch in range(3)]
ROTATION_KEYS: Final = {epoch: rotation_key(SEED, epoch) for epoch in (1, 2)}
INCEPTION: Final = incept(SEED)
IDENTITY: Final = INCEPTION.identity
THIEF: Final = device_key(b"\x66" * 32)
ENDS: Final = (LogEnd(0, 0, b"\x01" * 32), LogEnd(1, 255, b"\x02" * 32))

CERTIFICATE: Final = Certificate(
    identity=IDENTITY,
    epoch=0,
    device=device_key(bytes(32)).public,
    box_public=b"\x0b" * 32,
    from_ms=1_900_000_000_000,
    label="laptop",
    place="sol/mars/jezero",
)
ROTATION: Final = Rotation(
    identity=IDENTITY,
    epoch=1,
    rotation_public=ROTATION_KEYS[1].public,
    root_public=ROOTS[1].public,
    predecessor=IDENTITY,
    next_commitment=commitment(ROTATION_KEYS[2].public),
    devices=(DeviceEnds(b"\x01" * 32, True, ()), DeviceEnds(b"\x02" * 32, False, ENDS)),
)
REVOCATION: Final = Revocation(IDENTITY, 0, CERTIFICATE.device, ENDS)
ACCEPT: Final = Accept(IDENTITY, 1, DeviceEnds(CERTIFICATE.device, False, ENDS))

Record: TypeAlias = Certificate | Rotation | Revocation | Accept


class Kind(NamedTuple):
    """A kind of record: an example, who signs it, how it is read."""

    example: Any
    signer: KeyPair
    sign: Callable[[KeyPair, Any], SignedRecord]
    decode: Callable[[bytes], Record]
    verify: Callable[[SignedRecord, bytes], Record]
    key: bytes
    """What a reader verifies it with: the root key, or of a rotation the commitment to its own."""


KINDS: Final = [
    Kind(
        CERTIFICATE,
        ROOTS[0],
        sign_certificate,
        decode_certificate,
        verify_certificate,
        ROOTS[0].public,
    ),
    Kind(
        ROTATION,
        ROTATION_KEYS[1],
        sign_rotation,
        decode_rotation,
        verify_rotation,
        INCEPTION.next_commitment,
    ),
    Kind(
        REVOCATION,
        ROOTS[0],
        sign_revocation,
        decode_revocation,
        verify_revocation,
        ROOTS[0].public,
    ),
    Kind(ACCEPT, ROOTS[1], sign_accept, decode_accept, verify_accept, ROOTS[1].public),
]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind.example).__name__)

DERIVED: Final = (root_key, rotation_key)

epochs = st.integers(0, MAX_EPOCH)
texts = st.text(max_size=16)
log_ends = st.lists(
    st.builds(LogEnd, st.integers(0, MAX_CHANNEL), st.integers(0, MAX_SEQ), ids),
    max_size=5,
    unique_by=lambda end: end.channel,
).map(lambda ends: tuple(sorted(ends)))
device_ends = st.one_of(
    st.builds(DeviceEnds, ids, st.just(True), st.just(())),
    st.builds(DeviceEnds, ids, st.just(False), log_ends),
)
certificates = st.builds(Certificate, ids, epochs, ids, ids, st.integers(0, MAX_T_MS), texts, texts)
rotations = st.builds(
    Rotation,
    ids,
    st.integers(1, MAX_EPOCH),
    ids,
    ids,
    ids,
    ids,
    st.lists(device_ends, max_size=4, unique_by=lambda device: device.device).map(
        lambda devices: tuple(sorted(devices))
    ),
)
revocations = st.builds(Revocation, ids, epochs, ids, log_ends)
accepts = st.builds(Accept, ids, epochs, device_ends)
DECODERS: Final[dict[type[Record], Callable[[bytes], Record]]] = {
    type(kind.example): kind.decode for kind in KINDS
}
records = certificates | rotations | revocations | accepts


@given(records)
def test_records_come_back_as_they_were_written(record: Record) -> None:
    assert DECODERS[type(record)](record.encode()) == record


@given(records.flatmap(lambda record: st.tuples(st.just(type(record)), damaged(record.encode()))))
def test_a_damaged_record_is_another_one_or_none(hit: tuple[type[Record], bytes]) -> None:
    kind, data = hit
    try:
        record = DECODERS[kind](data)
    except DecodeError:
        return
    assert record.encode() == data


@each_kind
def test_a_record_is_its_keys_and_nobody_elses(kind: Kind) -> None:
    record = kind.sign(kind.signer, kind.example)
    assert kind.verify(record, kind.key) == kind.example
    assert record.body == kind.example.encode()
    forged = [
        kind.sign(THIEF, kind.example),
        record._replace(signature=bytes(64)),
        record._replace(signature=record.signature[:-1]),
        record._replace(signature=record.signature + b"\x00"),
        record._replace(body=replace(kind.example, identity=b"\x09" * 32).encode()),
    ]
    for other in forged:
        with pytest.raises(IntegrityError):
            kind.verify(other, kind.key)
    with pytest.raises(IntegrityError):
        kind.verify(record, THIEF.public)
    with pytest.raises(DecodeError):
        kind.verify(record._replace(body=record.body + b"\x00"), kind.key)


@each_kind
def test_a_signature_of_one_kind_is_none_of_another(kind: Kind) -> None:
    """Were two kinds ever to share a body, a signature would still say which was meant."""
    record = kind.sign(kind.signer, kind.example)
    for other in KINDS:
        if other is not kind:
            foreign = other.sign(kind.signer, other.example).signature
            with pytest.raises(IntegrityError):
                kind.verify(record._replace(signature=foreign), kind.key)


@each_kind
def test_a_record_of_a_later_version_is_called_so(kind: Kind) -> None:
    body = bytearray(kind.example.encode())
    body[1] = 2
    with pytest.raises(DecodeError, match="version 2 is unknown here; this node knows 1"):
        kind.decode(bytes(body))


def many_ends(count: int) -> tuple[LogEnd, ...]:
    """Ends of so many channels."""
    return tuple(LogEnd(channel, 0, bytes(32)) for channel in range(count))


def many_devices(count: int, *ends: LogEnd) -> tuple[DeviceEnds, ...]:
    """So many devices, open or with these ends."""
    return tuple(DeviceEnds(bytes([n]) * 32, not ends, ends) for n in range(count))


AT_THE_LIMIT: Final[list[tuple[Record, Record]]] = [
    (
        replace(CERTIFICATE, label="x" * MAX_LABEL_BYTES),
        replace(CERTIFICATE, label="x" * (MAX_LABEL_BYTES - 1) + "é"),
    ),
    (
        replace(CERTIFICATE, place="x" * MAX_PLACE_BYTES),
        replace(CERTIFICATE, place="x" * (MAX_PLACE_BYTES + 1)),
    ),
    (replace(CERTIFICATE, epoch=MAX_EPOCH), replace(CERTIFICATE, epoch=MAX_EPOCH + 1)),
    (replace(CERTIFICATE, from_ms=MAX_T_MS), replace(CERTIFICATE, from_ms=MAX_T_MS + 1)),
    (replace(ROTATION, epoch=1), replace(ROTATION, epoch=0)),
    (
        replace(ROTATION, devices=many_devices(MAX_DEVICES)),
        replace(ROTATION, devices=many_devices(MAX_DEVICES + 1)),
    ),
    (
        replace(ROTATION, devices=many_devices(2)),
        replace(ROTATION, devices=many_devices(2)[::-1]),
    ),
    (
        replace(ROTATION, devices=many_devices(1)),
        replace(ROTATION, devices=many_devices(1) * 2),
    ),
    (
        replace(REVOCATION, ends=many_ends(MAX_LOGS_PER_DEVICE)),
        replace(REVOCATION, ends=many_ends(MAX_LOGS_PER_DEVICE + 1)),
    ),
    (replace(REVOCATION, ends=many_ends(2)), replace(REVOCATION, ends=many_ends(2)[::-1])),
    (
        replace(REVOCATION, ends=(LogEnd(MAX_CHANNEL, MAX_SEQ, bytes(32)),)),
        replace(REVOCATION, ends=(LogEnd(MAX_CHANNEL, MAX_SEQ + 1, bytes(32)),)),
    ),
    (
        replace(ACCEPT, device=DeviceEnds(bytes(32), True, ())),
        replace(ACCEPT, device=DeviceEnds(bytes(32), True, ENDS)),
    ),
]


@pytest.mark.parametrize(("last", "beyond"), AT_THE_LIMIT)
def test_what_no_reader_would_take_is_never_signed(last: Record, beyond: Record) -> None:
    """A label that is too long would make an identity that nobody can verify."""
    (kind,) = (kind for kind in KINDS if type(kind.example) is type(last))
    assert kind.decode(kind.sign(kind.signer, last).body) == last
    with pytest.raises(DecodeError):
        kind.decode(beyond.encode())
    with pytest.raises(ValueError, match="no reader would take this record"):
        kind.sign(kind.signer, beyond)


def test_a_record_fits_an_entry() -> None:
    """Few devices with many ends or many with few; never so many that no entry holds them."""
    few = replace(ROTATION, devices=many_devices(12, *many_ends(64)))
    assert len(few.encode()) <= MAX_RECORD_BYTES
    assert decode_rotation(few.encode()) == few
    many = replace(ROTATION, devices=many_devices(14, *many_ends(64)))
    with pytest.raises(DecodeError, match="at most 32000"):
        decode_rotation(many.encode())


def test_a_seed_gives_one_identity_with_two_keys_for_each_epoch() -> None:
    """The words are enough: nothing but the seed goes into the id."""
    assert incept(SEED) == INCEPTION
    assert incept(bytes(32)).identity != IDENTITY
    later = (1, 2, 255, 256, MAX_EPOCH)
    keys = [root_key(SEED, 0), *(derive(SEED, epoch) for derive in DERIVED for epoch in later)]
    assert len({key.public for key in keys}) == len(keys)
    assert INCEPTION.root_public == ROOTS[0].public
    assert INCEPTION.next_commitment == commitment(ROTATION_KEYS[1].public)
    assert INCEPTION.next_commitment != ROTATION_KEYS[1].public
    for seed, epoch in [(SEED[1:], 1), (SEED + b"\x00", 1), (SEED, -1), (SEED, MAX_EPOCH + 1)]:
        for derive in DERIVED:
            with pytest.raises(ValueError, match="a seed of"):
                derive(seed, epoch)
    with pytest.raises(ValueError, match="no rotation leads into epoch 0"):
        rotation_key(SEED, 0)


def test_an_inception_has_one_length() -> None:
    data = INCEPTION.encode()
    assert len(data) == INCEPTION_BYTES
    assert decode_inception(data) == INCEPTION
    for broken in (data[:-1], data + b"\x00", b"", b"\x93" + data):
        with pytest.raises(DecodeError):
            decode_inception(broken)


@given(damaged(INCEPTION.encode()))
def test_a_damaged_inception_is_another_identity_or_none(data: bytes) -> None:
    try:
        inception = decode_inception(data)
    except DecodeError:
        return
    assert inception.encode() == data
    assert (inception.identity == IDENTITY) == (data == INCEPTION.encode())


@pytest.mark.parametrize("stolen", [*ROOTS[:2], THIEF], ids=["root 0", "root 1", "own"])
def test_only_the_committed_key_rotates(stolen: KeyPair) -> None:
    """A thief with today's root key cannot choose tomorrow's, nor today's anew."""
    rotation = replace(ROTATION, rotation_public=stolen.public, root_public=stolen.public)
    with pytest.raises(IntegrityError, match="another key than the committed one"):
        verify_rotation(sign_rotation(stolen, rotation), INCEPTION.next_commitment)
    with pytest.raises(IntegrityError, match="the signature of a rotation"):
        verify_rotation(sign_rotation(stolen, ROTATION), INCEPTION.next_commitment)


@given(ids)
def test_what_people_read_and_type_is_the_beginning_of_an_id(full: bytes) -> None:
    shown = short_id(full)
    bits, count = short_prefix(shown)
    assert (bits, count) == (int.from_bytes(full, "big") >> 196, 60)
    assert len(shown) == 14
    for typed in (shown.upper(), shown.replace("-", ""), shown.replace("1", "l"), f"-{shown}-"):
        assert short_prefix(typed) == (bits, count)
    for length in range(1, 13):
        prefix = shown.replace("-", "")[:length]
        assert short_prefix(prefix) == (bits >> 60 - 5 * length, 5 * length)


@given(st.text(max_size=16))
def test_whatever_is_typed_is_a_short_id_or_refused(text: str) -> None:
    try:
        bits, count = short_prefix(text)
    except DecodeError:
        return
    assert 5 <= count <= 60
    assert bits < 1 << count
