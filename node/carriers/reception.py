"""Who gets in: the callers of a node, from an accepted stream to a proven link."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import trio

from ...protocol.errors import SlowlightError
from .base import Decide, Greet, Link, LostLinkError, Promise, RefusedError
from .noise_link import LinkKeys, NoiseLink, respond

OnLink: TypeAlias = Callable[[Link, str], Awaitable[None]]
"""Serves one link, whose source is named; the link is closed when it returns."""
OnRefusal: TypeAlias = Callable[[str, SlowlightError], None]
"""Hears that a caller from this source was not let in, and why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many callers a node bears."""

    links: int = 64
    """Proven links at the same time."""
    per_source: int = 4
    """Links and handshakes from one source at the same time."""
    handshakes: int = 32
    """Unfinished handshakes at the same time."""
    handshake_s: float = 10.0
    """Longest time from the first byte to a proven link."""


@dataclass(eq=False, slots=True)
class Visit:
    """One caller."""

    source: str
    handshake: trio.CancelScope = field(default_factory=trio.CancelScope)
    """Cancelled to make room for another caller."""


class Doorkeeper:
    """Counts callers and proven links.

    A newcomer takes the place of the oldest unfinished handshake, its own source's first:
    whoever opens links and says nothing keeps nobody else out, as honest callers need only
    a moment. Proven links are never closed for a newcomer.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: list[Visit] = []
        self._inside: list[Visit] = []

    def enter(self, source: str) -> Visit:
        """Let a caller begin its handshake.

        Raises:
            RefusedError: there is no room for its link.
        """
        self._require_room(source)
        neighbours = _from(source, self._waiting)
        if len(_from(source, self._inside)) + len(neighbours) >= self._limits.per_source:
            self._turn_away(neighbours[0])
        elif len(self._waiting) >= self._limits.handshakes:
            self._turn_away(self._waiting[0])
        visit = Visit(source)
        self._waiting.append(visit)
        return visit

    def admit(self, visit: Visit) -> None:
        """Count a visit as a link, now that its handshake is finished; `leave` ends it.

        Raises:
            RefusedError: there is no room any more.
        """
        self._require_room(visit.source)
        self.leave(visit)
        self._inside.append(visit)

    def leave(self, visit: Visit) -> None:
        """Forget a visit, in whatever state it is."""
        for crowd in (self._waiting, self._inside):
            if visit in crowd:
                crowd.remove(visit)

    def _require_room(self, source: str) -> None:
        if len(self._inside) >= self._limits.links:
            raise RefusedError(f"all {self._limits.links} links are taken")
        if len(_from(source, self._inside)) >= self._limits.per_source:
            raise RefusedError(f"{source} already has {self._limits.per_source} links")

    def _turn_away(self, visit: Visit) -> None:
        self._waiting.remove(visit)
        visit.handshake.cancel()


def _from(source: str, visits: Sequence[Visit]) -> list[Visit]:
    return [visit for visit in visits if visit.source == source]


class Reception:
    """Takes the callers of one node, whatever carrier they come by."""

    def __init__(
        self,
        keys: LinkKeys,
        *,
        greet: Greet,
        decide: Decide,
        on_link: OnLink,
        on_refusal: OnRefusal,
        limits: Limits,
    ) -> None:
        """Say how callers are taken.

        Args:
            keys: the own part of each handshake.
            greet: makes the own greeting.
            decide: says who a caller is, or refuses it.
            on_link: serves one proven link.
            on_refusal: hears of each caller that was not let in.
            limits: how many callers are borne.
        """
        self._keys = keys
        self._greet = greet
        self._decide = decide
        self._on_link = on_link
        self._on_refusal = on_refusal
        self._limits = limits
        self._doorkeeper = Doorkeeper(limits)

    async def welcome(self, stream: trio.abc.Stream, source: str, promise: Promise) -> None:
        """Serve one caller, from its accepted stream until its link is closed.

        Args:
            stream: closed in the end.
            source: where it comes from, as far as `Limits.per_source` tells sources apart.
            promise: what the carrier promises of the link.
        """
        async with stream:
            try:
                visit = self._doorkeeper.enter(source)
            except RefusedError as refusal:
                self._on_refusal(source, refusal)
                return
            try:
                link = await self._shake_hands(stream, visit, promise)
                if link is not None:
                    await self._on_link(link, source)
            finally:
                self._doorkeeper.leave(visit)

    async def _shake_hands(
        self, stream: trio.abc.Stream, visit: Visit, promise: Promise
    ) -> NoiseLink | None:
        visit.handshake.deadline = trio.current_time() + self._limits.handshake_s
        try:
            with visit.handshake:
                link = await respond(
                    stream, self._keys, greet=self._greet, decide=self._decide, promise=promise
                )
                self._doorkeeper.admit(visit)
                return link
            raise LostLinkError("it was slow to shake hands, or others needed its place")
        except SlowlightError as refusal:
            self._on_refusal(visit.source, refusal)
            return None
