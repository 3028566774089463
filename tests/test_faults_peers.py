"""Bad peers are sent away without harm: nothing of theirs is kept, and others do not notice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import trio
from nacl import bindings
from trio.testing import MockClock, wait_all_tasks_blocked

from slowlight.node.carriers.base import Link, LostLinkError
from slowlight.node.carriers.memory import MAX_PIECES_IN_FLIGHT, MemoryStream
from slowlight.node.carriers.noise_link import MessageStream, NoiseLink
from slowlight.node.config import LimitsConfig
from slowlight.node.peer_operations import STATUS, StatusRequest
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.post_operations import POST, PostRequest
from slowlight.node.sessions import STALL_S
from slowlight.protocol.errors import SlowlightError
from slowlight.protocol.frames import (
    Bye,
    ByeReason,
    Frame,
    Hello,
    Receipt,
    RunFrame,
    UnknownFrame,
    decode_frames,
)
from tests.hostile import BREACHES, FLOODS, OPENINGS, THIRD_MESSAGES, Eve, frames, hello
from tests.memory_net import MemoryCarrier, Running, net, running

GONE: Final = "words after the BYE"
"""Nobody says goodbye to who did already."""
AGAIN: Final = "one run again and again"
SILENCE_S: Final = LimitsConfig().silence_s


@dataclass
class Siege:
    """Ada's node, which Eve attacks while Bob is connected to it."""

    ada: Running
    bob: Running
    eve: Eve
    carrier: MemoryCarrier
    checks: list[bytes]
    """What signatures were checked of, by anybody."""

    @property
    def static(self) -> bytes:
        """The key that Ada's invite names."""
        return self.ada.made.home.keys.device_keys().box.public

    @property
    def held(self) -> tuple[int, int]:
        """How many identities Ada knows, and how many entries she holds."""
        status = self.ada.service.call(STATUS, StatusRequest())
        return status.identities, status.entries

    async def connect(self) -> MemoryStream:
        """Open a line to Ada's door."""
        return await self.carrier.network.connect("ada:1")

    async def befriend(self) -> NoiseLink:
        """Let Ada follow Eve, and Eve call her; whatever that costs is over then."""
        who = (self.eve.identity.hex(),)
        self.ada.service.call(FOLLOW, FollowRequest(who=who))
        link = await self.eve.call(await self.connect(), self.static)
        await wait_all_tasks_blocked()  # Bob checks Ada's follow, and Ada who Eve is
        return link


@pytest.fixture
async def siege(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Siege]:
    """Let a test attack; afterwards Ada and Bob talk on, and Ada's log steers no terminal."""
    checks: list[bytes] = []
    check: Callable[[bytes, bytes], bytes] = bindings.crypto_sign_open

    def counted(signed: bytes, key: bytes) -> bytes:
        checks.append(signed)
        return check(signed, key)

    monkeypatch.setattr(bindings, "crypto_sign_open", counted)
    carrier = net()
    async with running(tmp_path, carrier, "ada", "bob") as (ada, bob):
        bob.service.call(FOLLOW, FollowRequest(who=(ada.invite(),)))
        await wait_all_tasks_blocked()
        yield Siege(ada, bob, Eve(1), carrier, checks)
        ada.service.call(POST, PostRequest(text="all is well"))
        await wait_all_tasks_blocked()
        assert bob.texts() == ["all is well"]
        assert len(ada.service.call(STATUS, StatusRequest()).links) == 1
        assert all(line[:-1].isprintable() for line in ada.lines)


async def send(stream: trio.abc.Stream, data: bytes) -> None:
    """Send as much as the other end wants to hear."""
    with suppress(trio.BrokenResourceError):
        await stream.send_all(data)


async def say(link: Link, messages: Iterable[bytes]) -> None:
    """Say as much as the other end wants to hear."""
    with suppress(LostLinkError):
        for message in messages:
            await link.send(message)


async def everything(stream: MemoryStream) -> bytes:
    """Return all that still comes, until the other end closes."""
    came = b""
    while data := await stream.receive_some():
        came += data
    return came


async def rest(link: NoiseLink) -> list[Frame | UnknownFrame]:
    """Return all frames that still come, until the other end closes."""
    came: list[Frame | UnknownFrame] = []
    while messages := await link.receive():
        came += [frame for message in messages for frame in decode_frames(message)]
    return came


@pytest.mark.parametrize("opening", OPENINGS)
async def test_who_cannot_name_the_node_hears_nothing(
    autojump_clock: MockClock, siege: Siege, opening: str
) -> None:
    """Not even that this is Slowlight; whoever goes on being wrong is cut off at once."""
    before, begun_s = siege.held, trio.current_time()
    stream = await siege.connect()
    await send(stream, OPENINGS[opening](siege.eve, siege.static))
    assert await everything(stream) == b""
    unfinished = opening in ("nothing", "half a first message")
    assert trio.current_time() - begun_s == (SILENCE_S if unfinished else 0)
    await wait_all_tasks_blocked()
    assert siege.ada.told("caller refused")
    assert siege.held == before


@pytest.mark.parametrize("third", THIRD_MESSAGES)
async def test_who_cannot_prove_a_name_is_cut_off(
    autojump_clock: MockClock, siege: Siege, third: str
) -> None:
    """Also somebody whom Ada follows, and who knows her key; two checks prove a certificate."""
    siege.ada.service.call(FOLLOW, FollowRequest(who=(siege.eve.identity.hex(),)))
    before, begun_s = siege.held, trio.current_time()
    stream = await siege.connect()
    messages = MessageStream(stream)
    handshake = siege.eve.handshake(siege.static)
    await messages.send(handshake.write_message())
    answer = await messages.receive_one()
    assert answer is not None
    handshake.read_message(answer)
    siege.checks.clear()
    await send(stream, THIRD_MESSAGES[third](siege.eve, handshake))
    assert await everything(stream) == b""
    unfinished = third in ("silence", "a message cut short")
    assert trio.current_time() - begun_s == (SILENCE_S if unfinished else 0)
    await wait_all_tasks_blocked()
    assert siege.ada.told("caller refused")
    assert len(siege.checks) <= 2
    assert siege.held == before


@pytest.mark.parametrize("breach", BREACHES)
async def test_who_breaks_the_protocol_is_sent_away(
    autojump_clock: MockClock, siege: Siege, breach: str
) -> None:
    """With a reason; a junk run has cost one signature check at most, and left nothing."""
    link = await siege.befriend()
    await link.send(hello())
    before = siege.held
    siege.checks.clear()
    await say(link, BREACHES[breach].messages(siege.eve, await heard(link)))
    byes = [frame for frame in await rest(link) if isinstance(frame, Bye)]
    assert [bye.reason for bye in byes] == ([ByeReason.REFUSED] if breach != GONE else [])
    assert all(bye.text for bye in byes)
    assert siege.ada.told("peer broke the protocol")
    assert len(siege.checks) <= BREACHES[breach].checks
    assert siege.held == before


async def heard(link: NoiseLink) -> Hello:
    """Return the HELLO that the node answers with."""
    (message,) = await link.receive()
    first = next(decode_frames(message))
    assert isinstance(first, Hello)
    return first


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_costs_little_and_is_kept_once(
    autojump_clock: MockClock, siege: Siege, flood: str
) -> None:
    """A thousand of the same, or of what nobody wants; then Eve says goodbye."""
    link = await siege.befriend()
    await link.send(hello())
    before = siege.held
    siege.checks.clear()
    await say(link, FLOODS[flood].messages(siege.eve, await heard(link)))
    await link.send(frames(Bye(ByeReason.DONE, "")))
    await rest(link)
    assert not siege.ada.told("peer broke the protocol")
    # Something was stored, so whether Eve's device has ended is judged by what is held. That looks
    # at its certificate once in a process, then the store remembers: see `RememberedChecks`.
    certificate = 1 if flood == AGAIN else 0
    assert len(siege.checks) <= FLOODS[flood].checks + certificate
    identities, entries = before
    new = siege.eve.run().count if flood == AGAIN else 0
    assert siege.held == (identities, entries + new)


async def test_a_caller_who_takes_all_day_is_cut_off(
    autojump_clock: MockClock, siege: Siege
) -> None:
    """A byte every five seconds is progress, but the time is for the whole handshake."""
    stream, begun_s = await siege.connect(), trio.current_time()
    with suppress(trio.BrokenResourceError):
        for byte in siege.eve.first_message(siege.static):
            await stream.send_all(bytes((byte,)))
            await trio.sleep(5)
    assert trio.current_time() - begun_s == SILENCE_S
    assert await everything(stream) == b""


async def test_forty_callers_who_say_nothing_keep_nobody_out(
    autojump_clock: MockClock, siege: Siege
) -> None:
    """An honest caller comes in at once, and takes the place of one of them."""
    streams = [await siege.connect() for _ in range(40)]
    await wait_all_tasks_blocked()
    begun_s = trio.current_time()
    link = await siege.befriend()
    await link.send(hello())
    await heard(link)
    assert trio.current_time() == begun_s
    assert [await everything(stream) for stream in streams] == [b""] * 40
    await link.aclose()


async def test_a_peer_that_stops_reading_is_let_go(autojump_clock: MockClock, siege: Siege) -> None:
    """Its line is full of answers; Ada waits five minutes for one more to fit."""
    link = await siege.befriend()
    for _ in range(MAX_PIECES_IN_FLIGHT):
        await link.send(hello())
        await wait_all_tasks_blocked()
    await trio.sleep(STALL_S - 1)
    assert not siege.ada.told("link down")
    await trio.sleep(2)
    (told,) = siege.ada.told("link down")
    assert "stopped reading" in told


async def test_a_peer_may_vanish_at_any_byte(autojump_clock: MockClock, siege: Siege) -> None:
    """Eve is cut off after every few bytes, and brings her posts in the end; each is kept once."""
    before = siege.held
    siege.ada.service.call(FOLLOW, FollowRequest(who=(siege.eve.identity.hex(),)))
    for allowed_bytes in range(0, 2_000, 37):
        stream = await siege.connect()
        siege.carrier.network.lines[-1].cut_after(allowed_bytes)
        with suppress(SlowlightError):
            await bring_posts(await siege.eve.call(stream, siege.static), siege.eve)
    await bring_posts(await siege.eve.call(await siege.connect(), siege.static), siege.eve)
    identities, entries = before
    assert siege.held == (identities + 1, entries + 1 + 1 + siege.eve.run().count)


async def bring_posts(link: Link, eve: Eve) -> None:
    """Hand Eve's posts over, and wait for the receipt."""
    await link.send(hello())
    await link.send(frames(RunFrame(eve.run().encode())))
    while messages := await link.receive():
        if any(Receipt(1, complete=False) in decode_frames(message) for message in messages):
            await link.aclose()
            return
    raise LostLinkError("no receipt came")
