"""How long payloads live: a clock that no wrong date of this machine turns far.

Nothing that a store knows tells a machine that slept for a year from one whose date is wrong.
So lifetimes are counted on a clock of their own: it goes on with the machine's, stands still
when that is set back, and takes no step above `MAX_LIFE_STEP_MS` at once.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MAX_LIFE_STEP_MS: Final = 30 * 86_400_000
"""A date that is wrong by thirty years takes a month from every life, and never more; a node
that was off for longer keeps bodies for longer than their authors said."""


class LifeClock(NamedTuple):
    """What a store remembers between two looks at the clock."""

    clock_ms: int
    """The machine's clock at the last look; 0: there was none."""
    lived_ms: int
    """The clock of lives then."""

    def at(self, now_ms: int) -> LifeClock:
        """Return both clocks at ``now_ms`` of the machine's."""
        step_ms = now_ms - self.clock_ms if self.clock_ms else 0
        return LifeClock(now_ms, self.lived_ms + min(max(0, step_ms), MAX_LIFE_STEP_MS))
