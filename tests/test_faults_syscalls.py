"""A command is killed at each thing that it asks of the disk: the same command again goes on.

strace sends SIGKILL as the system call is made, so every state that a home can be left in is
met, and not only the likely ones.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from slowlight.node.beginning import begin
from slowlight.node.client import open_client
from slowlight.node.clock import system_clock
from slowlight.node.config import Config
from slowlight.node.home import Home
from slowlight.node.operations import POST, READ, PostRequest, ReadRequest
from slowlight.protocol.identity import incept
from tests.daemons import make_home
from tests.processes import COMMAND, PATIENCE_S, environment
from tests.remains import copied, examine

pytestmark = pytest.mark.long

STEPS: Final = {
    "mkdir": 1,
    "write": 1,
    "rename": 1,
    "unlink": 1,
    "ftruncate": 1,
    "fsync": 1,
    "fdatasync": 1,
    "pwrite64": 7,
}
"""What changes a disk, and which of its calls are tried: every one, or one in so many."""


def killed_at(syscall: str, number: int, home: Home, *arguments: str) -> bool:
    """Carry out a command that dies at one system call; return whether it came to that."""
    done = subprocess.run(
        [
            *("strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={syscall}"),
            *("-e", f"inject={syscall}:signal=SIGKILL:when={number}"),
            *(*COMMAND, "--home", str(home.path), *arguments),
        ],
        env=environment(home.path.parent, {"PYTHONDONTWRITEBYTECODE": "1"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode in (0, -9), done.stderr.decode()
    return done.returncode != 0


def deaths(syscall: str, path: Path, *arguments: str) -> Iterator[Home]:
    """Yield a home after each death of a command at a system call, until it lives."""
    for number in count(1, STEPS[syscall]):
        home = Home(path / f"{syscall} {number}")
        if not killed_at(syscall, number, home, *arguments):
            assert number > 1, f"the command makes no {syscall}"
            return
        yield home


@pytest.mark.parametrize("syscall", STEPS)
def test_a_beginning_that_was_killed_is_gone_on_with(tmp_path: Path, syscall: str) -> None:
    """With the secrets that were made, and none is left under a temporary name."""
    for home in deaths(syscall, tmp_path, "init", "--name", "ada"):
        seed_file = home.path / "keys" / "root.seed"
        seed = bytes.fromhex(seed_file.read_text()) if seed_file.exists() else None
        result = begin(home, name="ada", clock=system_clock, random_bytes=os.urandom)
        assert seed in (None, home.keys.root_seed())
        assert result.person.identity == incept(home.keys.root_seed()).identity.hex()
        assert result.person.name == "ada"
        secrets = {path.name for path in seed_file.parent.iterdir()}
        assert secrets == {"root.seed", "device.key", "box.key"}
        with open_client(home, Config(), "a test") as client:
            client.call(POST, PostRequest(text="First light"))
        remains = examine(copied(home, tmp_path / f"of {home.path.name}"), [identity_of(home)])
        assert list(remains.posts.values()) == ["First light"]


@pytest.mark.parametrize("syscall", ["write", "fdatasync", "pwrite64", "ftruncate", "unlink"])
def test_a_post_that_was_killed_is_written_once(tmp_path: Path, syscall: str) -> None:
    """Typed again with its client key, it is there once, whether it had been committed or not."""
    for number in count(1):
        home = make_home(tmp_path / f"{syscall} {number}", 1, "ada")
        post = ("post", "First light", "--client-key", "k")
        if not killed_at(syscall, number, home, *post):
            assert number > 1, f"a post makes no {syscall}"
            return
        left = examine(copied(home, tmp_path / f"of {home.path.name}"), [identity_of(home)])
        with open_client(home, Config(), "a test") as client:
            again = client.call(POST, PostRequest(text="First light", client_key="k"))
            assert again.repeated == (len(left.posts) == 1)
            assert [post.text for post in client.call(READ, ReadRequest(scope="all")).posts] == [
                "First light"
            ]


def identity_of(home: Home) -> bytes:
    """Return whose home it is."""
    return incept(home.keys.root_seed()).identity
