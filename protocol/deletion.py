"""What a deletion orders, and which payloads no deletion and no lifetime takes away.

The rules, for a second implementation: docs/protocol/deletion.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from .content import Delete, kind_of
from .content_fields import Kind
from .entry import CHANNEL_IDENTITY, CHANNEL_POSTS, SALT_BYTES

LASTING_KINDS: Final[Mapping[int, frozenset[int]]] = {
    CHANNEL_IDENTITY: frozenset(
        kind.value
        for kind in (Kind.CERTIFICATE, Kind.ROTATE, Kind.REVOKE, Kind.ACCEPT, Kind.PERIOD_KEY)
    ),
    CHANNEL_POSTS: frozenset({Kind.DELETE.value}),
}
"""Kinds by channel whose payloads stay whatever is ordered: others need them to verify, to seal,
and to know what was deleted, whichever arrives first."""


class OrderedRange(NamedTuple):
    """Entries of one log whose payloads have to go, both ends included."""

    device: bytes
    channel: int
    first: int
    last: int


def is_lasting(channel: int, payload: bytes) -> bool:
    """Say whether a payload is never deleted, expired or evicted singly."""
    kinds = LASTING_KINDS.get(channel)
    return kinds is not None and kind_of(payload[SALT_BYTES:]) in kinds


def ordered_ranges(delete: Delete, author: bytes) -> list[OrderedRange]:
    """Return what a deletion orders: sorted, without empty ranges, none touching another.

    Args:
        author: the device that wrote it (32 bytes), meant where a range names none.
    """
    wanted = sorted(
        OrderedRange(each.device or author, each.channel, each.first, each.last)
        for each in delete.ranges
        if each.first <= each.last
    )
    merged: list[OrderedRange] = []
    for each in wanted:
        below = merged[-1] if merged else None
        if below and below[:2] == each[:2] and each.first <= below.last + 1:
            merged[-1] = below._replace(last=max(below.last, each.last))
        else:
            merged.append(each)
    return merged
