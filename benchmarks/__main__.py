"""Measure everything, or the parts named: ``python -m benchmarks [PART...]``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from .figures import Figure, table, write

PARTS = (
    "ingest",
    "wire",
    "conversation",
    "posting",
    "startup",
    "reconcile",
    "meetings",
    "store",
    "forks",
    "restore",
)
OUTPUT = Path("build/bench.json")


def main() -> int:
    """Run the parts; return 0 if every goal was met, 1 if one was missed."""
    unknown = set(sys.argv[1:]) - set(PARTS)
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; parts: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    figures: list[Figure] = []
    for part in sys.argv[1:] or PARTS:
        print(f"measuring {part} ...", file=sys.stderr, flush=True)
        figures += importlib.import_module(f".{part}", __package__).figures()
    print(table(figures))
    write(figures, OUTPUT)
    missed = [figure.name for figure in figures if figure.met is False]
    if missed:
        print(f"missed: {'; '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
