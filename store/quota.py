"""How much of a store each person may take, by how far away they are.

Distance is counted in follows: oneself, whom one follows, whom those follow, strangers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

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


@dataclass(frozen=True, slots=True)
class Limits:
    """Most bytes that are kept of others, weighed as `weight` says; oneself is never limited."""

    followed_bytes: int = 64 << 20
    """Of each person whom one follows."""
    two_hops_bytes: int = 8 << 20
    """Of each person whom those follow."""
    strangers_bytes: int = 16 << 20
    """Of all others together, shared out among those who brought them."""
    total_bytes: int = 0
    """Of everybody, oneself included; 0: no limit."""


class Held(NamedTuple):
    """What is held of one person."""

    identity: bytes
    size_bytes: int
    introducer: str
    """Who brought it (``via``)."""


def excess(held: Iterable[Held], far: Mapping[bytes, Distance], limits: Limits) -> dict[bytes, int]:
    """Return how many bytes have to go of whom; strangers first.

    Each person whom one follows, and each whom those follow, has room of their own, so nobody
    else can take it. Strangers share one pool: who brought more than an equal part of it loses
    what is beyond, so one peer that brings many pushes out nothing that came from others. Where
    the total is still too much, all strangers go first, then those two hops away, then the
    followed, always the largest first; oneself never.
    """
    groups: dict[Distance, list[Held]] = {distance: [] for distance in Distance}
    for one in held:
        groups[far.get(one.identity, Distance.STRANGER)].append(one)
    for group in groups.values():
        group.sort(key=lambda one: (-one.size_bytes, one.identity))
    gone = _excess_of_strangers(groups[Distance.STRANGER], limits.strangers_bytes)
    for distance, most in (
        (Distance.TWO_HOPS, limits.two_hops_bytes),
        (Distance.FOLLOWED, limits.followed_bytes),
    ):
        gone |= {
            one.identity: one.size_bytes - most for one in groups[distance] if one.size_bytes > most
        }
    total = sum(one.size_bytes for group in groups.values() for one in group)
    over = total - sum(gone.values()) - limits.total_bytes if limits.total_bytes else 0
    for distance in (Distance.STRANGER, Distance.TWO_HOPS, Distance.FOLLOWED):
        for one in groups[distance]:
            more = min(max(0, over), one.size_bytes - gone.get(one.identity, 0))
            if more:
                gone[one.identity] = gone.get(one.identity, 0) + more
                over -= more
    return gone


def spare(held: Iterable[Held], far: Mapping[bytes, Distance], limits: Limits) -> dict[bytes, int]:
    """Return how many bytes may come back of whom, those who were evicted before.

    An eighth of each quota stays free, so that what is evicted to the limit is not wanted again
    at once: only a raised quota, or somebody who came nearer, makes room. Nothing of strangers
    is asked for.
    """
    people = list(held)
    left = None
    if limits.total_bytes:
        left = limits.total_bytes - limits.total_bytes // 8 - sum(one.size_bytes for one in people)
    found: dict[bytes, int] = {}
    for distance, most in (
        (Distance.FOLLOWED, limits.followed_bytes),
        (Distance.TWO_HOPS, limits.two_hops_bytes),
    ):
        for one in people:
            room = most - most // 8 - one.size_bytes
            if far.get(one.identity) is not distance or room <= 0:
                continue
            if left is not None:
                room = min(room, left)
                left -= max(0, room)
            if room > 0:
                found[one.identity] = room
    return found


def _excess_of_strangers(strangers: Sequence[Held], pool_bytes: int) -> dict[bytes, int]:
    by_introducer: dict[str, list[Held]] = {}
    for one in strangers:
        by_introducer.setdefault(one.introducer, []).append(one)
    sums = {via: sum(one.size_bytes for one in group) for via, group in by_introducer.items()}
    part = _equal_part(sorted(sums.values()), pool_bytes)
    gone: dict[bytes, int] = {}
    for via, group in by_introducer.items():
        over = sums[via] - part
        for one in group:
            if over <= 0:
                break
            gone[one.identity] = min(over, one.size_bytes)
            over -= gone[one.identity]
    return gone


def _equal_part(rising: Sequence[int], pool_bytes: int) -> int:
    """Return the most that each may have so that all together fit; who has less leaves room."""
    left = pool_bytes
    for number, size in enumerate(rising):
        part = left // (len(rising) - number)
        if size > part:
            return part
        left -= size
    return pool_bytes
