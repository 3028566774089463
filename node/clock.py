"""Where time and chance come from, and how a time is written.

Both are handed to whoever needs them, so a test or a simulation can decide them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

WallClock: TypeAlias = Callable[[], int]
"""Unix milliseconds, as far as this machine knows."""
RandomBytes: TypeAlias = Callable[[int], bytes]
"""That many bytes that nobody can guess."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = (datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC) - _EPOCH) // timedelta(
    milliseconds=1
)


def system_clock() -> int:
    """Return this machine's time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def rfc3339(t_ms: int) -> str:
    """Write a time as ``2026-03-01T12:00:00.000Z``.

    Args:
        t_ms: Unix milliseconds, 0 or more.

    Returns:
        Empty for 0 (never, unknown) and for times after the year 9999, which RFC 3339
        cannot write.
    """
    if not 0 < t_ms <= _LAST_MS:
        return ""
    moment = _EPOCH + timedelta(milliseconds=t_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
