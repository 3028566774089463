"""The conversation from one daemon to an empty one, over TCP on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator

from slowlight.node.beginning import open_sqlite_store
from slowlight.node.peer_operations import STATUS, SYNC, StatusRequest, SyncRequest

from .daemons import follow_all, introduce, new_home, running
from .figures import Figure, at_least, told
from .limits import verify_rate_per_s
from .trace import conversation

NOW_MS = 1_800_000_000_000


def figures() -> Iterator[Figure]:
    """Measure one whole first sync between two processes."""
    replayed = conversation()
    verify = verify_rate_per_s()
    with new_home("full") as full, new_home("empty") as empty:
        store = open_sqlite_store(full)
        replayed.fill(store, received_ms=NOW_MS, via="bench")
        while store.index_posts(10_000):
            pass
        store.close()
        with running(full) as sender, running(empty) as receiver:
            follow_all(sender, replayed.people)
            follow_all(receiver, replayed.people)
            introduce(receiver, sender)
            start_s = time.perf_counter()
            result = receiver.client.call(SYNC, SyncRequest())
            took_s = time.perf_counter() - start_s
            status = receiver.client.call(STATUS, StatusRequest())
            memory_mb = receiver.status_kb("VmHWM") / 1000
    entries = result.total.entries_in
    assert entries == replayed.counts.entries, (entries, replayed.counts, result)
    assert status.posts == replayed.counts.posts
    wire = result.total.wire_bytes_in + result.total.wire_bytes_out
    yield at_least(
        f"first sync of {entries:,} entries of {replayed.counts.people:,} people, daemon to daemon",
        entries / took_s,
        "entries/s",
        10_000,
        limit=verify,
        limit_name="crypto_sign_open/s, one core",
    )
    yield told(
        "bytes on the wire for it, both ways, handshake included",
        wire / 1e6,
        "MB",
        limit=replayed.counts.body_bytes / 1e6,
        limit_name="MB of bodies alone",
    )
    yield told("peak memory of the receiver", memory_mb, "MB")
