"""A device belongs to an identity only if a root key says so and the device says it too."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from slowlight.protocol.content import CertificateRecord, Profile
from slowlight.protocol.entry import CHANNEL_IDENTITY
from slowlight.protocol.errors import DecodeError, IntegrityError
from slowlight.protocol.frames import MAX_BODY_BYTES, IdentFrame, encode_frame
from slowlight.protocol.ident import (
    Ident,
    RecordKind,
    decode_ident,
    root_keys,
    verify_ident,
)
from slowlight.protocol.identity import (
    MAX_DEVICES,
    Accept,
    Certificate,
    DeviceEnds,
    KeyPair,
    Revocation,
    Rotation,
    SignedRecord,
    commitment,
    decode_certificate,
    device_key,
    incept,
    root_key,
    rotation_key,
    sign_accept,
    sign_certificate,
    sign_revocation,
    sign_rotation,
)
from slowlight.protocol.run import Run
from tests.people import Person
from tests.strategies import damaged

SEED: Final = bytes(range(32))
ROOTS: Final = [root_key(SEED, epoch) for epoch in range(4)]
ROTATION_KEYS: Final = {epoch: rotation_key(SEED, epoch) for epoch in range(1, 5)}
INCEPTION: Final = incept(SEED)
IDENTITY: Final = INCEPTION.identity
THIEF: Final = device_key(b"\x66" * 32)


class Device(Person):
    """A device of the identity of these tests, certified by a root key of its own choice."""

    def __init__(self, number: int, root: KeyPair = ROOTS[0], epoch: int = 0) -> None:
        super().__init__(0, device_number=number)
        self.logs.clear()
        certificate = Certificate(IDENTITY, epoch, self.device, self.box_public, 5, "", "")
        self.write(CHANNEL_IDENTITY, CertificateRecord(*sign_certificate(root, certificate)))

    @property
    def entry_0(self) -> Run:
        """What IDENT carries of it."""
        return self.run(CHANNEL_IDENTITY, 0, 0)


def rotation(
    epoch: int,
    predecessor: bytes,
    *,
    by: KeyPair | None = None,
    root: KeyPair | None = None,
    after: KeyPair | None = None,
    devices: tuple[DeviceEnds, ...] = (),
) -> SignedRecord:
    """A rotation into an epoch, by the seed's keys and with them unless others are given."""
    key = by or ROTATION_KEYS[epoch]
    return sign_rotation(
        key,
        Rotation(
            IDENTITY,
            epoch,
            key.public,
            (root or ROOTS[epoch]).public,
            predecessor,
            commitment((after or ROTATION_KEYS[epoch + 1]).public),
            devices,
        ),
    )


def ident(*devices: Device, rotations: tuple[SignedRecord, ...] = ()) -> Ident:
    """Everything about the identity in one body."""
    records = tuple((RecordKind.ROTATE, record) for record in rotations)
    return Ident(INCEPTION, records, tuple(device.entry_0 for device in devices))


def with_records(*records: tuple[RecordKind, SignedRecord]) -> Ident:
    """An identity without devices and with these records."""
    return Ident(INCEPTION, records, ())


def revoked(root: KeyPair, epoch: int, identity: bytes = IDENTITY) -> SignedRecord:
    """A revocation of some device."""
    return sign_revocation(root, Revocation(identity, epoch, THIEF.public, ()))


FIRST: Final = rotation(1, IDENTITY)
SECOND: Final = rotation(2, FIRST.hash)


def keys(*rotations: SignedRecord) -> list[bytes]:
    """Root keys by epoch."""
    return root_keys(INCEPTION, rotations)


def publics(*pairs: KeyPair) -> list[bytes]:
    """Public halves."""
    return [pair.public for pair in pairs]


def test_devices_are_proven_and_come_back() -> None:
    laptop, phone = Device(1), Device(2)
    body = ident(laptop, phone).encode()
    verified = verify_ident(decode_ident(body))
    assert verified.identity == IDENTITY
    assert [device.run.device for device in verified.devices] == [laptop.device, phone.device]
    assert verified.devices[0].certificate.box_public == laptop.box_public
    assert verified.devices[0].first_entry == laptop.log(CHANNEL_IDENTITY)[0]
    record = verified.devices[0].record
    assert decode_certificate(record.body) == verified.devices[0].certificate
    assert decode_ident(body).encode() == body


def test_the_work_is_two_signatures_a_device_and_one_a_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked: list[bytes] = []
    verify = bindings.crypto_sign_open

    def counted(signed: bytes, key: bytes) -> bytes:
        checked.append(key)
        message: bytes = verify(signed, key)
        return message

    monkeypatch.setattr(bindings, "crypto_sign_open", counted)
    both = ident(Device(1), Device(2), rotations=(FIRST, SECOND))
    revocation = (RecordKind.REVOKE, revoked(ROOTS[2], 2))
    verify_ident(replace(both, records=(*both.records, revocation)))
    assert len(checked) == 2 * 2 + 3


def test_a_stranger_cannot_join() -> None:
    """Neither half is enough: the root's word about the device, the device's own word."""
    laptop, stranger = Device(1), Person(7)
    for forged in (
        stranger.run(CHANNEL_IDENTITY, 0, 0),
        Device(3, root=THIEF).entry_0,
        Device(4, root=ROOTS[1]).entry_0,
        Device(5, root=ROOTS[1], epoch=1).entry_0,
        replace(laptop.entry_0, device=stranger.device),
        replace(laptop.entry_0, signature=None),
        replace(laptop.entry_0, signature=stranger.run(CHANNEL_IDENTITY, 0, 0).signature),
        laptop.run(CHANNEL_IDENTITY, 0, 0, stubs={0}),
    ):
        with pytest.raises(IntegrityError):
            verify_ident(Ident(INCEPTION, (), (forged,)))


def test_a_certificate_must_be_about_the_device_that_carries_it() -> None:
    """A stolen certificate in one's own entry 0 makes nobody a device of someone else."""
    laptop, thief = Device(1), Person(7)
    thief.logs.clear()
    stolen = laptop.log(CHANNEL_IDENTITY)[0].payload
    assert stolen is not None
    thief.write(CHANNEL_IDENTITY, stolen[16:])
    with pytest.raises(IntegrityError, match="names another identity or device"):
        verify_ident(Ident(INCEPTION, (), (thief.run(CHANNEL_IDENTITY, 0, 0),)))


def test_entry_0_is_a_certificate_and_nothing_else() -> None:
    chatty = Device(1)
    chatty.logs.clear()
    chatty.write(CHANNEL_IDENTITY, Profile(name="Ada"))
    with pytest.raises(IntegrityError, match="is not a certificate"):
        verify_ident(ident(chatty))
    garbled = Device(2)
    garbled.logs.clear()
    garbled.write(CHANNEL_IDENTITY, CertificateRecord(b"garbled", bytes(64)))
    with pytest.raises(DecodeError, match="certificate"):
        verify_ident(ident(garbled))


def test_only_entry_0_of_channel_0_of_each_device_once() -> None:
    laptop = Device(1)
    laptop.profile("Ada")
    laptop.post("First light.")
    for runs in (
        (laptop.run(CHANNEL_IDENTITY, 1, 1),),
        (laptop.run(CHANNEL_IDENTITY),),
        (laptop.run(),),
        (laptop.entry_0, laptop.entry_0),
    ):
        with pytest.raises(DecodeError, match="IDENT"):
            decode_ident(Ident(INCEPTION, (), runs).encode())


def test_so_many_devices_and_no_more() -> None:
    devices = [Device(number).entry_0 for number in range(MAX_DEVICES + 1)]
    full = Ident(INCEPTION, (), tuple(devices[:MAX_DEVICES]))
    assert len(verify_ident(decode_ident(full.encode())).devices) == MAX_DEVICES
    assert len(encode_frame(IdentFrame(full.encode()))) < MAX_BODY_BYTES
    with pytest.raises(DecodeError):
        decode_ident(Ident(INCEPTION, (), tuple(devices)).encode())


def test_rotations_open_epochs_in_any_order() -> None:
    third = rotation(3, SECOND.hash, after=THIEF)
    assert keys() == publics(*ROOTS[:1])
    assert keys(FIRST) == publics(*ROOTS[:2])
    assert keys(third, FIRST, SECOND) == publics(*ROOTS)


def test_a_device_certified_after_a_rotation_belongs() -> None:
    verified = verify_ident(ident(Device(1), Device(2, ROOTS[1], 1), rotations=(FIRST,)))
    assert [device.certificate.epoch for device in verified.devices] == [0, 1]
    with pytest.raises(IntegrityError, match="epoch 1, which no rotation opened"):
        verify_ident(ident(Device(2, ROOTS[1], 1)))


@pytest.mark.parametrize(
    "rotations",
    [
        (SECOND,),
        (rotation(1, b"\x07" * 32),),
        (rotation(2, IDENTITY),),
        (FIRST, rotation(2, IDENTITY)),
        (rotation(1, IDENTITY, by=THIEF),),
        (rotation(1, IDENTITY, by=ROOTS[0]),),
        (rotation(1, IDENTITY, by=ROOTS[1]),),
        (FIRST._replace(signature=bytes(64)),),
    ],
)
def test_a_rotation_continues_what_is_there_by_the_committed_key(
    rotations: tuple[SignedRecord, ...],
) -> None:
    with pytest.raises(IntegrityError):
        keys(*rotations)
    with pytest.raises(IntegrityError):
        verify_ident(ident(Device(1), rotations=rotations))


def rivals(*, root: KeyPair | None = None) -> tuple[SignedRecord, SignedRecord]:
    """Two rotations into epoch 1: the one that wins, and one that hands over to a thief."""
    for number in range(64):
        forgotten = DeviceEnds(bytes([number]) * 32, True, ())
        thief = rotation(1, IDENTITY, root=root, after=THIEF, devices=(forgotten,))
        if thief.hash > FIRST.hash:
            return FIRST, thief
    raise AssertionError("64 hashes below another one")


@given(st.permutations((*rivals(), SECOND, rotation(2, rivals()[1].hash, by=THIEF))))
def test_of_two_rivals_the_lower_hash_wins_whatever_comes_first(
    rotations: list[SignedRecord],
) -> None:
    """Everybody who knows both agrees, and what continues the loser is no error."""
    assert keys(*rotations) == publics(*ROOTS[:3])


def test_rivals_of_one_key_are_no_danger() -> None:
    """The owner rotated twice without knowing: the key is the same, one list of devices wins."""
    other = rotation(1, IDENTITY, devices=(DeviceEnds(b"\x01" * 32, True, ()),))
    low, high = sorted((FIRST, other), key=lambda record: record.hash)
    after_high = rotation(2, high.hash)
    assert keys(low, high) == publics(*ROOTS[:2])
    assert keys(low, high, after_high) == publics(*ROOTS[:2])
    assert keys(low, high, after_high, rotation(2, low.hash)) == publics(*ROOTS[:3])


def test_what_a_losing_thief_brought_in_is_left_out() -> None:
    """Nobody can make an identity unreadable by spreading a rotation that lost."""
    winner, loser = rivals()
    after_loser = rotation(2, loser.hash, by=THIEF, root=THIEF)
    thieves = Device(6, THIEF, 2)
    everything = ident(Device(1), thieves, rotations=(winner, loser, after_loser))
    for epoch in (2, 3):
        revocation = (RecordKind.REVOKE, revoked(THIEF, epoch))
        verified = verify_ident(replace(everything, records=(*everything.records, revocation)))
        assert [device.certificate.epoch for device in verified.devices] == [0]
        assert verified.records == everything.records
    in_honest_epoch = (RecordKind.REVOKE, revoked(THIEF, 1))
    contested = replace(everything, records=(*everything.records, in_honest_epoch))
    with pytest.raises(IntegrityError, match="the signature of a revocation"):
        verify_ident(contested)


def test_what_the_root_key_of_a_losing_rival_signed_is_left_out() -> None:
    """Rivals may name different root keys for one epoch: that of the winner speaks in it."""
    winner, loser = rivals(root=THIEF)
    both = ident(Device(1), Device(2, ROOTS[1], 1), Device(6, THIEF, 1), rotations=(winner, loser))
    revocation = (RecordKind.REVOKE, revoked(THIEF, 1))
    verified = verify_ident(replace(both, records=(*both.records, revocation)))
    assert keys(loser, winner) == publics(*ROOTS[:2])
    assert keys(loser) == publics(ROOTS[0], THIEF)
    assert [device.run for device in verified.devices] == list(both.first_entries[:2])
    assert verified.records == both.records


def test_records_are_kept_only_if_a_root_key_signed_them() -> None:
    """Otherwise anyone could fill our store, or revoke a device by a word of its own."""
    acceptance = sign_accept(ROOTS[1], Accept(IDENTITY, 1, DeviceEnds(THIEF.public, True, ())))
    good = with_records(
        (RecordKind.ROTATE, FIRST),
        (RecordKind.REVOKE, revoked(ROOTS[0], 0)),
        (RecordKind.ACCEPT, acceptance),
    )
    assert verify_ident(decode_ident(good.encode())).records == good.records
    for record in (
        revoked(THIEF, 0),
        revoked(ROOTS[1], 0),
        revoked(ROOTS[1], 1),
        revoked(ROOTS[0], 0, identity=b"\x07" * 32),
        revoked(ROOTS[0], 0)._replace(signature=acceptance.signature),
    ):
        with pytest.raises(IntegrityError):
            verify_ident(with_records((RecordKind.REVOKE, record)))
    with pytest.raises(IntegrityError):
        verify_ident(with_records((RecordKind.ACCEPT, acceptance)))


def test_a_record_is_what_it_calls_itself() -> None:
    """The body of one kind under the number of another is malformed, or nobody signed it."""
    revocation = revoked(ROOTS[0], 0)
    for kind in (RecordKind.ROTATE, RecordKind.ACCEPT):
        with pytest.raises(DecodeError):
            verify_ident(with_records((kind, revocation)))
    with pytest.raises(DecodeError, match="one record twice"):
        decode_ident(with_records(*[(RecordKind.REVOKE, revocation)] * 2).encode())


EVERYTHING: Final = replace(
    ident(Device(1), Device(2, ROOTS[1], 1), rotations=(FIRST, SECOND)),
    records=(
        (RecordKind.ROTATE, FIRST),
        (RecordKind.ROTATE, SECOND),
        (RecordKind.REVOKE, revoked(ROOTS[2], 2)),
    ),
)


@given(damaged(EVERYTHING.encode()))
def test_damage_ends_in_one_of_two_errors(data: bytes) -> None:
    """What is accepted was said by the owner, though it may be less than everything."""
    try:
        found = verify_ident(decode_ident(data))
    except (DecodeError, IntegrityError):
        return
    assert found.identity == IDENTITY
    assert set(found.records) <= set(EVERYTHING.records)
    devices = {device.run.device: device for device in verify_ident(EVERYTHING).devices}
    for device in found.devices:
        assert decode_certificate(device.certificate.encode()) == (
            devices[device.run.device].certificate
        )
