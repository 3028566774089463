"""How programs use a node: one call, whoever holds the home.

`open_client` finds out whether a daemon holds it (then calls go to its socket) or opens the
home itself under the lock.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeAlias, TypeVar

import msgspec

from .config import Config
from .errors import Code, ServiceError
from .home import Home
from .operation import ErrorResult, Operation, Request, Result
from .peer_operations import SYNC, StreamLine, SyncEvent
from .shell import encode_request, error_of

LOCK_WAIT_S: Final = 5.0
"""How long a command waits for another one to end, or for a daemon to be ready."""

_RETRY_S: Final = 0.02
_CONNECT_S: Final = 5.0
_MAX_HEAD_LINE_BYTES: Final = 8_192

Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Result)

OnEvent: TypeAlias = Callable[[SyncEvent], None]


def ignore_events(_event: SyncEvent) -> None:
    """Take no notice of progress."""


class Client(Protocol):
    """A node, wherever it runs."""

    def call(self, operation: Operation[Q, R], request: Q, on_event: OnEvent = ignore_events) -> R:
        """Carry out one operation and return its result.

        Args:
            on_event: called with the progress of operations that tell it (`SYNC`).

        Raises:
            ServiceError: refused or failed; says what to do next.
        """
        ...


@contextmanager
def open_client(home: Home, config: Config, purpose: str) -> Generator[Client]:
    """Reach the node of a home: its daemon, or else the home itself under its lock.

    Args:
        purpose: what the lock is held for, for whoever finds it held: ``slowlight post``.

    Raises:
        ServiceError: there is no identity (``no_identity``), or another process keeps the home
            for longer than `LOCK_WAIT_S` (``locked``).
    """
    home.require()
    until_s = time.monotonic() + LOCK_WAIT_S
    while True:
        if _answers(home.socket):
            yield SocketClient(home.socket)
            return
        try:
            lock = home.lock(purpose, may_only_read=True)
        except ServiceError as error:
            if error.code is not Code.LOCKED or time.monotonic() > until_s:
                raise
            time.sleep(_RETRY_S)
            continue
        from .direct import open_direct

        with lock, open_direct(home, config, read_only=lock.read_only) as client:
            yield client
        return


class SocketClient:
    """A node whose daemon is running: each call is one request to its socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def call(self, operation: Operation[Q, R], request: Q, on_event: OnEvent = ignore_events) -> R:
        """Carry out one operation; see `Client`."""
        body = encode_request(request)
        try:
            with self._connected() as connection, connection.makefile("rb") as answer:
                connection.sendall(_head(operation.name, len(body)) + body)
                good = _read_head(answer)
                if operation.name == SYNC.name and good:
                    return _last_of(answer, operation, on_event)
                data = answer.read()
        except OSError as error:
            raise _gone() from error
        return _result(data, operation, good=good)

    @contextmanager
    def _connected(self) -> Generator[socket.socket]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_CONNECT_S)
            connection.connect(os.fspath(self._path))
            connection.settimeout(None)
            yield connection


def _answers(path: Path) -> bool:
    if not path.is_socket():
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_CONNECT_S)
            probe.connect(os.fspath(path))
    except OSError:
        return False
    return True


def _head(name: str, length: int) -> bytes:
    """Return the head of a request: HTTP/1.0, so that the answer ends where the stream does."""
    return (
        f"POST /v1/{name} HTTP/1.0\r\nHost: slowlight\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode("ascii")


def _read_head(answer: BinaryIO) -> bool:
    """Read status and headers; return whether the operation went well or began well."""
    status = answer.readline(_MAX_HEAD_LINE_BYTES).split(b" ")
    if len(status) < 2 or not status[0].startswith(b"HTTP/"):
        raise _gone()
    while answer.readline(_MAX_HEAD_LINE_BYTES) not in (b"\r\n", b"\n", b""):
        pass
    return status[1] == b"200"


def _result(data: bytes, operation: Operation[Q, R], *, good: bool) -> R:
    try:
        if good:
            return msgspec.json.decode(data, type=operation.result)
        failed = msgspec.json.decode(data, type=ErrorResult)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _gone() from error
    raise error_of(failed.error)


def _last_of(lines: Iterator[bytes], operation: Operation[Q, R], on_event: OnEvent) -> R:
    """Read lines of progress up to the result or error, which comes last."""
    for line in lines:
        try:
            told = msgspec.json.decode(line, type=StreamLine)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _gone() from error
        if told.event is not None:
            on_event(told.event)
        if told.error is not None:
            raise error_of(told.error)
        if isinstance(told.result, operation.result):
            return told.result
    raise _gone()


def _gone() -> ServiceError:
    return ServiceError(
        Code.INTERNAL,
        "the daemon broke off in the middle of an answer",
        "look at its log, then try again; a post with the same --client-key is not doubled",
    )
