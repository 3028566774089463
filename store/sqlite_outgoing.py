"""The last look at what leaves a SQLite store: no peer is ever sent what the disk has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..protocol.entry import encode_header, hash_header, log_id, verify_entry
from ..protocol.errors import IntegrityError
from ..protocol.run import BLOCK
from .base import LogKey, StoreError
from .sqlite_database import Database
from .sqlite_entries import UNREADABLE, PlacedEntry
from .sqlite_quarantine import quarantine
from .sqlite_scrub import faults_of, stretches_of


class DamagedError(StoreError):
    """An entry is no longer as its author signed it."""

    def __init__(self) -> None:
        super().__init__("an entry was changed by the disk; slowlight db scrub looks for more")


def checked_entries(
    key: LogKey,
    newest_first: Iterator[PlacedEntry],
    *,
    signature: bytes | None,
    prev_of: Callable[[int], bytes],
) -> Iterator[PlacedEntry]:
    """Yield consecutive entries from their upper end, each after it was hashed again.

    Args:
        signature: of the first one that is yielded, or None where it travels without.
        prev_of: returns the id of the entry before the one with this sequence number.

    Raises:
        DamagedError: an entry is not as signed; those above it were yielded before.
    """
    upper: PlacedEntry | None = None
    for placed in newest_first:
        if upper is not None:
            _require_right(key, upper, placed.entry.id)
            yield upper
        elif signature is not None:
            _require_signed(key, placed, signature)
        upper = placed
    if upper is None:
        raise DamagedError  # the interval says that entries are here, and no row is
    _require_right(key, upper, prev_of(upper.entry.seq))
    yield upper


def _require_right(key: LogKey, placed: PlacedEntry, prev: bytes) -> None:
    try:
        if hash_header(encode_header(*key, prev, placed.entry)) == placed.entry.id:
            return
    except UNREADABLE:
        pass
    raise DamagedError


def _require_signed(key: LogKey, placed: PlacedEntry, signature: bytes) -> None:
    try:
        verify_entry(key.device, placed.entry.id, signature)
    except (IntegrityError, *UNREADABLE) as error:
        raise DamagedError from error


def take_out_damage(database: Database, key: LogKey, seq: int, *, now_ms: int) -> bool:
    """Quarantine what is damaged of the block around an entry; return whether there was any."""
    found = database.row("SELECT n FROM log WHERE id = ?", (log_id(*key),))
    if found is None:
        return False
    low = seq // BLOCK * BLOCK
    faults = [
        fault
        for stretch in stretches_of(database, found[0], low - 1, low + BLOCK)
        for fault in faults_of(database, [stretch])
    ]
    if faults:
        with database.writing():
            quarantine(database, faults, now_ms=now_ms)
    return bool(faults)
