"""Two people in one room let their nodes meet: words, answers, and those who would spoil it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from slowlight.node.carriers.lan import Sighting
from slowlight.node.carriers.memory import MemoryLine, MemoryStream
from slowlight.node.carriers.memory_lan import MemoryLan
from slowlight.node.carriers.noise_link import LinkKeys
from slowlight.node.errors import Code, ServiceError
from slowlight.node.network import own_greeting
from slowlight.node.pair_operations import (
    PairAnswerRequest,
    PairedResult,
    PairRequest,
    PairResult,
)
from slowlight.node.pairing_exchange import (
    Hello,
    PairingExchange,
    call_partner,
    meet_caller,
)
from slowlight.protocol.errors import IntegrityError, SlowlightError
from slowlight.protocol.handshake import prologue_of
from slowlight.protocol.nearby import PAIRING_KEY, nearby_tag
from slowlight.protocol.pairing import PAIRING_PROTOCOL, PairingHello
from tests.memory_net import MemoryCarrier, Running, net, running

T = TypeVar("T")


async def together(*calls: Callable[[], Awaitable[T]]) -> list[T | ServiceError]:
    """Let several people do something at the same time; return what came of it, in order."""
    ends: dict[int, T | ServiceError] = {}

    async def one(place: int, call: Callable[[], Awaitable[T]]) -> None:
        try:
            ends[place] = await call()
        except ServiceError as error:
            ends[place] = error

    async with trio.open_nursery() as nursery:
        for place, call in enumerate(calls):
            nursery.start_soon(one, place, call)
    return [ends[place] for place in range(len(calls))]


async def found(*nodes: Running, for_ms: int = 120_000) -> list[PairResult | ServiceError]:
    """Let several nodes open their windows."""
    request = PairRequest(for_ms=for_ms)
    return await together(*(partial(node.pairing.pair, request) for node in nodes))


async def answered(*said: tuple[Running, bool]) -> list[PairedResult | ServiceError]:
    """Let several people answer."""
    return await together(
        *(partial(node.pairing.answer, PairAnswerRequest(same=same)) for node, same in said)
    )


def peers(node: Running) -> list[bytes]:
    """Return whom a node knows as peers."""
    return [peer.identity for peer in node.made.store.peers()]


async def test_two_screens_show_the_same_words(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Both say yes: each is a peer of the other, with addresses, and a link comes up by itself."""
    async with running(tmp_path, net(), "ada", "bob", lan=MemoryLan()) as (ada, bob):
        at_ada, at_bob = await found(ada, bob)
        assert isinstance(at_ada, PairResult)
        assert isinstance(at_bob, PairResult)
        assert at_ada.words == at_bob.words
        assert len(at_ada.words) == 4
        assert (at_ada.name, at_bob.name) == ("bob", "ada")
        assert peers(ada) == peers(bob) == []
        ends = await answered((ada, True), (bob, True))
        assert [isinstance(end, PairedResult) and end.paired for end in ends] == [True, True]
        assert (peers(ada), peers(bob)) == ([bob.service.identity], [ada.service.identity])
        await trio.sleep(5)
        assert ada.told("link up")


async def test_one_no_is_enough(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Neither node keeps anything of the other; whoever said yes is told why."""
    async with running(tmp_path, net(), "ada", "bob", lan=MemoryLan()) as (ada, bob):
        await found(ada, bob)
        ends = await answered((ada, True), (bob, False))
        assert [isinstance(end, PairedResult) and end.paired for end in ends] == [False, False]
        assert peers(ada) == peers(bob) == []
        assert ada.made.store.ident(bob.service.identity) is None


async def test_nobody_else_pairs(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The window closes by itself, calls nothing out any more, and can be opened again."""
    lan = MemoryLan()
    async with running(tmp_path, net(), "ada", lan=lan) as (ada,):
        begun_s = trio.current_time()
        (end,) = await found(ada, for_ms=30_000)
        assert isinstance(end, ServiceError)
        assert (end.code, trio.current_time() - begun_s) == (Code.UNREACHABLE, 30)
        await wait_all_tasks_blocked()
        assert [one for one in lan.calling.values() if is_pairing(one)] == []


def is_pairing(sighting: Sighting) -> bool:
    """Whether somebody calls out that they pair."""
    return sighting.tag == nearby_tag(PAIRING_KEY, sighting.nonce)


async def test_an_answer_may_come_too_late(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Whoever waits is told; nothing is kept; an answer without a window is refused."""
    async with running(tmp_path, net(), "ada", "bob", lan=MemoryLan()) as (ada, bob):
        await found(ada, bob, for_ms=60_000)
        (end,) = await answered((ada, True))
        assert isinstance(end, ServiceError)
        assert "not paired" in end.message
        (late,) = await answered((bob, True))
        assert isinstance(late, ServiceError)
        assert peers(ada) == peers(bob) == []
        (none,) = await answered((ada, True))
        assert isinstance(none, ServiceError)
        assert none.code is Code.NOT_FOUND


async def test_a_third_person_in_the_room_is_left_out(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Of three, two find each other; a no and another try bring together who is meant."""
    async with running(tmp_path, net(), "ada", "bob", "eve", lan=MemoryLan()) as nodes:
        ends = await found(*nodes, for_ms=20_000)
        met = [end for end in ends if isinstance(end, PairResult)]
        assert len(met) == 2
        assert met[0].words == met[1].words
        lonely = next(
            node for node, end in zip(nodes, ends, strict=True) if isinstance(end, ServiceError)
        )
        first = next(
            node for node, end in zip(nodes, ends, strict=True) if isinstance(end, PairResult)
        )
        await answered(*((node, False) for node in nodes if node is not lonely))
        ends = await together(
            partial(first.pairing.pair, PairRequest(without=(met[0].device,))),
            partial(lonely.pairing.pair, PairRequest()),
        )
        again = [end for end in ends if isinstance(end, PairResult)]
        assert len({end.words for end in again}) == 1
        assert len(again) == 2


async def test_a_node_without_a_network_says_so_at_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """No window opens, and the advice names the other way."""
    lan = MemoryLan()
    lan.is_down = True
    async with running(tmp_path, net(), "ada", lan=lan) as (ada,):
        await wait_all_tasks_blocked()
        begun_s = trio.current_time()
        (end,) = await found(ada)
        assert isinstance(end, ServiceError)
        assert "there is no network" in end.message
        assert "slowlight invite" in end.hint
        assert trio.current_time() == begun_s


def hello_of(node: Running) -> PairingHello:
    """What somebody says who has stolen nothing, and poses as a node."""
    ident = own_greeting(node.made.store, node.made.home.keys.device_keys().device).ident
    return PairingHello(bytes(32), ident, (), "ada")


async def test_somebody_in_the_middle_shows_other_words(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Eve shakes hands with both under her own name; the two screens differ."""
    carrier: MemoryCarrier = net()
    async with running(tmp_path, carrier, "ada", "bob", "eve", lan=MemoryLan()) as (ada, bob, eve):
        keys = eve.made.home.keys.device_keys()
        middle = LinkKeys(keys.box, prologue_of("", PAIRING_PROTOCOL), eve.made.random_bytes)
        words = [
            (await shaken(carrier, middle, partial(hello_of, eve), victim)).words
            for victim in (ada, bob)
        ]
        assert words[0] != words[1]
        with pytest.raises(IntegrityError, match="none of its certificates"):
            await shaken(carrier, middle, partial(hello_of, ada), bob)


async def shaken(
    carrier: MemoryCarrier, keys: LinkKeys, hello: Hello, victim: Running
) -> PairingExchange:
    """Call a node that pairs, and return what it makes of the call."""
    near, far = carrier_line(carrier)
    ends: list[PairingExchange | SlowlightError] = []

    async def meet() -> None:
        try:
            ends.append(await meet_caller(far, victim.pairing.keys, partial(hello_of, victim)))
        except SlowlightError as error:
            ends.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(meet)
        await call_partner(near, keys, hello)
    (end,) = ends
    if isinstance(end, SlowlightError):
        raise end
    return end


def carrier_line(carrier: MemoryCarrier) -> tuple[MemoryStream, MemoryStream]:
    """Return the two ends of a new line."""
    line = MemoryLine(Random(len(carrier.network.lines)))
    return line.near, line.far
