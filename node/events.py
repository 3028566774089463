"""Who listens to what happens in a node, and what waits for each listener: a bounded amount."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, Literal, NamedTuple, TypeAlias

import trio

from .errors import Code, ServiceError

MAX_LISTENERS: Final = 32
MAX_WAITING: Final = 64
"""Notices that wait for one listener; who falls further behind is dropped."""

LinkState: TypeAlias = Literal["up", "in_sync", "exchanging", "down"]


class LinkNotice(NamedTuple):
    """Something happened to the session with a peer."""

    identity: bytes
    device: bytes
    address: str
    state: LinkState


class Listener:
    """What waits for one listener."""

    def __init__(self) -> None:
        self._waiting: Final[deque[LinkNotice]] = deque()
        self._stored = False
        self._woken = trio.Event()
        self.dropped = False
        """It did not listen for so long that something would be missing."""

    def tell_link(self, notice: LinkNotice) -> None:
        """Let a notice wait, if there is room."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(notice)
        else:
            self.dropped = True
        self._woken.set()

    def tell_stored(self) -> None:
        """Entries were committed; however often, this waits once."""
        self._stored = True
        self._woken.set()

    async def wait(self) -> tuple[bool, list[LinkNotice]]:
        """Return whether anything was stored and what happened to links, when there is news."""
        await self._woken.wait()
        self._woken = trio.Event()
        stored, self._stored = self._stored, False
        notices = list(self._waiting)
        self._waiting.clear()
        return stored, notices


class Events:
    """What happens in one node, for whoever listens."""

    def __init__(self) -> None:
        self._listeners: Final[set[Listener]] = set()

    def link(self, notice: LinkNotice) -> None:
        """Tell everybody of a link."""
        for listener in self._listeners:
            listener.tell_link(notice)

    def stored(self) -> None:
        """Tell everybody that entries were committed."""
        for listener in self._listeners:
            listener.tell_stored()

    def require_room(self) -> None:
        """Require that another one may listen.

        Raises:
            ServiceError: `MAX_LISTENERS` listen already (``budget_spent``).
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise ServiceError(
                Code.BUDGET_SPENT,
                f"{MAX_LISTENERS} programs listen to this node already",
                "let one of them close its stream",
            )

    @contextmanager
    def listening(self) -> Generator[Listener]:
        """Listen until the end of the block; errors as for `require_room`."""
        self.require_room()
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
