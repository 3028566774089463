"""Who gets in: callers that say nothing, or nonsense, keep nobody else out."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Final

import pytest
import trio
import trio.testing

from slowlight.node.carriers.base import LostLinkError, RefusedError, UnreachableError
from slowlight.node.carriers.memory import MemoryNetwork, MemoryStream
from slowlight.node.carriers.noise_link import NoiseLink
from slowlight.node.carriers.reception import Doorkeeper, Limits, Visit
from slowlight.protocol.errors import DecodeError, ProtocolError
from slowlight.protocol.handshake import Greeting, put_length
from slowlight.protocol.noise import MAX_MESSAGE_BYTES
from tests.link_ends import PROMISE, Desk, End, tapped_pair

ADA, BOB, EVE = End("ada"), End("bob"), End("eve")
HANDSHAKE_S: Final = Limits().handshake_s

settle = trio.testing.wait_all_tasks_blocked
"""Let everybody do what is to be done at this moment."""


class House:
    """Bob's node on a network in memory."""

    def __init__(self, network: MemoryNetwork, desk: Desk) -> None:
        self.network = network
        self.desk = desk

    async def knock(self) -> MemoryStream:
        return await self.network.connect("bob")

    async def dial(self, caller: End, number: End = BOB) -> NoiseLink:
        return await self.network.dial(
            "bob", caller.keys, number.static, greet=caller.greet, decide=caller.takes(number)
        )


@asynccontextmanager
async def house(
    *welcome: End, limits: Limits | None = None, delay_s: float = 0.0
) -> AsyncGenerator[House]:
    network = MemoryNetwork(Random("house"), delay_s=delay_s)
    desk = Desk(BOB)
    async with trio.open_nursery() as nursery:
        serve = network.serve
        await nursery.start(serve, network.listen("bob"), desk.reception(*welcome, limits=limits))
        yield House(network, desk)
        nursery.cancel_scope.cancel()


async def echo(link: NoiseLink, word: bytes) -> None:
    await link.send(word)
    assert await link.receive() == [word]


async def hang_up_time(stream: trio.abc.Stream) -> float:
    """Wait for the other end to close, which must say nothing before; return when it did."""
    assert await stream.receive_some() == b""
    hung_up_s = trio.current_time()
    await settle()
    return hung_up_s


async def test_a_known_caller_is_served(autojump_clock: trio.testing.MockClock) -> None:
    async with house(ADA, delay_s=2.0) as bobs:
        link = await bobs.dial(ADA)
        await echo(link, b"are you there?")
        assert link.promise.delay_s == 2.0
        assert bobs.desk.sources == ["memory"]
        await link.aclose()


async def test_silence_is_met_with_silence_and_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with house(ADA) as bobs:
        assert await hang_up_time(await bobs.knock()) == HANDSHAKE_S
        [(when_s, refusal)] = bobs.desk.refusals
        assert when_s == HANDSHAKE_S
        assert isinstance(refusal, LostLinkError)


async def test_one_byte_a_second_is_too_slow(autojump_clock: trio.testing.MockClock) -> None:
    """The deadline is for the whole handshake, not for each byte."""
    first = put_length(bytes(48))
    async with house(ADA) as bobs:
        stream = await bobs.knock()
        with pytest.raises(trio.BrokenResourceError):
            await drip(stream, first)
        await settle()
        assert bobs.desk.refusals[0][0] == HANDSHAKE_S


async def drip(stream: trio.abc.Stream, data: bytes) -> None:
    for at in range(len(data)):
        await stream.send_all(data[at : at + 1])
        await trio.sleep(1.0)


@pytest.mark.parametrize(
    "rubbish",
    [
        b"GET / HTTP/1.1\r\n",
        put_length(bytes(48)),
        put_length(b"\x09" + bytes(47)),
        put_length(Random("rubbish").randbytes(48)),
        b"\x00\x00" * 40,
        b"\x00\x2f",
        b"\x00\x31",
        b"\xff\xff",
        put_length(bytes(MAX_MESSAGE_BYTES)) * 20,
    ],
    ids=["http", "low order", "base point", "random", "empty", "short", "long", "claim", "flood"],
)
async def test_rubbish_is_met_with_silence_at_once(
    rubbish: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    async with house(ADA) as bobs:
        stream = await bobs.knock()
        with suppress(trio.BrokenResourceError):
            await stream.send_all(rubbish)
        assert await hang_up_time(stream) == 0.0
        [(_, refusal)] = bobs.desk.refusals
        assert isinstance(refusal, ProtocolError | DecodeError)


async def test_a_caller_who_leaves_early(autojump_clock: trio.testing.MockClock) -> None:
    async with house(ADA) as bobs:
        for said in (b"", b"\x00", b"\x00\x30half a message"):
            stream = await bobs.knock()
            await stream.send_all(said)
            await stream.aclose()
        await settle()
        assert [type(refusal) for _, refusal in bobs.desk.refusals] == [LostLinkError] * 3
        await echo(await bobs.dial(ADA), b"still here")


async def test_not_one_byte_beyond_the_first_message_is_read() -> None:
    """A stranger cannot make the node take in what it has to say."""
    near_end, far_end = tapped_pair()
    desk = Desk(BOB)
    sizes: list[int | None] = []
    receive_some = far_end.receive_some

    async def spy(max_bytes: int | None = None) -> bytes:
        sizes.append(max_bytes)
        return await receive_some(max_bytes)

    far_end.receive_some = spy  # type: ignore[method-assign]
    await near_end.send_all(put_length(bytes(48)) + bytes(1_000_000))
    await desk.reception(ADA).welcome(far_end, "memory", PROMISE)
    assert sizes == [50]
    assert far_end.sent == b""


async def test_strangers_and_bad_greetings(autojump_clock: trio.testing.MockClock) -> None:
    async with house(ADA) as bobs:
        link = await bobs.dial(EVE)
        assert await link.receive() == []
        liar = End("ada")
        liar.greeting = Mumbling(b"")
        link = await bobs.dial(liar)
        assert await link.receive() == []
        await settle()
        kinds = [type(refusal) for _, refusal in bobs.desk.refusals]
        assert kinds == [RefusedError, DecodeError]
        assert bobs.desk.links == []


class Mumbling(Greeting):
    """Encodes itself badly."""

    def encode(self) -> bytes:
        return b"hm"


async def test_nobody_listens_there(autojump_clock: trio.testing.MockClock) -> None:
    network = MemoryNetwork(Random("empty"))
    with pytest.raises(UnreachableError, match="nobody listens"):
        await network.dial("bob", ADA.keys, BOB.static, greet=ADA.greet, decide=ADA.takes(BOB))
    listener = network.listen("bob")
    with pytest.raises(UnreachableError, match="10 s"):
        await network.dial("bob", ADA.keys, BOB.static, greet=ADA.greet, decide=ADA.takes(BOB))
    assert trio.current_time() == 10.0
    await listener.aclose()


async def test_two_thousand_silent_callers_and_a_friend(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """They hold at most four places of their source; the friend takes one of these."""
    async with house(ADA) as bobs:
        crowd = [await bobs.knock() for _ in range(2000)]
        link = await bobs.dial(ADA)
        await echo(link, b"in the crowd")
        assert trio.current_time() == 0.0
        for stream in crowd[:-4]:
            assert await hang_up_time(stream) == 0.0
        await trio.sleep(HANDSHAKE_S + 1)
        assert len(bobs.desk.refusals) == 2000
        await echo(link, b"and afterwards")


async def test_links_are_never_closed_for_a_newcomer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with house(ADA, limits=Limits(per_source=2)) as bobs:
        links = [await bobs.dial(ADA) for _ in range(2)]
        await settle()
        with pytest.raises(RefusedError, match="no room"):
            await bobs.dial(ADA)
        for link in links:
            await echo(link, b"mine")
        await links[0].aclose()
        await settle()
        await echo(await bobs.dial(ADA), b"now there is room")


async def test_a_link_that_finishes_its_handshake_too_late_for_the_last_place(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with house(ADA, limits=Limits(links=1), delay_s=1.0) as bobs:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(bobs.dial, ADA)
        await trio.sleep(2.0)
        assert len(bobs.desk.links) == 1
        assert [type(refusal) for _, refusal in bobs.desk.refusals] == [RefusedError]


async def test_the_oldest_handshake_makes_room_its_own_source_first() -> None:
    door = Doorkeeper(Limits(links=9, per_source=2, handshakes=3))
    visits = [door.enter(source) for source in ("mars", "mars", "luna")]
    assert turned_away(visits) == []
    visits.append(door.enter("mars"))
    assert turned_away(visits) == [0], "the oldest from mars"
    visits.append(door.enter("earth"))
    assert turned_away(visits) == [0, 1], "the oldest of all"


def turned_away(visits: list[Visit]) -> list[int]:
    return [number for number, visit in enumerate(visits) if visit.handshake.cancel_called]


async def test_a_handshake_that_finished_while_it_was_turned_away_is_let_in() -> None:
    door = Doorkeeper(Limits(per_source=1))
    early, late = door.enter("mars"), door.enter("mars")
    assert turned_away([early, late]) == [0]
    door.admit(early)
    with pytest.raises(RefusedError):
        door.admit(late)
    door.leave(late)
    door.leave(early)
    door.leave(early)
    assert turned_away([door.enter("mars")]) == []
