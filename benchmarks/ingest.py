"""From wire bytes to a readable timeline, and what it takes on disk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from slowlight.protocol.content import Post
from slowlight.protocol.ident import verify_ident
from slowlight.protocol.run import BLOCK, decode_run
from slowlight.simulations.people import SeededPerson, derive_seed
from slowlight.store.sqlite import SqliteStore

from .figures import Figure, at_least, at_most
from .limits import POST_BYTES, rate_per_s, verify_rate_per_s

RUNS = 100
RUNS_PER_COMMIT = 20
"""About one MiB: what a session stages before it commits."""


def _author() -> SeededPerson:
    """Return someone with 25,600 posts of 180 bytes."""
    person = SeededPerson(
        derive_seed(bytes(32), "ingest"), label="bench", from_ms=1_700_000_000_000
    )
    letters = "abcdefghij klmnop qrstuv wxyz "
    for number in range(RUNS * BLOCK):
        words = f"{number} " + letters * 6
        person.write(1, Post(text=words[:POST_BYTES]), t_ms=1_700_000_000_000 + 60_000 * number)
    return person


def figures() -> Iterator[Figure]:
    """Measure ingest and the bytes on disk."""
    person = _author()
    ident = verify_ident(person.ident)
    wire = [run.encode() for run in reversed([run for run in person.runs() if run.channel == 1])]
    assert sum(decode_run(data).count for data in wire) == RUNS * BLOCK
    folder = Path(tempfile.mkdtemp(prefix="slowlight-bench-"))
    numbers = count()

    def ingest(*, search: bool) -> tuple[int, Path]:
        path = folder / f"{next(numbers)}.db"
        store = SqliteStore(path)
        store.ingest([ident], received_ms=1_800_000_000_000, via="bench")
        for start in range(0, len(wire), RUNS_PER_COMMIT):
            batch = [decode_run(data) for data in wire[start : start + RUNS_PER_COMMIT]]
            store.ingest(batch, received_ms=1_800_000_000_000, via="bench")
        while search and store.index_posts(10_000):
            pass
        assert len(store.timeline(limit=50)) == 50
        store.close()
        return RUNS * BLOCK, path

    try:
        verify = verify_rate_per_s()
        plain = rate_per_s(lambda: ingest(search=False)[0])
        verify = max(verify, verify_rate_per_s())
        searchable = rate_per_s(lambda: ingest(search=True)[0], repeats=2)
        verify = max(verify, verify_rate_per_s())
        yield at_least(
            "ingest of 256 x 180-byte posts, FULL, in the timeline",
            plain / verify,
            "x verify",
            4,
            limit=verify,
            limit_name="crypto_sign_open/s",
        )
        yield at_least(
            "the same with the search index caught up",
            searchable / verify,
            "x verify",
            2,
            limit=verify,
            limit_name="crypto_sign_open/s",
        )
        yield from _disk(ingest(search=False)[1], ingest(search=True)[1])
    finally:
        shutil.rmtree(folder)


def _disk(plain: Path, searchable: Path) -> Iterable[Figure]:
    posts = RUNS * BLOCK
    for path, name, goal in ((plain, "without", 300), (searchable, "with", 400)):
        size = sum(file.stat().st_size for file in path.parent.glob(path.name + "*"))
        yield at_most(
            f"disk per 180-byte post, {name} the search index",
            size / posts,
            "bytes",
            goal,
            limit=POST_BYTES,
            limit_name="bytes of text",
        )
