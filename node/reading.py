"""Operations that show what is here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from ..protocol.content import Post
from ..store.base import HeldEntry, NodeStore, PageMark, StoreError, TimelinePost
from .errors import Code, ServiceError
from .names import find_entry, find_who
from .operation import MAX_PAGE
from .post_operations import (
    ReadRequest,
    ReadResult,
    SearchRequest,
    SearchResult,
    ShowRequest,
    ShowResult,
    ThreadPost,
    ThreadRequest,
    ThreadResult,
)
from .views import Views, content_of

_CURSOR: Final = "read.cursor"
"""Setting with the ``n`` of the last post that was shown as new."""
_INDEXED_BEFORE_SEARCH: Final = 2_000
"""Posts that a search lets the index read first, about 30 ms; the daemon does the rest."""


class Reading:
    """Timeline, threads, single entries and search."""

    def __init__(self, store: NodeStore, own_identity: bytes) -> None:
        self._store = store
        self._own = own_identity

    def unread(self) -> int:
        """Count posts of others that arrived since the last reading."""
        return self._store.count_arrived(after=self._cursor(), besides=self._own)

    def read(self, request: ReadRequest) -> ReadResult:
        """Read what is new, or a page of all."""
        if request.scope == "all":
            return self._read_page(request)
        if request.author or request.before:
            raise ServiceError(
                Code.INVALID, "author and before go with all posts, not with what is new", "--all"
            )
        found, cursor = self._new_posts(request.limit)
        if request.mark:
            self._remember(found, cursor)
        ordered = sorted(found, key=lambda post: (post.order_ms, post.n))
        return ReadResult(
            posts=self._views().posts(ordered),
            next_before="",
            unread=self._store.count_arrived(after=cursor, besides=self._own),
        )

    def thread(self, request: ThreadRequest) -> ThreadResult:
        """Read the whole conversation that an entry belongs to."""
        root = self._root_of(find_entry(self._store, request.id))
        found = self._store.thread(root, limit=request.limit + 1)
        posts = found[: request.limit]
        if request.mark:
            self._remember(posts)
        views = self._views()
        return ThreadResult(
            root=root.hex(),
            root_held=any(post.held.entry.id == root for post in posts),
            root_deleted=views.is_deleted(root),
            posts=tuple(
                ThreadPost(depth=depth, post=views.post(post))
                for depth, post in _as_tree(root, posts)
            ),
            more=len(found) > request.limit,
        )

    def show(self, request: ShowRequest) -> ShowResult:
        """Look at one entry."""
        held = find_entry(self._store, request.id)
        views = self._views()
        post = self.post_of(held.entry.id) or _on_other_branch(held, views)
        return ShowResult(
            entry=views.entry(held),
            post=None if post is None else views.post(post),
            versions=views.versions(held.entry.id) if request.versions else (),
        )

    def search(self, request: SearchRequest) -> SearchResult:
        """Find posts by their words."""
        with suppress(StoreError):  # a full disk: the answer says how far the index is behind
            self._store.index_posts(_INDEXED_BEFORE_SEARCH)
        try:
            found = self._store.search(request.query, limit=request.limit)
        except ValueError as error:
            raise ServiceError(
                Code.INVALID, str(error), "such as: slowlight search dust"
            ) from error
        return SearchResult(posts=self._views().posts(found.posts), behind=found.behind)

    def post_of(self, entry_id: bytes) -> TimelinePost | None:
        """Return the post that an entry is; None if it is none."""
        thread = self._store.thread(entry_id, limit=MAX_PAGE)
        return next((post for post in thread if post.held.entry.id == entry_id), None)

    def _read_page(self, request: ReadRequest) -> ReadResult:
        author = find_who(self._store, request.author).identity if request.author else None
        found = self._store.timeline(
            before=_page_mark(request.before), limit=request.limit, identity=author
        )
        if request.mark:
            self._remember(found)
        full = len(found) == request.limit
        return ReadResult(
            posts=self._views().posts(found),
            next_before=f"{found[-1].order_ms}.{found[-1].n}" if full else "",
            unread=self.unread(),
        )

    def _new_posts(self, limit: int) -> tuple[list[TimelinePost], int]:
        """Return posts of others behind the cursor, and the cursor after them."""
        found: list[TimelinePost] = []
        cursor = self._cursor()
        while len(found) < limit:
            arrived = self._store.arrived(after=cursor, limit=limit - len(found))
            if not arrived:
                break
            cursor = arrived[-1].n
            found += (post for post in arrived if post.held.identity != self._own)
        return found, cursor

    def _cursor(self) -> int:
        return int(self._store.setting(_CURSOR) or 0)

    def _remember(self, posts: Iterable[TimelinePost], cursor: int | None = None) -> None:
        """Remember what a person was shown; one with a full disk reads on, and sees it again."""
        foreign = [post.held.entry.id for post in posts if post.held.identity != self._own]
        with suppress(StoreError):
            if foreign:
                self._store.note_shown(foreign)
            if cursor is not None:
                self._store.put_setting(_CURSOR, str(cursor))

    def _root_of(self, held: HeldEntry) -> bytes:
        content = content_of(held)
        said = content if isinstance(content, Post) else None
        return (said.root or said.reply_to if said else None) or held.entry.id

    def _views(self) -> Views:
        return Views(self._store, self._own)


def _on_other_branch(held: HeldEntry, views: Views) -> TimelinePost | None:
    """Return the post that an entry beside a forked log is: no timeline has it."""
    on_branch = views.fork_place(held) == "branch" and held.void is None
    if not on_branch or not isinstance(content_of(held), Post):
        return None
    return TimelinePost(0, held.entry.t_ms, held)


def _page_mark(text: str) -> PageMark | None:
    if not text:
        return None
    order_ms, _, n = text.partition(".")
    if not (order_ms.isascii() and order_ms.isdecimal() and n.isascii() and n.isdecimal()):
        raise ServiceError(
            Code.INVALID, f"{text!r} is no page", "give next_before of the page above"
        )
    return PageMark(int(order_ms), int(n))


def _as_tree(root: bytes, posts: Sequence[TimelinePost]) -> list[tuple[int, TimelinePost]]:
    """Return posts with their depth, each answer after what it answers.

    Args:
        posts: in reading order, which siblings keep. Answers to a post that is not among them
            stand under the root.
    """
    here = {post.held.entry.id for post in posts}
    answers: dict[bytes | None, list[TimelinePost]] = {}
    for post in posts:
        content = content_of(post.held)
        parent = content.reply_to if isinstance(content, Post) else None
        if post.held.entry.id == root:
            parent = None
        elif parent not in here:
            parent = root if root in here else None
        answers.setdefault(parent, []).append(post)
    waiting = [(0, post) for post in reversed(answers.get(None, []))]
    ordered: list[tuple[int, TimelinePost]] = []
    while waiting:
        depth, post = waiting.pop()
        ordered.append((depth, post))
        below = answers.get(post.held.entry.id, [])
        waiting.extend((depth + 1, answer) for answer in reversed(below))
    return ordered
