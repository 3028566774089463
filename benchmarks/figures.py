"""A figure, its limit and its goal; the table and the file that show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """One measured figure."""

    name: str
    value: float
    unit: str
    limit: float | None
    """What this machine, a formula or a peer allows, measured in the same run; None: none."""
    limit_name: str
    goal: str
    """What was promised, in words."""
    met: bool | None
    """None: a figure without a goal."""


Benchmark = Callable[[], Iterable[Figure]]


def at_least(
    name: str, value: float, unit: str, goal: float, *, limit: float | None, limit_name: str
) -> Figure:
    """A figure that should be ``goal`` or more."""
    return Figure(name, value, unit, limit, limit_name, f">= {goal:g} {unit}", value >= goal)


def at_most(
    name: str,
    value: float,
    unit: str,
    goal: float,
    *,
    limit: float | None = None,
    limit_name: str = "",
) -> Figure:
    """A figure that should be ``goal`` or less."""
    return Figure(name, value, unit, limit, limit_name, f"<= {goal:g} {unit}", value <= goal)


def told(
    name: str, value: float, unit: str, *, limit: float | None = None, limit_name: str = ""
) -> Figure:
    """A figure without a goal, for context."""
    return Figure(name, value, unit, limit, limit_name, "", None)


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a table in Markdown."""
    lines = ["| figure | value | limit | goal | met |", "|---|---|---|---|---|"]
    for figure in figures:
        limit = "" if figure.limit is None else f"{_number(figure.limit)} ({figure.limit_name})"
        met = {True: "yes", False: "**no**", None: ""}[figure.met]
        value = f"{_number(figure.value)} {figure.unit}"
        lines.append(f"| {figure.name} | {value} | {limit} | {figure.goal} | {met} |")
    return "\n".join(lines)


def write(figures: Sequence[Figure], path: Path) -> None:
    """Write the figures as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(list(figures)), indent=2))


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"
