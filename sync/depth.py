"""How much of a log is wanted: everything, its newest entries, or headers without payloads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..protocol.deletion import is_lasting
from ..protocol.frames import WantRange
from ..protocol.roster import Depth, Roster
from ..protocol.run import Run, build_run, rebuild_run
from ..store.base import LogKey, LogStore


def lowest_wanted(roster: Roster, identity: bytes, channel: int, newest: int) -> int:
    """Return the first entry that is wanted of a log.

    Args:
        newest: its newest sequence number, as far as it is known.
    """
    row = roster.shallow(identity, channel)
    if row is None or row.depth is not Depth.NEWEST:
        return 0
    return max(0, newest - row.n + 1)


def only_headers(roster: Roster, identity: bytes, channel: int) -> bool:
    """Say whether no payloads are wanted of a log."""
    row = roster.shallow(identity, channel)
    return row is not None and row.depth is Depth.STUBS


def stubs_of(run: Run) -> Run:
    """Return a run with headers alone, but for payloads that every holder keeps."""
    entries = [
        entry
        if entry.payload is None or is_lasting(run.channel, entry.payload)
        else entry._replace(payload=None)
        for entry in rebuild_run(run)
    ]
    shallow = build_run(run.device, run.channel, run.prev, entries, run.signature)
    return replace(shallow, last_id=run.last_id)


def wanted_holes(store: LogStore, roster: Roster) -> Iterator[WantRange]:
    """Yield the gaps and stubs of what is wanted, as deep as it is wanted."""
    for hole in store.holes(roster):
        key = store.log_key(hole.log)
        identity = None if key is None else store.identity_of(key.device)
        if key is None or identity is None or roster.shallow(identity, key.channel) is None:
            yield hole
        else:
            yield from _deep_enough(store, roster, identity, key, hole)


def _deep_enough(
    store: LogStore, roster: Roster, identity: bytes, key: LogKey, hole: WantRange
) -> Iterator[WantRange]:
    held = store.held(key)
    lowest = lowest_wanted(roster, identity, key.channel, held[-1].last if held else -1)
    if hole.last >= lowest:
        yield hole._replace(first=max(hole.first, lowest))
