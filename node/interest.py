"""What this node wants from others: the people it follows, and itself."""

from __future__ import annotations

from typing import Final, TypeAlias

from ..protocol.entry import CHANNEL_GROUPS, CHANNEL_IDENTITY, CHANNEL_POSTS, CHANNEL_PRIVATE
from ..protocol.roster import MAX_ROSTER_ROWS, Depth, Roster, RosterRow
from ..store.base import Follow, Interval, LogEnding, LogKey, NodeStore

_OWN_CHANNELS: Final = (CHANNEL_POSTS, CHANNEL_PRIVATE, CHANNEL_GROUPS)
MAX_FOLLOWS: Final = MAX_ROSTER_ROWS - len(_OWN_CHANNELS)
"""One row each, as this node follows: channel 1."""

OtherDevices: TypeAlias = dict[bytes, tuple[list[Interval], LogEnding | None]]
"""What is held of channel 0 of the devices of an identity, and where it ends."""


def other_devices(store: NodeStore, identity: bytes, device: bytes) -> OtherDevices:
    """Return what is held of whom this identity follows by the word of its other devices."""
    return {
        other.device: (
            store.held(LogKey(other.device, CHANNEL_IDENTITY)) if other.device != device else [],
            store.ending(LogKey(other.device, CHANNEL_IDENTITY)),
        )
        for other in store.devices(identity)
    }


def roster_of(store: NodeStore, identity: bytes) -> Roster:
    """Return the wishes of a node: all of its own channels, and whom its identity follows."""
    rows = [RosterRow(identity, channel, Depth.EVERYTHING, 0) for channel in _OWN_CHANNELS]
    for follow in store.follows(identity):
        if follow.identity != identity:
            rows += _rows(follow)
    return Roster(rows[:MAX_ROSTER_ROWS])


def _rows(follow: Follow) -> list[RosterRow]:
    depth = Depth(follow.depth) if follow.depth in set(Depth) else Depth.EVERYTHING
    n = follow.n if depth is Depth.NEWEST else 0
    if depth is Depth.NEWEST and n == 0:
        depth = Depth.EVERYTHING
    channels = sorted(set(follow.channels) or {CHANNEL_IDENTITY})
    return [RosterRow(follow.identity, channel, depth, n) for channel in channels]
