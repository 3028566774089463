"""Finding out which logs differ: the questions of the one side, and what the other makes of them.

The side that wants sends a sketch of what it holds; the side that offers sees from it what the
other lacks. A sketch that told too little is followed by more symbols, by a larger one, at last by
ranges, which find every difference.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from ..protocol.errors import DecodeError, ProtocolError
from ..protocol.question_frames import More, RangesFrame
from ..protocol.reconcile import Reconciler, StateDifference
from ..protocol.sketch import BASE_SYMBOLS, SketchPart
from ..protocol.version_sketch import (
    UNSHARDED_DIFFERENCES,
    LogDelta,
    PeerSketch,
    VersionSketch,
    shards_for,
)
from .offers import OfferIndex

FIRST_GUESS: Final = 16
"""Differences that a first sketch can tell if nothing is remembered of the peer."""
FEWEST: Final = 4
"""A sketch can tell at least so many, whatever is remembered."""
LARGE_DIFFERENCES: Final = 128
"""Most that one sketch without shards tells, between nodes that have met before."""
SHARDED_DIFFERENCES: Final = 512
"""What the sketch with shards is made for; beyond it ranges are used."""
MORE_SYMBOLS: Final = 16
LARGE_SKETCHES: Final = 8
"""Sketches of more than `BASE_SYMBOLS` symbols that are read for one peer in a session."""
MAX_RECONCILIATIONS: Final = 256
"""By ranges, begun by one peer in a session."""


class SketchQuestion:
    """One question: which of the logs that you offer do I lack?"""

    def __init__(
        self,
        index: OfferIndex,
        digest: bytes,
        *,
        differences: int | None,
        known: bool,
        without: Collection[bytes],
    ) -> None:
        """Prepare the first part.

        Args:
            index: what is held here.
            digest: of the offer that differs.
            differences: how many are likely; None: nothing is remembered.
            known: the two have met before, so that the peer reads large sketches.
            without: logs that the peer is known not to offer.
        """
        self._index = index
        self._digest = digest
        self._known = known
        self._without = without
        self._sketch: VersionSketch
        self._sent = 0
        count = FIRST_GUESS if differences is None else max(FEWEST, differences)
        if count > LARGE_DIFFERENCES:
            # Many commits are seldom as many logs: try what is cheap first.
            count = UNSHARDED_DIFFERENCES
        if not known:
            count = min(count, UNSHARDED_DIFFERENCES)
        self.part: SketchPart = self._begin(2 * count + 1, 0)

    @property
    def digest(self) -> bytes:
        """The digest of the offer that is asked about."""
        return self._digest

    def more(self, shards: tuple[int, ...]) -> SketchPart | None:
        """Return the next part, after the peer could not read these shards; None: use ranges.

        Raises:
            ProtocolError: the sketch has no such shard.
        """
        bits = self._sketch.shard_bits
        if shards and shards[-1] >= 2**bits:
            raise ProtocolError("the peer asks for a shard that there is not")
        if bits:
            count = min(MORE_SYMBOLS, BASE_SYMBOLS - self._sent)
            if not count or len(shards) > 2 ** (bits - 1):
                return None
            return self._next(count, shards)
        if self._sent < BASE_SYMBOLS:
            return self._next(BASE_SYMBOLS - self._sent, ())
        if not self._known:
            return None
        if self._sent < 2 * LARGE_DIFFERENCES + 1:
            return self._begin(2 * LARGE_DIFFERENCES + 1, 0)
        bits, symbols = shards_for(SHARDED_DIFFERENCES)
        return self._begin(symbols, bits)

    def _begin(self, symbols: int, shard_bits: int) -> SketchPart:
        kept = BASE_SYMBOLS if shard_bits else symbols
        self._sketch = self._index.sketch(
            symbols=kept, shard_bits=shard_bits, without=self._without
        )
        self._sent = 0
        return self._next(symbols, ())

    def _next(self, count: int, shards: tuple[int, ...]) -> SketchPart:
        part = self._sketch.part(self._digest, first=self._sent, count=count, shards=shards)
        self._sent += count
        return part


class Told(NamedTuple):
    """What a message of ranges led to."""

    reply: RangesFrame | None
    differences: list[StateDifference]
    """All of them, once both sides know everything."""


class Teller:
    """Sees from a peer's questions what it lacks of the offer."""

    def __init__(self, *, known: bool) -> None:
        """Prepare for one peer.

        Args:
            known: the two have met before; only then large sketches are read.
        """
        self._large_left = LARGE_SKETCHES if known else 0
        self._peer: PeerSketch | None = None
        self._ranges: Reconciler | None = None
        self._number = -1
        self._reconciliations = 0

    def read(self, index: OfferIndex, part: SketchPart) -> list[LogDelta] | More:
        """Compare a sketch, or some more of it, with the offer.

        Returns:
            What differs, or what has to be said instead.

        Raises:
            DecodeError: the part belongs to no sketch, or to one of another roster's kind.
        """
        if part.first == 0:
            self._peer = PeerSketch(part)
        elif self._peer is None:
            raise DecodeError("sketch: more of one that never came")
        else:
            self._peer.extend(part)
        peer, bits = self._peer, part.shard_bits
        longest = max(len(peer.symbols(shard)) for shard in range(2**bits))
        if bits or longest > BASE_SYMBOLS:
            if not self._large_left or longest > 2 * LARGE_DIFFERENCES + 1:
                return More(False, ())
            self._large_left -= 1
        ours = index.sketch(symbols=BASE_SYMBOLS if bits else longest, shard_bits=bits)
        found = ours.compare(peer, most_symbols=longest * 2**bits)
        if found.undecided:
            return More(True, found.undecided if bits else ())
        return found.deltas

    def answer(self, index: OfferIndex, frame: RangesFrame) -> Told:
        """Take a message of ranges about the offer.

        Raises:
            DecodeError: it is malformed, or does not belong to a reconciliation.
            ProtocolError: the peer begins one after the other.
        """
        if frame.number != self._number or self._ranges is None:
            self._reconciliations += 1
            if self._reconciliations > MAX_RECONCILIATIONS:
                raise ProtocolError("the peer compares ranges again and again")
            self._number = frame.number
            self._ranges = Reconciler(index.states())
        ranges = self._ranges
        message = ranges.receive(frame.message)
        reply = None if message is None else RangesFrame(True, frame.number, message)
        if not ranges.finished:
            return Told(reply, [])
        self._ranges = None
        return Told(reply, ranges.differences)
