"""What it costs to find out that a fork proof holds, from its bytes on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import Final

from nacl import bindings

from slowlight.protocol.entry import (
    CHANNEL_POSTS,
    Entry,
    LogHead,
    sign_entry,
    write_entry,
)
from slowlight.protocol.fork import decode_fork, prove_fork, verify_fork
from slowlight.protocol.hashing import HASH_BYTES
from slowlight.protocol.run import BLOCK, Run, build_run

from .figures import Figure, at_most, told
from .limits import POST_BYTES, median_ms

NOW_MS: Final = 1_800_000_000_000
REPEATS: Final = 500


def figures() -> Iterator[Figure]:
    """Check the shortest usual proof, and one of two whole blocks."""
    limit_ms = _two_checks_ms()
    for name, entries in (("two entries", 1), (f"two blocks of {BLOCK} posts", BLOCK)):
        data = _proof_bytes(entries)
        value_ms = median_ms(partial(_check, data), repeats=REPEATS)
        title = f"check a fork proof of {name}, {len(data):,} bytes"
        limit_name = "two bare signature checks"
        if entries == 1:
            yield at_most(title, value_ms, "ms", 1, limit=limit_ms, limit_name=limit_name)
        else:
            yield told(title, value_ms, "ms", limit=limit_ms, limit_name=limit_name)


def _check(data: bytes) -> None:
    verify_fork(decode_fork(data))


def _proof_bytes(entries: int) -> bytes:
    """Return the proof that a device went on in two ways, each with so many posts."""
    random_bytes = random.Random(entries).randbytes
    device, secret = bindings.crypto_sign_seed_keypair(random_bytes(32))
    common = LogHead(BLOCK - 1, random_bytes(HASH_BYTES), BLOCK - 1)
    runs: list[Run] = []
    for _ in range(2):
        head, branch = common, list[Entry]()
        for _ in range(entries):
            payload = random_bytes(POST_BYTES)
            entry = write_entry(device, CHANNEL_POSTS, head, payload=payload, t_ms=NOW_MS)
            branch.append(entry)
            head = LogHead(entry.seq, entry.id, entry.lamport)
        signature = sign_entry(secret, head.id)
        runs.append(build_run(device, CHANNEL_POSTS, common.id, branch, signature))
    proof = prove_fork(*runs)
    assert proof is not None
    return proof.encode()


def _two_checks_ms() -> float:
    """Return the time of two bare ``crypto_sign_open`` on messages as long as an id."""
    public, secret = bindings.crypto_sign_seed_keypair(bytes(32))
    one, other = (bindings.crypto_sign(bytes([n]) * 32, secret) for n in range(2))

    def work() -> None:
        bindings.crypto_sign_open(one, public)
        bindings.crypto_sign_open(other, public)

    return median_ms(work, repeats=REPEATS)
