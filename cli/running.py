"""``slowlight run``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .lines import Span, Style, line
from .verbs import Verb

if TYPE_CHECKING:
    from ..node.daemon import RunningNode
    from .shell import Shell


@click.command(
    "run",
    cls=Verb,
    examples=(
        "slowlight run",
        "slowlight run --listen 127.0.0.1:4242 --log-level debug",
    ),
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    multiple=True,
    help="Accept peers here; may be repeated; port 0 takes any free one.",
)
@click.option("--network", metavar="NAME", help="Talk only to nodes of this network.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Least event that is logged.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="Lines for people, or one JSON object a line.",
)
@click.option("--log-file", metavar="FILE", help="Append the log to this file.")
@click.pass_obj
def run_command(
    shell: Shell,
    listen: tuple[str, ...],
    network: str | None,
    log_level: str | None,
    log_format: str | None,
    log_file: str | None,
) -> None:
    """Run the node, so that it meets others, until Ctrl-C or SIGTERM.

    One line on standard output says when it is ready: who it is, where it listens, and its
    socket. The log goes to standard error.
    """
    from ..node.daemon import run_daemon

    typed = {
        "node.listen": ",".join(listen) or None,
        "node.network": network,
        "log.level": log_level,
        "log.format": log_format,
        "log.file": log_file,
    }
    flags = {key: value for key, value in typed.items() if value is not None}

    def on_ready(node: RunningNode) -> None:
        _tell_ready(shell, node)

    shell.home.require()
    run_daemon(shell.home, shell.settings(flags).config, on_ready)


def _tell_ready(shell: Shell, node: RunningNode) -> None:
    from ..node.peer_operations import STATUS, StatusRequest

    status = node.service.call(STATUS, StatusRequest())
    who = Span(f"{status.person.label} is ready", Style.GOOD)
    where = f", listening on {' '.join(node.listening) or 'nothing'}, socket {shell.home.socket}"
    shell.answer(status, [line(who, where)])
