"""What stands of an identity: its devices, where each of their logs ends, and by whose word.

Everything follows from three things that a node holds: the inception, signed records and the
certificates of devices. The answer is the same whatever order they came in, however often,
and whoever mixed forgeries into them.

The newest rotation decides alone about all that earlier epochs signed: it names each device
that goes on or ends. Records of its own epoch then add devices (certificates, accepts) and
close them (revocations). All words that close a device meet at the lowest end, channel by
channel, so nobody can lift within an epoch what was closed in it; the next rotation can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final, Generic, NamedTuple, TypeVar

from .closing import ALL_OPEN, Closing, Closings, Word, meet
from .entry import CHANNEL_IDENTITY
from .errors import DecodeError
from .ident import RecordKind
from .identity import (
    MAX_DEVICES,
    Accept,
    Certificate,
    DeviceEnds,
    Inception,
    Revocation,
    SignedRecord,
    decode_accept,
    decode_certificate,
    decode_revocation,
)
from .roots import Flaw, Ignored, RootChain, SignatureCheck, root_chain, signed_by
from .signing import CONTEXT_ACCEPT, CONTEXT_CERTIFICATE, CONTEXT_REVOCATION


class Admission(IntEnum):
    """By what a device belongs to its identity; lower ones go first where room is short."""

    NAMED = 0
    """The newest rotation names it."""
    ACCEPTED = 1
    """The newest rotation forgot it, and an accept of its epoch readmits it."""
    CERTIFIED = 2
    """It was certified in the current epoch."""
    FORGOTTEN = 3
    """It was certified in an earlier epoch, and nothing since names it: it is void."""


class Void(Enum):
    """Why an entry does not stand."""

    STRANGER = "stranger"
    """No root key certified its device."""
    FORGOTTEN = "forgotten"
    """The newest rotation does not name its device."""
    ENDED = "ended"
    """It comes after the end of its log."""
    OFF_BRANCH = "off branch"
    """Its log forks, and the end that was named is on another branch."""


class Verdict(NamedTuple):
    """Whether an entry stands, and if not, what to show for it."""

    void: Void | None
    """None: it stands."""
    closing: Closing | None = None
    """What voids it; None for what stands, and for the entries of a stranger."""

    @property
    def stands(self) -> bool:
        """Whether the entry counts as said by the identity."""
        return self.void is None


STANDS: Final = Verdict(None)
STRANGE: Final = Verdict(Void.STRANGER)


@dataclass(frozen=True, slots=True)
class DeviceStanding:
    """A device that a root key of the identity certified."""

    certificate: Certificate
    record: SignedRecord
    """The certificate as it was signed."""
    admission: Admission
    closings: Closings

    @property
    def stands(self) -> bool:
        """Whether its certificate stands: what it wrote up to its ends is the identity's."""
        return self.admission is not Admission.FORGOTTEN

    @property
    def open(self) -> bool:
        """Whether it may write, seal and greet in the name of the identity now."""
        return self.closings.others is None

    def closing(self, channel: int) -> Closing | None:
        """Return where a channel ends; None: it is open."""
        return self.closings.of(channel)

    def judge(self, channel: int, seq: int, entry_id: bytes | None = None) -> Verdict:
        """Say whether an entry of this device stands.

        Args:
            channel: its channel.
            seq: its sequence number.
            entry_id: its id (32 bytes), where its log may fork: an entry at the end has to be
                the one named there. An entry below the end stands if the chain up to the end
                contains it, which only a holder of that chain can tell.
        """
        closing = self.closing(channel)
        if closing is None or (channel, seq) == (CHANNEL_IDENTITY, 0):
            return STANDS
        if not self.stands:
            return Verdict(Void.FORGOTTEN, closing)
        if closing.end is None or seq > closing.end.seq:
            return Verdict(Void.ENDED, closing)
        if seq == closing.end.seq and entry_id not in (None, closing.end.id):
            return Verdict(Void.OFF_BRANCH, closing)
        return STANDS


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands of one identity. Two are equal if they decide everything alike."""

    identity: bytes
    roots: tuple[bytes, ...]
    """Root public keys by epoch; the last one is the current one."""
    devices: Mapping[bytes, DeviceStanding]
    """By public key, at most `MAX_DEVICES`."""
    records: tuple[tuple[RecordKind, SignedRecord], ...]
    """What has to be kept and handed on: these alone, with the same certificates, give the
    same standing. Rotations by epoch, then revocations and accepts by kind and hash; also
    those of devices whose certificate is not here yet."""
    ignored: tuple[Ignored, ...] = field(compare=False)
    """What counted for nothing, and why."""

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return len(self.roots) - 1

    def closing(self, device: bytes, channel: int) -> Closing | None:
        """Return where a channel of a device ends; None: it is open.

        Raises:
            KeyError: no root key certified this device.
        """
        return self.devices[device].closing(channel)

    def judge(
        self, device: bytes, channel: int, seq: int, entry_id: bytes | None = None
    ) -> Verdict:
        """Say whether an entry stands; arguments as for `DeviceStanding.judge`."""
        known = self.devices.get(device)
        return STRANGE if known is None else known.judge(channel, seq, entry_id)


def standing_of(
    inception: Inception,
    records: Iterable[tuple[RecordKind, SignedRecord]],
    certificates: Iterable[SignedRecord],
    check: SignatureCheck = signed_by,
) -> Standing:
    """Decide what stands. Nothing that is wrong with a record or certificate is an error.

    Work and memory are linear in what is handed in, apart from sorting, and at most one
    signature is checked for each item.

    Args:
        inception: the identity's.
        records: rotations, revocations and accepts.
        certificates: those that the devices themselves took on: each from an entry 0 of
            channel 0 that the device named in it has signed.
        check: whether a key signed a record; see `SignatureCheck`.
    """
    spoken = list(records)
    chain = root_chain(inception, _of_kind(spoken, RecordKind.ROTATE), check)
    hearing = _Hearing(chain, check, list(chain.ignored))
    words = _Words(chain)
    if spoken:
        revocations = hearing.hear(_of_kind(spoken, RecordKind.REVOKE), _REVOCATIONS)
        words.add(RecordKind.REVOKE, revocations)
        accepts = hearing.hear(_of_kind(spoken, RecordKind.ACCEPT), _ACCEPTS)
        words.add(RecordKind.ACCEPT, accepts)
    devices = _devices(words, hearing.hear(certificates, _CERTIFICATES), hearing.ignored)
    words.drop_idle(devices, hearing.ignored)
    return Standing(
        chain.identity,
        chain.keys,
        MappingProxyType(devices),
        (*((RecordKind.ROTATE, record) for record in chain.rotations), *words.decisive()),
        tuple(hearing.ignored),
    )


def _of_kind(
    records: Iterable[tuple[RecordKind, SignedRecord]], kind: RecordKind
) -> list[SignedRecord]:
    return [record for each, record in records if each is kind]


_Claim = TypeVar("_Claim", Certificate, Revocation, Accept)


@dataclass(frozen=True, slots=True)
class _Reader(Generic[_Claim]):
    """How one kind of record is read."""

    decode: Callable[[bytes], _Claim]
    context: bytes
    outlives_rotation: bool
    """Whether it can count for something after its epoch."""


_CERTIFICATES: Final = _Reader(decode_certificate, CONTEXT_CERTIFICATE, outlives_rotation=True)
_REVOCATIONS: Final = _Reader(decode_revocation, CONTEXT_REVOCATION, outlives_rotation=False)
_ACCEPTS: Final = _Reader(decode_accept, CONTEXT_ACCEPT, outlives_rotation=False)


class _Hearing(NamedTuple):
    """Who may be heard, and who was not."""

    chain: RootChain
    check: SignatureCheck
    ignored: list[Ignored]

    def hear(
        self, records: Iterable[SignedRecord], reader: _Reader[_Claim]
    ) -> Iterator[tuple[SignedRecord, _Claim]]:
        """Yield what the root key of its epoch signed, each body once; note why not the rest."""
        heard: set[bytes] = set()
        for record in sorted(set(records)):
            try:
                claim = reader.decode(record.body)
            except DecodeError:
                flaw: Flaw | None = Flaw.MALFORMED
            else:
                flaw = Flaw.DOUBLE if record.body in heard else self._flaw(record, claim, reader)
                if flaw is None:
                    heard.add(record.body)
                    yield record, claim
            if flaw is not None:
                self.ignored.append(Ignored(record, flaw))

    def _flaw(self, record: SignedRecord, claim: _Claim, reader: _Reader[_Claim]) -> Flaw | None:
        if claim.identity != self.chain.identity:
            return Flaw.FOREIGN
        if claim.epoch < self.chain.epoch and not reader.outlives_rotation:
            return Flaw.SUPERSEDED
        return self.chain.flaw_of(claim.epoch, reader.context, record, self.check)


class _Words:
    """What the newest rotation and the records of its epoch say about devices."""

    def __init__(self, chain: RootChain) -> None:
        self.epoch = chain.epoch
        self.named: dict[bytes, Word] = {}
        self.accepts: dict[bytes, list[Word]] = {}
        self.revocations: dict[bytes, list[Word]] = {}
        self.forgetting: list[Word] = []
        """What the newest rotation says about every device that it does not name."""
        if chain.newest is not None:
            rotation = chain.rotations[-1]
            self.forgetting = [Word(RecordKind.ROTATE, rotation, rotation.hash, False, {})]
            for device in chain.newest.devices:
                self.named[device.device] = Word.about(device, RecordKind.ROTATE, rotation)

    def add(
        self, kind: RecordKind, claims: Iterable[tuple[SignedRecord, Revocation | Accept]]
    ) -> None:
        """Take the words of revocations or accepts."""
        kept = self.revocations if kind is RecordKind.REVOKE else self.accepts
        for record, claim in claims:
            device = (
                claim.device
                if isinstance(claim, Accept)
                else DeviceEnds(claim.device, False, claim.ends)
            )
            kept.setdefault(device.device, []).append(Word.about(device, kind, record))

    def admission(self, certificate: Certificate) -> Admission:
        """Say by what the device of a proven certificate belongs to the identity."""
        if certificate.device in self.named:
            return Admission.NAMED
        if certificate.epoch == self.epoch:
            return Admission.CERTIFIED
        return Admission.ACCEPTED if certificate.device in self.accepts else Admission.FORGOTTEN

    def closings(self, device: bytes, admission: Admission) -> Closings:
        """Say where the logs of an admitted device end."""
        revocations = self.revocations.get(device, [])
        match admission:
            case Admission.NAMED:
                return meet([self.named[device], *revocations])
            case Admission.ACCEPTED:
                return meet([*self.accepts[device], *revocations])
            case Admission.CERTIFIED:
                return meet(revocations) if revocations else ALL_OPEN
            case Admission.FORGOTTEN:
                return meet(self.forgetting)

    def drop_idle(self, devices: Mapping[bytes, DeviceStanding], ignored: list[Ignored]) -> None:
        """Leave out accepts of devices that no rotation forgot."""
        for device in list(self.accepts):
            known = devices.get(device)
            certified_now = known is not None and known.admission is Admission.CERTIFIED
            if device in self.named or certified_now:
                idle = self.accepts.pop(device)
                ignored.extend(Ignored(word.record, Flaw.IDLE) for word in idle)

    def decisive(self) -> list[tuple[RecordKind, SignedRecord]]:
        """The revocations and accepts without which something would be decided otherwise."""
        decisive: set[tuple[RecordKind, SignedRecord]] = set()
        for words in (*self.revocations.values(), *self.accepts.values()):
            decisive |= meet(words).deciding()
        for words in self.accepts.values():
            admits = min(words, key=lambda word: word.hash)
            decisive.add((admits.kind, admits.record))
        return sorted(decisive, key=lambda item: (item[0], item[1].hash))


class _Candidate(NamedTuple):
    admission: Admission
    hash: bytes
    record: SignedRecord
    certificate: Certificate


def _devices(
    words: _Words,
    certified: Iterable[tuple[SignedRecord, Certificate]],
    ignored: list[Ignored],
) -> dict[bytes, DeviceStanding]:
    """Give each device the certificate that counts and its ends, as far as there is room."""
    # Of two certificates of one device the newer epoch wins, because an older root key may be
    # a thief's by now; then the lower hash.
    best: dict[bytes, _Candidate] = {}
    for record, certificate in certified:
        new = _Candidate(words.admission(certificate), record.hash, record, certificate)
        old = best.setdefault(certificate.device, new)
        if (-certificate.epoch, new.hash) < (-old.certificate.epoch, old.hash):
            best[certificate.device] = new
    ranked = sorted(best.values(), key=lambda each: each[:2])
    ignored.extend(Ignored(each.record, Flaw.CROWDED) for each in ranked[MAX_DEVICES:])
    return {
        device: DeviceStanding(
            each.certificate, each.record, each.admission, words.closings(device, each.admission)
        )
        for each in ranked[:MAX_DEVICES]
        for device in (each.certificate.device,)
    }
