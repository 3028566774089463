"""Links inside one process, for tests and simulations: delay, odd cuts and lost lines, by seed.

Everything above the socket is the real thing: handshake, encryption, framing and counting.
"""

from __future__ import annotations

import errno
import math
from functools import partial
from random import Random
from typing import Final, NamedTuple

import trio

from ...protocol.handshake import Greeting, prologue_of
from ...protocol.noise import KEY_BYTES, KeyPair
from . import noise_link
from .base import Decide, Greet, Promise, ProvenPeer
from .noise_link import LinkKeys, NoiseLink, initiate, respond
from .reception import Reception

MAX_PIECE_BYTES: Final = 65_536
MAX_PIECES_IN_FLIGHT: Final = 1_024
"""A line holds at most 64 MiB each way; then the sender waits."""
DIAL_S: Final = 10.0


class _Piece(NamedTuple):
    arrives_s: float
    data: bytes


class MemoryLine:
    """Two ends of one stream of bytes, both ways.

    Bytes arrive in order, ``delay_s`` later, in pieces whose sizes come from ``rng``, until
    the line is cut; what was sent before the cut still arrives.
    """

    def __init__(self, rng: Random, *, delay_s: float = 0.0) -> None:
        self.delay_s: Final = delay_s
        self.rng: Final = rng
        self.left_bytes = math.inf
        """What both ends together may still send before the line is cut."""
        self.is_cut = False
        self.ended_s = math.inf
        """When the line was cut, or one end closed it."""
        there = trio.open_memory_channel[_Piece](MAX_PIECES_IN_FLIGHT)
        back = trio.open_memory_channel[_Piece](MAX_PIECES_IN_FLIGHT)
        self.near: Final = MemoryStream(self, there[0], back[1])
        self.far: Final = MemoryStream(self, back[0], there[1])

    def cut_after(self, count_bytes: int) -> None:
        """Cut the line at the moment when both ends together have sent so many more bytes."""
        self.left_bytes = count_bytes

    def cut(self) -> None:
        """Cut the line now."""
        self.is_cut = True
        self.end()
        self.near.stop_sending()
        self.far.stop_sending()

    def end(self) -> None:
        """Note the time of the end."""
        self.ended_s = min(self.ended_s, trio.current_time())


class MemoryStream(trio.abc.Stream):
    """One end of a `MemoryLine`."""

    def __init__(
        self,
        line: MemoryLine,
        outgoing: trio.MemorySendChannel[_Piece],
        incoming: trio.MemoryReceiveChannel[_Piece],
    ) -> None:
        self._line = line
        self._outgoing = outgoing
        self._incoming = incoming
        self._next = _Piece(0.0, b"")

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all bytes, or as many as pass before the line is cut."""
        await trio.lowlevel.checkpoint()
        rest = bytes(data)
        while rest:
            length = min(len(rest), 2 ** self._line.rng.randrange(MAX_PIECE_BYTES.bit_length()))
            await self._send(rest[:length])
            rest = rest[length:]

    async def wait_send_all_might_not_block(self) -> None:
        """Return at once: `send_all` does all the waiting."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return some bytes as soon as they arrive; none when the other end closed."""
        if not self._next.data:
            try:
                self._next = await self._incoming.receive()
            except trio.EndOfChannel:
                await trio.sleep_until(self._line.ended_s + self._line.delay_s)
                if self._line.is_cut:
                    raise trio.BrokenResourceError("the line was cut") from None
                return b""
        await trio.sleep_until(self._next.arrives_s)
        data = self._next.data[:max_bytes]
        self._next = self._next._replace(data=self._next.data[len(data) :])
        return data

    async def aclose(self) -> None:
        """Close this end; the other one reads what was sent before."""
        self._line.end()
        self.stop_sending()
        self._incoming.close()
        await trio.lowlevel.checkpoint()

    def stop_sending(self) -> None:
        """Let the other end read what was sent, and then the end."""
        self._outgoing.close()

    async def _send(self, piece: bytes) -> None:
        line = self._line
        if line.is_cut:
            raise trio.BrokenResourceError("the line was cut")
        passing = piece[: int(min(line.left_bytes, len(piece)))]
        line.left_bytes -= len(passing)
        if passing:
            await self._outgoing.send(_Piece(trio.current_time() + line.delay_s, passing))
        if len(passing) < len(piece):
            line.cut()
            raise trio.BrokenResourceError("the line was cut")


class MemoryListener(trio.abc.Listener[MemoryStream]):
    """Where the callers of one name come in."""

    def __init__(self, callers: trio.MemoryReceiveChannel[MemoryStream]) -> None:
        self._callers = callers

    async def accept(self) -> MemoryStream:
        """Return the next caller's stream."""
        return await self._callers.receive()

    async def aclose(self) -> None:
        """Take no more callers."""
        self._callers.close()
        await trio.lowlevel.checkpoint()


class MemoryNetwork:
    """Names that listen, and lines between them."""

    def __init__(self, rng: Random, *, delay_s: float = 0.0) -> None:
        self._rng = rng
        self._delay_s = delay_s
        self._listening: dict[str, trio.MemorySendChannel[MemoryStream]] = {}
        self.promise: Final = memory_promise(delay_s)
        self.lines: Final[list[MemoryLine]] = []
        """Every line so far, oldest first: for tests that cut them."""

    def listen(self, name: str) -> MemoryListener:
        """Take callers under a name; a former listener of that name hears of no more."""
        callers, listener = trio.open_memory_channel[MemoryStream](0)
        self._listening[name] = callers
        return MemoryListener(listener)

    async def connect(self, name: str) -> MemoryStream:
        """Return a stream to a name; raises ConnectionRefusedError where nobody listens."""
        line = MemoryLine(self._rng, delay_s=self._delay_s)
        try:
            await self._listening[name].send(line.far)
        except (KeyError, trio.BrokenResourceError):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens there") from None
        self.lines.append(line)
        return line.near

    async def dial(
        self,
        name: str,
        keys: LinkKeys,
        remote_static: bytes,
        *,
        greet: Greet,
        decide: Decide,
        deadline_s: float = DIAL_S,
    ) -> NoiseLink:
        """Open a link to the node that listens under a name: see `noise_link.dial`."""
        return await noise_link.dial(
            partial(self.connect, name),
            keys,
            remote_static,
            greet=greet,
            decide=decide,
            promise=self.promise,
            deadline_s=deadline_s,
        )

    async def serve(
        self,
        listener: MemoryListener,
        reception: Reception,
        *,
        task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Hand callers to ``reception`` for ever; each comes from the same source."""

        async def welcome(stream: MemoryStream) -> None:
            await reception.welcome(stream, "memory", self.promise)

        await trio.serve_listeners(welcome, [listener], task_status=task_status)


def memory_promise(delay_s: float) -> Promise:
    """Return what lines of this delay promise."""
    return Promise(
        shape="stream",
        return_path=True,
        delay_s=delay_s,
        rate_bytes_per_s=None,
        cost_per_byte=0.0,
    )


async def link_pair(
    caller: ProvenPeer, called: ProvenPeer, line: MemoryLine
) -> tuple[NoiseLink, NoiseLink]:
    """Shake hands on a line with keys of its seed; return the caller's link and the other.

    Nobody has to prove anything: each end sees the other one as it was named here.
    """
    near_keys, far_keys = _random_keys(line.rng), _random_keys(line.rng)
    links: dict[ProvenPeer, NoiseLink] = {}

    async def call() -> None:
        links[caller] = await initiate(
            line.near,
            near_keys,
            far_keys.static.public,
            greet=_say_nothing,
            decide=lambda _static, _greeting: called,
            promise=memory_promise(line.delay_s),
        )

    async def answer() -> None:
        links[called] = await respond(
            line.far,
            far_keys,
            greet=_say_nothing,
            decide=lambda _static, _greeting: caller,
            promise=memory_promise(line.delay_s),
        )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        nursery.start_soon(answer)
    return links[caller], links[called]


def _say_nothing() -> Greeting:
    return Greeting(b"")


def _random_keys(rng: Random) -> LinkKeys:
    static = KeyPair.from_private(rng.randbytes(KEY_BYTES))
    return LinkKeys(static, prologue_of("memory"), rng.randbytes)
