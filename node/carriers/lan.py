"""The local network, as far as nodes call out on it: what is said and heard, and by whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

from ...protocol.errors import SlowlightError


class LanError(SlowlightError):
    """Nothing can be called out here: no network, or one without multicast."""


class Sighting(NamedTuple):
    """An announcement of some node, perhaps of this one."""

    nonce: bytes
    """16 bytes, new in each announcement."""
    tag: bytes
    """8 bytes: see `nearby_tag`."""
    addresses: tuple[str, ...]
    """``host:port``, each a claim."""


OnSeen: TypeAlias = Callable[[Sighting], None]
OnGone: TypeAlias = Callable[[bytes], None]
"""Told the nonce of an announcement that was taken back, or is too old."""


class Lan(Protocol):
    """A local network on which announcements are made and heard."""

    async def open(self, on_seen: OnSeen, on_gone: OnGone) -> None:
        """Begin to listen; both functions are called in the trio thread.

        Raises:
            LanError: nobody can be heard here.
        """
        ...

    async def announce(self, nonce: bytes, tag: bytes, port: int) -> None:
        """Call out until `withdraw` or `aclose`; raises LanError."""
        ...

    async def withdraw(self, nonce: bytes) -> None:
        """Stop calling out one announcement; nothing if it is not there."""
        ...

    async def aclose(self) -> None:
        """Take everything back and stop listening; may be repeated."""
        ...
