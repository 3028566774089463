"""Walks over what is held of a log, from its upper end."""

from __future__ import annotations

from collections.abc import Iterator

from ..protocol.entry import Entry
from ..protocol.run import BLOCK, MAX_RUN_BYTES, open_run
from ..store.base import LogKey, LogStore


def newest_first(store: LogStore, key: LogKey, now_ms: int) -> Iterator[Entry]:
    """Yield the held entries of a log from the newest down, one run in memory at a time."""
    for held in reversed(store.held(key)):
        last = held.last
        while last >= held.first:
            run = store.read_run(
                key,
                max(held.first, last // BLOCK * BLOCK),
                last,
                end_known=False,
                max_bytes=MAX_RUN_BYTES,
                now_ms=now_ms,
            )
            if run is None:
                break
            yield from (entry for entry in reversed(open_run(run)) if entry.seq <= last)
            last = run.first - 1
