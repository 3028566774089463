"""One log in memory: its entries, its intervals, and the runs it gives out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from ..protocol.entry import EMPTY_LOG, MAX_SEQ, Entry, LogHead, log_id
from ..protocol.hashing import ZERO_HASH
from ..protocol.run import BLOCK, Run
from .base import OWN, HeldEntry, LogEnding, LogKey, Outcome
from .forks import Fork, KeptEntry
from .ingest import (
    Proven,
    RefusedError,
    filled_stub,
    from_floor,
    is_duplicate,
    keeps_signature,
    prove,
    require_continuing,
)
from .intervals import Held, merged, touching
from .serving import as_sent, longest_run
from .standings import floor_of


class Arrival(NamedTuple):
    """When and how entries came."""

    received_ms: int
    via: str


class Taken(NamedTuple):
    """What a run or own entries changed, as sequence numbers in rising order."""

    new: Sequence[int] = ()
    filled: Sequence[int] = ()
    """Entries that were held as stubs and now have their payload."""


NOTHING_TAKEN: Final = Taken()

Wanted = Callable[[LogKey, Sequence[Entry]], list[Entry]]
"""Takes the payloads from entries that are not wanted."""


class MemoryLog:
    """The held entries of one log. Entries are shared with whoever made them, never copied."""

    __slots__ = (
        "changed",
        "ending",
        "entries",
        "floor",
        "fork",
        "fork_changed",
        "identity",
        "intervals",
        "key",
        "log",
    )

    def __init__(self, key: LogKey, identity: bytes) -> None:
        self.key: Final = key
        self.log: Final = log_id(*key)
        self.identity: Final = identity
        self.entries: Final[dict[int, HeldEntry]] = {}
        self.intervals: list[Held] = []
        """Lowest first."""
        self.changed = 0
        """The store's change counter when the newest entry or the proof changed last."""
        self.fork: Fork | None = None
        self.fork_changed = 0
        """The store's change counter when the proof changed last."""
        self.floor = 0
        """What lies below was evicted and is not taken."""
        self.ending: LogEnding | None = None
        """Where a record ends it."""

    @property
    def head(self) -> LogHead:
        """The newest entry held."""
        if not self.intervals:
            return EMPTY_LOG
        newest = self.entries[self.intervals[-1].last].entry
        return LogHead(newest.seq, newest.id, newest.lamport)

    @property
    def payload_bytes(self) -> int:
        """How much the payloads take that are held."""
        entries = (held.entry for held in self.entries.values())
        return sum(entry.size for entry in entries if entry.payload is not None)

    @property
    def last_standing(self) -> int:
        """The last sequence number at which a held entry can stand."""
        if self.ending is None:
            return MAX_SEQ
        held = self.entries.get(self.ending.seq)
        off_branch = held is not None and self.ending.id not in (b"", held.entry.id)
        return self.ending.seq - off_branch

    @property
    def newest_standing(self) -> Entry | None:
        """The newest entry held that stands."""
        last = self.last_standing
        interval = self._highest_below(last)
        return self.entries[min(last, interval.last)].entry if interval else None

    def has_payload(self, seq: int) -> bool:
        """Say whether the payload of a held entry is held."""
        return self.entries[seq].entry.payload is not None

    def stands(self, seq: int) -> bool:
        """Say whether a held entry counts as said by its identity."""
        return seq <= self.last_standing

    def marked(self, seq: int) -> HeldEntry:
        """Return a held entry with the mark of what voids it."""
        held = self.entries[seq]
        if self.ending is None or self.stands(seq):
            return held
        return replace(held, void=self.ending.void(seq, held.entry.id))

    def append(
        self, signed: Sequence[tuple[Entry, bytes]], arrival: Arrival, wanted: Wanted
    ) -> Taken:
        """Append own entries.

        Raises:
            ValueError: they do not continue the head, or are none; nothing is changed.
        """
        if not signed:
            raise ValueError("no entry to append")
        head = self.head
        require_continuing(self.key, head, signed)
        entries = wanted(self.key, [entry for entry, _ in signed])
        taken = self._keep(Proven(entries, signed[-1][1]), head.id, arrival)
        for entry, signature in signed:
            self._sign(entry.seq, signature)
        return taken

    def take(
        self,
        run: Run,
        arrival: Arrival,
        wanted: Wanted,
        vouched: tuple[int, bytes] | None = None,
    ) -> Taken:
        """Prove a run and keep what is new of it.

        Args:
            wanted: returns entries without the payloads that are not wanted.
            vouched: number and id of an entry for which a fork proof vouches.

        Raises:
            RefusedError: it is not stored; nothing is changed.
        """
        floor = floor_of(self.floor, self.ending)
        if run.last < floor:
            raise RefusedError(Outcome.UNWANTED, "there is no room here for what lies so deep")
        touched = touching(self.intervals, run.first, run.last)
        if is_duplicate(run, touched, self._id_at, self.ending) and not self._lacks_payloads(run):
            return NOTHING_TAKEN
        proven = prove(run, touched, self._id_at, self.ending, vouched)
        proven, prev = from_floor(proven, run.prev, floor)
        kept = proven._replace(entries=wanted(self.key, proven.entries))
        return self._keep(kept, prev, arrival)

    def keep_first(self, entry: Entry, signature: bytes, arrival: Arrival) -> Taken:
        """Keep entry 0 of an empty log, whose signature was checked before."""
        return self._keep(Proven([entry], signature), ZERO_HASH, arrival)

    def cut(self, first: int, last: int) -> None:
        """Take consecutive held entries out."""
        at = next(n for n, each in enumerate(self.intervals) if each.first <= first <= each.last)
        whole = self.intervals[at]
        parts: list[Held] = []
        if whole.first < first:
            signature = self.entries[first - 1].signature
            parts.append(Held(whole.first, first - 1, whole.prev, signature))
        if last < whole.last:
            below = self._id_at(last)
            parts.append(Held(last + 1, whole.last, below, whole.signature))
        self.intervals[at : at + 1] = parts
        for seq in range(first, last + 1):
            del self.entries[seq]

    def put_in(self, kept: Sequence[KeptEntry], entries: Sequence[Entry]) -> None:
        """Put consecutive entries in that were kept beside.

        Args:
            entries: the same, without the payloads that are not wanted.
        """
        for each, entry in zip(kept, entries, strict=True):
            stays = each.via == OWN or keeps_signature(entry.seq)
            self.entries[entry.seq] = HeldEntry(
                self.key,
                self.identity,
                each.prev,
                entry,
                each.signature if stays else None,
                each.received_ms,
                each.via,
            )
        first, last = kept[0], kept[-1]
        joins = any(each.first == last.entry.seq + 1 for each in self.intervals)
        signature = None if joins else last.signature
        self._join(Held(first.entry.seq, last.entry.seq, first.prev, signature))

    def read_run(
        self, first: int, last: int, *, end_known: bool, max_bytes: int, now_ms: int
    ) -> Run | None:
        """Return a run for ``first..last`` (see `LogStore.read_run`)."""
        if not self.stands(last):
            last, end_known = self.last_standing, False
        interval = self._highest_below(last)
        if interval is None or min(last, interval.last) < first:
            return None
        end = self._run_end(interval, first, last, end_known=end_known)
        if end is None:
            return None
        asked, top, signed = end
        lowest = max(first, interval.first, top // BLOCK * BLOCK)
        return longest_run(
            self.key,
            self._entries_down(top, asked, lowest, now_ms),
            needed=top - asked + 1,
            signature=self.entries[top].signature if signed else None,
            max_bytes=max_bytes,
            prev_of=lambda seq: self.entries[seq].prev,
        )

    def _run_end(
        self, interval: Held, first: int, last: int, *, end_known: bool
    ) -> tuple[int, int, bool] | None:
        """Choose the highest entry with its payload, the last one, and whether that is signed."""
        asked = min(last, interval.last)
        if end_known and asked == last:
            ends_log = self.ending is not None and self.ending.seq == last
            return asked, asked, ends_log or asked % BLOCK == BLOCK - 1
        for top in range(asked, interval.last + 1):
            if self.entries[top].signature is not None:
                return asked, top, True
        # Only the record that ended the log vouched for its end: what is below can be proven.
        lowest = max(first, interval.first, asked // BLOCK * BLOCK)
        for top in range(asked, lowest - 1, -1):
            if self.entries[top].signature is not None:
                return top, top, True
        return None

    def written_ms(self, seq: int) -> int:
        """Return the claimed time of the highest held entry at or below ``seq``; 0 if none."""
        interval = self._highest_below(seq)
        return self.entries[min(seq, interval.last)].entry.t_ms if interval else 0

    def _highest_below(self, seq: int) -> Held | None:
        """Return the highest interval that begins at or below ``seq``."""
        return next((each for each in reversed(self.intervals) if each.first <= seq), None)

    def _entries_down(self, top: int, asked: int, lowest: int, now_ms: int) -> Iterator[Entry]:
        """Yield the entries of a run from its end downwards, as they are sent now."""
        for seq in range(top, lowest - 1, -1):
            held = self.entries[seq]
            entry = as_sent(held.entry, now_ms - held.received_ms, self.key.channel)
            yield entry._replace(payload=None) if seq > asked else entry

    def _id_at(self, seq: int) -> bytes:
        return self.entries[seq].entry.id

    def _lacks_payloads(self, run: Run) -> bool:
        return any(
            self.entries[seq].entry.payload is None for seq in range(run.first, run.last + 1)
        )

    def _keep(self, proven: Proven, prev: bytes, arrival: Arrival) -> Taken:
        entries, signature = proven
        new: list[int] = []
        filled: list[int] = []
        below = prev
        for entry in entries:
            held = self.entries.get(entry.seq)
            if held is None:
                held = HeldEntry(self.key, self.identity, below, entry, None, *arrival)
                new.append(entry.seq)
            elif held.entry.payload is None and entry.payload is not None:
                payload_entry = filled_stub(
                    held.entry, arrival.received_ms - held.received_ms, entry
                )
                # What was written here and comes back is no sign of a copy of this home.
                via = OWN if held.via == OWN else arrival.via
                held = replace(held, entry=payload_entry, received_ms=arrival.received_ms, via=via)
                filled.append(entry.seq)
            self.entries[entry.seq] = held
            below = entry.id
        self._join(Held(entries[0].seq, entries[-1].seq, prev, signature))
        return Taken(new, filled)

    def _join(self, piece: Held) -> None:
        """Merge a piece with the intervals that it touches; keep only the signatures needed."""
        touched = touching(self.intervals, piece.first, piece.last)
        whole = merged(piece, touched)
        self._sign(piece.last, piece.signature)
        for each in touched:
            held = self.entries[each.last]
            if each.last != whole.last and not keeps_signature(each.last) and held.via != OWN:
                self.entries[each.last] = replace(held, signature=None)
        self.intervals = sorted([each for each in self.intervals if each not in touched] + [whole])

    def _sign(self, seq: int, signature: bytes | None) -> None:
        held = self.entries[seq]
        if held.signature is None and signature is not None:
            self.entries[seq] = replace(held, signature=signature)
