"""How little proves everything: few signatures, no payload, and still any part can be served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest

from slowlight.protocol.run import BLOCK, Run
from slowlight.store.base import NodeStore, Outcome
from tests.people import Person
from tests.stores import OpenStore, fetch, held_entries, meet, posts_of, take

ENTRIES: Final = 3 * BLOCK - 100
LONG: Final = Person(1)
LONG.posts(ENTRIES)
EVERY: Final = frozenset(range(ENTRIES))


def stubs_in_pieces(length: int) -> Iterator[Run]:
    """Yield the log without any payload, newest first, in signed pieces."""
    top = ENTRIES - 1
    while top >= 0:
        first = max(top // BLOCK * BLOCK, top - length + 1)
        yield LONG.run(first=first, last=top, stubs=EVERY)
        top = first - 1


def kept_signatures(store: NodeStore) -> list[int]:
    """Return the sequence numbers of the entries whose signature is here."""
    entries = (store.entry(entry.id) for entry in LONG.log())
    return [held.entry.seq for held in entries if held is not None and held.signature is not None]


def stubs_only(open_store: OpenStore, length: int) -> NodeStore:
    """Return a store that holds every header and no payload, each piece signed on its own."""
    store = open_store()
    meet(store, LONG)
    assert {*take(store, *stubs_in_pieces(length))} == {Outcome.STORED}
    return store


@pytest.mark.parametrize("length", [1, 7, BLOCK])
def test_three_signatures_are_left_of_hundreds(open_store: OpenStore, length: int) -> None:
    """Those of the ends of blocks and of the newest, however many came."""
    store = stubs_only(open_store, length)
    block_ends = [seq for seq in range(ENTRIES) if seq % BLOCK == BLOCK - 1]
    assert kept_signatures(store) == [*block_ends, ENTRIES - 1]
    assert held_entries(store, LONG) == sorted(EVERY)


@pytest.mark.parametrize("last", [0, 1, 100, 254, 255, 256, 400, 511, 512, ENTRIES - 1])
def test_without_payloads_any_part_convinces_whoever_knows_nothing(
    open_store: OpenStore, last: int
) -> None:
    """One entry alone, and everything up to it."""
    store = stubs_only(open_store, 7)
    for first in (last, 0):
        other = open_store()
        meet(other, LONG)
        runs = fetch(store, posts_of(LONG), first, last)
        assert {*take(other, *runs)} == {Outcome.STORED}
        wanted = range(first, last + 1)
        assert set(wanted) <= set(held_entries(other, LONG))
        for seq in wanted:
            mine, theirs = (one.entry(LONG.log()[seq].id) for one in (store, other))
            assert mine is not None
            assert theirs is not None
            assert mine.entry == theirs.entry
            assert theirs.entry.payload is None


def test_a_surplus_is_never_longer_than_the_rest_of_a_block(open_store: OpenStore) -> None:
    """Who wants one entry in the middle gets stubs up to the next kept signature."""
    store = stubs_only(open_store, BLOCK)
    (run,) = fetch(store, posts_of(LONG), 300, 300)
    assert (run.first, run.last) == (300, 511)
    assert run.signature is not None
    (run,) = fetch(store, posts_of(LONG), 300, 300, end_known=True)
    assert (run.first, run.last, run.signature) == (300, 300, None)


def test_payloads_come_back_into_stubs_from_whoever_has_them(open_store: OpenStore) -> None:
    """Each is checked against its header, and no signature is needed."""
    store = stubs_only(open_store, 7)
    assert take(store, LONG.run(first=300, last=310)) == [Outcome.STORED]
    held = store.entry(LONG.log()[305].id)
    assert held is not None
    assert held.entry == LONG.log()[305]
    changed = LONG.log()[320].payload
    assert changed is not None
    good = LONG.run(first=320, last=320)
    forged = replace(good, bodies=changed[:-1] + bytes([changed[-1] ^ 1]))
    assert take(store, forged) == [Outcome.FORGED]
