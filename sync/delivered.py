"""What one peer is known to have, for people who ask who has an entry.

Sync itself needs none of it: without these notes nothing is sent twice or left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ..store.base import MAX_SENT_RANGES, Delivered, LogStore, PeerMemory, SentRange


class DeliveryNotes:
    """What is known of one peer, from what was kept to what its session shows."""

    def __init__(self, store: LogStore, device: bytes, sent: SentLog) -> None:
        """Begin with what was kept.

        Args:
            sent: filled by whoever sends.
        """
        self._store = store
        self._device = device
        self._sent = sent
        self._kept = self._noted = store.delivered(device)
        sent.remember(self._noted.sent)

    def note(
        self, memory: PeerMemory, offered: bytes, now_ms: int, *, heard: bool, confirmed: bool
    ) -> None:
        """Take up how a session stands.

        Args:
            memory: what is remembered of the peer by now.
            offered: hash of what is offered to it.
            heard: we have everything that it offered.
            confirmed: it has confirmed that it lacks nothing.
        """
        if heard:
            self._noted = replace(self._noted, heard_ms=now_ms)
        if confirmed:
            self._sent.forget()
            self._noted = Delivered(
                memory.nonce,
                memory.counter,
                offered,
                self._store.last_arrival,
                now_ms,
                self._noted.heard_ms,
            )

    def known(self, memory: PeerMemory, offered: bytes) -> Delivered:
        """Return what the peer is known to have; arguments as for `note`."""
        if self._noted.holds_for(memory, offered) and self._noted.counter <= memory.counter:
            return replace(self._noted, sent=self._sent.ranges())
        return Delivered(
            memory.nonce,
            memory.counter,
            offered,
            heard_ms=self._noted.heard_ms,
            sent=self._sent.ranges(),
        )

    def keep(self, memory: PeerMemory, offered: bytes) -> None:
        """Let the store remember it, if it is news; arguments as for `note`."""
        known = self.known(memory, offered)
        if known != self._kept:
            self._kept = known
            self._store.remember_delivered(self._device, known)


class SentLog:
    """One range for each log; where a second one does not touch the first, the newer stays.

    So it may tell of less than was sent, never of more.
    """

    def __init__(self) -> None:
        self._ranges: Final[dict[bytes, SentRange]] = {}

    def remember(self, ranges: Iterable[SentRange]) -> None:
        """Take up what earlier sessions sent."""
        for each in ranges:
            self.add(*each)

    def add(self, log: bytes, first: int, last: int) -> None:
        """Entries ``first..last`` of a log were sent."""
        before = self._ranges.pop(log, None)
        if before is not None and first <= before.last + 1 and before.first <= last + 1:
            first, last = min(first, before.first), max(last, before.last)
        self._ranges[log] = SentRange(log, first, last)
        if len(self._ranges) > MAX_SENT_RANGES:
            del self._ranges[next(iter(self._ranges))]

    def forget(self) -> None:
        """The peer has confirmed everything."""
        self._ranges.clear()

    def ranges(self) -> tuple[SentRange, ...]:
        """Return what is remembered, what was sent last at the end."""
        return tuple(self._ranges.values())
