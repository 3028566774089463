"""Operations of pairing: two people who sit together let their nodes meet.

The conventions are those of `operation`. Both answer late: they wait for the other person.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from .operation import Operation, Request, Result

MAX_WINDOW_MS: Final = 600_000
MAX_WITHOUT: Final = 64

DeviceKey = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class PairRequest(Request, frozen=True):
    """Open a window in which this node pairs; it takes the place of one that is open."""

    name: Annotated[str, Meta(max_length=128)] = ""
    """What the other person sees; empty: the name of the own profile."""
    for_ms: Annotated[int, Meta(ge=1_000, le=MAX_WINDOW_MS)] = 120_000
    """How long to wait for somebody, and then for both answers."""
    without: Annotated[tuple[DeviceKey, ...], Meta(max_length=MAX_WITHOUT)] = ()
    """Devices that are not meant: somebody else in the room."""


class PairResult(Result, frozen=True):
    """Somebody who pairs now, and the words to compare."""

    words: tuple[str, ...]
    """Four words. The other screen shows the same, or somebody stands in between."""
    identity: str
    short_id: str
    device: str
    name: str
    """What the other person calls themselves: a claim."""


class PairAnswerRequest(Request, frozen=True):
    """Say whether both screens show the same words."""

    same: bool


class PairedResult(Result, frozen=True):
    """Whether two nodes know each other now."""

    paired: bool
    """True if both people have said yes: the other node is a peer of this one."""
    identity: str
    short_id: str
    device: str
    name: str
    addresses: tuple[str, ...]


PAIR: Final = Operation("pair", PairRequest, PairResult)
PAIR_ANSWER: Final = Operation("pair_answer", PairAnswerRequest, PairedResult)
PAIR_OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (PAIR, PAIR_ANSWER)
