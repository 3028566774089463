"""The command line's front door: what stands here is loaded by every command."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from .. import __version__
from .failures import (
    failure_of_tasks,
    interruption,
    system_failure,
    tell_failure,
    usage_failure,
)
from .shell import Shell
from .verbs import HelpWantedError, Listed, Root

_COMPLETION: Final = "_SLOWLIGHT_COMPLETE"


@click.group(
    cls=Root,
    sections={
        "Write": {
            "post": Listed("writing", "Write a post, or an answer to one"),
            "edit": Listed("revising", "Write a post of yours anew"),
            "delete": Listed("revising", "Delete posts of yours"),
        },
        "Read": {
            "read": Listed("reading", "Read what is new, everything, or one thread"),
            "show": Listed("reading", "Look at one entry closely"),
            "search": Listed("reading", "Find posts by their words"),
        },
        "People": {
            "follow": Listed("people", "Follow people"),
            "unfollow": Listed("people", "Stop following people"),
            "follows": Listed("people", "List whom someone follows"),
            "block": Listed("blocking", "Neither keep nor pass on what someone writes"),
            "unblock": Listed("blocking", "Take a block back"),
            "blocks": Listed("blocking", "List whom you block"),
            "name": Listed("people", "Give someone a name that only you see"),
            "profile": Listed("people", "Read a profile, or change yours"),
            "forks": Listed("forks", "List devices that signed two things as one"),
        },
        "Network": {
            "run": Listed("running", "Run the node, so that it meets others"),
            "service": Listed("service", "Keep the node running, by systemd"),
            "status": Listed("status", "See whether everything is in sync"),
            "trace": Listed("tracing", "See who has an entry, and who not yet"),
            "sync": Listed("syncing", "Exchange posts with your peers now"),
            "peer": Listed("peering", "Add, list and remove the nodes to talk to"),
            "pair": Listed("pairing", "Meet somebody in the same room"),
            "invite": Listed("peering", "Invite someone to connect to this node"),
        },
        "Identity": {
            "init": Listed("identity", "Begin: make an identity and its home"),
            "key": Listed("keys", "Look after your keys and the 24 words"),
            "config": Listed("settings", "See the settings, and where each comes from"),
        },
        "More": {
            "doctor": Listed("doctor", "Find out what keeps this node from its work"),
            "db": Listed("db", "Look after the database: check, back up, compact"),
            "demo": Listed("demo", "Watch two nodes carry a real conversation"),
            "sim": Listed("simulating", "Let a real conversation come to a node"),
            "completion": Listed("completion", "Let your shell complete what you type"),
            "help": Listed("topics", "Read about a command or a topic"),
        },
    },
    examples=(
        "slowlight init --name ada",
        'slowlight post "First light. Anyone out there?"',
    ),
)
@click.version_option(__version__, prog_name="slowlight")
def root() -> None:
    """A social network for people whom light keeps apart."""


def main() -> NoReturn:
    """Carry out what was typed, and end with its exit code."""
    _open_missing_streams()
    sys.exit(run(sys.argv[1:], Shell()))


def run(arguments: Sequence[str], shell: Shell) -> int:
    """Carry out a command and return its exit code; errors are told here, once."""
    from ..node.errors import ServiceError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            _require_unicode(arguments)
            return _invoke(arguments, shell)
        except HelpWantedError as wanted:
            click.echo(wanted.help_text, err=True)
            return 2
        except click.ClickException as error:
            failure = usage_failure(error)
        except ServiceError as error:
            failure = error
        except (click.Abort, KeyboardInterrupt):
            failure = interruption()
        except BaseExceptionGroup as group:
            failure = failure_of_tasks(group)
        except BrokenPipeError:
            raise
        except OSError as error:
            failure = system_failure(error)
        tell_failure(shell.screen, failure, as_json=shell.as_json or "--json" in arguments)
        return failure.exit
    except BrokenPipeError:
        _leave_quietly()
        return 0


def _open_missing_streams() -> None:
    """Open the streams that whoever started the program has closed.

    Else the next file would get their number, and an error be written into the database.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _require_unicode(arguments: Sequence[str]) -> None:
    for number, argument in enumerate(arguments, start=1):
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise click.UsageError(f"argument {number} is not UTF-8 text") from error


def _invoke(arguments: Sequence[str], shell: Shell) -> int:
    if _COMPLETION in shell.environ:
        root.main(prog_name="slowlight", complete_var=_COMPLETION)
    try:
        with root.make_context("slowlight", list(arguments), obj=shell) as context:
            code: int | None = root.invoke(context)
            return code or 0
    except click.exceptions.Exit as ending:
        return ending.exit_code


def _leave_quietly() -> None:
    """Let go what nobody reads any more: flushing it at exit would fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
