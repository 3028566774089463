"""A local network inside one process, for tests: everybody hears everybody at once."""

from __future__ import annotations

import trio

from .lan import LanError, OnGone, OnSeen, Sighting


class MemoryLan:
    """A network cable; `end` gives each node its own plug."""

    def __init__(self) -> None:
        self.calling: dict[bytes, Sighting] = {}
        self.is_down = False
        """Whether nobody can open an end now."""
        self._ends: list[MemoryLanEnd] = []

    def end(self, host: str) -> MemoryLanEnd:
        """Return the plug of a node that is reached at ``host``."""
        return MemoryLanEnd(self, host)

    def attach(self, end: MemoryLanEnd) -> None:
        """Let an end hear everything that is called out, now and later."""
        self._ends.append(end)
        for sighting in self.calling.values():
            end.on_seen(sighting)

    def detach(self, end: MemoryLanEnd) -> None:
        """Let an end hear no more."""
        if end in self._ends:
            self._ends.remove(end)

    def call_out(self, sighting: Sighting) -> None:
        """Let everybody hear an announcement: also for tests that make up their own."""
        self.calling[sighting.nonce] = sighting
        for end in tuple(self._ends):
            end.on_seen(sighting)

    def take_back(self, nonce: bytes) -> None:
        """Let everybody hear that an announcement is over."""
        if self.calling.pop(nonce, None) is not None:
            for end in tuple(self._ends):
                end.on_gone(nonce)


class MemoryLanEnd:
    """One node's end of a `MemoryLan`: see `Lan`."""

    on_seen: OnSeen
    on_gone: OnGone

    def __init__(self, lan: MemoryLan, host: str) -> None:
        self._lan = lan
        self._host = host
        self._own: set[bytes] = set()

    async def open(self, on_seen: OnSeen, on_gone: OnGone) -> None:
        """Begin to listen."""
        await trio.lowlevel.checkpoint()
        if self._lan.is_down:
            raise LanError("there is no network")
        self.on_seen, self.on_gone = on_seen, on_gone
        self._lan.attach(self)

    async def announce(self, nonce: bytes, tag: bytes, port: int) -> None:
        """Call out."""
        await trio.lowlevel.checkpoint()
        self._own.add(nonce)
        self._lan.call_out(Sighting(nonce, tag, (f"{self._host}:{port}",)))

    async def withdraw(self, nonce: bytes) -> None:
        """Stop calling out."""
        await trio.lowlevel.checkpoint()
        self._own.discard(nonce)
        self._lan.take_back(nonce)

    async def aclose(self) -> None:
        """Take everything back."""
        self._lan.detach(self)
        for nonce in tuple(self._own):
            await self.withdraw(nonce)
