"""Times and sizes, as people read and type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
YEAR_MS: Final = 31_557_600_000
"""A Julian year, 365.25 days, as light-years count."""

_SHOWN_UNITS_MS: Final = {
    "y": YEAR_MS,
    "d": DAY_MS,
    "h": HOUR_MS,
    "min": MINUTE_MS,
    "s": SECOND_MS,
}
_TYPED_UNITS_MS: Final = {**_SHOWN_UNITS_MS, "m": MINUTE_MS, "w": 7 * DAY_MS}
_TYPED: Final = re.compile(r"(\d{1,6}) ?(y|w|d|h|m|min|s)", re.ASCII)
_LARGE_UNITS: Final = ("kB", "MB", "GB", "TB")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = 253_402_300_799_999
"""End of the year 9999, the last that a date is written for."""


def duration(length_ms: int) -> str:
    """Return a length of time in its largest whole unit: ``3 h``, ``12 y``; ``0 s`` at least."""
    for unit, unit_ms in _SHOWN_UNITS_MS.items():
        if length_ms >= unit_ms:
            return f"{length_ms // unit_ms:,} {unit}"
    return "0 s"


def precise_duration(length_ms: int) -> str:
    """Return a length of time that is worth its milliseconds: ``0.042 s``, ``1.3 s``, ``3 min``."""
    if length_ms >= MINUTE_MS:
        return duration(length_ms)
    return f"{length_ms / SECOND_MS:.3g} s"


def ago(then_ms: int, now_ms: int) -> str:
    """Return how long ago a moment was: ``4 s ago``; ``in 3 h`` for what is still to come."""
    if then_ms - now_ms >= SECOND_MS:
        return f"in {duration(then_ms - now_ms)}"
    if now_ms - then_ms < SECOND_MS:
        return "just now"
    return f"{duration(now_ms - then_ms)} ago"


def date(t_ms: int) -> str:
    """Return a moment as ``2026-03-01 12:00 UTC``."""
    if not 0 < t_ms <= _LAST_MS:
        return "no date" if t_ms <= 0 else "a date after the year 9999"
    return (_EPOCH + timedelta(milliseconds=t_ms)).strftime("%Y-%m-%d %H:%M UTC")


def size(byte_count: int) -> str:
    """Return a number of bytes: ``214 bytes``, ``2.3 kB``, ``1.1 MB``."""
    if byte_count < 1_000:
        return count(byte_count, "byte")
    power = min((len(str(byte_count)) - 1) // 3, len(_LARGE_UNITS))
    amount = byte_count / 1_000**power
    digits = 0 if amount >= 99.95 else 1
    return f"{amount:.{digits}f} {_LARGE_UNITS[power - 1]}"


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with what it counts: ``1 post``, ``2,001 posts``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def read_duration_ms(typed: str) -> int | None:
    """Return the milliseconds of ``90s``, ``10m``, ``7d``, ``2w`` or ``1y``; None: no duration."""
    found = _TYPED.fullmatch(typed.strip())
    return None if found is None else int(found[1]) * _TYPED_UNITS_MS[found[2]]
