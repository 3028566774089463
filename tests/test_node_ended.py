"""Devices that have ended: what their nodes may no longer do, and who notices."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from slowlight.node.errors import Code, ServiceError
from slowlight.node.greetings import is_ended, may_greet
from slowlight.node.home import Home
from slowlight.node.key_operations import ENACT, EnactRequest, RecordView
from slowlight.node.peer_operations import ADD_PEER, STATUS, AddPeerRequest, StatusRequest
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.post_operations import POST, SHOW, PostRequest, ShowRequest
from slowlight.node.restoring import restore
from slowlight.node.sealer import address
from slowlight.protocol.entry import CHANNEL_POSTS
from slowlight.protocol.identity import LogEnd, Revocation, SignedRecord, root_key, sign_revocation
from slowlight.protocol.words import words_from_seed
from slowlight.store.base import LogKey
from slowlight.store.memory import MemoryStore
from tests.memory_net import Running, net, run_home, running
from tests.nodes import (
    NodeHome,
    OpenMemoryStore,
    RecordedLinks,
    make_home,
    seeded,
    service_of,
)
from tests.owners import open_device, revoked, rotated, with_records
from tests.people import START_MS, Person

HOUR_S: Final = 3_600.0


def device_of(node: Running) -> bytes:
    """Return the device key of a node."""
    return node.made.home.keys.device_keys().device


def revocation_of(node: Running) -> SignedRecord:
    """Return a revocation of the device of a node after its first post, signed by its words."""
    device, identity = device_of(node), node.service.identity
    head = node.made.store.head(LogKey(device, CHANNEL_POSTS))
    end = LogEnd(CHANNEL_POSTS, head.seq, head.id)
    root = root_key(node.made.home.keys.root_seed(), 0)
    return sign_revocation(root, Revocation(identity, 0, device, (end,)))


def close(desk: Running, phone: Running) -> None:
    """Let one device of a person end another one, after what it holds of it."""
    device = device_of(phone)
    head = desk.made.store.head(LogKey(device, CHANNEL_POSTS))
    ends = (LogEnd(CHANNEL_POSTS, head.seq, head.id),) if head.seq >= 0 else ()
    root = root_key(desk.made.home.keys.root_seed(), 0)
    record = sign_revocation(root, Revocation(desk.service.identity, 0, device, ends))
    view = RecordView(kind="revoke", body=record.body.hex(), signature=record.signature.hex())
    desk.service.call(ENACT, EnactRequest(records=(view,)))


def second_device(path: Path, ada: NodeHome) -> NodeHome:
    """A further machine on which ada's words were typed."""
    random_bytes = seeded(9)
    made = NodeHome(Home(path), OpenMemoryStore(random_bytes(8)), random_bytes)
    restore(
        made.home,
        " ".join(words_from_seed(ada.home.keys.root_seed(), "english")),
        label="new",
        dry_run=False,
        clock=made.clock,
        random_bytes=random_bytes,
        open_store=made.open_store,
    )
    return made


async def test_an_ended_device_is_shown_the_door(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Its link ends when the record arrives, it is not let in again, and it can write nothing."""
    async with running(tmp_path, net(), "ada", "bob") as (ada, bob):
        ada.service.call(FOLLOW, FollowRequest(who=(bob.invite(),)))
        bob.service.call(POST, PostRequest(text="still mine"))
        await wait_all_tasks_blocked()
        assert ada.texts() == ["still mine"]
        assert ada.service.call(STATUS, StatusRequest()).links

        body, signature = revocation_of(bob)
        view = RecordView(kind="revoke", body=body.hex(), signature=signature.hex())
        bob.service.call(ENACT, EnactRequest(records=(view,)))
        with pytest.raises(ServiceError, match="this device has ended") as caught:
            bob.service.call(POST, PostRequest(text="no more"))
        assert caught.value.code is Code.INTEGRITY
        await wait_all_tasks_blocked()
        assert is_ended(ada.made.store, bob.service.identity, device_of(bob))
        await trio.sleep(HOUR_S)
        assert ada.service.call(STATUS, StatusRequest()).links == ()
        assert ada.texts() == ["still mine"]


async def test_a_closed_device_hears_of_it_from_one_that_will_not_let_it_in(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Both are one person's: the record stands in the greeting of the device that is called."""
    ada = make_home(tmp_path / "ada", 1, "ada")
    new = second_device(tmp_path / "new", ada)
    carrier = net()
    async with trio.open_nursery() as nursery:
        old = await run_home(ada, carrier, nursery)
        phone = await run_home(new, carrier, nursery)
        phone.service.call(ADD_PEER, AddPeerRequest(who=old.invite()))
        phone.service.call(POST, PostRequest(text="from the phone"))
        await wait_all_tasks_blocked()
        assert old.texts() == ["from the phone"]
        await phone.stop()

        close(old, phone)
        phone = await run_home(new, carrier, nursery)
        await wait_all_tasks_blocked()
        assert is_ended(new.store, old.service.identity, device_of(phone))
        with pytest.raises(ServiceError, match="this device has ended"):
            phone.service.call(POST, PostRequest(text="no more"))
        phone.stopping.set()
        old.stopping.set()


@pytest.mark.parametrize("caller", ["desk", "phone"])
async def test_a_live_link_ends_with_the_operation_that_closes_its_device(
    tmp_path: Path, autojump_clock: MockClock, caller: str
) -> None:
    """Nothing has to be exchanged for that; the farewell tells the closed device why."""
    desk_home = make_home(tmp_path / "desk", 1, "ada")
    carrier = net()
    async with trio.open_nursery() as nursery:
        desk = await run_home(desk_home, carrier, nursery)
        phone = await run_home(second_device(tmp_path / "phone", desk_home), carrier, nursery)
        calling, called = (desk, phone) if caller == "desk" else (phone, desk)
        calling.service.call(ADD_PEER, AddPeerRequest(who=called.invite()))
        await wait_all_tasks_blocked()
        assert desk.service.call(STATUS, StatusRequest()).links
        begun_s = trio.current_time()
        close(desk, phone)
        await wait_all_tasks_blocked()
        assert trio.current_time() == begun_s
        assert desk.service.call(STATUS, StatusRequest()).links == ()
        assert len(phone.told("this device has ended")) == 1
        with pytest.raises(ServiceError, match="this device has ended"):
            phone.service.call(POST, PostRequest(text="no more"))
        assert not desk.told("peer broke the protocol") + phone.told("peer broke the protocol")
        desk.stopping.set()
        phone.stopping.set()


async def test_a_live_link_ends_when_a_caller_brings_the_record(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It stands in the greeting; the session after that brings nothing new of it."""
    desk_home = make_home(tmp_path / "desk", 2, "ada")
    carrier = net()
    async with (
        running(tmp_path, carrier, "bob") as (bob,),
        trio.open_nursery() as nursery,
    ):
        desk = await run_home(desk_home, carrier, nursery)
        phone = await run_home(second_device(tmp_path / "phone", desk_home), carrier, nursery)
        bob.service.call(FOLLOW, FollowRequest(who=(phone.invite(),)))
        await wait_all_tasks_blocked()
        close(desk, phone)
        assert len(bob.service.call(STATUS, StatusRequest()).links) == 1
        begun_s = trio.current_time()
        desk.service.call(ADD_PEER, AddPeerRequest(who=bob.invite()))
        await wait_all_tasks_blocked()
        assert trio.current_time() == begun_s
        (link,) = bob.service.call(STATUS, StatusRequest()).links
        assert link.device == device_of(desk).hex()
        assert phone.told("this device has ended")
        desk.stopping.set()
        phone.stopping.set()


async def test_a_closed_device_hears_of_it_from_one_that_calls(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """An old home that calls nobody: the new one greets it, and carries no session with it."""
    old_home = make_home(tmp_path / "old", 1, "ada")
    new_home = second_device(tmp_path / "new", old_home)
    carrier = net()
    async with trio.open_nursery() as nursery:
        old = await run_home(old_home, carrier, nursery)
        new = await run_home(new_home, carrier, nursery)
        new.service.call(ADD_PEER, AddPeerRequest(who=old.invite()))
        await wait_all_tasks_blocked()
        await old.stop()
        close(new, old)
        old = await run_home(old_home, carrier, nursery)
        await trio.sleep(HOUR_S)
        assert len(old.told("this device has ended")) == 1
        assert new.service.call(STATUS, StatusRequest()).links == ()
        with pytest.raises(ServiceError, match="this device has ended"):
            old.service.call(POST, PostRequest(text="no more"))
        new.stopping.set()
        old.stopping.set()


def test_a_greeting_is_judged_with_what_is_held_here() -> None:
    """The record may be in the greeting, here, or in neither.

    What a rotation forgot may greet: who has only words hears of it no other way.
    """
    laptop, phone = Person(1), Person(1, device_number=1)
    end = revoked(phone)
    store = MemoryStore(bytes(8))
    assert may_greet(store, phone.verified_ident(), phone.device)
    assert not may_greet(store, with_records(phone, end), phone.device)
    assert may_greet(store, with_records(laptop, end), laptop.device)
    store.ingest([with_records(laptop, end)], received_ms=START_MS, via="")
    assert not may_greet(store, phone.verified_ident(), phone.device)
    reopened = with_records(phone, rotated(laptop, open_device(laptop), open_device(phone)))
    assert may_greet(store, reopened, phone.device)
    forgetting = with_records(phone, rotated(laptop, open_device(laptop)))
    assert may_greet(store, forgetting, phone.device)
    store.ingest([forgetting], received_ms=START_MS, via="")
    assert not is_ended(store, phone.identity, phone.device)


def test_nothing_is_sealed_to_an_ended_device() -> None:
    """Whoever has it must not read what was written after its end."""
    laptop, phone = Person(1), Person(1, device_number=1)
    store = MemoryStore(bytes(8))
    store.ingest([laptop.verified_ident(), phone.verified_ident()], received_ms=START_MS, via="")
    both = address(store, [laptop.identity], START_MS)
    assert {one.device for one in both.without_key} == {laptop.device, phone.device}
    store.ingest([with_records(laptop, revoked(phone))], received_ms=START_MS, via="")
    one = address(store, [laptop.identity], START_MS)
    assert [each.device for each in one.without_key] == [laptop.device]


def test_a_void_entry_is_shown_with_what_voids_it(tmp_path: Path) -> None:
    """Whoever asks for it by its id is told that it does not count, and by which record."""
    reader = make_home(tmp_path / "reader", 3, "reader")
    service = service_of(reader, RecordedLinks())
    laptop, phone = Person(1), Person(1, device_number=1)
    entry = phone.post("not mine any more")
    end = revoked(phone)
    devices = [laptop.verified_ident(), phone.verified_ident()]
    reader.store.ingest([*devices, phone.run()], received_ms=START_MS, via="ab" * 32)
    shown = service.call(SHOW, ShowRequest(id=entry.id.hex())).entry
    assert (shown.void, shown.voided_by) == ("", None)
    reader.store.ingest([with_records(laptop, end)], received_ms=START_MS, via="ab" * 32)
    shown = service.call(SHOW, ShowRequest(id=entry.id.hex())).entry
    assert (shown.void, shown.voided_by) == ("ended", end[1].hash.hex())
