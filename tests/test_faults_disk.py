"""A disk that is read-only or full: said plainly, nothing acknowledged is lost, and it passes."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Final

import pytest

from slowlight.node.client import open_client
from slowlight.node.config import Config
from slowlight.node.errors import Code, ServiceError
from slowlight.node.home import Home
from slowlight.node.peer_operations import STATUS, StatusRequest
from slowlight.node.post_operations import (
    POST,
    READ,
    SEARCH,
    PostRequest,
    ReadRequest,
    SearchRequest,
)
from slowlight.protocol.identity import incept
from tests.daemons import Daemon, make_home, running
from tests.disks import Disk, disk_at
from tests.remains import copied, examine

READING: Final = ("read --all", "search before", "status", "profile", "peer list")
LOOKING_ON: Final = ("read --peek", "db stats", "key devices", "forks")
LOOKING_AFTER: Final = ("db check", "db compact", "db rebuild")
WRITING: Final = ("post after", "profile --name bob", "invite", "init", "run")
LONGEST_POST_BYTES: Final = 30_000
MOST_POSTS: Final = 200
"""More than fit on the disk."""


@pytest.fixture(params=[True, False], ids=["mounted", "withheld"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Disk]:
    """A disk of its own if mounting is allowed; and in any case what stands for one."""
    with disk_at(tmp_path / "disk", mount=request.param) as made:
        yield made


@pytest.fixture
def home(disk: Disk) -> Home:
    """The home of ada, who has written once."""
    made = make_home(disk.path / "ada", 1, "ada")
    with open_client(made, Config(), "a test") as client:
        client.call(POST, PostRequest(text="before"))
    return made


def digests(home: Home) -> dict[str, bytes]:
    """Return what every file of a home holds, in short."""
    files = [path for path in home.path.rglob("*") if path.is_file()]
    return {str(path): hashlib.blake2b(path.read_bytes()).digest() for path in files}


def texts(home: Home, folder: Path, client_keys: Iterable[str] = ()) -> list[str]:
    """Prove everything in a home that nobody uses; return its posts in their order."""
    identity = incept(home.keys.root_seed()).identity
    remains = examine(copied(home, folder), [identity], client_keys=client_keys)
    return list(remains.posts.values())


# Read-only


def check_refused_politely(disk: Disk, home: Home, commands: Iterable[str]) -> None:
    for command in commands:
        ending = disk.typed(home, *command.split())
        assert (command, ending.code, ending.out) == (command, 1, "")
        said = " ".join(ending.err.split())
        assert "cannot be written" in said or "can only be read here" in said
        assert "hint: make" in said
        assert "or copy it to where it is" in said
        assert "Traceback" not in ending.err


def check_read(disk: Disk, home: Home, texts: list[str]) -> None:
    for command in (*READING, *LOOKING_ON):
        ending = disk.typed(home, *command.split())
        assert (command, ending.code in (0, 3), "error" in ending.err) == (command, True, False)
    read = disk.typed(home, "read", "--all", "--json")
    assert [post["text"] for post in read.json["posts"]] == texts
    post = read.json["posts"][0]
    assert texts[0] in disk.typed(home, "show", post["id"]).out
    found = disk.typed(home, "search", texts[0], "--json").json
    assert len(found["posts"]) + found["behind"] >= 1


def test_a_home_on_a_read_only_disk_is_read(disk: Disk, home: Home, tmp_path: Path) -> None:
    """Reading works; whatever would write says what to do; no byte moves, and then all goes on."""
    assert disk.typed(home, "search", "before").code == 0  # the index has read it
    before = digests(home)
    with disk.read_only():
        check_read(disk, home, ["before"])
        check_refused_politely(disk, home, (*LOOKING_AFTER, *WRITING))
        assert disk.typed(home, "key", "words").code == 0
        assert disk.typed(home, "config", "list").code == 0
        new = disk.typed(Home(home.path / "new"), "init")
        assert (new.code, new.out) == (1, "")
        assert new.err.startswith("error: ")
        assert "Traceback" not in new.err
        assert digests(home) == before
    for command in (*READING, "db check", "post after"):
        assert disk.typed(home, *command.split()).code == 0
    with running(home) as daemon:
        daemon.client.call(POST, PostRequest(text="through the daemon"))
        assert daemon.life.end() == 0
    assert texts(home, tmp_path / "copy") == ["before", "after", "through the daemon"]


def test_a_disk_may_turn_read_only_under_a_node_that_was_killed(
    disk: Disk, home: Home, tmp_path: Path
) -> None:
    """What was acknowledged stands in a log that nobody emptied; it stays there, and is read."""
    with running(home) as daemon:
        daemon.client.call(POST, PostRequest(text="acknowledged"))
        daemon.kill()
    before = digests(home)
    with disk.read_only():
        check_read(disk, home, ["acknowledged", "before"])
        check_refused_politely(disk, home, ("run", "post after"))
        assert digests(home) == before
    ending = disk.typed(home, "read", "--all", "--json")
    assert [post["text"] for post in ending.json["posts"]] == ["acknowledged", "before"]
    assert disk.typed(home, "post", "after").code == 0
    assert texts(home, tmp_path / "copy") == ["before", "acknowledged", "after"]


def test_who_only_reads_keeps_nobody_from_reading_but_from_writing(disk: Disk, home: Home) -> None:
    """Several may read a home that cannot be written; one that somebody writes is left alone."""
    with disk.read_only(), home.lock("a reader", may_only_read=True) as lock:
        if disk.mounted:
            assert lock.read_only
            assert disk.typed(home, "read", "--all").code == 0
        else:
            ending = disk.typed(home, "read", "--all")
            assert ending.code == 4
            assert "a reader" in ending.err


def test_a_copy_of_what_is_on_a_read_only_disk_can_be_read(disk: Disk, home: Home) -> None:
    """As the hint says; by way of `cp -r`."""
    there = Home(disk.path.parent / "copy")
    with disk.read_only():
        there.path.mkdir(mode=0o700)
        for path in sorted(home.path.rglob("*")):
            target = there.path / path.relative_to(home.path)
            if path.is_dir():
                target.mkdir(mode=0o700)
            else:
                target.write_bytes(path.read_bytes())
                target.chmod(0o600)
        ending = disk.typed(there, "read", "--all", "--json")
        assert [post["text"] for post in ending.json["posts"]] == ["before"]


# Full


def post_until_full(daemon: Daemon) -> list[str]:
    """Post long texts until there is no room; return the client keys of what was acknowledged."""
    for number in range(MOST_POSTS):
        try:
            daemon.client.call(POST, long_post(number))
        except ServiceError as error:
            check_no_room(error)
            return [str(done) for done in range(number)]
    raise AssertionError


def long_post(number: int) -> PostRequest:
    return PostRequest(text=f"{number:{LONGEST_POST_BYTES}}", client_key=str(number))


def check_no_room(error: ServiceError) -> None:
    assert error.code is Code.STORAGE
    assert "disk" in error.message
    assert "free space" in error.hint


def test_a_disk_that_fills_up_costs_nothing(disk: Disk, home: Home, tmp_path: Path) -> None:
    """The daemon refuses posts and reads on; when there is room it posts again by itself."""
    with running(home) as daemon:
        daemon.client.call(POST, long_post(0))
        kept = ["0"]
        with disk.full(daemon.life.pid):
            for _ in range(3):
                with pytest.raises(ServiceError) as caught:
                    daemon.client.call(POST, long_post(1))
                check_no_room(caught.value)
                typed = disk.typed(home, "post", "during")
                assert (typed.code, typed.out) == (1, "")
                assert "free space" in typed.err
                posts = daemon.client.call(READ, ReadRequest(scope="all")).posts
                assert len(posts) == 1 + len(kept)
            found = daemon.client.call(SEARCH, SearchRequest(query="before"))
            assert len(found.posts) + found.behind >= 1
            assert daemon.client.call(STATUS, StatusRequest()).posts == 1 + len(kept)
        for _ in range(2):
            daemon.client.call(POST, long_post(1))
        assert disk.typed(home, "post", "after").code == 0
        if disk.mounted:
            kept = post_until_full(daemon)
            assert len(kept) > 20
            posts = daemon.client.call(READ, ReadRequest(scope="all", limit=100)).posts
            assert len(posts) == 2 + len(kept)
        assert daemon.life.end() == 0
        assert "Traceback" not in daemon.life.log.read_text()
    expected = {f"{int(key):{LONGEST_POST_BYTES}}" for key in {*kept, "1"}} | {"before", "after"}
    written = texts(home, tmp_path / "copy", [*kept, "1"])
    assert (len(written), set(written)) == (len(expected), expected)


def test_a_node_that_was_killed_on_a_full_disk_begins_again(
    disk: Disk, home: Home, tmp_path: Path
) -> None:
    """What was acknowledged is there, and so is what is acknowledged while it is full.

    There may be room by then for a short post, in the log that the dead node left.
    """
    with running(home) as daemon:
        daemon.client.call(POST, PostRequest(text="acknowledged"))
        daemon.kill()
    acknowledged = ["before", "acknowledged"]
    with disk.full():
        for text in ("during", "during, again"):
            reading, posting = disk.typed(home, "read", "--all"), disk.typed(home, "post", text)
            assert reading.code == 0 or not disk.mounted
            for ending in (reading, posting):
                assert ending.code in (0, 1)
                assert "Traceback" not in ending.err
                assert ending.code == 0 or "make room" in ending.err
            acknowledged += [text] * (posting.code == 0)
        refused = disk.typed(home, "post", "x" * LONGEST_POST_BYTES)
        assert (refused.code, refused.out) == (1, "")
        assert "make room" in refused.err
    with running(home) as daemon:
        daemon.client.call(POST, PostRequest(text="after"))
        assert daemon.life.end() == 0
    assert texts(home, tmp_path / "copy") == [*acknowledged, "after"]
