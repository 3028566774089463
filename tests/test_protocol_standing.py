"""Who may say what for an identity, and what is void: stories of keys lost and stolen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Final, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slowlight.protocol.ident import RecordKind
from slowlight.protocol.identity import (
    MAX_DEVICES,
    Accept,
    Certificate,
    DeviceEnds,
    KeyPair,
    LogEnd,
    Revocation,
    Rotation,
    SignedRecord,
    commitment,
    device_key,
    incept,
    root_key,
    rotation_key,
    sign_accept,
    sign_certificate,
    sign_revocation,
    sign_rotation,
)
from slowlight.protocol.roots import Flaw, signed_by
from slowlight.protocol.standing import Admission, Standing, Void, standing_of
from tests.second_judge import SecondJudge, Told

Spoken: TypeAlias = tuple[RecordKind, SignedRecord]

SEED: Final = bytes(range(32))
ROOTS: Final = [root_key(SEED, epoch) for epoch in range(5)]
ROTATION_KEYS: Final = {epoch: rotation_key(SEED, epoch) for epoch in range(1, 5)}
INCEPTION: Final = incept(SEED)
IDENTITY: Final = INCEPTION.identity
STRANGERS: Final = b"\x07" * 32
"""Another identity."""

LAPTOP, PHONE, TABLET = (device_key(bytes([number]) * 32) for number in (1, 2, 3))
THIEF: Final = device_key(b"\x66" * 32)


def an_id(number: int) -> bytes:
    """The id of some entry."""
    return bytes([number]) * 32


def end(channel: int, seq: int, number: int = 9) -> LogEnd:
    """A log end at an entry whose id is made of ``number``."""
    return LogEnd(channel, seq, an_id(number))


def going_on(key: KeyPair) -> DeviceEnds:
    """A device that a rotation or accept leaves open."""
    return DeviceEnds(key.public, True, ())


def ended(key: KeyPair, *ends: LogEnd) -> DeviceEnds:
    """A device that a rotation or accept closes."""
    return DeviceEnds(key.public, False, ends)


def certified(
    key: KeyPair, epoch: int = 0, *, by: KeyPair | None = None, label: str = ""
) -> SignedRecord:
    """The certificate of a device, by the root key of its epoch unless said otherwise."""
    certificate = Certificate(IDENTITY, epoch, key.public, b"\x0b" * 32, 5, label, "")
    return sign_certificate(by or ROOTS[epoch], certificate)


def revoked(
    key: KeyPair,
    *ends: LogEnd,
    epoch: int = 0,
    by: KeyPair | None = None,
    identity: bytes = IDENTITY,
) -> Spoken:
    """A revocation of a device."""
    revocation = Revocation(identity, epoch, key.public, ends)
    return RecordKind.REVOKE, sign_revocation(by or ROOTS[epoch], revocation)


def accepted(device: DeviceEnds, epoch: int = 1, *, by: KeyPair | None = None) -> Spoken:
    """An accept of a device."""
    return RecordKind.ACCEPT, sign_accept(by or ROOTS[epoch], Accept(IDENTITY, epoch, device))


def rotated(
    *devices: DeviceEnds,
    epoch: int = 1,
    after: Spoken | None = None,
    by: KeyPair | None = None,
    naming: KeyPair | None = None,
    root: KeyPair | None = None,
    committing: KeyPair | None = None,
    identity: bytes = IDENTITY,
) -> Spoken:
    """A rotation into an epoch, by the seed's key and committing to its next.

    Whoever signs it with another key names that one in it, or as ``naming`` says.
    """
    key = by or ROTATION_KEYS[epoch]
    rotation = Rotation(
        identity,
        epoch,
        (naming or key).public,
        (root or ROOTS[epoch]).public,
        after[1].hash if after else IDENTITY,
        commitment((committing or ROTATION_KEYS[epoch + 1]).public),
        tuple(sorted(devices)),
    )
    return RecordKind.ROTATE, sign_rotation(key, rotation)


checked: Final = cache(signed_by)
"""The plain check, which remembers each answer together with the key."""


def standing(records: Iterable[Spoken] = (), *certificates: SignedRecord) -> Standing:
    """What stands; without certificates, of an identity with a laptop and a phone."""
    return standing_of(
        INCEPTION, records, certificates or (certified(LAPTOP), certified(PHONE)), checked
    )


def flaws(found: Standing) -> list[Flaw]:
    """Why records were ignored."""
    return [ignored.flaw for ignored in found.ignored]


def shown(found: Standing, key: KeyPair, channel: int, seq: int) -> SignedRecord | None:
    """The record that is shown for a void entry; None: it stands."""
    verdict = found.judge(key.public, channel, seq)
    assert verdict.stands is (verdict.closing is None)
    return verdict.closing.record if verdict.closing else None


def by_hash(*records: Spoken) -> list[Spoken]:
    """Records in the order of their hashes."""
    return sorted(records, key=lambda spoken: spoken[1].hash)


def until(fits: Callable[[SignedRecord], bool], make: Callable[[int], Spoken]) -> Spoken:
    """Make records until the hash of one is as a grinder wants it."""
    return next(spoken for spoken in map(make, range(256)) if fits(spoken[1]))


# What a quiet life looks like


def test_certified_devices_speak_and_nobody_else_does() -> None:
    found = standing()
    assert (found.epoch, found.roots) == (0, (ROOTS[0].public,))
    assert found.devices.keys() == {LAPTOP.public, PHONE.public}
    assert all(device.stands and device.open for device in found.devices.values())
    assert found.judge(LAPTOP.public, 1, 1_000_000).stands
    assert found.closing(LAPTOP.public, 1) is None
    verdict = found.judge(THIEF.public, 1, 0)
    assert (verdict.void, verdict.closing) == (Void.STRANGER, None)
    with pytest.raises(KeyError):
        found.closing(THIEF.public, 1)


def test_a_rotation_that_names_every_device_changes_nothing_for_readers() -> None:
    rotation = rotated(going_on(LAPTOP), going_on(PHONE))
    found = standing([rotation])
    assert found.roots == (ROOTS[0].public, ROOTS[1].public)
    assert all(device.open for device in found.devices.values())
    assert found.devices[LAPTOP.public].admission is Admission.NAMED


def test_a_device_of_a_new_epoch_joins() -> None:
    rotation = rotated(going_on(LAPTOP))
    tablet = certified(TABLET, 1)
    assert flaws(standing([], tablet)) == [Flaw.ORPHAN]
    found = standing([rotation], certified(LAPTOP), tablet)
    assert found.devices[TABLET.public].admission is Admission.CERTIFIED
    assert found.judge(TABLET.public, 1, 5).stands


# A lost device


def test_a_lost_device_ends_where_the_owner_says() -> None:
    lost = revoked(PHONE, end(0, 4), end(1, 57))
    found = standing([lost])
    phone = found.devices[PHONE.public]
    assert (phone.stands, phone.open) == (True, False)
    assert found.judge(PHONE.public, 1, 57).stands
    assert found.judge(PHONE.public, 1, 58).void is Void.ENDED
    assert shown(found, PHONE, 1, 58) == lost[1]
    assert shown(found, PHONE, 2, 0) == lost[1], "a channel that is not named ends empty"
    assert found.devices[LAPTOP.public].open


def test_entry_0_of_channel_0_always_stays() -> None:
    """It proves whose device it was; without it nothing that stands could be checked."""
    found = standing([revoked(PHONE)])
    assert found.judge(PHONE.public, 0, 0).stands
    assert found.judge(PHONE.public, 0, 1).void is Void.ENDED
    assert found.judge(PHONE.public, 1, 0).void is Void.ENDED
    forgotten = standing([rotated(going_on(LAPTOP))])
    assert forgotten.judge(PHONE.public, 0, 0).stands


def test_a_revocation_in_the_past_takes_back_what_was_accepted() -> None:
    """The owner learns late that the thief had the phone since entry 20."""
    found = standing([])
    assert found.judge(PHONE.public, 1, 30, an_id(1)).stands
    late = revoked(PHONE, end(0, 0), end(1, 19))
    found = standing([late])
    assert found.judge(PHONE.public, 1, 30, an_id(1)).closing == found.closing(PHONE.public, 1)
    assert shown(found, PHONE, 1, 20) == late[1]
    assert found.judge(PHONE.public, 1, 19, an_id(9)).stands


def test_a_revocation_selects_the_branch_of_a_fork() -> None:
    """The cloned disk wrote another entry 5; below the fork both are the same."""
    found = standing([revoked(PHONE, end(1, 5, 9))])
    assert found.judge(PHONE.public, 1, 5, an_id(9)).stands
    assert found.judge(PHONE.public, 1, 5, an_id(8)).void is Void.OFF_BRANCH
    assert found.judge(PHONE.public, 1, 4, an_id(8)).stands
    assert found.judge(PHONE.public, 1, 5).stands, "who asks by number alone has one branch"


def test_of_two_revocations_the_lower_end_wins_for_each_channel() -> None:
    one = revoked(PHONE, end(0, 3), end(1, 10))
    two = revoked(PHONE, end(0, 5), end(1, 7), end(2, 4))
    for records in ([one, two], [two, one]):
        found = standing(records)
        assert [shown(found, PHONE, *at) for at in ((0, 3), (1, 7))] == [None, None]
        assert shown(found, PHONE, 0, 4) == one[1]
        assert shown(found, PHONE, 1, 8) == two[1]
        assert shown(found, PHONE, 2, 0) == one[1], "not to be named is lower than any entry"


def test_of_two_equal_ends_the_lower_hash_wins() -> None:
    low, high = by_hash(revoked(PHONE, end(1, 5, 8)), revoked(PHONE, end(1, 5, 9)))
    for records in ([low, high], [high, low]):
        found = standing(records)
        closing = found.closing(PHONE.public, 1)
        assert closing is not None
        assert (closing.record, closing.last_seq) == (low[1], 5)
        nowhere = found.closing(PHONE.public, 7)
        assert nowhere is not None
        assert (nowhere.record, nowhere.last_seq) == (low[1], -1)
        assert found.records == (low,), "the other one decides nothing"


# A thief of a device


def test_a_thief_with_a_device_key_can_neither_certify_revoke_nor_rotate() -> None:
    """Every kind of record by the key of the phone, under every epoch there is or could be."""
    quiet = standing([rotated(going_on(LAPTOP), going_on(PHONE))])
    tries = [
        revoked(LAPTOP, epoch=1, by=PHONE),
        revoked(LAPTOP, epoch=2, by=PHONE),
        accepted(going_on(THIEF), 1, by=PHONE),
        rotated(going_on(PHONE), by=PHONE),
        rotated(going_on(PHONE), epoch=2, after=quiet.records[0], by=PHONE),
    ]
    certificates = [certified(THIEF, epoch, by=PHONE) for epoch in (0, 1)]
    found = standing([*quiet.records, *tries], certified(LAPTOP), certified(PHONE), *certificates)
    assert found == quiet
    assert sorted(flaw.value for flaw in flaws(found)) == ["orphan"] + ["unproven"] * 6


# A thief of the root key


def test_a_thief_with_the_root_key_reigns_until_the_owner_rotates() -> None:
    """They certify a device of theirs and revoke the owner's; the words undo all of it."""
    coup = revoked(LAPTOP)
    certificates = (certified(LAPTOP), certified(PHONE), certified(THIEF))
    reign = standing([coup], *certificates)
    assert reign.judge(THIEF.public, 1, 0).stands
    assert shown(reign, LAPTOP, 1, 0) == coup[1]

    rotation = rotated(going_on(LAPTOP), ended(PHONE, end(0, 2), end(1, 8)))
    later = certified(TABLET, label="certified with the stolen key after the rotation")
    again = revoked(LAPTOP, end(0, 0))
    found = standing([coup, rotation, again], *certificates, later)
    assert found.judge(LAPTOP.public, 1, 1_000).stands
    assert flaws(found) == [Flaw.SUPERSEDED] * 2
    assert shown(found, PHONE, 1, 9) == rotation[1]
    for key in (THIEF, TABLET):
        verdict = found.judge(key.public, 1, 0)
        assert verdict.void is Void.FORGOTTEN
        assert shown(found, key, 1, 0) == rotation[1]
        assert not found.devices[key.public].stands
    assert found.records == (rotation,), "what a rotation voids need not be kept"


@pytest.mark.parametrize(
    "attempt",
    [
        rotated(going_on(THIEF), by=ROOTS[0]),
        rotated(going_on(THIEF), by=ROOTS[0], naming=ROTATION_KEYS[1], root=THIEF),
        rotated(going_on(THIEF), by=THIEF, root=THIEF, committing=THIEF),
        (RecordKind.ROTATE, rotated(going_on(THIEF))[1]._replace(signature=bytes(64))),
        rotated(going_on(THIEF), epoch=2, by=ROOTS[0]),
    ],
)
def test_a_thief_with_the_first_root_key_cannot_rotate(attempt: Spoken) -> None:
    found = standing([attempt])
    assert found == standing()
    assert flaws(found) == [Flaw.UNPROVEN]


def anew_for_the_thief(honest: Spoken, *, by: KeyPair, naming: KeyPair | None = None) -> Spoken:
    """A rotation into epoch 1 for a thief, ground until its hash is below the honest one's."""
    return until(
        lambda record: record.hash < honest[1].hash,
        lambda number: rotated(
            *(going_on(THIEF), ended(LAPTOP, end(1, number))),
            by=by,
            naming=naming,
            root=THIEF,
            committing=THIEF,
        ),
    )


@pytest.mark.parametrize("naming", [ROOTS[1], ROTATION_KEYS[1]], ids=["itself", "the other"])
def test_a_thief_with_a_later_root_key_cannot_write_its_rotation_anew(naming: KeyPair) -> None:
    """A root key signed nothing that made it one, so a lower hash is of no use to its thief."""
    honest = rotated(going_on(LAPTOP), going_on(PHONE))
    rewritten = anew_for_the_thief(honest, by=ROOTS[1], naming=naming)
    found = standing([honest, rewritten])
    assert found == standing([honest])
    assert flaws(found) == [Flaw.UNPROVEN]
    onwards = rotated(going_on(THIEF), epoch=2, after=honest, by=ROOTS[1], root=THIEF)
    assert standing([honest, onwards]) == standing([honest])


def test_the_words_can_write_a_rotation_anew() -> None:
    """Whoever has them is the owner: nothing tells two such people apart but the hash."""
    honest = rotated(going_on(LAPTOP), going_on(PHONE))
    rewritten = anew_for_the_thief(honest, by=ROTATION_KEYS[1])
    found = standing([honest, rewritten])
    assert found.records == (rewritten,)
    assert found.roots == (ROOTS[0].public, THIEF.public)


def test_a_rotation_key_signs_rotations_only() -> None:
    """Nothing that a running node needs is signed with it, so no node has to have it."""
    rotation = rotated(going_on(LAPTOP), going_on(PHONE))
    key = ROTATION_KEYS[1]
    tries = [revoked(LAPTOP, epoch=1, by=key), accepted(going_on(TABLET), by=key)]
    certificates = (certified(LAPTOP), certified(PHONE), certified(TABLET, 1, by=key))
    found = standing([rotation, *tries], *certificates)
    assert found == standing([rotation])
    assert flaws(found) == [Flaw.UNPROVEN] * 3


# A forgotten device


def test_a_device_that_a_rotation_forgot_is_readmitted_by_an_accept() -> None:
    rotation = rotated(going_on(LAPTOP))
    forgotten = standing([rotation])
    assert forgotten.devices[PHONE.public].admission is Admission.FORGOTTEN
    assert shown(forgotten, PHONE, 1, 3) == rotation[1]
    found = standing([rotation, accepted(going_on(PHONE))])
    assert found.devices[PHONE.public].admission is Admission.ACCEPTED
    assert found.judge(PHONE.public, 1, 3).stands


def test_an_accept_may_admit_the_past_only() -> None:
    """The old tablet was lost before the rotation: what it said until then counts."""
    rotation, accept = rotated(going_on(LAPTOP)), accepted(ended(PHONE, end(0, 1), end(1, 40)))
    found = standing([rotation, accept])
    assert found.devices[PHONE.public].stands
    assert found.judge(PHONE.public, 1, 40).stands
    assert shown(found, PHONE, 1, 41) == accept[1]
    both = standing([rotation, accept, accepted(going_on(PHONE))])
    assert shown(both, PHONE, 1, 41) == accept[1], "of two accepts the lower end wins too"


def test_an_accepted_device_can_be_revoked_and_not_accepted_back() -> None:
    rotation, accept = rotated(going_on(LAPTOP)), accepted(going_on(PHONE))
    lost = revoked(PHONE, end(1, 7), epoch=1)
    found = standing([lost, accept, rotation])
    assert found.devices[PHONE.public].admission is Admission.ACCEPTED
    assert shown(found, PHONE, 1, 8) == lost[1]
    assert set(found.records) == {rotation, accept, lost}


def test_each_rotation_names_anew_what_shall_stand() -> None:
    """An accept ends with its epoch, and so does a revocation: the next rotation decides."""
    first = rotated(going_on(LAPTOP))
    second = rotated(going_on(LAPTOP), epoch=2, after=first)
    third = rotated(going_on(PHONE), epoch=3, after=second)
    accept, lost = accepted(going_on(PHONE)), revoked(LAPTOP, epoch=2)
    assert standing([first, accept]).devices[PHONE.public].open
    found = standing([first, accept, second, lost])
    assert not found.devices[PHONE.public].stands
    assert shown(found, LAPTOP, 1, 0) == lost[1]
    found = standing([first, accept, second, lost, third])
    assert found.devices[PHONE.public].open
    assert shown(found, LAPTOP, 1, 0) == third[1]


def test_nothing_is_accepted_that_was_not_forgotten() -> None:
    """An accept cannot reopen what a rotation closed, nor what is open anyway."""
    rotation = rotated(ended(PHONE, end(1, 3)))
    accepts = [accepted(going_on(PHONE)), accepted(going_on(TABLET))]
    certificates = (certified(PHONE), certified(TABLET, 1))
    found = standing([rotation, *accepts], *certificates)
    assert found == standing([rotation], *certificates)
    assert flaws(found) == [Flaw.IDLE] * 2
    assert flaws(standing([accepted(ended(LAPTOP), epoch=0)])) == [Flaw.IDLE]


def test_records_wait_for_the_certificate_of_their_device() -> None:
    """A revocation may come first: it is kept, and counts when the device turns up."""
    rotation, accept = rotated(), accepted(going_on(PHONE))
    lost = revoked(PHONE, end(1, 7), epoch=1)
    early = standing_of(INCEPTION, [rotation, accept, lost], ())
    assert (dict(early.devices), early.ignored) == ({}, ())
    assert early.records == standing([rotation, accept, lost], certified(PHONE)).records


# Rival rotations


def rivals() -> tuple[Spoken, Spoken]:
    """Two rotations into epoch 1, the winner first; the loser hands over to a thief."""
    honest = rotated(going_on(LAPTOP), going_on(PHONE))
    loser = until(
        lambda record: record.hash > honest[1].hash,
        lambda number: rotated(ended(LAPTOP, end(1, number)), committing=THIEF),
    )
    return honest, loser


def test_of_two_rival_rotations_the_lower_hash_wins_in_both_orders() -> None:
    winner, loser = rivals()
    assert standing([winner]) == standing([loser, winner]) == standing([winner, loser])
    alone = standing([loser])
    assert shown(alone, PHONE, 1, 0) == loser[1]
    assert flaws(standing([winner, loser])) == [Flaw.LOST]


def test_what_continues_the_loser_is_void_with_it() -> None:
    winner, loser = rivals()
    after = rotated(going_on(THIEF), epoch=2, after=loser, by=THIEF, root=THIEF)
    brought = [revoked(LAPTOP, epoch=2, by=THIEF), accepted(going_on(TABLET), 2, by=THIEF)]
    records = [after, *brought, winner, loser]
    certificates = (certified(LAPTOP), certified(PHONE), certified(THIEF, 2, by=THIEF))
    found = standing(records, *certificates)
    assert found == standing([winner])
    assert flaws(found) == [Flaw.LOST] * 5
    assert found.judge(THIEF.public, 1, 0).void is Void.STRANGER
    assert standing([loser, *records[:3]], *certificates).judge(THIEF.public, 1, 0).stands


def test_the_root_key_that_a_loser_named_is_void_with_it() -> None:
    """Rivals may name different root keys for one epoch; what the other one signed is lost."""
    winner, _ = rivals()
    loser = until(
        lambda record: record.hash > winner[1].hash,
        lambda number: rotated(ended(LAPTOP, end(1, number)), root=THIEF),
    )
    coup = revoked(LAPTOP, epoch=1, by=THIEF)
    certificates = (certified(LAPTOP), certified(PHONE), certified(THIEF, 1, by=THIEF))
    found = standing([coup, loser, winner], *certificates)
    assert found == standing([winner])
    assert flaws(found) == [Flaw.LOST] * 3
    assert standing([loser], *certificates).judge(THIEF.public, 1, 0).stands


# Room, doubles, rubbish


def test_there_is_room_for_so_many_devices_and_the_rotation_goes_first() -> None:
    """A thief with the root key crowds out new devices of its epoch, never those named."""
    crowd = [device_key(bytes([number, 99]) * 16) for number in range(MAX_DEVICES + 3)]
    rotation, accept = rotated(going_on(LAPTOP)), accepted(going_on(PHONE))
    certificates = [certified(LAPTOP), certified(PHONE), *(certified(key, 1) for key in crowd)]
    found = standing([rotation, accept], *certificates)
    assert found == standing([accept, rotation], *reversed(certificates))
    assert len(found.devices) == MAX_DEVICES
    assert found.devices.keys() > {LAPTOP.public, PHONE.public}
    assert flaws(found) == [Flaw.CROWDED] * 5
    inside = [each.record.hash for each in found.devices.values() if each.certificate.epoch]
    assert max(inside) < min(ignored.record.hash for ignored in found.ignored)


def test_of_two_certificates_of_a_device_the_newer_epoch_counts() -> None:
    """An old root key may be a thief's by now; what it certifies late displaces nothing."""
    rotation = rotated(going_on(LAPTOP))
    old = [certified(LAPTOP, label=label) for label in ("one", "two", "three")]
    new = certified(LAPTOP, 1)
    assert standing([rotation], *old, new).devices[LAPTOP.public].record == new
    assert standing([], *old).devices[LAPTOP.public].record == min(old, key=lambda r: r.hash)


def test_one_body_counts_once_whatever_else_is_signed_under_it() -> None:
    """Whoever has a key can sign one body in many ways; the least of these bytes is taken."""
    kind, good = revoked(PHONE)
    others = [good._replace(signature=bytes([number]) * 64) for number in range(3)]
    certificate = certified(PHONE)
    found = standing_of(
        *(INCEPTION, [(kind, record) for record in (good, *others)], [certificate]),
        lambda _key, _context, _record: True,
    )
    assert found.records == ((kind, others[0]),)
    assert flaws(found) == [Flaw.DOUBLE] * 3
    forged = standing([(kind, good), *((kind, record) for record in others)])
    assert forged == standing([(kind, good)])
    rotation = rotated(going_on(LAPTOP))
    twice = [rotation, (rotation[0], rotation[1]._replace(signature=b"\xff" * 64))]
    found = standing_of(INCEPTION, twice, (), lambda _key, _context, _record: True)
    assert flaws(found) == [Flaw.DOUBLE]


RUBBISH: Final[Sequence[Spoken]] = (
    (RecordKind.ROTATE, SignedRecord(b"", bytes(64))),
    (RecordKind.REVOKE, SignedRecord(b"\x90", b"")),
    (RecordKind.ACCEPT, SignedRecord(revoked(LAPTOP)[1].body, bytes(64))),
    (RecordKind.REVOKE, certified(LAPTOP)),
    revoked(LAPTOP, identity=STRANGERS),
    revoked(LAPTOP, by=THIEF),
    revoked(LAPTOP, by=ROOTS[1]),
    revoked(LAPTOP, epoch=3, by=THIEF),
    accepted(going_on(THIEF), 1, by=ROOTS[0]),
    rotated(going_on(THIEF), by=THIEF),
    rotated(going_on(THIEF), epoch=3, by=THIEF),
    rotated(going_on(LAPTOP), identity=STRANGERS),
)


def test_rubbish_is_ignored_with_a_reason() -> None:
    found = standing(RUBBISH)
    assert found == standing()
    reasons = {(item.record, item.flaw) for item in found.ignored}
    expected = ["malformed"] * 4 + ["foreign"] + ["unproven"] * 2 + ["orphan"] * 2
    expected += ["unproven", "unproven", "foreign"]
    assert reasons == {
        (record, Flaw(reason)) for (_, record), reason in zip(RUBBISH, expected, strict=True)
    }


def test_each_signature_is_checked_once_and_none_that_cannot_matter() -> None:
    asked: list[tuple[bytes, SignedRecord]] = []

    def check(key: bytes, context: bytes, record: SignedRecord) -> bool:
        asked.append((key, record))
        return signed_by(key, context, record)

    rotation, lost = rotated(going_on(LAPTOP)), revoked(LAPTOP, epoch=1)
    laptop = certified(LAPTOP)
    records = [revoked(LAPTOP), revoked(LAPTOP, identity=STRANGERS), lost, rotation, lost]
    standing_of(INCEPTION, records, [laptop, laptop], check)
    assert sorted(asked) == sorted(
        [
            (ROOTS[0].public, laptop),
            (ROTATION_KEYS[1].public, rotation[1]),
            (ROOTS[1].public, lost[1]),
        ]
    )


# Whatever comes, in whatever order

_FIRST: Final = rotated(going_on(LAPTOP), ended(TABLET, end(1, 4)))
_LAST: Final = rotated(ended(LAPTOP, end(0, 2), end(1, 9)), epoch=2, after=rivals()[0])
HONEST: Final[Sequence[Spoken]] = (
    *rivals(),
    _FIRST,
    _LAST,
    rotated(going_on(PHONE), epoch=2, after=_FIRST),
    rotated(going_on(THIEF), epoch=2, after=rivals()[1], by=THIEF, root=THIEF),
    *(
        revoked(key, *ends, epoch=epoch)
        for epoch in (0, 1, 2)
        for key in (LAPTOP, PHONE)
        for ends in ((), (end(1, 3),), (end(0, 1), end(1, 3, 8)), (end(1, 9), end(2, 0)))
    ),
    *(
        accepted(device, epoch)
        for epoch in (1, 2)
        for key in (PHONE, TABLET)
        for device in (going_on(key), ended(key), ended(key, end(1, 6)))
    ),
)
CERTIFICATES: Final = (
    certified(LAPTOP),
    certified(LAPTOP, 1),
    certified(PHONE),
    certified(TABLET, 1),
    certified(TABLET, 2),
    certified(THIEF),
    certified(THIEF, 2, by=THIEF),
)
FORGED_CERTIFICATES: Final = (
    certified(TABLET, by=TABLET),
    certified(THIEF, 1, by=ROOTS[0]),
    certified(LAPTOP)._replace(signature=bytes(64)),
    SignedRecord(b"rubbish", bytes(64)),
)
unhurried: Final = settings(deadline=None)
_some_records = st.lists(st.sampled_from(HONEST), max_size=12)
_some_certificates = st.lists(st.sampled_from(CERTIFICATES), max_size=6)


@unhurried
@given(st.data(), _some_records, _some_certificates)
def test_order_and_repetition_change_nothing(
    data: st.DataObject, records: list[Spoken], certificates: list[SignedRecord]
) -> None:
    found = standing_of(INCEPTION, records, certificates, checked)
    again = data.draw(st.lists(st.sampled_from(records), max_size=4)) if records else []
    shuffled = data.draw(st.permutations([*records, *again]))
    others = data.draw(st.permutations(certificates * 2))
    heard = standing_of(INCEPTION, shuffled, others, checked)
    assert heard == found
    assert sorted(heard.ignored, key=repr) == sorted(found.ignored, key=repr)


@unhurried
@given(
    _some_records,
    _some_certificates,
    st.lists(st.sampled_from(RUBBISH), max_size=5),
    st.lists(st.sampled_from(FORGED_CERTIFICATES), max_size=4),
)
def test_forgeries_change_nothing(
    records: list[Spoken],
    certificates: list[SignedRecord],
    rubbish: list[Spoken],
    forged: list[SignedRecord],
) -> None:
    found = standing_of(INCEPTION, records, certificates, checked)
    forged_too = [*forged, *certificates]
    assert standing_of(INCEPTION, [*rubbish, *records], forged_too, checked) == found


@unhurried
@given(_some_records, _some_certificates)
def test_what_has_to_be_kept_decides_as_everything_did(
    records: list[Spoken], certificates: list[SignedRecord]
) -> None:
    found = standing_of(INCEPTION, records, certificates, checked)
    kept = standing_of(INCEPTION, found.records, certificates, checked)
    assert kept == found
    assert set(found.records) <= set(records)


@unhurried
@given(_some_records, _some_certificates, st.integers(0, 3), st.integers(0, 12))
def test_a_log_stands_up_to_its_end(
    records: list[Spoken], certificates: list[SignedRecord], channel: int, seq: int
) -> None:
    """What stands is a beginning of each log: no entry stands after one that does not."""
    found = standing_of(INCEPTION, records, certificates, checked)
    for device in found.devices:
        later, earlier = (found.judge(device, channel, at).stands for at in (seq + 1, seq))
        assert earlier or not later
        closing = found.closing(device, channel)
        assert later is (closing is None or seq + 1 <= closing.last_seq)


@unhurried
@given(
    _some_records,
    _some_certificates,
    st.lists(st.sampled_from(RUBBISH), max_size=3),
    st.integers(0, 3),
    st.integers(0, 12),
    st.sampled_from((8, 9)),
)
def test_a_second_judge_agrees(
    records: list[Spoken],
    certificates: list[SignedRecord],
    rubbish: list[Spoken],
    channel: int,
    seq: int,
    number: int,
) -> None:
    said = [*records, *rubbish]
    told = [Told(int(kind), *record) for kind, record in said]
    told += [Told(1, *certificate) for certificate in certificates]
    judge = SecondJudge(INCEPTION.encode(), told)
    found = standing_of(INCEPTION, said, certificates, checked)
    assert [record for _, record in found.records][: found.epoch] == [
        SignedRecord(*each[1:]) for each in judge.chain
    ]
    assert found.devices.keys() == judge.admitted.keys()
    for key in (LAPTOP, PHONE, TABLET, THIEF):
        verdict = found.judge(key.public, channel, seq, an_id(number))
        why = verdict.void.value if verdict.void else "stands"
        record = verdict.closing.record.hash if verdict.closing else None
        assert (why, record) == judge.judge(key.public, channel, seq, an_id(number))
