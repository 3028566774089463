"""What a carrier is to the rest of a node: links, what they promise, and how they fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from ...protocol.errors import SlowlightError
from ...protocol.handshake import Greeting


class UnreachableError(SlowlightError):
    """Nobody answers there: the address is wrong, or the peer is away. Try later."""


class RefusedError(SlowlightError):
    """One end does not want to talk to the other: the wrong node, a stranger, or no room."""


class LostLinkError(SlowlightError):
    """The link was cut: the fault of neither node. What was committed stays; dial again."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a carrier promises of its links; None where it cannot know."""

    shape: Literal["stream", "datagram"]
    """stream: bytes arrive in order or the link breaks; datagram: any may be lost."""
    return_path: bool
    delay_s: float | None
    """One way."""
    rate_bytes_per_s: float | None
    cost_per_byte: float
    """In whatever the owner of the node counts; 0 is free."""


@dataclass(frozen=True, slots=True)
class ProvenPeer:
    """Who is at the other end, as its certificate and its static key prove."""

    identity: bytes
    device: bytes


Decide: TypeAlias = Callable[[bytes, Greeting], ProvenPeer]
"""Says who a peer is, from its static key (32 bytes, proven) and its greeting, or refuses it.

Raises RefusedError, or the DecodeError or IntegrityError of a bad greeting.
"""

Greet: TypeAlias = Callable[[], Greeting]
"""Makes the own greeting, at the moment when it is needed."""


class Link(Protocol):
    """A link on which both ends have proven who they are."""

    peer_identity: bytes
    """The peer's identity id (32 bytes)."""
    peer_device: bytes
    """The peer's device key (32 bytes)."""
    peer_static: bytes | None
    """The peer's proven Noise key (32 bytes); None on a link that needs no proof."""
    peer_greeting: Greeting | None
    """What the peer said in its handshake; None where there was none."""
    round_trip_s: float
    """How long that took to come, from our message before it; its clock showed ``t_ms`` within."""
    promise: Promise

    @property
    def bytes_in(self) -> int:
        """Bytes received from the carrier so far, handshake and framing included."""
        ...

    @property
    def bytes_out(self) -> int:
        """Bytes handed to the carrier so far, handshake and framing included."""
        ...

    async def send(self, message: bytes) -> None:
        """Send one message of at most 65,519 bytes; one task at a time.

        Raises:
            LostLinkError: the link is cut, now or since a send that was cancelled.
        """
        ...

    async def receive(self) -> Sequence[bytes]:
        """Return every message that has arrived, in order, waiting for at least one.

        Returns:
            Nothing if the peer closed the link. No carrier can prove that it was the peer:
            only the peer's BYE does.

        Raises:
            LostLinkError: the link is cut, perhaps inside a message.
            ProtocolError: the bytes are not the peer's, or not in order.
        """
        ...

    async def aclose(self) -> None:
        """Close the link; may be repeated."""
        ...
