"""How held entries travel: what remains of their lifetime, and how many fit a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ..protocol.deletion import is_lasting
from ..protocol.entry import USUAL_QUALITY, Entry
from ..protocol.frames import WantRange
from ..protocol.hashing import ZERO_HASH
from ..protocol.run import MAX_RUN_BYTES, Run, entry_columns
from .base import LogEnding, LogKey

_MOST_UNCOUNTED_BYTES: Final = 600
"""More than the fixed fields of a run and the columns of its first entry can take together."""


def as_sent(entry: Entry, held_ms: int, channel: int) -> Entry:
    """Return an entry as it travels on after ``held_ms`` here: its lifetime goes on meanwhile.

    A payload whose lifetime has ended stays behind, unless it lasts. A clock that was
    set back lengthens no life.
    """
    if not entry.expire_ms:
        return entry
    remaining_ms = max(0, entry.remaining_ms - max(0, held_ms))
    payload = entry.payload
    if payload is not None and not remaining_ms and not is_lasting(channel, payload):
        payload = None
    return entry._replace(remaining_ms=remaining_ms, payload=payload)


def is_alive(entry: Entry) -> bool:
    """Say whether an entry had some of its lifetime left when it came."""
    return not entry.expire_ms or entry.remaining_ms > 0


def within(wanted: WantRange, ending: LogEnding | None) -> Iterator[WantRange]:
    """Yield what of a range lies before the end of its log: what is void is not wanted."""
    if ending is None or wanted.last < ending.seq:
        yield wanted
    elif wanted.first <= ending.seq:
        yield wanted._replace(last=ending.seq, last_id=ending.id or None)


def longest_run(
    key: LogKey,
    newest_first: Iterator[Entry],
    *,
    needed: int,
    signature: bytes | None,
    max_bytes: int,
    prev_of: Callable[[int], bytes],
) -> Run:
    """Return the run that ends with the first entry given and reaches down as far as it may.

    Args:
        newest_first: consecutive entries of one block, from the end of the run downwards, at
            least ``needed``; no more are taken from it than fit.
        needed: how many entries the run shall have even beyond ``max_bytes``; only the size
            of a frame holds them back.
        max_bytes: most bytes of the encoded run otherwise.
        prev_of: returns the id of the entry before the one with this sequence number.
    """
    lowest = end = next(newest_first)
    columns: list[bytes] = []
    bodies = [_body(end)]
    size = len(bodies[0])

    def run_from(first: Entry, prev: bytes) -> Run:
        first_columns = entry_columns(first, 0, USUAL_QUALITY, first.seq)
        return Run(
            device=key.device,
            channel=key.channel,
            first=first.seq,
            count=len(bodies),
            prev=prev,
            columns=first_columns + b"".join(reversed(columns)),
            bodies=b"".join(reversed(bodies)),
            last_id=end.id if signature else None,
            signature=signature,
        )

    for entry in newest_first:
        columns.append(entry_columns(lowest, entry.t_ms, entry.t_quality, entry.lamport))
        bodies.append(_body(entry))
        size += len(columns[-1]) + len(bodies[-1])
        limit = min(max_bytes, MAX_RUN_BYTES) if len(bodies) > needed else MAX_RUN_BYTES
        near_limit = size + _MOST_UNCOUNTED_BYTES > limit
        if near_limit and len(run_from(entry, ZERO_HASH).encode()) > limit:
            del columns[-1], bodies[-1]
            break
        lowest = entry
    return run_from(lowest, prev_of(lowest.seq))


def _body(entry: Entry) -> bytes:
    return entry.payload_hash if entry.payload is None else entry.payload
