"""Two nodes with the same logs have the same digest, however they came by them."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from hashlib import blake2b, shake_128

from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.digest import DIGEST_BYTES, LtHash, frozen_log_state, log_state
from slowlight.protocol.entry import MAX_SEQ
from tests.strategies import ids
from tests.vector_files import vectors

states = st.builds(log_state, ids, st.integers(0, MAX_SEQ), ids) | st.builds(
    frozen_log_state, ids, st.integers(0, MAX_SEQ)
)


def plain_digest(states: Sequence[bytes]) -> bytes:
    """The digest as its definition says, lane by lane."""
    lanes = [0] * 1024
    for state in states:
        element = struct.unpack("<1024H", shake_128(b"sl-lthash-1" + state).digest(2048))
        lanes = [(a + b) % 65_536 for a, b in zip(lanes, element, strict=True)]
    return blake2b(struct.pack("<1024H", *lanes), digest_size=16, person=b"sl.digest").digest()


def digest(states: Sequence[bytes]) -> bytes:
    """The digest as it is kept up to date."""
    total = LtHash()
    for state in states:
        total.add(state)
    return total.digest()


@given(st.lists(states, max_size=6))
def test_a_digest_is_the_sum_of_its_lanes(chosen: list[bytes]) -> None:
    assert digest(chosen) == plain_digest(chosen)
    assert len(digest(chosen)) == DIGEST_BYTES


@given(st.lists(states, max_size=6), st.randoms(use_true_random=False))
def test_neither_order_nor_detours_matter(chosen: list[bytes], rng: random.Random) -> None:
    """Logs move on one by one, some come and go; only where they stand in the end counts."""
    total = LtHash()
    detours = [log_state(bytes([n]) * 32, n, bytes(32)) for n in range(4)]
    steps = [(total.add, state) for state in (*chosen, *detours)]
    rng.shuffle(steps)
    for step, state in steps:
        step(state)
    for state in detours:
        total.remove(state)
    assert total.digest() == digest(chosen)


def test_taking_away_before_adding_comes_to_the_same() -> None:
    """Lanes wrap around in both directions."""
    total = LtHash()
    state = log_state(bytes(32), 7, bytes(32))
    for _ in range(70):
        total.remove(state)
    for _ in range(72):
        total.add(state)
    assert total.digest() == digest([state, state]) != digest([state])


@given(st.lists(states, min_size=1, max_size=4, unique=True), states)
def test_another_set_has_another_digest(chosen: list[bytes], other: bytes) -> None:
    assert digest(chosen) != digest(chosen[1:])
    assert (digest([*chosen[1:], other]) == digest(chosen)) == (other == chosen[0])


def test_a_frozen_log_is_not_the_log_at_that_entry() -> None:
    log = bytes(32)
    found = {
        log_state(log, 5, bytes(32)),
        log_state(log, 6, bytes(32)),
        log_state(log, 5, b"\x01" * 32),
        frozen_log_state(log, 5),
        frozen_log_state(log, 6),
    }
    assert len({digest([state]) for state in found}) == 5


@vectors("digest", expect="accept")
def test_the_lanes_of_an_element_are_little_endian(case: dict[str, list[int]]) -> None:
    """Held here by the plain implementation, so that the vectors cannot be wrong alone."""
    data = bytes.fromhex(str(case["hex"]))
    if len(case["states"]) == 1:
        stream = shake_128(b"sl-lthash-1" + data).digest(8)
        assert list(struct.unpack("<4H", stream)) == case["first_lanes"]
