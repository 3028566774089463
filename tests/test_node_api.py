"""The API's socket: who may use it, what it refuses, and that nobody can hold it up."""

from __future__ import annotations

import json
import socket
import stat
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import trio

from slowlight.node.api import make_app
from slowlight.node.api_server import ApiServer, open_socket
from slowlight.node.client import SocketClient
from slowlight.node.errors import Code, ServiceError
from slowlight.node.home import MAX_SOCKET_PATH_BYTES
from slowlight.node.logs import Log
from slowlight.node.operations import OPERATIONS
from slowlight.node.pair_operations import PAIR
from slowlight.node.peer_operations import SYNC, SyncRequest
from slowlight.node.post_operations import READ, ReadRequest
from slowlight.node.shell import MAX_REQUEST_BYTES
from slowlight.store.base import Peer, StoreError
from tests.nodes import NodeHome, RecordedLinks, make_home, raw_answer, served, service_of


@pytest.fixture
def made(tmp_path: Path) -> NodeHome:
    """A home with an identity."""
    return make_home(tmp_path / "ada", 1, "Ada")


@pytest.fixture
def lines() -> list[str]:
    """What the node logged."""
    return []


@pytest.fixture
def api(made: NodeHome, tmp_path: Path, lines: list[str]) -> Iterator[Path]:
    """The socket of a served node."""
    path = tmp_path / "api.sock"
    with served(service_of(made, RecordedLinks()), path, Log(lines.append)):
        yield path


def ask(path: Path, target: str, body: bytes, method: str = "POST") -> tuple[int, bytes]:
    """Return status and body of one plain request."""
    head = f"{method} {target} HTTP/1.0\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = raw_answer(path, head.encode() + body)
    status, _, rest = answer.partition(b"\r\n")
    return int(status.split()[1]), rest.partition(b"\r\n\r\n")[2]


def test_only_the_owner_can_open_the_socket(api: Path) -> None:
    """Its mode says so, whatever the umask was."""
    assert stat.S_IMODE(api.stat().st_mode) == 0o600


def test_any_program_can_ask_in_json(api: Path) -> None:
    """One line of curl: a POST with nothing in it, an object with its schema out."""
    status, body = ask(api, "/v1/status", b"")
    assert status == 200
    answer = json.loads(body)
    assert (answer["schema"], answer["person"]["name"]) == (1, "Ada")


WRONG: Final = {
    "no JSON": ("/v1/post", b"{", 400, "invalid"),
    "no UTF-8": ("/v1/post", b'{"text":"\xff"}', 400, "invalid"),
    "no end of nesting": ("/v1/post", b'{"text":"x","tags":' + b"[" * 100_000, 400, "invalid"),
    "a missing field": ("/v1/post", b"{}", 400, "invalid"),
    "an unknown field": ("/v1/post", b'{"text":"x","txt":1}', 400, "invalid"),
    "another type": ("/v1/post", b'{"text":7}', 400, "invalid"),
    "too long": ("/v1/post", b" " * (MAX_REQUEST_BYTES + 1), 400, "invalid"),
    "an unknown operation": ("/v1/pots", b"{}", 404, "not_found"),
    "nothing to be found": ("/v1/show", b'{"id":"zzzz"}', 404, "not_found"),
    "nothing to be done": ("/v1/sync", b"", 200, "nothing_to_do"),
}


@pytest.mark.parametrize(("target", "body", "status", "code"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_request_gets_an_error_as_json(
    api: Path, target: str, body: bytes, status: int, code: str
) -> None:
    """With a code for programs and words for people."""
    got, answer = ask(api, target, body)
    error = json.loads(answer)["error"]
    assert (got, error["code"]) == (status, code)
    assert error["message"]


def test_other_methods_and_paths_are_none_of_ours(api: Path) -> None:
    """A browser that was tricked into a GET changes nothing."""
    assert ask(api, "/v1/status", b"", "GET")[0] == 405
    assert ask(api, "/", b"")[0] == 404


def test_a_mistake_of_ours_is_logged_and_answered(
    made: NodeHome, tmp_path: Path, lines: list[str]
) -> None:
    """With its traceback in the log, and the next call works."""
    service = service_of(made, RecordedLinks())
    broken = made.store.timeline
    made.store.timeline = None  # type: ignore[method-assign,assignment]
    with served(service, tmp_path / "s", Log(lines.append)) as client:
        with pytest.raises(ServiceError) as caught:
            client.call(READ, ReadRequest(scope="all"))
        assert caught.value.code is Code.INTERNAL
        made.store.timeline = broken  # type: ignore[method-assign]
        client.call(READ, ReadRequest(scope="all"))
    assert any("TypeError" in line for line in lines)


def test_a_failing_database_is_no_mistake_of_ours(made: NodeHome, tmp_path: Path) -> None:
    """The person learns what the system said."""

    def full(**_arguments: object) -> None:
        raise StoreError("disk full")

    made.store.timeline = full  # type: ignore[method-assign,assignment]
    service = service_of(made, RecordedLinks())
    with (
        served(service, tmp_path / "s") as client,
        pytest.raises(ServiceError, match="disk full") as caught,
    ):
        client.call(READ, ReadRequest(scope="all"))
    assert caught.value.code is Code.STORAGE


def test_a_path_too_long_for_a_socket_is_said_before_it_fails(tmp_path: Path) -> None:
    """The system's own message names no limit."""
    path = tmp_path / ("d" * MAX_SOCKET_PATH_BYTES)
    with pytest.raises(ServiceError, match="at most 103"):
        open_socket(path)


def test_something_else_at_the_place_of_the_socket_is_not_removed(tmp_path: Path) -> None:
    """Only a socket can be a leftover of ours."""
    path = tmp_path / "api.sock"
    path.write_text("precious")
    with pytest.raises(ServiceError, match=r"api\.sock"):
        open_socket(path)
    assert path.read_text() == "precious"


def test_a_daemon_that_is_gone_is_said_so(tmp_path: Path) -> None:
    """Also where it broke off in the middle of an answer."""
    path = tmp_path / "s"
    client = SocketClient(path)
    with pytest.raises(ServiceError, match="broke off"):
        client.call(READ, ReadRequest())
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.settimeout(10)
        for answer in (b"", b"HTTP/1.0 200 OK\r\n\r\n", b'HTTP/1.0 200 OK\r\n\r\n{"posts":'):
            with answering(listening, answer), pytest.raises(ServiceError, match="broke off"):
                client.call(READ, ReadRequest())
        with (
            answering(listening, b'HTTP/1.0 200 OK\r\n\r\n{"event":null}\n'),
            pytest.raises(ServiceError, match="broke off"),
        ):
            client.call(SYNC, SyncRequest())


@contextmanager
def answering(listening: socket.socket, answer: bytes) -> Generator[None]:
    """Answer the next caller with these bytes, and hang up."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join()


async def test_a_client_that_stops_reading_does_not_hold_up_the_end(
    made: NodeHome, tmp_path: Path
) -> None:
    """Answers that are under way get a moment; then the line is cut."""
    for number in range(200):
        peer = Peer(bytes([number] * 32), bytes([number] * 32), b"b" * 32, ("h:1",), "p" * 200, 0)
        made.store.put_peer(peer)
    listening = open_socket(tmp_path / "s")
    server = ApiServer(make_app(service_of(made, RecordedLinks()), Log(print)), Log(print))
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, listening)
        streams = [await trio.open_unix_socket(tmp_path / "s") for _ in range(3)]
        request = b"POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        for stream in streams:
            await stream.send_all(request * 40)
        with trio.fail_after(30):
            await streams[0].receive_some(1)
            await server.close()
    for stream in streams:
        await stream.aclose()


def test_every_operation_can_be_asked_for_by_name(api: Path) -> None:
    """An empty request is refused or answered, never a mistake of ours."""
    for name in OPERATIONS:
        expected = (502,) if name == PAIR.name else (200, 400)  # nobody pairs with an idle node
        assert ask(api, f"/v1/{name}", b"")[0] in expected
