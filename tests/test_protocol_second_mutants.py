"""A second decoder, written from the pages alone, finds the same in mutants of the vectors."""

from __future__ import annotations

import random
from typing import Final

import pytest

from tests.both_decoders import Twice, decoders
from tests.mutants import mutants

DECODERS: Final = {each.name: each for each in decoders()}
SEED: Final = 1
MUTANTS: Final = 2_000
MANY_MUTANTS: Final = 10_000
FOUND_SEEDS: Final = {"ident": (3_006_910_824,)}
"""Seeds that have shown a disagreement once."""


@pytest.mark.parametrize("name", DECODERS)
def test_both_decoders_find_the_same_in_mutants(name: str) -> None:
    compare(DECODERS[name], SEED, MUTANTS)


@pytest.mark.long
@pytest.mark.parametrize("name", DECODERS)
def test_both_decoders_find_the_same_in_many_mutants(name: str) -> None:
    for seed in (*FOUND_SEEDS.get(name, ()), random.randrange(2**32)):
        compare(DECODERS[name], seed, MANY_MUTANTS)


def compare(decoder: Twice, seed: int, count: int) -> None:
    """Let both read so many mutants; a disagreement shows its bytes."""
    print(f"{decoder.name}: seed {seed}")
    rng = random.Random(f"{seed} {decoder.name}")
    for case, data in mutants(decoder.cases, decoder.form, rng, count):
        first, second = decoder.verdicts(data, case)
        assert first == second, (decoder.name, case["name"], data.hex())
