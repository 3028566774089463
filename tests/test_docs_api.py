"""The requests that the page about the API shows are made, and answered as it says."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from slowlight.node.service import Service
from tests.nodes import RecordedLinks, make_home, served, service_of
from tests.source_tree import ROOT

PAGE: Final = ROOT / "docs" / "api.md"
_BLOCK: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANYTHING: Final = "..."


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the page, and the answer that it shows."""

    target: str
    body: bytes | None
    """None: a GET."""
    answer: str


def requests_of(page: str) -> Iterator[Request]:
    """Yield the requests of a page, in order."""
    for block in _BLOCK.finditer(page):
        for step in block[1].split("$ ")[1:]:
            command, _, answer = step.partition("\n")
            yield _request(shlex.split(command), answer)


def _request(words: list[str], answer: str) -> Request:
    assert words[0] == "curl", words
    assert "--unix-socket" in words
    (url,) = (word for word in words if word.startswith("http://localhost/"))
    parts = urlsplit(url)
    body = words[words.index("-d") + 1].encode() if "-d" in words else None
    return Request(f"{parts.path}?{parts.query}".rstrip("?"), body, answer)


def asked(path: Path, request: Request) -> str:
    """Make a request; of a stream, read as much as the page shows."""
    method = "GET" if request.body is None else "POST"
    body = request.body or b""
    head = f"{method} {request.target} HTTP/1.0\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))
        connection.settimeout(30)
        connection.sendall(head.encode() + body)
        heard = b""
        while data := connection.recv(65_536):
            heard += data
            if request.target.startswith("/v1/events") and b"event: post" in heard:
                heard += connection.recv(65_536)
                break
    return heard.partition(b"\r\n\r\n")[2].decode()


def agrees(shown: str, came: str) -> bool:
    """Compare an answer with what a page shows, where three dots stand for anything."""
    parts = (re.escape(part) for part in "".join(shown.split()).split(_ANYTHING))
    return re.fullmatch(".*".join(parts), "".join(came.split()), re.DOTALL) is not None


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """A new node."""
    return service_of(make_home(tmp_path / "ada", 1, "Ada"), RecordedLinks())


def test_the_page_shows_what_comes(service: Service, tmp_path: Path) -> None:
    """Asked from top to bottom of a new node."""
    requests = list(requests_of(PAGE.read_text()))
    assert len(requests) >= 8
    with served(service, tmp_path / "s"):
        for request in requests:
            came = asked(tmp_path / "s", request)
            assert agrees(request.answer, came), f"{request.target}\n{request.answer}\n{came}"


def test_a_page_that_lies_is_caught() -> None:
    """Another value, a field more, a field less."""
    assert agrees('{"a":1,"b":...}', '{"a":1,"b":{"c":2}}')
    for came in ('{"a":2,"b":1}', '{"a":1}', '{"a":1,"b":2} and more'):
        assert not agrees('{"a":1,"b":...}', came)


def test_statuses_of_the_page_are_those_of_the_node() -> None:
    """And the limits of the stream."""
    from slowlight.node.api_server import STALL_S
    from slowlight.node.event_stream import ALIVE_S
    from slowlight.node.events import MAX_LISTENERS, MAX_WAITING
    from slowlight.node.openapi import DESCRIBED_ERRORS

    page = PAGE.read_text()
    for status in DESCRIBED_ERRORS:
        assert f"| {status} |" in page
    for limit in (
        f"{STALL_S:g} seconds",
        f"{ALIVE_S:g} seconds",
        f"{MAX_WAITING} events",
        f"At most {MAX_LISTENERS}",
    ):
        assert limit in page
