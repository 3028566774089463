"""Real homes, real processes: what a person meets on the first day."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import socket
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.processes import COMMAND, PATIENCE_S, Daemon, environment, slowlight


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the home of ada."""
    assert slowlight(tmp_path, "--home", "ada", "init", "--name", "ada").code == 0
    return tmp_path


def test_a_first_day(tmp_path: Path) -> None:
    """From nothing to reading oneself, without a daemon."""
    begun = slowlight(tmp_path, "--home", "ada", "init", "--name", "ada")
    assert begun.out.startswith("Hello, ada.\n  you are  ada@")
    assert "key words" in begun.err
    again = slowlight(tmp_path, "--home", "ada", "init", "--name", "someone else")
    assert again.code == 0
    assert again.out.startswith("This home has an identity already; nothing was changed.\n")
    posted = slowlight(tmp_path, "--home", "ada", "post", "First light", "--json").json["post"]
    answer = slowlight(
        tmp_path, "--home", "ada", "post", "-", "--reply", posted["short_id"], stdin=b"Yes.\n"
    )
    assert answer.out.startswith("Posted ")
    thread = slowlight(tmp_path, "--home", "ada", "read", "--thread", posted["short_id"])
    assert thread.out.startswith("Thread of 2 posts\n")
    assert slowlight(tmp_path, "--home", "ada", "read").code == 3
    assert "First light" in slowlight(tmp_path, "--home", "ada", "search", "light").out
    assert "not running" in slowlight(tmp_path, "--home", "ada", "status").out


def test_two_homes_meet(folder: Path) -> None:
    """An invite, a follow, a sync with its receipt, an answer that comes back."""
    assert slowlight(folder, "--home", "bob", "init", "--name", "bob").code == 0
    question = slowlight(folder, "--home", "ada", "post", "Anyone out there?", "--json").json
    with Daemon(folder, "ada") as ada:
        assert ada.ready["person"]["name"] == "ada"
        assert ada.ready["running"]
        invite = slowlight(folder, "--home", "ada", "invite").out
        assert slowlight(folder, "--home", "bob", "follow", "-", stdin=invite.encode()).code == 0
        receipt = slowlight(folder, "--home", "bob", "sync")
        assert receipt.code == 0
        assert f" · in sync · {ada.address}\n  came " in receipt.out
        assert "Anyone out there?" in slowlight(folder, "--home", "bob", "read").out
        with Daemon(folder, "bob"):
            bob = slowlight(folder, "--home", "bob", "profile", "--json").json["person"]
            assert slowlight(folder, "--home", "ada", "follow", bob["identity"]).code == 0
            answer = slowlight(
                *(folder, "--home", "bob", "post", "Yes."),
                *("--reply", question["post"]["short_id"]),
            )
            assert answer.code == 0
            synced = slowlight(folder, "--home", "bob", "sync", "--json")
            assert synced.code == 0
            shown = slowlight(folder, "--home", "ada", "read").out
            assert "Yes." in shown
            assert "Anyone out there?" in shown
            status = slowlight(folder, "--home", "ada", "status")
            assert status.out.startswith("In sync with all: 1 peer.\n")


def test_a_daemon_stops_cleanly_and_alone(folder: Path) -> None:
    """SIGINT and SIGTERM end it with 0 and leave no socket; a second one on the home is 4."""
    for how in (signal.SIGINT, signal.SIGTERM):
        with Daemon(folder, "ada") as ada:
            second = slowlight(folder, "--home", "ada", "run")
            assert second.code == 4
            assert f"is in use by process {ada.pid} (slowlight run)" in second.err
            assert ada.end(how) == 0
        assert not (folder / "ada" / "api.sock").exists()


def test_a_dead_daemons_socket_is_in_nobodys_way(folder: Path) -> None:
    """After kill -9 the next command simply works."""
    with Daemon(folder, "ada") as ada:
        slowlight(folder, "--home", "ada", "post", "before")
        ada.end(signal.SIGKILL)
    assert slowlight(folder, "--home", "ada", "post", "after").code == 0
    posts = slowlight(folder, "--home", "ada", "read", "--all", "--json").json["posts"]
    assert [post["text"] for post in posts] == ["after", "before"]


def test_a_ready_line_is_for_people_too(folder: Path) -> None:
    """Who, where, and the socket, on one line."""
    daemon = subprocess.Popen(
        [*COMMAND, "--home", "ada", "run", "--listen", "127.0.0.1:0", "--log-level", "error"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(folder, {}),
    )
    with daemon:
        assert daemon.stdout is not None
        line = daemon.stdout.readline().decode()
        daemon.terminate()
        _, log = daemon.communicate(timeout=PATIENCE_S)
    assert line.startswith("ada@")
    assert " is ready, listening on 127.0.0.1:" in line
    assert line.endswith(f", socket {folder}/ada/api.sock\n")
    assert log == b""
    assert daemon.returncode == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--listen", "nowhere"), "nowhere"),
        (("--listen", "192.0.2.1:4242"), "cannot listen on 192.0.2.1:4242"),
        (("--log-file", "/no/such/folder/log"), "/no/such/folder/log"),
    ],
)
def test_a_daemon_that_cannot_start_says_why(
    folder: Path, options: tuple[str, ...], said: str
) -> None:
    """Exit code 2, an error, no traceback."""
    ending = slowlight(folder, "--home", "ada", "run", *options)
    assert (ending.code, ending.out) == (2, "")
    assert said in ending.err
    assert "Traceback" not in ending.err


def test_secrets_stay_where_they_are(folder: Path) -> None:
    """Only the owner can read them; neither errors nor logs hold one."""
    keys = folder / "ada" / "keys"
    secrets = [path.read_text().strip() for path in keys.iterdir()]
    words = slowlight(folder, "--home", "ada", "key", "words", "--json").json["words"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in keys.iterdir())
    with Daemon(folder, "ada", "--log-level", "debug") as ada:
        said = [ada.log.read_text()]
        for command in ("status", "profile", "peer list", "config list", "show k3v9", "sync"):
            ending = slowlight(folder, "--home", "ada", *command.split())
            said += [ending.out, ending.err]
        ada.end()
        said.append(ada.log.read_text())
    (keys / "root.seed").write_text(secrets[0][:-2] + "\n")
    damaged = slowlight(folder, "--home", "ada", "key", "words")
    assert damaged.code == 6
    (keys / "device.key").chmod(0o644)
    open_keys = slowlight(folder, "--home", "ada", "post", "x")
    assert open_keys.code == 1
    assert "chmod 600" in open_keys.err
    said += [damaged.out, damaged.err, open_keys.out, open_keys.err]
    for text in said:
        assert not any(secret[:16] in text for secret in secrets)
        assert " ".join(words[:2]) not in text


def test_ctrl_c_ends_a_long_wait(folder: Path) -> None:
    """A peer that never says a word: exit code 130, no traceback, and the home is free again."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert slowlight(folder, "--home", "bob", "init").code == 0
        invite = slowlight(folder, "--home", "bob", "invite", "--address", address).out
        assert slowlight(folder, "--home", "ada", "follow", invite.strip()).code == 0
        sync = subprocess.Popen(
            [*COMMAND, "--home", "ada", "sync"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(folder, {}),
        )
        with sync:
            assert sync.stderr is not None
            assert sync.stderr.readline().endswith(b": dialling\n")
            sync.send_signal(signal.SIGINT)
            out, err = sync.communicate(timeout=PATIENCE_S)
    assert (sync.returncode, out, err) == (130, b"", b"error: interrupted\n")
    assert slowlight(folder, "--home", "ada", "status").code == 0


def test_closed_streams_are_no_danger(folder: Path) -> None:
    """A command started without them works, and writes nothing where it should not."""
    posted = subprocess.run(
        ["sh", "-c", f"{shlex.join(COMMAND)} --home ada post hello <&- >&- 2>&-"],
        cwd=folder,
        env=environment(folder, {}),
        timeout=PATIENCE_S,
        check=False,
    )
    assert posted.returncode == 0
    posts = slowlight(folder, "--home", "ada", "read", "--all", "--json").json["posts"]
    assert [post["text"] for post in posts] == ["hello"]


def on_a_terminal(folder: Path, *arguments: str, **environ: str) -> str:
    """What a command writes to the terminal that a person sits at, until it ends."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(folder, {"TERM": "xterm", "PAGER": "cat", **environ}),
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # how Linux says that the other end has closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    process.wait(PATIENCE_S)
    return shown.decode().replace("\r\n", "\n")


def test_a_person_sees_the_words_once(tmp_path: Path) -> None:
    """On a terminal init shows them; in a pipe it says how to see them."""
    shown = on_a_terminal(tmp_path, "--home", "ada", "init", "--name", "ada", "--color", "never")
    words = slowlight(tmp_path, "--home", "ada", "key", "words", "--json").json["words"]
    assert all(f"{number:>2} {word}" in shown for number, word in enumerate(words, start=1))
    again = on_a_terminal(tmp_path, "--home", "ada", "init", "--color", "never")
    assert words[0] not in again.split()


def test_a_person_on_a_terminal_has_colours(folder: Path) -> None:
    """And a hostile text there has none of its own."""
    slowlight(folder, "--home", "ada", "post", "\x1b[31mred\x1b]0;title\x07\x9b2J")
    shown = on_a_terminal(folder, "--home", "ada", "read", "--all")
    assert "\x1b[36mada@" in shown
    assert "\ufffd[31mred\ufffd]0;title\ufffd\ufffd2J" in shown
    plain = on_a_terminal(folder, "--home", "ada", "read", "--all", "--color", "never")
    assert all(line.isprintable() for line in plain.split("\n"))


@pytest.mark.parametrize(
    ("variables", "before_each_line"),
    [
        ({"PAGER": "sed s/^/paged:/"}, "paged:"),
        ({"PAGER": "cat", "SLOWLIGHT_PAGER": "sed s/^/ours:/"}, "ours:"),
        ({"PAGER": "no-such-pager"}, ""),
        ({"PAGER": "'unbalanced"}, ""),
        ({"PAGER": ""}, ""),
    ],
)
def test_long_answers_go_through_the_persons_pager(
    folder: Path, variables: dict[str, str], before_each_line: str
) -> None:
    """Where there is one; never into a pipe."""
    shown = on_a_terminal(folder, "--home", "ada", "read", "--all", "--color", "never", **variables)
    assert shown == f"{before_each_line}Nothing is here yet.\n"
    piped = slowlight(folder, "--home", "ada", "read", "--all", environ=variables)
    assert piped.out == "Nothing is here yet.\n"


def test_the_editor_opens_where_a_person_sits(folder: Path) -> None:
    """Without a text; what it leaves is posted."""
    editor = folder / "editor"
    editor.write_text('#!/bin/sh\necho "written by hand" > "$1"\n')
    editor.chmod(0o700)
    shown = on_a_terminal(folder, "--home", "ada", "post", EDITOR=str(editor))
    assert "Posted " in shown
    posts = slowlight(folder, "--home", "ada", "read", "--all", "--json").json["posts"]
    assert [post["text"] for post in posts] == ["written by hand"]


def test_whoever_adds_another_device_of_theirs_is_not_told_to_follow_themselves(
    folder: Path,
) -> None:
    """The next thing to do with it is to sync."""
    words = slowlight(folder, "--home", "ada", "key", "words").out
    paper = "".join(line for line in words.splitlines(True) if line.startswith("  ")).encode()
    assert slowlight(folder, "--home", "new", "key", "add-device", "-", stdin=paper).code == 0
    invite = slowlight(folder, "--home", "ada", "invite", "--address", "192.0.2.7:4242").out
    added = slowlight(folder, "--home", "new", "peer", "add", "-", stdin=invite.encode())
    assert added.code == 0
    assert " follow " not in added.err
    assert added.err.strip().endswith(" sync")


def test_a_database_of_a_newer_version_is_refused_politely(folder: Path) -> None:
    """It says what to use instead, and the file is as it was."""
    database = folder / "ada" / "node.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('slowlight', 'from_the_future', '2050-01-01')"
        )
    before = database.read_bytes()
    for words in (("post", "First light"), ("read",)):
        refused = slowlight(folder, "--home", "ada", *words)
        assert refused.code == 1
        assert "a newer version of Slowlight wrote this database" in refused.err
        assert "use the version that wrote it, or another home" in refused.err
    assert database.read_bytes() == before
