"""Cases of ``identity.json``: root keys, inceptions, records, short ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from .by_hand import (
    ADA,
    ADA_ROOT_SEED,
    BOB,
    BOB_ROOT_SEED,
    MAX_SEQ,
    T_MS,
    Case,
    Key,
    Raw,
    Value,
    accept,
    commitment,
    identity_id,
    ids,
    inception,
    pack,
    plain,
    record_hash,
    refusals,
    root,
    rotation_key,
)

ABOUT: Final = (
    "what 'inception': the bytes whose hash is the identity. what 'certificate', 'rotation', "
    "'revocation', 'accept': hex is the body of the record, hash its name; root is the public key "
    "that has to have signed it, of a rotation committed is the commitment that its rotation key "
    "has to fit. refused_by 'form': the body; 'proof': signature or key. root_keys: seed and epoch "
    "to public key; rotation_keys: likewise, with the commitment. short_ids: how people see an id; "
    "typed: what they may type, and the bits that it stands for (null: refused)."
)

ROOTS: Final = [root(ADA_ROOT_SEED, epoch) for epoch in range(4)]
ROTATION_KEYS: Final = {epoch: rotation_key(ADA_ROOT_SEED, epoch) for epoch in (1, 2, 3)}
INCEPTION: Final = inception(ADA_ROOT_SEED)
IDENTITY: Final = identity_id(INCEPTION)
BOX: Final = b"\x0b" * 32
Fields = Mapping[str, Value]

CERTIFICATE: Final[Fields] = {
    "version": 1,
    "identity": IDENTITY,
    "epoch": 0,
    "device": ADA.public,
    "box_public": BOX,
    "from_ms": T_MS,
    "label": b"laptop",
    "place": b"sol/mars/jezero",
}
ROTATION: Final[Fields] = {
    "version": 1,
    "identity": IDENTITY,
    "epoch": 1,
    "rotation_public": ROTATION_KEYS[1].public,
    "root_public": ROOTS[1].public,
    "predecessor": IDENTITY,
    "next_commitment": commitment(ROTATION_KEYS[2].public),
    "devices": [],
}
REVOCATION: Final[Fields] = {
    "version": 1,
    "identity": IDENTITY,
    "epoch": 0,
    "device": ADA.public,
    "ends": [],
}
ACCEPT: Final[Fields] = {
    "version": 1,
    "identity": IDENTITY,
    "epoch": 1,
    "device": ADA.public,
    "open": 1,
    "ends": [],
}
CONTEXTS: Final = {
    "certificate": "sl-cert-1",
    "rotation": "sl-rotate-1",
    "revocation": "sl-revoke-1",
    "accept": "sl-accept-1",
}


def body_of(fields: Fields, **changes: Value) -> bytes:
    """The body of a record, some of its fields changed."""
    return pack(list({**fields, **changes}.values()))


def end(channel: int, seq: int = 5) -> list[Value]:
    """Where a channel ends."""
    return [channel, seq, ids(1)[0]]


def device(number: int, *ends: Value, still_open: int = 0) -> list[Value]:
    """A device in a rotation."""
    return [bytes([number]) * 32, still_open, list(ends)]


def _proof(what: str, signer: Key, body: bytes) -> dict[str, Any]:
    who = {"committed": commitment(signer.public)} if what == "rotation" else {}
    return {
        "what": what,
        "signature": signer.sign(CONTEXTS[what], body),
        **(who or {"root": signer.public}),
    }


_ROTATION_2: Final[Fields] = {
    **ROTATION,
    "epoch": 2,
    "rotation_public": ROTATION_KEYS[2].public,
    "root_public": ROOTS[2].public,
    "predecessor": record_hash(body_of(ROTATION)),
    "next_commitment": commitment(ROTATION_KEYS[3].public),
}
_ALL_ENDS: Final = [end(channel) for channel in range(64)]

GOOD: Final[Mapping[str, Mapping[str, tuple[Key, Fields]]]] = {
    "certificate": {
        "a first device": (ROOTS[0], CERTIFICATE),
        "a device without label and place": (ROOTS[0], {**CERTIFICATE, "label": b"", "place": b""}),
        "a device of a later epoch": (ROOTS[1], {**CERTIFICATE, "epoch": 1}),
        "the last epoch and the last date": (
            root(ADA_ROOT_SEED, 65_535),
            {**CERTIFICATE, "epoch": 65_535, "from_ms": 2**62 - 1},
        ),
        "the longest label and place": (
            ROOTS[0],
            {**CERTIFICATE, "label": "é".encode() * 32, "place": b"x" * 128},
        ),
    },
    "rotation": {
        "a rotation that names no device": (ROTATION_KEYS[1], ROTATION),
        "a root key from elsewhere": (
            ROTATION_KEYS[1],
            {**ROTATION, "root_public": BOB.public},
        ),
        "a device that goes on": (
            ROTATION_KEYS[1],
            {**ROTATION, "devices": [device(1, still_open=1)]},
        ),
        "a device that ends in two channels": (
            ROTATION_KEYS[1],
            {**ROTATION, "devices": [device(1, end(0, 0), end(1, 255))]},
        ),
        "a device that ends empty": (ROTATION_KEYS[1], {**ROTATION, "devices": [device(1)]}),
        "several devices": (
            ROTATION_KEYS[1],
            {**ROTATION, "devices": [device(1), device(2, still_open=1), device(3, end(1))]},
        ),
        "64 devices": (
            ROTATION_KEYS[1],
            {**ROTATION, "devices": [device(number, still_open=1) for number in range(64)]},
        ),
        "the rotation after a rotation": (ROTATION_KEYS[2], _ROTATION_2),
    },
    "revocation": {
        "a device from its beginning on": (ROOTS[0], REVOCATION),
        "a device from an entry on": (ROOTS[0], {**REVOCATION, "ends": [end(0, 0), end(1, 41)]}),
        "the last channel and the last entry": (
            ROOTS[0],
            {**REVOCATION, "ends": [end(2**32 - 1, MAX_SEQ)]},
        ),
        "64 channels": (ROOTS[0], {**REVOCATION, "ends": _ALL_ENDS}),
        "by the root key of a later epoch": (ROOTS[2], {**REVOCATION, "epoch": 2}),
    },
    "accept": {
        "a device that may go on": (ROOTS[1], ACCEPT),
        "a device that was forgotten, up to its ends": (
            ROOTS[1],
            {**ACCEPT, "open": 0, "ends": [end(0, 3), end(1, 7)]},
        ),
        "a device that ends empty, accepted": (ROOTS[1], {**ACCEPT, "open": 0}),
    },
}


def _bad_ends(fields: Fields, what: str) -> Mapping[str, Mapping[str, bytes]]:
    """What may be wrong with the ends of a closed device."""
    return {
        "ends: at most 64 of [channel, seq, id], channels rising": {
            f"{what}: ends in falling order": body_of(fields, ends=[end(1), end(0)]),
            f"{what}: one channel twice": body_of(fields, ends=[end(1), end(1, 6)]),
            f"{what}: 65 channels": body_of(fields, ends=[*_ALL_ENDS, end(64)]),
            f"{what}: channel 2^32": body_of(fields, ends=[end(2**32)]),
            f"{what}: an end at 2^32 - 16": body_of(fields, ends=[end(0, MAX_SEQ + 1)]),
            f"{what}: an end without id": body_of(fields, ends=[[0, 5]]),
            f"{what}: an end with an id of 31 bytes": body_of(fields, ends=[[0, 5, bytes(31)]]),
            f"{what}: ends as a byte string": body_of(fields, ends=b""),
        },
    }


def _bad_common(fields: Fields, what: str) -> Mapping[str, Mapping[str, bytes]]:
    count = len(fields)
    return {
        f"an array of {count} fields": {
            f"{what}: one field less": pack(list(fields.values())[:-1]),
            f"{what}: one field more": body_of(fields, another=0),
            f"{what}: a byte behind it": body_of(fields) + b"\x00",
        },
        "version: 1": {f"{what}: version 2": body_of(fields, version=2)},
        "identity: 32 bytes": {f"{what}: no identity": body_of(fields, identity=b"")},
        "epoch: 0..65,535, of a rotation not 0": {
            f"{what}: epoch 65,536": body_of(fields, epoch=65_536),
            f"{what}: epoch 1 in two bytes": body_of(fields, epoch=Raw(b"\xcc\x01")),
        },
    }


BAD_FORMS: Final[Mapping[str, Sequence[Mapping[str, Mapping[str, bytes]]]]] = {
    "certificate": [
        _bad_common(CERTIFICATE, "certificate"),
        {
            "device and box_pk: 32 bytes": {
                "a device key of 31 bytes": body_of(CERTIFICATE, device=bytes(31)),
                "a box key of 33 bytes": body_of(CERTIFICATE, box_public=bytes(33)),
            },
            "from_ms: 0..2^62 - 1": {"a first day of 2^62": body_of(CERTIFICATE, from_ms=2**62)},
            "label: at most 64 bytes of UTF-8": {
                "a label of 65 bytes": body_of(CERTIFICATE, label=b"x" * 65),
                "a label of 66 bytes in 33 characters": body_of(
                    CERTIFICATE, label="é".encode() * 33
                ),
                "a label that is not UTF-8": body_of(CERTIFICATE, label=b"\xff"),
                "a label that is cut inside a character": body_of(CERTIFICATE, label=b"\xc3"),
                "a label in a longer form of UTF-8": body_of(CERTIFICATE, label=b"\xc1\xa1"),
                "half of a surrogate pair": body_of(CERTIFICATE, label=b"\xed\xa0\x80"),
                "a label as a text": body_of(CERTIFICATE, label=Raw(b"\xa6laptop")),
            },
            "place: at most 128 bytes of UTF-8": {
                "a place of 129 bytes": body_of(CERTIFICATE, place=b"x" * 129),
                "a place that is not UTF-8": body_of(CERTIFICATE, place=b"\x80"),
            },
        },
    ],
    "rotation": [
        _bad_common(ROTATION, "rotation"),
        {
            "epoch: 0..65,535, of a rotation not 0": {
                "a rotation into epoch 0": body_of(ROTATION, epoch=0)
            },
            "rotation_pk, root_pk, predecessor and commitment: 32 bytes": {
                "a rotation key of 31 bytes": body_of(ROTATION, rotation_public=bytes(31)),
                "a root key of 33 bytes": body_of(ROTATION, root_public=bytes(33)),
                "no predecessor": body_of(ROTATION, predecessor=b""),
                "a commitment of 31 bytes": body_of(ROTATION, next_commitment=bytes(31)),
            },
            "devices: at most 64 of [device, open, ends], devices rising": {
                "65 devices": body_of(ROTATION, devices=[device(n) for n in range(65)]),
                "devices in falling order": body_of(ROTATION, devices=[device(2), device(1)]),
                "one device twice": body_of(ROTATION, devices=[device(1), device(1, still_open=1)]),
                "a device without ends": body_of(ROTATION, devices=[device(1)[:2]]),
                "a device of 31 bytes in a rotation": body_of(
                    ROTATION, devices=[[bytes(31), 1, []]]
                ),
                "neither open nor closed": body_of(ROTATION, devices=[device(1, still_open=2)]),
                "open as true": body_of(ROTATION, devices=[[ADA.public, Raw(b"\xc3"), []]]),
                "open, but ending": body_of(ROTATION, devices=[device(1, end(0), still_open=1)]),
            },
        },
        {
            "ends: at most 64 of [channel, seq, id], channels rising": {
                "rotation: ends in falling order": body_of(
                    ROTATION, devices=[device(1, end(1), end(0))]
                ),
                "rotation: one channel twice": body_of(
                    ROTATION, devices=[device(1, end(1), end(1, 6))]
                ),
            },
            "at most 32,000 bytes": {
                "14 devices with 64 ends": body_of(
                    ROTATION, devices=[device(number, *_ALL_ENDS) for number in range(14)]
                ),
            },
        },
    ],
    "revocation": [
        _bad_common(REVOCATION, "revocation"),
        _bad_ends(REVOCATION, "revocation"),
        {"device: 32 bytes": {"revocation of no device": body_of(REVOCATION, device=b"")}},
    ],
    "accept": [
        _bad_common(ACCEPT, "accept"),
        _bad_ends({**ACCEPT, "open": 0}, "accept"),
        {
            "an open device has no ends": {
                "accept: open, but ending": body_of(ACCEPT, ends=[end(0)]),
            },
            "open: 0 or 1": {"accept: neither open nor closed": body_of(ACCEPT, open=2)},
            "device: 32 bytes": {"acceptance of no device": body_of(ACCEPT, device=b"")},
        },
    ],
}


SIGNERS: Final = {
    "certificate": (CERTIFICATE, ROOTS[0]),
    "rotation": (ROTATION, ROTATION_KEYS[1]),
    "revocation": (REVOCATION, ROOTS[0]),
    "accept": (ACCEPT, ROOTS[1]),
}


def _forgeries() -> Iterator[Case]:
    for what, (fields, signer) in SIGNERS.items():
        body = body_of(fields)
        other = body_of(fields, identity=identity_id(inception(BOB_ROOT_SEED)))
        wrong = {
            "signed by another key": BOB.sign(CONTEXTS[what], body),
            "signed as an entry": signer.sign("sl-sig-1", body),
            "its hash is signed": signer.sign(CONTEXTS[what], record_hash(body)),
            "signed for another identity": signer.sign(CONTEXTS[what], other),
        }
        for name, signature in wrong.items():
            proof = _proof(what, signer, body) | {"signature": signature}
            rule = "the key of its epoch signed this body, for this purpose"
            yield from refusals({rule: {f"{what}: {name}": body}}, **proof, refused_by="proof")
    by_root = _proof("rotation", ROOTS[1], body_of(ROTATION)) | _committed()
    rule = "the rotation key signed the rotation that it names"
    broken = {rule: {"signed by the root key that it brings in": body_of(ROTATION)}}
    yield from refusals(broken, **by_root, refused_by="proof")
    rule = "the rotation key fits the commitment"
    for name, key in {"a thief's key": BOB, "the root key that it brings in": ROOTS[1]}.items():
        body = body_of(ROTATION, rotation_public=key.public)
        broken = {rule: {f"nobody committed to {name}": body}}
        yield from refusals(
            broken, **_proof("rotation", key, body) | _committed(), refused_by="proof"
        )


def _committed() -> dict[str, Any]:
    return {"committed": commitment(ROTATION_KEYS[1].public)}


BAD_INCEPTIONS: Final[Mapping[str, Mapping[str, bytes]]] = {
    "an array of 3 fields": {
        "an inception of 2 fields": pack([1, ROOTS[0].public]),
        "an inception of 4 fields": pack([1, ROOTS[0].public, bytes(32), 0]),
        "a byte behind an inception": INCEPTION + b"\x00",
        "no inception": b"",
    },
    "version: 1": {"an inception of version 2": pack([2, ROOTS[0].public, bytes(32)])},
    "root_pk and commitment: 32 bytes": {
        "a first root key of 31 bytes": pack([1, bytes(31), bytes(32)]),
        "a first commitment of 33 bytes": pack([1, bytes(32), bytes(33)]),
        "a number as first root key": pack([1, 2**63 - 1, bytes(55)]),
    },
}

SHORT_IDS: Final[Mapping[bytes, str]] = {
    bytes(32): "0000-0000-0000",
    b"\xff" * 32: "zzzz-zzzz-zzzz",
    bytes(range(32)): "000g-40r4-0m30",
}
TYPED: Final[Mapping[str, tuple[int, int] | None]] = {
    "000g-40r4-0m30": (0x102030405060, 60),
    "0": (0, 5),
    "zz": (0b11111_11111, 10),
    "ZZ-": (0b11111_11111, 10),
    "ilo": (0b00001_00001_00000, 15),
    "ILO": (0b00001_00001_00000, 15),
    "": None,
    "-": None,
    "0000-0000-0000-0": None,
    "u": None,
    "00 00": None,
    "é": None,
    "٣": None,
}


def identity_cases() -> list[Case]:
    """All cases of the file."""
    good = [
        accept(
            *(name, "well formed, and signed by the key of its epoch", body_of(fields)),
            **_proof(what, signer, body_of(fields)),
            fields={key: _text(key, value) for key, value in fields.items()},
            hash=record_hash(body_of(fields)),
        )
        for what, by_name in GOOD.items()
        for name, (signer, fields) in by_name.items()
    ]
    bad = [
        case
        for what, groups in BAD_FORMS.items()
        for group in groups
        for case in refusals(group, what=what, refused_by="form")
    ]
    fields = {
        "root_public": ROOTS[0].public,
        "next_commitment": commitment(ROTATION_KEYS[1].public),
    }
    return [
        accept(
            *("ada", "the inception of her seed", INCEPTION),
            what="inception",
            root_seed=ADA_ROOT_SEED,
            identity=IDENTITY,
            fields={"version": 1, **fields},
        ),
        *refusals(BAD_INCEPTIONS, what="inception"),
        *good,
        *bad,
        *_forgeries(),
    ]


def _text(name: str, value: Value) -> object:
    return value.decode() if name in {"label", "place"} and isinstance(value, bytes) else value


_SEEDS: Final = (ADA_ROOT_SEED, BOB_ROOT_SEED, bytes(32))


def root_key_rows() -> list[dict[str, Any]]:
    """Root keys by seed and epoch."""
    return [
        {
            "seed": seed.hex(),
            "epoch": epoch,
            "public": root(seed, epoch).public.hex(),
        }
        for seed in _SEEDS
        for epoch in (0, 1, 2, 256, 65_535)
    ]


def rotation_key_rows() -> list[dict[str, Any]]:
    """Rotation keys by seed and epoch, and the commitments to them."""
    return [
        {
            "seed": seed.hex(),
            "epoch": epoch,
            "public": rotation_key(seed, epoch).public.hex(),
            "commitment": commitment(rotation_key(seed, epoch).public).hex(),
        }
        for seed in _SEEDS
        for epoch in (1, 2, 256, 65_535)
    ]


def short_id_rows() -> dict[str, Any]:
    """Short ids as they are shown, and as they are typed."""
    return {
        "shown": plain({short: full for full, short in SHORT_IDS.items()}),
        "typed": plain(TYPED),
    }
