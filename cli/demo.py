"""``slowlight demo``."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .lines import EMPTY, line
from .stage import CommandFailedError, Stage
from .verbs import VerbGroup

if TYPE_CHECKING:
    from .shell import Shell

POSTS_SHOWN = "6"
"""Of the thread that is read: enough to see who answers whom."""
ANSWER = "The whole thread has reached me, by way of one other node. Greetings from the far end."


@click.group(
    "demo",
    cls=VerbGroup,
    examples=("slowlight demo conversation", "slowlight demo conversation --keep ./two-nodes"),
)
def demo_command() -> None:
    """Watch Slowlight at work on this machine."""


@demo_command.command(
    "conversation",
    examples=("slowlight demo conversation", "slowlight demo conversation --keep ./two-nodes"),
)
@click.option(
    "--keep",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Make the two homes here; else in a temporary directory. It must be new or empty.",
)
@click.pass_obj
def conversation(shell: Shell, folder: Path | None) -> None:
    """Two nodes carry one real conversation: 2,000 messages by 520 people.

    Every command that is used is shown as it runs; nothing stays running. The homes stay, to go on
    with.
    """
    from ..node.errors import Code, ServiceError

    begun_s = time.monotonic()
    place = _empty_folder(folder)
    try:
        with Stage(place, shell.screen, shell.environ) as stage:
            doors = _play(stage)
    except CommandFailedError as error:
        raise ServiceError(
            Code.INTERNAL, f"the demo broke off: {error}", f"the homes and logs are in {place}"
        ) from error
    _say_how_to_go_on(shell, place, doors, time.monotonic() - begun_s)


def _play(stage: Stage) -> dict[str, str]:
    """Play the demo, and return the address of each node by its home."""
    from ..simulations.courier import load

    thread = load(None, seed=1, names=False).longest_thread
    stage.say("Two people make an identity each, with a home of its own.")
    stage.type("--home", "ada", "init", "--name", "ada")
    stage.type("--home", "bob", "init", "--name", "bob")

    stage.say("Both nodes run.")
    started = {home: _start(stage, home) for home in ("ada", "bob")}

    stage.say("Both follow the 520 people of a real conversation.")
    stage.type("sim", "people", stdout="people.txt")
    for home in started:
        stage.type("--home", home, "follow", "-", stdin="people.txt", stdout=f"{home}-follows.txt")

    stage.say("A node that has the conversation is invited, and brings it to Ada's.")
    stage.type("--home", "ada", "invite", stdout="invite.txt")
    stage.type("sim", "replay", "-", "--names", stdin="invite.txt")

    stage.say("Bob is invited too: his node gets from Ada's what he follows.")
    stage.type("--home", "ada", "invite", stdout="invite.txt")
    stage.type("--home", "bob", "peer", "add", "-", stdin="invite.txt")
    stage.type("--home", "bob", "sync")
    stage.type("--home", "bob", "status")

    stage.say("Bob reads the beginning of the longest thread.")
    stage.type("--home", "bob", "read", "--thread", thread, "--limit", POSTS_SHOWN)

    stage.say("Ada follows Bob; Bob answers; his answer arrives at Ada's.")
    stage.type("--home", "ada", "follow", str(started["bob"]["person"]["short_id"]))
    stage.type("--home", "ada", "sync")
    stage.type("--home", "bob", "post", ANSWER, "--reply", thread)
    stage.type("--home", "bob", "sync")
    stage.type("--home", "ada", "read", "--all", "--author", "bob")
    return {home: str(status["listening"][0]) for home, status in started.items()}


def _start(stage: Stage, home: str) -> Any:
    """Start a node and return its status."""
    status = stage.start(
        *("--home", home, "run", "--listen", "127.0.0.1:0", "--json"), log=f"{home}.log"
    )
    stage.tell(f"{status['person']['label']} is ready, listening on {status['listening'][0]}")
    return status


def _empty_folder(wanted: Path | None) -> Path:
    if wanted is None:
        return Path(tempfile.mkdtemp(prefix="slowlight-demo-"))
    if wanted.exists() and any(wanted.iterdir()):
        raise click.BadParameter(f"{wanted} holds something already; name a new directory")
    wanted.mkdir(parents=True, exist_ok=True)
    return wanted.absolute()


def _say_how_to_go_on(shell: Shell, place: Path, doors: dict[str, str], took_s: float) -> None:
    programs = Path(sys.executable).parent
    runs = [f"slowlight --home {home} run --listen {door} &" for home, door in doors.items()]
    commands = [
        f"cd {shlex.quote(str(place))}",
        *([] if shutil.which("slowlight") else [f'PATH="{programs}:$PATH"']),
        *runs,
        "slowlight --home bob read",
        "slowlight --home bob search martians",
    ]
    shell.screen.show(
        [
            EMPTY,
            line(f"That took {took_s:.0f} s. Both nodes are stopped; their homes stay in {place}."),
            line("To go on with them:"),
            *(line(command, indent=2) for command in commands),
            line(f"When you have seen enough: rm -r {shlex.quote(str(place))}"),
        ]
    )
