"""``slowlight config``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .lines import Line, Span, Style, line, prose
from .verbs import VerbGroup

if TYPE_CHECKING:
    from ..node.config import Resolved, Setting
    from .shell import Shell


@click.group(
    "config",
    cls=VerbGroup,
    examples=("slowlight config list", "slowlight config path"),
)
def config_command() -> None:
    """See the settings, and where each comes from.

    They stand in a TOML file; "slowlight help environment" tells what wins over it.
    """


@config_command.command("list", examples=("slowlight config list", "slowlight config list --json"))
@click.pass_obj
def list_(shell: Shell) -> None:
    """List all settings, and what decided each."""
    from ..node.home_results import ConfigItem, ConfigResult

    items = shell.settings().items
    result = ConfigResult(
        file=str(shell.home.config),
        items=tuple(
            ConfigItem(
                key=item.key,
                value=item.value,
                origin=item.origin,
                source=item.source,
                meaning=item.meaning,
            )
            for item in items
        ),
    )
    shell.answer(result, (one for item in items for one in _setting(item, shell.screen.width)))


@config_command.command(
    "path", examples=("slowlight config path", 'nano "$(slowlight config path)"')
)
@click.pass_obj
def path(shell: Shell) -> None:
    """Say where the configuration file is, or would be."""
    from ..node.home_results import ConfigResult

    result = ConfigResult(file=str(shell.home.config), items=())
    shell.answer(result, [line(str(shell.home.config))])


def _setting(item: Resolved, width: int) -> Iterator[Line]:
    yield line(f"{item.key} = {_toml(item.value)}  ", _origin(item))
    yield from prose(item.meaning, width, indent=2, style=Style.FAINT)


def _origin(item: Resolved) -> Span:
    if item.origin == "default":
        return Span("# default", Style.FAINT)
    return Span(f"# {item.origin}: {item.source}", Style.STRONG)


def _toml(value: Setting) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()
