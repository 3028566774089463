"""Operations about posts: writing, changing, reading and searching them.

The conventions are those of `operation`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from .operation import (
    MAX_DELETED,
    MAX_PAGE,
    EntryRef,
    EntryView,
    Ms,
    Operation,
    PageLimit,
    PostView,
    Request,
    Result,
    View,
    Who,
)

# Writing


class PostRequest(Request, frozen=True):
    """Write a post."""

    text: str
    """At most 30,000 bytes of UTF-8; a longer one is refused with the advice to attach it."""
    title: str = ""
    language: str = ""
    """BCP 47 tag."""
    reply_to: str = ""
    """Entry that it answers; empty: none."""
    tags: tuple[str, ...] = ()
    """Topics without the ``#``."""
    mentions: tuple[Who, ...] = ()
    warning: str = ""
    """What to be warned of before reading."""
    place: str = ""
    """Path of where it is written; empty: not said."""
    expire_ms: Ms = 0
    """Lifetime of the text; 0: it does not expire."""
    media_type: str = ""
    """Empty: plain text."""
    client_key: Annotated[str, Meta(max_length=128)] = ""
    """The same key again returns the first post instead of a second one; empty: a fresh key."""


class PostResult(Result, frozen=True):
    """The post, committed and signed."""

    post: PostView
    repeated: bool
    """Whether the client key had been used: nothing new was written."""


class DeleteRequest(Request, frozen=True):
    """Delete own entries, of whichever own device: texts go, headers stay."""

    ids: Annotated[tuple[EntryRef, ...], Meta(min_length=1, max_length=MAX_DELETED)]
    reason: Annotated[str, Meta(max_length=300)] = ""
    """Everybody can read it."""


class DeletedEntry(View, frozen=True):
    """An entry that is deleted now."""

    id: str
    short_id: str
    already: bool
    """Whether it had been deleted before: nothing new was written for it."""


class DeleteResult(Result, frozen=True):
    """The deletions, committed and signed."""

    entries: tuple[DeletedEntry, ...]
    ordered_by: tuple[str, ...]
    """The entries that order it; peers drop the texts when these reach them."""
    off_disk: bool
    """Whether the texts are off this disk already; else the node goes on with it by itself."""


class EditRequest(Request, frozen=True):
    """Replace the text of an own post."""

    id: EntryRef
    text: str
    title: str | None = None
    """None: it stays."""
    note: Annotated[str, Meta(max_length=300)] = ""
    """What changed; everybody can read it."""


class EditResult(Result, frozen=True):
    """The post as it is shown now."""

    post: PostView
    changed: bool
    """False: it said the same before, and nothing was written."""


# Reading


class ReadRequest(Request, frozen=True):
    """Read posts: those of others that are new since the last reading, or all by pages."""

    scope: Literal["new", "all"] = "new"
    author: str = ""
    """Only posts of this identity (who); only with scope ``all``."""
    before: Annotated[str, Meta(max_length=64)] = ""
    """``next_before`` of the page above; only with scope ``all``."""
    limit: PageLimit = 50
    mark: bool = True
    """Whether a person is shown them: what is new moves on, and the next own entry cites them."""


class ReadResult(Result, frozen=True):
    """Posts in reading order: oldest first for ``new``, newest first for ``all``."""

    posts: tuple[PostView, ...]
    next_before: str
    """Where the next page of ``all`` begins; empty: this was the last."""
    unread: int
    """Posts that arrived and are still new after this page, own ones among them."""


class ThreadRequest(Request, frozen=True):
    """Read a conversation: all that belongs to the thread of an entry."""

    id: EntryRef
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE
    mark: bool = True


class ThreadPost(View, frozen=True):
    """A post in its conversation."""

    depth: int
    """Answers between it and the root: 0 for the root."""
    post: PostView


class ThreadResult(Result, frozen=True):
    """A conversation, every answer after what it answers, siblings in reading order."""

    root: str
    root_held: bool
    root_deleted: bool
    """Whether its author deleted the post that began it."""
    posts: tuple[ThreadPost, ...]
    more: bool
    """Whether there are posts beyond the limit."""


class ShowRequest(Request, frozen=True):
    """Look at one entry."""

    id: EntryRef
    versions: bool = False
    """Whether to show every version of a post."""


class VersionView(View, frozen=True):
    """One version of a post."""

    id: str
    short_id: str
    claimed: str
    claimed_ms: int
    title: str
    text: str
    note: str


class ShowResult(Result, frozen=True):
    """One entry, and the post that it is, if it is one."""

    entry: EntryView
    post: PostView | None
    versions: tuple[VersionView, ...] = ()
    """The first version and those that replaced it, the one that is shown last; if asked for."""


class SearchRequest(Request, frozen=True):
    """Find posts that hold every word; accents and case do not matter."""

    query: Annotated[str, Meta(max_length=1_000)]
    limit: PageLimit = 20


class SearchResult(Result, frozen=True):
    """Posts, best first."""

    posts: tuple[PostView, ...]
    behind: int
    """Posts that the index has not read yet; 0: the answer is complete."""


POST: Final = Operation("post", PostRequest, PostResult)
DELETE: Final = Operation("delete", DeleteRequest, DeleteResult)
EDIT: Final = Operation("edit", EditRequest, EditResult)
READ: Final = Operation("read", ReadRequest, ReadResult)
THREAD: Final = Operation("thread", ThreadRequest, ThreadResult)
SHOW: Final = Operation("show", ShowRequest, ShowResult)
SEARCH: Final = Operation("search", SearchRequest, SearchResult)

POST_OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    POST,
    DELETE,
    EDIT,
    READ,
    THREAD,
    SHOW,
    SEARCH,
)
