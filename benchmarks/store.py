"""A store of a million entries: how quickly it opens, answers, and is looked after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from slowlight.protocol.entry import header_hasher, payload_hasher
from slowlight.store.base import PageMark
from slowlight.store.sqlite import SqliteStore

from .figures import Figure, at_least, at_most, told
from .large_store import RARE_WORD, RECEIVED_MS, make_large_store
from .limits import median_ms

STORE: Final = Path("build/large.db")
_HEADER_BYTES: Final = 190
_SLICE: Final = 20_000


def figures() -> Iterator[Figure]:
    """Measure a store that is made once and kept in ``build/``; remove it to make it anew."""
    STORE.parent.mkdir(exist_ok=True)
    if not STORE.exists():
        part = STORE.with_suffix(".part")
        part.unlink(missing_ok=True)
        make_large_store(part)
        part.rename(STORE)
    with closing(SqliteStore(STORE)):
        pass  # a store of an older version is brought up to date here
    yield at_most("open a store of a million entries", median_ms(_open, repeats=5), "ms", 500)
    with closing(SqliteStore(STORE)) as store:
        middle = PageMark(RECEIVED_MS - 10**10, 0)
        for name, mark in (("the newest", None), ("one amid the years", middle)):
            page = median_ms(partial(store.timeline, before=mark, limit=50), repeats=20)
            yield at_most(f"a page of 50 of its timeline, {name}", page, "ms", 20)
        assert store.search(RARE_WORD, limit=20).posts
        rare = median_ms(lambda: store.search(RARE_WORD, limit=20), repeats=20)
        yield at_most("a search for a word of 1 in 10,000 posts", rare, "ms", 50)
        yield told("what status counts", median_ms(store.totals, repeats=5), "ms")
        yield told(
            "what a commit looks up", median_ms(lambda: store.change_counter, repeats=20), "ms"
        )
        rate = _scrub_rate(store)
        limit = _hash_rate(store)
        yield at_least(
            "scrub", rate, "entries/s", 200_000, limit=limit, limit_name="bare BLAKE2b of them/s"
        )


def _open() -> None:
    SqliteStore(STORE).close()


def _scrub_rate(store: SqliteStore) -> float:
    """Return the entries that a whole scrub looks at in a second of processor time."""
    after = entries = 0
    start_s = time.process_time()
    while True:
        part = store.scrub(after=after, limit=_SLICE, now_ms=RECEIVED_MS)
        assert part.damaged == part.mended == 0
        entries, after = entries + part.entries, part.next
        if not after:
            return entries / (time.process_time() - start_s)


def _hash_rate(store: SqliteStore) -> float:
    """Return how many entries could be hashed in a second if their bytes cost nothing."""
    payloads = [
        payload
        for (payload,) in store.database.rows(
            "SELECT payload FROM entry WHERE payload IS NOT NULL LIMIT 100000"
        )
    ]
    header = bytes(_HEADER_BYTES)
    start_s = time.process_time()
    for payload in payloads:
        for hasher, data in ((payload_hasher().copy(), payload), (header_hasher().copy(), header)):
            hasher.update(data)
            hasher.digest()
    return len(payloads) / (time.process_time() - start_s)
