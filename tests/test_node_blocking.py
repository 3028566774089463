"""Blocks: nothing of a blocked person is stored, passed on or let in; and friends of friends."""

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

from slowlight.node.blocking_operations import (
    BLOCK,
    BLOCKS,
    UNBLOCK,
    BlockRequest,
    BlocksRequest,
    UnblockRequest,
)
from slowlight.node.errors import ServiceError
from slowlight.node.interest import MAX_FRIENDS_OF_FRIENDS, roster_of
from slowlight.node.peer_operations import STATUS, StatusRequest
from slowlight.node.people_operations import FOLLOW, PROFILE, FollowRequest, ProfileRequest
from slowlight.node.post_operations import POST, PostRequest
from slowlight.protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS
from slowlight.protocol.ident import verify_ident
from slowlight.store.base import LogKey
from slowlight.store.memory import MemoryStore
from tests.memory_net import Running, net, running
from tests.people import Person
from tests.stores import take


def follow(node: Running, who: str) -> None:
    """Let a node follow someone."""
    node.service.call(FOLLOW, FollowRequest(who=(who,)))


def post(node: Running, text: str) -> None:
    """Let a node write a post."""
    node.service.call(POST, PostRequest(text=text))


def block(node: Running, other: Running, reason: str = "") -> None:
    """Let a node block the owner of another."""
    who = (other.service.identity.hex(),)
    node.service.call(BLOCK, BlockRequest(who=who, reason=reason))


def unblock(node: Running, other: Running) -> None:
    """Let it take that back."""
    node.service.call(UNBLOCK, UnblockRequest(who=(other.service.identity.hex(),)))


async def test_a_blocked_person_is_neither_stored_nor_passed_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Ada relays Carol to Bob until she blocks her; when she takes it back, all of it comes."""
    async with running(tmp_path, net(), "ada", "bob", "carol") as (ada, bob, carol):
        follow(bob, ada.invite())
        follow(ada, carol.invite())
        follow(bob, carol.service.identity.hex())
        post(carol, "one")
        await wait_all_tasks_blocked()
        assert ada.texts() == bob.texts() == ["one"]
        block(ada, carol)
        await wait_all_tasks_blocked()
        post(carol, "two")
        post(ada, "still here")
        await wait_all_tasks_blocked()
        assert ada.texts() == bob.texts() == ["still here", "one"]
        assert [link.peer.identity for link in ada.service.call(STATUS, StatusRequest()).links] == [
            bob.service.identity.hex()
        ]
        unblock(ada, carol)
        follow(carol, ada.invite())
        await wait_all_tasks_blocked()
        assert "two" in ada.texts()
        assert "two" in bob.texts()


async def test_who_is_blocked_is_not_even_offered_what_lay_here_before(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Bob comes late and follows Carol, whose posts lie at Ada's node, which blocks her."""
    async with running(tmp_path, net(), "ada", "bob", "carol") as (ada, bob, carol):
        follow(ada, carol.invite())
        post(carol, "one")
        await wait_all_tasks_blocked()
        block(ada, carol)
        follow(bob, ada.invite())
        follow(bob, carol.service.identity.hex())
        await wait_all_tasks_blocked()
        assert bob.texts() == []
        unblock(ada, carol)
        await wait_all_tasks_blocked()
        assert bob.texts() == ["one"]


async def test_the_door_stays_shut_for_a_blocked_person(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A valid invite does not help."""
    async with running(tmp_path, net(), "ada", "eve") as (ada, eve):
        take(ada.made.store, eve_ident := _ident(eve), received_ms=0)
        assert eve_ident.identity == eve.service.identity
        block(ada, eve)
        post(ada, "for friends")
        follow(eve, ada.invite())
        await wait_all_tasks_blocked()
        assert eve.texts() == []


def _ident(node: Running):  # type: ignore[no-untyped-def]

    ident = node.made.store.ident(node.service.identity)
    assert ident is not None
    return verify_ident(ident)


async def test_blocking_is_said_once_and_listed(tmp_path: Path, autojump_clock: MockClock) -> None:
    """With the reason, which everybody can read; nobody blocks themselves."""
    async with running(tmp_path, net(), "ada", "bob") as (ada, bob):
        take(ada.made.store, _ident(bob), received_ms=0)
        who = (bob.service.identity.hex(),)
        first = ada.service.call(BLOCK, BlockRequest(who=who, reason="noise"))
        again = ada.service.call(BLOCK, BlockRequest(who=who))
        assert [one.outcomes[0].changed for one in (first, again)] == [True, False]
        (found,) = ada.service.call(BLOCKS, BlocksRequest()).blocks
        assert (found.person.identity, found.reason) == (who[0], "noise")
        back = ada.service.call(UNBLOCK, UnblockRequest(who=who))
        twice = ada.service.call(UNBLOCK, UnblockRequest(who=who))
        assert [one.outcomes[0].changed for one in (back, twice)] == [True, False]
        assert ada.service.call(BLOCKS, BlocksRequest()).blocks == ()
        with pytest.raises(ServiceError, match="cannot block itself"):
            ada.service.call(BLOCK, BlockRequest(who=(ada.service.identity.hex(),)))


async def test_a_friend_of_a_friend_is_known_and_can_be_followed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Bob follows Ada, who follows Carol: he gets what Carol says of herself, and no posts."""
    async with running(tmp_path, net(), "ada", "bob", "carol") as (ada, bob, carol):
        follow(bob, ada.invite())
        follow(ada, carol.invite())
        post(carol, "not for everybody's disk")
        await wait_all_tasks_blocked()
        identity = carol.service.identity
        shown = bob.service.call(PROFILE, ProfileRequest(who="carol"))
        assert shown.person.identity == identity.hex()
        for each in bob.made.store.devices(identity):
            assert bob.made.store.held(LogKey(each.device, CHANNEL_POSTS)) == []
        follow(bob, "carol")
        await wait_all_tasks_blocked()
        assert bob.texts() == ["not for everybody's disk"]


def test_nobody_who_is_followed_can_fill_a_roster(tmp_path: Path) -> None:
    """Mallory follows everyone: of them no more are wanted than one person may introduce."""
    store = MemoryStore(nonce=bytes(8))
    bob, ada, mallory = Person(1), Person(2), Person(3)
    bob.follow(ada.identity)
    bob.follow(mallory.identity)
    for number in range(MAX_FRIENDS_OF_FRIENDS):
        mallory.follow(number.to_bytes(32, "big"))
    ada.follow(Person(9).identity)
    for person in (bob, ada, mallory):
        take(store, person.verified_ident(), *person.runs(CHANNEL_IDENTITY), received_ms=1)
    roster = roster_of(store, bob.identity)
    assert len(roster) <= 5 + MAX_FRIENDS_OF_FRIENDS // 2 + 1
    assert roster.wants(Person(9).identity, CHANNEL_IDENTITY)
    assert not roster.wants(Person(9).identity, CHANNEL_POSTS)
    less = roster_of(store, bob.identity, blocked={Person(9).identity, ada.identity})
    assert not less.wants(Person(9).identity, CHANNEL_IDENTITY)
    assert not less.wants(ada.identity, CHANNEL_IDENTITY)
