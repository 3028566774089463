"""Where the logs of a device end, when several records speak about it.

A *word* is what one record says about one device: it goes on, or its channels end at the
entries named and all other channels are empty. Words that end a device meet at the lowest end,
channel by channel, so neither order nor repetition matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from .ident import RecordKind
from .identity import DeviceEnds, LogEnd, SignedRecord

NO_ENTRY: Final = -1
"""The last sequence number of a channel that ends empty."""


class Closing(NamedTuple):
    """The end of a channel and the record that sets it."""

    kind: RecordKind
    record: SignedRecord
    end: LogEnd | None
    """None: the channel ends empty (in channel 0 entry 0 stands nevertheless)."""

    @property
    def last_seq(self) -> int:
        """The sequence number of the last entry that the record lets stand, or `NO_ENTRY`."""
        return NO_ENTRY if self.end is None else self.end.seq


@dataclass(frozen=True, slots=True)
class Closings:
    """Where each channel of a device ends."""

    named: Mapping[int, Closing]
    """By channel: the ends of those that do not end as all others do."""
    others: Closing | None
    """What ends all other channels, empty; None: every channel is open."""

    def of(self, channel: int) -> Closing | None:
        """Return what ends a channel; None: it is open."""
        return self.named.get(channel, self.others)

    def deciding(self) -> set[tuple[RecordKind, SignedRecord]]:
        """The records that set an end; the rest could be forgotten without any change."""
        closings = [*self.named.values(), *([self.others] if self.others else [])]
        return {(closing.kind, closing.record) for closing in closings}


ALL_OPEN: Final = Closings(MappingProxyType({}), None)


@dataclass(frozen=True, slots=True)
class Word:
    """What one record says about one device."""

    kind: RecordKind
    record: SignedRecord
    hash: bytes
    """Of the record."""
    open: bool
    ends: Mapping[int, LogEnd]
    """By channel; empty if open."""

    @staticmethod
    def about(device: DeviceEnds, kind: RecordKind, record: SignedRecord) -> Word:
        """Return what a record says about the device."""
        ends = {end.channel: end for end in device.ends}
        return Word(kind, record, record.hash, device.open, ends)

    def closing(self, channel: int) -> Closing:
        """Return how this word ends a channel."""
        return Closing(self.kind, self.record, self.ends.get(channel))


def meet(words: Iterable[Word]) -> Closings:
    """Find where words together end the channels of a device.

    The lower end wins for each channel, and of equal ones that of the record with the lower
    hash; an end is lowest where a word names none.
    """
    closed = sorted((word for word in words if not word.open), key=lambda word: word.hash)
    if not closed:
        return ALL_OPEN
    others = Closing(closed[0].kind, closed[0].record, end=None)
    named: dict[int, Closing] = {}
    for channel in {channel for word in closed for channel in word.ends}:
        ends = (word.closing(channel) for word in closed)
        lowest = min(ends, key=lambda closing: closing.last_seq)
        if lowest != others:
            named[channel] = lowest
    return Closings(MappingProxyType(named), others)
