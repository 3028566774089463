"""Links over real sockets on this machine."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import pytest
import trio
import trio.testing

from slowlight.node.carriers import tcp
from slowlight.node.carriers.base import RefusedError, UnreachableError
from slowlight.node.carriers.noise_link import NoiseLink
from slowlight.node.carriers.reception import Limits
from tests.link_ends import Desk, End

ADA, BOB, EVE = End("ada"), End("bob"), End("eve")

HANDSHAKE_OUT: Final = (2 + 48) + (2 + 64 + len(ADA.greeting.encode()))
HANDSHAKE_IN: Final = 2 + 48 + len(BOB.greeting.encode())


@asynccontextmanager
async def bob_listens(desk: Desk, *welcome: End, host: str = "127.0.0.1") -> AsyncGenerator[int]:
    """Serve Bob's callers; yield the port."""
    listeners = await trio.open_tcp_listeners(0, host=host)
    async with trio.open_nursery() as nursery:
        await nursery.start(tcp.serve, listeners, desk.reception(*welcome, limits=Limits()))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def dial(port: int, caller: End, number: End, host: str = "127.0.0.1") -> NoiseLink:
    return await tcp.dial(
        host, port, caller.keys, number.static, greet=caller.greet, decide=caller.takes(number)
    )


async def test_five_megabytes_there_and_back() -> None:
    desk = Desk(BOB)
    messages = [bytes([number]) * 60_000 for number in range(84)]
    async with bob_listens(desk, ADA) as port:
        link = await dial(port, ADA, BOB)
        heard: list[bytes] = []

        async def listen() -> None:
            while len(heard) < len(messages):
                heard.extend(await link.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            for message in messages:
                await link.send(message)
        assert heard == messages
        assert desk.sources == ["127.0.0.1"]
        assert link.bytes_out == desk.links[0].bytes_in
        assert link.bytes_in - link.bytes_out == HANDSHAKE_IN - HANDSHAKE_OUT
        assert link.promise == tcp.PROMISE
        await link.aclose()


async def test_the_other_end_sees_a_link_close() -> None:
    async with bob_listens(Desk(BOB), ADA) as port:
        link = await dial(port, ADA, BOB)
        await link.send(b"echo")
        assert await link.receive() == [b"echo"]
        stranger = await dial(port, EVE, BOB)
        assert await stranger.receive() == []
        await stranger.aclose()
        await link.aclose()


async def test_no_door_a_wrong_name_and_a_wrong_number() -> None:
    async with bob_listens(Desk(BOB), ADA) as port:
        with pytest.raises(RefusedError, match="another node"):
            await dial(port, ADA, EVE)
    with pytest.raises(UnreachableError):
        await dial(port, ADA, BOB)
    with pytest.raises(UnreachableError):
        await dial(port, ADA, BOB, host="no.such.host.invalid")


async def test_a_host_that_accepts_and_says_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port: int = listeners[0].socket.getsockname()[1]
    with pytest.raises(UnreachableError, match="10 s"):
        await dial(port, ADA, BOB)
    await listeners[0].aclose()


@pytest.mark.parametrize(
    ("peername", "source"),
    [
        (("192.0.2.7", 4242), "192.0.2.7"),
        (("::ffff:192.0.2.7", 4242, 0, 0), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 4242, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 4242, 0, 2), "fe80::/64"),
    ],
)
def test_where_callers_come_from(peername: tuple[str, int], source: str) -> None:
    assert tcp.source_of_peer(peername) == source


async def test_a_caller_who_was_gone_before_it_was_asked_who_it_is() -> None:
    """A reset connection has no address any more; the server goes on."""
    desk = Desk(BOB)
    async with bob_listens(desk, ADA) as port:
        for _ in range(20):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            linger_none = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, linger_none)
            await stream.aclose()
        link = await dial(port, ADA, BOB)
        await link.send(b"echo")
        assert await link.receive() == [b"echo"]
        await link.aclose()
