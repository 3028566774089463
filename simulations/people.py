"""People made from a seed: the same keys, the same entries, the same ids in every replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final

from ..protocol.content import CertificateRecord, Content, encode_content, make_payload
from ..protocol.entry import (
    CHANNEL_IDENTITY,
    EMPTY_LOG,
    SALT_BYTES,
    Entry,
    LogHead,
    next_lamport,
    sign_entry,
    write_entry,
)
from ..protocol.hashing import ZERO_HASH
from ..protocol.ident import Ident
from ..protocol.identity import (
    Certificate,
    device_key,
    incept,
    root_key,
    sign_certificate,
)
from ..protocol.noise import KeyPair as BoxKeyPair
from ..protocol.run import BLOCK, MAX_RUN_BYTES, Run, build_run
from ..store.base import LogKey
from ..store.serving import longest_run

_PERSON_SEED: Final = b"sl.replay"


def derive_seed(seed: bytes, *names: int | str) -> bytes:
    """Return a 32-byte seed of its own for each list of names under one ``seed``."""
    label = "/".join(map(str, names)).encode()
    return blake2b(label, digest_size=32, key=seed, person=_PERSON_SEED).digest()


class SeededLog:
    """One log as its author holds it: every entry with its payload and signature."""

    def __init__(self, device: bytes, channel: int) -> None:
        self.device: Final = device
        self.channel: Final = channel
        self.entries: Final[list[Entry]] = []
        self.signatures: Final[list[bytes]] = []

    @property
    def head(self) -> LogHead:
        """Where the log stands."""
        if not self.entries:
            return EMPTY_LOG
        newest = self.entries[-1]
        return LogHead(newest.seq, newest.id, newest.lamport)

    def runs(self) -> Iterator[Run]:
        """Yield the whole log in runs as a peer sends them: newest first.

        The first run is signed and so is each that ends a block; any other ends where the one
        before it continues.
        """
        newest = top = self.head.seq
        while top >= 0:
            signed = top == newest or top % BLOCK == BLOCK - 1
            run = longest_run(
                LogKey(self.device, self.channel),
                reversed(self.entries[top // BLOCK * BLOCK : top + 1]),
                needed=1,
                signature=self.signatures[top] if signed else None,
                max_bytes=MAX_RUN_BYTES,
                prev_of=lambda seq: self.entries[seq - 1].id if seq else ZERO_HASH,
            )
            yield run
            top = run.first - 1


class SeededPerson:
    """An identity with one device; keys and salts follow from a seed and nothing else."""

    def __init__(self, seed: bytes, *, label: str, from_ms: int, device_number: int = 0) -> None:
        """Make the keys, and entry 0 of channel 0, which holds the certificate.

        Args:
            seed: 32 bytes; one person for each.
            label: what the certificate calls the device.
            from_ms: when device and identity begin, Unix milliseconds.
            device_number: another one gives another device of the same identity.
        """
        self._seed = seed if device_number == 0 else derive_seed(seed, "device", device_number)
        self._root_seed = derive_seed(seed, "root")  # the same for all devices
        self.inception: Final = incept(self._root_seed)
        self.identity: Final = self.inception.identity
        self.device: Final = device_key(derive_seed(self._seed, "device"))
        self.box: Final = BoxKeyPair.from_private(derive_seed(self._seed, "box"))
        self.logs: Final[dict[int, SeededLog]] = {}
        certificate = Certificate(
            identity=self.identity,
            epoch=0,
            device=self.device.public,
            box_public=self.box.public,
            from_ms=from_ms,
            label=label,
            place="",
        )
        record = sign_certificate(root_key(self._root_seed, 0), certificate)
        self.write(CHANNEL_IDENTITY, CertificateRecord(record.body, record.signature), from_ms)

    @property
    def ident(self) -> Ident:
        """What proves that the device belongs to the identity."""
        log = self.logs[CHANNEL_IDENTITY]
        entry, signature = log.entries[0], log.signatures[0]
        run = build_run(log.device, log.channel, ZERO_HASH, [entry], signature)
        return Ident(self.inception, (), (run,))

    def write(
        self, channel: int, content: Content, t_ms: int, *, seen: Sequence[Entry] = ()
    ) -> Entry:
        """Append content to a log and sign it.

        Args:
            t_ms: the date it claims, Unix milliseconds; it may go backwards.
            seen: foreign entries that it cites.
        """
        log = self.logs.setdefault(channel, SeededLog(self.device.public, channel))
        head = log.head
        salt = derive_seed(self._seed, "salt", channel, head.seq + 1)[:SALT_BYTES]
        entry = write_entry(
            self.device.public,
            channel,
            head,
            payload=make_payload(salt, encode_content(content)),
            t_ms=t_ms,
            lamport=next_lamport(head.lamport, [cited.lamport for cited in seen]),
            seen=[cited.id for cited in seen],
        )
        log.entries.append(entry)
        log.signatures.append(sign_entry(self.device.secret, entry.id))
        return entry

    def runs(self) -> Iterable[Run]:
        """Yield the runs of all logs, channel 0 first."""
        return (run for channel in sorted(self.logs) for run in self.logs[channel].runs())
