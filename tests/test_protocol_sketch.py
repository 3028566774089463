"""A few symbols tell which of thousands of values differ; too few symbols say so."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slowlight.protocol.field import Budget, BudgetSpentError, roots, shortest_recurrence
from slowlight.protocol.sketch import (
    BASE_SYMBOLS,
    MAX_SYMBOLS,
    Delta,
    Sketch,
    Width,
    decode_budget,
    decode_sketch,
    most_differences,
)

widths = st.sampled_from(Width)


@st.composite
def vectors_of(
    draw: st.DrawFn, *, most: int = 12, width: Width | None = None
) -> tuple[Width, dict[int, int]]:
    """A width and a sparse vector: values by position."""
    chosen = width or draw(widths)
    near = st.integers(1, 40) | st.integers(1, chosen.prime - 1)
    edges = st.sampled_from((1, chosen.prime - 1)) | st.integers(1, chosen.prime - 1)
    return chosen, draw(st.dictionaries(near, edges, max_size=most))


def plain_sums(width: Width, vector: dict[int, int], symbols: int) -> list[int]:
    """The symbols as they are defined."""
    prime = width.prime
    return [
        sum(value * pow(position, j, prime) for position, value in vector.items()) % prime
        for j in range(1, symbols + 1)
    ]


def sketch_of(width: Width, vector: dict[int, int], symbols: int) -> Sketch:
    """The sketch as it is kept up to date."""
    sketch = Sketch(width, symbols)
    for position, value in vector.items():
        sketch.update(position, 0, value)
    return sketch


def as_deltas(vector: dict[int, int]) -> list[Delta]:
    """What decoding has to find."""
    return [Delta(position, vector[position]) for position in sorted(vector)]


@given(vectors_of(), st.integers(1, 40))
def test_symbols_are_the_sums_of_powers(drawn: tuple[Width, dict[int, int]], count: int) -> None:
    width, vector = drawn
    assert sketch_of(width, vector, count).symbols == plain_sums(width, vector, count)


@given(vectors_of(), st.integers(0, 4), st.data())
def test_what_fits_is_found_exactly(
    drawn: tuple[Width, dict[int, int]], spare: int, data: st.DataObject
) -> None:
    """Whether no position, some, others or all of them are known beforehand."""
    width, vector = drawn
    sketch = sketch_of(width, vector, 2 * len(vector) + 1 + spare)
    some = data.draw(st.sets(st.sampled_from(sorted(vector)))) if vector else set[int]()
    others = data.draw(st.sets(st.integers(1, width.prime - 1), max_size=5))
    for known in (set[int](), some, some | others, set(vector) | others):
        assert decode_sketch(sketch, known=known) == as_deltas(vector)


@given(vectors_of(), vectors_of(), st.integers(25, 30))
def test_a_difference_tells_who_is_ahead_where(
    mine: tuple[Width, dict[int, int]], other: tuple[Width, dict[int, int]], spare: int
) -> None:
    """The other side may have places we never heard of, and lack some of ours."""
    width, ours = mine
    theirs = {
        1 + place % (width.prime - 1): value % width.prime for place, value in other[1].items()
    }
    places = ours.keys() | theirs.keys()
    changes = {at: (theirs.get(at, 0) - ours.get(at, 0)) % width.prime for at in places}
    changes = {at: change for at, change in changes.items() if change}
    count = 2 * len(changes) + spare
    difference = sketch_of(width, theirs, count).minus(sketch_of(width, ours, count))
    assert decode_sketch(difference, known=ours) == as_deltas(changes)


@given(vectors_of(most=5), st.data())
def test_updates_in_any_order_are_one_sketch(
    drawn: tuple[Width, dict[int, int]], data: st.DataObject
) -> None:
    """Values move on in steps and come back; only where they stand in the end counts."""
    width, vector = drawn
    sketch = Sketch(width, 9)
    now: dict[int, int] = {}
    for position in data.draw(st.lists(st.sampled_from(sorted(vector) or [1]), max_size=12)):
        value = data.draw(st.integers(0, 2**32))
        sketch.update(position, now.get(position, 0), value)
        now[position] = value
    for position in now.keys() | vector.keys():
        sketch.update(position, now.get(position, 0), vector.get(position, 0))
    assert sketch.symbols == plain_sums(width, vector, 9)


@given(vectors_of(most=20), st.data())
def test_more_than_fits_is_noticed(
    drawn: tuple[Width, dict[int, int]], data: st.DataObject
) -> None:
    """What comes out all the same explains every symbol, so it is no wrong reading of them.

    With 2-byte symbols that happens once in 65,000 times; the digest would tell.
    """
    width, vector = drawn
    count = data.draw(st.integers(1, 2 * len(vector) + 1))
    found = decode_sketch(sketch_of(width, vector, count))
    if found is None:
        assert len(vector) > most_differences(count)
    else:
        assert len(found) <= most_differences(count)
        assert plain_sums(width, dict(found), count) == plain_sums(width, vector, count)


def test_random_vectors_beyond_the_room_are_refused() -> None:
    """200 of each width, from one difference too many to thousands."""
    rng = random.Random(1)
    for width in Width:
        for _ in range(200):
            size = rng.choice((8, 9, 16, 40, 300))
            places = rng.sample(range(1, width.prime), size)
            vector = {place: rng.randrange(1, width.prime) for place in places}
            assert decode_sketch(Sketch(width, plain_sums(width, vector, 16))) is None


def test_a_longer_sketch_begins_with_the_shorter() -> None:
    vector = {7: 1, 2**31: 5, 12: 2**32 - 20}
    long, short = (sketch_of(Width.WIDE, vector, count) for count in (64, 16))
    assert long.symbols[:16] == short.symbols
    assert long.minus(Sketch(Width.WIDE, 7)).symbols == long.symbols[:7]
    assert decode_sketch(long.minus(Sketch(Width.WIDE, 7))) == as_deltas(vector)


@pytest.mark.parametrize("width", Width)
def test_the_largest_sketch_is_decoded(width: Width) -> None:
    """255 differences, within the bound, beside ten thousand known positions or none."""
    rng = random.Random(2)
    size = most_differences(MAX_SYMBOLS)
    vector = {place: rng.randrange(1, width.prime) for place in rng.sample(range(1, 60_000), size)}
    sketch = Sketch(width, plain_sums(width, vector, MAX_SYMBOLS))
    assert decode_sketch(sketch) == as_deltas(vector)


@given(widths, st.lists(st.integers(0, 65_520), min_size=1, max_size=BASE_SYMBOLS))
def test_any_symbols_are_read_within_the_bound(width: Width, symbols: list[int]) -> None:
    """The bound is on work, not on time, and holds for symbols that are no sums of anything."""
    budget = decode_budget(width, len(symbols))
    found = decode_sketch(Sketch(width, symbols), budget=budget)
    assert budget.spent <= budget.limit
    assert found is None or plain_sums(width, dict(found), len(symbols)) == symbols


@pytest.mark.parametrize("width", Width)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 10, 31])
def test_honest_sketches_need_less_than_half_of_the_bound(width: Width, size: int) -> None:
    rng = random.Random(size)
    for _ in range(20):
        vector = {place: 1 + place % 9 for place in rng.sample(range(1, width.prime), size)}
        symbols = plain_sums(width, vector, 2 * size + 1)
        budget = decode_budget(width, len(symbols))
        assert decode_sketch(Sketch(width, symbols), budget=budget) == as_deltas(vector)
        assert 2 * budget.spent <= budget.limit


def test_the_work_for_64_symbols_is_bounded_by_a_number() -> None:
    """About 0.6 million multiplications of small numbers, whatever the symbols."""
    assert decode_budget(Width.WIDE, BASE_SYMBOLS).limit == 588_288


def test_decoding_ends_where_the_budget_does() -> None:
    sketch = sketch_of(Width.WIDE, dict.fromkeys(range(1, 11), 1), 21)
    whole = decode_budget(Width.WIDE, 21)
    assert decode_sketch(sketch, budget=whole) is not None
    for limit in (0, 10, whole.spent // 2, whole.spent - 1):
        budget = Budget(limit)
        assert decode_sketch(sketch, budget=budget) is None
    with pytest.raises(BudgetSpentError):
        roots([6, 65_516, 1], 65_521, Budget(3))


@given(st.sampled_from((3, 5, 7, 11)), st.data())
def test_roots_are_those_that_trying_finds(prime: int, data: st.DataObject) -> None:
    """In fields so small that every place can be tried."""
    low = data.draw(st.lists(st.integers(0, prime - 1), min_size=1, max_size=prime))
    polynomial = [*low, 1]
    tried = [x for x in range(prime) if not sum(c * x**n for n, c in enumerate(polynomial)) % prime]
    found = roots(polynomial, prime, Budget(10**7))
    assert (None if found is None else sorted(found)) == (tried if len(tried) == len(low) else None)


def test_what_has_no_roots_is_refused_after_one_power() -> None:
    """And not when the budget ends: x^2 + 1 has no root where p is 3 modulo 4."""
    assert roots([1, 0, 1], Width.WIDE.prime, Budget(600)) is None


@settings(max_examples=60)
@given(st.lists(st.integers(0, 6), max_size=6))
def test_the_recurrence_is_the_shortest(symbols: list[int]) -> None:
    """Compared with all recurrences modulo 7 up to the length that the symbols can tell."""
    prime = 7
    found = shortest_recurrence(symbols, prime, Budget(10**7))
    for length in range(len(symbols) // 2 + 1):
        for number in range(prime**length):
            row = [number // prime**place % prime for place in range(length)]
            if all(
                not (symbols[n] + sum(c * symbols[n - 1 - i] for i, c in enumerate(row))) % prime
                for n in range(length, len(symbols))
            ):
                expected = [1, *row] if not row or row[-1] else None
                assert found == expected
                return
    assert found is None or 2 * (len(found) - 1) > len(symbols)


def test_a_sum_with_a_position_of_zero_is_no_sketch() -> None:
    """Symbols that only a place 0 or an unequal recurrence explains."""
    assert decode_sketch(Sketch(Width.WIDE, [5, 0, 0, 0, 0])) is None
    # x^2 - 2 x + 1 has 1 twice: S_j = j
    assert decode_sketch(Sketch(Width.WIDE, [1, 2, 3, 4, 5, 6, 7])) is None
    assert decode_sketch(Sketch(Width.WIDE, [1, 2, 3, 4, 5, 6, 7]), known=[1]) is None


def test_sketches_of_no_size_or_of_two_widths_are_our_own_mistakes() -> None:
    with pytest.raises(ValueError, match="0 symbols; 1 to 512"):
        Sketch(Width.WIDE, 0)
    with pytest.raises(ValueError, match="513 symbols"):
        Sketch(Width.WIDE, [0] * 513)
    with pytest.raises(ValueError, match="WIDE less NARROW"):
        Sketch(Width.WIDE, 3).minus(Sketch(Width.NARROW, 3))
