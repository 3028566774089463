"""What all commands share: help, errors, exit codes, JSON, colours, the home that is meant."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from slowlight.cli.main import root, run
from slowlight.cli.shell import Shell
from slowlight.cli.topics import ENVIRONMENT, EXIT_CODES, TOPICS
from slowlight.cli.verbs import Root, Verb, VerbGroup
from slowlight.node.errors import Code, Exit, ServiceError
from slowlight.node.peer_operations import STATUS
from tests.command_line import Desk, ScriptedClient, typed


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Ada's home."""
    return Desk(tmp_path / "ada")


def all_commands() -> Iterator[tuple[str, Verb]]:
    """Every command and group with its words, below the root."""
    context = click.Context(root, info_name="slowlight")
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert isinstance(command, Verb)
        yield name, command
        if isinstance(command, VerbGroup):
            for below in command.list_commands(context):
                verb = command.get_command(context, below)
                assert isinstance(verb, Verb)
                yield f"{name} {below}", verb


COMMANDS: Final = dict(all_commands())
LEAVES: Final = {words: verb for words, verb in COMMANDS.items() if not isinstance(verb, VerbGroup)}


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_explains_itself_with_examples_that_work(words: str) -> None:
    """Two examples at least; each names an existing command with allowed options."""
    command = COMMANDS[words]
    assert command.help
    assert len(command.examples) >= 2
    for example in command.examples:
        named = arguments_of(example, words)
        assert named[: len(words.split())] == words.split()
        leaf = max((leaf for leaf in LEAVES if " ".join(named).startswith(leaf)), key=len)
        LEAVES[leaf].make_context(leaf, named[len(leaf.split()) :], obj=Shell())


def arguments_of(example: str, words: str) -> list[str]:
    """What is typed after ``slowlight`` in a line of shell, for the command in question."""
    inner = example.partition("$(")[2].partition(")")[0] or example
    (command,) = (part for part in inner.split("|") if f"slowlight {words}" in part)
    return shlex.split(command.partition("<")[0])[1:]


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_fits_the_terminal_and_ends_with_0(words: str, option: str) -> None:
    """Also at 40 columns, and the same by ``slowlight help``."""
    ending = typed(Shell(), *words.split(), option)
    assert ending.code == 0
    assert "Examples:" in ending.out
    assert "Everywhere:" in ending.out
    assert ending.err == ""
    assert typed(Shell(), "help", *words.split()).out == ending.out


def test_the_first_page_lists_commands_by_what_people_want() -> None:
    """Each command under one heading, with a summary that fits on a line."""
    page = typed(Shell(), "--help").out
    assert isinstance(root, Root)
    headings = [line[:-1] for line in page.splitlines() if line.endswith(":")]
    assert headings[: len(root.sections)] == list(root.sections)
    for section in root.sections.values():
        for name, listed in section.items():
            assert f"  {name} " in page
            assert listed.summary in page
    assert max(map(len, page.splitlines())) <= 80


def test_a_group_without_command_shows_its_help_as_an_error() -> None:
    """Exit code 2, on standard error: a script notices."""
    for words in ([], ["peer"], ["key"], ["config"]):
        ending = typed(Shell(), *words)
        assert (ending.code, ending.out) == (2, "")
        assert ending.err.startswith("Usage: slowlight")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["statsu"], "there is no command 'statsu'; did you mean status?"),
        (["peer", "ad"], "there is no command 'ad'; did you mean add?"),
        (["help", "psot"], "there is no command 'psot'; did you mean post?"),
        (["help", "post", "more"], "slowlight post has no commands of its own"),
        (["xyzzy"], "there is no command 'xyzzy'\n"),
        (["post", "--tga", "x"], "--tag"),
        (["read", "--limit", "0"], "1<=x<=500"),
        (["read", "--limit", "many"], "'many' is not a valid integer"),
        (["read", "--all", "--thread", "x"], "--thread stands alone"),
        (["read", "surplus"], "surplus"),
        (["show"], "ID"),
        (["--color", "pink", "status"], "pink"),
        (["--home"], "--home"),
        (["init", "--name", "a\udcff"], "is not UTF-8 text"),
    ],
)
def test_a_command_typed_wrong_says_what_to_type(arguments: list[str], said: str) -> None:
    """Exit code 2, one error and one hint, on standard error; as JSON where that is asked."""
    ending = typed(Shell(), *arguments)
    assert (ending.code, ending.out) == (2, "")
    error, hint = ending.err.splitlines()
    assert error.startswith("error: ")
    assert said.strip() in error
    assert hint.startswith("hint:  slowlight ")
    assert hint.endswith(" --help")
    told = typed(Shell(), "--json", *arguments).error
    assert told["code"] == "invalid"
    assert told["exit"] == 2
    assert said.strip() in told["message"]


@pytest.mark.parametrize("code", Code)
def test_every_error_has_its_exit_code(code: Code) -> None:
    """What the node says is what the process ends with."""
    node = ScriptedClient({STATUS.name: ServiceError(code, "it is so", "do this", ["a", "b"])})
    ending = node.type("status")
    assert ending.code == ServiceError(code, "").exit
    assert ending.err == "error: it is so\nhint:  do this\n"
    assert node.type("status", "--json").error == {
        "code": code,
        "message": "it is so",
        "hint": "do this",
        "exit": ending.code,
        "candidates": ["a", "b"],
    }


def test_help_tells_every_exit_code() -> None:
    """The list for people has the numbers that the program has."""
    told = {line.split()[0] for line in EXIT_CODES.splitlines() if line[:5].strip().isdigit()}
    assert told == {str(code.value) for code in Exit}


def test_every_topic_can_be_read() -> None:
    """And is narrow enough."""
    for topic, text in TOPICS.items():
        ending = typed(Shell(), "help", topic)
        assert (ending.code, ending.out) == (0, text)
        assert topic in typed(Shell(), "help", "--help").out
    assert max(len(line) for text in TOPICS.values() for line in text.splitlines()) <= 100
    assert "SLOWLIGHT_HOME" in ENVIRONMENT


def test_the_version_is_told() -> None:
    """As packages of systems expect it."""
    assert typed(Shell(), "--version").out == "slowlight, version 0.1.0\n"


@pytest.mark.parametrize("place", ["before", "after", "between", "environment"])
def test_the_home_is_chosen_wherever_it_stands(tmp_path: Path, place: str) -> None:
    """Before or after the command, in a group, or in the environment; the flag wins."""
    home = str(tmp_path / "elsewhere")
    arguments = {
        "before": ["--home", home, "peer", "list"],
        "after": ["peer", "list", "--home", home],
        "between": ["peer", "--home", home, "list"],
        "environment": ["peer", "list"],
    }[place]
    environ = {"SLOWLIGHT_HOME": home if place == "environment" else str(tmp_path / "other")}
    ending = typed(Shell(), *arguments, environ=environ)
    assert ending.code == Exit.LOCKED
    assert f"there is no identity in {home}\n" in ending.err
    assert not Path(home).exists()


def test_the_last_home_typed_wins(tmp_path: Path) -> None:
    """As with every option."""
    ending = typed(Shell(), "--home", "/first", "status", "--home", str(tmp_path))
    assert f"there is no identity in {tmp_path}\n" in ending.err


QUESTIONS: Final = [
    ("status",),
    ("read", "--peek"),
    ("read", "--all"),
    ("search", "nothing"),
    ("follows",),
    ("forks",),
    ("profile",),
    ("profile", "--name", "ada"),
    ("peer", "list"),
    ("invite", "--address", "a.example:1"),
    ("config", "list"),
    ("config", "path"),
    ("key", "words"),
    ("post", "hello"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_an_answer_in_json_is_one_object_and_nothing_else(
    desk: Desk, question: tuple[str, ...]
) -> None:
    """With its schema; advice stays away."""
    ending = desk.type(*question, "--json")
    assert ending.json["schema"] == 1
    assert ending.err == ""
    assert desk.type("--json", *question).json.keys() == ending.json.keys()


def test_settings_are_listed_with_what_decided_them(desk: Desk) -> None:
    """The environment over the file, the file over the default."""
    desk.home.config.write_text('[log]\nlevel = "debug"\nformat = "json"\n')
    ending = desk.type("config", "list", environ={"SLOWLIGHT_LOG_FORMAT": "text"})
    assert f'log.level = "debug"  # file: {desk.home.config}:2\n' in ending.out
    assert 'log.format = "text"  # environment: SLOWLIGHT_LOG_FORMAT\n' in ending.out
    assert 'log.file = ""  # default\n' in ending.out
    assert desk.type("config", "path").out == f"{desk.home.config}\n"


def test_a_wrong_setting_is_named_with_its_line(desk: Desk) -> None:
    """Exit code 2, whatever command meets it."""
    desk.home.config.write_text('[log]\nlevel = "loud"\n')
    desk.home.database.touch()
    for command in ("config list", "status", "run"):
        ending = desk.type(*command.split())
        assert ending.code == 2
        assert f"{desk.home.config}:2: log.level" in ending.err


def coloured(desk: Desk, *arguments: str, **environ: str) -> bool:
    """Whether an answer carries colours."""
    return "\x1b[" in desk.type(*arguments, environ={"NO_COLOR": "", **environ}).out


def test_colours_are_only_where_they_are_wanted(desk: Desk) -> None:
    """Never into a pipe, unless forced; the flag wins over the environment."""
    assert not coloured(desk, "status")
    assert coloured(desk, "status", FORCE_COLOR="1")
    assert not coloured(desk, "status", FORCE_COLOR="1", NO_COLOR="1")
    assert coloured(desk, "status", "--color", "always", NO_COLOR="1")
    assert not coloured(desk, "status", "--color", "never", FORCE_COLOR="1")


def test_colour_changes_no_word(desk: Desk) -> None:
    """Without it everything is still said."""
    plain = desk.type("status", "--color", "never").out
    assert click.unstyle(desk.type("status", "--color", "always").out) == plain


def test_an_interrupted_command_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so, in JSON too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    node = ScriptedClient({})
    monkeypatch.setattr(node, "call", interrupt)
    ending = node.type("status")
    assert (ending.code, ending.out, ending.err) == (130, "", "error: interrupted\n")
    assert node.type("status", "--json").error["code"] == "interrupted"


def test_an_error_of_tasks_that_ran_together_is_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The node may have wrapped it; with a mistake of ours among them, nothing is hidden."""
    refusal = ServiceError(Code.LOCKED, "in use")
    node = ScriptedClient({})

    def fail(*errors: Exception) -> None:
        def call(*_: object) -> None:
            raise ExceptionGroup("tasks", [ExceptionGroup("more tasks", errors)])

        monkeypatch.setattr(node, "call", call)

    fail(refusal)
    assert node.type("status").err == "error: in use\n"
    fail(refusal, ZeroDivisionError())
    with pytest.raises(ExceptionGroup):
        node.type("status")


def test_a_full_disk_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system refused is said in its words."""

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device", "/home/ada/node.db")

    node = ScriptedClient({})
    monkeypatch.setattr(node, "call", refuse)
    ending = node.type("status")
    assert ending.code == 1
    assert ending.err == "error: No space left on device: /home/ada/node.db\n"


def test_a_reader_that_has_seen_enough_ends_it_quietly(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """``slowlight read --all | head -1``: no traceback, no error."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as raw:
        pipe = io.TextIOWrapper(raw, write_through=True)
        monkeypatch.setattr(sys, "stdout", pipe)
        assert run(["config", "path"], Shell()) == 0
        monkeypatch.undo()
    assert capfd.readouterr().err == ""


def test_letters_that_the_terminal_lacks_are_written_as_numbers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old terminal is no reason to fail."""
    posted = desk.type("post", "Tempête 火星")
    assert posted.code == 0
    raw = io.BytesIO()
    terminal = io.TextIOWrapper(raw, encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", terminal)
    shell = Shell(now_ms=lambda: desk.now_ms, open_client=desk.open_client)
    assert run(["--home", str(desk.home.path), "read", "--all"], shell) == 0
    monkeypatch.undo()
    assert "Tempête \\u706b\\u661f".encode("latin-1") in raw.getvalue()


def test_the_words_are_shown_only_when_they_are_asked_for(desk: Desk) -> None:
    """24 of them; no error and no other answer ever holds one in a row of others."""
    words = desk.type("key", "words", "--json").json["words"]
    assert len(words) == 24
    shown = desk.type("key", "words").out
    assert all(f"{number:>2} {word}" in shown for number, word in enumerate(words, start=1))
    french = desk.type("key", "words", "--words-in", "french", "--json").json
    assert french["language"] == "french"
    assert french["words"] != words


def test_json_keeps_what_a_terminal_must_not_see(desk: Desk) -> None:
    """Every character comes back, and none is printed that steers."""
    text = "a\x1b[31m\x7f\x9b\u202e\u200b\U000e0041é火"
    ending = desk.type("post", text, "--json")
    assert ending.out.rstrip("\n").isprintable()
    assert json.loads(ending.out)["post"]["text"] == text
