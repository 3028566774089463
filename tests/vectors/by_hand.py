"""The protocol by hand: writes what ``docs/protocol.md`` says, for the vectors of its core.

Hashes come from hashlib and signatures from PyNaCl; the rest is written out here. Nothing is
imported from the package that the vectors judge, and nothing is checked: vectors to be refused
are written with the same functions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b, shake_128
from typing import Any, Final, TypeAlias, cast

from nacl.signing import SigningKey

Case: TypeAlias = dict[str, Any]
Value: TypeAlias = "int | bytes | Sequence[Value]"

ZERO: Final = bytes(32)
SALT: Final = b"sixteen bytes..."
T_MS: Final = 1_924_992_000_000
"""New Year of 2031."""
LARGEST_UINT: Final = 2**63 - 1
LARGEST_LAMPORT: Final = 2**62 - 1
MAX_SEQ: Final = 2**32 - 17


class Raw(bytes):
    """Bytes that stand in an array as they are, instead of as a byte string."""


def pack(value: Value) -> bytes:
    """Write a value in the canonical encoding."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, int):
        return _pack_int(value)
    if isinstance(value, bytes):
        return _pack_bytes_head(len(value)) + value
    return _pack_array_head(len(value)) + b"".join(pack(item) for item in value)


def _pack_int(value: int) -> bytes:
    if value < 128:
        return bytes([value])
    for code, length in ((0xCC, 1), (0xCD, 2), (0xCE, 4)):
        if value < 256**length:
            return bytes([code]) + value.to_bytes(length, "big")
    return b"\xcf" + value.to_bytes(8, "big")


def _pack_bytes_head(length: int) -> bytes:
    if length < 256:
        return b"\xc4" + length.to_bytes(1, "big")
    return b"\xc5" + length.to_bytes(2, "big")


def _pack_array_head(length: int) -> bytes:
    return bytes([0x90 + length]) if length < 16 else b"\xdc" + length.to_bytes(2, "big")


def varint(value: int) -> bytes:
    """Write an integer 7 bits a byte, low bits first."""
    out = b""
    while value > 127:
        out += bytes([value % 128 + 128])
        value //= 128
    return out + bytes([value])


def zigzag(value: int) -> int:
    """Fold the sign into the lowest bit."""
    return 2 * value if value >= 0 else -2 * value - 1


def blake(person: str, data: bytes, *, length: int = 32, key: bytes = b"") -> bytes:
    """Hash for a purpose."""
    return blake2b(data, digest_size=length, key=key, person=person.encode()).digest()


def ids(count: int) -> tuple[bytes, ...]:
    """Write ids that nothing has, in rising order."""
    return tuple(bytes([number]) * 32 for number in range(1, count + 1))


def payload_of(text: str, salt: bytes = SALT) -> bytes:
    """Write a payload around bytes that stand for content."""
    return salt + text.encode()


@dataclass(frozen=True)
class Key:
    """An Ed25519 key made from a seed that the vectors give."""

    seed: bytes

    @cached_property
    def _signing_key(self) -> SigningKey:
        return SigningKey(self.seed)

    @property
    def public(self) -> bytes:
        return bytes(self._signing_key.verify_key)

    def sign(self, context: str, message: bytes) -> bytes:
        return self._signing_key.sign(context.encode() + message).signature


def root(seed: bytes, epoch: int) -> Key:
    """Derive the root key of an epoch."""
    return Key(blake("sl.root", epoch.to_bytes(4, "big"), key=seed))


def rotation_key(seed: bytes, epoch: int) -> Key:
    """Derive the key that signs the rotation into an epoch."""
    return Key(blake("sl.rotate", epoch.to_bytes(4, "big"), key=seed))


def commitment(public: bytes) -> bytes:
    """Commit to a rotation key."""
    return blake("sl.commit", pack([1, public]))


def log_id(device: bytes, channel: int) -> bytes:
    """Name a log."""
    return blake("sl.log", device + channel.to_bytes(4, "big"))


ADA: Final = Key(bytes(range(32)))
BOB: Final = Key(bytes(range(32, 64)))
ADA_ROOT_SEED: Final = bytes(range(64, 96))
BOB_ROOT_SEED: Final = bytes(range(96, 128))
KEYS: Final = {
    name: {"seed": key.seed.hex(), "public": key.public.hex()}
    for name, key in (("ada", ADA), ("bob", BOB))
}

ROOT_SEEDS: Final = {"ada": ADA_ROOT_SEED, "bob": BOB_ROOT_SEED}


@dataclass(frozen=True)
class Fields:
    """The fields of one header, and the payload that it is about (None: a stub)."""

    device: bytes = ADA.public
    channel: int = 1
    seq: int = 0
    prev: bytes = ZERO
    t_ms: int = T_MS
    t_quality: int = 10
    lamport: int = 1
    seen: tuple[bytes, ...] = ()
    expire_ms: int = 0
    size: int = -1
    payload_hash: bytes = b""
    ext: bytes = b""
    payload: bytes | None = field(default=payload_of("First light."), repr=False)
    remaining_ms: int = 0

    def __post_init__(self) -> None:
        if self.size < 0 and self.payload is not None:
            object.__setattr__(self, "size", len(self.payload))
            object.__setattr__(self, "payload_hash", blake("sl.payload", self.payload))

    def fields(self) -> dict[str, Value]:
        """The fields of the header, in order."""
        return {
            "version": 1,
            "device": self.device,
            "channel": self.channel,
            "seq": self.seq,
            "prev": self.prev,
            "t_ms": self.t_ms,
            "t_quality": self.t_quality,
            "lamport": self.lamport,
            "seen": self.seen,
            "expire_ms": self.expire_ms,
            "size": self.size,
            "payload_hash": self.payload_hash,
            "ext": self.ext,
        }

    def row(self) -> list[Value]:
        """The array of the header."""
        return list(self.fields().values())

    @property
    def header(self) -> bytes:
        return pack(self.row())

    @property
    def id(self) -> bytes:
        return blake("sl.header", self.header)

    def stub(self) -> Fields:
        """The same entry without its payload."""
        return replace(self, payload=None)

    def next(self, text: str = "", **changes: Any) -> Fields:
        """The entry after this one, a minute later, with usual values unless said otherwise."""
        usual: dict[str, Any] = {
            "seq": self.seq + 1,
            "prev": self.id,
            "t_ms": self.t_ms + 60_000,
            "lamport": self.lamport + 1,
            "seen": (),
            "expire_ms": 0,
            "remaining_ms": 0,
            "size": -1,
            "ext": b"",
            "payload": payload_of(text),
        }
        return replace(self, **(usual | changes))


def columns(entries: Sequence[Fields]) -> bytes:
    """Write the columns of a run."""
    out = b""
    t_ms, quality, lamport = 0, 10, entries[0].seq
    for entry in entries:
        unusual = (
            (1, entry.payload is None, b""),
            (2, entry.lamport != lamport + 1, varint(zigzag(entry.lamport - lamport - 1))),
            (4, bool(entry.seen), varint(len(entry.seen)) + b"".join(entry.seen)),
            (8, bool(entry.expire_ms), varint(entry.expire_ms) + varint(entry.remaining_ms)),
            (16, entry.t_quality != quality, varint(entry.t_quality)),
            (32, bool(entry.ext), varint(len(entry.ext)) + entry.ext),
        )
        out += varint(sum(flag for flag, set_, _ in unusual if set_))
        out += varint(zigzag(entry.t_ms - t_ms)) + varint(entry.size)
        out += b"".join(data for _, set_, data in unusual if set_)
        t_ms, quality, lamport = entry.t_ms, entry.t_quality, entry.lamport
    return out


def bodies(entries: Sequence[Fields]) -> bytes:
    """Write the bodies of a run."""
    return b"".join(
        entry.payload_hash if entry.payload is None else entry.payload for entry in entries
    )


def run_fields(
    entries: Sequence[Fields], *, signer: Key | None = ADA, context: str = "sl-sig-1"
) -> dict[str, Value]:
    """The outer fields of a run of these entries; without a signer it carries no signature."""
    first, last = entries[0], entries[-1]
    return {
        "version": 1,
        "device": first.device,
        "channel": first.channel,
        "first": first.seq,
        "count": len(entries),
        "prev": first.prev if first.seq else b"",
        "columns": columns(entries),
        "bodies": bodies(entries),
        "last_id": last.id if signer else b"",
        "signature": signer.sign(context, last.id) if signer else b"",
    }


def run(entries: Sequence[Fields], **changes: Value) -> bytes:
    """A signed run of these entries, some of its outer fields changed."""
    return pack(list((run_fields(entries) | changes).values()))


def inception(seed: bytes) -> bytes:
    """Write the inception of a seed."""
    return pack([1, root(seed, 0).public, commitment(rotation_key(seed, 1).public)])


def identity_id(inception_bytes: bytes) -> bytes:
    """Name an identity."""
    return blake("sl.inception", inception_bytes)


def record_hash(body: bytes) -> bytes:
    """Name a record."""
    return blake("sl.record", body)


def lanes(state: bytes) -> list[int]:
    """The 1,024 lanes of one state."""
    stream = shake_128(b"sl-lthash-1" + state).digest(2048)
    return [int.from_bytes(stream[at : at + 2], "little") for at in range(0, 2048, 2)]


def digest(states: Sequence[bytes]) -> bytes:
    """The digest of a set of states, lane by lane."""
    total = [sum(column) % 65_536 for column in zip([0] * 1024, *map(lanes, states), strict=True)]
    return blake("sl.digest", b"".join(lane.to_bytes(2, "little") for lane in total), length=16)


def frame(code: int, body: bytes) -> bytes:
    """Write one frame."""
    return len(body).to_bytes(2, "big") + bytes([code]) + body


def plain(value: object) -> Any:
    """A value as JSON shows it: bytes in hex, everything else as it is."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, object]", value)
        return {name: plain(item) for name, item in mapping.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("Sequence[object]", value)]
    return value


def accept(name: str, reason: str, data: bytes, **fields: Any) -> Case:
    """A case that every decoder must take, with what it must find."""
    return {"name": name, "expect": "accept", "reason": reason, "hex": data.hex(), **plain(fields)}


def reject(name: str, reason: str, data: bytes, **fields: Any) -> Case:
    """A case that every decoder must refuse."""
    return {"name": name, "expect": "reject", "reason": reason, "hex": data.hex(), **plain(fields)}


def refusals(by_rule: Mapping[str, Mapping[str, bytes]], **fields: Any) -> list[Case]:
    """Cases that break a rule: by the rule, then by name."""
    return [
        reject(name, rule, data, **fields)
        for rule, broken in by_rule.items()
        for name, data in broken.items()
    ]


def vector_text(about: str, cases: Sequence[Case], **more: Any) -> str:
    """One file of vectors."""
    names = [case["name"] for case in cases]
    doubles = {double for double in names if names.count(double) > 1}
    if doubles:
        raise ValueError(f"two cases have one name: {doubles}")
    return json.dumps({"about": about, **plain(more), "cases": cases}, indent=1) + "\n"
