"""Fuzzes every decoder, guided by coverage: ``make fuzz``.

Each target runs in a process of its own, because the fuzzer ends it. What it found stays in
``build/fuzz``: the corpus, from which the next run goes on, a log, and the input that failed.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from tests.hostile_bytes import resembling

if TYPE_CHECKING:
    from tests.fuzz_targets import Target

FOLDER: Final = Path("build/fuzz")
MOST_CPU_S: Final = 1.0
MEMORY_EVERY_RUNS: Final = 500
"""Measuring memory takes several times as long as decoding."""
MAX_INPUT_BYTES: Final = 65_536
HANG_S: Final = 60
"""After so long the fuzzer itself gives up: a busy machine is no hang, an endless loop is."""


def main() -> int:
    """Fuzz the targets named, or all; return 1 if one was found wanting."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs for each target")
    parser.add_argument("--seed", type=int, help="of the fuzzer; drawn and printed if left out")
    parser.add_argument("--input", type=Path, help="judge this one input and fuzz nothing")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help="targets; all if none is named")
    args = parser.parse_args()
    if args.in_this_process:
        _fuzz_here(args.names[0], args.runs, args.seed)
    chosen = _chosen(args.names)
    if args.input is not None:
        for target in chosen:
            judge_closely(target, args.input.read_bytes(), with_memory=True)
        return 0
    seed = Random().randrange(1, 2**32) if args.seed is None else args.seed
    print(f"{args.runs:,} runs of each of {len(chosen)} targets, seed {seed}")
    failed = [target.name for target in chosen if not _fuzz(target, args.runs, seed)]
    print(f"failed: {', '.join(failed)}" if failed else "nothing but refusals came out")
    return 1 if failed else 0


def _chosen(names: list[str]) -> list[Target]:
    from tests.fuzz_targets import targets

    known = {target.name: target for target in targets()}
    if unknown := set(names) - known.keys():
        sys.exit(f"no target {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(known.values())


def _fuzz(target: Target, runs: int, seed: int) -> bool:
    """Fuzz one target in a new process; say how it went."""
    folder = FOLDER / target.name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds):
        (corpus / f"seed-{number:03}").write_bytes(data)
    command = [sys.executable, "-m", "tests.fuzz", "--in-this-process"]
    command += [f"--runs={runs}", f"--seed={seed}", target.name]
    began_s = time.monotonic()
    with (folder / "log").open("w") as log:
        passed = subprocess.run(command, stdout=log, stderr=log, check=False).returncode == 0
    took_s = time.monotonic() - began_s
    outcome = "ok" if passed else f"FAILED, see {folder}/log"
    if passed and (costly := first_costly(target, corpus)):
        passed, outcome = False, f"TOO MUCH MEMORY for {costly}"
    print(f"{target.name:24} {runs / took_s:8,.0f} runs/s  {outcome}", flush=True)
    return passed


def first_costly(target: Target, corpus: Path) -> Path | None:
    """Return an input that takes too much memory, of all that coverage has found."""
    for file in sorted(corpus.iterdir()):
        data = file.read_bytes()
        target.judge(data)  # what is made once does not count
        if target.peak_bytes(data) > target.most_memory_bytes:
            return file
    return None


def _fuzz_here(name: str, runs: int, seed: int) -> None:
    """Fuzz one target; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["slowlight"]):
        (target,) = _chosen([name])
    judged = 0

    def judge(data: bytes) -> None:
        nonlocal judged
        judged += 1
        judge_closely(target, data, with_memory=judged % MEMORY_EVERY_RUNS == 0)

    folder = FOLDER / name
    options = [
        f"-runs={runs}",
        f"-seed={seed}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-timeout={HANG_S}",
    ]
    options += [f"-artifact_prefix={folder}/", str(folder / "corpus")]
    atheris.Setup([sys.argv[0], *options], judge, custom_mutator=_mutated)
    atheris.Fuzz()


def _mutated(data: bytes, max_size: int, seed: int) -> bytes:
    """Change bytes blindly half the time, as a record the other half."""
    import atheris

    random = Random(seed)
    if random.random() < 0.5:
        return atheris.Mutate(data, max_size)  # found only here: fuzzing puts it in its place
    return resembling(data, random)[:max_size]


def judge_closely(target: Target, data: bytes, *, with_memory: bool) -> None:
    """Raise whatever is no refusal, and complain about what took too much.

    Raises:
        TimeoutError: more than a second of processor time.
        MemoryError: more memory than the target may hold at its peak.
    """
    began_s = time.thread_time()
    target.judge(data)
    took_s = time.thread_time() - began_s
    if took_s > MOST_CPU_S:
        raise TimeoutError(f"{took_s:.1f} s for {len(data)} bytes")
    if with_memory and (peak := target.peak_bytes(data)) > target.most_memory_bytes:
        raise MemoryError(f"{peak:,} bytes of memory for {len(data)} bytes")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
