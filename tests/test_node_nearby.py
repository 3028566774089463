"""Finding known people on a local network, and nobody being found by strangers."""

from __future__ import annotations

from pathlib import Path

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from slowlight.node.addresses import open_port
from slowlight.node.carriers.lan import Sighting
from slowlight.node.carriers.memory_lan import MemoryLan
from slowlight.node.config import Config, NodeConfig
from slowlight.node.nearby import (
    MAX_SEEN,
    NEW_NONCE_S,
    RETRY_S,
    Neighbourhood,
    ring_along,
)
from slowlight.node.peer_operations import STATUS, StatusRequest
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.sessions import Bell
from slowlight.protocol.nearby import PAIRING_KEY, nearby_tag
from slowlight.store.base import Peer
from tests.memory_net import Running, net, run_home, running
from tests.nodes import make_home


def know(node: Running, other: Running) -> None:
    """Let a node know the device of another, without any address."""
    keys = other.made.home.keys.device_keys()
    node.made.store.put_peer(Peer(other.service.identity, keys.device, keys.box.public, (), "", 0))
    node.service.call(FOLLOW, FollowRequest(who=(other.service.identity.hex(),)))


def links(node: Running) -> list[str]:
    """Return where the live links of a node lead."""
    return [link.address for link in node.service.call(STATUS, StatusRequest()).links]


async def test_friends_without_an_address_meet_on_their_network(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Nobody typed an address; a stranger who hears the same sees only noise."""
    lan = MemoryLan()
    async with running(tmp_path, net(), "ada", "bob", lan=lan) as (ada, bob):
        know(ada, bob)
        know(bob, ada)
        await trio.sleep(10)  # both dialled; one of the two links stays
        assert len(links(ada)) == len(links(bob)) == 1
        box = ada.made.home.keys.device_keys().box.public
        assert {one.tag for one in lan.calling.values()} >= {
            nearby_tag(box, one.nonce) for one in lan.calling.values() if "ada:1" in one.addresses
        }
    assert lan.calling == {}


async def test_an_announcement_is_never_the_same_twice(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Nonce and tag change every ten minutes, and the link stays."""
    lan = MemoryLan()
    async with running(tmp_path, net(), "ada", "bob", lan=lan) as (ada, bob):
        know(ada, bob)
        know(bob, ada)
        await trio.sleep(10)
        links_before = len(ada.told("link up"))
        seen: set[bytes] = set()
        for _ in range(5):
            for one in lan.calling.values():
                assert not {one.nonce, one.tag} & seen
            seen |= {part for one in lan.calling.values() for part in (one.nonce, one.tag)}
            assert len(lan.calling) == 2
            await trio.sleep(NEW_NONCE_S)
            await wait_all_tasks_blocked()
        assert len(ada.told("link up")) == links_before


async def test_a_network_that_comes_later_is_found(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A machine without a network runs all the same, says so once, and looks again."""
    lan = MemoryLan()
    lan.is_down = True
    async with running(tmp_path, net(), "ada", lan=lan) as (ada,):
        await trio.sleep(10 * RETRY_S)
        assert len(ada.told("not found on the local network")) == 1
        lan.is_down = False
        await trio.sleep(RETRY_S)
        await wait_all_tasks_blocked()
        assert len(lan.calling) == 1


async def test_who_does_not_want_it_calls_nothing_out(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """By the setting, or because the node listens on its own machine only."""
    lan = MemoryLan()
    async with trio.open_nursery() as nursery:
        for seed, config in enumerate(
            (
                NodeConfig(listen=("quiet:1",), lan=False),
                NodeConfig(listen=("127.0.0.1:1", "[::1]:1")),
            )
        ):
            home = make_home(tmp_path / str(seed), seed)
            node = await run_home(home, net(), nursery, Config(node=config), lan=lan)
            await wait_all_tasks_blocked()
            assert lan.calling == {}
            await node.stop()


def test_the_port_of_the_first_open_door_is_called_out() -> None:
    """Loopback is of no use to others."""
    assert open_port(("127.0.0.1:7", "0.0.0.0:8", "192.0.2.1:9")) == 8
    assert open_port(("localhost:7", "[::1]:7")) == 0
    assert open_port(()) == 0


def test_a_flood_of_announcements_is_bounded(tmp_path: Path) -> None:
    """The oldest leave; the real one is heard again with its next nonce."""
    made = make_home(tmp_path, 1)
    keys = made.home.keys.device_keys()
    identity = made.store.identity_of(keys.device)
    assert identity is not None
    around = Neighbourhood(made.store, identity, keys.device)
    for number in range(10 * MAX_SEEN):
        nonce = number.to_bytes(16, "big")
        around.on_seen(Sighting(nonce, nearby_tag(PAIRING_KEY, nonce), ("h:1",)))
    assert len(around.pairing) == MAX_SEEN
    assert around.dialled() == []
    around.forget_all()
    assert list(around.pairing) == []


def test_own_announcements_mean_nobody(tmp_path: Path) -> None:
    """A node hears itself, and neither dials itself nor pairs with itself."""
    made = make_home(tmp_path, 1)
    keys = made.home.keys.device_keys()
    identity = made.store.identity_of(keys.device)
    assert identity is not None
    around = Neighbourhood(made.store, identity, keys.device)
    made.store.put_peer(Peer(identity, b"o" * 32, keys.box.public, (), "", 0))
    for nonce, key in ((b"n" * 16, keys.box.public), (b"m" * 16, PAIRING_KEY)):
        around.is_mine(nonce)
        around.on_seen(Sighting(nonce, nearby_tag(key, nonce), ("h:1",)))
    assert around.dialled() == []
    assert list(around.pairing) == []
    around.was_mine(b"n" * 16)
    around.on_seen(Sighting(b"n" * 16, nearby_tag(keys.box.public, b"n" * 16), ("h:1",)))
    assert [peer.addresses for peer in around.dialled()] == [("h:1",)]


async def test_a_flood_is_looked_at_once_a_second(autojump_clock: MockClock) -> None:
    """However many announcements come, those who dial are woken once for all of a second."""
    heard, woken = Bell(), 0

    def wake() -> None:
        nonlocal woken
        woken += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ring_along, heard, wake)
        for _ in range(1_000):
            await trio.sleep(0.01)
            heard.ring()
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    assert 5 <= woken <= 11
