"""An empty machine, 24 words, one peer: how soon a long life is readable again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from slowlight.node.beginning import open_sqlite_store
from slowlight.node.clock import system_clock
from slowlight.node.config import Config
from slowlight.node.direct import open_direct
from slowlight.node.home import Home
from slowlight.node.peer_operations import STATUS, StatusRequest
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.post_operations import READ, ReadRequest
from slowlight.node.restoring import restore
from slowlight.protocol.content import Post
from slowlight.protocol.ident import verify_ident
from slowlight.protocol.identity import incept
from slowlight.protocol.words import words_from_seed
from slowlight.simulations.people import SeededPerson, derive_seed

from .daemons import Daemon, empty_home, introduce, new_home, running
from .figures import Figure, at_most, told
from .limits import POST_BYTES, verify_rate_per_s

POSTS = 100_000
NEWEST = 50
FROM_MS = 1_600_000_000_000
STEP_MS = 900_000
"""A post each quarter of an hour, for nearly three years."""
POLL_S = 0.01
PATIENCE_S = 300
RUNS_PER_COMMIT = 20


def figures() -> Iterator[Figure]:
    """Measure a restore from a friend's node: both ends are daemons, joined over TCP."""
    seed = derive_seed(bytes(32), "restored")
    writer = _writer(seed)
    verify = verify_rate_per_s()
    with new_home("friend") as friend, empty_home("restored") as home:
        _follow(friend, writer.identity)
        _fill(friend, writer)
        words = " ".join(words_from_seed(derive_seed(seed, "root")))
        restore(home, words, clock=system_clock, random_bytes=os.urandom)
        with running(friend) as sender, running(home) as receiver:
            start_s = time.perf_counter()
            introduce(receiver, sender)
            readable_s = _wait(receiver, writer) - start_s
            whole_s = _wait_for_all(receiver) - start_s
            memory_mb = receiver.status_kb("VmHWM") / 1000
    yield at_most(
        f"the newest {NEWEST} of {POSTS:,} posts readable after a restore, dialling included",
        readable_s,
        "s",
        2,
    )
    yield told(
        f"all {POSTS:,} of them back",
        whole_s,
        "s",
        limit=POSTS / verify,
        limit_name="s of crypto_sign_open for each, one core",
    )
    yield told("peak memory of the node that is restored", memory_mb, "MB")


def _writer(seed: bytes) -> SeededPerson:
    writer = SeededPerson(seed, label="lost", from_ms=FROM_MS)
    assert writer.identity == incept(derive_seed(seed, "root")).identity
    for number in range(POSTS):
        text = f"{number} ".ljust(POST_BYTES, "abcdefgh ijkl"[number % 13])
        writer.write(1, Post(text), FROM_MS + STEP_MS * number)
    return writer


def _follow(home: Home, identity: bytes) -> None:
    """Let a home follow somebody, so that its node keeps what it is given of them."""
    with home.lock("bench"), open_direct(home, Config(), random_bytes=os.urandom) as client:
        client.call(FOLLOW, FollowRequest(who=(identity.hex(),)))


def _fill(home: Home, writer: SeededPerson) -> None:
    """Let a home hold everything that somebody wrote."""
    store = open_sqlite_store(home)
    now_ms = system_clock()
    store.ingest([verify_ident(writer.ident)], received_ms=now_ms, via="bench")
    runs = list(writer.runs())
    for start in range(0, len(runs), RUNS_PER_COMMIT):
        store.ingest(runs[start : start + RUNS_PER_COMMIT], received_ms=now_ms, via="bench")
    while store.index_posts(10_000):
        pass
    store.close()


def _wait(receiver: Daemon, writer: SeededPerson) -> float:
    """Return when the newest posts could be read."""
    newest = [entry.id.hex() for entry in reversed(writer.logs[1].entries[-NEWEST:])]
    deadline_s = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < deadline_s:
        request = ReadRequest(scope="all", limit=NEWEST, mark=False)
        if [post.id for post in receiver.client.call(READ, request).posts] == newest:
            return time.perf_counter()
        time.sleep(POLL_S)
    raise TimeoutError("the newest posts never came")


def _wait_for_all(receiver: Daemon) -> float:
    deadline_s = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < deadline_s:
        if receiver.client.call(STATUS, StatusRequest()).posts == POSTS:
            return time.perf_counter()
        time.sleep(20 * POLL_S)
    raise TimeoutError("some posts never came")
