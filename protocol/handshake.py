"""What two Slowlight nodes say while they shake hands, and how Noise messages lie on a stream.

A link is Noise_XK: the caller knows the static key of the node it calls. Message 1 carries
nothing, messages 2 and 3 each carry a `Greeting`. Every Noise message, of the handshake and
after it, follows its length as two bytes, big-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .encoding import (
    MAX_UINT,
    as_bytes_or_none,
    as_bytes_upto,
    as_fields,
    as_uint,
    pack,
    unpack,
)
from .errors import DecodeError
from .frames import MAX_BODY_BYTES
from .invite import TOKEN_BYTES
from .noise import KEY_BYTES, TAG_BYTES

LENGTH_BYTES: Final = 2
"""Big-endian, before every Noise message."""

FIRST_MESSAGE_BYTES: Final = KEY_BYTES + TAG_BYTES
"""Message 1 has this length and no other: an ephemeral key, and the tag over nothing."""

MAX_NETWORK_BYTES: Final = 256
"""A network's name: 64 characters of any script."""

MAX_GREETING_BYTES: Final = MAX_BODY_BYTES + TOKEN_BYTES + 8 + 9
"""The longest IDENT body, a token, their heads and a time; it fits message 3."""

LINK_PROTOCOL: Final = b"slowlight-1"


def prologue_of(network: str, protocol: bytes = LINK_PROTOCOL) -> bytes:
    """Return what both ends mix into the handshake: nodes that differ in it cannot talk.

    Args:
        network: the network's name, at most 256 bytes of UTF-8; usually empty.
        protocol: what the handshake is for.

    Raises:
        ValueError: the name is too long.
    """
    name = network.encode()
    if len(name) > MAX_NETWORK_BYTES:
        raise ValueError(f"a network name of {len(name)} bytes; at most {MAX_NETWORK_BYTES}")
    return protocol + pack(name)


@dataclass(frozen=True, slots=True)
class Greeting:
    """The payload of messages 2 and 3: who speaks, and by what right."""

    ident: bytes
    """Body of an IDENT frame; proves nothing until it was verified and names the static key."""
    token: bytes = b""
    """The one-time token of an invite (16 bytes), or empty."""
    t_ms: int = 0
    """What the sender's clock shows, Unix ms; a claim. 0: it has none."""

    def __repr__(self) -> str:
        """Show everything but the token, which lets its holder in."""
        return f"Greeting({len(self.ident)} bytes, {'a token' if self.token else 'no token'})"

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return pack((self.ident, self.token, self.t_ms))


def decode_greeting(payload: bytes) -> Greeting:
    """Decode the payload of message 2 or 3, strictly; raises DecodeError."""
    value = unpack(payload, max_bytes=MAX_GREETING_BYTES, what="greeting")
    ident, token, t_ms = as_fields(value, 3, "greeting")
    return Greeting(
        as_bytes_upto(ident, MAX_BODY_BYTES, "greeting IDENT"),
        as_bytes_or_none(token, TOKEN_BYTES, "greeting token") or b"",
        as_uint(t_ms, MAX_UINT, "greeting time"),
    )


def put_length(message: bytes) -> bytes:
    """Return a Noise message (at most 65,535 bytes) as it lies on a stream."""
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


class NoiseFramer:
    """Cuts the bytes of a stream into Noise messages.

    Between calls it holds less than one message: at most 65,536 bytes.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """Bytes of a message whose rest has not come: 0 between two messages."""
        return len(self._buffer)

    @property
    def next_length(self) -> int | None:
        """Length of the message that is coming in, once its two bytes are here."""
        if len(self._buffer) < LENGTH_BYTES:
            return None
        return int.from_bytes(self._buffer[:LENGTH_BYTES], "big")

    def feed(self, data: bytes) -> list[bytes]:
        """Take what the stream brought, cut anywhere; return the messages that are whole now.

        Raises:
            DecodeError: a message is shorter than its tag.
        """
        buffer = self._buffer
        buffer += data
        messages: list[bytes] = []
        at = 0
        while (start := at + LENGTH_BYTES) <= len(buffer):
            length = int.from_bytes(buffer[at:start], "big")
            if length < TAG_BYTES:
                raise DecodeError(f"a Noise message of {length} bytes, shorter than its tag")
            end = start + length
            if end > len(buffer):
                break
            messages.append(bytes(buffer[start:end]))
            at = end
        del buffer[:at]
        return messages
