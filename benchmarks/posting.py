"""Own posts with an acknowledgement that a power cut cannot take back; the idle daemon."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from slowlight.node.config import Config
from slowlight.node.direct import open_direct
from slowlight.node.post_operations import POST, PostRequest

from .daemons import new_home, running
from .figures import Figure, at_least, at_most, told
from .limits import full_commit_rate_per_s, rate_per_s

POSTS = 500
IDLE_S = 20


def figures() -> Iterator[Figure]:
    """Measure posting in-process and through the daemon, then the daemon at rest."""
    with tempfile.TemporaryDirectory(prefix="slowlight-bench-") as folder:
        limit = full_commit_rate_per_s(Path(folder))
    with new_home("poster") as home:
        with home.lock("bench"), open_direct(home, Config(), random_bytes=os.urandom) as client:

            def post_all() -> int:
                for number in range(POSTS):
                    client.call(POST, PostRequest(text=f"{number} " + "x" * 176))
                return POSTS

            direct = rate_per_s(post_all)
        yield at_least(
            "posts acknowledged with FULL at the store, one by one",
            direct / limit,
            "x bare commit",
            0.5,
            limit=limit,
            limit_name="commits of one row/s",
        )
        with running(home) as daemon:
            times_ms: list[float] = []
            for number in range(POSTS):
                start_s = time.perf_counter()
                daemon.client.call(POST, PostRequest(text=f"{number} " + "x" * 176))
                times_ms.append((time.perf_counter() - start_s) * 1000)
            yield told(
                "posts through the daemon, one by one",
                1000 / statistics.mean(times_ms),
                "posts/s",
                limit=limit,
                limit_name="commits of one row/s",
            )
            p99 = statistics.quantiles(times_ms, n=100)[98]
            yield at_most("p99 of a post through the daemon", p99, "ms", 20)
            time.sleep(2)
            before = daemon.context_switches()
            time.sleep(IDLE_S)
            woken = (daemon.context_switches() - before) / IDLE_S
            yield at_most("wake-ups of an idle daemon", woken, "1/s", 1)
            yield at_most(
                "resident memory of an idle daemon", daemon.status_kb("VmRSS") / 1000, "MB", 80
            )
