"""Signs a conversation as if each author had kept a node, and hands it over as a peer would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from ..protocol.content import MAX_TEXT_BYTES, Post, Profile
from ..protocol.entry import CHANNEL_IDENTITY, CHANNEL_POSTS, Entry
from ..protocol.errors import IntegrityError
from ..protocol.hashing import short_id
from ..protocol.ident import VerifiedIdent, decode_ident, verify_ident
from ..protocol.run import Run, decode_run
from ..store.base import LogStore, Outcome
from .conversation import SHIPPED_TEXT, Message, in_answer_order
from .passages import Passages, cut_text
from .people import SeededPerson, derive_seed

BATCH_BYTES: Final = 1_048_576
"""What is handed to a store at once: as much as a session stages before it commits."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a conversation is, once signed."""

    people: int
    messages: int
    posts: int
    """A message longer than a post may be is several."""
    entries: int
    """Posts, certificates and profiles."""
    body_bytes: int


class _Published(NamedTuple):
    """A message as posted: what its answers cite."""

    author: SeededPerson
    entry: Entry
    """Its first post."""
    root: bytes
    """Id of the post that began the thread."""


class ReplayedConversation:
    """The people of a conversation with their signed logs."""

    def __init__(
        self,
        authors: dict[int, SeededPerson],
        posts: dict[int, bytes],
        threads: dict[bytes, int],
        counts: Counts,
    ) -> None:
        self.authors: Final = authors
        """By the number in the rows, in the order of their first words."""
        self.posts: Final = posts
        """Id of the post, or of the first of its posts, by the id of the message."""
        self.threads: Final = threads
        """Messages in each thread, by the id of the post that began it."""
        self.counts: Final = counts

    @property
    def people(self) -> list[bytes]:
        """The identity ids, in the order of their first words."""
        return [person.identity for person in self.authors.values()]

    @property
    def longest_thread(self) -> str:
        """Short id of the post that began the thread with the most messages."""
        return short_id(max(self.threads, key=self.threads.__getitem__))

    def batches(self) -> Iterator[list[Run | VerifiedIdent]]:
        """Yield everything as a session hands it to a store, decoded from its wire bytes."""
        batch: list[Run | VerifiedIdent] = []
        batch_bytes = 0
        for person in self.authors.values():
            ident = person.ident.encode()
            batch.append(verify_ident(decode_ident(ident)))
            batch_bytes += len(ident)
            for run in person.runs():
                frame = run.encode()
                batch.append(decode_run(frame))
                batch_bytes += len(frame)
                if batch_bytes >= BATCH_BYTES:
                    yield batch
                    batch, batch_bytes = [], 0
        if batch:
            yield batch

    def fill(self, store: LogStore, *, received_ms: int, via: str) -> int:
        """Hand everything to a store; return how many entries were new there.

        Args:
            received_ms: when the store is told it came, Unix milliseconds.
            via: identity id in hexadecimal of the peer that it is told it came from.

        Raises:
            IntegrityError: the store refused something.
        """
        entries = 0
        for batch in self.batches():
            for answer in store.ingest(batch, received_ms=received_ms, via=via):
                if answer.outcome not in (Outcome.STORED, Outcome.DUPLICATE):
                    raise IntegrityError(f"the store refused a run: {answer.reason}")
                entries += answer.entries
        return entries


def sign_conversation(
    messages: Iterable[Message], *, seed: int = 1, text: str | None = None, names: bool = False
) -> ReplayedConversation:
    """Give every author keys, and every message a signed post of its size.

    An answer follows what it answers, whatever the dates say; the dates stay as claims. A
    message longer than a post may be becomes a thread, each part answering the one before;
    its answers answer the first part. An answer to a message that is not among ``messages``
    begins a thread.

    Args:
        seed: 0..2**64-1. The same seed, messages and text give the same ids; where anything
            differs the people are others, so that no log is ever written in two ways.
        text: what the bodies are passages of; None: the book that ships with the package.
        names: whether the authors publish profiles with the names ``author 0``, ...

    Raises:
        DecodeError: messages answer each other in a circle.
    """
    held = list(messages)
    words = SHIPPED_TEXT.read_text("utf-8") if text is None else text
    writer = _Writer(_seed_of(seed, held, words), Passages(words), names=names)
    for message in in_answer_order(held):
        writer.publish(message)
    return writer.finish()


def _seed_of(seed: int, messages: Iterable[Message], text: str) -> bytes:
    digest = blake2b(text.encode(), digest_size=32, key=seed.to_bytes(8, "big"))
    for message in messages:
        digest.update(repr(message).encode())
    return digest.digest()


class _Writer:
    """Writes the messages, one after the other."""

    def __init__(self, seed: bytes, passages: Passages, *, names: bool) -> None:
        self._seed = seed
        self._passages = passages
        self._names = names
        self._authors: dict[int, SeededPerson] = {}
        self._published: dict[int, _Published] = {}
        self._posts = self._body_bytes = 0

    def publish(self, message: Message) -> None:
        t_ms = message.t_unix_s * 1000
        author = self._author(message.author, t_ms)
        body = self._passages.take(message.size_bytes)
        answered = None if message.parent is None else self._published.get(message.parent)
        parts = cut_text(body, MAX_TEXT_BYTES) if body else iter([""])
        first = self._first_post(author, next(parts), t_ms, answered)
        root = first.id if answered is None else answered.root
        self._published[message.id] = _Published(author, first, root)
        before = first
        for part in parts:
            post = Post(part, before.id, None if before.id == root else root, "en")
            before = author.write(CHANNEL_POSTS, post, t_ms)
            self._posts += 1
        self._posts += 1
        self._body_bytes += message.size_bytes

    def _first_post(
        self, author: SeededPerson, text: str, t_ms: int, answered: _Published | None
    ) -> Entry:
        if answered is None:
            return author.write(CHANNEL_POSTS, Post(text, language="en"), t_ms)
        foreign = answered.author is not author
        post = Post(
            text,
            reply_to=answered.entry.id,
            root=None if answered.root == answered.entry.id else answered.root,
            language="en",
            mentions=(answered.author.identity,) if foreign else (),
        )
        seen = [answered.entry] if foreign else []
        return author.write(CHANNEL_POSTS, post, t_ms, seen=seen)

    def _author(self, number: int, t_ms: int) -> SeededPerson:
        if number not in self._authors:
            name = f"author {number}"
            person = SeededPerson(
                derive_seed(self._seed, "author", number), label=name, from_ms=t_ms
            )
            if self._names:
                person.write(CHANNEL_IDENTITY, Profile(name, languages=("en",)), t_ms)
            self._authors[number] = person
        return self._authors[number]

    def finish(self) -> ReplayedConversation:
        logs = [log for author in self._authors.values() for log in author.logs.values()]
        counts = Counts(
            people=len(self._authors),
            messages=len(self._published),
            posts=self._posts,
            entries=sum(len(log.entries) for log in logs),
            body_bytes=self._body_bytes,
        )
        posts = {number: message.entry.id for number, message in self._published.items()}
        threads = Counter(message.root for message in self._published.values())
        return ReplayedConversation(self._authors, posts, threads, counts)
