"""The people of a store in memory: identities, their devices, and what they say of others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ..protocol import content
from ..protocol.entry import CHANNEL_IDENTITY
from ..protocol.ident import CertifiedDevice, Ident
from ..protocol.identity import Inception, SignedRecord
from ..protocol.roots import SignatureCheck
from ..protocol.run import Run
from ..protocol.standing import Standing
from .base import Device, Follow, HeldEntry
from .derived import word_rank
from .memory_log import MemoryLog
from .standings import (
    KindedRecord,
    ending_of,
    new_records,
    record_said,
    same_rotations,
    standing_kept,
)


class Words(NamedTuple):
    """What an identity says in channel 0, as far as it still counts."""

    profile: HeldEntry | None
    name: str
    follows: tuple[Follow, ...]
    """Sorted by identity."""


class MemoryPerson:
    """One identity with its records and devices."""

    __slots__ = (
        "certificates",
        "changed",
        "devices",
        "first_runs",
        "inception",
        "logs",
        "records",
        "standing",
        "words",
    )

    def __init__(self, inception: Inception) -> None:
        self.inception: Final = inception
        self.records: tuple[KindedRecord, ...] = ()
        """Those that decide something."""
        self.changed = 0
        """The store's change counter when the records changed last; 0: there are none."""
        self.devices: Final[dict[bytes, Device]] = {}
        self.certificates: Final[dict[bytes, SignedRecord]] = {}
        self.first_runs: Final[dict[bytes, Run]] = {}
        self.logs: Final[list[MemoryLog]] = []
        """Of its devices, in the order in which they came."""
        self.standing: Standing | None = None
        """None until asked for, and again when records or devices changed."""
        self.words: Words | None = None
        """None until asked for, and again when channel 0 of a device changed."""

    def ident(self, check: SignatureCheck) -> Ident:
        """Return what proves the devices; one that nothing proves any more stays out."""
        proven = self.stand(check).devices if self.records else self.devices
        runs = (run for device, run in self.first_runs.items() if device in proven)
        return Ident(
            self.inception,
            tuple(sorted(self.records, key=lambda item: item[1].hash)),
            tuple(runs),
        )

    def stand(self, check: SignatureCheck) -> Standing:
        """Return what stands by what is held."""
        if self.standing is None:
            self.standing = self.standing_with(self.records, (), check)
        return self.standing

    def standing_with(
        self,
        records: Iterable[KindedRecord],
        besides: Iterable[SignedRecord],
        check: SignatureCheck,
    ) -> Standing:
        """Decide what stands by these records, also of devices that are not held."""
        certificates = [*self.certificates.values(), *besides]
        return standing_kept(self.inception, records, certificates, check)

    def settle(
        self, brought: Iterable[KindedRecord], check: SignatureCheck
    ) -> tuple[bool, list[tuple[MemoryLog, int, int]]]:
        """Take in records that came, and end its logs where they end now.

        Returns:
            Whether the records that are kept changed, and the logs whose end is another one,
            each with the last entry that could stand before and that can now.
        """
        came = [*self.records, *brought]
        standing = self.standing_with(came, (), check)
        if not same_rotations(self.records, standing.records):
            # What its logs say under the new epoch counted for nothing before.
            standing = self.standing_with([*came, *self._said()], (), check)
        dropped, added = new_records(self.records, standing.records)
        kept = [item for item in self.records if item[1].hash not in dropped]
        self.records, self.standing = (*kept, *added), standing
        moved: list[tuple[MemoryLog, int, int]] = []
        for log in self.logs:
            ending, was = ending_of(standing, *log.key), log.last_standing
            if ending != log.ending:
                log.ending = ending
                moved.append((log, was, log.last_standing))
                if log.key.channel == CHANNEL_IDENTITY:
                    self.words = None
        return bool(dropped or added), moved

    def _said(self) -> list[KindedRecord]:
        """Return all records in its logs, void or not."""
        logs = (log for log in self.logs if log.key.channel == CHANNEL_IDENTITY)
        said = (record_said(held.entry) for log in logs for held in log.entries.values())
        return [record for record in said if record is not None]

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
        self.certificates[certificate.device] = certified.record
        self.first_runs[certificate.device] = certified.run
        self.standing = None


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
        (said.identity, entry_id, said)
        for entry_id, said in follows.values()
        if entry_id not in withdrawn
    )
    return Words(
        profile,
        name,
        tuple(
            Follow(subject, said.channels, said.depth, said.n, entry_id)
            for subject, entry_id, said in standing
        ),
    )
