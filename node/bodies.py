"""Bodies that go by themselves: lifetimes end, and what was dropped leaves the disk."""

from __future__ import annotations

from typing import Final

import trio

from ..store.base import NodeStore, StoreError
from .clock import WallClock
from .logs import Log
from .sessions import Bell

EXPIRED_AT_ONCE: Final = 200
"""Texts dropped before others get their turn, some 20 ms."""
PURGE_PAUSE_S: Final = 0.05
"""Between two steps of a purge."""
LONGEST_SLEEP_S: Final = 86_400.0
"""A clock of the machine that was set right is noticed within a day."""


async def look_after_bodies(store: NodeStore, stored: Bell, log: Log, *, clock: WallClock) -> None:
    """Drop texts when their lifetime ends, and take what was dropped off the disk.

    Sleeps until the next end, or until something was stored.
    """
    while True:
        sleep_s = float("inf")
        try:
            next_ms = store.expire(clock(), limit=EXPIRED_AT_ONCE)
            if next_ms is not None:
                sleep_s = min(LONGEST_SLEEP_S, next_ms / 1_000)
            if store.purge():
                sleep_s = min(sleep_s, PURGE_PAUSE_S)
        except StoreError as error:
            log.failure("database failed", reason=str(error))
        with trio.move_on_after(sleep_s):
            await stored.wait()
