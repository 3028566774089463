"""What this machine can do at best, measured beside our own figures."""

from __future__ import annotations

import os
import random
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from nacl import bindings

POST_BYTES = 180
"""The post of the ingest figures."""


def rate_per_s(work: Callable[[], int], *, repeats: int = 3) -> float:
    """Return the best rate of several tries; ``work`` returns how many things it did."""
    best = 0.0
    for _ in range(repeats):
        start_s = time.perf_counter()
        done = work()
        best = max(best, done / (time.perf_counter() - start_s))
    return best


def median_ms(work: Callable[[], object], *, repeats: int) -> float:
    """Return the median time of one call, in milliseconds."""
    times_s: list[float] = []
    for _ in range(repeats):
        start_s = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - start_s)
    return statistics.median(times_s) * 1000


def verify_rate_per_s(*, repeats: int = 3) -> float:
    """Return bare ``crypto_sign_open`` calls a second on messages of the size of a post."""
    random_bytes = random.Random(1).randbytes
    public, secret = bindings.crypto_sign_seed_keypair(random_bytes(32))
    signed = [bindings.crypto_sign(random_bytes(POST_BYTES), secret) for _ in range(2000)]

    def work() -> int:
        for message in signed:
            bindings.crypto_sign_open(message, public)
        return len(signed)

    return rate_per_s(work, repeats=repeats)


def full_commit_rate_per_s(folder: Path, *, commits: int = 500) -> float:
    """Return bare commits of one row a second: WAL, synchronous=FULL, rows of 500 bytes."""
    connection = sqlite3.connect(folder / "limit.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS row(n INTEGER PRIMARY KEY, body BLOB)")
    body = bytes(500)

    def work() -> int:
        for _ in range(commits):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO row(body) VALUES (?)", (body,))
            connection.execute("COMMIT")
        return commits

    rate = rate_per_s(work)
    connection.close()
    return rate


def with_bytecode() -> dict[str, str]:
    """Return the environment in which Python keeps compiled modules, as people have it."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def import_click_ms(*, repeats: int = 15) -> float:
    """Return the median time of ``python -c "import click"``."""
    return median_ms(
        lambda: subprocess.run(
            [sys.executable, "-c", "import click"], check=True, env=with_bytecode()
        ),
        repeats=repeats,
    )
