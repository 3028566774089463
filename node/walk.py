"""Walks over what is held of a log, from its upper end."""

from __future__ import annotations

from collections.abc import Iterator

from ..protocol.entry import Entry
from ..protocol.run import BLOCK, MAX_RUN_BYTES, open_run
from ..store.base import LogKey, LogStore, NodeStore


def newest_first(store: LogStore, key: LogKey, now_ms: int) -> Iterator[Entry]:
    """Yield the held entries of a log that stand, from the newest down, one run in memory at a
    time."""
    ending = store.ending(key)
    for held in reversed(store.held(key)):
        last = held.last if ending is None else min(held.last, ending.seq)
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


def newest_first_with_void(store: NodeStore, key: LogKey) -> Iterator[Entry]:
    """Yield all held entries of a log from the newest down, one at a time."""
    for held in reversed(store.held(key)):
        for seq in range(held.last, held.first - 1, -1):
            entry_id = store.id_at(key, seq)
            found = None if entry_id is None else store.entry(entry_id)
            if found is not None:
                yield found.entry
