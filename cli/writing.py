"""``slowlight post``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from .editor import edited
from .lines import Line, Span, Style, flow, prose
from .params import STDIN, DurationRange, read_stdin
from .quantities import size
from .verbs import Verb

if TYPE_CHECKING:
    from ..node.peer_operations import PeerView
    from ..node.post_operations import PostResult
    from .shell import Shell

MAX_PEERS_NAMED: Final = 5


@click.command(
    "post",
    cls=Verb,
    examples=(
        'slowlight post "Dust on the window again." --tag weather',
        'slowlight post - --title "Sol 12" < report.txt',
        'slowlight post "Red." --reply k3v9-7qpm-x2da',
    ),
)
@click.argument("words", metavar="[TEXT]", nargs=-1)
@click.option("--reply", "-r", "reply_to", metavar="ID", default="", help="Post that it answers.")
@click.option("--title", metavar="TEXT", default="", help="Title above the text.")
@click.option("--tag", "-t", "tags", metavar="TAG", multiple=True, help="Topic; may be repeated.")
@click.option(
    "--mention", "-m", "mentions", metavar="WHO", multiple=True, help="Whom it is for or about."
)
@click.option(
    "--warning", "-w", metavar="TEXT", default="", help="What to be warned of before reading."
)
@click.option(
    "--place", metavar="PATH", default="", help="Where it is written: sol/earth/france/toulouse."
)
@click.option("--language", metavar="TAG", default="", help="Its language: en, fr, pt-BR.")
@click.option(
    "--expire",
    "expire_ms",
    metavar="DURATION",
    type=DurationRange("1s", "1000y"),
    default=None,
    help="How long the text lives: 12h, 7d, 1y. Without it, for ever.",
)
@click.option(
    "--client-key",
    metavar="KEY",
    default="",
    help="Any name; posting twice under one name writes one post.",
)
@click.pass_obj
def post_command(shell: Shell, /, words: tuple[str, ...], **fields: Any) -> None:
    """Write a post, or an answer to one.

    TEXT is the post, in quotes, or - to read it from standard input. Without TEXT your editor
    opens.
    """
    if len(words) > 1:
        raise click.UsageError("put the text in quotes, so that the shell keeps it together")
    fields["expire_ms"] = fields["expire_ms"] or 0
    if words:
        (text,) = words
        _post(shell, read_stdin().rstrip("\n") if text == STDIN else text, fields)
    elif shell.screen.talks_to_person:
        answered = fields["reply_to"]
        with edited(shell, f"An answer to {answered}." if answered else "A new post.") as text:
            _post(shell, text, fields)
    else:
        raise click.UsageError("there is no text; give it in quotes, or - for standard input")


def _post(shell: Shell, text: str, fields: Mapping[str, Any]) -> None:
    from ..node.peer_operations import PEERS, PeersRequest
    from ..node.post_operations import POST, PostRequest

    with shell.node("post") as node:
        result = node.call(POST, PostRequest(text=text, **fields))
        peers = node.call(PEERS, PeersRequest()).peers
    shell.answer(result, _posted(result, peers, shell.screen.width))
    if not peers:
        shell.advise(f"Next: {shell.command('invite')}")


def _posted(result: PostResult, peers: Sequence[PeerView], width: int) -> Iterator[Line]:
    done = "Already posted" if result.repeated else "Posted"
    written = size(len((result.post.text or "").encode()))
    yield from flow([Span(f"{done} {result.post.short_id}", Style.STRONG), Span(written)], width)
    now = [peer for peer in peers if peer.connected]
    later = [peer for peer in peers if not peer.connected]
    if now:
        yield from prose(f"Going now to {_named(now)}.", width, indent=2)
    if later:
        yield from prose(f"At the next contact to {_named(later)}.", width, indent=2)
    if not peers:
        yield from prose("It waits here: this node has no peers yet.", width, indent=2)


def _named(peers: Sequence[PeerView]) -> str:
    labels = list(dict.fromkeys(peer.person.label for peer in peers))
    named = ", ".join(labels[:MAX_PEERS_NAMED])
    return f"{named} and {len(labels) - MAX_PEERS_NAMED} more" if len(labels) > 5 else named
