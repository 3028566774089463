"""Whatever moment a daemon is killed at: nothing acknowledged is lost, nothing is doubled.

Two daemons carry the shipped conversation, as in the demo: one takes it from a witness that
brings it, the other follows the same people and takes it from the first. Meanwhile people post
through both. One daemon after the other is killed with SIGKILL. What it leaves is copied and
proven, it is started again as it is, and everything goes on where it stopped.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import pytest
import trio

from slowlight.node.errors import Code, ServiceError
from slowlight.node.peer_operations import (
    ADD_PEER,
    INVITE,
    STATUS,
    SYNC,
    AddPeerRequest,
    InviteRequest,
    StatusRequest,
    SyncEvent,
    SyncRequest,
)
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.post_operations import POST, PostRequest
from slowlight.protocol.entry import CHANNEL_POSTS
from slowlight.simulations.conversation import read_messages
from slowlight.simulations.replay import ReplayedConversation, sign_conversation
from slowlight.store.base import Peer
from tests.daemons import LONGEST_WAIT_S, Daemon, make_home
from tests.remains import Remains, copied, examine
from tests.witness import Witness

Name: TypeAlias = Literal["near", "far"]
What: TypeAlias = Literal["runs", "posts", "news", "nothing"]

NAMES: Final[tuple[Name, Name]] = ("near", "far")
POSTS_EACH: Final = 12
"""Posts that are written through each daemon between two deaths, at most."""
RUNS_EACH: Final = 120
"""Runs handed over between two deaths, at most: those of the conversation last for ten."""
FOR_EVER: Final = 2**63
WORD: Final = "acknowledged"

in_thread = partial(trio.to_thread.run_sync, abandon_on_cancel=True)


class Death(NamedTuple):
    """Whom to kill, and after how much of what has happened since the last death."""

    victim: Name
    after: int
    what: What
    """Runs handed to the near daemon, posts that the victim acknowledged, events of a sync
    that the far daemon was asked for, or nothing since its start."""


def chosen(rng: random.Random) -> Death:
    """Choose a death."""
    victim = rng.choice(NAMES)
    what: What = rng.choice(("runs", "runs", "runs", "posts", "posts", "news", "nothing"))
    most = {"runs": RUNS_EACH, "posts": POSTS_EACH - 1, "news": 4, "nothing": 0}[what]
    return Death("far" if what == "news" else victim, rng.randint(min(1, most), most), what)


class Count:
    """How often something has happened; others wait until it was often enough."""

    def __init__(self) -> None:
        self.value = 0
        self._over = False
        self._waiting = trio.lowlevel.ParkingLot()

    def rise(self, to: int | None = None) -> None:
        """It has happened once more, or so often."""
        self.value = self.value + 1 if to is None else to
        self._waiting.unpark_all()

    def end(self) -> None:
        """It will not happen any more: nobody waits for it."""
        self._over = True
        self._waiting.unpark_all()

    async def reaches(self, value: int) -> None:
        """Wait until it has happened so often, or will not any more."""
        while self.value < value and not self._over:
            await self._waiting.park()


@dataclass(frozen=True, slots=True)
class Told:
    """What a daemon has told others that it keeps: none of it may ever be missing."""

    posts: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Own posts that it acknowledged, by client key."""
    confirmed: set[bytes] = field(default_factory=set[bytes])
    """Entries of others of which it sent a receipt."""

    def so_far(self) -> Told:
        """Return a copy that hears no more."""
        return Told(dict(self.posts), set(self.confirmed))

    def check(self, remains: Remains) -> None:
        """Compare with what it left behind: all of it is there, and nothing twice."""
        assert self.posts.items() <= remains.client_keys.items()
        assert set(self.posts.values()) | self.confirmed <= remains.entries
        written = Counter(text for text in remains.posts.values() if text.startswith(WORD))
        assert all(times == 1 for times in written.values())


class Replay:
    """Two daemons, the witness that brings the conversation, and people who post."""

    def __init__(self, path: Path, conversation: ReplayedConversation, seed: int) -> None:
        self._scratch = path / "remains"
        self._conversation = conversation
        self._near = Daemon(make_home(path / "near", seed, "near"))
        self._far = Daemon(make_home(path / "far", seed + 1_000, "far"))
        self._daemons: dict[Name, Daemon] = {"near": self._near, "far": self._far}
        self._witness = Witness(conversation, seed=seed + 2_000, before_run=self._before_run)
        self._told: dict[Name, Told] = {
            "near": Told(confirmed=self._witness.confirmed),
            "far": Told(),
        }
        self._both_up = trio.Event()
        self._runs = Count()
        self._allowed_runs = Count()
        self._posts: dict[Name, Count] = {"near": Count(), "far": Count()}
        self._allowed: dict[Name, Count] = {"near": Count(), "far": Count()}

    async def run(self, deaths: Iterable[Death]) -> None:
        """Carry the conversation through all deaths, and see that it is whole at both ends."""
        try:
            self._begin()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._bring)
                for name in NAMES:
                    nursery.start_soon(self._keep_posting, name)
                for death in deaths:
                    self._go_on()
                    await self._await_moment(death, nursery)
                    await self._die(death.victim)
                self._go_on(runs=FOR_EVER)
                await self._everything_is_said()
                nursery.cancel_scope.cancel()
            await self._end()
        finally:
            for daemon in self._daemons.values():
                daemon.kill()

    # The beginning and the end

    def _begin(self) -> None:
        for daemon in self._daemons.values():
            daemon.start()
        people = tuple(person.hex() for person in self._conversation.people)
        invite = self._near.client.call(INVITE, InviteRequest()).uri
        self._far.client.call(FOLLOW, FollowRequest(who=(*people, invite)))
        others = (self._far.status.person.identity, self._witness.identity.hex())
        self._near.client.call(FOLLOW, FollowRequest(who=(*people, *others)))

    async def _everything_is_said(self) -> None:
        for name in NAMES:
            await self._posts[name].reaches(self._allowed[name].value)
        await self._runs.reaches(FOR_EVER)
        receipt = await in_thread(self._far.client.call, SYNC, SyncRequest())
        assert [end.outcome for end in receipt.outcomes] == ["in_sync"]

    async def _end(self) -> None:
        """Both hold the whole conversation and every post, once, and nothing else."""
        for daemon in self._daemons.values():
            assert await in_thread(daemon.life.end) == 0
            assert not daemon.home.socket.exists()
            assert "Traceback" not in daemon.life.log.read_text()
        logs = [
            log for person in self._conversation.authors.values() for log in person.logs.values()
        ]
        signed = {entry.id for log in logs for entry in log.entries}
        said = {entry.id for log in logs if log.channel == CHANNEL_POSTS for entry in log.entries}
        near, far = [
            self._examine(name, copied(daemon.home, self._scratch), self._told[name])
            for name, daemon in self._daemons.items()
        ]
        posts = self._told["near"].posts | self._told["far"].posts
        for remains in (near, far):
            assert signed <= remains.entries
            assert set(remains.posts) == said | set(posts.values())
            assert all(remains.posts[post] == f"{WORD} {key}" for key, post in posts.items())
        # Of the witness, whom only the near one follows, the far one may know the words of channel
        # 0: it is a friend's friend.
        assert near.entries - self._witness.entries <= far.entries <= near.entries

    # What goes on

    def _go_on(self, *, runs: int = RUNS_EACH) -> None:
        self._allowed_runs.rise(to=self._runs.value + runs)
        for name in NAMES:
            self._allowed[name].rise(to=self._posts[name].value + POSTS_EACH)
        self._both_up.set()

    async def _before_run(self) -> None:
        await self._both_up.wait()
        await self._allowed_runs.reaches(self._runs.value + 1)
        self._runs.rise()

    async def _bring(self) -> None:
        """Hand the conversation to the near daemon, through as many links as it takes."""
        while True:
            up = self._both_up
            await up.wait()
            end = await self._witness.hand_over(self._peer())
            if end.ending == "in_sync":
                break
            assert self._both_up is not up, end.reason
        self._runs.end()

    def _peer(self) -> Peer:
        status = self._near.status
        identity, device = bytes.fromhex(status.person.identity), bytes.fromhex(status.device)
        box = self._near.home.keys.device_keys().box.public
        return Peer(identity, device, box, status.listening, "near", 0)

    async def _keep_posting(self, name: Name) -> None:
        for number in count():
            await self._allowed[name].reaches(number + 1)
            key = f"{name} {number}"
            self._told[name].posts[key] = await self._post(name, key)
            self._posts[name].rise()

    async def _post(self, name: Name, key: str) -> bytes:
        """Post, and post the same again until there is an answer, as a person would."""
        request = PostRequest(text=f"{WORD} {key}", client_key=key)
        while True:
            up = self._both_up
            await up.wait()
            try:
                answer = await in_thread(self._daemons[name].client.call, POST, request)
            except ServiceError as error:
                if error.code is not Code.INTERNAL or self._both_up is up:
                    raise
            else:
                return bytes.fromhex(answer.post.id)

    # Deaths

    async def _await_moment(self, death: Death, nursery: trio.Nursery) -> None:
        match death.what:
            case "runs":
                await self._runs.reaches(self._runs.value + death.after)
            case "posts":
                posts = self._posts[death.victim]
                await posts.reaches(posts.value + death.after)
            case "news":
                news = Count()
                nursery.start_soon(self._ask_for_news, news)
                await news.reaches(death.after)
            case "nothing":
                pass

    async def _ask_for_news(self, news: Count) -> None:
        def hear(_event: SyncEvent) -> None:
            trio.from_thread.run_sync(news.rise)

        with suppress(ServiceError):
            await in_thread(self._far.client.call, SYNC, SyncRequest(), hear)
        news.end()

    async def _die(self, name: Name) -> None:
        """Kill a daemon, prove what it left, and let it go on from there."""
        victim = self._daemons[name]
        self._both_up = trio.Event()
        victim.kill()
        told = self._told[name].so_far()
        database = copied(victim.home, self._scratch)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_thread, victim.start)
            remains = await in_thread(self._examine, name, database, told)
        assert victim.client.call(STATUS, StatusRequest()).entries >= len(remains.entries)
        if name == "near":
            request = AddPeerRequest(
                who=victim.status.person.identity, addresses=victim.status.listening
            )
            await in_thread(self._far.client.call, ADD_PEER, request)

    def _examine(self, name: Name, database: Path, told: Told) -> Remains:
        """Prove a copy of what a daemon left, and note what the other one had told it."""
        other: Name = "far" if name == "near" else "near"
        ids = [bytes.fromhex(each.status.person.identity) for each in self._daemons.values()]
        remains = examine(
            database,
            [*self._conversation.people, *ids, self._witness.identity],
            client_keys=told.posts,
            peer=bytes.fromhex(self._daemons[other].status.device),
        )
        told.check(remains)
        self._told[other].confirmed.update(remains.confirmed_by_peer)
        shutil.rmtree(database.parent)
        return remains


@pytest.fixture(scope="module")
def conversation() -> ReplayedConversation:
    """Return the conversation that ships with the package."""
    return sign_conversation(read_messages(), names=True)


async def endure(path: Path, conversation: ReplayedConversation, seed: int, deaths: int) -> None:
    """Carry the conversation through so many deaths, chosen by a seed."""
    rng = random.Random(seed)
    chosen_deaths = [chosen(rng) for _ in range(deaths)]
    print(f"{seed=} {chosen_deaths=}")
    with trio.fail_after(deaths * LONGEST_WAIT_S):
        await Replay(path, conversation, seed).run(chosen_deaths)


async def test_daemons_that_are_killed_lose_nothing_acknowledged(
    tmp_path: Path, conversation: ReplayedConversation
) -> None:
    """Each of both dies, while it takes the conversation and while people post."""
    await endure(tmp_path, conversation, seed=3, deaths=7)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 111))
async def test_a_hundred_deaths_lose_nothing_acknowledged(
    tmp_path: Path, conversation: ReplayedConversation, seed: int
) -> None:
    """Eleven replays with ten deaths each."""
    await endure(tmp_path, conversation, seed, deaths=10)
