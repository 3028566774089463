"""The posts of a store in memory: timeline, threads, search."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from .base import PageMark, SearchResult, TimelinePost
from .derived import first_order_ms, links_of_post, moved_answers, searchable_text
from .memory_log import MemoryLog
from .words import best_matches, parse_query


@dataclass(slots=True)
class _Row:
    log: MemoryLog
    seq: int
    order_ms: int


class MemoryPosts:
    """Posts by number of arrival (from 1, without gaps), in reading order and by thread."""

    def __init__(self) -> None:
        self._rows: list[_Row] = []
        self._order: list[PageMark] = []
        self._number_of: dict[bytes, int] = {}
        self._answers_to: dict[bytes, list[int]] = {}
        self._thread_of: dict[bytes, list[int]] = {}
        """Posts that name a root which is not what they answer."""

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, entries: Iterable[tuple[MemoryLog, int]]) -> None:
        """Take up the posts among entries that arrived with their payload."""
        orders_ms: dict[int, int] = {}
        for log, seq in entries:
            held = log.entries[seq]
            links = links_of_post(log.key.channel, held.entry.payload)
            if links is None:
                continue
            order_ms = first_order_ms(held.entry, held.received_ms)
            if links.parent is not None:
                parent = self._number_of.get(links.parent)
                if parent is not None:
                    order_ms = max(order_ms, self._rows[parent - 1].order_ms + 1)
            self._rows.append(_Row(log, seq, order_ms))
            n = len(self._rows)
            orders_ms[n] = order_ms
            bisect.insort(self._order, PageMark(order_ms, n))
            self._number_of[held.entry.id] = n
            if links.parent is not None:
                self._answers_to.setdefault(links.parent, []).append(n)
            if links.root is not None and links.root != links.parent:
                self._thread_of.setdefault(links.root, []).append(n)
        for n, order_ms in moved_answers(orders_ms, self._answers).items():
            self._move(n, order_ms)

    def timeline(
        self, *, before: PageMark | None, limit: int, identity: bytes | None
    ) -> list[TimelinePost]:
        """Return a page, newest first (see `NodeStore.timeline`)."""
        end = len(self._order) if before is None else bisect.bisect_left(self._order, before)
        downwards = (self._order[at].n for at in range(end - 1, -1, -1))
        wanted = (
            n for n in downwards if identity is None or self._rows[n - 1].log.identity == identity
        )
        return [self._post(n) for n in islice(wanted, limit)]

    def arrived(self, *, after: int, limit: int) -> list[TimelinePost]:
        """Return posts in order of arrival."""
        return [self._post(n) for n in range(after + 1, min(after + limit, len(self)) + 1)]

    def thread(self, root: bytes, *, limit: int) -> list[TimelinePost]:
        """Return a post and those that name it, in reading order."""
        numbers = {*self._answers_to.get(root, ()), *self._thread_of.get(root, ())}
        if root in self._number_of:
            numbers.add(self._number_of[root])
        in_order = sorted(numbers, key=lambda n: (self._rows[n - 1].order_ms, n))
        return [self._post(n) for n in in_order[:limit]]

    def count_arrived(self, *, after: int, besides: str) -> int:
        """Count the posts behind a number that did not come one way."""
        return sum(row.log.entries[row.seq].via != besides for row in self._rows[after:])

    def search(self, query: str, *, limit: int) -> SearchResult:
        """Look at the text of every post: slow, always complete, and nothing to keep."""
        ranked = best_matches(parse_query(query), self._texts(), limit=limit)
        return SearchResult(tuple(self._post(n) for n in ranked), behind=0)

    def _texts(self) -> Iterator[tuple[int, str]]:
        """Yield number and text of each post, newest first."""
        for n in range(len(self), 0, -1):
            payload = self._post(n).held.entry.payload
            if payload is not None:
                yield n, searchable_text(payload)

    def _post(self, n: int) -> TimelinePost:
        row = self._rows[n - 1]
        return TimelinePost(n, row.order_ms, row.log.entries[row.seq])

    def _answers(self, n: int) -> Iterator[tuple[int, int]]:
        row = self._rows[n - 1]
        for answer in self._answers_to.get(row.log.entries[row.seq].entry.id, ()):
            yield answer, self._rows[answer - 1].order_ms

    def _move(self, n: int, order_ms: int) -> None:
        row = self._rows[n - 1]
        del self._order[bisect.bisect_left(self._order, PageMark(row.order_ms, n))]
        row.order_ms = order_ms
        bisect.insort(self._order, PageMark(order_ms, n))
