"""Devices of one identity: listed, closed, readmitted, rotated; and what each of it refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from slowlight.node.beginning import begin
from slowlight.node.direct import DirectClient
from slowlight.node.errors import Code, Exit, ServiceError
from slowlight.node.home import Home
from slowlight.node.key_operations import (
    DEVICES,
    ENACT,
    PLAN_ACCEPT,
    PLAN_REVOCATION,
    PLAN_ROTATION,
    DevicesRequest,
    DeviceView,
    EnactRequest,
    EnactResult,
    PlanAcceptRequest,
    PlanRevocationRequest,
    PlanRotationRequest,
    RecordPlan,
    RecordView,
)
from slowlight.node.people_operations import SET_PROFILE, SetProfileRequest
from slowlight.node.post_operations import POST, PostRequest
from slowlight.node.root_signing import sign_plan
from slowlight.node.service import Service
from slowlight.node.standings import own_standing
from slowlight.protocol.content import CertificateRecord
from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS
from slowlight.protocol.hashing import short_id
from slowlight.protocol.ident import RecordKind, VerifiedIdent
from slowlight.protocol.identity import (
    Certificate,
    commitment,
    decode_rotation,
    root_key,
    rotation_key,
    sign_certificate,
    sign_rotation,
)
from slowlight.store.base import LogKey
from tests.nodes import NodeHome, OpenMemoryStore, RecordedLinks, seeded, service_of
from tests.people import Person
from tests.stores import take


@dataclass
class Ada:
    """Ada at her desk, with another device that her node has heard of."""

    made: NodeHome
    service: Service
    phone: Person

    @property
    def desk(self) -> bytes:
        """The device at her desk."""
        return self.made.home.keys.device_keys().device

    @property
    def seed(self) -> bytes:
        """The seed behind her words."""
        return self.made.home.keys.root_seed()

    def devices(self) -> dict[str, DeviceView]:
        """Her devices by label; the desk has none."""
        listed = self.service.call(DEVICES, DevicesRequest()).devices
        return {one.label: one for one in listed}

    def enact(self, plan: RecordPlan, seed: bytes | None = None) -> EnactResult:
        """Sign a plan and hand it in."""
        record = sign_plan(plan, seed or self.seed)
        return self.service.call(ENACT, EnactRequest(records=(record,)))

    def revoke(self, device: str, *from_entries: str) -> RecordPlan:
        """Plan to close a device."""
        request = PlanRevocationRequest(device=device, from_entries=from_entries)
        return self.service.call(PLAN_REVOCATION, request)

    def rotate(self, **wishes: tuple[str, ...]) -> RecordPlan:
        """Plan a rotation."""
        return self.service.call(PLAN_ROTATION, PlanRotationRequest(**wishes))

    def accept(self, device: str, *until: str) -> RecordPlan:
        """Plan to readmit a device."""
        return self.service.call(PLAN_ACCEPT, PlanAcceptRequest(device=device, until=until))

    def receive(self) -> None:
        """Let everything arrive that the phone has written."""
        runs = [run for channel in self.phone.logs for run in self.phone.runs(channel)]
        take(self.made.store, self.phone.verified_ident(), *runs)


@pytest.fixture
def ada(tmp_path: Path) -> Ada:
    """Six posts and two profiles from the phone have arrived."""
    phone = Person(1, device_number=1)
    made = home_with(tmp_path / "desk", phone.root_seed)
    phone.profile("ada")
    phone.posts(6)
    phone.profile("ada of the phone")
    ada = Ada(made, service_of(made, RecordedLinks()), phone)
    ada.receive()
    return ada


def home_with(path: Path, root_seed: bytes) -> NodeHome:
    """Begin a home with a given root seed."""
    random_bytes = seeded(5)
    made = NodeHome(Home(path), OpenMemoryStore(random_bytes(8)), random_bytes)
    begin(
        made.home,
        root_seed=root_seed,
        clock=made.clock,
        random_bytes=random_bytes,
        open_store=made.open_store,
    )
    return made


def test_every_device_is_listed_with_what_stands(ada: Ada) -> None:
    """Label, place, which one answers, and the newest entry of each channel."""
    devices = ada.devices()
    assert set(devices) == {"", "device 1"}
    desk, phone = devices[""], devices["device 1"]
    assert (desk.this, phone.this) == (True, False)
    assert (phone.place, phone.state, phone.admission) == ("sol/mars/jezero", "open", "certified")
    assert [(end.channel, end.seq) for end in phone.held] == [(0, 2), (1, 5)]
    assert phone.short_id == short_id(ada.phone.device)
    assert all(one.ends == () for one in devices.values())


def test_a_lost_phone_ends_where_it_is_known(ada: Ada) -> None:
    """What is here of it stands; done twice it is so already, and nothing more is written."""
    plan = ada.revoke("device 1")
    assert [(one.after, one.void) for one in plan.devices] == [("ended", 0)]
    assert ada.enact(plan).changed
    phone = ada.devices()["device 1"]
    assert (phone.state, [(end.channel, end.seq) for end in phone.ends]) == (
        "ended",
        [(0, 2), (1, 5)],
    )
    assert ada.revoke("device 1").already
    head = ada.made.store.head(LogKey(ada.desk, CHANNEL_IDENTITY))
    assert not ada.enact(plan).changed
    assert ada.made.store.head(LogKey(ada.desk, CHANNEL_IDENTITY)) == head


def test_the_record_also_stands_in_the_own_log(ada: Ada) -> None:
    """So that whoever follows reads it there."""
    ada.enact(ada.revoke("device 1"))
    held = ada.made.store.entry(ada.made.store.head(LogKey(ada.desk, CHANNEL_IDENTITY)).id)
    assert held is not None
    assert held.entry.payload is not None
    record = ada.made.store.ident(ada.service.identity)
    assert record is not None
    ((_, signed),) = record.records
    assert signed.body in held.entry.payload


def test_a_stolen_phone_ends_before_what_the_thief_wrote(ada: Ada) -> None:
    """From the entry that is named on; on other channels from what claims to be as late."""
    posts = ada.phone.log(CHANNEL_POSTS)
    plan = ada.revoke("device 1", posts[4].id.hex())
    (phone,) = plan.devices
    assert [(end.channel, end.seq, end.id) for end in phone.ends] == [
        (0, 1, ada.phone.log(CHANNEL_IDENTITY)[1].id.hex()),
        (1, 3, posts[3].id.hex()),
    ]
    assert phone.void == 3
    ada.enact(plan)
    standing = own_standing(ada.made.store, ada.service.identity)
    assert standing is not None
    verdicts = [standing.judge(ada.phone.device, CHANNEL_POSTS, seq).stands for seq in range(6)]
    assert verdicts == [True, True, True, True, False, False]
    lower = ada.revoke("device 1", posts[1].id.hex())
    assert (lower.already, lower.devices[0].void) == (False, 3)
    higher = ada.revoke("device 1", posts[5].id.hex())
    assert higher.already


def test_a_device_can_end_with_its_certificate(ada: Ada) -> None:
    """Everything that it wrote is named as void; entry 0 of channel 0 stands always."""
    plan = ada.revoke("device 1", ada.phone.log(CHANNEL_IDENTITY)[0].id.hex())
    (phone,) = plan.devices
    assert (phone.ends, phone.void) == ((), 8)


@pytest.mark.parametrize(
    ("device", "code", "said"),
    [
        ("tablet", Code.NOT_FOUND, "'tablet' is no device of this identity"),
        ("", Code.INVALID, "device"),
        ("f" * 64, Code.NOT_FOUND, "no device"),
    ],
)
def test_an_unknown_device_is_named(ada: Ada, device: str, code: Code, said: str) -> None:
    """And where to look."""
    with pytest.raises(ServiceError, match=said) as caught:
        DirectClient(ada.service).call(PLAN_REVOCATION, PlanRevocationRequest(device=device))
    assert caught.value.code is code


def test_devices_with_one_name_are_told_apart_by_their_keys(ada: Ada) -> None:
    """By the whole key, the short id, or as much of it as is needed."""
    other = Person(1, device_number=7)
    take(ada.made.store, other.verified_ident())
    for typed in (other.device.hex(), short_id(other.device), short_id(other.device)[:7]):
        (one,) = ada.revoke(typed).devices
        assert one.device == other.device.hex()
    firsts = {short_id(bytes.fromhex(one.device))[0] for one in ada.devices().values()}
    if len(firsts) < len(ada.devices()):
        pytest.fail("choose other seeds: each short id has to begin differently here")
    same_label = labelled(1, 8, "device 7")
    take(ada.made.store, same_label.verified_ident())
    with pytest.raises(ServiceError, match="'device 7' could mean") as caught:
        ada.revoke("device 7")
    assert caught.value.code is Code.AMBIGUOUS
    assert set(caught.value.candidates) == {short_id(other.device), short_id(same_label.device)}


def labelled(seed: int, number: int, label: str) -> Person:
    """A device of a person under another label."""
    person = Person(seed, device_number=number)
    person.logs.clear()
    certificate = Certificate(
        person.identity, 0, person.device, person.box_public, person.now_ms, label, ""
    )
    person.write(CHANNEL_IDENTITY, CertificateRecord(*sign_certificate(person.root, certificate)))
    return person


def test_an_entry_of_another_device_cannot_be_the_end(ada: Ada) -> None:
    """Neither can two of one channel."""
    own = ada.service.call(POST, PostRequest(text="at the desk")).post
    with pytest.raises(ServiceError, match="was not written by device device 1"):
        ada.revoke("device 1", own.id)
    posts = ada.phone.log(CHANNEL_POSTS)
    with pytest.raises(ServiceError, match="two entries of channel 1"):
        ada.revoke("device 1", posts[0].id.hex(), posts[1].id.hex())


def test_the_device_that_one_types_on_can_be_closed(ada: Ada) -> None:
    """Then it writes no more, and says so; the record is kept all the same."""
    own = next(one for one in ada.devices().values() if one.this)
    plan = ada.revoke(own.short_id)
    assert plan.devices[0].this
    assert ada.enact(plan).changed
    assert ada.devices()[""].state == "ended"
    with pytest.raises(ServiceError, match="this device has ended") as caught:
        ada.service.call(POST, PostRequest(text="still here?"))
    assert caught.value.exit is Exit.INTEGRITY
    with pytest.raises(ServiceError, match="this device has ended"):
        ada.service.call(SET_PROFILE, SetProfileRequest(name="still ada"))


def test_a_rotation_names_every_device_that_stands(ada: Ada) -> None:
    """Open ones stay open, ended ones stay ended, one that is left out is void."""
    ada.enact(ada.revoke("device 1"))
    plan = ada.rotate()
    assert {one.label: one.after for one in plan.devices} == {"": "open", "device 1": "ended"}
    assert (plan.epoch, ada.enact(plan).epoch) == (1, 1)
    assert {one.admission for one in ada.devices().values()} == {"named"}
    assert ada.devices()["device 1"].ends != ()
    ada.service.call(POST, PostRequest(text="after the rotation"))
    again = ada.rotate(leave_out=("device 1",))
    assert {one.label: (one.after, one.void) for one in again.devices} == {
        "": ("open", 0),
        "device 1": ("forgotten", 8),
    }
    ada.enact(again)
    assert ada.devices()["device 1"].state == "forgotten"
    assert own_epoch(ada) == 2


def own_epoch(ada: Ada) -> int:
    """The epoch that ada's node knows."""
    return ada.service.call(DEVICES, DevicesRequest()).epoch


def test_a_rotation_can_end_and_reopen(ada: Ada) -> None:
    """A thief's closing is lifted, what is here of a device can be all that stands."""
    ada.enact(ada.revoke("device 1", ada.phone.log(CHANNEL_POSTS)[0].id.hex()))
    ada.enact(ada.rotate(reopen=("device 1",)))
    assert ada.devices()["device 1"].state == "open"
    ada.enact(ada.rotate(end=("device 1",)))
    phone = ada.devices()["device 1"]
    assert [(end.channel, end.seq) for end in phone.ends] == [(0, 2), (1, 5)]
    with pytest.raises(ServiceError, match="named twice"):
        ada.rotate(end=("device 1",), leave_out=("device 1",))


def test_after_a_rotation_the_new_root_key_revokes(ada: Ada) -> None:
    """The one of the epoch before does nothing any more."""
    stale = ada.revoke("device 1")
    ada.enact(ada.rotate())
    with pytest.raises(ServiceError, match="of an earlier epoch") as caught:
        ada.enact(stale)
    assert caught.value.code is Code.INVALID
    ada.enact(ada.revoke("device 1"))
    assert ada.devices()["device 1"].state == "ended"


def test_a_forgotten_device_is_readmitted(ada: Ada) -> None:
    """To go on, or for its past alone; what no rotation forgot needs no accept."""
    assert ada.accept("device 1").already
    ada.enact(ada.rotate(leave_out=("device 1",)))
    until = ada.accept("device 1", ada.phone.log(CHANNEL_POSTS)[2].id.hex())
    assert [(end.channel, end.seq) for end in until.devices[0].ends] == [(0, 1), (1, 2)]
    plan = ada.accept("device 1")
    assert not plan.already
    ada.enact(plan)
    phone = ada.devices()["device 1"]
    assert (phone.state, phone.admission) == ("open", "accepted")
    assert ada.accept("device 1").already
    ada.enact(ada.rotate(end=("device 1",)))
    with pytest.raises(ServiceError, match="never reopens") as caught:
        ada.accept("device 1")
    assert "--reopen" in caught.value.hint


def test_words_of_another_identity_sign_nothing(ada: Ada) -> None:
    """Whose they are is said."""
    other = Person(2)
    for plan in (ada.revoke("device 1"), ada.rotate()):
        with pytest.raises(ServiceError, match="words of another identity") as caught:
            sign_plan(plan, other.root_seed)
        assert short_id(other.identity) in caught.value.message
        assert caught.value.exit is Exit.USAGE


def test_a_rotation_by_the_wrong_key_is_refused(ada: Ada) -> None:
    """By a key that nobody committed to, or one that signed something else."""
    record = sign_plan(ada.rotate(), ada.seed)
    rotation = decode_rotation(bytes.fromhex(record.body))
    forged = sign_rotation(rotation_key(bytes(32), 1), rotation)
    wrong = RecordView(kind="rotate", body=forged.body.hex(), signature=forged.signature.hex())
    before = ada.made.store.ident(ada.service.identity)
    with pytest.raises(ServiceError, match="rotation is by the wrong key") as caught:
        ada.service.call(ENACT, EnactRequest(records=(wrong,)))
    assert caught.value.exit is Exit.INTEGRITY
    assert ada.made.store.ident(ada.service.identity) == before


def test_records_that_mean_nothing_here_are_refused(ada: Ada) -> None:
    """Another identity's, malformed ones, and an accept that would count for nothing."""
    other = Person(2).rotation()
    foreign = RecordView(kind="rotate", body=other.body.hex(), signature=other.signature.hex())
    with pytest.raises(ServiceError, match="about another identity") as caught:
        ada.service.call(ENACT, EnactRequest(records=(foreign,)))
    assert caught.value.code is Code.INVALID
    rubbish = RecordView(kind="revoke", body="00", signature="00" * 64)
    with pytest.raises(ServiceError, match="no record"):
        ada.service.call(ENACT, EnactRequest(records=(rubbish,)))
    with pytest.raises(ServiceError, match="no rotation forgot this device"):
        ada.enact(ada.accept("device 1"))


def test_a_thief_with_the_root_key_alone_cannot_rotate(ada: Ada) -> None:
    """It signs revocations; a rotation wants the key that was committed to."""
    record = sign_plan(ada.rotate(), ada.seed)
    rotation = decode_rotation(bytes.fromhex(record.body))
    forged = sign_rotation(root_key(ada.seed, 0), rotation)
    wrong = RecordView(kind="rotate", body=forged.body.hex(), signature=forged.signature.hex())
    with pytest.raises(ServiceError, match="wrong key"):
        ada.service.call(ENACT, EnactRequest(records=(wrong,)))


def test_somebody_else_who_rotated_with_other_words_is_noticed(ada: Ada) -> None:
    """The words fit the identity, but not the commitment of the rotation that is held."""
    record = sign_plan(ada.rotate(), ada.seed)
    rotation = decode_rotation(bytes.fromhex(record.body))
    taken = replace(rotation, next_commitment=commitment(rotation_key(bytes(32), 2).public))
    signed = sign_rotation(rotation_key(ada.seed, 1), taken)
    take(
        ada.made.store,
        VerifiedIdent(ada.phone.inception, ((RecordKind.ROTATE, signed),), ()),
    )
    with pytest.raises(ServiceError, match="does not come from these words") as caught:
        sign_plan(ada.rotate(), ada.seed)
    assert caught.value.exit is Exit.INTEGRITY
