"""After a start nothing is signed until peers had the time to say what this device has written."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from slowlight.node.author import NEW_DEVICE
from slowlight.node.carriers.memory import MemoryNetwork
from slowlight.node.config import Config
from slowlight.node.direct import open_direct
from slowlight.node.errors import Code, ServiceError
from slowlight.node.first_look import LONGEST_LOOK_S, SIGNING, signs
from slowlight.node.key_operations import EnactRequest
from slowlight.node.operation import ErrorResult, Operation, Request, Result
from slowlight.node.operations import OPERATIONS
from slowlight.node.peer_operations import STATUS, StatusRequest
from slowlight.node.people_operations import FOLLOW, PERIODS, FollowRequest, PeriodsRequest
from slowlight.node.post_operations import POST, READ, PostRequest, ReadRequest
from slowlight.node.shell import encode_request, error_of
from slowlight.protocol.entry import CHANNEL_POSTS
from slowlight.store.base import LogKey
from tests.memory_net import MemoryCarrier, Running, net, run_home, running
from tests.nodes import NodeHome
from tests.snapshots import copied, put_back

Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Result)

DELAY_S: Final = 0.25
"""From one node to another."""


async def ask(node: Running, operation: Operation[Q, R], request: Q) -> R:
    """Ask a running node over its socket, as a command does.

    Raises:
        ServiceError: it refused.
    """
    body = encode_request(request)
    head = f"POST /v1/{operation.name} HTTP/1.0\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    async with await trio.open_unix_socket(str(node.made.home.socket)) as stream:
        await stream.send_all(head.encode() + body)
        answer = b"".join([part async for part in stream])
    status, _, rest = answer.partition(b"\r\n")
    said = rest.partition(b"\r\n\r\n")[2]
    if status.split()[1] != b"200":
        raise error_of(msgspec.json.decode(said, type=ErrorResult).error)
    return msgspec.json.decode(said, type=operation.result)


async def post(node: Running, text: str) -> float:
    """Post over the socket; return how long that took, in seconds."""
    begun_s = trio.current_time()
    await ask(node, POST, PostRequest(text=text))
    return trio.current_time() - begun_s


def own_log(node: Running) -> LogKey:
    """Return the log of a node's posts."""
    return LogKey(node.made.home.keys.device_keys().device, CHANNEL_POSTS)


def meet(ada: Running, bob: Running) -> None:
    """Let two follow each other; each knows where the other one listens."""
    ada.service.call(FOLLOW, FollowRequest(who=(bob.invite(),)))
    bob.service.call(FOLLOW, FollowRequest(who=(ada.invite(),)))


async def put_back_after_two_posts(ada: Running, bob: Running) -> NodeHome:
    """Let Ada write twice while Bob listens; return her machine as it was after the first post."""
    meet(ada, bob)
    ada.service.call(POST, PostRequest(text="one"))
    await trio.sleep(10)
    older = copied(ada.made.store)
    ada.service.call(POST, PostRequest(text="two"))
    await trio.sleep(10)
    assert bob.texts() == ["two", "one"]
    await ada.stop()
    return put_back(ada.made, older)


async def test_a_snapshot_of_a_machine_hears_from_a_peer_that_it_went_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Nothing in it speaks against it; the post waits for Bob, is refused, and nothing forks."""
    carrier = net(delay_s=DELAY_S)
    async with (
        running(tmp_path, carrier, "ada", "bob") as (ada, bob),
        trio.open_nursery() as nursery,
    ):
        clone = await run_home(await put_back_after_two_posts(ada, bob), carrier, nursery)
        begun_s = trio.current_time()
        assert isinstance(await ask(clone, STATUS, StatusRequest()), Result)
        assert isinstance(await ask(clone, READ, ReadRequest()), Result)
        assert isinstance(await ask(clone, PERIODS, PeriodsRequest()), Result)
        assert trio.current_time() == begun_s  # reading waits for nobody
        with pytest.raises(ServiceError) as caught:
            await post(clone, "two, in another world")
        assert caught.value.code is Code.INTEGRITY
        assert caught.value.hint.endswith(NEW_DEVICE)
        assert DELAY_S < trio.current_time() - begun_s < LONGEST_LOOK_S
        await trio.sleep(60)
        assert clone.texts() == bob.texts() == ["two", "one"]
        for node in (clone, bob):
            assert node.made.store.fork(own_log(clone)) is None
        clone.stopping.set()


async def test_where_the_peer_comes_too_late_the_fork_is_proven(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Nobody answers, so the snapshot writes at once; Bob, who is back later, convicts it."""
    carrier = net(delay_s=DELAY_S)
    async with (
        running(tmp_path, carrier, "ada", "bob") as (ada, bob),
        trio.open_nursery() as nursery,
    ):
        older = await put_back_after_two_posts(ada, bob)
        await bob.stop()
        clone = await run_home(older, carrier, nursery)
        assert await post(clone, "two, in another world") == 0
        assert clone.told("first look over")[0].endswith("result=alone\n")
        again = await run_home(bob.made, carrier, nursery)
        await trio.sleep(60)
        for node in (clone, again):
            assert node.made.store.fork(own_log(clone)) is not None
        with pytest.raises(ServiceError) as caught:
            await post(clone, "three")
        assert caught.value.hint.endswith(NEW_DEVICE)
        clone.stopping.set()
        again.stopping.set()


async def test_an_honest_restart_waits_for_one_answer(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Bob knows nothing new of her: a few round trips, then she writes; once only."""
    carrier = net(delay_s=DELAY_S)
    async with (
        running(tmp_path, carrier, "ada", "bob") as (ada, bob),
        trio.open_nursery() as nursery,
    ):
        meet(ada, bob)
        await trio.sleep(10)
        await ada.stop()
        again = await run_home(ada.made, carrier, nursery)
        assert 2 * DELAY_S < await post(again, "back") < LONGEST_LOOK_S
        assert again.told("first look over")[0].endswith("result=answered\n")
        assert await post(again, "and again") == 0
        again.stopping.set()


async def test_who_waits_for_a_silent_peer_waits_seconds_only(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A door that nobody answers holds up the first post up to the bound, counted from the
    start; who has given up waiting has not posted."""
    carrier = net()
    async with (
        running(tmp_path, carrier, "ada", "bob") as (ada, bob),
        trio.open_nursery() as nursery,
    ):
        meet(ada, bob)
        await wait_all_tasks_blocked()
        await ada.stop()
        await bob.stop()
        _silent = carrier.network.listen("bob:1")
        again = await run_home(ada.made, carrier, nursery)
        with trio.move_on_after(1):
            await post(again, "never mind")
        assert await post(again, "anybody?") == LONGEST_LOOK_S - 1
        assert again.texts() == ["anybody?"]
        assert await post(again, "nobody") == 0
        again.stopping.set()


async def test_who_knows_nobody_writes_at_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    """There is nobody to be asked, and who only calls in is not waited for."""
    carrier = MemoryCarrier(MemoryNetwork(random.Random(1), delay_s=DELAY_S))
    async with (
        running(tmp_path, carrier, "ada", "bob") as (ada, bob),
        trio.open_nursery() as nursery,
    ):
        assert await post(ada, "alone") == 0
        bob.service.call(FOLLOW, FollowRequest(who=(ada.invite(),)))
        await trio.sleep(10)
        await ada.stop()
        again = await run_home(ada.made, carrier, nursery)
        assert await post(again, "still nobody to dial") == 0
        again.stopping.set()


async def test_without_a_running_node_nobody_is_asked(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A command of a home that has a peer writes at once, whether it listens or not."""
    carrier = net(delay_s=DELAY_S)
    async with running(tmp_path, carrier, "ada", "bob") as (ada, bob):
        meet(ada, bob)
        await trio.sleep(10)
        await ada.stop()
        dialled = len(carrier.dialled_at_s)
        made = ada.made
        with (
            made.home.lock("slowlight post"),
            open_direct(made.home, Config(), open_store=made.open_store) as direct,
        ):
            assert direct.call(POST, PostRequest(text="at once")).post.text == "at once"
        assert len(carrier.dialled_at_s) == dialled


def test_every_operation_that_signs_is_known() -> None:
    """Those that only read wait for nobody; period keys wait if they are published."""
    signing = {"post", "edit", "delete", "follow", "unfollow", "set_profile", "block", "unblock"}
    signing |= {"enact"}
    reading = {"status", "read", "thread", "show", "search", "trace", "follows", "forks", "blocks"}
    reading |= {"profile", "name", "peers", "add_peer", "remove_peer", "invite", "sync", "devices"}
    reading |= {"db_stats", "db_scrub", "db_backup", "pair", "pair_answer", "answer", "periods"}
    reading |= {"plan_revocation", "plan_rotation", "plan_accept"}
    assert {one.name for one in OPERATIONS.values() if one.request in SIGNING} == signing
    assert signing | reading == set(OPERATIONS), "say of a new one whether it signs"
    assert signs(EnactRequest(records=()))
    assert signs(PeriodsRequest(publish=True))
    assert not signs(PeriodsRequest())
    assert not signs(ReadRequest())
