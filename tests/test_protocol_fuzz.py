"""Every decoder refuses in its one way whatever comes in, and within its bounds.

The quick form of ``make fuzz``: no coverage to go by, the same targets and changes.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

import pytest

from slowlight.protocol.frames import MAX_FRAME_BYTES
from tests.fuzz import first_costly, judge_closely
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


def test_a_decoder_that_takes_a_hundred_times_its_input_is_found(tmp_path: Path) -> None:
    """Among the inputs that are measured as they come, and among those that coverage found."""
    hungry = Target("hungry", lambda data: bytes(100 * len(data)), (), (b"",))
    frame = bytes(MAX_FRAME_BYTES)
    assert hungry.peak_bytes(frame) > hungry.most_memory_bytes
    with pytest.raises(MemoryError, match="for 65"):
        judge_closely(hungry, frame, with_memory=True)
    judge_closely(hungry, frame, with_memory=False)  # not each one is measured as it comes
    (tmp_path / "small").write_bytes(b"small")
    assert first_costly(hungry, tmp_path) is None
    found = tmp_path / "x-found"
    found.write_bytes(frame)
    assert first_costly(hungry, tmp_path) == found


def test_a_decoder_that_hangs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the processor time that it takes, which passes here only when the decoder says so."""
    clock_s = [0.0]
    monkeypatch.setattr("time.thread_time", lambda: clock_s[0])

    def dawdle(data: bytes) -> None:
        clock_s[0] += len(data)

    slow = Target("slow", dawdle, (), (b"",))
    judge_closely(slow, b"x", with_memory=False)
    with pytest.raises(TimeoutError, match=r"2\.0 s for 2 bytes"):
        judge_closely(slow, b"xx", with_memory=False)


def _refuse(data: bytes) -> None:
    raise KeyError(data)


def _raises(target: Target) -> bool:
    try:
        target.judge(b"x")
    except (KeyError, AssertionError):
        return True
    return False
