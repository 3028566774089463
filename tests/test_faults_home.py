"""A home that is in use, full, locked away, damaged or badly configured: said once and plainly.

Nothing is half written, what can still be read is read, and when the trouble is over everything
goes on by itself.
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

from slowlight.node.client import SocketClient, open_client
from slowlight.node.config import Config
from slowlight.node.errors import Code, ServiceError
from slowlight.node.home import Home
from slowlight.node.peer_operations import (
    INVITE,
    STATUS,
    SYNC,
    InviteRequest,
    StatusRequest,
    SyncRequest,
)
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.post_operations import (
    POST,
    READ,
    SEARCH,
    PostRequest,
    ReadRequest,
    SearchRequest,
)
from tests.command_line import Ending
from tests.daemons import Daemon, make_home, running
from tests.disks import COMMON
from tests.processes import COMMAND, PATIENCE_S, environment, slowlight

UNLIMITED: Final = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The home of ada, who has written once."""
    made = make_home(tmp_path / "ada", 1, "ada")
    with open_client(made, Config(), "a test") as client:
        client.call(POST, PostRequest(text="before"))
    return made


def typed(home: Home, *arguments: str) -> Ending:
    """Type a command for a home."""
    return slowlight(home.path.parent, "--home", home.path.name, *arguments)


def typed_by_anyone(home: Home, *arguments: str) -> Ending:
    """Type a command as somebody whom permissions bind, also where root runs the tests."""
    prefix = COMMON if os.geteuid() == 0 else ()
    done = subprocess.run(
        [*prefix, *COMMAND, "--home", home.path, *arguments],
        env=environment(home.path.parent, {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Ending(done.returncode, done.stdout.decode(), done.stderr.decode())


def contents(home: Home) -> dict[str, bytes]:
    """Return every file of a home."""
    files = [path for path in home.path.rglob("*") if path.is_file()]
    return {str(path.relative_to(home.path)): path.read_bytes() for path in files}


# In use


def test_a_command_keeps_a_daemon_out_and_is_named(home: Home) -> None:
    """A sync that somebody began without a daemon: `run` says who has the home, and ends."""
    with home.lock("slowlight sync"):
        for ending in (typed(home, "run"), typed(home, "run", "--json")):
            assert (ending.code, ending.out) == (4, "")
            assert f"in use by process {os.getpid()} (slowlight sync)" in ending.err
        assert not home.socket.exists()
    with running(home) as daemon:
        assert daemon.life.end() == 0


def test_a_second_daemon_leaves_the_first_one_alone(home: Home) -> None:
    """It names the first one, which goes on answering commands."""
    with running(home) as daemon:
        for _ in range(3):
            second = typed(home, "run", "--listen", "127.0.0.1:0")
            assert (second.code, second.out) == (4, "")
            assert f"in use by process {daemon.life.pid} (slowlight run)" in second.err
            assert "Traceback" not in second.err
        assert typed(home, "post", "after").code == 0
        assert daemon.client.call(STATUS, StatusRequest()).posts == 2
        assert daemon.life.end() == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_whoever_saw_it_ready_can_end_it(home: Home, tmp_path: Path, how: signal.Signals) -> None:
    """At once: peers hear goodbye, the socket is gone, the home is free."""
    with running(make_home(tmp_path / "bob", 2, "bob")) as bob:
        with running(home) as daemon:
            assert daemon.life.end(how) == 0
            assert not home.socket.exists()
        with running(home) as daemon:
            invite = daemon.client.call(INVITE, InviteRequest()).uri
            bob.client.call(FOLLOW, FollowRequest(who=(invite,)))
            assert bob.client.call(SYNC, SyncRequest()).in_sync == 1
            assert daemon.life.end(how) == 0
            assert not home.socket.exists()
            log = daemon.life.log.read_text()
            assert log.splitlines()[-1].endswith("stopped")
            assert "Traceback" not in log
        assert bob.life.end() == 0
        assert "reason=farewell" in bob.life.log.read_text()
    assert typed(home, "post", "after").code == 0


def test_what_a_killed_daemon_leaves_is_in_nobodys_way(home: Home) -> None:
    """Its socket stands there and answers nobody: the next daemon takes its place."""
    with running(home) as daemon:
        daemon.kill()
        assert home.socket.is_socket()
        assert typed(home, "status").code == 0
        daemon.start()
        assert typed(home, "post", "after").code == 0
        assert daemon.client.call(STATUS, StatusRequest()).posts == 2
        assert daemon.life.end() == 0


def test_a_reader_of_the_log_may_leave(home: Home) -> None:
    """As in ``slowlight run 2>&1 | head``: the node runs on."""
    daemon = subprocess.Popen(
        [*COMMAND, "--home", home.path, "run", "--listen", "127.0.0.1:0", "--log-level", "debug"],
        env=environment(home.path.parent, {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with daemon:
        assert daemon.stdout is not None
        assert daemon.stderr is not None
        assert daemon.stdout.readline()
        daemon.stderr.close()
        assert typed(home, "post", "after").code == 0
        assert SocketClient(home.socket).call(STATUS, StatusRequest()).pid == daemon.pid
        daemon.terminate()
        assert daemon.wait(PATIENCE_S) == 0


def test_nobody_to_tell_that_it_is_ready(home: Home) -> None:
    """As in ``slowlight run | true``: it ends as any command does that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    daemon = subprocess.Popen(
        [*COMMAND, "--home", home.path, "run", "--listen", "127.0.0.1:0"],
        env=environment(home.path.parent, {}),
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    _, log = daemon.communicate(timeout=PATIENCE_S)
    assert daemon.returncode == 0
    assert b"Traceback" not in log
    assert not home.socket.exists()
    assert typed(home, "post", "after").code == 0


def test_another_program_in_the_database_is_waited_for_and_then_named(home: Home) -> None:
    """Somebody looks into it with sqlite3, in the middle of a transaction."""
    with closing(sqlite3.connect(home.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ending = typed(home, "post", "after")
        assert (ending.code, ending.out) == (1, "")
        assert "another program has it open" in ending.err
        other.execute("ROLLBACK")
    assert typed(home, "post", "after").code == 0


# Without room


@contextmanager
def full_disk(daemon: Daemon) -> Generator[None]:
    """Let every write of a daemon to a file fail, its log among them."""
    pid = daemon.life.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, UNLIMITED)


def test_a_daemon_reads_on_while_the_disk_is_full(home: Home, tmp_path: Path) -> None:
    """Writing is refused with a reason; when there is room again nothing is lost or doubled."""
    with running(home) as ada, running(make_home(tmp_path / "bob", 2, "bob")) as bob:
        invite = ada.client.call(INVITE, InviteRequest()).uri
        bob.client.call(FOLLOW, FollowRequest(who=(invite,)))
        ada.client.call(FOLLOW, FollowRequest(who=(bob.status.person.identity,)))
        bob.client.call(POST, PostRequest(text="from bob, before"))
        assert bob.client.call(SYNC, SyncRequest()).in_sync == 1
        with full_disk(ada):
            for _ in range(2):
                with pytest.raises(ServiceError, match="disk") as caught:
                    ada.client.call(POST, PostRequest(text="during", client_key="k"))
                assert caught.value.code is Code.STORAGE
                assert "free space" in caught.value.hint
                (new,) = ada.client.call(READ, ReadRequest()).posts
                assert new.text == "from bob, before"
            assert len(ada.client.call(READ, ReadRequest(scope="all")).posts) == 2
            found = ada.client.call(SEARCH, SearchRequest(query="before"))
            assert len(found.posts) + found.behind == 2
            bob.client.call(POST, PostRequest(text="from bob, during"))
            assert bob.client.call(SYNC, SyncRequest()).in_sync == 0
        for _ in range(2):
            ada.client.call(POST, PostRequest(text="during", client_key="k"))
        assert bob.client.call(SYNC, SyncRequest()).in_sync == 1
        for daemon in (ada, bob):
            posts = daemon.client.call(READ, ReadRequest(scope="all")).posts
            texts = sorted(post.text or "" for post in posts)
            assert texts == ["before", "during", "from bob, before", "from bob, during"]
            assert daemon.life.end() == 0
            assert "Traceback" not in daemon.life.log.read_text()


def limit_files(most_bytes: int) -> Callable[[], None]:
    """Return what lets a new process write files of at most so many bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return limit


def typed_without_room(
    home: Home, most_bytes: int, *command: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command that can write no file beyond so many bytes."""
    return subprocess.run(
        [*COMMAND, "--home", home.path, *command],
        env=environment(home.path.parent, {"PYTHONDONTWRITEBYTECODE": "1"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
        preexec_fn=limit_files(most_bytes),
    )


@pytest.mark.parametrize("most_bytes", [0, 1_000, 40_000])
def test_commands_read_on_where_nothing_can_be_written(home: Home, most_bytes: int) -> None:
    """Not even the file that several readers of a database would share."""
    for command, said in (
        (("read", "--all"), b"before"),
        (("status",), b"not running"),
        (("db", "check"), b"Sound"),
    ):
        done = typed_without_room(home, most_bytes, *command)
        assert (done.returncode, said in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("most_bytes", [0, 1_000, 40_000])
def test_a_command_without_room_leaves_nothing_half_done(home: Home, most_bytes: int) -> None:
    """Neither a post, which is as if never written, nor a beginning, which is gone on with."""
    new = Home(home.path.with_name("new"))
    for each, command in ((home, ("post", "x" * 30_000)), (new, ("init", "--name", "new"))):
        done = typed_without_room(each, most_bytes, *command)
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.startswith(b"error: ")
        assert b"Traceback" not in done.stderr
    posts = typed(home, "read", "--all", "--json").json["posts"]
    assert [post["text"] for post in posts] == ["before"]
    assert typed(new, "init", "--name", "new").code == 0
    assert typed(new, "profile", "--json").json["person"]["name"] == "new"
    for each in (home, new):
        assert typed(each, "post", "after").code == 0


# Locked away, damaged, badly configured


def test_a_home_that_cannot_be_written_is_left_as_it_is(home: Home) -> None:
    """One error that says so, whatever would write; who only looks, reads."""
    before = contents(home)
    parts = [home.path, *(path for path in home.path.rglob("*") if path.is_dir())]
    for path in home.path.rglob("*"):
        path.chmod(0o400)
    for directory in parts:
        directory.chmod(0o500)
    assert [typed_by_anyone(home, command).code for command in ("read", "status")] == [3, 0]
    for command in ("post after", "run", "init"):
        ending = typed_by_anyone(home, *command.split())
        assert (ending.code, ending.out) == (1, "")
        assert f"{home.path} cannot be written" in ending.err
        assert "Traceback" not in ending.err
    for directory in parts:
        directory.chmod(0o700)
    assert contents(home) == before


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"node = [", "is not TOML"),
        (b"\xff\xfe", "cannot be read"),
        (b'[node]\nlistne = ["127.0.0.1:0"]\n', "listne"),
        (b'[node]\nlisten = "everywhere"\n', "listen"),
        (b"[limits]\nlinks = 0\n", "links"),
    ],
)
def test_a_configuration_that_is_wrong_is_named(home: Home, written: bytes, said: str) -> None:
    """With its file, before anything begins."""
    home.config.write_bytes(written)
    for command in ("run", "post after"):
        ending = typed(home, *command.split())
        assert (ending.code, ending.out) == (2, "")
        assert str(home.config) in ending.err
        assert said in ending.err
        assert "Traceback" not in ending.err


def test_a_configuration_that_cannot_be_read_is_named(home: Home) -> None:
    """It belongs to somebody else, or is no file."""
    foreign, directory = home.config.with_name("foreign"), home.config.with_name("directory")
    foreign.write_text("")
    foreign.chmod(0)
    directory.mkdir()
    for stands, said in ((foreign, "Permission denied"), (directory, "Is a directory")):
        stands.rename(home.config)
        ending = typed_by_anyone(home, "post", "after")
        assert (ending.code, ending.out) == (2, "")
        assert f"{home.config} cannot be read" in ending.err
        assert said in ending.err
        home.config.rename(stands)


@pytest.mark.parametrize(
    ("name", "mode"), [("", 0o750), ("device.key", 0o640), ("box.key", 0o604), ("box.key", 0o620)]
)
def test_no_daemon_runs_on_secrets_that_others_can_get_at(home: Home, name: str, mode: int) -> None:
    """Nor does it mend them: whoever could read them may have done so."""
    secret = home.path / "keys" / name
    secret.chmod(mode)
    ending = typed(home, "run")
    assert (ending.code, ending.out) == (1, "")
    assert f"chmod {'600' if name else '700'} {secret}" in ending.err
    assert secret.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("damage", [b"", b"rubbish" * 1_000])
def test_a_damaged_database_is_named_and_left_alone(home: Home, damage: bytes) -> None:
    """For commands and for the daemon."""
    home.database.write_bytes(damage)
    for command in ("run", "post after"):
        ending = typed(home, *command.split())
        assert ending.code in (1, 6)
        assert ending.out == ""
        assert str(home.database) in ending.err
        assert "Traceback" not in ending.err
    if damage:
        assert home.database.read_bytes() == damage
