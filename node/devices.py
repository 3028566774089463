"""The devices of the own identity, and what records would decide about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from ..protocol.closing import NO_ENTRY, Closings
from ..protocol.entry import CHANNEL_IDENTITY, Entry
from ..protocol.errors import DecodeError
from ..protocol.hashing import short_id, short_prefix
from ..protocol.identity import DeviceEnds, Inception, LogEnd, Rotation, decode_rotation
from ..protocol.standing import Admission, DeviceStanding, Standing
from ..store.base import HeldEntry, LogKey, NodeStore
from .clock import WallClock, rfc3339
from .errors import Code, ServiceError
from .key_operations import (
    DevicesRequest,
    DevicesResult,
    DeviceState,
    DeviceView,
    EndView,
    PlanAcceptRequest,
    PlannedDevice,
    PlanRevocationRequest,
    PlanRotationRequest,
    RecordPlan,
)
from .names import MAX_CANDIDATES, find_entry
from .readmitting import expected_epoch, readmits
from .standings import own_standing
from .views import Views
from .walk import newest_first_with_void

_WHOLE_KEY_DIGITS: Final = 64
_ADMISSIONS: Final[Mapping[Admission, Literal["named", "accepted", "certified", "forgotten"]]] = {
    Admission.NAMED: "named",
    Admission.ACCEPTED: "accepted",
    Admission.CERTIFIED: "certified",
    Admission.FORGOTTEN: "forgotten",
}


class Devices:
    """What stands of the own identity, device by device."""

    def __init__(
        self, store: NodeStore, identity: bytes, device: bytes, *, clock: WallClock
    ) -> None:
        self._store = store
        self._identity = identity
        self._device = device
        self._clock = clock

    def devices(self, _request: DevicesRequest) -> DevicesResult:
        """Return every device that a root key certified."""
        standing = self._standing()
        return DevicesResult(
            person=Views(self._store, self._identity).person(self._identity),
            epoch=standing.epoch,
            expected_epoch=expected_epoch(self._store, standing.epoch),
            readmits=readmits(self._store),
            devices=tuple(self._view(one) for one in _in_age(standing)),
        )

    def plan_revocation(self, request: PlanRevocationRequest) -> RecordPlan:
        """Say what closing a device means; it changes nothing."""
        standing = self._standing()
        one = find_device(standing, request.device)
        ends = self._ends(one, self._named(one, request.from_entries), inclusive=False)
        planned = DeviceEnds(one.certificate.device, False, _in_order(ends))
        already = not one.stands or (not one.open and ends == _ends_of(one.closings))
        return self._plan("revoke", standing, [planned], already=already)

    def plan_rotation(self, request: PlanRotationRequest) -> RecordPlan:
        """Say what the next rotation would name; it changes nothing."""
        standing = self._standing()
        left_out = self._all(standing, request.leave_out)
        ended = self._all(standing, request.end)
        reopened = self._all(standing, request.reopen)
        if len({*left_out, *ended, *reopened}) < len(left_out) + len(ended) + len(reopened):
            raise ServiceError(
                Code.INVALID, "a device is named twice, with different wishes", "choose one"
            )
        planned: list[DeviceEnds] = []
        for device, one in sorted(standing.devices.items()):
            if device in reopened or (one.open and device not in {*left_out, *ended}):
                planned.append(DeviceEnds(device, True, ()))
            elif one.stands and device not in left_out:
                ends = self._heads(one) if one.open else _ends_of(one.closings)
                planned.append(DeviceEnds(device, False, _in_order(ends)))
        return self._plan("rotate", standing, planned, already=False)

    def plan_accept(self, request: PlanAcceptRequest) -> RecordPlan:
        """Say what readmitting a device means; it changes nothing."""
        standing = self._standing()
        one = find_device(standing, request.device)
        if one.admission in (Admission.NAMED, Admission.CERTIFIED) and not one.open:
            raise ServiceError(
                Code.INVALID,
                f"device {_called(one)} was closed in this epoch; an accept never reopens anything",
                "only the next rotation does: slowlight key rotate --reopen DEVICE",
            )
        if request.until:
            ends = self._ends(one, self._named(one, request.until), inclusive=True)
            planned = DeviceEnds(one.certificate.device, False, _in_order(ends))
        else:
            planned = DeviceEnds(one.certificate.device, True, ())
        return self._plan("accept", standing, [planned], already=one.stands)

    # What a plan says

    def _plan(
        self, kind: str, standing: Standing, planned: Sequence[DeviceEnds], *, already: bool
    ) -> RecordPlan:
        rotation = kind == "rotate"
        newest = self._newest(standing)
        spoken = {each.device: each for each in planned}
        about = [one for one in _in_age(standing) if rotation or one.certificate.device in spoken]
        return RecordPlan(
            kind="rotate" if rotation else "revoke" if kind == "revoke" else "accept",
            person=Views(self._store, self._identity).person(self._identity),
            epoch=standing.epoch + int(rotation),
            root_public="" if rotation else standing.roots[-1].hex(),
            predecessor=newest[0].hex() if rotation else "",
            commitment=newest[1].hex() if rotation else "",
            already=already,
            devices=tuple(self._planned(one, spoken.get(one.certificate.device)) for one in about),
        )

    def _newest(self, standing: Standing) -> tuple[bytes, bytes]:
        """Return what the next rotation continues, and the commitment to its key."""
        from ..protocol.ident import RecordKind

        rotations = [record for kind, record in standing.records if kind is RecordKind.ROTATE]
        if rotations:
            before: Rotation | Inception = decode_rotation(rotations[-1].body)
            return rotations[-1].hash, before.next_commitment
        ident = self._store.ident(self._identity)
        if ident is None:
            raise _unknown_identity()
        return self._identity, ident.inception.next_commitment

    def _planned(self, one: DeviceStanding, planned: DeviceEnds | None) -> PlannedDevice:
        device = one.certificate.device
        if planned is None:
            after: DeviceState = "forgotten"
        else:
            after = "open" if planned.open else "ended"
        ends = planned.ends if planned is not None else ()
        stands = {end.channel: end.seq for end in ends}
        void = 0
        if after != "open":
            for channel, head in self._heads(one).items():
                lowest = 0 if channel == CHANNEL_IDENTITY else NO_ENTRY
                now = min(head.seq, _last_seq(one.closings, channel)) if not one.open else head.seq
                void += max(0, max(now, lowest) - max(stands.get(channel, NO_ENTRY), lowest))
        return PlannedDevice(
            device=device.hex(),
            short_id=short_id(device),
            label=one.certificate.label,
            this=device == self._device,
            before=_state(one),
            after=after,
            ends=_end_views(ends),
            void=void,
        )

    def _ends(
        self, one: DeviceStanding, named: Mapping[int, HeldEntry], *, inclusive: bool
    ) -> dict[int, LogEnd]:
        """Return where a device shall end.

        Args:
            named: by channel the first entry that shall not stand, or, ``inclusive``, the last
                one that shall; none: all that is here stands, as far as it does now.
        """
        ends: dict[int, LogEnd] = {}
        stands = self._heads(one) if one.open or not one.stands else _ends_of(one.closings)
        for channel, end in stands.items():
            if channel in named:
                found = _at(named[channel]) if inclusive else _before(named[channel])
            elif named:
                found = self._before_late(one, channel, named.values(), inclusive=inclusive)
            else:
                found = end
            if found is not None:
                ends[channel] = min(found, end, key=lambda each: each.seq)
        return ends

    def _before_late(
        self,
        one: DeviceStanding,
        channel: int,
        named: Iterable[HeldEntry],
        *,
        inclusive: bool,
    ) -> LogEnd | None:
        """Return the entry before the first that claims to be as late as what is named."""
        times_ms = [held.entry.t_ms for held in named]
        first_late_ms = max(times_ms) + 1 if inclusive else min(times_ms)
        lowest: Entry | None = None
        newest: Entry | None = None
        key = LogKey(one.certificate.device, channel)
        for entry in newest_first_with_void(self._store, key):
            newest = newest or entry
            if entry.t_ms >= first_late_ms:
                lowest = entry
        if lowest is None:
            return None if newest is None else LogEnd(channel, newest.seq, newest.id)
        held = self._store.entry(lowest.id)
        return None if held is None else _before(held)

    def _named(self, one: DeviceStanding, references: Sequence[str]) -> dict[int, HeldEntry]:
        named: dict[int, HeldEntry] = {}
        for reference in references:
            held = find_entry(self._store, reference)
            if held.log.device != one.certificate.device:
                raise ServiceError(
                    Code.INVALID,
                    f"entry {reference} was not written by device {_called(one)}",
                    "slowlight show ENTRY says which device wrote it",
                )
            if held.log.channel in named:
                raise ServiceError(
                    Code.INVALID,
                    f"two entries of channel {held.log.channel} are named",
                    "name one of each channel",
                )
            named[held.log.channel] = held
        return named

    # What is here

    def _standing(self) -> Standing:
        standing = own_standing(self._store, self._identity)
        if standing is None:
            raise _unknown_identity()
        return standing

    def _all(self, standing: Standing, references: Sequence[str]) -> set[bytes]:
        return {find_device(standing, one).certificate.device for one in references}

    def _heads(self, one: DeviceStanding) -> dict[int, LogEnd]:
        return {
            channel: LogEnd(channel, head.seq, head.id)
            for channel, head in self._store.logs_of(one.certificate.device)
        }

    def _view(self, one: DeviceStanding) -> DeviceView:
        certificate = one.certificate
        return DeviceView(
            device=certificate.device.hex(),
            short_id=short_id(certificate.device),
            label=certificate.label,
            place=certificate.place,
            this=certificate.device == self._device,
            since=rfc3339(certificate.from_ms),
            since_ms=certificate.from_ms,
            epoch=certificate.epoch,
            admission=_ADMISSIONS[one.admission],
            state=_state(one),
            ends=_end_views(_in_order(_ends_of(one.closings))),
            held=_end_views(_in_order(self._heads(one))),
        )


def find_device(standing: Standing, typed: str) -> DeviceStanding:
    """Return the device that is meant: by label, whole key, short id or its beginning.

    Raises:
        ServiceError: none (``not_found``) or several (``ambiguous``).
    """
    typed = typed.strip()
    found = list(_devices_called(standing, typed))
    if not found:
        raise ServiceError(
            Code.NOT_FOUND,
            f"{typed!r} is no device of this identity",
            "slowlight key devices lists them",
        )
    if len(found) > 1:
        candidates = [short_id(one.certificate.device) for one in found[:MAX_CANDIDATES]]
        raise ServiceError(
            Code.AMBIGUOUS,
            f"{typed!r} could mean {', '.join(candidates)}",
            "type more of the short id",
            candidates,
        )
    return found[0]


def _devices_called(standing: Standing, typed: str) -> Iterator[DeviceStanding]:
    devices = list(standing.devices.values())
    labelled = [one for one in devices if typed and one.certificate.label == typed]
    if labelled:
        yield from labelled
        return
    if len(typed) == _WHOLE_KEY_DIGITS:
        yield from (one for one in devices if one.certificate.device.hex() == typed.lower())
        return
    try:
        bits, bit_count = short_prefix(typed)
    except DecodeError:
        return
    for one in devices:
        if int.from_bytes(one.certificate.device[:8], "big") >> (64 - bit_count) == bits:
            yield one


def _in_age(standing: Standing) -> list[DeviceStanding]:
    """Return the devices in the order of their certificates, as far as these say."""
    return sorted(
        standing.devices.values(), key=lambda one: (one.certificate.from_ms, one.record.hash)
    )


def _called(one: DeviceStanding) -> str:
    short = short_id(one.certificate.device)
    return f"{one.certificate.label} ({short})" if one.certificate.label else short


def _state(one: DeviceStanding) -> DeviceState:
    if not one.stands:
        return "forgotten"
    return "open" if one.open else "ended"


def _last_seq(closings: Closings, channel: int) -> int:
    closing = closings.of(channel)
    return NO_ENTRY if closing is None else closing.last_seq


def _ends_of(closings: Closings) -> dict[int, LogEnd]:
    ends = {channel: closing.end for channel, closing in closings.named.items()}
    return {channel: end for channel, end in ends.items() if end is not None}


def _in_order(ends: Mapping[int, LogEnd]) -> tuple[LogEnd, ...]:
    return tuple(ends[channel] for channel in sorted(ends))


def _end_views(ends: Iterable[LogEnd]) -> tuple[EndView, ...]:
    return tuple(EndView(channel=end.channel, seq=end.seq, id=end.id.hex()) for end in ends)


def _at(held: HeldEntry) -> LogEnd:
    return LogEnd(held.log.channel, held.entry.seq, held.entry.id)


def _before(held: HeldEntry) -> LogEnd | None:
    """Return the entry before one; None where it is the first."""
    if held.entry.seq == 0:
        return None
    return LogEnd(held.log.channel, held.entry.seq - 1, held.prev)


def _unknown_identity() -> ServiceError:
    return ServiceError(Code.INTEGRITY, "the own identity is not in the database", "slowlight init")
