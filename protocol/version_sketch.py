"""Sketches of version vectors: which logs differ between two nodes, and by how much.

The value of a log is its newest sequence number plus 1, of a log that is not held 0. A frozen log
counts at a position of its own. Another id at the same sequence number changes no sketch: the
digest of the states is the judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isqrt
from typing import Final, NamedTuple

from .entry import MAX_SEQ
from .errors import DecodeError
from .hashing import PERSON_SKETCH, hash32
from .sketch import (
    BASE_SYMBOLS,
    MAX_SHARD_BITS,
    Delta,
    Sketch,
    SketchPart,
    Width,
    decode_sketch,
    most_differences,
)

MAX_VALUE: Final = MAX_SEQ + 1
MAX_SLOTS: Final = (Width.NARROW.prime - 1) // 2
"""Each needs two positions, one for logs that are frozen."""
UNSHARDED_DIFFERENCES: Final = most_differences(BASE_SYMBOLS)
DIFFERENCES_PER_SHARD: Final = 16


class Place(NamedTuple):
    """Where a state of a log is counted."""

    log: bytes
    frozen: bool


class Counted(NamedTuple):
    """A log and what is counted of it."""

    log: bytes
    seq: int
    frozen: bool
    slot: int | None


class LogDelta(NamedTuple):
    """A log that differs, as far as a sketch can tell."""

    position: int
    places: tuple[Place, ...]
    """What counts there: one log; none if only the other side has it; several if they share a slot
    or their hashes meet, then any of them may differ."""
    ours: int
    """Sequence number plus 1, 0: not held. Of several places the sum."""
    theirs: int


class Comparison(NamedTuple):
    """What two sketches tell about two version vectors."""

    deltas: list[LogDelta]
    undecided: tuple[int, ...]
    """Shards with too many differences for the symbols that came, or without sense."""


class PeerSketch:
    """What came of the sketches of the other side, put together from its parts."""

    __slots__ = ("_rows", "digest", "shard_bits", "width")

    def __init__(self, part: SketchPart) -> None:
        """Begin with a first part; raises DecodeError if it is none."""
        self.width: Final = part.width
        self.shard_bits: Final = part.shard_bits
        self.digest: Final = part.digest
        self._rows: dict[int, list[int]] = {}
        self.extend(part)

    def extend(self, part: SketchPart) -> None:
        """Take more symbols.

        Raises:
            DecodeError: they are of another state or kind, or do not follow those that came;
                nothing of them was taken.
        """
        if (part.width, part.shard_bits, part.digest) != (self.width, self.shard_bits, self.digest):
            raise DecodeError("sketch: a part of another sketch")
        shards = part.shards or range(2**self.shard_bits)
        if any(len(self.symbols(shard)) != part.first for shard in shards):
            raise DecodeError(f"sketch: symbols from {part.first} on do not follow those before")
        for shard, row in zip(shards, part.rows, strict=True):
            self._rows.setdefault(shard, []).extend(row)

    def symbols(self, shard: int) -> list[int]:
        """Return what came of one shard."""
        return self._rows.get(shard, [])


class VersionSketch:
    """The sketch of a version vector, kept up to date log by log."""

    def __init__(
        self,
        *,
        slots: int | None = None,
        symbols: int = BASE_SYMBOLS,
        shard_bits: int = 0,
    ) -> None:
        """Start with no log.

        Args:
            slots: how many slots both sides agreed on: then symbols have 2 bytes, and each log
                comes with its slot. None: 4 bytes, any log.
            symbols: how many are kept of each sketch, 1 to `MAX_SYMBOLS`; with shards to
                `BASE_SYMBOLS`.
            shard_bits: 0..`MAX_SHARD_BITS`.

        Raises:
            ValueError: an argument is outside its range.
        """
        if not 0 <= shard_bits <= MAX_SHARD_BITS or (shard_bits and symbols > BASE_SYMBOLS):
            raise ValueError(f"{shard_bits=}, {symbols=}")
        if slots is not None and not 1 <= slots <= MAX_SLOTS:
            raise ValueError(f"{slots} slots; 1 to {MAX_SLOTS} are possible")
        self.width: Final = Width.WIDE if slots is None else Width.NARROW
        self.shard_bits: Final = shard_bits
        self._slots = slots
        self._slot_of: dict[bytes, int] = {}
        self._sketches = [Sketch(self.width, symbols) for _ in range(2**shard_bits)]
        self._values: dict[bytes, tuple[bool, int]] = {}
        self._places: dict[int, tuple[Place, ...]] = {}

    def set(self, log: bytes, seq: int, *, frozen: bool = False, slot: int | None = None) -> None:
        """Count the newest sequence number of a log, or where it was frozen.

        Args:
            slot: where the log is counted, below the number of slots; none with 4 bytes. Logs
                may share one.

        Raises:
            ValueError: the slot or ``seq`` is out of its range.
        """
        if not 0 <= seq <= MAX_SEQ:
            raise ValueError(f"seq {seq} is not in 0..{MAX_SEQ}")
        was_frozen, old = self._values.get(log, (frozen, 0))
        if was_frozen != frozen:
            self.drop(log)
            old = 0
        shard, position = self._place(log, frozen, slot)
        self._sketches[shard].update(position, old, seq + 1)
        self._note(log, frozen, seq, position, is_new=not old)

    def fill(self, counted: Iterable[Counted]) -> None:
        """Count many logs at once, of which none was counted yet.

        Raises:
            ValueError: as `set` does.
        """
        shards: list[list[tuple[int, int]]] = [[] for _ in self._sketches]
        for log, seq, frozen, slot in counted:
            shard, position = self._place(log, frozen, slot)
            shards[shard].append((position, seq + 1))
            self._note(log, frozen, seq, position, is_new=True)
        for sketch, values in zip(self._sketches, shards, strict=True):
            sketch.add(values)

    def _place(self, log: bytes, frozen: bool, slot: int | None) -> tuple[int, int]:
        """Return shard and position of a log that comes with its slot."""
        if self._slots is not None:
            if slot is None or not 0 <= slot < self._slots:
                raise ValueError(f"log {log.hex()[:8]} has no slot below {self._slots}")
            self._slot_of[log] = slot
        return self._locate(Place(log, frozen))

    def _note(self, log: bytes, frozen: bool, seq: int, position: int, *, is_new: bool) -> None:
        self._values[log] = frozen, seq + 1
        if is_new:
            self._places[position] = *self._places.get(position, ()), Place(log, frozen)

    def copy(self) -> VersionSketch:
        """Return a sketch that goes its own way from here on."""
        other = VersionSketch(slots=self._slots, shard_bits=self.shard_bits)
        other._sketches = [Sketch(self.width, sketch.symbols) for sketch in self._sketches]
        other._slot_of = dict(self._slot_of)
        other._values = dict(self._values)
        other._places = dict(self._places)
        return other

    def drop(self, log: bytes) -> None:
        """Count a log no longer, if it was counted."""
        frozen, old = self._values.pop(log, (False, 0))
        if old:
            place = Place(log, frozen)
            shard, position = self._locate(place)
            self._sketches[shard].update(position, old, 0)
            left = tuple(other for other in self._places.pop(position) if other != place)
            if left:
                self._places[position] = left
            self._slot_of.pop(log, None)

    def lengthen(self, symbols: int) -> None:
        """Keep so many symbols from now on, of a sketch without shards.

        Raises:
            ValueError: there are shards, or ``symbols`` is out of its range.
        """
        if self.shard_bits:
            raise ValueError("a sketch of shards is not made longer")
        longer = Sketch(self.width, symbols)
        longer.add(
            (position, sum(map(self._value, places))) for position, places in self._places.items()
        )
        self._sketches = [longer]

    def part(
        self, digest: bytes, *, first: int = 0, count: int, shards: Sequence[int] = ()
    ) -> SketchPart:
        """Return symbols ``first`` to ``first + count - 1`` of some shards, or of all.

        Args:
            digest: of the states counted; its first 8 bytes are sent.
            first: symbols that the other side has already.
            count: how many more, at least 1.
            shards: which, rising; empty: all.
        """
        chosen = shards or range(len(self._sketches))
        rows = tuple(tuple(self._sketches[at].symbols[first : first + count]) for at in chosen)
        return SketchPart(self.width, self.shard_bits, first, tuple(shards), digest[:8], rows)

    def compare(self, peer: PeerSketch, *, most_symbols: int = BASE_SYMBOLS) -> Comparison:
        """Find which logs differ.

        Args:
            peer: what came of the other side.
            most_symbols: how many are decoded in all, which bounds the work: `decode_budget` of
                so many. More than `BASE_SYMBOLS` only for a peer that has earned it.

        Raises:
            DecodeError: the peer's sketches are of another kind than ours.
        """
        if (peer.width, peer.shard_bits) != (self.width, self.shard_bits):
            raise DecodeError("sketch: of another width or number of shards than ours")
        deltas: list[LogDelta] = []
        undecided: list[int] = []
        for shard, ours in enumerate(self._sketches):
            theirs = peer.symbols(shard)[:most_symbols]
            most_symbols -= len(theirs)
            found = self._compare_shard(shard, ours, theirs) if theirs else None
            if found is None:
                undecided.append(shard)
            else:
                deltas += found
        return Comparison(deltas, tuple(undecided))

    def _compare_shard(self, shard: int, ours: Sketch, theirs: list[int]) -> list[LogDelta] | None:
        difference = Sketch(self.width, theirs).minus(ours)
        known = self._places.keys() if not self.shard_bits else ()
        terms = decode_sketch(difference, known=known)
        if terms is None:
            return None
        found = [self._meaning(shard, term) for term in terms]
        sound = [delta for delta in found if delta is not None]
        return sound if len(sound) == len(found) else None

    def _meaning(self, shard: int, term: Delta) -> LogDelta | None:
        """Say what a term means; None if it can mean nothing: then more was different."""
        places = self._places.get(term.position, ())
        if self._slots is not None:
            if term.position > 2 * self._slots:
                return None
            places = tuple(place for place in places if self._locate(place)[0] == shard)
        if any(self._locate(place)[0] != shard for place in places):
            return None
        ours = sum(map(self._value, places))
        theirs = _nearest(ours, term.change, self.width.prime)
        if theirs > MAX_VALUE and len(places) <= 1:
            return None
        return LogDelta(term.position, places, ours, theirs)

    def _value(self, place: Place) -> int:
        frozen, value = self._values.get(place.log, (False, 0))
        return value if frozen == place.frozen else 0

    def _locate(self, place: Place) -> tuple[int, int]:
        """Return shard and position."""
        digest = hash32(PERSON_SKETCH, place.log)
        shard = int.from_bytes(digest[16:18], "big") % 2**self.shard_bits
        if self._slots is not None:
            return shard, self._slot_of[place.log] + 1 + place.frozen * self._slots
        return shard, hashed_position(digest, frozen=place.frozen)


def hashed_position(digest: bytes, *, frozen: bool) -> int:
    """Return the 4-byte position of a log, given its hash under `PERSON_SKETCH`."""
    half = digest[8:16] if frozen else digest[:8]
    return 1 + int.from_bytes(half, "big") % (Width.WIDE.prime - 1)


def shards_for(differences: int) -> tuple[int, int]:
    """Return shard bits and symbols of each sketch for about so many differences.

    Up to `UNSHARDED_DIFFERENCES` one sketch holds them. Above, each shard gets about 8 to 16 and
    room for two standard deviations more; the few that get more ask for more symbols.
    """
    if differences <= UNSHARDED_DIFFERENCES:
        return 0, 2 * differences + 1
    bits = min(MAX_SHARD_BITS, (-(-differences // DIFFERENCES_PER_SHARD) - 1).bit_length())
    mean = -(-differences // 2**bits)
    return bits, min(BASE_SYMBOLS, 2 * (mean + isqrt(4 * mean)) + 1)


def _nearest(ours: int, change: int, prime: int) -> int:
    """Return what is ``ours + change`` modulo p and nearest to ours, from 0 on.

    With 4 bytes there is one such value up to `MAX_VALUE` at the most.
    """
    value = ours + change - (prime if change > prime // 2 else 0)
    if value < 0:
        return value + prime
    return value - prime if value > MAX_VALUE and value >= prime else value
