"""The talk of two nodes whose people pair them, on a stream of bytes: XX, words, two answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, TypeAlias

import trio

from ..protocol.errors import DecodeError
from ..protocol.handshake import Greeting
from ..protocol.ident import VerifiedIdent
from ..protocol.noise import PATTERNS, HandshakeState, Transport
from ..protocol.pairing import (
    ACCEPT,
    REFUSE,
    PairingHello,
    check_commitment,
    commitment,
    decode_hello,
    pairing_words,
)
from .carriers.base import LostLinkError
from .carriers.noise_link import LinkKeys, MessageStream
from .network import prove

HANDSHAKE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Partner:
    """Who is at the other end, as its handshake proves; its name and addresses are claims."""

    ident: VerifiedIdent
    device: bytes
    static: bytes
    addresses: tuple[str, ...]
    name: str


class PairingExchange:
    """A proven stream to a partner, the words that stand for it, and the two answers."""

    def __init__(
        self, messages: MessageStream, transport: Transport, partner: Partner, words: list[str]
    ) -> None:
        self._messages = messages
        self._transport = transport
        self.partner: Final = partner
        self.words: Final = words

    async def answer(self, *, same: bool) -> bool:
        """Tell what the person here said, and return whether both have said yes.

        Raises:
            LostLinkError: the other node left without an answer.
            DecodeError, ProtocolError: its answer is none.
        """
        await self._messages.send(self._transport.encrypt(ACCEPT if same else REFUSE))
        if not same:
            return False
        told = await self._messages.receive_one()
        if told is None:
            raise LostLinkError("the other node left before its person had answered")
        said = self._transport.decrypt(told)
        if said not in (ACCEPT, REFUSE):
            raise DecodeError("the other node gave an answer that is neither yes nor no")
        return said == ACCEPT

    async def aclose(self) -> None:
        """Close the stream; may be repeated."""
        await self._messages.aclose()


Hello: TypeAlias = Callable[[], PairingHello]
"""Makes the own hello, with a random number of its own."""

_Shake: TypeAlias = Callable[[MessageStream, LinkKeys, Hello], Awaitable[PairingExchange]]


async def call_partner(stream: trio.abc.Stream, keys: LinkKeys, hello: Hello) -> PairingExchange:
    """Shake hands as the caller, within `HANDSHAKE_S`; the stream is closed if that fails.

    Raises:
        SlowlightError: the other end broke the protocol, left, or was too slow.
    """
    return await _shaking(stream, _call, keys, hello)


async def meet_caller(stream: trio.abc.Stream, keys: LinkKeys, hello: Hello) -> PairingExchange:
    """Shake hands as the one who is called: see `call_partner`."""
    return await _shaking(stream, _meet, keys, hello)


async def _call(messages: MessageStream, keys: LinkKeys, hello: Hello) -> PairingExchange:
    handshake = _handshake(keys, initiator=True)
    own = hello().encode()
    await messages.send(handshake.write_message(commitment(keys.static.public, own)))
    theirs = handshake.read_message(await _next(messages))
    static = handshake.remote_static or b""
    partner = _partner(static, theirs)
    await messages.send(handshake.write_message(own))
    words = pairing_words(keys.static.public, own, static, theirs)
    return PairingExchange(messages, handshake.split(), partner, words)


async def _meet(messages: MessageStream, keys: LinkKeys, hello: Hello) -> PairingExchange:
    handshake = _handshake(keys, initiator=False)
    promised = handshake.read_message(await _next(messages))
    own = hello().encode()
    await messages.send(handshake.write_message(own))
    theirs = handshake.read_message(await _next(messages))
    static = handshake.remote_static or b""
    check_commitment(promised, static, theirs)
    partner = _partner(static, theirs)
    words = pairing_words(static, theirs, keys.static.public, own)
    return PairingExchange(messages, handshake.split(), partner, words)


async def _shaking(
    stream: trio.abc.Stream, shake: _Shake, keys: LinkKeys, hello: Hello
) -> PairingExchange:
    try:
        async with AsyncExitStack() as on_failure:
            on_failure.push_async_callback(trio.aclose_forcefully, stream)
            with trio.fail_after(HANDSHAKE_S):
                exchange = await shake(MessageStream(stream), keys, hello)
            on_failure.pop_all()
            return exchange
    except trio.TooSlowError:
        raise LostLinkError(f"no answer within {HANDSHAKE_S:g} s") from None


def _handshake(keys: LinkKeys, *, initiator: bool) -> HandshakeState:
    return HandshakeState(
        PATTERNS["XX"],
        initiator=initiator,
        prologue=keys.prologue,
        static=keys.static,
        ephemeral=keys.new_ephemeral(),
    )


def _partner(static: bytes, data: bytes) -> Partner:
    hello = decode_hello(data)
    ident, device = prove(static, Greeting(hello.ident))
    return Partner(ident, device, static, hello.addresses, hello.name)


async def _next(messages: MessageStream) -> bytes:
    message = await messages.receive_one()
    if message is None:
        raise LostLinkError("the other node left in the middle of the handshake")
    return message
