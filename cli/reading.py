"""``slowlight read``, ``show`` and ``search``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import click

from .lines import EMPTY, Line, Span, Style, line, prose, table
from .params import complete_entry
from .quantities import count, date, size
from .text import DELETED, NOT_HERE, Look, answers, post_lines, thread_lines
from .verbs import Verb

if TYPE_CHECKING:
    from ..node.client import Client
    from ..node.operation import EntryView, PostView
    from ..node.post_operations import ReadResult, SearchResult, ThreadResult, VersionView
    from .shell import Shell

MAX_PAGE: Final = 500
PAGE: Final = 50
FOUND: Final = 20
MAX_CONTEXTS: Final = 50
"""Answered posts that are looked up for one page; each is a question to the node."""
NOTHING: Final = 3
"""Exit code: nothing new, or not found."""

_limit = click.option("--limit", "-n", type=click.IntRange(1, MAX_PAGE), help="Posts at most.")
_unfold = click.option("--unfold", is_flag=True, help="Show the texts behind warnings.")


@click.command(
    "read",
    cls=Verb,
    examples=(
        "slowlight read",
        "slowlight read --all --author ada --limit 10",
        "slowlight read --thread k3v9-7qpm-x2da",
    ),
)
@click.option("--all", "everything", is_flag=True, help="All posts, newest first.")
@click.option("--thread", metavar="ID", help="The conversation that a post belongs to.")
@click.option("--author", metavar="WHO", default="", help="Only posts of one person (with --all).")
@click.option(
    "--before", metavar="PAGE", default="", help="The page after another one (with --all)."
)
@_limit
@_unfold
@click.option("--peek", is_flag=True, help="Leave what is new new.")
@click.pass_obj
def read_command(
    shell: Shell,
    everything: bool,
    thread: str | None,
    author: str,
    before: str,
    limit: int | None,
    unfold: bool,
    peek: bool,
) -> int:
    """Read what is new since the last time, everything, or one conversation.

    What is new comes oldest first. Ends with exit code 3 if there is nothing.
    """
    from ..node.post_operations import READ, ReadRequest

    everything = everything or bool(author or before)
    if thread is not None and everything:
        raise click.UsageError("--thread stands alone: it shows the whole conversation")
    look = Look(shell.screen.width, shell.now_ms(), unfold)
    if thread is not None:
        return _read_thread(shell, thread, limit or MAX_PAGE, look, mark=not peek)
    request = ReadRequest(
        scope="all" if everything else "new",
        author=author,
        before=before,
        limit=limit or PAGE,
        mark=not peek,
    )
    with shell.node("read") as node:
        result = node.call(READ, request)
        contexts = {} if shell.as_json else _contexts(node, result.posts)
    shell.answer(result, _page(result, contexts, look, everything=everything), paged=True)
    if result.next_before:
        of_author = f" --author {shlex.quote(author)}" if author else ""
        older = shell.command(f"read --all{of_author} --before {result.next_before}")
        shell.advise(f"Older: {older}")
    elif result.unread and not everything:
        shell.advise(f"{count(result.unread, 'more post')} to read: {shell.command('read')}")
    return 0 if result.posts else NOTHING


def _read_thread(shell: Shell, thread: str, limit: int, look: Look, *, mark: bool) -> int:
    from ..node.post_operations import THREAD, ThreadRequest

    with shell.node("read") as node:
        result = node.call(THREAD, ThreadRequest(id=thread, limit=limit, mark=mark))
    shell.answer(result, _thread(result, look), paged=True)
    return 0 if result.posts else NOTHING


def _thread(result: ThreadResult, look: Look) -> Iterator[Line]:
    what = "The beginning of a thread," if result.more else "Thread of"
    yield line(Span(f"{what} {count(len(result.posts), 'post')}", Style.STRONG))
    if result.root_deleted:
        yield from prose(
            "(its author deleted the post that began it)", look.width, style=Style.FAINT
        )
    elif not result.root_held:
        yield from prose("(the post that began it is not here yet)", look.width, style=Style.FAINT)
    yield EMPTY
    yield from thread_lines(result.posts, look)
    if result.more:
        yield EMPTY
        yield from prose("(there is more; --limit shows it)", look.width, style=Style.FAINT)


def _page(
    result: ReadResult, contexts: Mapping[str, str], look: Look, *, everything: bool
) -> Iterator[Line]:
    if not result.posts:
        yield line("Nothing is here yet." if everything else "Nothing new.")
        return
    if not everything:
        yield line(Span(f"New since you last read: {len(result.posts):,}", Style.STRONG))
        yield EMPTY
    yield from _list_of(result.posts, contexts, look)


def _list_of(posts: Sequence[PostView], contexts: Mapping[str, str], look: Look) -> Iterator[Line]:
    for number, post in enumerate(posts):
        if number:
            yield EMPTY
        yield from post_lines(post, look, context=contexts.get(post.id, ""))


def _contexts(node: Client, posts: Sequence[PostView]) -> dict[str, str]:
    """Return what each answer among the posts answers, by the id of the answer."""
    known: dict[str, PostView | None] = {post.id: post for post in posts}
    contexts: dict[str, str] = {}
    for post in posts:
        if post.reply_to is None:
            continue
        if post.reply_to not in known and len(known) < len(posts) + MAX_CONTEXTS:
            known[post.reply_to] = _look_up(node, post.reply_to)
        answered = known.get(post.reply_to)
        missing = DELETED if post.parent_deleted else NOT_HERE
        contexts[post.id] = missing if answered is None else answers(answered)
    return contexts


def _look_up(node: Client, entry_id: str) -> PostView | None:
    from ..node.errors import Code, ServiceError
    from ..node.post_operations import SHOW, ShowRequest

    try:
        return node.call(SHOW, ShowRequest(id=entry_id)).post
    except ServiceError as error:
        if error.code is Code.NOT_FOUND:
            return None
        raise


@click.command(
    "show",
    cls=Verb,
    examples=(
        "slowlight show k3v9-7qpm-x2da",
        "slowlight show k3v9 --versions",
        "slowlight show k3v9 --json",
    ),
)
@click.argument("entry", metavar="ID", shell_complete=complete_entry)
@click.option("--versions", is_flag=True, help="Show every version of an edited post.")
@click.pass_obj
def show_command(shell: Shell, entry: str, versions: bool) -> None:
    """Look at one entry closely: its text, who signed it, when it came and by whom.

    ID is an id as shown, the beginning of one, or all 64 hexadecimal digits.
    """
    from ..node.post_operations import SHOW, ShowRequest

    with shell.node("show") as node:
        result = node.call(SHOW, ShowRequest(id=entry, versions=versions))
        contexts = {} if shell.as_json or result.post is None else _contexts(node, [result.post])
    look = Look(shell.screen.width, shell.now_ms(), unfolded=True)

    def lines() -> Iterator[Line]:
        if result.post is not None:
            yield from _list_of([result.post], contexts, look)
            yield EMPTY
        yield from _versions(result.versions, look)
        yield from table(_facts(result.entry), look.width)

    shell.answer(result, lines(), paged=True)


def _versions(versions: Sequence[VersionView], look: Look) -> Iterator[Line]:
    for number, version in enumerate(versions, start=1):
        note = f": {version.note}" if version.note else ""
        head = f"Version {number}, {date(version.claimed_ms)}{note}"
        yield from prose(head, look.width, style=Style.STRONG)
        if version.title:
            yield from prose(version.title, look.width, indent=2)
        yield from prose(version.text.rstrip(), look.width, indent=2)
        yield EMPTY


def _facts(entry: EntryView) -> Iterator[tuple[str, str]]:
    yield "id", entry.id
    yield "kind", _kind(entry)
    yield "author", entry.author.label
    yield "identity", entry.author.identity
    yield "device", entry.device
    yield "log", f"entry {entry.seq:,} of channel {entry.channel}"
    yield "dated", f"{date(entry.claimed_ms)}, as the author says"
    yield "came", date(entry.received_ms)
    yield "from", "written here" if entry.via == "own" else entry.via
    yield "proof", "its own signature" if entry.signature else "a later entry of its log"
    yield "payload", f"{size(entry.size_bytes)}, {_state(entry)}"
    if entry.deleted_by is not None:
        yield "deleted by", entry.deleted_by
        yield "deleted", f"{date(entry.deleted_ms)}, as the author says"
        if entry.reason:
            yield "reason", entry.reason
    if entry.void:
        yield "void", _VOID[entry.void]
        if entry.voided_by is not None:
            yield "voided by", f"the signed record {entry.voided_by}"
    if entry.fork:
        yield "fork", _FORK[entry.fork]
    for cited in entry.seen:
        yield "after", cited


_VOID: Final = {
    "stranger": "no root key of its author certified its device",
    "forgotten": "a rotation of its author does not name its device",
    "ended": "its device had ended before it",
    "off branch": "its log forks, and its author named another branch",
}
"""Why an entry does not count."""


_FORK: Final = {
    "common": "its log forks further up; this entry is valid",
    "branch": "its device signed something else under the same number: slowlight forks",
    "selected": "its log forks below; its author named this branch, so it is valid",
}
"""Where an entry of a forked log stands."""


def _kind(entry: EntryView) -> str:
    content: dict[str, object] = entry.content or {}
    return str(content.get("kind", "not known to this version, or not here"))


def _state(entry: EntryView) -> str:
    if entry.gone:
        return entry.gone
    return "not here, or not understood" if entry.content is None else "here"


@click.command(
    "search",
    cls=Verb,
    examples=("slowlight search tempete", 'slowlight search "dust window" --limit 5'),
)
@click.argument("words", nargs=-1, required=True)
@_limit
@_unfold
@click.pass_obj
def search_command(shell: Shell, words: Sequence[str], limit: int | None, unfold: bool) -> int:
    """Find posts that hold every word, the best first; accents and capitals do not matter.

    Ends with exit code 3 if there is none.
    """
    from ..node.post_operations import SEARCH, SearchRequest

    with shell.node("search") as node:
        result = node.call(SEARCH, SearchRequest(query=" ".join(words), limit=limit or FOUND))
        contexts = {} if shell.as_json else _contexts(node, result.posts)
    look = Look(shell.screen.width, shell.now_ms(), unfold)
    shell.answer(result, _found(result, contexts, look), paged=True)
    if result.behind:
        waiting = count(result.behind, "newer post")
        shell.advise(f"The index is behind: {waiting} not searched yet. Try again soon.")
    return 0 if result.posts else NOTHING


def _found(result: SearchResult, contexts: Mapping[str, str], look: Look) -> Iterator[Line]:
    if not result.posts:
        yield line("Nothing found.")
    yield from _list_of(result.posts, contexts, look)
