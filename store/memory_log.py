"""One log in memory: its entries, its intervals, and the runs it gives out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from ..protocol.entry import (
    EMPTY_LOG,
    KEY_BYTES,
    SIGNATURE_BYTES,
    USUAL_QUALITY,
    Entry,
    LogHead,
    encode_header,
    hash_header,
    log_id,
)
from ..protocol.hashing import HASH_BYTES, ZERO_HASH
from ..protocol.run import BLOCK, Run, build_run, entry_columns
from .base import HeldEntry, LogKey
from .ingest import Proven, is_duplicate, keeps_signature, prove
from .intervals import Held, merged, touching

OWN: Final = "own"
"""How own entries came."""

_RUN_FIELDS_BYTES: Final = 29 + KEY_BYTES + 2 * HASH_BYTES
"""A run without columns, bodies and signature; msgpack heads and numbers take at most 29."""


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


class MemoryLog:
    """The held entries of one log. Entries are shared with whoever made them, never copied."""

    __slots__ = ("changed", "entries", "identity", "intervals", "key", "log")

    def __init__(self, key: LogKey, identity: bytes) -> None:
        self.key: Final = key
        self.log: Final = log_id(*key)
        self.identity: Final = identity
        self.entries: Final[dict[int, HeldEntry]] = {}
        self.intervals: list[Held] = []
        """Lowest first."""
        self.changed = 0
        """The store's change counter when the newest entry changed last."""

    @property
    def head(self) -> LogHead:
        """The newest entry held."""
        if not self.intervals:
            return EMPTY_LOG
        newest = self.entries[self.intervals[-1].last].entry
        return LogHead(newest.seq, newest.id, newest.lamport)

    def append(self, signed: Sequence[tuple[Entry, bytes]], arrival: Arrival) -> Taken:
        """Append own entries.

        Raises:
            ValueError: they do not continue the head, or are none; nothing is changed.
        """
        head = self.head
        seq, prev = head.seq, head.id
        for entry, _ in signed:
            seq += 1
            header = encode_header(*self.key, prev, entry)
            if entry.seq != seq or hash_header(header) != entry.id or entry.payload is None:
                raise ValueError(f"entry {entry.seq} does not continue the head of its log")
            prev = entry.id
        if not signed:
            raise ValueError("no entry to append")
        entries = [entry for entry, _ in signed]
        taken = self._keep(Proven(entries, signed[-1][1]), head.id, arrival)
        for entry, signature in signed:
            self._sign(entry.seq, signature)
        return taken

    def take(self, run: Run, arrival: Arrival) -> Taken:
        """Prove a run and keep what is new of it.

        Raises:
            RefusedError: it is not stored; nothing is changed.
        """
        touched = touching(self.intervals, run.first, run.last)
        if is_duplicate(run, touched, self._id_at) and not self._lacks_payloads(run):
            return NOTHING_TAKEN
        return self._keep(prove(run, touched, self._id_at), run.prev, arrival)

    def keep_first(self, entry: Entry, signature: bytes, arrival: Arrival) -> Taken:
        """Keep entry 0 of an empty log, whose signature was checked before."""
        return self._keep(Proven([entry], signature), ZERO_HASH, arrival)

    def read_run(
        self, first: int, last: int, *, end_known: bool, max_bytes: int, now_ms: int
    ) -> Run | None:
        """Return a run for ``first..last`` (see `LogStore.read_run`)."""
        interval = self._highest_below(last)
        if interval is None or interval.last < first:
            return None
        end = top = min(last, interval.last)
        vouched = end_known and end == last
        while not vouched and self.entries[top].signature is None:
            top += 1
        lowest = max(first, interval.first, top // BLOCK * BLOCK)
        signed = not vouched or top % BLOCK == BLOCK - 1
        entries: list[Entry] = []
        size = _RUN_FIELDS_BYTES + signed * SIGNATURE_BYTES
        for seq in range(top, lowest - 1, -1):
            entry = sent_entry(self.entries[seq], now_ms, stub=seq > end)
            size += HASH_BYTES if entry.payload is None else entry.size
            as_first = len(entry_columns(entry, 0, USUAL_QUALITY, seq))
            if entries and size + as_first > max_bytes:
                break
            entries.append(entry)
            if seq > lowest:
                before = self.entries[seq - 1].entry
                size += len(entry_columns(entry, before.t_ms, before.t_quality, before.lamport))
        entries.reverse()
        return build_run(
            *self.key,
            self.entries[entries[0].seq].prev,
            entries,
            self.entries[top].signature if signed else None,
        )

    def written_ms(self, seq: int) -> int:
        """Return the claimed time of the highest held entry at or below ``seq``; 0 if none."""
        interval = self._highest_below(seq)
        return self.entries[min(seq, interval.last)].entry.t_ms if interval else 0

    def _highest_below(self, seq: int) -> Held | None:
        """Return the highest interval that begins at or below ``seq``."""
        return next((each for each in reversed(self.intervals) if each.first <= seq), None)

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
                held = _filled(held, entry, arrival)
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


def sent_entry(held: HeldEntry, now_ms: int, *, stub: bool) -> Entry:
    """Return an entry as it travels now: its lifetime reduced by the time it was held."""
    entry = held.entry
    if entry.expire_ms:
        held_ms = max(0, now_ms - held.received_ms)
        entry = entry._replace(remaining_ms=max(0, entry.remaining_ms - held_ms))
        stub = stub or entry.remaining_ms == 0
    return entry._replace(payload=None) if stub else entry


def _filled(held: HeldEntry, entry: Entry, arrival: Arrival) -> HeldEntry:
    """Return an entry that arrived with its payload after its stub; no detour lengthens a life."""
    known = sent_entry(held, arrival.received_ms, stub=True)
    remaining_ms = min(known.remaining_ms, entry.remaining_ms)
    return replace(
        held,
        entry=entry._replace(remaining_ms=remaining_ms),
        received_ms=arrival.received_ms,
        via=arrival.via,
    )
