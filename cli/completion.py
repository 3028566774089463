"""``slowlight completion``, and what a shell is offered for names and ids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from .safe import safe_line
from .verbs import Verb

if TYPE_CHECKING:
    from .shell import Shell

COMPLETION_VARIABLE: Final = "_SLOWLIGHT_COMPLETE"
SHELLS: Final = ("bash", "zsh", "fish")
MOST_OFFERED: Final = 50
"""Ids of entries that are offered, the newest."""
_TEXT_SHOWN: Final = 40


@click.command(
    "completion",
    cls=Verb,
    examples=("slowlight completion bash", "slowlight completion fish"),
)
@click.argument("shell_name", metavar="bash|zsh|fish", type=click.Choice(SHELLS))
def completion_command(shell_name: str) -> None:
    """Print what lets your shell complete commands, options, people and ids.

    In bash, put eval "$(slowlight completion bash)" into ~/.bashrc; in zsh the same with zsh into
    ~/.zshrc; in fish, write the output to ~/.config/fish/completions/slowlight.fish. People and
    ids come from your own home; nothing is asked of the network.
    """
    complete = get_completion_class(shell_name)
    if complete is None:
        raise click.UsageError(f"there is no completion for {shell_name}")
    command = click.get_current_context().find_root().command
    click.echo(complete(command, {}, "slowlight", COMPLETION_VARIABLE).source())


def people_items(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """Offer people: those who are followed and those who are peers."""
    from ..node.peer_operations import PEERS, PeersRequest
    from ..node.people_operations import FOLLOWS, FollowsRequest

    def people(node: Any) -> Iterable[CompletionItem]:
        known = {
            person.identity: person
            for person in (
                *(one.person for one in node.call(FOLLOWS, FollowsRequest()).follows),
                *(one.person for one in node.call(PEERS, PeersRequest()).peers),
            )
        }
        for person in known.values():
            name = person.petname or person.name
            typeable = name and name == safe_line(name) and not any(c.isspace() for c in name)
            yield CompletionItem(name if typeable else person.short_id, help=person.short_id)

    return _offered(context, incomplete, people)


def entry_items(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """Offer the ids of the newest posts, each with the beginning of its text."""
    from ..node.post_operations import READ, ReadRequest

    def entries(node: Any) -> Iterable[CompletionItem]:
        request = ReadRequest(scope="all", limit=MOST_OFFERED, mark=False)
        for post in node.call(READ, request).posts:
            text = safe_line(post.text or "")[:_TEXT_SHOWN]
            yield CompletionItem(post.short_id, help=f"{safe_line(post.author.label)}: {text}")

    return _offered(context, incomplete, entries)


def _offered(context: click.Context, incomplete: str, find: Any) -> list[CompletionItem]:
    """Ask the node of the home; where there is none, or it is locked, nothing is offered.

    A shell that completes must never print an error into the line that is being typed.
    """
    from ..node.errors import ServiceError

    shell: Shell = context.find_root().ensure_object(_shell_class())
    try:
        if not shell.home.socket.exists() and shell.home.keys.have_passphrase:
            return []  # nobody is asked for a passphrase in the middle of a line
        with shell.node("completion") as node:
            items = list(find(node))
    except (ServiceError, OSError):
        return []
    return [item for item in items if str(item.value).startswith(incomplete)]


def _shell_class() -> type[Shell]:
    from .shell import Shell

    return Shell
