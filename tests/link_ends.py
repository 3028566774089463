"""Nodes without stores for tests of links: keys and greetings from a seed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import trio
import trio.testing

from slowlight.node.carriers.base import (
    Decide,
    Link,
    LostLinkError,
    Promise,
    ProvenPeer,
    RefusedError,
)
from slowlight.node.carriers.noise_link import LinkKeys, NoiseLink, initiate, respond
from slowlight.node.carriers.reception import Limits, Reception
from slowlight.protocol.errors import SlowlightError
from slowlight.protocol.handshake import Greeting, prologue_of
from slowlight.protocol.noise import KeyPair

PROMISE = Promise("stream", return_path=True, delay_s=0.0, rate_bytes_per_s=None, cost_per_byte=0.0)


class End:
    """One node: its keys, what it says in a handshake, and whom it takes."""

    def __init__(self, name: str, *, network: str = "") -> None:
        rng = Random(name)
        static = KeyPair.from_private(rng.randbytes(32))
        self.peer = ProvenPeer(identity=rng.randbytes(32), device=rng.randbytes(32))
        self.keys = LinkKeys(static, prologue_of(network), rng.randbytes)
        self.greeting = Greeting(b"ident of " + name.encode(), rng.randbytes(16))
        self.met: list[tuple[bytes, Greeting]] = []
        """Whom it decided on, in order."""

    @property
    def static(self) -> bytes:
        return self.keys.static.public

    def greet(self) -> Greeting:
        return self.greeting

    def takes(self, *others: End) -> Decide:
        """Take these nodes and nobody else."""

        def decide(static: bytes, greeting: Greeting) -> ProvenPeer:
            self.met.append((static, greeting))
            for other in others:
                if static == other.static:
                    return other.peer
            raise RefusedError("a stranger")

        return decide

    async def call(self, stream: trio.abc.Stream, other: End, *expected: End) -> NoiseLink:
        """Call a node; take it, or only those that are expected instead."""
        return await initiate(
            stream,
            self.keys,
            other.static,
            greet=self.greet,
            decide=self.takes(*expected or (other,)),
            promise=PROMISE,
        )

    async def answer(self, stream: trio.abc.Stream, *others: End) -> NoiseLink:
        return await respond(
            stream, self.keys, greet=self.greet, decide=self.takes(*others), promise=PROMISE
        )


class Tap(trio.abc.Stream):
    """A stream that somebody in the middle listens to, and may alter."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.sent = b""
        """Everything that this end sent, unaltered."""
        self.alter: Callable[[bytes], bytes] = bytes

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data
        await self._stream.send_all(self.alter(bytes(data)))

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self._stream.receive_some(max_bytes))

    async def aclose(self) -> None:
        await self._stream.aclose()


def tapped_pair() -> tuple[Tap, Tap]:
    near, far = trio.testing.memory_stream_pair()
    return Tap(near), Tap(far)


@dataclass
class Desk:
    """A reception that echoes what its links say, and remembers what happened."""

    end: End
    links: list[Link] = field(default_factory=list[Link])
    sources: list[str] = field(default_factory=list[str])
    refusals: list[tuple[float, SlowlightError]] = field(
        default_factory=list[tuple[float, SlowlightError]]
    )
    """When, in seconds of the test's clock, and why."""

    def reception(self, *welcome: End, limits: Limits | None = None) -> Reception:
        return Reception(
            self.end.keys,
            greet=self.end.greet,
            decide=self.end.takes(*welcome),
            on_link=self._echo,
            on_refusal=self._note,
            limits=limits or Limits(),
        )

    async def _echo(self, link: Link, source: str) -> None:
        self.links.append(link)
        self.sources.append(source)
        with suppress(LostLinkError):
            while messages := await link.receive():
                for message in messages:
                    await link.send(message)

    def _note(self, _source: str, refusal: SlowlightError) -> None:
        self.refusals.append((trio.current_time(), refusal))


async def meet(
    caller: End, called: End, near: trio.abc.Stream, far: trio.abc.Stream
) -> tuple[NoiseLink, NoiseLink]:
    """Shake hands; return the caller's link and the other."""
    links: dict[str, NoiseLink] = {}

    async def call() -> None:
        links["near"] = await caller.call(near, called)

    async def answer() -> None:
        links["far"] = await called.answer(far, caller)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        nursery.start_soon(answer)
    return links["near"], links["far"]
