"""The posts of a store in memory: timeline, threads, search."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from .base import HeldEntry, PageMark, SearchResult, TimelinePost
from .derived import PostLinks, first_order_ms, links_of_post, moved_answers, searchable_text
from .memory_edits import MemoryEdits
from .memory_log import MemoryLog
from .words import best_matches, parse_query


@dataclass(slots=True)
class _Row:
    log: MemoryLog
    seq: int
    order_ms: int
    is_shown: bool = True


class MemoryPosts:
    """Posts by number of arrival (from 1, without gaps), in reading order and by thread."""

    def __init__(self, edits: MemoryEdits) -> None:
        self._edits = edits
        self._rows: list[_Row] = []
        self._order: list[PageMark] = []
        self._number_of: dict[bytes, int] = {}
        self._answers_to: dict[bytes, list[int]] = {}
        self._thread_of: dict[bytes, list[int]] = {}
        """Posts that name a root which is not what they answer."""

    def __len__(self) -> int:
        """Return how many are shown."""
        return len(self._order)

    def newest_arrival(self) -> int:
        """Return the number of the post shown that came last; 0 if there is none."""
        return next((n for n in range(len(self._rows), 0, -1) if self._rows[n - 1].is_shown), 0)

    def hide(self, log: MemoryLog, seqs: Iterable[int]) -> None:
        """Take the posts among these entries out of every view; done twice, nothing changes."""
        switched = list(seqs)
        self._edits.count(log, switched, stand=False)
        for n in self._numbers(log, switched):
            row = self._rows[n - 1]
            if row.is_shown:
                row.is_shown = False
                del self._order[bisect.bisect_left(self._order, PageMark(row.order_ms, n))]

    def show(self, log: MemoryLog, seqs: Iterable[int]) -> None:
        """Put those back whose payload is held; the caller knows that they stand."""
        orders_ms: dict[int, int] = {}
        switched = list(seqs)
        self._edits.count(log, switched, stand=True)
        for n in self._numbers(log, switched):
            row = self._rows[n - 1]
            held = log.entries[row.seq]
            links = links_of_post(log.key.channel, held.entry.payload)
            if row.is_shown or links is None:
                continue
            row.is_shown = True
            row.order_ms = self._placed_ms(links, held)
            orders_ms[n] = row.order_ms
            bisect.insort(self._order, PageMark(row.order_ms, n))
        self._move_answers(orders_ms)

    def add(self, entries: Iterable[tuple[MemoryLog, int]]) -> None:
        """Take up the posts among entries that arrived with their payload."""
        orders_ms: dict[int, int] = {}
        for log, seq in entries:
            held = log.entries[seq]
            links = links_of_post(log.key.channel, held.entry.payload)
            if links is None:
                continue
            order_ms = self._placed_ms(links, held)
            self._rows.append(_Row(log, seq, order_ms))
            n = len(self._rows)
            orders_ms[n] = order_ms
            bisect.insort(self._order, PageMark(order_ms, n))
            self._number_of[held.entry.id] = n
            if links.parent is not None:
                self._answers_to.setdefault(links.parent, []).append(n)
            if links.root is not None and links.root != links.parent:
                self._thread_of.setdefault(links.root, []).append(n)
        self._move_answers(orders_ms)

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
        later = range(after + 1, len(self._rows) + 1)
        shown = (n for n in later if self._rows[n - 1].is_shown)
        return [self._post(n) for n in islice(shown, limit)]

    def thread(self, root: bytes, *, limit: int) -> list[TimelinePost]:
        """Return a post and those that name it, in reading order."""
        numbers = {*self._answers_to.get(root, ()), *self._thread_of.get(root, ())}
        if root in self._number_of:
            numbers.add(self._number_of[root])
        shown = [n for n in numbers if self._rows[n - 1].is_shown]
        in_order = sorted(shown, key=lambda n: (self._rows[n - 1].order_ms, n))
        return [self._post(n) for n in in_order[:limit]]

    def count_arrived(self, *, after: int, besides: bytes) -> int:
        """Count the posts behind a number that are not of one identity."""
        return sum(row.is_shown and row.log.identity != besides for row in self._rows[after:])

    def search(self, query: str, *, limit: int) -> SearchResult:
        """Look at the text of every post: slow, always complete, and nothing to keep."""
        ranked = best_matches(parse_query(query), self._texts(), limit=limit)
        return SearchResult(tuple(self._post(n) for n in ranked), behind=0)

    def _texts(self) -> Iterator[tuple[int, str]]:
        """Yield number and text of each post, newest first."""
        for n in range(len(self._rows), 0, -1):
            post = self._post(n)
            payload = (post.version or post.held).entry.payload
            if self._rows[n - 1].is_shown and payload is not None:
                yield n, searchable_text(payload)

    def _post(self, n: int) -> TimelinePost:
        row = self._rows[n - 1]
        held = row.log.entries[row.seq]
        return TimelinePost(n, row.order_ms, held, self._edits.latest(held))

    def _answers(self, n: int) -> Iterator[tuple[int, int]]:
        row = self._rows[n - 1]
        for answer in self._answers_to.get(row.log.entries[row.seq].entry.id, ()):
            if self._rows[answer - 1].is_shown:
                yield answer, self._rows[answer - 1].order_ms

    def _numbers(self, log: MemoryLog, seqs: Iterable[int]) -> list[int]:
        """Return the numbers of the posts among the held entries of a log."""
        held = (log.entries.get(seq) for seq in seqs)
        numbers = (self._number_of.get(one.entry.id) for one in held if one is not None)
        return [n for n in numbers if n is not None]

    def _placed_ms(self, links: PostLinks, held: HeldEntry) -> int:
        """Return where a post stands, not before what it answers."""
        order_ms = first_order_ms(held.entry, held.received_ms)
        parent = None if links.parent is None else self._number_of.get(links.parent)
        if parent is None or not self._rows[parent - 1].is_shown:
            return order_ms
        return max(order_ms, self._rows[parent - 1].order_ms + 1)

    def _move_answers(self, orders_ms: Mapping[int, int]) -> None:
        for n, order_ms in moved_answers(orders_ms, self._answers).items():
            self._move(n, order_ms)

    def _move(self, n: int, order_ms: int) -> None:
        row = self._rows[n - 1]
        del self._order[bisect.bisect_left(self._order, PageMark(row.order_ms, n))]
        row.order_ms = order_ms
        bisect.insort(self._order, PageMark(order_ms, n))
