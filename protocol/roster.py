"""What a peer is interested in: identities, channels, and how deep.

A roster is a sorted list of rows. It is sent once and named by its hash afterwards, because
the interest of a node changes far more seldom than what its people write.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from .encoding import (
    MAX_UINT,
    Value,
    as_bytes,
    as_fields,
    as_list,
    as_uint,
    pack,
    require_rising,
)
from .entry import CHANNEL_IDENTITY, MAX_CHANNEL
from .errors import DecodeError
from .hashing import HASH_BYTES, PERSON_ROSTER, hash32

MAX_ROSTER_ROWS: Final = 65_536
"""At the worst 3.3 MB to send and 18 MB of memory for each peer."""


class Depth(IntEnum):
    """How much of a log is wanted."""

    EVERYTHING = 0
    NEWEST = 1
    """The newest ``n`` entries with payloads, the rest not at all."""
    STUBS = 2
    """Headers without payloads."""


class RosterRow(NamedTuple):
    """One wish: a channel of every device of an identity.

    A row for any channel implies channel 0 of that identity, without which nothing of it can
    be verified.
    """

    identity: bytes
    channel: int
    depth: Depth
    n: int
    """Entries wanted where the depth is ``NEWEST``, else 0."""


class Roster:
    """A set of wishes with its name; immutable."""

    __slots__ = ("_channels", "_shallow", "hash", "rows")

    def __init__(self, rows: Iterable[RosterRow]) -> None:
        """Sort the rows.

        Raises:
            ValueError: two rows for one channel of an identity, too many rows, or a field
                outside its range.
        """
        self.rows: Final[tuple[RosterRow, ...]] = tuple(sorted(rows))
        try:
            _check(self.rows)
        except DecodeError as error:
            raise ValueError(f"no peer would take this roster: {error}") from error
        self.hash: Final = hash32(PERSON_ROSTER, pack(self.rows))
        self._channels: dict[bytes, frozenset[int]] = {}
        self._shallow: Final = {
            row[:2]: row for row in self.rows if row.depth is not Depth.EVERYTHING
        }
        shared: dict[frozenset[int], frozenset[int]] = {}  # most identities want the same few
        for identity, of_identity in itertools.groupby(self.rows, key=lambda row: row.identity):
            channels = frozenset((CHANNEL_IDENTITY, *(row.channel for row in of_identity)))
            self._channels[identity] = shared.setdefault(channels, channels)

    def wants(self, identity: bytes, channel: int) -> bool:
        """Say whether a channel of an identity is of interest."""
        return channel in self._channels.get(identity, ())

    def shallow(self, identity: bytes, channel: int) -> RosterRow | None:
        """Return the row of a channel of which not everything is wanted, if it is such a one."""
        return self._shallow.get((identity, channel))

    def channels(self, identity: bytes) -> frozenset[int]:
        """Return the channels of an identity that are of interest, channel 0 included; none if the
        identity is not named."""
        return self._channels.get(identity, frozenset())

    @property
    def identities(self) -> Iterable[bytes]:
        """The identities named, each once."""
        return self._channels.keys()

    def __len__(self) -> int:
        return len(self.rows)


def roster_value(rows: Sequence[RosterRow]) -> Value:
    """Return rows as an encodable value, in the order given."""
    return [[row.identity, row.channel, int(row.depth), row.n] for row in rows]


def roster_rows(value: Value) -> list[RosterRow]:
    """Decode rows, which must stand in rising order without doubles; raises DecodeError."""
    rows = [
        _row(as_fields(item, 4, "roster row")) for item in as_list(value, MAX_ROSTER_ROWS, "roster")
    ]
    require_rising([(row.identity, row.channel) for row in rows], "roster")
    return rows


def _row(fields: Sequence[Value]) -> RosterRow:
    depth = Depth(as_uint(fields[2], max(Depth), "roster depth"))
    n = as_uint(fields[3], MAX_UINT, "roster n")
    if (n > 0) != (depth is Depth.NEWEST):
        raise DecodeError(f"roster row: depth {depth.name} with n = {n}")
    return RosterRow(
        as_bytes(fields[0], HASH_BYTES, "roster identity"),
        as_uint(fields[1], MAX_CHANNEL, "roster channel"),
        depth,
        n,
    )


def _check(rows: Sequence[RosterRow]) -> None:
    """Hold rows to what `roster_rows` takes, without a copy of the longest roster."""
    if len(rows) > MAX_ROSTER_ROWS:
        raise DecodeError(f"roster: {len(rows)} items where at most {MAX_ROSTER_ROWS} are allowed")
    for row in rows:
        _row((row.identity, row.channel, int(row.depth), row.n))
    for before, after in itertools.pairwise(rows):
        if before[:2] >= after[:2]:
            raise DecodeError("roster: rows do not rise")
