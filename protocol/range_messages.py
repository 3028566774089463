"""The messages of range-based reconciliation: fingerprints of ranges, and states.

A range is all logs whose ids begin with a prefix. Prefixes count in nibbles, so a range has 16
parts of the same kind; log ids are hashes and fill them evenly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from .encoding import (
    Value,
    as_bytes,
    as_bytes_or_none,
    as_bytes_upto,
    as_fields,
    as_list,
    as_uint,
    pack,
    require_rising,
    unpack,
)
from .entry import MAX_SEQ
from .errors import DecodeError
from .hashing import HASH_BYTES

BRANCHES: Final = 16
FINGERPRINT_BYTES: Final = 8
SALT_BYTES: Final = 8
MAX_LISTED: Final = 8
"""States in a list; a range with more is split."""
MAX_PREFIX_NIBBLES: Final = 2 * HASH_BYTES
MAX_RANGES_BYTES: Final = 64_980
"""What fits a frame with its number."""
MAX_NODES: Final = 512
"""Ranges in a message."""
MAX_ANSWERED: Final = 1_260
"""States in a part of an answer, of at most 51 bytes each; so many fit a frame."""
STATE_BYTES: Final = 51
NODE_BYTES: Final = 16
"""A node without its prefix, states and fingerprints has at most so many bytes."""
_MAX_ITEMS: Final = 4_096  # leaves room for 512 nodes without states; see encoding.unpack
_SPLIT, _LISTING, _ANSWER = range(3)


class ToldState(NamedTuple):
    """What a peer says of a log."""

    log: bytes
    frozen: bool
    seq: int
    """The newest sequence number; of a frozen log the lowest forked one."""
    check: bytes
    """Fingerprint of the range with this state alone: it differs where ids differ."""


@dataclass(frozen=True, slots=True)
class Split:
    """Here are the fingerprints of my 16 parts of this range: which of them differ?"""

    prefix: bytes
    """A byte of 0..15 for each nibble."""
    fingerprints: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Here is all that I have in this range: tell me what differs."""

    prefix: bytes
    states: tuple[ToldState, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What differs from a listing, or a part of that."""

    prefix: bytes
    lacks: int
    """Bit i: I do not have the log that was listed i-th. In the first part only."""
    last: bool
    states: tuple[ToldState, ...]
    """Mine that were not listed like this."""


Node: TypeAlias = Split | Listing | Answer


@dataclass(frozen=True, slots=True)
class RangeMessage:
    """One message, the body of a frame."""

    salt: bytes
    """Key of all fingerprints, in the first message; empty in the others."""
    more: bool
    """More is to come, after the next message of the other side."""
    nodes: tuple[Node, ...]
    """By rising prefix."""

    def body(self) -> bytes:
        return pack((self.salt, int(self.more), [_node_value(node) for node in self.nodes]))

    @classmethod
    def decode(cls, body: bytes) -> RangeMessage:
        """Decode a body; raises DecodeError."""
        value = unpack(body, max_bytes=MAX_RANGES_BYTES, max_items=_MAX_ITEMS, what="ranges")
        fields = as_fields(value, 3, "ranges")
        more = bool(as_uint(fields[1], 1, "ranges more"))
        nodes = tuple(map(_node, as_list(fields[2], MAX_NODES, "ranges")))
        require_rising([node.prefix for node in nodes], "ranges")
        if more and not nodes:
            raise DecodeError("ranges: more was announced, and nothing said")
        return cls(as_bytes_or_none(fields[0], SALT_BYTES, "ranges salt") or b"", more, nodes)


def _node_value(node: Node) -> Value:
    if isinstance(node, Split):
        return node.prefix, _SPLIT, b"".join(node.fingerprints)
    states: Value = [(s.log, int(s.frozen), s.seq, s.check) for s in node.states]
    if isinstance(node, Listing):
        return node.prefix, _LISTING, states
    return node.prefix, _ANSWER, states, node.lacks, int(node.last)


def _node(value: Value) -> Node:
    fields = as_list(value, 5, "range")
    if len(fields) < 3:
        raise DecodeError(f"range: {len(fields)} fields")
    kind = as_uint(fields[1], _ANSWER, "range kind")
    as_fields(value, 5 if kind == _ANSWER else 3, "range")
    prefix = as_bytes_upto(fields[0], MAX_PREFIX_NIBBLES, "range prefix")
    if prefix and max(prefix) >= BRANCHES:
        raise DecodeError(f"range prefix: {max(prefix)} is no nibble")
    if kind == _SPLIT:
        if len(prefix) == MAX_PREFIX_NIBBLES:
            raise DecodeError("range: one log cannot be split")
        data = as_bytes(fields[2], BRANCHES * FINGERPRINT_BYTES, "range fingerprints")
        starts = range(0, len(data), FINGERPRINT_BYTES)
        return Split(prefix, tuple(data[at : at + FINGERPRINT_BYTES] for at in starts))
    if kind == _LISTING:
        return Listing(prefix, _told_states(fields[2], MAX_LISTED, prefix))
    states = _told_states(fields[2], MAX_ANSWERED, prefix)
    lacks = as_uint(fields[3], 2**MAX_LISTED - 1, "range lacks")
    last = bool(as_uint(fields[4], 1, "range last"))
    if not (states or last):
        raise DecodeError("range: a part of an answer without states")
    return Answer(prefix, lacks, last, states)


def _told_states(value: Value, most: int, prefix: bytes) -> tuple[ToldState, ...]:
    states: list[ToldState] = []
    beginning = nibbles_text(prefix)
    for item in as_list(value, most, "range states"):
        fields = as_fields(item, 4, "range state")
        state = ToldState(
            as_bytes(fields[0], HASH_BYTES, "range log"),
            bool(as_uint(fields[1], 1, "range frozen")),
            as_uint(fields[2], MAX_SEQ, "range seq"),
            as_bytes(fields[3], FINGERPRINT_BYTES, "range check"),
        )
        if not state.log.hex().startswith(beginning):
            raise DecodeError("range: a log outside its range")
        states.append(state)
    require_rising([state.log for state in states], "range states")
    return tuple(states)


def nibbles_text(prefix: bytes) -> str:
    """Return a prefix as the hexadecimal digits with which its log ids begin."""
    return "".join(map("0123456789abcdef".__getitem__, prefix))
