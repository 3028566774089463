"""Bytes, messages and time to find which logs differ between two nodes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from math import comb, log2
from typing import Final

from slowlight.protocol.encoding import pack
from slowlight.protocol.field import values_at
from slowlight.protocol.frames import LogState
from slowlight.protocol.hashing import hash32
from slowlight.protocol.reconcile import Reconciler
from slowlight.protocol.sketch import MAX_SYMBOLS, Sketch, Width
from slowlight.protocol.version_sketch import PeerSketch, VersionSketch, shards_for

from .figures import Figure, at_most, told

LOGS: Final = 10_000
DIFFERENCES: Final = (0, 10, 100, 1_000)
BITS_PER_DELTA: Final = 4.4
"""Entropy of how far a log moved on, as assumed by the floor."""
DIGEST: Final = bytes(16)
SALT: Final = bytes(range(8))
SEED: Final = 1


def figures() -> Iterator[Figure]:
    """Measure the sketch of both widths, ranges, and the plain vector."""
    numbers = (n.to_bytes(4, "big") for n in range(LOGS))
    ours = [LogState(hash32(b"log", n), n[3], hash32(b"id", n)) for n in numbers]
    yield told("plain vector of 10,000 logs", len(_plain(ours)), "bytes")
    for count in DIFFERENCES:
        theirs = _moved(ours, count)
        floor = (log2(comb(LOGS, count)) + BITS_PER_DELTA * count) / 8
        for width in Width:
            yield from _sketched(ours, theirs, count, width, floor)
        yield from _ranged(ours, theirs, count, floor)
    yield _upkeep()


def _plain(states: list[LogState]) -> bytes:
    return pack([(state.log, state.seq) for state in states])


def _moved(states: list[LogState], count: int) -> list[LogState]:
    chosen = set(random.Random(SEED).sample(range(len(states)), count))
    return [
        state._replace(seq=state.seq + 1 + at % 9, id=hash32(b"next", state.id))
        if at in chosen
        else state
        for at, state in enumerate(states)
    ]


def _sketched(
    ours: list[LogState], theirs: list[LogState], count: int, width: Width, floor: float
) -> Iterator[Figure]:
    """Unsharded up to 100 differences with symbols for just so many, sharded above."""
    bits, symbols = (0, 2 * count + 1) if count <= MAX_SYMBOLS // 4 else shards_for(count)
    slots = len(ours) if width is Width.NARROW else None
    sides: list[VersionSketch] = []
    for states in (ours, theirs):
        side = VersionSketch(slots=slots, symbols=64 if bits else symbols, shard_bits=bits)
        for slot, state in enumerate(states):
            side.set(state.log, state.seq, slot=None if slots is None else slot)
        sides.append(side)
    part = sides[1].part(DIGEST, count=symbols)
    peer, sent, messages = PeerSketch(part), len(part.body()), 1
    start = time.perf_counter()
    found = sides[0].compare(peer, most_symbols=2**bits * 64 + MAX_SYMBOLS)
    taken_ms = 1_000 * (time.perf_counter() - start)
    bare = width * symbols * 2**bits + 8
    while found.undecided:
        rest = sides[1].part(
            DIGEST, first=symbols, count=min(16, 64 - symbols), shards=found.undecided
        )
        symbols += min(16, 64 - symbols)
        bare += width * len(rest.rows[0]) * len(rest.rows)
        sent, messages = sent + len(rest.body()), messages + 1
        peer.extend(rest)
        found = sides[0].compare(peer, most_symbols=2**bits * 64)
    assert len(found.deltas) == count
    name = f"{count} of {LOGS:,}, sketch of {int(width)}-byte symbols"
    goal = {(10, 4): 92, (100, 4): 812, (10, 2): 50, (100, 2): 410}.get((count, width))
    told_in = f"{name}, symbols and digest ({messages} messages, {sent} with fields)"
    if goal:
        yield at_most(told_in, bare, "bytes", goal, limit=floor, limit_name="entropy")
    else:
        yield told(told_in, bare, "bytes", limit=floor, limit_name="entropy")
    limit_ms, limit_name = None, ""
    if 0 < count <= MAX_SYMBOLS // 4:
        locator, places = [3] * count + [1], range(1, LOGS + 1)
        limit_ms = 1_000 * _best_s(lambda: values_at(locator, places, width.prime))
        limit_name = f"trying all {LOGS:,} positions"
    if count == 10:
        yield at_most(f"{name}, read", taken_ms, "ms", 20, limit=limit_ms, limit_name=limit_name)
    else:
        yield told(f"{name}, read", taken_ms, "ms", limit=limit_ms, limit_name=limit_name)


def _ranged(
    ours: list[LogState], theirs: list[LogState], count: int, floor: float
) -> Iterator[Figure]:
    start = time.perf_counter()
    one, other = Reconciler(ours), Reconciler(theirs)
    message: bytes | None = one.start(SALT)
    sent = messages = 0
    sides = [other, one]
    while message is not None:
        sent, messages = sent + len(message), messages + 1
        message = sides[0].receive(message)
        sides.reverse()
    taken_ms = 1_000 * (time.perf_counter() - start)
    assert len(one.differences) == len(other.differences) == count
    name = f"{count} of {LOGS:,}, ranges"
    goal = {10: 6_328, 100: 42_293}.get(count)
    if goal:
        yield at_most(
            f"{name} ({messages} messages)", sent, "bytes", goal, limit=floor, limit_name="entropy"
        )
    else:
        yield told(
            f"{name} ({messages} messages)", sent, "bytes", limit=floor, limit_name="entropy"
        )
    hashing_ms = 1_000 * _best_s(lambda: [hash32(b"state", state.id) for state in ours])
    yield told(
        f"{name}, both sides", taken_ms, "ms", limit=hashing_ms, limit_name="hash each state once"
    )


def _upkeep() -> Figure:
    sketch = Sketch(Width.WIDE, 64)
    repeats = 1_000

    def update() -> None:
        for number in range(repeats):
            sketch.update(3_000_000_000 + number, 7, 8)

    def powers() -> None:
        for number in range(repeats):
            value = number
            for _ in range(64):
                value = value * 3_000_000_001 % 4_294_967_291

    scale = 1_000_000 / repeats
    return at_most(
        "upkeep of 64 symbols, each change",
        _best_s(update) * scale,
        "us",
        30,
        limit=_best_s(powers) * scale,
        limit_name="64 powers alone",
    )


def _best_s(work: Callable[[], object]) -> float:
    taken: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)
