"""What stores derive from content, and the rules by which they order it.

Views can be rebuilt from entries at any time, so every rule here must give the same result
in whatever order entries arrive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from ..protocol.content import Edit, Post, decode_content, post_links, split_payload
from ..protocol.entry import CHANNEL_POSTS, SALT_BYTES, Entry

MAX_MOVED_POSTS: Final = 10_000
"""Most posts that one batch moves in reading order; a thread beyond that stays as it stood."""


class PostLinks(NamedTuple):
    """What a post says it belongs to."""

    parent: bytes | None
    """Id of the entry that it answers."""
    root: bytes | None
    """Id of the entry that began the thread, where it is another one."""


def links_of_post(channel: int, payload: bytes | None) -> PostLinks | None:
    """Return the links of a post; None for what is no post or is held without its payload."""
    if channel != CHANNEL_POSTS or payload is None:
        return None
    links = post_links(payload[SALT_BYTES:])
    return None if links is None else PostLinks(*links)


def first_order_ms(entry: Entry, received_ms: int) -> int:
    """Return where a post stands by itself: when it was written, but not after it arrived."""
    return min(entry.t_ms, received_ms)


def moved_answers(
    orders_ms: Mapping[int, int], answers: Callable[[int], Iterable[tuple[int, int]]]
) -> dict[int, int]:
    """Return where answers must stand so that none is read before what it answers.

    Args:
        orders_ms: posts, by number, that are new or whose place changed, and their place.
        answers: returns number and place of each direct answer to a post.

    Returns:
        The new place of each post that moves, after at most `MAX_MOVED_POSTS` moves.
    """
    moved: dict[int, int] = {}
    waiting = deque(orders_ms.items())
    left = MAX_MOVED_POSTS
    while waiting:
        n, order_ms = waiting.popleft()
        for answer, answer_ms in answers(n):
            if moved.get(answer, answer_ms) <= order_ms:
                if not left:
                    return moved
                left -= 1
                moved[answer] = order_ms + 1
                waiting.append((answer, order_ms + 1))
    return moved


def word_rank(entry: Entry) -> tuple[int, int, bytes]:
    """Return the rank of what an identity says: of two words about one thing the higher counts.

    Lamport values grow along each log of an honest author and across those that were read;
    date and id only break ties.
    """
    return entry.lamport, entry.t_ms, entry.id


def searchable_text(payload: bytes) -> str:
    """Return what a search reads of a post or of an edit of one: title, text, tags and
    descriptions of pictures."""
    content = decode_content(split_payload(payload), CHANNEL_POSTS)
    if isinstance(content, Edit):
        content = content.post
    if not isinstance(content, Post):
        return ""
    descriptions = (attachment.alt for attachment in content.attachments)
    return "\n".join(filter(None, (content.title, content.text, *content.tags, *descriptions)))
