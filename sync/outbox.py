"""What is still to be sent to one peer, in the order in which it is worth most.

Identity logs first, then the newest posts of everyone, then older ones. Ranges wait as
numbers; entries are read from the store only when the link takes them.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from typing import Final, NamedTuple

from ..protocol.entry import CHANNEL_IDENTITY
from ..protocol.errors import ProtocolError
from ..protocol.run import Run
from ..store.base import LogKey, LogStore

MAX_RANGES: Final = 131_072
"""Ranges that a peer can make wait here: two for each row of the largest roster."""

MAX_UNMET: Final = 512
"""Ranges that were not held when their turn came and wait for it: logs on their way to us."""


class _Range(NamedTuple):
    channel_class: int
    minus_written_ms: int
    order: int
    key: LogKey
    first: int
    last: int
    end_known: bool
    end_id: bytes | None


class Outbox:
    """A priority queue of ranges of logs."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._heap: list[_Range] = []
        self._order = 0
        self._unmet: OrderedDict[tuple[LogKey, int, int], tuple[bool, bytes | None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._heap)

    def add(
        self,
        key: LogKey,
        first: int,
        last: int,
        *,
        end_known: bool,
        end_id: bytes | None = None,
    ) -> None:
        """Let ``first..last`` of a log wait.

        Args:
            end_known: whether the peer can vouch for the id of entry ``last``.
            end_id: that id, where the peer named it: the log may have forked.

        Raises:
            ProtocolError: the peer asked for more than `MAX_RANGES` ranges.
        """
        if first > last:
            return
        if len(self._heap) >= MAX_RANGES:
            raise ProtocolError(f"the peer asked for more than {MAX_RANGES} ranges at once")
        self._order += 1
        identity_first = key.channel == CHANNEL_IDENTITY
        heapq.heappush(
            self._heap,
            _Range(
                0 if identity_first else 1,
                0 if identity_first else -self._store.written_ms(key, last),
                self._order,
                key,
                first,
                last,
                end_known,
                end_id,
            ),
        )

    def next_log(self) -> tuple[LogKey, int] | None:
        """Return the log and first sequence number of the next range, or None if empty."""
        return (self._heap[0].key, self._heap[0].first) if self._heap else None

    def drop_first_entry(self) -> None:
        """Leave entry 0 out of the next range: it travelled inside an IDENT."""
        waiting = heapq.heappop(self._heap)
        self.add(
            waiting.key,
            max(1, waiting.first),
            waiting.last,
            end_known=waiting.end_known,
            end_id=waiting.end_id,
        )

    def retry(self) -> None:
        """The store got more: let ranges wait again of which nothing was held before."""
        for (key, first, last), (end_known, end_id) in list(self._unmet.items()):
            if any(held.first <= last and first <= held.last for held in self._store.held(key)):
                del self._unmet[key, first, last]
                self.add(key, first, last, end_known=end_known, end_id=end_id)

    def forget_unmet(self) -> None:
        """The peer wants something else now."""
        self._unmet.clear()

    def pop_run(self, *, max_bytes: int, now_ms: int) -> Run | None:
        """Take the upper end of the next range as a run; the rest goes on waiting.

        Returns:
            None if nothing of the range is held; `retry` finds it when it came.
        """
        waiting = heapq.heappop(self._heap)
        key, first, last = waiting.key, waiting.first, waiting.last
        end_known, end_id = waiting.end_known, waiting.end_id
        if end_id is not None and self._store.id_at(key, last) != end_id:
            run = self._store.read_branch(
                key, first, last, end_id, max_bytes=max_bytes, now_ms=now_ms
            )
            if run is not None:
                self.add(key, first, run.first - 1, end_known=True, end_id=run.prev)
                return run
            end_known = False  # what is held here may be another branch: let its end prove it
        run = self._store.read_run(
            key, first, last, end_known=end_known, max_bytes=max_bytes, now_ms=now_ms
        )
        if run is None:
            self._unmet[key, first, last] = waiting.end_known, end_id
            if len(self._unmet) > MAX_UNMET:
                self._unmet.popitem(last=False)
        else:
            self.add(key, first, run.first - 1, end_known=True)
        return run
