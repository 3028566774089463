"""Operations that write what other people will read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..protocol.content import MAX_TEXT_BYTES, Link, Place, Post, Profile
from ..protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS
from ..store.base import HeldEntry, NodeStore, TimelinePost
from .author import Author
from .errors import Code, ServiceError
from .names import check_own_line, find_entry, find_who
from .people_operations import ProfileRequest, ProfileResult, SetProfileRequest, SetProfileResult
from .post_operations import PostRequest, PostResult
from .reading import Reading
from .views import Views, content_of, profile_view

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_PLACE: Final = re.compile(r"[^\s/]+(/[^\s/]+)*")
_TAG: Final = re.compile(r"[^\s#]+")


class Writing:
    """Posts and the own profile."""

    def __init__(self, store: NodeStore, author: Author, reading: Reading) -> None:
        self._store = store
        self._author = author
        self._reading = reading

    def post(self, request: PostRequest) -> PostResult:
        """Write a post, unless its client key says that it was written before."""
        if request.client_key:
            before = self._store.entry_of_client_key(request.client_key)
            if before is not None:
                return self._posted(before, repeated=True)
        (entry,) = self._author.write(
            CHANNEL_POSTS,
            [self._content(request)],
            expire_ms=request.expire_ms,
            client_key=request.client_key,
        )
        return self._posted(entry.id, repeated=False)

    def profile(self, request: ProfileRequest) -> ProfileResult:
        """Return how someone describes themselves."""
        identity = (
            find_who(self._store, request.who).identity if request.who else self._author.identity
        )
        held, profile = self._profile_of(identity)
        return ProfileResult(
            person=self._views().person(identity),
            entry=None if held is None else held.entry.id.hex(),
            profile=profile_view(profile),
        )

    def set_profile(self, request: SetProfileRequest) -> SetProfileResult:
        """Write the own profile anew where a field changes."""
        held, old = self._profile_of(self._author.identity)
        entry_id = None if held is None else held.entry.id
        new = _changed_profile(old, request)
        if new != old:
            entry_id = self._author.write(CHANNEL_IDENTITY, [new])[0].id
        return SetProfileResult(
            person=self._views().person(self._author.identity),
            entry=None if entry_id is None else entry_id.hex(),
            profile=profile_view(new),
            changed=new != old,
        )

    def _content(self, request: PostRequest) -> Post:
        require_text(request.text)
        parent = find_entry(self._store, request.reply_to) if request.reply_to else None
        mentions = [find_who(self._store, who).identity for who in request.mentions]
        if parent is not None and parent.identity != self._author.identity:
            mentions.insert(0, parent.identity)
        if request.language and not _LANGUAGE.fullmatch(request.language):
            raise _invalid("language", request.language, "a BCP 47 tag such as en or fr-CA")
        try:
            return Post(
                text=request.text,
                reply_to=None if parent is None else parent.entry.id,
                root=None if parent is None else _root_of(parent),
                language=request.language,
                mentions=tuple(dict.fromkeys(mentions)),
                tags=_tags(request.tags),
                title=request.title,
                warning=request.warning,
                place=_place(request.place),
                media_type=request.media_type,
            )
        except ValueError as error:
            raise ServiceError(Code.INVALID, str(error), "shorten it") from error

    def _posted(self, entry_id: bytes, *, repeated: bool) -> PostResult:
        post = None if repeated else self._newest_arrival()
        if post is None or post.held.entry.id != entry_id:
            post = self._reading.post_of(entry_id)
        if post is None:
            raise ServiceError(
                Code.INVALID,
                "this client key was used for something else than a post",
                "give each post a key of its own",
            )
        return PostResult(post=self._views().post(post), repeated=repeated)

    def _newest_arrival(self) -> TimelinePost | None:
        newest = self._store.arrived(after=self._store.newest_arrival() - 1, limit=1)
        return newest[0] if newest else None

    def _profile_of(self, identity: bytes) -> tuple[HeldEntry | None, Profile]:
        held = self._store.profile(identity)
        content = None if held is None else content_of(held)
        return held, content if isinstance(content, Profile) else Profile()

    def _views(self) -> Views:
        return Views(self._store, self._author.identity)


def require_text(text: str) -> None:
    """Require the text of a post.

    Raises:
        ServiceError: it is empty, no Unicode or too long (``invalid``).
    """
    if not text.strip():
        raise ServiceError(Code.INVALID, "there is nothing in this post", "write something")
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError as error:
        raise ServiceError(
            Code.INVALID, f"character {error.start + 1} of the text is not Unicode", "save as UTF-8"
        ) from error
    if size_bytes > MAX_TEXT_BYTES:
        raise ServiceError(
            Code.INVALID,
            f"the text has {size_bytes:,} bytes; a post holds at most {MAX_TEXT_BYTES:,}",
            "attach it as a file, or part it into several posts",
        )


def _root_of(parent: HeldEntry) -> bytes | None:
    """Return the root that an answer to ``parent`` names; None where ``parent`` is the root."""
    content = content_of(parent)
    if not isinstance(content, Post):
        return None
    return content.root or content.reply_to


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    bare = tuple(dict.fromkeys(tag.removeprefix("#") for tag in tags))
    for tag in bare:
        if not _TAG.fullmatch(tag):
            raise _invalid("tag", tag, "one word without #")
    return bare


def _place(path: str) -> Place | None:
    if not path:
        return None
    if not _PLACE.fullmatch(path):
        raise _invalid("place", path, "a path such as sol/earth/france/toulouse")
    return Place(path=path)


def _changed_profile(old: Profile, request: SetProfileRequest) -> Profile:
    check_own_line("name", request.name or "")
    for paragraph in (request.bio or "").split("\n"):
        check_own_line("bio", paragraph.replace("\t", " "))
    try:
        return Profile(
            name=old.name if request.name is None else request.name,
            bio=old.bio if request.bio is None else request.bio,
            languages=old.languages if request.languages is None else request.languages,
            place=old.place if request.place is None else _place(request.place),
            links=old.links
            if request.links is None
            else tuple(Link(url=link.url, title=link.title) for link in request.links),
            avatar=old.avatar,
            tags=old.tags if request.tags is None else _tags(request.tags),
            automated=old.automated if request.automated is None else request.automated,
        )
    except ValueError as error:
        raise ServiceError(Code.INVALID, str(error), "shorten it") from error


def _invalid(what: str, value: str, wanted: str) -> ServiceError:
    return ServiceError(Code.INVALID, f"{what} {value!r} is not allowed", f"give {wanted}")
