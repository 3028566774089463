"""A disk that damages the own certificate does not lock a node out."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from slowlight.node.author import NEW_DEVICE
from slowlight.node.beginning import begin, open_sqlite_store
from slowlight.node.errors import ServiceError
from slowlight.node.home import Home
from slowlight.node.own_proof import keep_own_proof, own_proof
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.post_operations import POST, PostRequest
from slowlight.protocol.entry import CHANNEL_IDENTITY
from slowlight.protocol.ident import verify_ident
from slowlight.store.base import OWN, LogKey, NodeStore
from slowlight.store.memory import MemoryStore
from slowlight.store.sqlite import SqliteStore
from tests.bit_rot import flipped
from tests.memory_net import net, run_home, running
from tests.nodes import NodeHome, OpenMemoryStore, seeded
from tests.people import START_MS, Person


class DiskHome(NodeHome):
    """A home whose database is a file."""

    def open_store(self, home: Home) -> NodeStore:
        """Open the file."""
        return open_sqlite_store(home)

    def opened(self) -> SqliteStore:
        """Open the file while no node runs."""
        return SqliteStore(self.home.database)

    def rot(self) -> None:
        """Damage the certificate."""
        device = self.home.keys.device_keys().device
        with closing(self.opened()) as store, store.database.writing():
            n, payload = store.database.row(
                "SELECT e.n, e.payload FROM arrival AS a JOIN entry AS e ON e.n = a.n"
                " JOIN log AS l ON l.n = a.log JOIN device AS d ON d.n = l.device"
                " WHERE d.key = ? AND l.channel = ? AND a.first = 0",
                (device, CHANNEL_IDENTITY),
            )
            changed = flipped(payload, 99)
            store.database.write("UPDATE entry SET payload = ? WHERE n = ?", (changed, n))


def on_disk(path: Path, seed: int, name: str) -> DiskHome:
    """Begin a home on the disk."""
    random_bytes = seeded(seed)
    made = DiskHome(Home(path), OpenMemoryStore(random_bytes(8)), random_bytes)
    begin(made.home, name=name, clock=made.clock, random_bytes=random_bytes)
    return made


@pytest.mark.parametrize("noticed", [False, True])
async def test_a_damaged_certificate_is_put_back_from_its_second_copy(
    tmp_path: Path, autojump_clock: MockClock, *, noticed: bool
) -> None:
    """Whether a scrub has taken it out or nobody has looked yet: the next greeting is whole."""
    carrier = net()
    ada_home = on_disk(tmp_path / "ada", 7, "ada")
    async with running(tmp_path, carrier, "bob") as (bob,), trio.open_nursery() as nursery:
        ada = await run_home(ada_home, carrier, nursery)
        ada.service.call(FOLLOW, FollowRequest(who=(bob.invite(),)))
        bob.service.call(FOLLOW, FollowRequest(who=(ada.service.identity.hex(),)))
        await trio.sleep(10)
        await ada.stop()
        ada_home.rot()
        device = ada_home.home.keys.device_keys().device
        if noticed:
            with closing(ada_home.opened()) as store:
                assert store.scrub(after=0, limit=1_000, now_ms=START_MS).damaged == 1

        ada = await run_home(ada_home, carrier, nursery)
        ada.service.call(POST, PostRequest(text="still here"))
        await trio.sleep(60)
        assert bob.texts() == ["still here"]
        await ada.stop()
        with closing(ada_home.opened()) as store:
            assert store.file_state().lost_entries == 0
            assert [each.first for each in store.held(LogKey(device, CHANNEL_IDENTITY))] == [0]
            assert not store.written_elsewhere(device)


async def test_without_a_second_copy_it_says_what_to_type(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """As in a home that is older than that."""
    carrier = net()
    ada_home = on_disk(tmp_path / "ada", 7, "ada")
    async with running(tmp_path, carrier, "bob") as (bob,), trio.open_nursery() as nursery:
        ada = await run_home(ada_home, carrier, nursery)
        ada.service.call(FOLLOW, FollowRequest(who=(bob.invite(),)))
        bob.service.call(FOLLOW, FollowRequest(who=(ada.invite(),)))
        await trio.sleep(10)
        await ada.stop()
        ada_home.rot()
        with closing(ada_home.opened()) as store:
            store.put_setting("own.proof", "")
        ada = await run_home(ada_home, carrier, nursery)
        await trio.sleep(60)
        for event in ("not reached", "caller refused"):
            assert NEW_DEVICE in ada.told(event)[0]
        ada.stopping.set()


@pytest.mark.parametrize("kept", ["", "no hexadecimal", "00", "b0"])
def test_a_second_copy_that_is_damaged_too_is_none(kept: str) -> None:
    """Nothing of it is believed."""
    ada, store = Person(1), MemoryStore(bytes(8))
    store.put_setting("own.proof", kept)
    with pytest.raises(ServiceError, match="the disk damaged"):
        own_proof(store, ada.device, now_ms=START_MS)


def test_the_second_copy_is_taken_once() -> None:
    """And proves the device by itself, to anybody."""
    ada, store = Person(1), MemoryStore(bytes(8))
    keep_own_proof(store, ada.device)
    assert store.setting("own.proof") == ""
    store.ingest([ada.verified_ident()], received_ms=START_MS, via=OWN)
    keep_own_proof(store, ada.device)
    kept = store.setting("own.proof")
    other = MemoryStore(bytes(8))
    other.put_setting("own.proof", kept)
    with pytest.raises(ServiceError):
        own_proof(other, bytes(32), now_ms=START_MS)
    assert own_proof(other, ada.device, now_ms=START_MS) == ada.ident()
    assert verify_ident(ada.ident()).devices
    keep_own_proof(store, ada.device)
    assert store.setting("own.proof") == kept
