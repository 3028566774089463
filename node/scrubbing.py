"""The node looks after its store by itself: every entry is hashed again, a few at a time."""

from __future__ import annotations

from typing import Final

import trio

from ..store.base import NodeStore, StoreError
from ..store.scrub import SLICE_ENTRIES, ScrubSlice
from .clock import WallClock
from .logs import Log
from .operation import DAY_MS

PAUSE_S: Final = 0.2
"""Between two slices of about 10 ms: a pass over a million entries takes two minutes."""
_LOOK_S: Final = 86_400.0
"""How often the node looks whether a pass is due: clocks are set, machines sleep."""
_SETTING: Final = "scrubbed_ms"


async def keep_scrubbed(store: NodeStore, days: int, *, clock: WallClock, log: Log) -> None:
    """Scrub the store every so many days; 0: never."""
    if not days:
        return
    if not store.setting(_SETTING):
        await _note(store, clock, log)
    while True:
        if clock() - int(store.setting(_SETTING) or 0) >= days * DAY_MS:
            await _scrub(store, clock, log)
        await trio.sleep(_LOOK_S)


async def _scrub(store: NodeStore, clock: WallClock, log: Log) -> None:
    total, after = ScrubSlice(0, 0, 0, 0, ()), 0
    while True:
        try:
            part = store.scrub(after=after, limit=SLICE_ENTRIES, now_ms=clock())
        except StoreError as error:
            log.failure("database failed", reason=str(error))
            return
        total, after = total.plus(part), part.next
        for one in part.named:
            log.warning(
                "damage found",
                device=one.device,
                channel=one.channel,
                seq=one.seq,
                reason=one.reason,
            )
        if not after:
            break
        await trio.sleep(PAUSE_S)
    log.info("scrubbed", entries=total.entries, damaged=total.damaged, mended=total.mended)
    await _note(store, clock, log)


async def _note(store: NodeStore, clock: WallClock, log: Log) -> None:
    try:
        store.put_setting(_SETTING, str(clock()))
    except StoreError as error:
        log.failure("database failed", reason=str(error))
    await trio.lowlevel.checkpoint()
