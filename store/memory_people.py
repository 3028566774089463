"""The people of a store in memory: identities, their devices, and what they say of others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ..protocol import content
from ..protocol.entry import CHANNEL_IDENTITY
from ..protocol.ident import CertifiedDevice, Ident, RecordKind, VerifiedIdent
from ..protocol.identity import Inception, SignedRecord
from ..protocol.run import Run
from .base import MAX_RECORD_BYTES_OF_IDENTITY, Device, Follow, HeldEntry
from .derived import word_rank


class Words(NamedTuple):
    """What an identity says in channel 0, as far as it still counts."""

    profile: HeldEntry | None
    name: str
    follows: tuple[Follow, ...]
    """Sorted by identity."""


class MemoryPerson:
    """One identity with its records and devices."""

    __slots__ = ("devices", "first_runs", "inception", "records", "words")

    def __init__(self, inception: Inception) -> None:
        self.inception: Final = inception
        self.records: Final[dict[bytes, tuple[RecordKind, SignedRecord]]] = {}
        """By the hash of the body: a second signature makes no second record."""
        self.devices: Final[dict[bytes, Device]] = {}
        self.first_runs: Final[dict[bytes, Run]] = {}
        self.words: Words | None = None
        """None until asked for, and again when channel 0 of a device changed."""

    def ident(self) -> Ident:
        """Return what proves the devices."""
        return Ident(self.inception, tuple(self.records.values()), tuple(self.first_runs.values()))

    def add_device(self, certified: CertifiedDevice) -> None:
        """Take up a device."""
        certificate = certified.certificate
        self.devices[certificate.device] = Device(
            certificate.device,
            certificate.identity,
            certificate.box_public,
            certificate.label,
            certificate.place,
        )
        self.first_runs[certificate.device] = certified.run

    def add_records(self, ident: VerifiedIdent) -> bool:
        """Take up the records that are new and fit; return whether there was one."""
        left = MAX_RECORD_BYTES_OF_IDENTITY - sum(
            len(record.body) for _, record in self.records.values()
        )
        added = False
        for kind, record in ident.records:
            if record.hash not in self.records and len(record.body) <= left:
                self.records[record.hash] = kind, record
                left -= len(record.body)
                added = True
        return added


def words_of(entries: Iterable[HeldEntry]) -> Words:
    """Read what still counts of all that an identity said in channel 0."""
    profile: HeldEntry | None = None
    name = ""
    follows: dict[bytes, tuple[bytes, content.Follow]] = {}
    withdrawn: set[bytes] = set()
    for held in sorted(entries, key=lambda held: word_rank(held.entry)):
        payload = held.entry.payload
        match payload and content.decode_content(content.split_payload(payload), CHANNEL_IDENTITY):
            case content.Profile() as said:
                profile, name = held, said.name
            case content.Follow() as said:
                follows[said.identity] = held.entry.id, said
            case content.Withdraw() as said:
                withdrawn.update(said.entries)
            case _:
                pass
    standing = sorted(
        (said.identity, said) for entry_id, said in follows.values() if entry_id not in withdrawn
    )
    return Words(
        profile,
        name,
        tuple(Follow(subject, said.channels, said.depth, said.n) for subject, said in standing),
    )
