"""What this node wants from others: the people it follows, and itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Final, TypeAlias

from ..protocol.entry import CHANNEL_GROUPS, CHANNEL_IDENTITY, CHANNEL_POSTS, CHANNEL_PRIVATE
from ..protocol.roster import MAX_ROSTER_ROWS, Depth, Roster, RosterRow
from ..store.base import Follow, Interval, LogEnding, LogKey, NodeStore

_OWN_CHANNELS: Final = (CHANNEL_POSTS, CHANNEL_PRIVATE, CHANNEL_GROUPS)
MAX_FOLLOWS: Final = MAX_ROSTER_ROWS - len(_OWN_CHANNELS)
"""One row each, as this node follows: channel 1."""

MAX_FRIENDS_OF_FRIENDS: Final = 4_096
"""Of whom the first channel is wanted because followed people follow them; a fair share for each of
those, so that nobody who is followed can fill a roster."""
MAX_INTRODUCERS: Final = 1_000
"""Who follows more people than these needs no introductions."""

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


def roster_of(
    store: NodeStore, identity: bytes, *, blocked: Collection[bytes] = frozenset()
) -> Roster:
    """Return the wishes of a node: all of its own channels, whom its identity follows, and of whom
    those follow the first channel, by which they are known and can be followed.

    Args:
        blocked: of whom nothing is wanted.
    """
    rows = [RosterRow(identity, channel, Depth.EVERYTHING, 0) for channel in _OWN_CHANNELS]
    named = {identity, *blocked}
    for follow in store.follows(identity):
        if follow.identity not in named:
            rows += _rows(follow)
            named.add(follow.identity)
    rows = rows[:MAX_ROSTER_ROWS]
    room = min(MAX_FRIENDS_OF_FRIENDS, MAX_ROSTER_ROWS - len(rows))
    rows += [
        RosterRow(other, CHANNEL_IDENTITY, Depth.EVERYTHING, 0)
        for other in islice(_friends_of_friends(store, identity, named), room)
    ]
    return Roster(rows)


def _friends_of_friends(store: NodeStore, identity: bytes, named: set[bytes]) -> Iterator[bytes]:
    """Yield whom followed people follow, as many of each as fit, nobody twice."""
    introducers = [follow.identity for follow in store.follows(identity)]
    if not introducers or len(introducers) > MAX_INTRODUCERS:
        return
    share = max(1, MAX_FRIENDS_OF_FRIENDS // len(introducers))
    for introducer in introducers:
        for follow in islice(store.follows(introducer), share):
            if follow.identity not in named:
                named.add(follow.identity)
                yield follow.identity


def _rows(follow: Follow) -> list[RosterRow]:
    depth = Depth(follow.depth) if follow.depth in set(Depth) else Depth.EVERYTHING
    n = follow.n if depth is Depth.NEWEST else 0
    if depth is Depth.NEWEST and n == 0:
        depth = Depth.EVERYTHING
    channels = sorted(set(follow.channels) or {CHANNEL_IDENTITY})
    return [RosterRow(follow.identity, channel, depth, n) for channel in channels]
