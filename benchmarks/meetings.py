"""What two sessions say to find what differs between two nodes of 10,000 authors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import comb, log2
from typing import Final

from slowlight.protocol.content import Post
from slowlight.protocol.frames import Hello, encode_frame
from slowlight.protocol.ident import VerifiedIdent, verify_ident
from slowlight.protocol.question_frames import More, RangesFrame, SketchFrame
from slowlight.protocol.roster import Roster
from slowlight.protocol.run import Run
from slowlight.protocol.sketch import SketchPart
from slowlight.simulations.pair import MESSAGE_OVERHEAD_BYTES, Pair
from slowlight.simulations.people import SeededPerson, derive_seed
from slowlight.store.base import NO_MEMORY
from slowlight.sync.questions import Teller

from .figures import Figure, at_most, told
from .trace import roster_for
from .wire import NOW_MS, Node, connect

AUTHORS: Final = 10_000
UNWRITTEN: Final = 1_000
"""Authors more, of whom nothing is held: with them a roster is too long for 2-byte symbols."""
BITS_PER_DELTA: Final = 4.4
"""Entropy of how far a log moved on, as assumed by the floor."""


def figures() -> Iterator[Figure]:
    """Measure nothing new, ten changes of both widths, a hundred changes."""
    authors = [_author(number) for number in range(AUTHORS)]
    nodes = Node("one", authors), Node("two", authors)
    for node in nodes:
        for start in range(0, AUTHORS, 500):
            batch: list[Run | VerifiedIdent] = []
            for author in authors[start : start + 500]:
                batch += [verify_ident(author.ident), *author.runs()]
            node.store.ingest(batch, received_ms=NOW_MS, via="bench")
    yield from _nothing_new(nodes)
    for changes, goal in ((10, 80.0), (100, 3 * _floor(100))):
        yield from _changed(nodes, authors, changes, "2-byte symbols", goal)
    strangers = [_author(AUTHORS + number) for number in range(UNWRITTEN)]
    longer = roster_for([*authors, *strangers])
    for node in nodes:
        node.roster = longer
    _meet(nodes)
    yield from _changed(nodes, authors, 10, "4-byte symbols", 130)


def _author(number: int) -> SeededPerson:
    author = SeededPerson(derive_seed(bytes(32), number), label="author", from_ms=NOW_MS)
    author.write(1, Post(f"post of {number}"), NOW_MS)
    return author


def _floor(changes: int) -> float:
    return (log2(comb(AUTHORS, changes)) + BITS_PER_DELTA * changes) / 8


def _meet(nodes: tuple[Node, Node]) -> Pair:
    """Let the two meet, say goodbye, and return what was said."""
    pair = connect(*nodes)
    said = list(pair.frames)
    pair.ends[0].finish()
    pair.talk()
    pair.frames[:] = said
    return pair


def _nothing_new(nodes: tuple[Node, Node]) -> Iterator[Figure]:
    _meet(nodes)
    start = time.process_time()
    pair = connect(*nodes)
    taken_ms = 1_000 * (time.process_time() - start)
    assert [type(frame) for _, frame in pair.frames] == [Hello, Hello]
    yield at_most(
        f"nothing new, {AUTHORS:,} authors, known peer, after the handshake, one message each",
        pair.total_bytes,
        "bytes",
        128,
        limit=2 * 18 + 16,
        limit_name="a Noise message each way, a digest",
    )
    yield told("the same, both sides", taken_ms, "ms")
    for node, other in zip(nodes, nodes[::-1], strict=True):
        node.store.remember_peer(other.owner.device.public, NO_MEMORY)
    yield told(
        "the same, when both have forgotten each other", connect(*nodes).total_bytes, "bytes"
    )


def _changed(
    nodes: tuple[Node, Node], authors: list[SeededPerson], changes: int, width: str, goal: float
) -> Iterator[Figure]:
    """Let one node get posts, one commit each, and see what it costs to know which."""
    _meet(nodes)
    _meet(nodes)
    for author in authors[:: AUTHORS // changes][:changes]:
        entry = author.write(1, Post("news"), NOW_MS + 1)
        log = author.logs[1]
        run = next(run for run in reversed(list(author.runs())) if run.channel == 1)
        assert run.first + run.count - 1 == entry.seq == log.head.seq
        nodes[0].store.ingest([run], received_ms=NOW_MS, via="bench")
    index = nodes[0].offers.index(nodes[0].roster)
    index.sketch()
    nodes[1].offers.index(nodes[1].roster).sketch()
    pair = _meet(nodes)
    sketches = [frame for _, frame in pair.frames if isinstance(frame, SketchFrame)]
    more = [frame for _, frame in pair.frames if isinstance(frame, (More, RangesFrame))]
    size = sum(len(encode_frame(frame)) + MESSAGE_OVERHEAD_BYTES for frame in (*sketches, *more))
    name = f"{changes} of {AUTHORS:,}, {width}"
    yield at_most(
        f"{name}, to know which, in a message of its own",
        size,
        "bytes",
        round(goal),
        limit=_floor(changes),
        limit_name="entropy",
    )
    assert not more
    yield _decoded(nodes[0], nodes[0].roster, sketches, name, changes)


def _decoded(
    node: Node, roster: Roster, sketches: list[SketchFrame], name: str, changes: int
) -> Figure:
    """Measure how long the reader of the sketch takes; it holds now what it held then."""
    part = SketchPart.decode(sketches[0].data)
    index = node.offers.index(roster)
    start = time.process_time()
    found = Teller(known=True).read(index, part)
    taken_ms = 1_000 * (time.process_time() - start)
    assert isinstance(found, list)
    assert len(found) == changes
    told_as = f"{name}, read"
    return at_most(told_as, taken_ms, "ms", 20) if changes == 10 else told(told_as, taken_ms, "ms")
