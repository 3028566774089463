"""A node at work in a process that faults happen to: it posts, it ingests, it says what it keeps.

It is the node's own code without a daemon around it: the home under its lock, the operations,
a session with a peer that is in memory. What it acknowledges it says at once, one line each:

- ``posted KEY ID``: the answer to a post;
- ``held ID``: an entry of somebody else of which the receipt went out;
- ``shown ID``: the newest own entry at the start, which peers may be told of from now on.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Final

from slowlight.node.beginning import open_sqlite_store
from slowlight.node.client import open_client
from slowlight.node.config import Config
from slowlight.node.direct import DirectClient, open_direct
from slowlight.node.errors import Code, ServiceError
from slowlight.node.home import Home
from slowlight.node.interest import roster_of
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.post_operations import POST, PostRequest
from slowlight.protocol.entry import CHANNEL_POSTS, Entry
from slowlight.protocol.frames import Receipt, RunFrame, UnknownFrame, decode_frames
from slowlight.protocol.run import decode_run
from slowlight.simulations.pair import StalledError
from slowlight.store.base import LogKey, NodeStore, StoreError
from slowlight.sync.offers import Offers
from slowlight.sync.session import Session
from tests.children import Say
from tests.daemons import make_home
from tests.people import START_MS, Person
from tests.remains import Remains
from tests.sync_ends import Node

WORD: Final = "acknowledged"
_LATER_MS: Final = START_MS + 1_000 * 86_400_000
_MOST_MESSAGES: Final = 10_000


class Neighbours:
    """Who writes what the node ingests, and the peer that brings it."""

    def __init__(self, rng: random.Random, count: int) -> None:
        self.people: Final = [Person(rng.randrange(2**32)) for _ in range(count)]
        self.bringer: Final = Node(Person(rng.randrange(2**32)))
        self._rng = rng

    def write(self, most_posts: int) -> None:
        """Let some of them write on, and the peer know of it."""
        for person in self._rng.sample(self.people, self._rng.randint(1, len(self.people))):
            person.posts(self._rng.randint(1, most_posts))
            self.bringer.take_all(person)

    def log(self, device: bytes, channel: int) -> list[Entry]:
        """Return what a device has written."""
        everyone = (*self.people, self.bringer.owner)
        return next(person.log(channel) for person in everyone if person.device == device)

    @property
    def identities(self) -> list[bytes]:
        """Everyone who may have written something."""
        return [*(person.identity for person in self.people), self.bringer.owner.identity]


def followers_home(path: Path, neighbours: Neighbours, seed: int) -> Home:
    """Begin a home whose owner follows all neighbours."""
    home = make_home(path, seed, "ada")
    with open_client(home, Config(), "a test") as client:
        who = tuple(person.identity.hex() for person in neighbours.people)
        client.call(FOLLOW, FollowRequest(who=who))
    return home


@dataclass
class Told:
    """What a node has told others that it keeps: none of it may ever be missing."""

    posts: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Own posts that it acknowledged, by client key."""
    entries: set[bytes] = field(default_factory=set[bytes])
    """Entries that others know it holds."""

    def hear(self, line: str) -> None:
        """Take in what it said."""
        match line.split(" "):
            case ["posted", key, entry]:
                again = self.posts.setdefault(key, bytes.fromhex(entry))
                assert again == bytes.fromhex(entry), f"{key} was posted twice"
            case ["held" | "shown", entry]:
                self.entries.add(bytes.fromhex(entry))
            case _:
                raise AssertionError(line)

    def copy(self) -> Told:
        """Return a copy that hears no more."""
        return Told(dict(self.posts), set(self.entries))

    def missing_from(self, remains: Remains) -> set[bytes]:
        """Return what it told of and has not any more."""
        known = remains.client_keys
        wrong = {entry for key, entry in self.posts.items() if known.get(key) != entry}
        return wrong | ((set(self.posts.values()) | self.entries) - remains.entries)


def check_nothing_doubled(remains: Remains) -> None:
    """Every text that was posted under a client key is there at most once."""
    written = [text for text in remains.posts.values() if text.startswith(WORD)]
    assert len(written) == len(set(written)), "a post was doubled"


class OnError(Enum):
    """What a node does when its disk gives an error."""

    RAISE = auto()
    KEEP_ON = auto()
    """Say so to whoever asked, and go on, as a daemon does."""
    DIE = auto()
    """Be killed before it closes its database."""


@dataclass(frozen=True)
class Work:
    """What a node does in one life: calling it carries it out."""

    home: Home
    neighbours: Neighbours
    seed: int
    posts: range
    """Numbers of the posts; those whose outcome is unknown come first."""
    on_error: OnError = OnError.RAISE

    def __call__(self, say: Say) -> None:
        """Do it, and say what was acknowledged."""
        stores: list[NodeStore] = []

        def open_store(home: Home) -> NodeStore:
            stores.append(open_sqlite_store(home))
            return stores[-1]

        try:
            with (
                self.home.lock("a test"),
                open_direct(self.home, Config(), open_store=open_store) as client,
            ):
                self._live(client, stores[0], say)
        except ServiceError as error:
            self._bear(error)

    def _bear(self, error: ServiceError | StoreError) -> None:
        if isinstance(error, ServiceError) and error.code is not Code.STORAGE:
            raise error
        match self.on_error:
            case OnError.RAISE:
                raise error
            case OnError.DIE:
                os.kill(os.getpid(), signal.SIGKILL)
            case OnError.KEEP_ON:
                pass

    def _live(self, client: DirectClient, store: NodeStore, say: Say) -> None:
        _show(store, self.home, say)
        rng = random.Random(self.seed)
        messages = _ingest(store, self.home, self.neighbours, say)
        for number in self.posts:
            self._post(client, number, say)
            if rng.random() < 0.5 and not self._carry(messages):
                messages = _ingest(store, self.home, self.neighbours, say)
        while self._carry(messages):
            pass

    def _carry(self, messages: Iterator[None]) -> bool:
        """Carry one message of a session; say whether there was one."""
        try:
            return next(messages, messages) is None
        except StoreError as error:
            self._bear(error)
            return False

    def _post(self, client: DirectClient, number: int, say: Say) -> None:
        request = PostRequest(text=f"{WORD} {number}", client_key=str(number))
        try:
            answer = client.call(POST, request)
        except ServiceError as error:
            self._bear(error)
        else:
            say(f"posted {number} {answer.post.id}")


def _show(store: NodeStore, home: Home, say: Say) -> None:
    device = home.keys.device_keys().device
    head = store.head(LogKey(device, CHANNEL_POSTS))
    if head.seq >= 0:
        say(f"shown {head.id.hex()}")


def _ingest(store: NodeStore, home: Home, neighbours: Neighbours, say: Say) -> Iterator[None]:
    """Take in what a peer brings; one message of the session with each step."""
    bringer = neighbours.bringer
    device = home.keys.device_keys().device
    identity = store.identity_of(device)
    assert identity is not None
    here = Session(
        store,
        roster=roster_of(store, identity),
        identity=identity,
        peer_device=bringer.owner.device,
        peer_identity=bringer.owner.identity,
        offers=Offers(store),
        initiator=True,
        salt=bytes(8),
    )
    there = Session(
        bringer.store,
        roster=bringer.roster,
        identity=bringer.owner.identity,
        peer_device=device,
        peer_identity=identity,
        offers=bringer.offers,
        initiator=False,
        salt=bytes(8),
    )
    here.start()
    there.start()
    sent: list[RunFrame] = []
    confirmed = 0
    for _ in range(_MOST_MESSAGES):
        answer = here.next_message(_LATER_MS)
        if answer is not None:
            for frame in decode_frames(answer):
                if isinstance(frame, Receipt):
                    _tell(neighbours, sent[confirmed : frame.runs], say)
                    confirmed = frame.runs
            there.receive(answer)
            there.commit(_LATER_MS)
        message = there.next_message(_LATER_MS)
        if message is not None:
            frames = [each for each in decode_frames(message) if not isinstance(each, UnknownFrame)]
            sent += [frame for frame in frames if isinstance(frame, RunFrame)]
            here.receive(message)
            here.commit(_LATER_MS)
        if answer is message is None:
            return
        yield
    raise StalledError


def _tell(neighbours: Neighbours, frames: Sequence[RunFrame], say: Say) -> None:
    for frame in frames:
        run = decode_run(frame.data)
        for entry in neighbours.log(run.device, run.channel)[run.first : run.last + 1]:
            say(f"held {entry.id.hex()}")
