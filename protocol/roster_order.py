"""The order that a roster gives to the logs that it wants: where a sketch of 2-byte symbols counts
them.

Whoever knows the roster knows the order, so it is never sent. The slots stand by rising identity;
each identity has one for its records, then one for each channel that is wanted of it, channel 0
included, by rising channel. The logs of one channel, of all devices of the identity, share a slot.
"""

from __future__ import annotations

from typing import Final

from .roster import Roster
from .version_sketch import MAX_SLOTS


class RosterOrder:
    """The slots of one roster."""

    __slots__ = ("_first", "_roster", "count")

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._first: dict[bytes, int] = {}
        count = 0
        for identity in sorted(roster.identities):
            self._first[identity] = count
            count += 1 + len(roster.channels(identity))
        self.count: Final = count

    @property
    def fits(self) -> bool:
        """Whether a sketch has a position for each slot."""
        return 1 <= self.count <= MAX_SLOTS

    def slot(self, identity: bytes, channel: int | None) -> int:
        """Return the slot of a wanted channel of a wanted identity; of None that of its records."""
        first = self._first[identity]
        if channel is None:
            return first
        channels = self._roster.channels(identity)
        return first + 1 + sum(other < channel for other in channels)
