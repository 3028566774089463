"""How posts and threads are written for a reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from .cells import cut
from .lines import EMPTY, LEAST_PROSE_CELLS, Line, Span, Style, at_right, flow, line, prose
from .quantities import MINUTE_MS, ago, count, date
from .safe import safe_line

if TYPE_CHECKING:
    from ..node.operation import Person, PostView
    from ..node.post_operations import ThreadPost

ODD_CLAIM_MS: Final = 10 * MINUTE_MS
"""Clocks differ; a date further than this from where a post stands is shown as odd."""
MAX_MENTIONS_NAMED: Final = 3
NOT_HERE: Final = "answers a post that is not here yet"
DELETED: Final = "answers a post that its author deleted"

_BODY_CELLS: Final = 2
"""Indentation of a text below its head."""
_STEP_CELLS: Final = 2
"""Indentation of an answer below what it answers."""
_LEAST_POST_CELLS: Final = 30
_MAX_STEPS: Final = 10


class Look(NamedTuple):
    """How a reader sees posts."""

    width: int
    now_ms: int
    unfolded: bool = False
    """Whether texts behind a warning are shown."""


def post_lines(post: PostView, look: Look, *, context: str = "", indent: int = 0) -> Iterator[Line]:
    """Yield the lines of one post.

    Args:
        context: what it answers, where the lines around it do not show that.
        indent: cells before its head.
    """
    head = flow(_head(post, look.now_ms), look.width, indent=indent)
    yield from at_right(head, Span(post.short_id, Style.FAINT), look.width)
    below = indent + _BODY_CELLS
    if context:
        room = max(look.width - below, LEAST_PROSE_CELLS)
        yield line(Span(cut(safe_line(context), room), Style.FAINT), indent=below)
    if post.title:
        yield from prose(post.title, look.width, indent=below, style=Style.STRONG)
    yield from _body(post, look, below)
    if post.attachments:
        named = f"({count(post.attachments, 'attachment')})"
        yield line(Span(named, Style.FAINT), indent=below)


def thread_lines(posts: Sequence[ThreadPost], look: Look) -> Iterator[Line]:
    """Yield the lines of a conversation, each answer further right than what it answers.

    Where the terminal is too narrow for the depth, a line says what is answered.
    """
    most = min(max((look.width - _LEAST_POST_CELLS) // _STEP_CELLS, 0), _MAX_STEPS)
    authors = {at.post.id: at.post.author for at in posts}
    for number, at in enumerate(posts):
        if number:
            yield EMPTY
        answered = authors.get(at.post.reply_to or "")
        context = ""
        if at.post.reply_to is not None and answered is None:
            context = DELETED if at.post.parent_deleted else NOT_HERE
        elif answered is not None and at.depth > most:
            context = f"answers {answered.label}"
        indent = _STEP_CELLS * min(at.depth, most)
        yield from post_lines(at.post, look, context=context, indent=indent)


def answers(post: PostView) -> str:
    """Return the context of an answer to a post: whom, and how the post begins."""
    if post.warning or not post.text:
        return f"answers {post.author.label}"
    return f"answers {post.author.label}: {post.text.strip()}"


def _head(post: PostView, now_ms: int) -> Iterator[Span]:
    own = " (you)" if post.author.own else ""
    yield Span(f"{post.author.label}{own}", Style.NAME)
    yield Span(ago(post.order_ms, now_ms))
    if abs(post.claimed_ms - post.order_ms) > ODD_CLAIM_MS:
        yield Span(f"says {date(post.claimed_ms)}", Style.ODD)
    if post.place:
        yield Span(f"at {post.place}")
    if post.tags:
        yield Span(" ".join(f"#{tag}" for tag in post.tags))
    if post.mentions:
        yield Span(f"to {_named(post.mentions)}")
    if post.edited_ms:
        yield Span(f"edited {ago(post.edited_ms, now_ms)}")
    if post.fork == "branch":
        yield Span("on a fork", Style.ODD)
    if post.expire_ms:
        yield Span(f"text expires {ago(post.claimed_ms + post.expire_ms, now_ms)}")


def _named(people: Sequence[Person]) -> str:
    named = ["you" if person.own else person.label for person in people[:MAX_MENTIONS_NAMED]]
    more = len(people) - len(named)
    return ", ".join([*named, f"{more} more"] if more else named)


def _body(post: PostView, look: Look, indent: int) -> Iterator[Line]:
    if post.warning:
        yield from prose(f"Warning: {post.warning}", look.width, indent=indent, style=Style.ODD)
        if not look.unfolded:
            yield line(Span("(folded; --unfold shows it)", Style.FAINT), indent=indent)
            return
    if post.text is None:
        gone = "(the text is not here: it expired, was deleted, or is still to come)"
        yield from prose(gone, look.width, indent=indent, style=Style.FAINT)
    else:
        yield from prose(post.text.rstrip(), look.width, indent=indent)
