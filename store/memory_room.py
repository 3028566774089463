"""How a store in memory makes room: the same rule as on a disk, with weights that are estimated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from ..protocol.entry import CHANNEL_IDENTITY
from ..protocol.run import BLOCK
from .base import LogKey, Share
from .intervals import Held as Span
from .memory_bodies import MemoryBodies
from .memory_log import MemoryLog
from .memory_people import MemoryPerson
from .quota import Held
from .weight import (
    DEVICE_BYTES,
    ENTRY_BYTES,
    INTERVAL_BYTES,
    LEAST_ENTRY_BYTES,
    LOG_BYTES,
    PERSON_BYTES,
    RECORD_BYTES,
    header_bytes,
)

Removed = Callable[[MemoryLog, Collection[int]], None]
"""Is told which entries of a log are about to go."""


class MemoryRoom:
    """Keeps `eviction.Room`."""

    def __init__(
        self,
        logs: Mapping[LogKey, MemoryLog],
        people: Mapping[bytes, MemoryPerson],
        bodies: MemoryBodies,
        *,
        removed: Removed,
        forget: Callable[[bytes], int],
    ) -> None:
        self._logs: Final = logs
        self._people: Final = people
        self._bodies: Final = bodies
        self._removed: Final = removed
        self._forget: Final = forget

    def shares(self) -> list[Share]:
        """Return what everyone takes, in no order."""
        return [self._share(identity, person) for identity, person in self._people.items()]

    def held(self) -> list[Held]:
        found: list[Held] = []
        for identity, person in self._people.items():
            via = ""
            for log in sorted(person.logs, key=lambda log: log.key.channel != CHANNEL_IDENTITY):
                via = log.entries[max(log.entries)].via if log.entries else via
            found.append(Held(identity, self._share(identity, person).bytes, via))
        return found

    def drop_oldest(self, identity: bytes, wanted_bytes: int, most: int) -> int:
        return self._bodies.evict_oldest({identity: wanted_bytes}, most)

    def cut_oldest(self, identity: bytes, wanted_bytes: int, most: int) -> int:
        done, left = 0, wanted_bytes
        for log in self._cuttable(identity):
            if left <= 0 or done >= most:
                break
            each = ENTRY_BYTES + _bytes_of(log) // len(log.entries)
            newest = log.newest_standing
            held = sorted(log.entries)
            count = min(most - done, -(-left // each))
            floor = held[min(count, len(held) - 1)]
            if newest is not None:
                gone = self._cut(log, min(floor, newest.seq))
                done, left = done + gone, left - gone * each
        return done

    def forget(self, identity: bytes) -> int:
        return self._forget(identity)

    def people_evicted(self) -> set[bytes]:
        """Return the people of whom anything was evicted."""
        return {
            log.identity
            for key, log in self._logs.items()
            if log.floor or self._bodies.has_evicted(key)
        }

    def want_texts(self, identity: bytes, room_bytes: int, most: int) -> int:
        return self._bodies.want_evicted(identity, room_bytes, most)

    def lower_floor(self, identity: bytes, room_bytes: int) -> int:
        logs = sorted((log for log in self._of(identity) if log.floor), key=lambda log: -log.floor)
        waits = any(not log.intervals or log.intervals[0].first > log.floor for log in logs)
        if waits or self._bodies.awaited_bytes(identity):
            return 0
        for log in logs:
            each = max(ENTRY_BYTES + _bytes_of(log) // len(log.entries), LEAST_ENTRY_BYTES)
            count = min(room_bytes // each, log.floor - (log.floor - 1) // BLOCK * BLOCK)
            if count > 0:
                log.floor -= count
                return count
        return 0

    def _of(self, identity: bytes) -> list[MemoryLog]:
        return [log for log in self._logs.values() if log.identity == identity]

    def _cuttable(self, identity: bytes) -> list[MemoryLog]:
        found = [
            log
            for log in self._of(identity)
            if log.key.channel != CHANNEL_IDENTITY
            and log.fork is None
            and log.newest_standing is not None
            and log.intervals[0].first < log.newest_standing.seq
        ]
        return sorted(found, key=lambda log: log.entries[log.intervals[0].first].entry.t_ms)

    def _cut(self, log: MemoryLog, floor: int) -> int:
        gone = sorted(seq for seq in log.entries if seq < floor)
        prev = log.entries[floor].prev
        self._removed(log, gone)
        for seq in gone:
            del log.entries[seq]
        log.intervals = [
            each if each.first >= floor else Span(floor, each.last, prev, each.signature)
            for each in log.intervals
            if each.last >= floor
        ]
        log.floor = floor
        return len(gone)

    def _share(self, identity: bytes, person: MemoryPerson) -> Share:
        logs = person.logs
        entries = sum(len(log.entries) for log in logs)
        header = PERSON_BYTES + DEVICE_BYTES * len(person.devices) + ENTRY_BYTES * entries
        header += sum(LOG_BYTES + INTERVAL_BYTES * len(log.intervals) for log in logs)
        header += sum(RECORD_BYTES + len(record.body) for _, record in person.records)
        payload_bytes = sum(log.payload_bytes for log in logs)
        header += sum(_bytes_of(log) for log in logs) - payload_bytes
        return Share(identity, entries, payload_bytes, header)


def _bytes_of(log: MemoryLog) -> int:
    """Return what the entries of a log take above the fixed part of each."""
    return log.payload_bytes + sum(
        header_bytes(held.entry, signed=held.signature is not None) for held in log.entries.values()
    )
