"""How much of a store each person may take, by how far away they are.

Distance is counted in follows: oneself, whom one follows, whom those follow, strangers.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from .base import Follow


class Distance(IntEnum):
    """How far away someone is."""

    SELF = 0
    FOLLOWED = 1
    TWO_HOPS = 2
    STRANGER = 3


class _KnowsFollows(Protocol):
    def follows(self, identity: bytes) -> list[Follow]: ...


def distances(store: _KnowsFollows, own: bytes) -> dict[bytes, Distance]:
    """Return how far away everyone is who is no stranger."""
    followed = {follow.identity for follow in store.follows(own)}
    two_hops = {follow.identity for one in followed for follow in store.follows(one)}
    return {
        **dict.fromkeys(two_hops, Distance.TWO_HOPS),
        **dict.fromkeys(followed, Distance.FOLLOWED),
        own: Distance.SELF,
    }
