"""The world of a simulation: virtual time, one heap of events, one seed.

Time is an integer of microseconds. Events of one moment happen in the order in which they were
planned. There are no tasks, no threads and no wall clock, and chance comes from the seed alone,
so a seed replays exactly: the trace of a run is a hash over everything that was noted.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

MS_US: Final = 1_000
SECOND_US: Final = 1_000_000
HOUR_US: Final = 3_600 * SECOND_US
DAY_US: Final = 24 * HOUR_US

MAX_EVENTS: Final = 100_000_000
"""A world in which more happens has stalled: two nodes answer each other for ever."""

Action: TypeAlias = Callable[[], None]
Fact: TypeAlias = int | str | bytes


class StalledWorldError(AssertionError):
    """Events caused events without end."""


class Event(NamedTuple):
    """Something that will happen."""

    at_us: int
    order: int
    action: Action


class World:
    """Everything that happens, in order."""

    def __init__(self, seed: int, *, begin_ms: int = 0) -> None:
        """Begin a world.

        Args:
            seed: decides all chance in it.
            begin_ms: what the clocks of its nodes show at time 0, Unix milliseconds.
        """
        self.seed: Final = seed
        self.now_us = 0
        self.events = 0
        """How many have happened."""
        self._begin_ms = begin_ms
        self._heap: list[Event] = []
        self._planned = 0
        self._trace = blake2b(digest_size=16)

    @property
    def now_ms(self) -> int:
        """What a right clock shows: Unix milliseconds."""
        return self._begin_ms + self.now_us // MS_US

    def chance(self, *names: Fact) -> random.Random:
        """Return a source of chance of its own for each list of names.

        What one part of the world draws never changes what another one gets.
        """
        return random.Random(f"{self.seed}/{'/'.join(map(str, names))}")

    def call_at(self, at_us: int, action: Action) -> None:
        """Plan an event.

        Raises:
            ValueError: it would lie in the past.
        """
        if at_us < self.now_us:
            raise ValueError(f"an event at {at_us} us, and it is {self.now_us} us already")
        self._planned += 1
        heapq.heappush(self._heap, Event(at_us, self._planned, action))

    def call_after(self, delay_us: int, action: Action) -> None:
        """Plan an event ``delay_us`` from now, 0 or more."""
        self.call_at(self.now_us + delay_us, action)

    def run_until(self, end_us: int) -> None:
        """Let everything happen that is due up to ``end_us``, which is included.

        Raises:
            StalledWorldError: more than `MAX_EVENTS` happened.
        """
        while self._heap and self._heap[0].at_us <= end_us:
            event = heapq.heappop(self._heap)
            self.now_us = event.at_us
            self.events += 1
            if self.events > MAX_EVENTS:
                raise StalledWorldError(f"more than {MAX_EVENTS:,} events by {self.now_us} us")
            event.action()
        self.now_us = max(self.now_us, end_us)

    def note(self, what: str, *facts: Fact) -> None:
        """Put something that happened into the trace."""
        line = "\0".join((str(self.now_us), what, *(_written(fact) for fact in facts)))
        self._trace.update(f"{line}\n".encode())

    @property
    def trace(self) -> str:
        """Hash of all that was noted so far, 32 hexadecimal digits: equal for equal runs."""
        return self._trace.copy().hexdigest()


def _written(fact: Fact) -> str:
    return fact.hex() if isinstance(fact, bytes) else str(fact)
