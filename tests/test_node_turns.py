"""A node that takes up a long log goes on with everything else meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import trio

from slowlight.node.carriers.base import Promise
from slowlight.node.db_operations import DB_BACKUP, DbBackupRequest, DbBackupResult
from slowlight.node.logs import Log
from slowlight.node.post_operations import POST, PostRequest
from slowlight.node.sessions import Bell, LiveSession
from slowlight.protocol.handshake import Greeting
from tests.nodes import RecordedLinks, make_home, served, service_of
from tests.people import START_MS, Person
from tests.sync_ends import Node

BATCHES = 20
TURNS_OF_A_REQUEST = 10
UNKNOWN_FRAME = b"\x00\x00\xff"
"""A frame that a session skips."""


class _BusyLink:
    """A link on which the next batch is always there already."""

    peer_static: bytes | None = None
    peer_greeting: Greeting | None = None
    promise = Promise("stream", True, None, None, 0)
    round_trip_s = 0.0
    bytes_in = bytes_out = 0

    def __init__(self, peer: Node, first: bytes, turns: list[int]) -> None:
        self.peer_identity = peer.owner.identity
        self.peer_device = peer.owner.device
        self.turns_at_batches: list[int] = []
        self._turns = turns
        self._batches = [first] + BATCHES * [UNKNOWN_FRAME]

    async def send(self, message: bytes) -> None:
        """Carry nothing."""

    async def receive(self) -> Sequence[bytes]:
        """Return the next batch without waiting."""
        self.turns_at_batches.append(self._turns[0])
        return [self._batches.pop(0)] if self._batches else []

    async def aclose(self) -> None:
        """Close nothing."""


async def test_others_have_many_turns_between_two_batches() -> None:
    """A request of the API takes about ten: it is answered behind one batch, not behind ten."""
    here, there = Node(Person(1)), Node(Person(2))
    peer = there.session(here, initiator=True)
    peer.start()
    hello = peer.next_message(START_MS)
    assert hello is not None
    turns = [0]
    link = _BusyLink(there, hello, turns)
    live = LiveSession(
        link,
        here.session(there, initiator=False),
        address="",
        outgoing=False,
        heard_out=Bell(),
        clock=lambda: START_MS,
        log=Log(lambda _line: None),
    )

    async def someone_else() -> None:
        while not live.finished.is_set():
            await trio.lowlevel.checkpoint()
            turns[0] += 1

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(someone_else)
            await live.run(silence_s=60, on_stored=lambda: None, on_introduced=lambda: None)
    assert len(link.turns_at_batches) == BATCHES + 2
    first, *_, last = link.turns_at_batches
    assert last - first >= BATCHES * TURNS_OF_A_REQUEST


def test_posts_go_on_while_a_backup_is_made(tmp_path: Path) -> None:
    """A copy takes as long as its disk needs; nobody else has to wait for that."""
    posted = threading.Event()
    made = make_home(tmp_path / "ada", 1, "Ada")

    def copy_to_a_slow_disk(path: Path) -> None:
        assert posted.wait(60)
        path.write_bytes(b"the copy")

    made.store.backup = copy_to_a_slow_disk  # type: ignore[method-assign]
    copy = tmp_path / "copy.db"
    results: list[DbBackupResult] = []
    with served(service_of(made, RecordedLinks()), tmp_path / "s") as client:
        request = DbBackupRequest(path=str(copy))
        backup = threading.Thread(
            target=lambda: results.append(client.call(DB_BACKUP, request)), daemon=True
        )
        backup.start()
        client.call(POST, PostRequest(text="meanwhile"))
        posted.set()
        backup.join(60)
    assert [result.size_bytes for result in results] == [8]
