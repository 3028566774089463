"""The command line as tests use it: typed in this process, answered by a node in memory."""

from __future__ import annotations

import json
import random
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from click.testing import CliRunner

from slowlight.cli.main import run
from slowlight.cli.shell import Shell
from slowlight.node.beginning import begin
from slowlight.node.client import Client, OnEvent, ignore_events
from slowlight.node.config import Config
from slowlight.node.direct import open_direct
from slowlight.node.errors import ServiceError
from slowlight.node.home import Home
from slowlight.node.operation import Operation, Request, Result
from slowlight.node.operation import Person as PersonView
from slowlight.node.peer_operations import PeerView, SyncEvent
from slowlight.protocol.run import Run
from slowlight.store.memory import MemoryStore
from tests.people import START_MS, Person

NOW_MS: Final = START_MS + 10 * 86_400_000
"""When tests type; long after people began to write."""
VIA: Final = "ab" * 32
PLAIN: Final = {"COLUMNS": "80", "NO_COLOR": "1", "SLOWLIGHT_HOME": ""}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on standard output."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def error(self) -> Any:
        """The error that was told as JSON on standard error."""
        (line,) = self.err.splitlines()
        return json.loads(line)["error"]


def typed(
    shell: Shell, *arguments: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None
) -> Ending:
    """Carry out a command in this process; no terminal is attached."""
    with CliRunner().isolation(input=stdin, env={**PLAIN, **(environ or {})}) as streams:
        code = run(arguments, shell)
    return Ending(code, streams[0].getvalue().decode(), streams[1].getvalue().decode())


class Desk:
    """A person at a keyboard: a home with its keys, and a store in memory."""

    def __init__(self, path: Path, *, name: str = "ada") -> None:
        self.home = Home(path)
        self.store = MemoryStore(nonce=b"a memory")
        self.now_ms = NOW_MS
        self._random = random.Random(name)
        self.begun = begin(
            self.home,
            name=name,
            clock=lambda: self.now_ms,
            random_bytes=self._random.randbytes,
            open_store=lambda _home: self.store,
        )

    def type(
        self, *arguments: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None
    ) -> Ending:
        """Type one command."""
        shell = Shell(now_ms=lambda: self.now_ms, open_client=self.open_client)
        shell.home_flag = str(self.home.path)
        return typed(shell, *arguments, stdin=stdin, environ=environ)

    def receive(self, *people: Person) -> None:
        """Let everything that people have written so far arrive."""
        for person in people:
            runs: list[Run] = [run for channel in person.logs for run in person.runs(channel)]
            self.store.ingest([person.verified_ident(), *runs], received_ms=self.now_ms, via=VIA)

    @contextmanager
    def open_client(self, home: Home, config: Config, _purpose: str) -> Generator[Client]:
        """Open the node of this desk, whatever home is named."""
        with open_direct(
            home,
            config,
            open_store=lambda _home: self.store,
            clock=lambda: self.now_ms,
            random_bytes=self._random.randbytes,
        ) as client:
            yield client


class ScriptedClient:
    """A node that answers what it was told to answer."""

    def __init__(
        self,
        answers: Mapping[str, Result | ServiceError],
        events: Iterable[SyncEvent] = (),
    ) -> None:
        self._answers = answers
        self._events = events
        self.asked: list[Request] = []

    def call(
        self, operation: Operation[Any, Any], request: Any, on_event: OnEvent = ignore_events
    ) -> Any:
        """Answer one call."""
        self.asked.append(request)
        for event in self._events:
            on_event(event)
        answer = self._answers[operation.name]
        if isinstance(answer, ServiceError):
            raise answer
        return answer

    @contextmanager
    def open(self, _home: Home, _config: Config, _purpose: str) -> Generator[Client]:
        """Stand for the node of any home."""
        yield self

    def type(
        self, *arguments: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None
    ) -> Ending:
        """Type one command that this node answers."""
        shell = Shell(now_ms=lambda: NOW_MS, open_client=self.open)
        return typed(shell, *arguments, stdin=stdin, environ=environ)


def someone(name: str = "bob", *, own: bool = False) -> PersonView:
    """A person in an answer."""
    short_id = "k3v9-7qpm-x2da"
    return PersonView(
        identity="cd" * 32,
        short_id=short_id,
        petname="",
        name=name,
        label=f"{name}@{short_id}",
        own=own,
    )


def some_peer(name: str = "bob", **fields: Any) -> PeerView:
    """A peer in an answer: known, followed and not connected, unless ``fields`` say otherwise."""
    known = PeerView(
        person=someone(name),
        device=name.encode().hex().ljust(64, "0"),
        box_public="ef" * 32,
        addresses=("192.0.2.7:4242",),
        name="",
        last_contact="",
        last_contact_ms=0,
        connected=False,
        following=True,
    )
    return msgspec.structs.replace(known, **fields)
