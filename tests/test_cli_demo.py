"""The demo and what it is made of: real processes, and none of them left behind."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from slowlight.cli import stage
from slowlight.cli.demo import ANSWER
from slowlight.cli.screen import Screen
from slowlight.cli.shell import Shell
from slowlight.cli.stage import CommandFailedError, Stage
from slowlight.simulations.conversation import read_messages
from slowlight.simulations.replay import sign_conversation
from tests.command_line import Ending, typed
from tests.processes import COMMAND, Daemon, environment, slowlight

LONGEST_DEMO_S: Final = 300
"""It takes a tenth; a demo that hangs fails here."""
ENTRIES: Final = 520 * 2 + 2_004
"""Certificates, profiles and posts."""


def demo(folder: Path) -> subprocess.Popen[str]:
    """Begin the demo, with its homes in ``folder / "play"``."""
    return subprocess.Popen(
        [*COMMAND, "demo", "conversation", "--keep", "play"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(folder, {"SLOWLIGHT_NODE_LISTEN": "no address"}),
    )


def status(folder: Path, home: str) -> Ending:
    """How a home is, by the command line."""
    return slowlight(folder, "--home", home, "status", "--json")


def instead_of_slowlight(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Let a program stand for every command of the stage."""

    def command(_arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-c", "\n".join(lines)]

    monkeypatch.setattr(stage, "_command", command)


def test_the_demo_carries_the_whole_conversation_and_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    """Two daemons, 2,000 messages, a thread, an answer that arrives; settings of the person who
    watches do not count."""
    with demo(tmp_path) as process:
        out, err = process.communicate(timeout=LONGEST_DEMO_S)
    assert process.returncode == 0, err
    commands = [one.removeprefix("$ ") for one in out.splitlines() if one.startswith("$ ")]
    assert commands[0] == f"cd {tmp_path / 'play'}"
    assert commands[1] == "slowlight --home ada init --name ada"
    assert commands[-1] == "slowlight --home ada read --all --author bob"
    assert f"came {ENTRIES:,} entries" in out
    assert f"done, {ENTRIES:,} of {ENTRIES:,} came" in err
    arrived = out[out.index(commands[-1]) :]
    assert ANSWER in " ".join(arrived.split())
    for home in ("ada", "bob"):
        told = status(tmp_path / "play", home).json
        assert (told["posts"], told["running"]) == (2_005, False)
        assert f"slowlight --home {home} run --listen 127.0.0.1:" in arrived


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path, ending: signal.Signals) -> None:
    """Ctrl-C, a polite kill, a closed terminal: both daemons have run, and have stopped."""
    with demo(tmp_path) as process:
        assert process.stdout is not None
        ready = (one for one in process.stdout if " is ready, listening on " in one)
        assert [next(ready).split("@")[0] for _ in range(2)] == ["ada", "bob"]
        process.send_signal(ending)
        process.communicate(timeout=LONGEST_DEMO_S)
    assert process.returncode == 130
    for home in ("ada", "bob"):
        assert not status(tmp_path / "play", home).json["running"]
        assert "stopped" in (tmp_path / "play" / f"{home}.log").read_text()


def test_the_demo_wants_a_directory_of_its_own(tmp_path: Path) -> None:
    """Nothing of anybody's is written over."""
    (tmp_path / "letters").write_text("mine")
    refused = typed(Shell(), "demo", "conversation", "--keep", str(tmp_path))
    assert refused.code == 2
    assert "holds something already" in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["letters"]


def test_a_demo_that_breaks_off_says_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which command failed, how, and where its traces are."""
    instead_of_slowlight(monkeypatch, "raise SystemExit(7)")
    broken = typed(Shell(), "demo", "conversation", "--keep", str(tmp_path))
    assert broken.code == 1
    assert "`slowlight --home ada init --name ada` ended with 7" in broken.err
    assert str(tmp_path) in broken.err


@pytest.fixture
def play(tmp_path: Path) -> Stage:
    """A stage in a folder of its own."""
    return Stage(tmp_path, Screen("never", {}), environment(tmp_path, {}))


def break_off(play: Stage) -> None:
    """Type a command that fails while a daemon runs."""
    with play:
        play.type("--home", "ada", "init", stdout="begun.txt")
        ready = play.start("--home", "ada", "run", "--listen", "127.0.0.1:0", "--json", log="log")
        assert ready["running"]
        play.type("--home", "ada", "show", "0000")


def test_a_command_that_fails_stops_the_daemons(tmp_path: Path, play: Stage) -> None:
    """The play ends there, and nothing runs on."""
    with pytest.raises(CommandFailedError, match=r"`slowlight --home ada show 0000` ended with 3"):
        break_off(play)
    assert not status(tmp_path, "ada").json["running"]
    assert "you are" in (tmp_path / "begun.txt").read_text()


def test_a_daemon_that_does_not_start_says_why(play: Stage) -> None:
    """The end of its log is part of the error."""
    with play, pytest.raises(CommandFailedError, match=r"did not become ready\n.*no identity"):
        play.start("--home", "nobody", "run", "--json", log="nobody.log")


def test_a_daemon_that_does_not_stop_is_killed(
    play: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it ignores to be told."""
    instead_of_slowlight(
        monkeypatch,
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "print('\"ready\"', flush=True)",
        "while True: signal.pause()",
    )
    monkeypatch.setattr(stage, "STOP_S", 0.0)
    with play:
        assert play.start("run", log="stubborn.log") == "ready"
        (daemon,) = play.daemons
    assert daemon.returncode == -signal.SIGKILL


def test_sim_lists_the_people_of_the_conversation() -> None:
    """One identity a line for the command line, a list for programs; a seed makes others."""
    people = [identity.hex() for identity in sign_conversation(read_messages()).people]
    assert typed(Shell(), "sim", "people").out.split() == people
    assert typed(Shell(), "sim", "people", "--json").json == {"schema": 1, "people": people}
    others = typed(Shell(), "sim", "people", "--seed", "2").out.split()
    assert not set(others) & set(people)


def test_a_node_takes_of_a_replay_what_it_follows(tmp_path: Path) -> None:
    """First it follows nobody and takes nothing; then one author, whose log it takes."""
    rows = tmp_path / "rows.csv.gz"
    table = b"id,t_unix_s,author,parent,size_bytes\n0,9,0,,5\n1,10,1,0,6\n2,11,0,1,7\n"
    rows.write_bytes(gzip.compress(table))
    here = ("--rows", str(rows))
    assert slowlight(tmp_path, "--home", "ada", "init").code == 0
    asker, _answerer = slowlight(tmp_path, "sim", "people", *here).out.split()
    with Daemon(tmp_path, "ada"):
        for entries in (0, 2):
            invite = slowlight(tmp_path, "--home", "ada", "invite").out
            brought = slowlight(tmp_path, "sim", "replay", "-", *here, stdin=invite.encode())
            assert brought.code == 0
            assert ("It took nothing" in brought.err) == (entries == 0)
            assert status(tmp_path, "ada").json["posts"] == entries
            assert slowlight(tmp_path, "--home", "ada", "follow", asker).code == 0
        last = slowlight(tmp_path, "--home", "ada", "invite").out.strip()
    nobody = slowlight(tmp_path, "sim", "replay", last, *here, "--json")
    assert nobody.code == 5


@pytest.mark.parametrize(
    ("arguments", "stdin", "complaint"),
    [
        (("sim", "replay", "slowlight:abc"), b"", "invite"),
        (("sim", "replay", "-"), b"slowlight:a\nslowlight:b\n", "one name is needed; there are 2"),
        (("sim", "replay", "-"), b"", "there is no name"),
        (("sim", "people", "--rows", "nowhere.csv.gz"), b"", "does not exist"),
        (("sim", "people", "--rows", __file__), b"", "not a conversation"),
        (("sim", "people", "--seed", "-1"), b"", "--seed"),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    arguments: tuple[str, ...], stdin: bytes, complaint: str
) -> None:
    """A wrong invite, a wrong file, a wrong number: exit code 2, and which one it was."""
    refused = typed(Shell(), *arguments, stdin=stdin)
    assert refused.code == 2
    assert complaint in refused.err
