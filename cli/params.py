"""Kinds of arguments that several commands take."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from .quantities import read_duration_ms

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

STDIN: Final = "-"
MAX_STDIN_BYTES: Final = 1 << 20
"""More than any request may hold."""


def duration_ms(typed: str) -> int:
    """Return the milliseconds of ``90s``, ``10m``, ``12h``, ``7d``, ``2w`` or ``1y``."""
    length_ms = read_duration_ms(typed)
    if length_ms is None:
        raise click.BadParameter(f"{typed!r} is no length of time; type 90s, 10m, 12h, 7d or 1y")
    return length_ms


class DurationRange(click.ParamType[int]):
    """A length of time, in milliseconds, with bounds that are told in words."""

    name = "duration"

    def __init__(self, least: str, most: str) -> None:
        """Bounds as they are typed, both included: ``1s``, ``30d``."""
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read what was typed."""
        length_ms = duration_ms(str(value))
        if not duration_ms(self._least) <= length_ms <= duration_ms(self._most):
            raise click.BadParameter(
                f"{value} is out of range: at least {self._least}, at most {self._most}",
                ctx,
                param,
            )
        return length_ms


def complete_who(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer people to the shell that completes a line."""
    from .completion import people_items

    return people_items(context, incomplete)


def complete_entry(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer ids of posts to the shell that completes a line."""
    from .completion import entry_items

    return entry_items(context, incomplete)


def read_stdin() -> str:
    """Return what standard input holds.

    Raises:
        click.UsageError: it is not UTF-8, or too long.
    """
    data = sys.stdin.buffer.read(MAX_STDIN_BYTES + 1)
    if len(data) > MAX_STDIN_BYTES:
        raise click.UsageError(f"standard input holds more than {MAX_STDIN_BYTES:,} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(
            f"standard input is not UTF-8 text: byte {error.start + 1} is {data[error.start]:#04x}"
        ) from error


def names_from(typed: Sequence[str]) -> tuple[str, ...]:
    """Return the names typed; ``-`` stands for the lines of standard input.

    Raises:
        click.UsageError: there is no name.
    """
    names = [
        name
        for one in typed
        for name in (read_stdin().splitlines() if one == STDIN else [one])
        if name.strip()
    ]
    if not names:
        raise click.UsageError("there is no name")
    return tuple(name.strip() for name in names)


def one_name_from(typed: str) -> str:
    """Return the one name typed; ``-`` stands for the one line of standard input.

    Raises:
        click.UsageError: there is no name, or more than one.
    """
    first, *more = names_from([typed])
    if more:
        raise click.UsageError(f"one name is needed; there are {1 + len(more):,}")
    return first


def in_parts(names: Sequence[str], most: int) -> Iterator[tuple[str, ...]]:
    """Yield names in parts of at most ``most``: as many as one request may hold."""
    for first in range(0, len(names), most):
        yield tuple(names[first : first + most])
