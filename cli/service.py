"""``slowlight service``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .lines import EMPTY, Line, Span, Style, line
from .verbs import VerbGroup

if TYPE_CHECKING:
    from ..node.home import Home
    from ..node.home_results import ServiceResult
    from .shell import Shell

_dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")


@click.group(
    "service",
    cls=VerbGroup,
    examples=("slowlight service install --dry-run", "slowlight service uninstall"),
)
def service_command() -> None:
    """Keep the node running, also after the next start of the machine."""


@service_command.command(
    "install",
    examples=("slowlight service install --dry-run", "slowlight service install"),
)
@_dry_run
@click.pass_obj
def install_(shell: Shell, dry_run: bool) -> None:
    """Let systemd run the node for you: a unit of yours, no root needed.

    It starts at once, again after a failure, and whenever you log in. A node whose keys have a
    passphrase needs --passphrase-file, for nobody can be asked.
    """
    from ..node.errors import Code, ServiceError
    from ..node.unit import install, run_program, unit_folder

    home = shell.home
    home.require()
    command = [_program(), "--home", str(home.path)]
    if shell.passphrase_file is not None:
        command += ["--passphrase-file", str(Path(shell.passphrase_file).absolute())]
    elif home.keys.have_passphrase:
        raise ServiceError(
            Code.INVALID,
            "the keys of this home have a passphrase, and a service has nobody to ask for it",
            shell.command("service install --passphrase-file FILE"),
        )
    result = install(
        home,
        [*command, "run"],
        name=_unit_name(home),
        folder=unit_folder(shell.environ),
        dry_run=dry_run,
        run_program=run_program,
    )
    shell.answer(result, _installed(result))
    if not dry_run:
        shell.advise("To run it while you are not logged in: loginctl enable-linger")


@service_command.command(
    "uninstall",
    examples=("slowlight service uninstall --dry-run", "slowlight service uninstall"),
)
@_dry_run
@click.pass_obj
def uninstall_(shell: Shell, dry_run: bool) -> None:
    """Stop the service and remove its unit; the home stays as it is."""
    from ..node.unit import run_program, uninstall, unit_folder

    home = shell.home
    result = uninstall(
        home,
        name=_unit_name(home),
        folder=unit_folder(shell.environ),
        dry_run=dry_run,
        run_program=run_program,
    )
    done = "Would remove" if dry_run else "Removed"
    shell.answer(result, [line(f"{done} {result.unit}.")])


def _program() -> str:
    """Return where this very program lies."""
    return str(Path(sys.argv[0]).absolute())


def _unit_name(home: Home) -> str:
    from ..node.home import locate
    from ..node.unit import unit_name

    return unit_name(home, locate(None, {}))


def _installed(result: ServiceResult) -> Iterator[Line]:
    if result.dry_run:
        yield line(Span("Nothing was written.", Style.STRONG), f" This would be {result.unit}:")
        yield EMPTY
        for each in result.text.splitlines():
            yield line(each, indent=2)
    elif result.changed:
        yield line(Span("The node runs as a service.", Style.GOOD))
        yield line(result.unit, indent=2)
    else:
        yield line(f"Already installed; it runs: {result.unit}")
