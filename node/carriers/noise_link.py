"""A link over any stream of bytes: a Noise_XK handshake, then encrypted messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

import trio

from ...protocol.handshake import (
    FIRST_MESSAGE_BYTES,
    LENGTH_BYTES,
    Greeting,
    NoiseFramer,
    decode_greeting,
    put_length,
)
from ...protocol.noise import (
    KEY_BYTES,
    MAX_MESSAGE_BYTES,
    PATTERNS,
    HandshakeError,
    HandshakeState,
    KeyPair,
    Transport,
)
from .base import (
    Decide,
    Greet,
    LostLinkError,
    Promise,
    ProvenPeer,
    RefusedError,
    UnreachableError,
)

READ_BYTES: Final = 2**20
"""One read takes in at most this much: a bulk transfer is handled in large pieces."""

_PATTERN: Final = PATTERNS["XK"]


@dataclass(frozen=True, slots=True)
class LinkKeys:
    """What a node brings to each of its handshakes."""

    static: KeyPair
    """The pair whose public half stands in the device's certificate (box_pk)."""
    prologue: bytes
    random_bytes: Callable[[int], bytes] = field(repr=False)
    """That many bytes that nobody can guess; 32 are drawn for each handshake."""

    def new_ephemeral(self) -> KeyPair:
        """Return a pair for one handshake."""
        return KeyPair.from_private(self.random_bytes(KEY_BYTES))


class MessageStream:
    """Whole Noise messages on a stream of bytes, and a count of those bytes."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.bytes_in = 0
        self.bytes_out = 0
        self._stream = stream
        self._framer = NoiseFramer()
        self._arrived: list[bytes] = []
        self._cut = False

    async def send(self, message: bytes) -> None:
        """Send one message; raises LostLinkError."""
        if self._cut:
            raise LostLinkError("the link is cut")
        data = put_length(message)
        self._cut = True  # until the last byte is out: half a message cannot be taken back
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise LostLinkError("the link was cut while sending") from error
        self._cut = False
        self.bytes_out += len(data)

    async def receive(self) -> list[bytes]:
        """Return all messages that are here, waiting for one; none at the end of the stream."""
        while not self._arrived and await self._read(READ_BYTES):
            pass
        arrived, self._arrived = self._arrived, []
        return arrived

    async def receive_first(self) -> bytes:
        """Return message 1, reading not one byte beyond it; for a responder.

        Raises:
            HandshakeError: the message claims a length that no message 1 has.
        """
        while not self._arrived:
            claimed = self._framer.next_length
            if claimed not in (None, FIRST_MESSAGE_BYTES):
                raise HandshakeError(f"a first message of {claimed} bytes")
            missing = LENGTH_BYTES + FIRST_MESSAGE_BYTES - self._framer.pending_bytes
            if not await self._read(missing):
                raise LostLinkError("the caller said nothing")
        return self._arrived.pop()

    async def receive_one(self) -> bytes | None:
        """Return the next message; None at the end of the stream."""
        while not self._arrived:
            if not await self._read(LENGTH_BYTES + MAX_MESSAGE_BYTES):
                return None
        return self._arrived.pop(0)

    async def aclose(self) -> None:
        """Close the stream."""
        self._cut = True
        await self._stream.aclose()

    async def _read(self, most_bytes: int) -> bool:
        """Take in what has arrived, waiting for at least one byte; False at the end."""
        try:
            data = await self._stream.receive_some(most_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise LostLinkError("the link was cut") from error
        if not data:
            if self._framer.pending_bytes:
                raise LostLinkError("the link was cut inside a message")
            return False
        self.bytes_in += len(data)
        self._arrived += self._framer.feed(bytes(data))
        return True


class NoiseLink:
    """A `Link` over a stream; `initiate` and `respond` make it."""

    def __init__(
        self,
        messages: MessageStream,
        transport: Transport,
        *,
        peer: ProvenPeer,
        peer_static: bytes,
        peer_greeting: Greeting,
        round_trip_s: float,
        promise: Promise,
    ) -> None:
        self.peer_identity = peer.identity
        self.peer_device = peer.device
        self.peer_static: bytes | None = peer_static
        self.peer_greeting: Greeting | None = peer_greeting
        self.round_trip_s = round_trip_s
        self.promise = promise
        self._messages = messages
        self._transport = transport

    @property
    def bytes_in(self) -> int:
        """Bytes received so far, handshake and framing included."""
        return self._messages.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes sent so far, handshake and framing included."""
        return self._messages.bytes_out

    async def send(self, message: bytes) -> None:
        """Encrypt and send one message of at most 65,519 bytes; raises LostLinkError."""
        await self._messages.send(self._transport.encrypt(message))

    async def receive(self) -> list[bytes]:
        """Return every message that has arrived: see `Link.receive`."""
        decrypt = self._transport.decrypt
        return [decrypt(message) for message in await self._messages.receive()]

    async def aclose(self) -> None:
        """Close the link; may be repeated."""
        await self._messages.aclose()


async def dial(
    open_stream: Callable[[], Awaitable[trio.abc.Stream]],
    keys: LinkKeys,
    remote_static: bytes,
    *,
    greet: Greet,
    decide: Decide,
    promise: Promise,
    deadline_s: float,
) -> NoiseLink:
    """Open a stream and `initiate` a link on it, all within ``deadline_s``.

    Raises:
        UnreachableError: the stream did not open, or time ran out.
        RefusedError, LostLinkError, ProtocolError, DecodeError, IntegrityError: see
            `initiate`.
    """
    try:
        with trio.fail_after(deadline_s):
            stream = await open_stream()
            return await initiate(
                stream, keys, remote_static, greet=greet, decide=decide, promise=promise
            )
    except trio.TooSlowError:
        raise UnreachableError(f"no answer within {deadline_s:g} s") from None
    except OSError as error:
        raise UnreachableError(error.strerror or str(error)) from error


async def initiate(
    stream: trio.abc.Stream,
    keys: LinkKeys,
    remote_static: bytes,
    *,
    greet: Greet,
    decide: Decide,
    promise: Promise,
) -> NoiseLink:
    """Shake hands with the node that holds ``remote_static`` (32 bytes), as its caller.

    The own greeting is made and sent after ``decide`` took the peer's. Whether the peer
    takes it shows only later: a peer that does not want us closes the link. The stream is
    closed if anything goes wrong. The caller sets the deadline.

    Raises:
        RefusedError: ``decide`` said so, or the link closed before an answer came.
        LostLinkError: the link was cut later.
        ProtocolError, DecodeError, IntegrityError: the peer broke the protocol.
    """
    async with AsyncExitStack() as on_failure:
        on_failure.push_async_callback(trio.aclose_forcefully, stream)
        messages = MessageStream(stream)
        handshake = HandshakeState(
            _PATTERN,
            initiator=True,
            prologue=keys.prologue,
            static=keys.static,
            ephemeral=keys.new_ephemeral(),
            remote_static=remote_static,
        )
        called_s = trio.current_time()
        answer = await _answer_to(handshake.write_message(), messages)
        round_trip_s = trio.current_time() - called_s
        greeting = decode_greeting(handshake.read_message(answer))
        peer = decide(remote_static, greeting)
        await messages.send(handshake.write_message(greet().encode()))
        on_failure.pop_all()
    return NoiseLink(
        messages,
        handshake.split(),
        peer=peer,
        peer_static=remote_static,
        peer_greeting=greeting,
        round_trip_s=round_trip_s,
        promise=promise,
    )


async def respond(
    stream: trio.abc.Stream,
    keys: LinkKeys,
    *,
    greet: Greet,
    decide: Decide,
    promise: Promise,
) -> NoiseLink:
    """Shake hands with whoever calls, and learn who it is.

    Not one byte is sent before a first message that proves that the caller knows this
    node's static key. The stream is closed if anything goes wrong. The caller sets the
    deadline.

    Raises:
        RefusedError: ``decide`` said so.
        LostLinkError: the link was cut, or the caller closed it.
        ProtocolError, DecodeError, IntegrityError: the caller broke the protocol.
    """
    async with AsyncExitStack() as on_failure:
        on_failure.push_async_callback(trio.aclose_forcefully, stream)
        messages = MessageStream(stream)
        handshake = HandshakeState(
            _PATTERN,
            initiator=False,
            prologue=keys.prologue,
            static=keys.static,
            ephemeral=keys.new_ephemeral(),
        )
        handshake.read_message(await messages.receive_first())
        await messages.send(handshake.write_message(greet().encode()))
        answered_s = trio.current_time()
        answer = await messages.receive_one()
        round_trip_s = trio.current_time() - answered_s
        if answer is None:
            raise LostLinkError("the caller left before the end of the handshake")
        greeting = decode_greeting(handshake.read_message(answer))
        static = handshake.remote_static or b""
        peer = decide(static, greeting)
        on_failure.pop_all()
    return NoiseLink(
        messages,
        handshake.split(),
        peer=peer,
        peer_static=static,
        peer_greeting=greeting,
        round_trip_s=round_trip_s,
        promise=promise,
    )


async def _answer_to(call: bytes, messages: MessageStream) -> bytes:
    try:
        await messages.send(call)
        answer = await messages.receive_one()
    except LostLinkError:
        answer = None  # a node that wants no caller hangs up in the middle of a word
    if answer is None:
        raise RefusedError("no answer before the link closed: it is another node, or has no room")
    return answer
