"""The frames by which two nodes find out which of their logs differ.

What a sketch or a message of ranges holds is decoded by `slowlight.protocol.sketch` and
`slowlight.protocol.range_messages`; here they are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .encoding import as_bytes_upto, as_fields, as_list, as_uint, pack, require_rising, unpack
from .range_messages import MAX_RANGES_BYTES
from .sketch import MAX_SHARD_BITS

MAX_QUESTION: Final = 255
"""Reconciliations by ranges in a session are numbered from 0 to this."""
_MAX_SHARDS: Final = 2**MAX_SHARD_BITS
_RANGES_HEAD_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Our digests differ: tell me all your states."""

    def body(self) -> bytes:
        return pack(())

    @classmethod
    def decode(cls, body: bytes) -> Reconcile:
        as_fields(unpack(body, max_bytes=8, what="RECONCILE"), 0, "RECONCILE")
        return cls()


@dataclass(frozen=True, slots=True)
class SketchFrame:
    """Symbols of what the sender holds of what it wants: send me what I lack."""

    data: bytes

    def body(self) -> bytes:
        return self.data

    @classmethod
    def decode(cls, body: bytes) -> SketchFrame:
        return cls(body)


@dataclass(frozen=True, slots=True)
class More:
    """The sketch that came did not tell what differs."""

    again: bool
    """Whether more symbols would be read; else only ranges find the difference."""
    shards: tuple[int, ...]
    """Shards that are not told yet, rising; empty: all."""

    def body(self) -> bytes:
        return pack((int(self.again), self.shards))

    @classmethod
    def decode(cls, body: bytes) -> More:
        value = unpack(body, max_bytes=3 * _MAX_SHARDS + 8, max_items=_MAX_SHARDS, what="MORE")
        fields = as_fields(value, 2, "MORE")
        shards = [
            as_uint(item, _MAX_SHARDS - 1, "MORE shard")
            for item in as_list(fields[1], _MAX_SHARDS, "MORE shards")
        ]
        require_rising(shards, "MORE shards")
        return cls(bool(as_uint(fields[0], 1, "MORE again")), tuple(shards))


@dataclass(frozen=True, slots=True)
class RangesFrame:
    """A message of a reconciliation by ranges."""

    answer: bool
    """It is about what its sender offers; else about what its receiver offers."""
    number: int
    """Which reconciliation of this session, as counted by the side that begins them."""
    message: bytes

    def body(self) -> bytes:
        return pack((int(self.answer), self.number, self.message))

    @classmethod
    def decode(cls, body: bytes) -> RangesFrame:
        most = MAX_RANGES_BYTES + _RANGES_HEAD_BYTES
        fields = as_fields(unpack(body, max_bytes=most, what="RANGES"), 3, "RANGES")
        return cls(
            bool(as_uint(fields[0], 1, "RANGES answer")),
            as_uint(fields[1], MAX_QUESTION, "RANGES number"),
            as_bytes_upto(fields[2], MAX_RANGES_BYTES, "RANGES message"),
        )
