"""How far the clocks of peers are from this node's: measured by each handshake, and kept."""

from __future__ import annotations

from typing import Final, NamedTuple

from ..store.base import NodeStore
from .carriers.base import Link

NEWS_MS: Final = 1_000
"""A difference that moved by less is not written again."""
AGE_MS: Final = 86_400_000
"""What was noted longer ago is written again all the same."""


class ClockNote(NamedTuple):
    """What a handshake told of the clock of a peer."""

    ahead_ms: int
    """By how much it was before this node's clock; below 0: behind it."""
    error_ms: int
    """Half of what the way there and back took: the true difference may be off by this."""
    noted_ms: int
    """When, by this node's clock."""


def clock_note(link: Link, now_ms: int) -> ClockNote | None:
    """Return what the handshake of a link that has just come up told; None: nothing."""
    greeting = link.peer_greeting
    if greeting is None or not greeting.t_ms:
        return None
    error_ms = round(link.round_trip_s * 500)
    return ClockNote(greeting.t_ms + error_ms - now_ms, error_ms, now_ms)


def kept_clock(store: NodeStore, device: bytes) -> ClockNote | None:
    """Return what was noted last of the clock of a peer; None: nothing."""
    words = store.setting(_setting(device)).split()
    try:
        ahead_ms, error_ms, noted_ms = map(int, words)
    except ValueError:
        return None
    return ClockNote(ahead_ms, error_ms, noted_ms)


def keep_clock(store: NodeStore, device: bytes, note: ClockNote) -> None:
    """Note the clock of a peer, if that is news."""
    kept = kept_clock(store, device)
    if (
        kept is None
        or abs(kept.ahead_ms - note.ahead_ms) > NEWS_MS + kept.error_ms + note.error_ms
        or not 0 <= note.noted_ms - kept.noted_ms < AGE_MS
    ):
        store.put_setting(_setting(device), " ".join(map(str, note)))


def forget_clock(store: NodeStore, device: bytes) -> None:
    """Forget the clock of a peer that was removed."""
    if store.setting(_setting(device)):
        store.put_setting(_setting(device), "")


def _setting(device: bytes) -> str:
    return f"clock.{device.hex()}"
