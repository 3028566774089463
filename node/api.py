"""The HTTP shell of the service: ``POST /v1/<operation>``, JSON in and out.

An answer is the result of the operation, or an error with the status that goes with it. `SYNC`
answers with JSON lines: its progress, then the result or error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec
import trio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .asgi import cancel_when_gone
from .db_operations import DbBackupRequest
from .errors import Code, Exit, ServiceError
from .event_stream import EventStream, wanted_after
from .events import Events
from .logs import Log
from .operation import ErrorResult, Result
from .operation import Request as Asked
from .operations import OPERATIONS
from .pair_operations import PairAnswerRequest, PairRequest
from .pairing import Pairing
from .peer_operations import StreamLine, SyncEvent, SyncRequest
from .service import Service
from .shell import MAX_REQUEST_BYTES, decode_request, error_body

_JSON: Final = "application/json"
_JSON_LINES: Final = "application/jsonl"
_WAITING_LINES: Final = 64
_STATUS_OF: Final = {
    Exit.USAGE: 400,
    Exit.NOTHING: 404,
    Exit.LOCKED: 409,
    Exit.UNREACHABLE: 502,
    Exit.INTEGRITY: 409,
    Exit.BUDGET: 409,
}


Before: TypeAlias = Callable[[Asked], Awaitable[None]]
"""Waits until a request may be carried out."""


async def at_once(_asked: Asked) -> None:
    """Let a request wait for nothing."""


def make_app(
    service: Service,
    log: Log,
    before: Before = at_once,
    pairing: Pairing | None = None,
    events: Events | None = None,
) -> Starlette:
    """Return the API of one node.

    A backup, which takes as long as the disk needs, is made beside everything else, one at a time.

    Args:
        before: each request waits for it, except `SYNC`.
        pairing: how the node pairs; None: it does not.
        events: what happens in it; None: nothing is ever told.
    """
    one_backup = trio.CapacityLimiter(1)

    async def answer(request: Request) -> Response:
        name = str(request.path_params["name"])
        try:
            operation = OPERATIONS.get(name)
            if operation is None:
                raise ServiceError(
                    Code.NOT_FOUND,
                    f"there is no operation {name!r}",
                    f"there are {', '.join(OPERATIONS)}",
                )
            asked = decode_request(operation, await _body(request))
            log.debug("asked", operation=name)
            if isinstance(asked, SyncRequest):
                return _SyncAnswer(service, asked)
            if pairing is not None and isinstance(asked, PairRequest | PairAnswerRequest):
                return _json(200, await pairing.call(asked))
            await _unless_gone(before, asked, request.receive)
            if isinstance(asked, DbBackupRequest):
                made = await trio.to_thread.run_sync(
                    service.call, operation, asked, limiter=one_backup
                )
                return _json(200, made)
            return _json(200, service.call(operation, asked))
        except ServiceError as error:
            return _json(_STATUS_OF.get(error.exit, 500), ErrorResult(error=error_body(error)))
        except ClientDisconnect:
            return Response(status_code=400)

    happening = events or Events()

    async def listen(request: Request) -> Response:
        try:
            asked = request.headers.get("last-event-id"), request.query_params.get("after")
            happening.require_room()
            return EventStream(service, happening, wanted_after(*asked))
        except ServiceError as error:
            return _json(_STATUS_OF.get(error.exit, 500), ErrorResult(error=error_body(error)))

    async def describe(_request: Request) -> Response:
        from .openapi import description  # few programs ask for it

        return Response(description(), media_type=_JSON)

    return Starlette(
        routes=[
            Route("/v1/events", listen, methods=["GET"]),
            Route("/v1/openapi.json", describe, methods=["GET"]),
            Route("/v1/{name}", answer, methods=["POST"]),
        ]
    )


class _SyncAnswer(Response):
    """Tells a synchronisation as it goes on; it ends when its listener has gone."""

    media_type = _JSON_LINES

    def __init__(self, service: Service, request: SyncRequest) -> None:
        super().__init__()
        del self.headers["content-length"]  # nobody knows it yet
        self._service = service
        self._request = request

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send line after line."""
        put, take = trio.open_memory_channel[StreamLine](_WAITING_LINES)
        async with trio.open_nursery() as nursery, take:
            nursery.start_soon(cancel_when_gone, receive, nursery.cancel_scope)
            nursery.start_soon(self._synchronise, put)
            head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(head)
            async for line in take:
                body = msgspec.json.encode(line) + b"\n"
                await send({"type": "http.response.body", "body": body, "more_body": True})
            nursery.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _synchronise(self, put: trio.MemorySendChannel[StreamLine]) -> None:
        def tell(event: SyncEvent) -> None:
            with contextlib.suppress(trio.WouldBlock):  # a slow listener misses some progress
                put.send_nowait(StreamLine(event=event))

        async with put:
            try:
                line = StreamLine(result=await self._service.sync(self._request, tell))
            except ServiceError as error:
                line = StreamLine(error=error_body(error))
            await put.send(line)


async def _unless_gone(before: Before, asked: Asked, receive: Receive) -> None:
    """Wait until a request may be carried out; who has given up meanwhile wants it no more.

    Raises:
        ClientDisconnect: nobody waits for the answer.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancel_when_gone, receive, nursery.cancel_scope)
        await before(asked)
        nursery.cancel_scope.cancel()
        return
    raise ClientDisconnect


async def _body(request: Request) -> bytes:
    body = bytearray()
    async with contextlib.aclosing(request.stream()) as stream:
        async for chunk in stream:
            body += chunk
            if len(body) > MAX_REQUEST_BYTES:
                break
    return bytes(body)


def _json(status: int, result: Result) -> Response:
    return Response(msgspec.json.encode(result), status, media_type=_JSON)
