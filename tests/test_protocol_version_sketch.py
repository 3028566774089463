"""Two nodes find which of their logs differ, and by how much, from a few symbols."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.entry import MAX_SEQ
from slowlight.protocol.errors import DecodeError
from slowlight.protocol.hashing import PERSON_SKETCH, hash32
from slowlight.protocol.sketch import (
    BASE_SYMBOLS,
    MAX_SHARD_BITS,
    MAX_SYMBOLS,
    Sketch,
    SketchPart,
    Width,
)
from slowlight.protocol.version_sketch import (
    MAX_SLOTS,
    UNSHARDED_DIFFERENCES,
    Counted,
    LogDelta,
    PeerSketch,
    Place,
    VersionSketch,
    hashed_position,
    shards_for,
)

DIGEST: Final = bytes(range(16))
Vector = Mapping[bytes, tuple[int, bool]]
"""Newest sequence number, or the lowest forked one and True, by log."""

logs = st.integers(0, 40).map(lambda number: hash32(b"test", bytes([number])))
states = st.tuples(st.integers(0, 300) | st.integers(0, MAX_SEQ), st.booleans())
near_states = st.tuples(st.integers(0, 32_000), st.booleans())
vectors_of_logs = st.dictionaries(logs, states, max_size=14)
near_vectors = st.dictionaries(logs, near_states, max_size=14)


def counted(
    vector: Vector, *, order: list[bytes] | None = None, symbols: int = 64, shard_bits: int = 0
) -> VersionSketch:
    """The sketch of a vector."""
    slots = None if order is None else len(order)
    sketch = VersionSketch(slots=slots, symbols=symbols, shard_bits=shard_bits)
    for log, (seq, frozen) in vector.items():
        sketch.set(log, seq, frozen=frozen, slot=None if order is None else order.index(log))
    return sketch


def heard(sketch: VersionSketch, count: int = 64) -> PeerSketch:
    """What the other side knows of it after one frame."""
    part = sketch.part(DIGEST, count=count)
    return PeerSketch(SketchPart.decode(part.body()))


def values(vector: Vector) -> dict[Place, int]:
    """What a vector counts, place by place."""
    return {Place(log, frozen): seq + 1 for log, (seq, frozen) in vector.items()}


def differing(ours: Vector, theirs: Vector) -> dict[Place, tuple[int, int]]:
    """What a comparison has to find, by looking at both sides."""
    one, other = values(ours), values(theirs)
    pairs = {place: (one.get(place, 0), other.get(place, 0)) for place in one.keys() | other.keys()}
    return {place: pair for place, pair in pairs.items() if pair[0] != pair[1]}


def position_of(place: Place) -> int:
    """Where a place is counted with 4 bytes."""
    return hashed_position(hash32(PERSON_SKETCH, place.log), frozen=place.frozen)


def named(deltas: list[LogDelta], unknown: Mapping[int, Place]) -> Iterator[tuple[Place, int, int]]:
    """What was found; places that only the other side has are known to the test alone."""
    for delta in deltas:
        (place,) = delta.places or (unknown[delta.position],)
        yield place, delta.ours, delta.theirs


@given(vectors_of_logs, vectors_of_logs)
def test_any_two_vectors_are_told_apart_exactly(ours: Vector, theirs: Vector) -> None:
    """Logs behind, ahead, frozen, on one side only; by hash, so nothing was agreed before."""
    expected = differing(ours, theirs)
    found = counted(ours).compare(heard(counted(theirs)))
    assert found.undecided == ()
    unknown = {position_of(place): place for place in expected}
    got = {place: (one, other) for place, one, other in named(found.deltas, unknown)}
    assert got == expected
    assert all(delta.places or not delta.ours for delta in found.deltas)


@given(near_vectors, near_vectors)
def test_an_agreed_order_makes_symbols_half_as_long(ours: Vector, theirs: Vector) -> None:
    """Every position is known then, also of logs that are not held."""
    order = sorted(ours.keys() | theirs.keys())
    if not order:
        return
    peer = counted(theirs, order=order)
    assert len(peer.part(DIGEST, count=64).body()) < 150
    found = counted(ours, order=order).compare(heard(peer))
    unknown = {
        at + 1 + frozen * len(order): Place(log, bool(frozen))
        for at, log in enumerate(order)
        for frozen in (0, 1)
    }
    got = {place: (one, other) for place, one, other in named(found.deltas, unknown)}
    assert (got, found.undecided) == (differing(ours, theirs), ())


@pytest.mark.parametrize(
    ("ours", "theirs", "read"),
    [
        (0, 32_760, 32_760),
        (0, 40_000, 40_000),
        (100_000, 67_240, 67_240),
        (100_000, 132_760, 132_760),
        (100_000, 140_000, 140_000 - 65_521),
        (100_000, 165_521, None),
        (2**32 - 16, 3, 2**32 - 16 - ((2**32 - 19) % 65_521)),
    ],
)
def test_two_bytes_tell_the_value_nearest_to_ours(ours: int, theirs: int, read: int | None) -> None:
    """Who is 32,761 entries or more ahead is misread; the digest tells, and ranges repair it."""
    log = bytes(32)
    sides = [VersionSketch(slots=1) for _ in range(2)]
    for side, value in zip(sides, (ours, theirs), strict=True):
        if value:
            side.set(log, value - 1, slot=0)
    found = sides[0].compare(heard(sides[1]))
    assert [delta.theirs for delta in found.deltas] == ([] if read is None else [read])


@given(vectors_of_logs, st.data())
def test_moving_on_and_back_leaves_no_trace(vector: Vector, data: st.DataObject) -> None:
    """Logs grow, freeze, thaw and go; the sketch is that of where they stand."""
    sketch = VersionSketch(symbols=8)
    steps = data.draw(st.lists(st.tuples(logs, st.none() | states), max_size=20))
    now: dict[bytes, tuple[int, bool]] = {}
    for log, state in [*steps, *((log, None) for log, _ in steps), *vector.items()]:
        if state is None:
            sketch.drop(log)
            now.pop(log, None)
        else:
            sketch.set(log, state[0], frozen=state[1])
            now[log] = state
        assert sketch.part(DIGEST, count=8) == counted(now, symbols=8).part(DIGEST, count=8)
    assert now == vector


def test_another_branch_at_the_same_number_is_left_to_the_digest() -> None:
    """A sketch knows no ids."""
    log = bytes(32)
    assert counted({log: (5, False)}).compare(heard(counted({log: (5, False)}))).deltas == []
    frozen = counted({log: (5, False)}).compare(heard(counted({log: (5, True)})))
    assert sorted((d.places, d.ours, d.theirs) for d in frozen.deltas) == [
        ((), 0, 6),
        ((Place(log, frozen=False),), 6, 0),
    ]


class _Colliding(VersionSketch):
    """All logs hash to few positions, as if someone had searched for such logs."""

    def _locate(self, place: Place) -> tuple[int, int]:
        return 0, 1 + place.log[0] % 2


def test_logs_that_meet_at_a_position_are_all_named() -> None:
    a, b, c = (bytes([number]) * 32 for number in (0, 2, 4))
    ours, theirs = _Colliding(), _Colliding()
    for log in (a, b, c):
        ours.set(log, 9)
        theirs.set(log, 9)
    theirs.set(b, 12)
    (delta,) = ours.compare(heard(theirs)).deltas
    assert delta.places == tuple(Place(log, frozen=False) for log in (a, b, c))
    assert delta.theirs - delta.ours == 3
    ours.drop(a)
    (delta,) = ours.compare(heard(theirs)).deltas
    assert {place.log for place in delta.places} == {b, c}
    assert delta.theirs - delta.ours == 13


def test_chosen_logs_can_hide_a_difference_from_the_sketch_only() -> None:
    """Two that meet, one ahead here and one there by as much: the digest still differs."""
    a, b = bytes(32), b"\x02" * 32
    ours, theirs = _Colliding(), _Colliding()
    ours.set(a, 5)
    ours.set(b, 9)
    theirs.set(a, 9)
    theirs.set(b, 5)
    assert ours.compare(heard(theirs)).deltas == []


def many(count: int) -> dict[bytes, tuple[int, bool]]:
    """Logs with distinct ids."""
    return {hash32(b"many", n.to_bytes(4, "big")): (n % 50, False) for n in range(count)}


def changed(vector: Vector, count: int) -> dict[bytes, tuple[int, bool]]:
    """The same with so many logs one entry ahead."""
    chosen = set(random.Random(count).sample(sorted(vector), count))
    return {log: (seq + (log in chosen), frozen) for log, (seq, frozen) in vector.items()}


def test_sixteen_symbols_first_and_more_when_they_do_not_do() -> None:
    """The second frame begins where the first ended."""
    ours = many(1_000)
    theirs = changed(ours, 20)
    mine, sender = counted(ours), counted(theirs)
    peer = heard(sender, 16)
    assert mine.compare(peer) == ([], (0,))
    peer.extend(SketchPart.decode(sender.part(DIGEST, first=16, count=25).body()))
    found = mine.compare(peer)
    assert found.undecided == ()
    assert len(found.deltas) == 20
    for first in (0, 16, 42):
        with pytest.raises(DecodeError, match=f"from {first} on do not follow"):
            peer.extend(sender.part(DIGEST, first=first, count=1))
    with pytest.raises(DecodeError, match="a part of another sketch"):
        peer.extend(sender.part(bytes(16), first=41, count=1))


@pytest.mark.parametrize("ordered", [False, True])
def test_many_differences_are_spread_over_shards(ordered: bool) -> None:
    """Shards that got more than their share ask for more symbols; the others do not."""
    ours = many(3_000)
    theirs = changed(ours, 200)
    shard_bits, symbols = shards_for(200)
    order = sorted(ours) if ordered else None
    mine, sender = (
        counted(vector, order=order, shard_bits=shard_bits) for vector in (ours, theirs)
    )
    peer = heard(sender, symbols - 14)
    found = mine.compare(peer, most_symbols=10_000)
    assert 0 < len(found.undecided) < 2**shard_bits
    part = sender.part(DIGEST, first=symbols - 14, count=40, shards=found.undecided[:-1])
    peer.extend(SketchPart.decode(part.body()))
    part = sender.part(DIGEST, first=symbols - 14, count=40, shards=found.undecided[-1:])
    peer.extend(SketchPart.decode(part.body()))
    found = mine.compare(peer, most_symbols=10_000)
    assert found.undecided == ()
    assert {p: (d.ours, d.theirs) for d in found.deltas for p in d.places} == differing(
        ours, theirs
    )


def test_a_peer_without_credit_costs_no_more_than_64_symbols() -> None:
    """It may send more, and the rest is not looked at."""
    ours = many(2_000)
    mine, sender = (counted(vector, symbols=MAX_SYMBOLS) for vector in (ours, changed(ours, 40)))
    peer = heard(sender, 100)
    assert mine.compare(peer).undecided == (0,)
    assert len(mine.compare(peer, most_symbols=100).deltas) == 40
    mine, sender = (counted(vector, shard_bits=4) for vector in (ours, changed(ours, 40)))
    peer = heard(sender, 20)
    assert set(range(4, 16)) <= set(mine.compare(peer).undecided)
    assert mine.compare(peer, most_symbols=320).undecided == ()


def test_a_log_in_a_shard_where_it_does_not_belong_is_nonsense() -> None:
    """Or at a position that no log has, or with a value that none can have."""
    log = bytes(32)
    sharded = counted({log: (5, False)}, shard_bits=1)
    rows = [list(sharded.part(DIGEST, count=5).rows[at]) for at in (0, 1)]
    other = 1 - int.from_bytes(hash32(PERSON_SKETCH, log)[16:18], "big") % 2
    rows[other] = Sketch(Width.WIDE, 5).symbols
    lying = Sketch(Width.WIDE, 5)
    lying.update(position_of(Place(log, frozen=False)), 0, 3)
    rows[other] = lying.symbols
    part = SketchPart(Width.WIDE, 1, 0, (), DIGEST[:8], tuple(map(tuple, rows)))
    assert sharded.compare(PeerSketch(part)) == ([], (other,))

    for position, value in ((77, 2**32 - 15), (position_of(Place(log, frozen=False)), 2**32 - 6)):
        wrong = Sketch(Width.WIDE, 5)
        wrong.update(position, 0, value)
        part = SketchPart(Width.WIDE, 0, 0, (), DIGEST[:8], (tuple(wrong.symbols),))
        assert counted({}).compare(PeerSketch(part)) == ([], (0,))

    ordered = VersionSketch(slots=2)
    for position, taken in ((4, True), (5, False), (65_520, False)):
        claim = Sketch(Width.NARROW, 5)
        claim.update(position, 0, 3)
        part = SketchPart(Width.NARROW, 0, 0, (), DIGEST[:8], (tuple(claim.symbols),))
        assert bool(ordered.compare(PeerSketch(part)).deltas) is taken


def test_sketches_of_two_kinds_are_not_compared() -> None:
    for other in (VersionSketch(slots=1), VersionSketch(shard_bits=1)):
        with pytest.raises(DecodeError, match="of another width or number of shards"):
            VersionSketch().compare(heard(other))


def test_what_cannot_be_counted_is_our_own_mistake() -> None:
    sketch = VersionSketch(slots=1)
    for complaint, call in (
        ("no slot below 1", lambda: sketch.set(b"\1" * 32, 0)),
        ("no slot below 1", lambda: sketch.set(b"\1" * 32, 0, slot=1)),
        ("no slot below 1", lambda: sketch.fill([Counted(bytes(32), 0, False, -1)])),
        ("seq -1", lambda: sketch.set(bytes(32), -1)),
        (f"seq {MAX_SEQ + 1}", lambda: sketch.set(bytes(32), MAX_SEQ + 1)),
        ("0 slots", lambda: VersionSketch(slots=0)),
        ("32761 slots", lambda: VersionSketch(slots=MAX_SLOTS + 1)),
        ("shard_bits=11", lambda: VersionSketch(shard_bits=MAX_SHARD_BITS + 1)),
        ("symbols=65", lambda: VersionSketch(shard_bits=1, symbols=65)),
    ):
        with pytest.raises(ValueError, match=complaint):
            call()
    sketch.drop(b"\1" * 32)
    assert sketch.part(DIGEST, count=64) == VersionSketch(slots=1).part(DIGEST, count=64)


def test_as_many_shards_as_differences_need() -> None:
    assert shards_for(0) == (0, 1)
    assert shards_for(10) == (0, 21)
    assert shards_for(UNSHARDED_DIFFERENCES) == (0, 63)
    assert shards_for(32) == (1, 49)
    assert shards_for(1_000) == (6, 49)
    assert shards_for(10**6) == (MAX_SHARD_BITS, BASE_SYMBOLS)
    assert all(1 <= symbols <= BASE_SYMBOLS for symbols in (shards_for(n)[1] for n in range(3_000)))


PART: Final = counted(many(5), symbols=3, shard_bits=2).part(DIGEST, count=3, shards=(1, 3))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (replace(PART, rows=((), ())), "0 bytes of symbols"),
        (replace(PART, rows=((1, 2, 3),)), "12 bytes of symbols for 2"),
        (replace(PART, rows=((1, 2, 3), (1,))), "of different lengths"),
        (replace(PART, rows=((1,), (4_294_967_291,))), "is not below"),
        (replace(PART, shards=(3, 1)), "not sorted"),
        (replace(PART, shards=(1, 4)), "4 is above 3"),
        (replace(PART, shards=(0, 1, 2, 3)), "4 items"),
        (replace(PART, first=62), "symbols up to 65"),
        (replace(PART, shard_bits=11), "mode"),
        (replace(PART, digest=DIGEST), "16 bytes where 8"),
    ],
)
def test_a_part_that_nobody_takes_is_not_sent(wrong: SketchPart, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        wrong.body()


@given(vectors_of_logs, st.integers(1, 200), st.data())
def test_a_sketch_made_longer_is_the_longer_sketch(
    vector: Vector, symbols: int, data: st.DataObject
) -> None:
    """Whatever came and went before."""
    sketch = counted(vector, symbols=8)
    gone = data.draw(st.sets(st.sampled_from(sorted(vector)))) if vector else set[bytes]()
    for log in gone:
        sketch.drop(log)
    sketch.lengthen(symbols)
    left = {log: state for log, state in vector.items() if log not in gone}
    assert sketch.part(DIGEST, count=symbols) == counted(left, symbols=symbols).part(
        DIGEST, count=symbols
    )
    with pytest.raises(ValueError, match="of shards"):
        counted(vector, shard_bits=1).lengthen(symbols)
