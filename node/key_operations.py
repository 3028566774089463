"""Operations about the devices and records of the own identity: what is asked and answered.

Root keys and words are no part of any of them: a plan says what would be decided, whoever has the
words signs it in their own process, and the signed records are handed in. The conventions are
those of `operation`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta

from .operation import EntryRef, Operation, Person, Request, Result, View

MAX_NAMED: Final = 64
"""Devices or entries named in one request: as many as an identity has devices."""

DeviceRef = Annotated[str, Meta(min_length=1, max_length=64)]
"""A device by its label, its whole key (64 hexadecimal digits), its short id or the beginning."""
DeviceRefs = Annotated[tuple[DeviceRef, ...], Meta(max_length=MAX_NAMED)]
EntryRefs = Annotated[tuple[EntryRef, ...], Meta(max_length=MAX_NAMED)]
Hex = Annotated[str, Meta(pattern="^([0-9a-f]{2})*$", max_length=64_000)]

DeviceState: TypeAlias = Literal["open", "ended", "forgotten"]
Kind: TypeAlias = Literal["rotate", "revoke", "accept"]


class EndView(View, frozen=True):
    """An entry of a channel: its newest, or the last one that stands."""

    channel: int
    seq: int
    id: str


class DeviceView(View, frozen=True):
    """A device of the own identity."""

    device: str
    short_id: str
    label: str
    place: str
    this: bool
    """Whether it is the one that answers."""
    since: str
    since_ms: int
    """From when its certificate counts: a claim of whoever signed it."""
    epoch: int
    """Of the root key that certified it."""
    admission: Literal["named", "accepted", "certified", "forgotten"]
    """By what it belongs to the identity now: see docs/protocol/identity.md."""
    state: DeviceState
    """``open``: it may write. ``ended``: what it wrote up to its ends stands. ``forgotten``: a
    rotation did not name it, and nothing that it wrote stands."""
    ends: tuple[EndView, ...]
    """Last entries that stand, where it ended; channels that are not named end empty."""
    held: tuple[EndView, ...]
    """The newest entry of each channel that is here."""


class DevicesRequest(Request, frozen=True):
    """Which devices does the own identity have?"""


class DevicesResult(Result, frozen=True):
    """The devices, in the order of their certificates."""

    person: Person
    epoch: int
    """The current epoch: how many rotations there were."""
    expected_epoch: int
    """The epoch that was written beside the words when this home was restored, while a rotation
    is still missing here; 0: nothing is missing as far as is known."""
    readmits: bool
    """Whether this node readmits its own device by itself if a rotation forgot it."""
    devices: tuple[DeviceView, ...]


class PlannedDevice(View, frozen=True):
    """What a record would say about a device."""

    device: str
    short_id: str
    label: str
    this: bool
    before: DeviceState
    after: DeviceState
    ends: tuple[EndView, ...]
    void: int
    """Entries that are here and stand now, and would not any more."""


class PlanRevocationRequest(Request, frozen=True):
    """What would it mean to close a device?"""

    device: DeviceRef
    from_entries: EntryRefs = ()
    """The first entries that shall not stand, one of a channel at most; other channels end before
    what claims to be as late as the earliest of these. Empty: all that is here stands."""


class PlanRotationRequest(Request, frozen=True):
    """What would the next rotation say?"""

    leave_out: DeviceRefs = ()
    """Nothing that these wrote shall stand."""
    end: DeviceRefs = ()
    """What is here of these shall stand, and nothing later."""
    reopen: DeviceRefs = ()
    """These go on although they ended or were forgotten."""


class PlanAcceptRequest(Request, frozen=True):
    """What would it mean to readmit a device that a rotation forgot?"""

    device: DeviceRef
    until: EntryRefs = ()
    """The last entries that shall stand, likewise. Empty: it goes on writing."""


class RecordPlan(Result, frozen=True):
    """What a record would say, ready to be signed by whoever has the words."""

    kind: Kind
    person: Person
    epoch: int
    """Of the record; of a rotation the one that it opens."""
    root_public: str
    """Of the root key that has to sign; empty for a rotation."""
    predecessor: str
    """Of a rotation: the record or identity that it continues; else empty."""
    commitment: str
    """Of a rotation: to the key that has to sign; else empty."""
    already: bool
    """It is so already; nothing has to be signed."""
    devices: tuple[PlannedDevice, ...]


class RecordView(View, frozen=True):
    """A signed record."""

    kind: Kind
    body: Hex
    signature: Hex


class EnactRequest(Request, frozen=True):
    """Let signed records take effect here, and tell everybody."""

    records: Annotated[tuple[RecordView, ...], Meta(min_length=1, max_length=MAX_NAMED)]


class EnactResult(Result, frozen=True):
    """The records count."""

    person: Person
    epoch: int
    changed: bool
    """False: it was so already, and nothing was written."""


class AnswerRequest(Request, frozen=True):
    """What has to be told to a new device, beside its certificate?"""

    device: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class AnswerResult(Result, frozen=True):
    """What proves the own identity to a new device."""

    person: Person
    epoch: int
    root_public: str
    inception: str
    rotations: tuple[RecordView, ...]
    certificate: RecordView | None
    """The device is certified already: this is how (``kind`` says nothing); None: it is new."""
    room: bool
    """Whether the identity may have another device."""


DEVICES: Final = Operation("devices", DevicesRequest, DevicesResult)
PLAN_REVOCATION: Final = Operation("plan_revocation", PlanRevocationRequest, RecordPlan)
PLAN_ROTATION: Final = Operation("plan_rotation", PlanRotationRequest, RecordPlan)
PLAN_ACCEPT: Final = Operation("plan_accept", PlanAcceptRequest, RecordPlan)
ENACT: Final = Operation("enact", EnactRequest, EnactResult)
ANSWER: Final = Operation("answer", AnswerRequest, AnswerResult)

KEY_OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    DEVICES,
    PLAN_REVOCATION,
    PLAN_ROTATION,
    PLAN_ACCEPT,
    ENACT,
    ANSWER,
)


# What works on a home without its daemon


class KeyRecordResult(Result, frozen=True):
    """What became of a plan."""

    dry_run: bool
    plan: RecordPlan
    changed: bool


class KeyRequestResult(Result, frozen=True):
    """A device that asks to belong to an identity."""

    home: str
    device: str
    code: str


class KeyAnswerResult(Result, frozen=True):
    """The answer to a device that asks."""

    identity: str
    device: str
    label: str
    place: str
    already: bool
    """It was certified before."""
    code: str


class KeyForgetResult(Result, frozen=True):
    """The words are no longer on this machine."""

    home: str
    changed: bool
