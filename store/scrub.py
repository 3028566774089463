"""What a scrub of a store finds: the same words for every store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SLICE_ENTRIES: Final = 2_000
"""Entries that a running node looks at before others have their turn: about 10 ms."""
MAX_NAMED: Final = 20
"""Damages that a slice names; it counts them all."""


@dataclass(frozen=True, slots=True)
class Damage:
    """An entry that is not what its author signed, or a stretch of a log that is wrongly noted."""

    device: bytes
    channel: int
    seq: int
    """-1: the note about the whole log."""
    reason: str


@dataclass(frozen=True, slots=True)
class ScrubSlice:
    """What one slice of a scrub found."""

    next: int
    """Where the next slice begins; 0: this was the last."""
    entries: int
    """Entries that were hashed again."""
    damaged: int
    """Entries that were found damaged; quarantined if the slice was to mend."""
    mended: int
    """Notes and views that were wrong and could be derived again."""
    named: tuple[Damage, ...]
    """The first of both, at most `MAX_NAMED`."""

    def plus(self, other: ScrubSlice) -> ScrubSlice:
        """Return what this slice and the one after it found together."""
        return ScrubSlice(
            next=other.next,
            entries=self.entries + other.entries,
            damaged=self.damaged + other.damaged,
            mended=self.mended + other.mended,
            named=(*self.named, *other.named)[:MAX_NAMED],
        )
