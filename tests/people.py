"""People for tests: authors who write what a seed tells them, and the runs a peer would send."""

from __future__ import annotations

import copy
import random
from collections.abc import Container, Iterator, Sequence
from typing import Final

from nacl import bindings

from slowlight.protocol.content import (
    CertificateRecord,
    Content,
    Follow,
    Post,
    Profile,
    Withdraw,
    encode_content,
    make_payload,
)
from slowlight.protocol.entry import (
    CHANNEL_IDENTITY,
    CHANNEL_POSTS,
    EMPTY_LOG,
    SALT_BYTES,
    Entry,
    LogHead,
    sign_entry,
    write_entry,
)
from slowlight.protocol.hashing import ZERO_HASH
from slowlight.protocol.ident import Ident, VerifiedIdent, verify_ident
from slowlight.protocol.identity import (
    Certificate,
    KeyPair,
    Rotation,
    SignedRecord,
    commitment,
    device_key,
    incept,
    root_key,
    rotation_key,
    sign_certificate,
    sign_rotation,
)
from slowlight.protocol.run import BLOCK, Run, build_run

START_MS: Final = 1_900_000_000_000
"""When people of tests begin to write, Unix milliseconds (March 2030)."""
LONGEST_PAUSE_MS: Final = 3_600_000

_TEXT: Final = (
    "dust storm crater rover light delay window antenna harvest letter orbit dawn ice "
    "tempête poussière lumière été lettre récolte Größe Straße світло пыль 火星 沙尘 你好 手紙"
)


class Person:
    """One author with one device: an identity, a certificate, and logs by channel.

    Entry 0 of channel 0 is the certificate. Everything follows from ``seed``; a person with
    the same seed and another ``device_number`` is the same identity at another device.
    ``key`` is for someone who uses the device key of another person, ``root_seed`` for a device
    of an identity that began elsewhere.
    """

    def __init__(
        self,
        seed: int,
        *,
        device_number: int = 0,
        key: KeyPair | None = None,
        root_seed: bytes | None = None,
    ) -> None:
        self.root_seed: Final = root_seed or random.Random(seed).randbytes(32)
        self.random = random.Random(f"{seed} {device_number}")
        self.root: Final = root_key(self.root_seed, 0)
        self.inception: Final = incept(self.root_seed)
        self.identity: Final = self.inception.identity
        self.key: Final = key or device_key(self.random.randbytes(32))
        self.device: Final = self.key.public
        self.box_public, self.box_secret = bindings.crypto_box_seed_keypair(
            self.random.randbytes(32)
        )
        self.logs: dict[int, list[Entry]] = {}
        self.now_ms = START_MS
        certificate = Certificate(
            self.identity,
            epoch=0,
            device=self.device,
            box_public=self.box_public,
            from_ms=START_MS,
            label=f"device {device_number}",
            place="sol/mars/jezero",
        )
        self.write(CHANNEL_IDENTITY, CertificateRecord(*sign_certificate(self.root, certificate)))

    def write(
        self,
        channel: int,
        content: Content | bytes,
        *,
        t_ms: int | None = None,
        lamport: int | None = None,
        seen: Sequence[bytes] = (),
        expire_ms: int = 0,
    ) -> Entry:
        """Append content (bytes: as they are) to a log, a while after the entry before."""
        self.now_ms += self.random.randrange(LONGEST_PAUSE_MS)
        data = content if isinstance(content, bytes) else encode_content(content)
        entry = write_entry(
            self.device,
            channel,
            self.head(channel),
            payload=make_payload(self.random.randbytes(SALT_BYTES), data),
            t_ms=self.now_ms if t_ms is None else t_ms,
            lamport=lamport,
            seen=seen,
            expire_ms=expire_ms,
        )
        self.log(channel).append(entry)
        return entry

    def post(
        self,
        text: str | None = None,
        *,
        reply_to: bytes | None = None,
        root: bytes | None = None,
        t_ms: int | None = None,
        lamport: int | None = None,
        seen: Sequence[bytes] = (),
        expire_ms: int = 0,
    ) -> Entry:
        """Write a post; without ``text`` one of a few words."""
        content = Post(self.words() if text is None else text, reply_to=reply_to, root=root)
        return self.write(
            CHANNEL_POSTS, content, t_ms=t_ms, lamport=lamport, seen=seen, expire_ms=expire_ms
        )

    def posts(self, count: int) -> list[Entry]:
        """Write several posts."""
        return [self.post() for _ in range(count)]

    def profile(self, name: str) -> Entry:
        """Say under which name to be shown."""
        return self.write(CHANNEL_IDENTITY, Profile(name=name))

    def follow(
        self, identity: bytes, channels: tuple[int, ...] = (CHANNEL_POSTS,), *, depth: int = 0
    ) -> Entry:
        """Say of whom to receive what."""
        return self.write(CHANNEL_IDENTITY, Follow(identity, channels, depth))

    def withdraw(self, *entries: Entry) -> Entry:
        """Take back earlier follows."""
        return self.write(CHANNEL_IDENTITY, Withdraw(tuple(entry.id for entry in entries)))

    def words(self) -> str:
        """Return a text of a few words."""
        return " ".join(self.random.choices(_TEXT.split(), k=self.random.randint(2, 12)))

    def log(self, channel: int = CHANNEL_POSTS) -> list[Entry]:
        """Return the entries of a channel, by sequence number."""
        return self.logs.setdefault(channel, [])

    def head(self, channel: int = CHANNEL_POSTS) -> LogHead:
        """Return where a log stands."""
        log = self.log(channel)
        return LogHead(log[-1].seq, log[-1].id, log[-1].lamport) if log else EMPTY_LOG

    def signed(
        self, channel: int = CHANNEL_POSTS, first: int = 0, last: int | None = None
    ) -> list[tuple[Entry, bytes]]:
        """Return entries ``first..last`` (None: to the newest) with their signatures."""
        entries = self.log(channel)[first : None if last is None else last + 1]
        return [(entry, sign_entry(self.key.secret, entry.id)) for entry in entries]

    def run(
        self,
        channel: int = CHANNEL_POSTS,
        first: int = 0,
        last: int | None = None,
        *,
        signed: bool = True,
        stubs: Container[int] = (),
    ) -> Run:
        """Return entries ``first..last`` of one block as a run; ``stubs`` go without payload."""
        log = self.log(channel)
        entries = [
            entry._replace(payload=None) if entry.seq in stubs else entry
            for entry in log[first : None if last is None else last + 1]
        ]
        signature = sign_entry(self.key.secret, entries[-1].id) if signed else None
        prev = log[first - 1].id if first else ZERO_HASH
        return build_run(self.device, channel, prev, entries, signature)

    def runs(
        self,
        channel: int = CHANNEL_POSTS,
        first: int = 0,
        last: int | None = None,
        *,
        longest: int = BLOCK,
    ) -> list[Run]:
        """Return runs for ``first..last`` as a peer sends them: newest first, the first one
        and the ends of blocks signed, the others proven by the run before."""
        end = len(self.log(channel)) - 1 if last is None else last
        return [
            self.run(channel, low, high, signed=high == end or high % BLOCK == BLOCK - 1)
            for low, high in _pieces(first, end, longest)
        ]

    def ident(self) -> Ident:
        """Return what proves this device to be the identity's."""
        return Ident(self.inception, (), (self.run(CHANNEL_IDENTITY, 0, 0),))

    def rotation(self) -> SignedRecord:
        """Return the record that brings in the second root key."""
        committed, after = (rotation_key(self.root_seed, epoch) for epoch in (1, 2))
        rotation = Rotation(
            self.identity,
            epoch=1,
            rotation_public=committed.public,
            root_public=root_key(self.root_seed, 1).public,
            predecessor=self.identity,
            next_commitment=commitment(after.public),
            devices=(),
        )
        return sign_rotation(committed, rotation)

    def verified_ident(self) -> VerifiedIdent:
        """Return `ident` with its signatures checked, as a store takes it."""
        return verify_ident(self.ident())

    def forked(self, channel: int, seq: int) -> Person:
        """Return a person with the same keys who goes on differently from entry ``seq``."""
        other = copy.copy(self)
        other.random = random.Random(f"fork {self.random.random()}")
        other.logs = {number: list(entries) for number, entries in self.logs.items()}
        del other.log(channel)[seq:]
        return other


def _pieces(first: int, last: int, longest: int) -> Iterator[tuple[int, int]]:
    """Cut ``first..last`` at blocks and into pieces of at most ``longest``, highest first."""
    while last >= first:
        low = max(first, last // BLOCK * BLOCK, last - longest + 1)
        yield low, last
        last = low - 1


def twins(common: int, one: int, other: int, seed: int = 1) -> tuple[Person, Person]:
    """Return one device that went on in two ways after some common posts."""
    ada = Person(seed)
    ada.posts(common)
    eve = ada.forked(CHANNEL_POSTS, common)
    ada.posts(one)
    eve.posts(other)
    return ada, eve
