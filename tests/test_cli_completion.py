"""What a shell is offered while somebody types."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from slowlight.cli.completion import COMPLETION_VARIABLE, SHELLS
from slowlight.cli.main import root
from slowlight.cli.shell import Shell
from tests.command_line import Desk, typed
from tests.people import Person
from tests.processes import COMMAND, environment, slowlight


def offered(desk: Desk, *typed_words: str) -> dict[str, str | None]:
    """Return what is offered for the last word, each with its help."""
    shell = Shell(open_client=desk.open_client)
    shell.home_flag = str(desk.home.path)
    complete = ShellComplete(root, {"obj": shell}, "slowlight", COMPLETION_VARIABLE)
    *before, last = typed_words
    return {item.value: item.help for item in complete.get_completions(before, last)}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Ada follows Bob."""
    made = Desk(tmp_path / "ada")
    bob = Person(2)
    bob.profile("Bob")
    bob.post("first\x1b[2J light")
    made.receive(bob)
    assert made.type("follow", "Bob").code == 0
    return made


def test_commands_and_options_are_offered(desk: Desk) -> None:
    """From the root on."""
    assert {"follow", "follows"} <= offered(desk, "fol").keys()
    assert "--json" in offered(desk, "status", "--j")


def test_people_are_offered_by_the_name_that_can_be_typed(desk: Desk) -> None:
    """A name with a space is offered by its short id instead."""
    ((name, short_id),) = offered(desk, "unfollow", "").items()
    assert (name, offered(desk, "unfollow", "B")) == ("Bob", {"Bob": short_id})
    assert offered(desk, "unfollow", "x") == {}
    assert desk.type("name", "Bob", "Bob of Mars").code == 0
    assert offered(desk, "unfollow", "") == {short_id: short_id}


def test_entries_are_offered_with_the_beginning_of_their_text(desk: Desk) -> None:
    """Made safe for the terminal, as everything from a peer."""
    ((short_id, text),) = offered(desk, "show", "").items()
    assert text is not None
    assert "first" in text
    assert "\x1b" not in text
    assert desk.type("show", short_id).code == 0


def test_where_there_is_no_home_nothing_is_offered_and_nothing_said(tmp_path: Path) -> None:
    """An error in the middle of a line would be worse than no help."""
    done = subprocess.run(
        COMMAND,
        cwd=tmp_path,
        env=environment(
            tmp_path,
            {
                COMPLETION_VARIABLE: "bash_complete",
                "COMP_WORDS": "slowlight --home nowhere show ",
                "COMP_CWORD": "4",
            },
        ),
        capture_output=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (b"", b"")


@pytest.mark.parametrize("name", SHELLS)
def test_each_shell_gets_its_script(name: str) -> None:
    """It asks by the variable that the program listens to."""
    done = typed(Shell(), "completion", name)
    assert done.code == 0
    assert f"{COMPLETION_VARIABLE}={name}_complete" in done.out


def test_bash_completes_for_real(tmp_path: Path) -> None:
    """The script loads in bash, and completes an id from a real home."""
    assert slowlight(tmp_path, "--home", "ada", "init", "--name", "ada").code == 0
    assert slowlight(tmp_path, "--home", "ada", "post", "hello").code == 0
    script = slowlight(tmp_path, "completion", "bash").out
    (tmp_path / "complete.sh").write_text(script)
    program = tmp_path / "slowlight"
    program.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    typing = (
        "source ./complete.sh; COMP_WORDS=(./slowlight --home ada show ''); COMP_CWORD=4;"
        ' _slowlight_completion ./slowlight; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", typing],
        cwd=tmp_path,
        env=environment(tmp_path, {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.split()) == 1
    assert slowlight(tmp_path, "--home", "ada", "show", done.stdout.strip()).code == 0


def test_an_unknown_shell_is_refused() -> None:
    """With those that are known."""
    refused = typed(Shell(), "completion", "tcsh")
    assert (refused.code, "bash" in refused.err) == (2, True)
