"""A real daemon under attack from many sides: it serves its friends, and does not grow."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, closing, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final, TypeAlias

import pytest
import trio

from slowlight.node.addresses import parse_address
from slowlight.node.carriers.base import Link
from slowlight.node.carriers.noise_link import MessageStream
from slowlight.node.clock import system_clock
from slowlight.node.peer_operations import (
    INVITE,
    STATUS,
    SYNC,
    InviteRequest,
    StatusRequest,
    StatusResult,
    SyncRequest,
)
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.protocol.errors import SlowlightError
from slowlight.protocol.frames import Bye, ByeReason, Hello, decode_frames
from slowlight.simulations.conversation import read_messages
from slowlight.simulations.replay import sign_conversation
from slowlight.store.sqlite import SqliteStore
from tests.daemons import LONGEST_WAIT_S, Daemon, make_home, running
from tests.hostile import (
    BREACHES,
    FLOODS,
    HOGS,
    OPENINGS,
    THIRD_MESSAGES,
    Eve,
    Speech,
    frames,
    hello,
)

ATTACKERS: Final = 4
SILENT: Final = 60
"""Connections that stay open and say nothing, or a first message and then nothing."""
MOST_GROWTH_KB: Final = 48 * 1024
"""Of the daemon's largest resident size, over what it was when it was ready: 16 MiB are the
cache of its database, which grows in any case."""

Attack: TypeAlias = Callable[[Eve, trio.abc.Stream, bytes], Awaitable[None]]
"""What Eve does with a stream to the node that has this static key."""


async def open_badly(name: str, eve: Eve, stream: trio.abc.Stream, static: bytes) -> None:
    """Send what is no first message; whoever sent too little for an answer hangs up."""
    await stream.send_all(OPENINGS[name](eve, static))
    if name not in ("nothing", "half a first message"):
        assert await stream.receive_some(1) == b""


async def greet_badly(name: str, eve: Eve, stream: trio.abc.Stream, static: bytes) -> None:
    """Send a good first message, and then no greeting."""
    messages, handshake = MessageStream(stream), eve.handshake(static)
    await messages.send(handshake.write_message())
    answer = await messages.receive_one()
    assert answer is not None
    handshake.read_message(answer)
    await stream.send_all(THIRD_MESSAGES[name](eve, handshake))
    if name not in ("silence", "a message cut short"):
        assert await stream.receive_some(1) == b""


async def speak_badly(speech: Speech, eve: Eve, stream: trio.abc.Stream, static: bytes) -> None:
    """Shake hands, greet, say it all, say goodbye if that is still possible, and listen."""
    link = await eve.call(stream, static)
    await link.send(hello())
    for message in speech.messages(eve, await heard(link)):
        await link.send(message)
    await link.send(frames(Bye(ByeReason.DONE, "")))
    while await link.receive():
        pass


async def heard(link: Link) -> Hello:
    """Return the HELLO that the node answers with."""
    (message,) = await link.receive()
    first = next(decode_frames(message))
    assert isinstance(first, Hello)
    return first


def attacks() -> Mapping[str, Attack]:
    """Return every attack that does not go for the memory."""
    speeches = {**BREACHES, **FLOODS}
    return (
        {f"opening: {name}": partial(open_badly, name) for name in OPENINGS}
        | {f"greeting: {name}": partial(greet_badly, name) for name in THIRD_MESSAGES}
        | {f"session: {name}": partial(speak_badly, each) for name, each in speeches.items()}
    )


class Besieged:
    """A daemon that holds the shipped conversation and follows a few bad people."""

    def __init__(self, path: Path) -> None:
        self.conversation = sign_conversation(read_messages())
        self.eves = [Eve(number) for number in range(ATTACKERS)]
        self.daemon = Daemon(make_home(path / "near", 1, "near"))
        self.static = self.daemon.home.keys.device_keys().box.public
        self._sources = (f"127.0.{number // 250 + 1}.{number % 250 + 1}" for number in count())
        with closing(SqliteStore(self.daemon.home.database)) as store:
            self.conversation.fill(store, received_ms=system_clock(), via="earlier")
        self.daemon.start()
        who = tuple(eve.identity.hex() for eve in self.eves)
        self.daemon.client.call(FOLLOW, FollowRequest(who=who))

    def status(self) -> StatusResult:
        """Ask the daemon how it is."""
        return self.daemon.client.call(STATUS, StatusRequest())

    async def serve(self, friend: Daemon) -> None:
        """Let another daemon take everything, and see that it has it."""
        people = [person.hex() for person in self.conversation.people]
        invite = self.daemon.client.call(INVITE, InviteRequest()).uri
        friend.client.call(FOLLOW, FollowRequest(who=(*people, invite)))
        receipt = await trio.to_thread.run_sync(friend.client.call, SYNC, SyncRequest())
        assert [end.outcome for end in receipt.outcomes] == ["in_sync"]
        status = friend.client.call(STATUS, StatusRequest())
        assert status.posts == self.conversation.counts.posts

    async def connect(self) -> trio.SocketStream:
        """Open a stream to the daemon, each from another address of this machine."""
        host, port = parse_address(self.daemon.life.address)
        return await trio.open_tcp_stream(host, port, local_address=next(self._sources))

    async def say_nothing(self) -> None:
        """Hold many streams open until cancelled, half of them after a good first message."""
        async with AsyncExitStack() as held:
            for number in range(SILENT):
                stream = await held.enter_async_context(await self.connect())
                if number % 2:
                    await stream.send_all(self.eves[0].first_message(self.static))
            await trio.sleep_forever()

    async def attack(self, eve: Eve, planned: Iterator[tuple[str, Attack]]) -> None:
        """Carry out attacks, one after the other, until none is left."""
        for name, attack in planned:
            print(name)
            with suppress(SlowlightError, trio.BrokenResourceError):
                async with await self.connect() as stream:
                    await attack(eve, stream, self.static)


@pytest.fixture
def near(tmp_path: Path) -> Iterator[Besieged]:
    """Let a test attack a daemon, which must then end as if nothing had been."""
    besieged = Besieged(tmp_path)
    daemon = besieged.daemon
    try:
        grown_kb = -daemon.field_kb("VmHWM")
        yield besieged
        grown_kb += daemon.field_kb("VmHWM")
        print(f"{grown_kb=}")
        assert grown_kb < MOST_GROWTH_KB
        assert daemon.life.end() == 0
        lines = daemon.life.log.read_text().splitlines()
        assert all(line.isprintable() for line in lines)
        assert not [line for line in lines if "Traceback" in line]
    finally:
        daemon.kill()


async def test_a_daemon_serves_its_friends_while_it_is_attacked(
    tmp_path: Path, near: Besieged
) -> None:
    """Every attack, from four sides at once: a friend gets all that it came for meanwhile."""
    before = near.status()
    planned = list(attacks().items())
    random.Random(1).shuffle(planned)
    left = iter(planned)
    with trio.fail_after(LONGEST_WAIT_S), running(make_home(tmp_path / "far", 2, "far")) as far:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(near.say_nothing)
            async with trio.open_nursery() as attackers:
                for eve in near.eves:
                    attackers.start_soon(near.attack, eve, left)
                await near.serve(far)
            nursery.cancel_scope.cancel()
    after, known = near.status(), ATTACKERS + len(("far",))
    assert after.identities - before.identities == known
    assert after.entries - before.entries == known + near.eves[0].run().count
    assert next(left, None) is None


@pytest.mark.parametrize("hog", HOGS)
async def test_one_peer_cannot_make_a_daemon_grow_without_end(near: Besieged, hog: str) -> None:
    """Whatever a protocol lets it ask, offer or want, at its most."""
    with trio.fail_after(LONGEST_WAIT_S):
        await near.attack(near.eves[0], iter([(hog, partial(speak_badly, HOGS[hog]))]))
    assert near.status().entries
