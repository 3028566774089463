"""One exchange with one peer: until both are in sync, it failed, or the time was up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import trio

from ..protocol.errors import SlowlightError
from ..store.base import Peer
from .links import Ending, ExchangeEnd, ExchangeNews, OnNews, State
from .peer_operations import SyncCounts
from .sessions import LiveSession

NEWS_EVERY_S: Final = 0.1
"""Progress is told at most this often for each peer."""

_NOTHING: Final = SyncCounts()


class DialError(SlowlightError):
    """A peer could not be reached, or one side did not accept the other."""

    def __init__(self, ending: Ending, reason: str, address: str) -> None:
        super().__init__(reason)
        self.ending: Final[Ending] = ending
        self.address: Final = address


Connect: TypeAlias = Callable[[Peer], Awaitable[LiveSession]]
"""Returns the live session with a peer, dialling if need be; raises DialError."""


class Exchange:
    """Watches one session, the one that is live or a new one, and tells how it goes."""

    def __init__(self, peer: Peer, live: LiveSession | None, on_news: OnNews) -> None:
        self._peer = peer
        self._live = live
        self._on_news = on_news
        self._before = _NOTHING if live is None else live.receipted
        self._begun_s = trio.current_time()

    async def run(self, connect: Connect, timeout_s: float) -> ExchangeEnd:
        """Exchange; the session goes on afterwards."""
        with trio.move_on_after(timeout_s):
            if self._live is None:
                self._tell("dialling")
            try:
                live = self._live = await connect(self._peer)
            except DialError as error:
                return self._end(error.ending, str(error), error.address)
            self._tell("connected", live.address)
            live = await self._until_in_sync(live)
            if live.session.in_sync:
                return self._end("in_sync", "", live.address)
            if not live.greeted:
                return self._end("refused", "it closed the link without a word", live.address)
            return self._end("failed", live.failure or "it said goodbye", live.address)
        return self._end("timeout", "the time was up", self._live.address if self._live else "")

    async def _until_in_sync(self, live: LiveSession) -> LiveSession:
        """Return the session that got in sync or ended; another link may have taken over."""
        told_s = trio.current_time()
        while not live.session.in_sync:
            if live.finished.is_set():
                if live.replaced_by is None:
                    break
                live = self._live = live.replaced_by
                self._before = _NOTHING
                continue
            await live.moved.wait()
            if trio.current_time() >= told_s + NEWS_EVERY_S:
                told_s = trio.current_time()
                self._tell("exchanging")
        return live

    def _tell(self, state: State, note: str = "") -> None:
        self._on_news(ExchangeNews(self._peer, state, self._counts(), note))

    def _end(self, ending: Ending, reason: str, address: str) -> ExchangeEnd:
        self._tell("done" if ending == "in_sync" else "failed", reason)
        took_ms = round((trio.current_time() - self._begun_s) * 1_000)
        counts = self._counts()
        if self._live is not None:
            self._live.receipted = self._live.counts
        return ExchangeEnd(self._peer, address, ending, reason, counts, took_ms)

    def _counts(self) -> SyncCounts:
        if self._live is None:
            return _NOTHING
        now, before = self._live.counts, self._before
        return SyncCounts(
            entries_in=now.entries_in - before.entries_in,
            entries_out=now.entries_out - before.entries_out,
            payload_bytes_in=now.payload_bytes_in - before.payload_bytes_in,
            payload_bytes_out=now.payload_bytes_out - before.payload_bytes_out,
            wire_bytes_in=now.wire_bytes_in - before.wire_bytes_in,
            wire_bytes_out=now.wire_bytes_out - before.wire_bytes_out,
            wanted=now.wanted,
        )
