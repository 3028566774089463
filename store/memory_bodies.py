"""Payloads of a store in memory that go: orders, marks, lifetimes, holes."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from ..protocol.content import Delete, Edit, decode_content, split_payload
from ..protocol.deletion import is_lasting, ordered_ranges
from ..protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, Entry
from ..protocol.frames import WantRange
from ..protocol.roster import Depth, Roster
from .base import MAX_PAYLOAD_HOLES, LogKey
from .derived import links_of_post
from .lives import LifeClock
from .marks import (
    MAX_MARKS_PER_LOG,
    Mark,
    MarkKind,
    laid,
    mark_at,
    without,
    without_own_reasons,
)
from .memory_edits import MemoryEdits
from .memory_log import MemoryLog
from .memory_people import MemoryPerson
from .memory_posts import MemoryPosts
from .serving import is_alive, within


class _Order(NamedTuple):
    log: LogKey
    seq: int
    identity: bytes


class MemoryBodies:
    """Which payloads went and why, and which are wanted."""

    def __init__(
        self,
        logs: Mapping[LogKey, MemoryLog],
        people: Mapping[bytes, MemoryPerson],
        posts: MemoryPosts,
        edits: MemoryEdits,
    ) -> None:
        self._logs: Final = logs
        self._people: Final = people
        self._posts: Final = posts
        self._edits: Final = edits
        self._marks: Final[dict[LogKey, list[Mark]]] = {}
        self._orders: Final[dict[bytes, _Order]] = {}
        """By the id of the entry that orders."""
        self._lifted: Final[set[bytes]] = set()
        self._holes: Final[dict[LogKey, set[int]]] = {}
        self._place_of: Final[dict[bytes, tuple[LogKey, int]]] = {}
        """Entries of channel 1, by id."""
        self._ends: Final[list[tuple[int, LogKey, int]]] = []
        self._clock = LifeClock(0, 0)

    def mark_of(self, key: LogKey, seq: int) -> Mark | None:
        """Return why a payload is not wanted (see `NodeStore.mark_of`)."""
        mark = mark_at(self._marks.get(key, ()), seq)
        return mark if mark and mark.kind is not MarkKind.ORDERED else None

    def without_marked(self, key: LogKey, entries: Sequence[Entry]) -> list[Entry]:
        """Return entries that arrive without the payloads that are not wanted."""
        marks = self._marks.get(key)
        if not marks:
            return list(entries)
        taken: list[Entry] = []
        for entry in entries:
            mark = mark_at(marks, entry.seq)
            if mark and entry.payload is not None and not is_lasting(key.channel, entry.payload):
                if mark.kind is MarkKind.ORDERED:
                    self._lay(key, _exactly(mark, entry.seq))
                taken.append(entry._replace(payload=None))
            else:
                taken.append(entry)
        return taken

    def take(self, arrived: Iterable[tuple[MemoryLog, int]], received_ms: int) -> None:
        """Act on entries that arrived or whose payload did, once the posts are taken up."""
        said: list[tuple[MemoryLog, int]] = []
        for log, seq in arrived:
            entry = log.entries[seq].entry
            if entry.payload is None:
                if is_alive(entry) and self.mark_of(log.key, seq) is None:
                    self._holes.setdefault(log.key, set()).add(seq)
            else:
                self._holes.get(log.key, set()).discard(seq)
                if entry.expire_ms:
                    self._note_end(log.key, entry, received_ms)
            if log.key.channel == CHANNEL_POSTS:
                self._place_of[entry.id] = log.key, seq
                self._drop_edits_of_gone(entry.id, log.identity)
                said.append((log, seq))
        for log, seq in said:
            self._take_words(log, seq)

    def carry_out_all(self, identity: bytes) -> None:
        """Carry out every order of an identity that stands, as when it has a new device."""
        for order_id, order in list(self._orders.items()):
            if order.identity == identity and order_id not in self._lifted:
                self._carry_out(order_id, order)

    def lift(self, log: MemoryLog, seqs: Iterable[int]) -> None:
        """These entries are void: what they deleted is wanted again."""
        void = set(seqs)
        lifted = {
            order_id
            for order_id, order in self._orders.items()
            if order.log == log.key and order.seq in void and order_id not in self._lifted
        }
        self._lifted.update(lifted)
        again: list[tuple[LogKey, Mark]] = []
        for key, marks in self._marks.items():
            again += [(key, mark) for mark in marks if mark.ordered_by in lifted]
            self._marks[key] = [mark for mark in marks if mark.ordered_by not in lifted]
        for identity in {self._orders[order_id].identity for order_id in lifted}:
            self.carry_out_all(identity)
        for key, mark in again:
            for seq, held in self._in(key, mark.first, mark.last):
                if held.payload is None and self.mark_of(key, seq) is None:
                    self._holes.setdefault(key, set()).add(seq)

    def apply(self, log: MemoryLog, seqs: Iterable[int]) -> None:
        """These entries stand after all: their deletions count again."""
        standing = set(seqs)
        for order_id, order in list(self._orders.items()):
            if order.log == log.key and order.seq in standing and order_id in self._lifted:
                self._lifted.discard(order_id)
                self._carry_out(order_id, order)

    def put_aside(self, key: LogKey, entries: Iterable[Entry]) -> None:
        """Other entries stand in the place of these now, whose orders are lifted already."""
        gone = {entry.seq for entry in entries}
        for entry in entries:
            self._place_of.pop(entry.id, None)
            self._orders.pop(entry.id, None)
            self._lifted.discard(entry.id)
        self._holes.get(key, set()).difference_update(gone)
        self._ends[:] = [end for end in self._ends if end[1] != key or end[2] not in gone]
        heapq.heapify(self._ends)
        self._marks[key] = without_own_reasons(self._marks.get(key, ()), min(gone), max(gone))

    def expire(self, now_ms: int, limit: int) -> int | None:
        """Drop payloads whose lifetime has ended (see `NodeStore.expire`)."""
        if not self._ends:
            return None
        self._clock = self._clock.at(now_ms)
        while limit and self._ends and self._ends[0][0] <= self._clock.lived_ms:
            _, key, seq = heapq.heappop(self._ends)
            self._drop(key, Mark(seq, seq, MarkKind.EXPIRED, b""))
            limit -= 1
        return max(0, self._ends[0][0] - self._clock.lived_ms) if self._ends else None

    def holes(self, roster: Roster) -> Iterator[WantRange]:
        """Yield ranges of stubs whose payload is wanted (see `LogStore.holes`)."""
        left = MAX_PAYLOAD_HOLES
        for key, seqs in self._holes.items():
            log = self._logs[key]
            row = roster.shallow(log.identity, key.channel)
            if not roster.wants(log.identity, key.channel) or (row and row.depth is Depth.STUBS):
                continue
            for first, last in _ranges(seqs):
                if not left:
                    return
                left -= 1
                hole = WantRange(log.log, first, last, log.entries[last].entry.id)
                yield from within(hole, log.ending)

    def _lay(self, key: LogKey, mark: Mark) -> None:
        marks = self._marks.get(key, [])
        touching = [
            each for each in marks if each.first <= mark.last + 1 and each.last >= mark.first - 1
        ]
        after = sorted([each for each in marks if each not in touching] + laid(touching, mark))
        if len(after) <= max(len(marks), MAX_MARKS_PER_LOG):
            self._marks[key] = after

    def _in(self, key: LogKey, first: int, last: int) -> list[tuple[int, Entry]]:
        log = self._logs.get(key)
        held = log.entries.items() if log else ()
        return [(seq, each.entry) for seq, each in held if first <= seq <= last]

    def evict_oldest(self, gone: Mapping[bytes, int], most: int) -> int:
        """Drop the oldest payloads of people until so many bytes went, or ``most`` entries."""
        dropped = 0
        for identity, wanted in gone.items():
            left = wanted
            candidates = sorted(
                (held.entry.t_ms, key, seq, held.entry.size)
                for key, log in self._logs.items()
                if log.identity == identity and key.channel != CHANNEL_IDENTITY
                for seq, held in log.entries.items()
                if held.entry.payload is not None
                and (key.channel != CHANNEL_POSTS or links_of_post(key.channel, held.entry.payload))
            )
            for _, key, seq, size in candidates:
                if left <= 0 or dropped >= most:
                    break
                self._drop(key, Mark(seq, seq, MarkKind.EVICTED, b""))
                left -= size
                dropped += 1
        return dropped

    def has_evicted(self, key: LogKey) -> bool:
        """Say whether payloads of a log were evicted."""
        return any(mark.kind is MarkKind.EVICTED for mark in self._marks.get(key, ()))

    def awaited_bytes(self, identity: bytes) -> int:
        """Return what the payloads take that are wanted of a person and have not come."""
        return sum(
            self._logs[key].entries[seq].entry.size
            for key, seqs in self._holes.items()
            if self._logs[key].identity == identity
            for seq in seqs
        )

    def want_evicted(self, identity: bytes, room_bytes: int, most: int) -> int:
        """Make holes of evicted payloads of a person, the newest first."""
        left = room_bytes - self.awaited_bytes(identity)
        stubs = [
            (entry.t_ms, key, seq, entry)
            for key, marks in self._marks.items()
            if key in self._logs and self._logs[key].identity == identity
            for mark in marks
            if mark.kind is MarkKind.EVICTED
            for seq, entry in self._in(key, mark.first, mark.last)
            if entry.payload is None
        ]
        done = 0
        for _, key, seq, entry in sorted(stubs, key=lambda stub: stub[:3], reverse=True)[:most]:
            if entry.size > left:
                break
            marks = self._marks[key]
            (mark,) = (each for each in marks if each.first <= seq <= each.last)
            self._marks[key] = sorted([each for each in marks if each != mark] + without(mark, seq))
            if is_alive(entry):
                self._holes.setdefault(key, set()).add(seq)
                left -= entry.size
            done += 1
        return done

    def remove(self, log: MemoryLog, seqs: Collection[int]) -> None:
        """These entries are about to go with their headers."""
        for seq in seqs:
            self._place_of.pop(log.entries[seq].entry.id, None)
            self._edits.forget(log.key, seq)
            self._holes.get(log.key, set()).discard(seq)
        gone = set(seqs)
        self._ends[:] = [end for end in self._ends if end[1] != log.key or end[2] not in gone]
        heapq.heapify(self._ends)
        if seqs:
            self._marks[log.key] = [
                mark
                for mark in self._marks.get(log.key, ())
                if mark.kind is not MarkKind.EVICTED or mark.last > max(seqs)
            ]

    def forget(self, key: LogKey) -> None:
        """Nothing of a log is held any more."""
        self._marks.pop(key, None)
        self._holes.pop(key, None)
        for order_id in [each for each, order in self._orders.items() if order.log == key]:
            del self._orders[order_id]
            self._lifted.discard(order_id)

    def _drop(self, key: LogKey, mark: Mark) -> None:
        looked_at = key.channel == CHANNEL_IDENTITY and mark.kind is MarkKind.DELETED
        self._lay(key, mark._replace(kind=MarkKind.ORDERED) if looked_at else mark)
        for seq, entry in self._in(key, mark.first, mark.last):
            if entry.payload is not None and not is_lasting(key.channel, entry.payload):
                self._drop_held(self._logs[key], seq, mark)
            elif not looked_at:
                self._holes.get(key, set()).discard(seq)
            if key.channel == CHANNEL_POSTS:
                self._drop_edits(entry.id, self._logs[key].identity, mark)

    def _drop_held(self, log: MemoryLog, seq: int, mark: Mark) -> None:
        held = log.entries[seq]
        self._posts.hide(log, [seq])
        self._edits.forget(log.key, seq)
        log.entries[seq] = replace(held, entry=held.entry._replace(payload=None))
        if log.key.channel == CHANNEL_IDENTITY:
            self._people[log.identity].words = None
            if mark.kind is MarkKind.DELETED:
                self._lay(log.key, _exactly(mark, seq))

    def _drop_edits(self, target: bytes, identity: bytes, mark: Mark) -> None:
        """A post takes its edits along."""
        for key, seq in self._edits.places(target, identity):
            self._drop(key, mark._replace(first=seq, last=seq))

    def _drop_edits_of_gone(self, target: bytes, identity: bytes) -> None:
        gone = self._mark_of_post(target, identity)
        if gone is not None:
            self._drop_edits(target, identity, gone)

    def _take_words(self, log: MemoryLog, seq: int) -> None:
        held = log.entries[seq]
        payload = held.entry.payload
        match payload and decode_content(split_payload(payload), CHANNEL_POSTS):
            case Edit(target=target):
                gone = self._mark_of_post(target, log.identity)
                if gone is None:
                    self._edits.add(target, held)
                    self._edits.count(log, [seq], stand=log.stands(seq))
                else:
                    self._drop(log.key, gone._replace(first=seq, last=seq))
            case Delete():
                order = _Order(log.key, seq, log.identity)
                if self._orders.setdefault(held.entry.id, order) != order:
                    return
                if log.stands(seq):
                    self._carry_out(held.entry.id, order)
                else:
                    self._lifted.add(held.entry.id)
            case _:
                pass

    def _carry_out(self, order_id: bytes, order: _Order) -> None:
        held = self._logs[order.log].entries.get(order.seq)
        payload = held and held.entry.payload
        content = payload and decode_content(split_payload(payload), CHANNEL_POSTS)
        if not isinstance(content, Delete):
            return
        known = self._people[order.identity].devices
        for device, channel, first, last in ordered_ranges(content, order.log.device):
            if device in known:
                mark = Mark(first, last, MarkKind.DELETED, order_id)
                self._drop(LogKey(device, channel), mark)

    def _mark_of_post(self, target: bytes, identity: bytes) -> Mark | None:
        place = self._place_of.get(target)
        if place is None or self._logs[place[0]].identity != identity:
            return None
        if self._logs[place[0]].entries[place[1]].entry.payload is not None:
            return None
        mark = self.mark_of(*place)
        return mark if mark and mark.kind >= MarkKind.EXPIRED else None

    def _note_end(self, key: LogKey, entry: Entry, received_ms: int) -> None:
        self._clock = self._clock.at(received_ms)
        heapq.heappush(self._ends, (self._clock.lived_ms + entry.remaining_ms, key, entry.seq))


def _exactly(mark: Mark, seq: int) -> Mark:
    return Mark(seq, seq, MarkKind.DELETED, mark.ordered_by)


def _ranges(seqs: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield runs of consecutive numbers, lowest first."""
    first = last = -2
    for seq in sorted(seqs):
        if seq != last + 1:
            if first >= 0:
                yield first, last
            first = seq
        last = seq
    if first >= 0:
        yield first, last
