"""A restored device meets a rotation that nobody had told it of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from slowlight.node.errors import Code, ServiceError
from slowlight.node.home import Home
from slowlight.node.home_results import KeyRestoreResult
from slowlight.node.key_operations import (
    DEVICES,
    ENACT,
    PLAN_ROTATION,
    DevicesRequest,
    DevicesResult,
    EnactRequest,
    PlanRotationRequest,
)
from slowlight.node.links import ExchangeEnd, OnNews
from slowlight.node.peer_operations import (
    ADD_PEER,
    INVITE,
    AddPeerRequest,
    InviteRequest,
    SyncCounts,
    SyncRequest,
)
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.post_operations import POST, PostRequest
from slowlight.node.restoring import restore
from slowlight.node.root_signing import sign_plan
from slowlight.node.service import Service
from slowlight.protocol.ident import verify_ident
from slowlight.protocol.words import words_from_seed
from slowlight.store.base import NodeStore, Peer
from tests.memory_net import net, run_home, running
from tests.nodes import NodeHome, OpenMemoryStore, RecordedLinks, make_home, seeded, service_of
from tests.people import START_MS


def restored(
    path: Path, ada: NodeHome, *, epoch: int = 0, dry_run: bool = False
) -> tuple[NodeHome, KeyRestoreResult]:
    """A machine on which ada's words were typed."""
    random_bytes = seeded(9)
    made = NodeHome(Home(path), OpenMemoryStore(random_bytes(8)), random_bytes)
    result = restore(
        made.home,
        " ".join(words_from_seed(ada.home.keys.root_seed(), "english")),
        label="new",
        epoch=epoch,
        dry_run=dry_run,
        clock=made.clock,
        random_bytes=random_bytes,
        open_store=made.open_store,
    )
    return made, result


def rotate(ada: NodeHome) -> Service:
    """Rotate on ada's machine, which knows of no other."""
    service = service_of(ada, RecordedLinks())
    plan = service.call(PLAN_ROTATION, PlanRotationRequest())
    service.call(ENACT, EnactRequest(records=(sign_plan(plan, ada.home.keys.root_seed()),)))
    return service


def tell(to: NodeStore, of: NodeHome) -> None:
    """Let a store hear all that proves the devices of another's identity."""
    service = service_of(of, RecordedLinks())
    ident = of.store.ident(service.identity)
    assert ident is not None
    to.ingest([verify_ident(ident)], received_ms=START_MS, via="ab" * 32)


def devices(service: Service) -> DevicesResult:
    """What a node says of its devices."""
    return service.call(DEVICES, DevicesRequest())


def test_a_restored_device_readmits_itself_when_it_hears_of_a_rotation(tmp_path: Path) -> None:
    """With the root key of the new epoch, which its words give; once, and what it wrote stands."""
    ada = make_home(tmp_path / "ada", 1, "ada")
    rotate(ada)
    rotate(ada)
    machine, result = restored(tmp_path / "new", ada, epoch=2)
    assert (result.created, result.epoch) == (True, 2)
    new = service_of(machine, RecordedLinks())
    assert (devices(new).epoch, devices(new).expected_epoch, devices(new).readmits) == (0, 2, True)
    new.call(POST, PostRequest(text="before the rotation came"))
    assert not new.readmit()
    tell(machine.store, ada)
    own = next(one for one in devices(new).devices if one.this)
    assert (own.state, devices(new).expected_epoch) == ("forgotten", 0)
    with pytest.raises(ServiceError, match="does not name this device") as caught:
        new.call(POST, PostRequest(text="too early"))
    assert "key accept" in caught.value.hint
    assert new.readmit()
    own = next(one for one in devices(new).devices if one.this)
    assert (own.state, own.admission) == ("open", "accepted")
    assert not new.readmit()
    assert not devices(new).readmits
    new.call(POST, PostRequest(text="after it"))


class TellingLinks(RecordedLinks):
    """Links to a friend who brings what it knows, and at the next exchange takes the rest."""

    def __init__(self, to: NodeStore, of: NodeHome) -> None:
        super().__init__()
        self._to, self._of = to, of

    async def exchange(
        self, peers: Sequence[Peer], timeout_s: float, on_news: OnNews
    ) -> list[ExchangeEnd]:
        """Bring the rotation."""
        await trio.lowlevel.checkpoint()
        first = standing_epoch(self._to, self._of) == 0
        tell(self._to, self._of)
        counts = SyncCounts(entries_in=3) if first else SyncCounts(entries_out=1)
        return [ExchangeEnd(peer, "host:1", "in_sync", "", counts, 5) for peer in peers]


def standing_epoch(store: NodeStore, of: NodeHome) -> int:
    """Return the epoch that a store knows of somebody."""
    standing = store.standing(service_of(of, RecordedLinks()).identity)
    assert standing is not None
    return standing.epoch


async def test_the_receipt_of_a_sync_counts_what_came_before_the_readmission(
    tmp_path: Path,
) -> None:
    """To readmit itself the node exchanges twice; the person sees one receipt of all of it."""
    ada = make_home(tmp_path / "ada", 1, "ada")
    rotate(ada)
    machine, _ = restored(tmp_path / "new", ada)
    new = service_of(machine, TellingLinks(machine.store, ada))
    bob = service_of(make_home(tmp_path / "bob", 2, "bob"), RecordedLinks())
    new.call(ADD_PEER, AddPeerRequest(who=bob.call(INVITE, InviteRequest()).uri))
    receipt = await new.sync(SyncRequest(), lambda _event: None)
    assert (receipt.total.entries_in, receipt.total.entries_out) == (3, 1)
    assert (receipt.in_sync, receipt.took_ms) == (1, 10)


def test_a_device_that_was_left_out_on_purpose_stays_out(tmp_path: Path) -> None:
    """It was not restored: nothing readmits it but a person, though its seed is here."""
    ada = make_home(tmp_path / "ada", 1, "ada")
    machine, _ = restored(tmp_path / "new", ada)
    old = service_of(ada, RecordedLinks())
    tell(ada.store, machine)
    service = service_of(machine, RecordedLinks())
    plan = service.call(PLAN_ROTATION, PlanRotationRequest())
    service.call(ENACT, EnactRequest(records=(sign_plan(plan, ada.home.keys.root_seed()),)))
    tell(ada.store, machine)
    assert next(one for one in devices(old).devices if one.this).state == "forgotten"
    assert not old.readmit()


def test_without_the_seed_a_person_has_to_type_the_words(tmp_path: Path) -> None:
    """The node says so and waits."""
    ada = make_home(tmp_path / "ada", 1, "ada")
    rotate(ada)
    machine, _ = restored(tmp_path / "new", ada)
    machine.home.keys.forget_root_seed(seeded(3))
    tell(machine.store, ada)
    new = service_of(machine, RecordedLinks())
    assert not new.readmit()
    assert devices(new).readmits


def test_a_dry_run_names_the_epoch_and_writes_nothing(tmp_path: Path) -> None:
    """Also where the number is none."""
    ada = make_home(tmp_path / "ada", 1, "ada")
    machine, result = restored(tmp_path / "new", ada, epoch=3, dry_run=True)
    assert (result.dry_run, result.epoch) == (True, 3)
    assert not machine.home.path.exists()
    for epoch in (-1, 65_536):
        with pytest.raises(ServiceError, match=f"there is no epoch {epoch}") as caught:
            restored(tmp_path / "new", ada, epoch=epoch)
        assert caught.value.code is Code.INVALID


async def test_friends_bring_the_rotation_and_hear_of_the_readmission(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Over links: the machine is lost after a rotation; words, a friend, and all is one again."""
    carrier = net()
    async with (
        running(tmp_path, carrier, "ada", "bob") as (ada, bob),
        trio.open_nursery() as nursery,
    ):
        bob.service.call(FOLLOW, FollowRequest(who=(ada.invite(),)))
        ada.service.call(POST, PostRequest(text="before"))
        plan = ada.service.call(PLAN_ROTATION, PlanRotationRequest())
        seed = ada.made.home.keys.root_seed()
        ada.service.call(ENACT, EnactRequest(records=(sign_plan(plan, seed),)))
        await wait_all_tasks_blocked()
        await ada.stop()

        machine, _ = restored(tmp_path / "new", ada.made, epoch=1)
        new = await run_home(machine, carrier, nursery)
        new.service.call(ADD_PEER, AddPeerRequest(who=bob.invite()))
        await wait_all_tasks_blocked()
        listed = devices(new.service)
        assert (listed.epoch, listed.expected_epoch, listed.readmits) == (1, 0, False)
        assert [one.state for one in listed.devices] == ["open", "open"]
        new.service.call(POST, PostRequest(text="after"))
        await wait_all_tasks_blocked()
        assert set(bob.texts()) == {"before", "after"}
        standing = bob.made.store.standing(ada.service.identity)
        assert standing is not None
        assert all(one.open for one in standing.devices.values())
        new.stopping.set()
