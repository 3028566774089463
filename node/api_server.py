"""Serves the API on a Unix socket, inside the daemon's nursery."""

from __future__ import annotations

import logging
import os
import socket
import traceback
from pathlib import Path
from typing import Any, Final, cast

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState
from starlette.applications import Starlette

from .errors import Code, ServiceError
from .home import MAX_SOCKET_PATH_BYTES
from .logs import Log
from .sessions import Bell

_BACKLOG: Final = 64
_KEEP_ALIVE_S: Final = 5.0
STALL_S: Final = 30.0
"""How long a client may leave unread what was sent to it."""
_GRACE_S: Final = 1.0
"""How long answers that were begun may take when the daemon ends."""


def open_socket(path: Path) -> socket.socket:
    """Bind a Unix socket that only the owner of the home can open, and listen.

    The caller holds the lock of the home, so a socket that is there was left behind.

    Raises:
        ServiceError: the path is too long for a socket, or something else stands there.
    """
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise ServiceError(
            Code.INVALID,
            f"{path} is too long for a socket: {len(os.fsencode(path))} bytes where at most"
            f" {MAX_SOCKET_PATH_BYTES} fit",
            "use a home with a shorter path: --home DIR",
        )
    if path.is_socket():
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(os.fspath(path))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise ServiceError(
            Code.UNSAFE_HOME, f"{path} cannot be a socket: {error}", f"move {path} away"
        ) from error
    finally:
        os.umask(before)
    return listening


class _PatientStream:
    """A stream whose sends end: a client that stops reading is cut off."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        """Be the stream itself in everything else."""
        return getattr(self._stream, name)

    async def send_all(self, data: bytes) -> None:
        """Send; raises BrokenResourceError after `STALL_S`."""
        with trio.move_on_after(STALL_S) as waiting:
            await self._stream.send_all(data)
        if waiting.cancelled_caught:
            self._stream.socket.close()
            raise trio.BrokenResourceError("the client stopped reading")


class ApiServer:
    """Hypercorn's connections on a listener of our own.

    Its own ``serve`` waits without end for a client that has stopped reading; here every
    connection is cut when its time is up.
    """

    def __init__(self, app: Starlette, log: Log) -> None:
        self._app = ASGIWrapper(cast(ASGIFramework, app))
        self._config = Config()
        self._config.keep_alive_timeout = _KEEP_ALIVE_S
        self._config.accesslog = None
        self._config.errorlog = _errors_to(log)
        self._context = WorkerContext(None)
        self._streams: set[trio.SocketStream] = set()
        self._accepting = trio.CancelScope()
        self._left = Bell()

    async def serve(
        self,
        listening: socket.socket,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Answer until closed or cancelled."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
        task_status.started()
        async with trio.open_nursery() as connections:
            try:
                with self._accepting:
                    await trio.serve_listeners(
                        self._answer, [listener], handler_nursery=connections
                    )
            finally:
                for stream in self._streams:
                    stream.socket.close()  # their sends are shielded from being cancelled
                connections.cancel_scope.cancel()

    async def close(self) -> None:
        """Accept no more, give open answers a moment, and cut what is left."""
        await self._context.terminated.set()
        with trio.move_on_after(_GRACE_S):
            while self._streams:
                await self._left.wait()
        self._accepting.cancel()

    async def _answer(self, stream: trio.SocketStream) -> None:
        self._streams.add(stream)
        try:
            await TCPServer(
                self._app,
                self._config,
                self._context,
                ConnectionState({}),
                _PatientStream(stream),  # type: ignore[arg-type]
            )
        finally:
            self._streams.discard(stream)
            self._left.ring()


class _LogHandler(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write what the server complains about, with the traceback of a mistake of ours."""
        self._log.failure("api", reason=record.getMessage(), trace=_trace(record))


def _trace(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return "" if error is None else "".join(traceback.format_exception(error))


def _errors_to(log: Log) -> logging.Logger:
    """Return a logger that nothing else in the process knows."""
    logger = logging.Logger("slowlight.api")
    logger.addHandler(_LogHandler(log))
    return logger
