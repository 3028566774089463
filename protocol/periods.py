"""Periods of private messages: calendar months, their keys, and when a secret has to go.

A message is sealed to the key of the month in which it is written, as the writer's clock has
it. It may be on its way for as long as the longest delay; the writer's knowledge of the key is
as old. So a secret is needed for twice that delay after its month, and for some grace: forward
secrecy can never be shorter than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from .content_graph import PeriodKey

MAX_PERIOD: Final = 12 * (9_999 - 1_970)
"""December 9998: the last month whose end a calendar of four digits can name."""


class Period(NamedTuple):
    """One calendar month in UTC."""

    number: int
    """Months since January 1970, which is 1."""
    from_ms: int
    until_ms: int
    """First millisecond after it."""


def period_of(number: int) -> Period:
    """Return the month with a number.

    Raises:
        ValueError: the number is not in 1..`MAX_PERIOD`.
    """
    if not 1 <= number <= MAX_PERIOD:
        raise ValueError(f"period {number}: months are counted from 1 to {MAX_PERIOD}")
    return Period(number, _month_ms(number), _month_ms(number + 1))


def period_at(now_ms: int) -> Period:
    """Return the month of a time, Unix milliseconds from 0 on; beyond the last, the last."""
    last = period_of(MAX_PERIOD)
    if now_ms >= last.from_ms:
        return last
    at = datetime.fromtimestamp(max(0, now_ms) // 1_000, UTC)
    return period_of(12 * (at.year - 1_970) + at.month)


def periods_ahead(now_ms: int, count: int) -> list[Period]:
    """Return the month of a time and those that follow, ``count`` in all at most."""
    first = period_at(now_ms).number
    return [period_of(number) for number in range(first, min(first + count, MAX_PERIOD + 1))]


def erase_at_ms(until_ms: int, *, longest_delay_ms: int, grace_ms: int) -> int:
    """Return when the secret of a period is no longer needed and has to be erased.

    Args:
        until_ms: end of the period.
        longest_delay_ms: longest one-way delay at which the owner wants to be reached.
        grace_ms: for clocks that are wrong and links that were late.
    """
    return until_ms + 2 * longest_delay_ms + grace_ms


def key_for(keys: Iterable[PeriodKey], now_ms: int) -> PeriodKey | None:
    """Return the key to seal a message with that is written at ``now_ms``.

    Args:
        keys: all that a device has published, the latest entry first: for a period that is
            named twice the first one given counts.

    Returns:
        None if no key covers that time, or the one that does was withdrawn.
    """
    return next((key for key in _latest(keys) if key.from_ms <= now_ms < key.until_ms), None)


def _latest(keys: Iterable[PeriodKey]) -> Iterator[PeriodKey]:
    seen: set[int] = set()
    for key in keys:
        if key.period not in seen:
            seen.add(key.period)
            yield key


def _month_ms(number: int) -> int:
    year, month = divmod(number - 1, 12)
    return int(datetime(1_970 + year, month + 1, 1, tzinfo=UTC).timestamp()) * 1_000
