"""``GET /v1/events``: what happens in a node, as server-sent events (HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import msgspec
import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..store.base import StoreError
from .asgi import cancel_when_gone
from .errors import Code, ServiceError
from .event_views import ArrivedEvent, DroppedEvent, HelloEvent, LinkEvent
from .events import Events, LinkNotice, Listener
from .operation import View
from .service import Service

ALIVE_S: Final = 15.0
"""A stream without news sends a comment this often, so that both ends see when it broke."""
POSTS_AT_ONCE: Final = 50
"""Posts that are read before others have their turn."""
MAX_NUMBER: Final = 2**62

_Tell: TypeAlias = Callable[[bytes], Awaitable[None]]


def wanted_after(last_event_id: str | None, after: str | None) -> int | None:
    """Return the number behind which a listener goes on; None: from now on.

    Args:
        last_event_id: the header ``Last-Event-ID``, which wins.
        after: the same in the query, for programs that set no headers.

    Raises:
        ServiceError: ``invalid``: it is no number.
    """
    asked = last_event_id or after
    if not asked:
        return None
    if not (asked.isascii() and asked.isdecimal()) or int(asked) > MAX_NUMBER:
        raise ServiceError(
            Code.INVALID, f"{asked[:40]!r} is no id of an event", "give the last id that came"
        )
    return int(asked)


def written(event: str, data: View, number: int | None = None) -> bytes:
    """Return one event as it goes to the listener."""
    named = "" if number is None else f"id: {number}\n"
    # JSON holds no line feed of its own, so data is one line.
    return f"event: {event}\n{named}data: ".encode() + msgspec.json.encode(data) + b"\n\n"


class EventStream(Response):
    """Tells what happens until its listener has gone, or was too slow."""

    media_type = "text/event-stream"

    def __init__(self, service: Service, events: Events, after: int | None) -> None:
        super().__init__(headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._service = service
        self._events = events
        self._after = after

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send event after event."""

        async def tell(text: bytes) -> None:
            await send({"type": "http.response.body", "body": text, "more_body": True})

        with self._events.listening() as listener:
            head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(head)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_when_gone, receive, nursery.cancel_scope)
                await self._tell_all(listener, tell)
                nursery.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell_all(self, listener: Listener, tell: _Tell) -> None:
        try:
            newest = self._service.newest_post()
            known = self._after is not None and self._after <= self._service.last_arrival()
            cursor = self._after if known and self._after is not None else newest
            reset = self._after is not None and not known
            await tell(written("hello", HelloEvent(after=cursor, reset=reset)))
            cursor, _ = await self._tell_posts(cursor, tell)
            while not listener.dropped:
                stored, notices = False, list[LinkNotice]()
                with trio.move_on_after(ALIVE_S) as waiting:
                    stored, notices = await listener.wait()
                if waiting.cancelled_caught:
                    await tell(b": alive\n\n")
                await self._tell_links(notices, tell)
                if stored:
                    cursor, told = await self._tell_posts(cursor, tell)
                    arrival = self._service.last_arrival()
                    await tell(written("arrived", ArrivedEvent(arrival=arrival, posts=told)))
            await tell(written("dropped", DroppedEvent(reason="it did not read fast enough")))
        except StoreError as error:
            await tell(written("dropped", DroppedEvent(reason=str(error))))

    async def _tell_posts(self, cursor: int, tell: _Tell) -> tuple[int, int]:
        """Tell the posts behind a number, oldest first; return the number of the last, and how
        many there were."""
        told = 0
        while posts := self._service.arrived(cursor, POSTS_AT_ONCE):
            for post in posts:
                await tell(written("post", post, post.n))
                cursor = post.n
            told += len(posts)
        return cursor, told

    async def _tell_links(self, notices: Sequence[LinkNotice], tell: _Tell) -> None:
        for notice in notices:
            link = LinkEvent(
                peer=self._service.person(notice.identity),
                device=notice.device.hex(),
                address=notice.address,
                state=notice.state,
            )
            await tell(written("link", link))
