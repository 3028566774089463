"""Every decoder refuses in its one way whatever comes in, and within its bounds.

The quick form of ``make fuzz``: no coverage to go by, the same targets and changes.
"""

from __future__ import annotations

from random import Random
from typing import Final

import pytest

from tests.fuzz_targets import Target, targets
from tests.hostile_bytes import resembling

SEED: Final = 20_260_101
RUNS: Final = 300
MEMORY_EVERY_RUNS: Final = 50
TARGETS: Final = [pytest.param(target, id=target.name) for target in targets()]


@pytest.mark.parametrize("target", TARGETS)
def test_only_refusals_come_out(target: Target) -> None:
    """Whatever was changed, also several times, the answer is a value or the one error."""
    print(f"seed {SEED}")
    random = Random(f"{SEED} {target.name}")
    for run in range(RUNS):
        data = random.choice(target.seeds)
        for _ in range(random.randint(1, 4)):
            data = resembling(data, random)
        try:
            target.judge(data)
        except Exception:
            print(f"run {run}, input {data.hex()}")
            raise
        if run % MEMORY_EVERY_RUNS == 0:
            assert target.peak_bytes(data) <= target.most_memory_bytes


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_are_judged_within_eight_times_the_memory_of_a_frame(target: Target) -> None:
    """Among them the frames with the most rows, and those crammed with the smallest values."""
    for data in target.seeds:
        target.judge(data)  # what is made once does not count
        assert target.peak_bytes(data) <= target.most_memory_bytes


def test_every_target_has_seeds_and_is_named_once() -> None:
    chosen = list(targets())
    assert all(target.seeds for target in chosen)
    assert len({target.name for target in chosen}) == len(chosen)


def test_a_decoder_that_lets_another_error_out_is_found() -> None:
    """The judge judges: an error that is no refusal comes out, and so does a failed check."""
    assert not _raises(Target("refuses", _refuse, (KeyError,), (b"",)))
    assert _raises(Target("slips", _refuse, (ValueError,), (b"",)))

    def doubt(value: object, data: bytes) -> None:
        assert value != data

    assert _raises(Target("checked", bytes, (), (b"",), doubt))


def test_memory_is_measured() -> None:
    hungry = Target("hungry", lambda data: bytes(1_000_000), (), (b"",))
    assert hungry.peak_bytes(b"") > hungry.most_memory_bytes


def _refuse(data: bytes) -> None:
    raise KeyError(data)


def _raises(target: Target) -> bool:
    try:
        target.judge(b"x")
    except (KeyError, AssertionError):
        return True
    return False
