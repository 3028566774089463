"""The event stream: what is told, to whom, and that no listener can hold anything up."""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio
from starlette.types import Message
from trio.testing import MockClock, wait_all_tasks_blocked

from slowlight.node.errors import Code, ServiceError
from slowlight.node.event_stream import ALIVE_S, EventStream, wanted_after, written
from slowlight.node.event_views import DroppedEvent
from slowlight.node.events import MAX_LISTENERS, MAX_WAITING, Events, LinkNotice
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.post_operations import POST, PostRequest
from slowlight.node.service import Service
from slowlight.store.base import StoreError
from tests.memory_net import net, running
from tests.nodes import NodeHome, RecordedLinks, make_home, raw_answer, served, service_of
from tests.people import Person

NOTICE = LinkNotice(b"i" * 32, b"d" * 32, "host:1", "up")


@dataclass
class Heard:
    """A listener of one stream, who reads as fast as a test wants."""

    texts: list[str] = field(default_factory=list[str])
    status: int = 0
    ended: bool = False
    reads: trio.Event = field(default_factory=trio.Event)
    gone: trio.Event = field(default_factory=trio.Event)

    async def send(self, message: Message) -> None:
        """Take one part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        await self.reads.wait()
        self.texts.append(message["body"].decode())
        self.ended = not message["more_body"]

    async def receive(self) -> Message:
        """Say that the listener has gone, when it has."""
        await self.gone.wait()
        return {"type": "http.disconnect"}

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Names and data of what came, comments aside."""
        found: list[tuple[str, Any]] = []
        for text in self.texts:
            lines = dict(line.split(": ", 1) for line in text.splitlines() if line[:1] not in ":")
            if "event" in lines:
                found.append((lines["event"], json.loads(lines["data"])))
        return found

    def of(self, name: str) -> list[Any]:
        """The data of all events of one name."""
        return [data for event, data in self.events if event == name]


@dataclass
class Station:
    """A node that tells what happens."""

    made: NodeHome
    service: Service
    events: Events = field(default_factory=Events)

    def post(self, text: str) -> int:
        """Write a post, as a daemon does; return its number."""
        post = self.service.call(POST, PostRequest(text=text)).post
        self.events.stored()
        return post.n

    async def listen(
        self, nursery: trio.Nursery, after: int | None = None, *, reads: bool = True
    ) -> Heard:
        """Begin to listen."""
        heard = Heard()
        if reads:
            heard.reads.set()
        stream = EventStream(self.service, self.events, after)
        run: Callable[..., Awaitable[None]] = stream.__call__
        scope: dict[str, Any] = {}
        nursery.start_soon(run, scope, heard.receive, heard.send)
        await wait_all_tasks_blocked()
        return heard


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """Ada's node."""
    made = make_home(tmp_path / "ada", 1, "Ada")
    return Station(made, service_of(made, RecordedLinks()))


async def test_a_post_is_told_when_it_is_there(station: Station) -> None:
    """First a hello, then each post with its number as id, then that something arrived."""
    async with trio.open_nursery() as nursery:
        station.post("before")
        heard = await station.listen(nursery)
        assert heard.status == 200
        (hello,) = heard.of("hello")
        assert (hello["schema"], hello["reset"]) == (1, False)
        number = station.post("Is anybody listening?")
        await wait_all_tasks_blocked()
        (post,) = heard.of("post")
        assert (post["text"], post["n"]) == ("Is anybody listening?", number)
        assert f"\nid: {number}\n" in heard.texts[1]
        assert heard.of("arrived") == [{"arrival": station.service.last_arrival(), "posts": 1}]
        heard.gone.set()
    assert heard.ended


async def test_what_is_no_post_is_told_without_its_content(station: Station) -> None:
    """Whoever shows follows or profiles asks again."""
    async with trio.open_nursery() as nursery:
        heard = await station.listen(nursery)
        follow = FollowRequest(who=(Person(2).identity.hex(),))
        station.service.call(FOLLOW, follow)
        station.events.stored()
        await wait_all_tasks_blocked()
        assert [name for name, _ in heard.events] == ["hello", "arrived"]
        assert heard.of("arrived")[0]["posts"] == 0
        heard.gone.set()


async def test_who_comes_back_goes_on_where_it_was(station: Station) -> None:
    """By the last id that came: nothing twice, nothing left out, however much it was."""
    numbers = [station.post(f"post {number}") for number in range(120)]
    async with trio.open_nursery() as nursery:
        heard = await station.listen(nursery, after=numbers[2])
        assert [post["n"] for post in heard.of("post")] == numbers[3:]
        assert heard.of("arrived") == []
        station.post("one more")
        await wait_all_tasks_blocked()
        assert heard.of("post")[-1]["text"] == "one more"
        heard.gone.set()


async def test_a_number_of_another_database_is_told_to_be_one(station: Station) -> None:
    """It goes on from now, and says that something may be missing."""
    number = station.post("here")
    async with trio.open_nursery() as nursery:
        heard = await station.listen(nursery, after=1_000)
        assert heard.of("hello") == [{"schema": 1, "after": number, "reset": True}]
        assert heard.of("post") == []
        heard.gone.set()


async def test_a_quiet_stream_shows_that_it_is_alive(
    station: Station, autojump_clock: MockClock
) -> None:
    """A comment now and then; so both ends see when it broke."""
    async with trio.open_nursery() as nursery:
        heard = await station.listen(nursery)
        await trio.sleep(3.5 * ALIVE_S)
        assert heard.texts.count(": alive\n\n") == 3
        heard.gone.set()


async def test_links_are_told(station: Station) -> None:
    """With the person, as everywhere."""
    async with trio.open_nursery() as nursery:
        heard = await station.listen(nursery)
        for state in ("up", "in_sync", "down"):
            station.events.link(NOTICE._replace(state=state))
        await wait_all_tasks_blocked()
        assert [each["state"] for each in heard.of("link")] == ["up", "in_sync", "down"]
        assert heard.of("link")[0]["peer"]["identity"] == NOTICE.identity.hex()
        heard.gone.set()


async def test_a_listener_that_does_not_read_is_dropped(station: Station) -> None:
    """What waits for it is bounded; the others hear everything."""
    async with trio.open_nursery() as nursery:
        slow = await station.listen(nursery, reads=False)
        quick = await station.listen(nursery)
        for _ in range(MAX_WAITING + 1):
            station.events.link(NOTICE)
            await wait_all_tasks_blocked()
        assert len(quick.of("link")) == MAX_WAITING + 1
        slow.reads.set()
        await wait_all_tasks_blocked()
        assert slow.ended
        assert [name for name, _ in slow.events] == ["hello", "dropped"]
        quick.gone.set()


async def test_a_thousand_posts_wait_for_nobody(station: Station) -> None:
    """They are read from the store when there is room for them."""
    async with trio.open_nursery() as nursery:
        slow = await station.listen(nursery, reads=False)
        for number in range(1_000):
            station.post(str(number))
        slow.reads.set()
        await wait_all_tasks_blocked()
        assert [post["text"] for post in slow.of("post")] == [str(n) for n in range(1_000)]
        assert len(slow.of("arrived")) == 1
        slow.gone.set()


async def test_a_failing_database_ends_the_stream(station: Station) -> None:
    """With the reason."""

    def broken(**_asked: object) -> None:
        raise StoreError("the disk is gone")

    async with trio.open_nursery() as nursery:
        heard = await station.listen(nursery)
        station.made.store.arrived = broken  # type: ignore[method-assign,assignment]
        station.events.stored()
        await wait_all_tasks_blocked()
        assert heard.of("dropped") == [{"reason": "the disk is gone"}]
        assert heard.ended


async def test_so_many_may_listen_and_no_more(station: Station) -> None:
    """One that has gone makes room."""
    async with trio.open_nursery() as nursery:
        listeners = [await station.listen(nursery) for _ in range(MAX_LISTENERS)]
        with pytest.raises(ServiceError) as caught:
            station.events.require_room()
        assert caught.value.code is Code.BUDGET_SPENT
        listeners[0].gone.set()
        await wait_all_tasks_blocked()
        station.events.require_room()
        for one in listeners:
            one.gone.set()


@pytest.mark.parametrize(
    ("header", "query", "number"),
    [(None, None, None), ("", "", None), ("7", None, 7), (None, "8", 8), ("7", "8", 7)],
)
def test_the_last_id_wins_over_the_query(
    header: str | None, query: str | None, number: int | None
) -> None:
    """Browsers send it by themselves when they come back."""
    assert wanted_after(header, query) == number


@pytest.mark.parametrize("asked", ["-1", "x", "1.5", "٣", "9" * 30, "\x1b[2J"])
def test_an_id_that_is_no_number_is_refused(asked: str) -> None:
    """As a wrong request, not as a broken stream."""
    with pytest.raises(ServiceError) as caught:
        wanted_after(asked, None)
    assert caught.value.code is Code.INVALID


def test_an_event_is_lines_that_no_text_can_break() -> None:
    """Line feeds of texts stand escaped in JSON."""
    assert written("dropped", DroppedEvent(reason="a\nevent: post\n\nb"), 5) == (
        b'event: dropped\nid: 5\ndata: {"reason":"a\\nevent: post\\n\\nb"}\n\n'
    )


# Over the socket


def first_of(path: Path, target: str, until: bytes) -> bytes:
    """Ask for a stream and read until something came; then hang up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))
        connection.settimeout(30)
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        heard = b""
        while until not in heard:
            heard += connection.recv(65_536)
        return heard


def test_any_program_can_listen(station: Station, tmp_path: Path) -> None:
    """As ``text/event-stream``, without a length and kept nowhere."""
    number = station.post("hello")
    with served(station.service, tmp_path / "s"):
        heard = first_of(tmp_path / "s", "/v1/events?after=0", f"id: {number}\n".encode())
        assert b"200" in heard.splitlines()[0]
        assert b"content-type: text/event-stream" in heard.lower()
        assert b"cache-control: no-store" in heard.lower()
        assert b"content-length" not in heard.lower()
        assert heard.index(b"event: hello") < heard.index(b"event: post")
        wrong = raw_answer(tmp_path / "s", b"GET /v1/events?after=x HTTP/1.0\r\nHost: x\r\n\r\n")
        assert b"400" in wrong.splitlines()[0]
        assert json.loads(wrong.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid"


async def test_a_running_node_tells_its_links(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Up, in sync, and busy again when there is something new."""
    async with running(tmp_path, net(), "ada", "bob") as (ada, bob):
        stream = await trio.open_unix_socket(str(ada.made.home.socket))
        await stream.send_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        heard = b""
        while b"event: hello" not in heard:
            heard += await stream.receive_some()
        bob.service.call(FOLLOW, FollowRequest(who=(ada.invite(),)))
        while b'"state":"in_sync"' not in heard:
            heard += await stream.receive_some()
        assert heard.index(b'"state":"up"') < heard.index(b'"state":"in_sync"')
        ada.service.call(POST, PostRequest(text="light"))
        while heard.count(b'"state":"in_sync"') < 2:
            heard += await stream.receive_some()
        assert b"event: post" in heard
        assert b'"state":"exchanging"' in heard
        await stream.aclose()
