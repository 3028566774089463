"""Cases of ``ident.json``: what proves that devices belong to an identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from .by_hand import (
    ADA,
    BOB,
    BOB_ROOT_SEED,
    SALT,
    Case,
    Fields,
    Key,
    Value,
    accept,
    commitment,
    identity_id,
    ids,
    inception,
    pack,
    record_hash,
    refusals,
    root,
    run,
)
from .core_identity import (
    ACCEPT,
    CERTIFICATE,
    CONTEXTS,
    IDENTITY,
    INCEPTION,
    REVOCATION,
    ROOTS,
    ROTATION,
    ROTATION_KEYS,
    body_of,
    device,
    end,
)

ABOUT: Final = (
    "One IDENT body each. Of those to accept: the identity; roots: the root key of each epoch, as "
    "far as the rotations prove them; devices: those that are proven, by key and epoch of their "
    "certificate; records: the hashes of those that stand. refused_by 'form': something in it is "
    "malformed; 'proof': a signature is wrong, or something names another identity, device or "
    "epoch."
)
KIND: Final = {"rotation": 2, "revocation": 3, "accept": 4}
BOBS_ROOT: Final = root(BOB_ROOT_SEED, 1)


class Record(NamedTuple):
    """A record as IDENT carries it."""

    kind: int
    body: bytes
    signature: bytes


def record(what: str, signer: Key, fields: Mapping[str, Value], **changes: Value) -> Record:
    """Sign a record."""
    body = body_of(fields, **changes)
    return Record(KIND[what], body, signer.sign(CONTEXTS[what], body))


def first_entry(
    owner: Key, certified: bytes, signature: bytes, *, kind: int = 1, signer: Key | None = None
) -> bytes:
    """Entry 0 of channel 0 of a device, as a run."""
    content = pack([kind, certified, signature])
    entry = Fields(device=owner.public, channel=0, payload=SALT + content)
    return run([entry], signature=(signer or owner).sign("sl-sig-1", entry.id))


def certified(owner: Key, *, signer: Key = ROOTS[0], **changes: Value) -> bytes:
    """Entry 0 with the certificate of a device."""
    body = body_of(CERTIFICATE, device=owner.public, **changes)
    return first_entry(owner, body, signer.sign(CONTEXTS["certificate"], body))


def ident(*first_entries: bytes, records: Sequence[Record] = (), begin: bytes = INCEPTION) -> bytes:
    """Write an IDENT body."""
    return pack([begin, [list(item) for item in records], list(first_entries)])


def _loser(**changes: Value) -> Record:
    """A rotation into epoch 1 that differs from Ada's and loses against it."""
    for number in range(64):
        rival = record(
            "rotation",
            ROTATION_KEYS[1],
            ROTATION,
            devices=[device(number, still_open=1)],
            **changes,
        )
        if record_hash(rival.body) > record_hash(WINNER.body):
            return rival
    raise ValueError("no rival with a higher hash")


ADA_DEVICE: Final = certified(ADA)
BOB_DEVICE: Final = certified(BOB)
ROTATED: Final = record("rotation", ROTATION_KEYS[1], ROTATION)
ROTATED_TWICE: Final = record(
    "rotation",
    ROTATION_KEYS[2],
    ROTATION,
    epoch=2,
    rotation_public=ROTATION_KEYS[2].public,
    root_public=ROOTS[2].public,
    predecessor=record_hash(ROTATED.body),
    next_commitment=commitment(ROTATION_KEYS[3].public),
)
WINNER: Final = ROTATED
LOSER: Final = _loser(next_commitment=commitment(BOB.public))
LOSER_TO_BOBS_ROOT: Final = _loser(root_public=BOBS_ROOT.public)
AFTER_LOSER: Final = record(
    "rotation",
    BOB,
    ROTATION,
    epoch=2,
    rotation_public=BOB.public,
    root_public=BOBS_ROOT.public,
    predecessor=record_hash(LOSER.body),
)
REVOKED: Final = record("revocation", ROOTS[0], REVOCATION, ends=[end(0, 0), end(1)])
ACCEPTED: Final = record("accept", ROOTS[1], ACCEPT)


def _good() -> list[Case]:
    return [
        _accepted("no device yet", ident()),
        _accepted("one device", ident(ADA_DEVICE), devices=[(ADA, 0)]),
        _accepted(
            "two devices",
            ident(ADA_DEVICE, BOB_DEVICE),
            devices=[(ADA, 0), (BOB, 0)],
        ),
        _accepted("a rotation", ident(records=[ROTATED]), roots=2, records=[ROTATED]),
        _accepted(
            "two rotations, the later one first",
            ident(records=[ROTATED_TWICE, ROTATED]),
            roots=3,
            records=[ROTATED_TWICE, ROTATED],
        ),
        _accepted(
            "a device certified after a rotation",
            ident(ADA_DEVICE, certified(BOB, signer=ROOTS[1], epoch=1), records=[ROTATED]),
            roots=2,
            records=[ROTATED],
            devices=[(ADA, 0), (BOB, 1)],
        ),
        _accepted(
            "a revocation and an acceptance",
            ident(ADA_DEVICE, records=[ROTATED, REVOKED, ACCEPTED]),
            roots=2,
            records=[ROTATED, REVOKED, ACCEPTED],
            devices=[(ADA, 0)],
        ),
        _accepted(
            "rival rotations: the lower hash wins",
            ident(records=[LOSER, WINNER]),
            roots=2,
            records=[LOSER, WINNER],
        ),
        _accepted(
            "what continues the rotation that lost is void",
            ident(
                *(ADA_DEVICE, certified(BOB, signer=BOBS_ROOT, epoch=2)),
                records=[WINNER, LOSER, AFTER_LOSER, _revoked_by_thief(2)],
            ),
            roots=2,
            records=[WINNER, LOSER, AFTER_LOSER],
            devices=[(ADA, 0)],
        ),
        _accepted(
            "what the root key that the loser brought in signed is void",
            ident(
                *(ADA_DEVICE, certified(BOB, signer=BOBS_ROOT, epoch=1)),
                records=[WINNER, LOSER_TO_BOBS_ROOT, _revoked_by_thief(1)],
            ),
            roots=2,
            records=[WINNER, LOSER_TO_BOBS_ROOT],
            devices=[(ADA, 0)],
        ),
        _accepted(
            "a lone rotation of the thief, as long as nobody knows the other",
            ident(certified(BOB, signer=BOBS_ROOT, epoch=2), records=[LOSER, AFTER_LOSER]),
            roots=[ROOTS[0], ROOTS[1], BOBS_ROOT],
            records=[LOSER, AFTER_LOSER],
            devices=[(BOB, 2)],
        ),
    ]


def _revoked_by_thief(epoch: int) -> Record:
    return record("revocation", BOBS_ROOT, REVOCATION, epoch=epoch)


def _accepted(
    name: str,
    data: bytes,
    *,
    roots: int | Sequence[Key] = 1,
    records: Sequence[Record] = (),
    devices: Sequence[tuple[Key, int]] = (),
) -> Case:
    keys = ROOTS[:roots] if isinstance(roots, int) else roots
    return accept(
        *(name, "every signature is right", data),
        identity=IDENTITY,
        roots=[key.public for key in keys],
        records=[record_hash(item.body) for item in records],
        devices=[{"device": key.public, "epoch": epoch} for key, epoch in devices],
    )


ENTRY_0: Final = Fields(channel=0)
BOBS: Final = identity_id(inception(BOB_ROOT_SEED))

BAD_FORMS: Final[Mapping[str, Mapping[str, bytes]]] = {
    "an array of 3 fields": {
        "2 fields": pack([INCEPTION, []]),
        "4 fields": pack([INCEPTION, [], [], 0]),
        "a byte behind it": ident() + b"\x00",
        "an inception as an array": pack([[1, bytes(32), bytes(32)], [], []]),
    },
    "an inception": {"an inception of version 2": ident(begin=b"\x93\x02" + INCEPTION[2:])},
    "a record: [kind, body, signature], kind 2, 3 or 4": {
        "a certificate as a record": ident(records=[ROTATED._replace(kind=1)]),
        "a record of kind 5": ident(records=[ROTATED._replace(kind=5)]),
        "a record without signature": pack([INCEPTION, [list(ROTATED[:2])], []]),
        "a signature of 63 bytes": ident(records=[ROTATED._replace(signature=bytes(63))]),
        "a revocation that calls itself a rotation": ident(records=[REVOKED._replace(kind=2)]),
        "a body that is no record": ident(records=[REVOKED._replace(body=b"\x90")]),
    },
    "each record once": {"one rotation twice": ident(records=[ROTATED, ROTATED])},
    "entry 0 of channel 0 of each device": {
        "entry 0 of channel 1": ident(run([Fields()])),
        "entry 1": ident(run([replace(ENTRY_0, seq=1, prev=ids(1)[0])])),
        "two entries": ident(run([ENTRY_0, ENTRY_0.next()])),
        "an entry that is no run": ident(ENTRY_0.header),
    },
    "each device once": {"one device twice": ident(ADA_DEVICE, ADA_DEVICE)},
    "at most 64 devices": {
        "65 devices": ident(
            *(run([Fields(device=bytes([n]) * 32, channel=0)]) for n in range(65)),
        )
    },
    "a certificate is well formed": {
        "a certificate with a byte behind it": ident(
            first_entry(ADA, body_of(CERTIFICATE) + b"\x00", bytes(64))
        ),
    },
}
BAD_PROOFS: Final[Mapping[str, Mapping[str, bytes]]] = {
    "a device signed its own entry 0": {
        "signed by another device": ident(
            first_entry(
                *(ADA, body_of(CERTIFICATE)),
                ROOTS[0].sign("sl-cert-1", body_of(CERTIFICATE)),
                signer=BOB,
            )
        ),
        "not signed": ident(run([ENTRY_0], signature=b"", last_id=b"")),
    },
    "entry 0 carries a certificate": {
        "another content": ident(first_entry(ADA, body_of(CERTIFICATE), bytes(64), kind=2)),
        "no content": ident(run([replace(ENTRY_0, size=-1, payload=SALT)])),
        "only a stub": ident(run([ENTRY_0.stub()])),
    },
    "the certificate names this identity and this device": {
        "a certificate for another identity": ident(certified(ADA, identity=BOBS)),
        "a certificate for another device": ident(
            first_entry(
                *(BOB, body_of(CERTIFICATE)), ROOTS[0].sign("sl-cert-1", body_of(CERTIFICATE))
            )
        ),
    },
    "the root key of its epoch signed a certificate": {
        "signed by a stranger": ident(certified(ADA, signer=BOB)),
        "signed by the device itself": ident(certified(ADA, signer=ADA)),
        "an epoch that no rotation opened": ident(certified(ADA, signer=ROOTS[1], epoch=1)),
        "the key of epoch 0 for epoch 1": ident(certified(ADA, epoch=1), records=[ROTATED]),
        "the key of epoch 1 for epoch 0": ident(certified(ADA, signer=ROOTS[1]), records=[ROTATED]),
        "the rotation key of its epoch": ident(
            certified(ADA, signer=ROTATION_KEYS[1], epoch=1), records=[ROTATED]
        ),
    },
    "a rotation continues an epoch that is here, by the committed key": {
        "the second rotation without the first": ident(records=[ROTATED_TWICE]),
        "a rotation of another identity": ident(
            records=[record("rotation", ROTATION_KEYS[1], ROTATION, identity=BOBS)]
        ),
        "a rotation after a predecessor that nobody knows": ident(
            records=[record("rotation", ROTATION_KEYS[1], ROTATION, predecessor=ids(1)[0])]
        ),
        "a rotation that skips an epoch": ident(
            records=[record("rotation", ROTATION_KEYS[1], ROTATION, epoch=2)]
        ),
        "a rotation by a key of a thief": ident(
            records=[record("rotation", BOB, ROTATION, rotation_public=BOB.public)]
        ),
        "a rotation signed by the root key before": ident(
            records=[record("rotation", ROOTS[0], ROTATION)]
        ),
        "a rotation signed by the root key that it brings in": ident(
            records=[record("rotation", ROOTS[1], ROTATION)]
        ),
        "a rotation by the root key that it brings in": ident(
            records=[record("rotation", ROOTS[1], ROTATION, rotation_public=ROOTS[1].public)]
        ),
    },
    "the root key of its epoch signed a record": {
        "a revocation by a device": ident(records=[record("revocation", ADA, REVOCATION)]),
        "a revocation of another identity": ident(
            records=[record("revocation", ROOTS[0], REVOCATION, identity=BOBS)]
        ),
        "a revocation of an epoch to come": ident(
            records=[record("revocation", ROOTS[1], REVOCATION, epoch=1)]
        ),
        "an acceptance by the key before": ident(
            records=[ROTATED, record("accept", ROOTS[0], ACCEPT)]
        ),
        "a revocation in an epoch before the rivals": ident(
            records=[WINNER, LOSER, AFTER_LOSER, _revoked_by_thief(1)]
        ),
    },
}


def ident_cases() -> list[Case]:
    """All cases of the file."""
    return [
        *_good(),
        *refusals(BAD_FORMS, refused_by="form"),
        *refusals(BAD_PROOFS, refused_by="proof"),
    ]


def ident_body() -> bytes:
    """An IDENT body for a frame."""
    return ident(ADA_DEVICE)
