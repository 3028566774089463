"""``slowlight delete`` and ``slowlight edit``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from .editor import edited
from .lines import Line, Span, Style, flow, line, prose
from .params import STDIN, complete_entry, read_stdin
from .passphrase import talks_to_person
from .quantities import count
from .verbs import Verb

if TYPE_CHECKING:
    from ..node.post_operations import DeleteResult, EditResult
    from .shell import Shell

PROMISE: Final = (
    "Whoever hears of it drops the text. A copy that never comes on line again, and what people"
    " have read, it cannot reach."
)


@click.command(
    "delete",
    cls=Verb,
    examples=(
        "slowlight delete k3v9-7qpm-x2da",
        'slowlight delete k3v9 8w2c --reason "wrong place" --yes',
    ),
)
@click.argument("ids", metavar="ID...", nargs=-1, required=True, shell_complete=complete_entry)
@click.option("--reason", metavar="TEXT", default="", help="Why; everybody can read it.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete_command(shell: Shell, ids: tuple[str, ...], reason: str, yes: bool) -> None:
    """Delete posts of yours, written on whichever of your devices.

    Their texts, pictures' descriptions and edits go, here and at everyone whom the deletion
    reaches; that there was a post, and answers of others, stay. It cannot be taken back.
    Deleting what is deleted already changes nothing. Scripts have to say --yes.
    """
    from ..node.post_operations import DELETE, DeleteRequest

    if not yes:
        _confirm(shell, ids)
    with shell.node("delete") as node:
        result = node.call(DELETE, DeleteRequest(ids=ids, reason=reason))
    shell.answer(result, _deleted(result, shell.screen.width))


def _confirm(shell: Shell, ids: tuple[str, ...]) -> None:
    """Let the person confirm what cannot be taken back.

    Raises:
        ServiceError: there is nobody to ask (``invalid``).
        click.Abort: they do not want it.
    """
    named = ids[0] if len(ids) == 1 else count(len(ids), "post")
    if not talks_to_person() or shell.as_json:
        from ..node.errors import Code, ServiceError

        raise ServiceError(
            Code.INVALID,
            f"deleting {named} cannot be taken back, and there is nobody to ask",
            "--yes deletes without asking",
        )
    click.confirm(f"Delete {named} for good?", abort=True, err=True)


def _deleted(result: DeleteResult, width: int) -> Iterator[Line]:
    for entry in result.entries:
        if entry.already:
            yield line(f"{entry.short_id} was deleted already.")
        else:
            yield line(Span(f"Deleted {entry.short_id}.", Style.STRONG))
    if result.ordered_by:
        yield from prose(PROMISE, width, indent=2, style=Style.FAINT)
    if not result.off_disk:
        left = "Taking the words out of the search index goes on; status says when it is done."
        yield from prose(left, width, indent=2, style=Style.FAINT)


@click.command(
    "edit",
    cls=Verb,
    examples=(
        "slowlight edit k3v9-7qpm-x2da",
        'slowlight edit k3v9 "Dust on both windows." --note "counted again"',
        "slowlight edit k3v9 - < report.txt",
    ),
)
@click.argument("entry", metavar="ID", shell_complete=complete_entry)
@click.argument("words", metavar="[TEXT]", nargs=-1)
@click.option("--title", metavar="TEXT", default=None, help="New title; without it, it stays.")
@click.option("--note", metavar="TEXT", default="", help="What changed; everybody can read it.")
@click.pass_obj
def edit_command(
    shell: Shell, entry: str, words: tuple[str, ...], title: str | None, note: str
) -> None:
    """Write a post of yours anew.

    TEXT is the new text, in quotes, or - to read it from standard input. Without TEXT your editor
    opens with the old one. Readers see the new text, that it was edited, and, if they ask for it,
    the old one; to take that away, delete the post.
    """
    from ..node.post_operations import SHOW, ShowRequest

    if len(words) > 1:
        raise click.UsageError("put the text in quotes, so that the shell keeps it together")
    if words:
        text = read_stdin().rstrip("\n") if words[0] == STDIN else words[0]
        _edit(shell, entry, text, title, note)
    elif shell.screen.talks_to_person:
        with shell.node("edit") as node:
            old = node.call(SHOW, ShowRequest(id=entry)).post
        before = (old.text or "") if old else ""
        with edited(shell, f"A new version of {entry}.", begin_with=before) as text:
            _edit(shell, entry, text, title, note)
    else:
        raise click.UsageError("there is no text; give it in quotes, or - for standard input")


def _edit(shell: Shell, entry: str, text: str, title: str | None, note: str) -> None:
    from ..node.post_operations import EDIT, EditRequest

    with shell.node("edit") as node:
        result = node.call(EDIT, EditRequest(id=entry, text=text, title=title, note=note))
    shell.answer(result, _edited(result, shell.screen.width))


def _edited(result: EditResult, width: int) -> Iterator[Line]:
    if not result.changed:
        yield line(f"{result.post.short_id} says that already; nothing was written.")
        return
    yield from flow([Span(f"Edited {result.post.short_id}", Style.STRONG)], width)
