"""Writes ``standing.json``: ``python -m tests.vectors.make_standing``, from the top folder.

It follows ``docs/protocol/identity.md`` and uses nothing of the package. The records are made
here; what they come to is written out for each case and computed nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from .by_hand import (
    ADA_ROOT_SEED,
    BOB_ROOT_SEED,
    ROOT_SEEDS,
    Case,
    Key,
    Value,
    commitment,
    identity_id,
    inception,
    pack,
    plain,
    record_hash,
    root,
    vector_text,
)
from .core_identity import BOX, CONTEXTS, IDENTITY, INCEPTION, ROOTS, ROTATION_KEYS

NAME: Final = "standing.json"
ABOUT: Final = (
    "What stands of one identity. records: everything that anybody says in these cases, by name; "
    "kind 1 certificate, 2 rotation, 3 revocation, 4 accept; hash names the body. Each case has "
    "the names of the records that a reader holds (their order and repetition must not matter) "
    "and what follows: epoch, the current one; devices, each with the certificate that counts, "
    "by what it is admitted, and its ends: null if it is open, else by channel [record that sets "
    "the end, seq, id], [record] alone for an empty channel, and 'others' for every other "
    "channel; entries: device, channel, seq, id (null: not asked), then null if it stands, else "
    "why not and the record to show; keep: the records that have to be kept besides "
    "certificates; ignored: records that count for nothing, and why. expect 'reject': some of "
    "the records must be ignored. Ids of entries are invented."
)
DEVICES: Final = {
    name: Key(bytes([number]) * 32)
    for number, name in enumerate(("laptop", "phone", "tablet", "thief"), 1)
}
LAPTOP, PHONE, TABLET, THIEF = DEVICES.values()
THIEF_ROOT: Final = root(BOB_ROOT_SEED, 1)
BOBS: Final = identity_id(inception(BOB_ROOT_SEED))
KINDS: Final = {"certificate": 1, "rotation": 2, "revocation": 3, "accept": 4}
OPEN: Final = None


class Record(NamedTuple):
    """A record as it is signed."""

    kind: int
    body: bytes
    signature: bytes

    @property
    def hash(self) -> bytes:
        return record_hash(self.body)


def an_id(number: int) -> bytes:
    """The id of some entry."""
    return bytes([number]) * 32


def signed(what: str, signer: Key, *fields: Value, identity: bytes = IDENTITY) -> Record:
    """Sign a record of these fields."""
    body = pack([1, identity, *fields])
    return Record(KINDS[what], body, signer.sign(CONTEXTS[what], body))


def certificate(device: Key, epoch: int = 0, *, by: Key | None = None, label: str = "") -> Record:
    """The certificate of a device."""
    fields = (epoch, device.public, BOX, 5, label.encode(), b"")
    return signed("certificate", by or ROOTS[epoch], *fields)


def revocation(device: Key, *ends: Value, epoch: int = 0, by: Key | None = None) -> Record:
    """A revocation of a device."""
    return signed("revocation", by or ROOTS[epoch], epoch, device.public, list(ends))


def acceptance(device: Key, *ends: Value, still_open: int, by: Key | None = None) -> Record:
    """An accept in epoch 1."""
    return signed("accept", by or ROOTS[1], 1, device.public, still_open, list(ends))


def rotation(
    epoch: int,
    predecessor: bytes,
    *devices: Sequence[Value],
    by: Key | None = None,
    named: Key | None = None,
    root: Key | None = None,
    following: Key | None = None,
) -> Record:
    """A rotation that names a rotation key and a root key; its devices in rising order."""
    key = named or ROTATION_KEYS[epoch]
    keys = (key.public, (root or ROOTS[epoch]).public)
    committed = commitment((following or ROTATION_KEYS[epoch + 1]).public)
    rising = sorted(devices, key=lambda each: bytes(each[0]) if isinstance(each[0], bytes) else b"")
    return signed("rotation", by or key, epoch, *keys, predecessor, committed, rising)


def end(channel: int, seq: int, number: int = 9) -> list[Value]:
    """The end of a channel."""
    return [channel, seq, an_id(number)]


def on(device: Key) -> list[Value]:
    """A device that goes on."""
    return [device.public, 1, []]


def off(device: Key, *ends: Value) -> list[Value]:
    """A device that ends."""
    return [device.public, 0, list(ends)]


def above(other: Record, make: Callable[[int], Record]) -> Record:
    """The first record that has a higher hash than another one."""
    return next(made for made in map(make, range(256)) if made.hash > other.hash)


def below(other: Record, make: Callable[[int], Record]) -> Record:
    """The first record that has a lower hash than another one."""
    return next(made for made in map(make, range(256)) if made.hash < other.hash)


def anew_for_the_thief(number: int, **keys: Key) -> Record:
    """Another rotation into epoch 1, which ends the laptop and hands over to the thief."""
    devices = (on(THIEF), off(LAPTOP, end(1, number)))
    return rotation(1, IDENTITY, *devices, following=THIEF, **keys)


def _records() -> dict[str, Record]:
    both_on = rotation(1, IDENTITY, on(LAPTOP), on(PHONE))
    rival = above(
        both_on,
        lambda number: rotation(1, IDENTITY, off(LAPTOP, end(1, number)), following=THIEF),
    )
    other_root = above(
        both_on,
        lambda number: rotation(1, IDENTITY, off(LAPTOP, end(1, number)), root=THIEF_ROOT),
    )
    laptop_on = rotation(1, IDENTITY, on(LAPTOP))
    accepted = acceptance(PHONE, still_open=1)
    to_40 = below(
        accepted, lambda number: acceptance(PHONE, end(0, 1), end(1, 40, number), still_open=0)
    )
    low = revocation(PHONE, end(1, 5, 7))
    high = above(low, lambda number: revocation(PHONE, end(1, 5, number)))
    empty = revocation(PHONE)
    labels = (certificate(LAPTOP, label="one"), certificate(LAPTOP, label="two"))
    low_label, high_label = sorted(labels, key=lambda record: record.hash)
    lost = revocation(PHONE, end(0, 4), end(1, 57))
    return {
        **{f"{name} certified": certificate(device) for name, device in DEVICES.items()},
        "laptop certified in epoch 1": certificate(LAPTOP, 1),
        "laptop certified, lower hash": low_label,
        "laptop certified, higher hash": high_label,
        "tablet certified in epoch 1": certificate(TABLET, 1),
        "thief certified by the phone": certificate(THIEF, by=PHONE),
        "thief certified by the thief's root": certificate(THIEF, 2, by=THIEF_ROOT),
        "laptop certified for Bob": signed(
            *("certificate", ROOTS[0], 0, LAPTOP.public, BOX, 5, b"", b""), identity=BOBS
        ),
        "phone lost": lost,
        "phone lost, higher hash, earlier in channel 1": above(
            lost, lambda number: revocation(PHONE, end(0, 6), end(1, 20), end(2, 3, number))
        ),
        "phone lost, lower hash": low,
        "phone lost, higher hash": high,
        "phone ends empty": empty,
        "phone lost, lower hash than empty": below(
            empty, lambda number: revocation(PHONE, end(1, 6, number))
        ),
        "phone lost, higher hash than empty": above(
            empty, lambda number: revocation(PHONE, end(1, 6, number))
        ),
        "phone lost in epoch 1": revocation(PHONE, end(1, 7), epoch=1),
        "laptop revoked": revocation(LAPTOP),
        "laptop revoked by the phone": revocation(LAPTOP, by=PHONE),
        "laptop revoked by the thief's root": revocation(LAPTOP, epoch=2, by=THIEF_ROOT),
        "phone lost, a wrong signature": lost._replace(signature=bytes(64)),
        "phone lost, cut short": lost._replace(body=lost.body[:-1]),
        "tablet lost, as an accept": revocation(TABLET, end(1, 2))._replace(kind=4),
        "both go on": both_on,
        "rival for the thief": rival,
        "rival continued": rotation(
            *(2, rival.hash, on(THIEF)), named=THIEF, root=THIEF_ROOT, following=THIEF
        ),
        "both go on, then the laptop alone": rotation(2, both_on.hash, on(LAPTOP)),
        "laptop goes on": laptop_on,
        "laptop goes on, phone ends": rotation(1, IDENTITY, on(LAPTOP), off(PHONE, end(1, 8))),
        "laptop goes on, then both": rotation(2, laptop_on.hash, on(LAPTOP), on(PHONE)),
        "laptop goes on twice": rotation(2, laptop_on.hash, on(LAPTOP)),
        "rotation by the root key before": rotation(1, IDENTITY, on(THIEF), by=ROOTS[0]),
        "rotation by the thief's key": rotation(1, IDENTITY, on(THIEF), named=THIEF),
        "both go on, anew by root key 1": below(
            both_on, lambda number: anew_for_the_thief(number, by=ROOTS[1])
        ),
        "both go on, anew with root key 1 as rotation key": below(
            both_on, lambda number: anew_for_the_thief(number, named=ROOTS[1])
        ),
        "rival with another root": other_root,
        "thief certified by the rival's root": certificate(THIEF, 1, by=THIEF_ROOT),
        "laptop revoked by the rival's root": revocation(LAPTOP, epoch=1, by=THIEF_ROOT),
        "tablet certified by rotation key 1": certificate(TABLET, 1, by=ROTATION_KEYS[1]),
        "rotation by the phone": rotation(1, IDENTITY, on(PHONE), by=PHONE),
        "rotation for Bob": signed(
            *("rotation", ROTATION_KEYS[1], 1, ROTATION_KEYS[1].public, ROOTS[1].public),
            *(IDENTITY, commitment(ROTATION_KEYS[2].public), [on(LAPTOP)]),
            identity=BOBS,
        ),
        "rotation that skips an epoch": rotation(2, IDENTITY, on(THIEF), named=ROTATION_KEYS[1]),
        "phone accepted": accepted,
        "phone accepted up to entry 40, lower hash": to_40,
        "phone accepted by the key before": acceptance(PHONE, still_open=1, by=ROOTS[0]),
    }


RECORDS: Final = _records()


def device(
    name: str,
    admission: str = "certified",
    others: str | None = OPEN,
    *,
    by: str = "",
    **ends: Sequence[Any],
) -> dict[str, Any]:
    """What is expected of a device; ``c1=...`` is the end of channel 1."""
    named = {channel.removeprefix("c"): list(value) for channel, value in ends.items()}
    return {
        name: {
            "certificate": by or f"{name} certified",
            "admission": admission,
            "ends": None if others is None else {**named, "others": [others]},
        }
    }


def case(
    name: str,
    reason: str,
    records: Sequence[str],
    *,
    devices: Sequence[Mapping[str, Any]] = (),
    entries: Sequence[Sequence[Any]] = (),
    keep: Sequence[str] = (),
    ignored: Mapping[str, str] | None = None,
    epoch: int = 0,
) -> Case:
    """One case."""
    expected = {key: value for each in devices for key, value in each.items()}
    return {
        "name": name,
        "expect": "reject" if ignored else "accept",
        "reason": reason,
        "records": list(records),
        "epoch": epoch,
        "devices": plain(expected),
        "entries": plain(entries),
        "keep": list(keep),
        "ignored": dict(ignored or {}),
    }


LOST: Final = "phone lost"
NINE: Final = an_id(9)
TWO: Final = ("laptop certified", "phone certified")
PHONE_LOST: Final = device("phone", others=LOST, c0=(LOST, 4, NINE), c1=(LOST, 57, NINE))
NAMED: Final = (device("laptop", "named"), device("phone", "named"))
FORGOTTEN: Final = (
    device("laptop", "named"),
    device("phone", "forgotten", "laptop goes on"),
)


def _quiet() -> list[Case]:
    return [
        case("nothing yet", "an identity may be without devices", []),
        case(
            "two devices",
            "what epoch 0 certified stands until something ends it",
            TWO,
            devices=[device("laptop"), device("phone")],
            entries=[
                ["laptop", 0, 0, None, None],
                ["laptop", 1, 4_000_000_000, an_id(3), None],
                ["thief", 1, 0, None, "stranger", None],
            ],
        ),
        case(
            "a rotation that names both",
            "a device that a rotation names open goes on, also with what it said before",
            [*TWO, "both go on"],
            epoch=1,
            devices=NAMED,
            entries=[["phone", 1, 900, None, None]],
            keep=["both go on"],
        ),
        case(
            "a device of a later epoch",
            "the current root key certifies too",
            ["laptop certified", "tablet certified in epoch 1", "laptop goes on"],
            epoch=1,
            devices=[
                device("laptop", "named"),
                device("tablet", by="tablet certified in epoch 1"),
            ],
            keep=["laptop goes on"],
        ),
        case(
            "a device of an epoch to come",
            "a record of an epoch that no rotation opened waits",
            ["laptop certified", "tablet certified in epoch 1"],
            devices=[device("laptop")],
            entries=[["tablet", 0, 0, None, "stranger", None]],
            ignored={"tablet certified in epoch 1": "orphan"},
        ),
        case(
            "two certificates of one device and epoch",
            "the lower hash counts",
            ["laptop certified, higher hash", "laptop certified, lower hash"],
            devices=[device("laptop", by="laptop certified, lower hash")],
        ),
        case(
            "certificates of two epochs",
            "the newer epoch counts",
            ["laptop certified", "laptop certified in epoch 1", "both go on"],
            epoch=1,
            devices=[device("laptop", "named", by="laptop certified in epoch 1")],
            keep=["both go on"],
        ),
    ]


def _lost() -> list[Case]:
    tie, low = "phone lost, lower hash", "phone lost, lower hash than empty"
    early = "phone lost, higher hash, earlier in channel 1"
    return [
        case(
            "a lost device",
            "a revocation ends each channel where it says, and others empty",
            [*TWO, LOST],
            devices=[device("laptop"), PHONE_LOST],
            entries=[
                ["phone", 1, 57, NINE, None],
                ["phone", 1, 58, None, "ended", LOST],
                ["phone", 0, 5, None, "ended", LOST],
                ["phone", 2, 0, None, "ended", LOST],
                ["laptop", 1, 58, None, None],
            ],
            keep=[LOST],
        ),
        case(
            "a fork at the end",
            "the end selects its branch",
            ["phone certified", LOST],
            devices=[PHONE_LOST],
            entries=[
                ["phone", 1, 57, an_id(8), "off branch", LOST],
                ["phone", 1, 57, None, None],
                ["phone", 1, 56, an_id(8), None],
                ["phone", 1, 58, NINE, "ended", LOST],
            ],
            keep=[LOST],
        ),
        case(
            "a device that ends empty",
            "entry 0 of channel 0 always stays",
            ["phone certified", "phone ends empty"],
            devices=[device("phone", others="phone ends empty")],
            entries=[
                ["phone", 0, 0, an_id(1), None],
                ["phone", 0, 1, None, "ended", "phone ends empty"],
                ["phone", 1, 0, None, "ended", "phone ends empty"],
            ],
            keep=["phone ends empty"],
        ),
        case(
            "a revocation of a device that nobody knows yet",
            "records wait for the certificate of their device",
            [LOST],
            keep=[LOST],
        ),
        case(
            "two revocations",
            "the lower end wins for each channel; not to be named is lowest",
            ["phone certified", LOST, early],
            devices=[
                device("phone", others=LOST, c0=(LOST, 4, NINE), c1=(early, 20, NINE)),
            ],
            entries=[
                ["phone", 0, 5, None, "ended", LOST],
                ["phone", 1, 20, NINE, None],
                ["phone", 1, 21, None, "ended", early],
                ["phone", 2, 0, None, "ended", LOST],
                ["phone", 3, 0, None, "ended", LOST],
            ],
            keep=[LOST, early],
        ),
        case(
            "two revocations with equal ends",
            "of equal ends that of the lower hash wins",
            ["phone certified", "phone lost, higher hash", tie],
            devices=[device("phone", others=tie, c1=(tie, 5, _end_id(tie)))],
            entries=[
                ["phone", 1, 5, _end_id(tie), None],
                ["phone", 1, 5, _end_id("phone lost, higher hash"), "off branch", tie],
            ],
            keep=[tie],
        ),
        case(
            "an empty end of lower hash",
            "what decides nothing need not be kept",
            ["phone certified", "phone lost, higher hash than empty", "phone ends empty"],
            devices=[device("phone", others="phone ends empty")],
            entries=[["phone", 1, 0, None, "ended", "phone ends empty"]],
            keep=["phone ends empty"],
        ),
        case(
            "an empty end of higher hash",
            "the lower end wins first, then the lower hash",
            ["phone certified", low, "phone ends empty"],
            devices=[device("phone", others=low, c1=("phone ends empty",))],
            entries=[
                ["phone", 1, 0, None, "ended", "phone ends empty"],
                ["phone", 2, 0, None, "ended", low],
            ],
            keep=[low, "phone ends empty"],
        ),
    ]


def _end_id(name: str) -> bytes:
    """The id in the last end that a record names."""
    return RECORDS[name].body[-32:]


def _thieves() -> list[Case]:
    alone = [device("laptop"), device("phone")]
    reign = [*TWO, "thief certified", "laptop revoked"]
    anew = [
        "both go on, anew by root key 1",
        "both go on, anew with root key 1 as rotation key",
    ]
    return [
        case(
            "a thief of a device certifies",
            "only a root key certifies",
            [*TWO, "thief certified by the phone"],
            devices=alone,
            entries=[["thief", 0, 0, None, "stranger", None]],
            ignored={"thief certified by the phone": "unproven"},
        ),
        case(
            "a thief of a device revokes",
            "only a root key revokes",
            [*TWO, "laptop revoked by the phone"],
            devices=alone,
            ignored={"laptop revoked by the phone": "unproven"},
        ),
        case(
            "a thief of a device rotates",
            "only the committed key rotates",
            [*TWO, "rotation by the phone"],
            devices=alone,
            ignored={"rotation by the phone": "unproven"},
        ),
        case(
            "a thief of root key 0 reigns",
            "what the current root key signs counts, whoever holds it",
            reign,
            devices=[
                device("laptop", others="laptop revoked"),
                device("phone"),
                device("thief"),
            ],
            entries=[
                ["laptop", 1, 0, None, "ended", "laptop revoked"],
                ["thief", 1, 0, None, None],
            ],
            keep=["laptop revoked"],
        ),
        case(
            "a thief of root key 0 rotates",
            "a rotation is signed by the rotation key that was committed to",
            [*TWO, "rotation by the root key before", "rotation by the thief's key"],
            devices=alone,
            ignored={
                "rotation by the root key before": "unproven",
                "rotation by the thief's key": "unproven",
            },
        ),
        case(
            "a thief of root key 1 rotates anew",
            "a root key signs no rotation, neither the one that brought it in nor the next",
            [*TWO, *anew, "both go on"],
            epoch=1,
            devices=NAMED,
            keep=["both go on"],
            ignored=dict.fromkeys(anew, "unproven"),
        ),
        case(
            "a rotation key certifies",
            "a rotation key signs rotations only",
            [*TWO, "both go on", "tablet certified by rotation key 1"],
            epoch=1,
            devices=NAMED,
            keep=["both go on"],
            ignored={"tablet certified by rotation key 1": "unproven"},
        ),
        case(
            "the owner rotates",
            "a rotation voids what earlier epochs signed, except what it names",
            [*reign, "both go on"],
            epoch=1,
            devices=[*NAMED, device("thief", "forgotten", "both go on")],
            entries=[
                ["laptop", 1, 900, None, None],
                ["thief", 0, 0, None, None],
                ["thief", 1, 0, None, "forgotten", "both go on"],
            ],
            keep=["both go on"],
            ignored={"laptop revoked": "superseded"},
        ),
        case(
            "the owner rotates and ends the stolen device",
            "a rotation ends a device like a revocation",
            [*TWO, "laptop goes on, phone ends"],
            epoch=1,
            devices=[
                device("laptop", "named"),
                device(
                    *("phone", "named", "laptop goes on, phone ends"),
                    c1=("laptop goes on, phone ends", 8, NINE),
                ),
            ],
            entries=[
                ["phone", 1, 8, NINE, None],
                ["phone", 1, 9, None, "ended", "laptop goes on, phone ends"],
            ],
            keep=["laptop goes on, phone ends"],
        ),
    ]


def _forgotten() -> list[Case]:
    to_40 = "phone accepted up to entry 40, lower hash"
    phone_to_40 = device(
        *("phone", "accepted", to_40), c0=(to_40, 1, NINE), c1=(to_40, 40, _end_id(to_40))
    )
    ended = (device("laptop", "named"), phone_to_40)
    accepted = (device("laptop", "named"), device("phone", "accepted"))
    lost = "phone lost in epoch 1"
    return [
        case(
            "a forgotten device",
            "a device that the newest rotation does not name is void, except its entry 0",
            [*TWO, "laptop goes on"],
            epoch=1,
            devices=FORGOTTEN,
            entries=[
                ["phone", 0, 0, None, None],
                ["phone", 0, 1, None, "forgotten", "laptop goes on"],
            ],
            keep=["laptop goes on"],
        ),
        case(
            "a forgotten device is accepted",
            "an accept of the current epoch readmits it",
            [*TWO, "phone accepted", "laptop goes on"],
            epoch=1,
            devices=accepted,
            keep=["laptop goes on", "phone accepted"],
        ),
        case(
            "a forgotten device is accepted for the past",
            "an accept may name ends",
            [*TWO, to_40, "laptop goes on"],
            epoch=1,
            devices=ended,
            entries=[
                ["phone", 1, 40, _end_id(to_40), None],
                ["phone", 1, 41, None, "ended", to_40],
            ],
            keep=["laptop goes on", to_40],
        ),
        case(
            "two accepts",
            "of two accepts the lower end wins for each channel",
            [*TWO, to_40, "phone accepted", "laptop goes on"],
            epoch=1,
            devices=ended,
            keep=["laptop goes on", to_40],
        ),
        case(
            "an accepted device is lost",
            "accepts and revocations meet at the lower end",
            [*TWO, "phone accepted", lost, "laptop goes on"],
            epoch=1,
            devices=[
                device("laptop", "named"),
                device("phone", "accepted", lost, c1=(lost, 7, NINE)),
            ],
            keep=["laptop goes on", lost, "phone accepted"],
        ),
        case(
            "an accept does not outlive its epoch",
            "the next rotation decides anew",
            [*TWO, "phone accepted", "laptop goes on", "laptop goes on twice"],
            epoch=2,
            devices=[
                device("laptop", "named"),
                device("phone", "forgotten", "laptop goes on twice"),
            ],
            keep=["laptop goes on", "laptop goes on twice"],
            ignored={"phone accepted": "superseded"},
        ),
        case(
            "the next rotation names what the last one forgot",
            "the newest rotation alone decides about what earlier epochs signed",
            [*TWO, "laptop goes on", "laptop goes on, then both", lost],
            epoch=2,
            devices=NAMED,
            keep=["laptop goes on", "laptop goes on, then both"],
            ignored={lost: "superseded"},
        ),
        case(
            "an accept of a device that goes on",
            "an accept is for forgotten devices",
            [*TWO, "phone accepted", "both go on"],
            epoch=1,
            devices=NAMED,
            keep=["both go on"],
            ignored={"phone accepted": "idle"},
        ),
        case(
            "an accept of a device that a rotation ended",
            "an accept does not reopen",
            ["phone certified", "phone accepted", "laptop goes on, phone ends"],
            epoch=1,
            devices=[
                device(
                    *("phone", "named", "laptop goes on, phone ends"),
                    c1=("laptop goes on, phone ends", 8, NINE),
                )
            ],
            keep=["laptop goes on, phone ends"],
            ignored={"phone accepted": "idle"},
        ),
        case(
            "an accept by the key before",
            "the root key of its epoch signs an accept",
            [*TWO, "phone accepted by the key before", "laptop goes on"],
            epoch=1,
            devices=FORGOTTEN,
            keep=["laptop goes on"],
            ignored={"phone accepted by the key before": "unproven"},
        ),
    ]


def _rivals() -> list[Case]:
    rival = "rival for the thief"
    by_other_root = ["thief certified by the rival's root", "laptop revoked by the rival's root"]
    brought = [
        "rival continued",
        "thief certified by the thief's root",
        "laptop revoked by the thief's root",
    ]
    return [
        case(
            "two rival rotations",
            "of two rotations with one predecessor the lower hash wins",
            [*TWO, rival, "both go on"],
            epoch=1,
            devices=NAMED,
            keep=["both go on"],
            ignored={rival: "lost"},
        ),
        case(
            "what the loser brought in",
            "what continues the rotation that lost is void with it",
            [*TWO, *brought, rival, "both go on"],
            epoch=1,
            devices=NAMED,
            entries=[["thief", 1, 0, None, "stranger", None]],
            keep=["both go on"],
            ignored=dict.fromkeys([rival, *brought], "lost"),
        ),
        case(
            "the root key that a loser brought in",
            "what only the root key of a rotation that lost has signed is void with it",
            [*TWO, *by_other_root, "rival with another root", "both go on"],
            epoch=1,
            devices=NAMED,
            entries=[["thief", 1, 0, None, "stranger", None]],
            keep=["both go on"],
            ignored=dict.fromkeys(["rival with another root", *by_other_root], "lost"),
        ),
        case(
            "the loser, as long as nobody knows the winner",
            "a lone rotation counts",
            ["laptop certified", *brought, rival],
            epoch=2,
            devices=[
                device("laptop", "forgotten", "rival continued"),
                device("thief", "named", by="thief certified by the thief's root"),
            ],
            keep=[rival, "rival continued", "laptop revoked by the thief's root"],
        ),
        case(
            "the winner is continued",
            "rotations continue the winner only",
            [*TWO, rival, "both go on, then the laptop alone", "both go on"],
            epoch=2,
            devices=[
                device("laptop", "named"),
                device("phone", "forgotten", "both go on, then the laptop alone"),
            ],
            keep=["both go on", "both go on, then the laptop alone"],
            ignored={rival: "lost"},
        ),
        case(
            "a rotation without its predecessor",
            "a rotation that continues nothing here waits",
            ["laptop certified", "laptop goes on twice"],
            devices=[device("laptop")],
            ignored={"laptop goes on twice": "orphan"},
        ),
        case(
            "a rotation that skips an epoch",
            "the epoch of a rotation is one more than its predecessor's",
            ["laptop certified", "rotation that skips an epoch"],
            devices=[device("laptop")],
            ignored={"rotation that skips an epoch": "unproven"},
        ),
    ]


def _rubbish() -> list[Case]:
    return [
        case(
            "a wrong signature",
            "a record is signed",
            ["phone certified", "phone lost, a wrong signature"],
            devices=[device("phone")],
            ignored={"phone lost, a wrong signature": "unproven"},
        ),
        case(
            "a wrong signature beside the right one",
            "a forgery takes nothing from what is forged",
            ["phone certified", "phone lost, a wrong signature", LOST],
            devices=[PHONE_LOST],
            keep=[LOST],
            ignored={"phone lost, a wrong signature": "unproven"},
        ),
        case(
            "a record that is cut short",
            "what is malformed is ignored",
            ["phone certified", "phone lost, cut short"],
            devices=[device("phone")],
            ignored={"phone lost, cut short": "malformed"},
        ),
        case(
            "a revocation that calls itself an accept",
            "a record is what it calls itself",
            ["phone certified", "tablet lost, as an accept"],
            devices=[device("phone")],
            ignored={"tablet lost, as an accept": "malformed"},
        ),
        case(
            "a certificate for another identity",
            "a record names its identity",
            ["laptop certified for Bob"],
            entries=[["laptop", 0, 0, None, "stranger", None]],
            ignored={"laptop certified for Bob": "foreign"},
        ),
        case(
            "a rotation for another identity",
            "a record names its identity",
            ["laptop certified", "rotation for Bob"],
            devices=[device("laptop")],
            ignored={"rotation for Bob": "foreign"},
        ),
    ]


def standing_text() -> str:
    """The file."""
    cases = [*_quiet(), *_lost(), *_thieves(), *_forgotten(), *_rivals(), *_rubbish()]
    return vector_text(
        ABOUT,
        cases,
        root_seeds=ROOT_SEEDS,
        root_seed=ADA_ROOT_SEED,
        inception=INCEPTION,
        identity=IDENTITY,
        devices={name: {"seed": key.seed, "public": key.public} for name, key in DEVICES.items()},
        records={
            name: {**record._asdict(), "hash": record.hash} for name, record in RECORDS.items()
        },
    )


if __name__ == "__main__":
    Path(__file__).with_name(NAME).write_text(standing_text(), encoding="ascii")
