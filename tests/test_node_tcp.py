"""Nodes over real sockets on this machine: a daemon, and commands without one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from slowlight.node.addresses import parse_address
from slowlight.node.beginning import begin
from slowlight.node.client import Client, SocketClient, open_client
from slowlight.node.clock import system_clock
from slowlight.node.config import Config, LimitsConfig, LogConfig, NodeConfig
from slowlight.node.daemon import RunningNode, run_node
from slowlight.node.errors import Code, ServiceError
from slowlight.node.home import Home
from slowlight.node.logs import Log, no_log, opened_log
from slowlight.node.peer_operations import (
    INVITE,
    STATUS,
    SYNC,
    InviteRequest,
    StatusRequest,
    SyncEvent,
    SyncRequest,
)
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.post_operations import POST, READ, PostRequest, ReadRequest
from slowlight.protocol.invite import read_invite
from tests.nodes import seeded

LOOPBACK = Config(
    node=NodeConfig(listen=("127.0.0.1:0", "127.0.0.1:0")), limits=LimitsConfig(handshakes=4)
)


@contextmanager
def daemon(home: Home, config: Config = LOOPBACK, log: Log | None = None) -> Generator[RunningNode]:
    """Run the node of a home in a thread of its own until the end of the block."""
    ready = threading.Event()
    nodes: list[RunningNode] = []
    ways_out: list[tuple[trio.lowlevel.TrioToken, trio.Event]] = []

    async def main() -> None:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            run = partial(run_node, home, config, stop=stop.wait, log=log or no_log())
            nodes.append(await nursery.start(run))
            ways_out.append((trio.lowlevel.current_trio_token(), stop))
            ready.set()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    assert ready.wait(60)
    try:
        yield nodes[0]
    finally:
        token, stop = ways_out[0]
        trio.from_thread.run_sync(stop.set, trio_token=token)
        thread.join()


def home_of(path: Path, seed: int, name: str) -> Home:
    """Begin a node on disk."""
    home = Home(path)
    begin(home, name=name, clock=system_clock, random_bytes=seeded(seed))
    return home


@pytest.fixture
def ada(tmp_path: Path) -> Iterator[Client]:
    """Ada's node, whose daemon runs."""
    home = home_of(tmp_path / "ada", 1, "Ada")
    with daemon(home):
        yield SocketClient(home.socket)


@pytest.fixture
def bob(tmp_path: Path) -> Home:
    """Bob's home; nothing runs there."""
    return home_of(tmp_path / "bob", 2, "Bob")


def test_a_command_exchanges_without_a_daemon_of_its_own(ada: Client, bob: Home) -> None:
    """Bob's machine only calls: he follows, synchronises, reads, and is gone again."""
    for number in range(300):
        ada.call(POST, PostRequest(text=f"post {number}"))
    line = ada.call(INVITE, InviteRequest()).uri
    with open_client(bob, LOOPBACK, "a test") as client:
        client.call(FOLLOW, FollowRequest(who=(line,)))
        events: list[SyncEvent] = []
        receipt = client.call(SYNC, SyncRequest(), events.append)
        assert [end.outcome for end in receipt.outcomes] == ["in_sync"]
        assert receipt.total.entries_in == 302
        assert receipt.total.wire_bytes_in > receipt.total.payload_bytes_in > 0
        assert events[-1].state == "done"
        assert client.call(STATUS, StatusRequest()).unread == 300
        again = client.call(SYNC, SyncRequest())
        assert (again.in_sync, again.total.entries_in) == (1, 0)
    bob.lock("a test").close()


def test_a_daemon_tells_its_real_ports(ada: Client) -> None:
    """Port 0 became two numbers, which its invites name."""
    status = ada.call(STATUS, StatusRequest())
    assert status.running
    assert [parse_address(address)[0] for address in status.listening] == ["127.0.0.1"] * 2
    assert len(set(status.listening)) == 2
    invite = read_invite(ada.call(INVITE, InviteRequest()).uri)
    assert invite.nodes[0].addresses == status.listening


def test_callers_that_say_nothing_or_rubbish_keep_nobody_out(ada: Client, bob: Home) -> None:
    """More of them than there are places for handshakes; nobody hears a byte from the node."""
    address = parse_address(ada.call(STATUS, StatusRequest()).listening[0])
    ada.call(POST, PostRequest(text="through the crowd"))
    line = ada.call(INVITE, InviteRequest()).uri
    with ExitStack() as crowd:
        callers = [crowd.enter_context(socket.create_connection(address)) for _ in range(12)]
        for number, caller in enumerate(callers[::2]):
            caller.sendall([b"GET / HTTP/1.1\r\n\r\n", b"\x00\x30" + bytes(48)][number % 2])
        with open_client(bob, LOOPBACK, "a test") as client:
            client.call(FOLLOW, FollowRequest(who=(line,)))
            assert client.call(SYNC, SyncRequest()).in_sync == 1
            (post,) = client.call(READ, ReadRequest()).posts
        assert post.text == "through the crowd"
        for caller in callers:
            caller.settimeout(0)
            assert heard(caller) == b""


def heard(caller: socket.socket) -> bytes:
    """Return what a caller was told; a closed or silent line is nothing."""
    try:
        return caller.recv(1_000)
    except OSError:
        return b""


def test_an_address_in_use_is_said_so(ada: Client, bob: Home) -> None:
    """With what to type instead; nothing of the start is left behind."""
    taken = ada.call(STATUS, StatusRequest()).listening[0]
    config = Config(node=NodeConfig(listen=("127.0.0.1:0", taken)))
    with pytest.raises(ServiceError, match="cannot listen on") as caught:
        trio.run(partial(run_node, bob, config, stop=trio.sleep_forever, log=no_log()))
    assert caught.value.code is Code.INVALID
    assert "--listen" in caught.value.hint
    assert not bob.socket.exists()
    bob.lock("a test").close()


def test_nodes_of_different_networks_do_not_talk(ada: Client, bob: Home) -> None:
    """Not even with an invite: the handshake already differs."""
    line = ada.call(INVITE, InviteRequest()).uri
    elsewhere = Config(node=NodeConfig(network="elsewhere"))
    with open_client(bob, elsewhere, "a test") as client:
        client.call(FOLLOW, FollowRequest(who=(line,)))
        receipt = client.call(SYNC, SyncRequest())
        assert [end.outcome for end in receipt.outcomes] == ["refused"]
        assert client.call(STATUS, StatusRequest()).network == "elsewhere"


def test_a_daemon_writes_its_log_where_it_is_told(bob: Home, tmp_path: Path) -> None:
    """From its beginning to its end, and nothing secret in between."""
    file = tmp_path / "log"
    config = LogConfig(level="debug", format="json", file=str(file))
    with opened_log(config) as log, daemon(bob, log=log):
        SocketClient(bob.socket).call(POST, PostRequest(text="x"))
    text = file.read_text()
    assert '"event":"ready"' in text
    assert '"event":"stopped"' in text
    for secret in (bob.path / "keys").iterdir():
        assert secret.read_text().strip() not in text
    with (
        pytest.raises(ServiceError, match="cannot write the log"),
        opened_log(LogConfig(file=str(tmp_path))),
    ):
        pytest.fail("a directory was opened as a log")
