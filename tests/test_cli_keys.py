"""Keys on the command line: a passphrase, a drill of the words, and a person who comes back."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import click
import pytest

from slowlight.cli.passphrase import read_passphrase
from slowlight.node.errors import Code, ServiceError
from tests.command_line import Desk
from tests.processes import COMMAND, PATIENCE_S, Daemon, environment, slowlight

SECRET: Final = "correct horse battery"
OTHER: Final = "staple, twelve times"
VARIABLE: Final = "SLOWLIGHT_PASSPHRASE_FILE"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the home of ada, and files with two passphrases."""
    assert slowlight(tmp_path, "--home", "ada", "init", "--name", "ada").code == 0
    for name, passphrase in (("secret", SECRET), ("other", OTHER)):
        file = tmp_path / name
        file.touch(mode=0o600)
        file.write_text(f"{passphrase}\n")
    return tmp_path


def ada(
    folder: Path, *arguments: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Type a command in ada's home; its exit code and all that it says."""
    ending = slowlight(folder, "--home", "ada", *arguments, stdin=stdin, environ=environ)
    return ending.code, ending.out + ending.err


def words_of(folder: Path, *options: str) -> list[str]:
    """The words of ada."""
    words = slowlight(folder, "--home", "ada", "key", "words", "--json", *options).json["words"]
    return [str(word) for word in words]


def test_a_passphrase_is_asked_of_whoever_needs_the_keys(folder: Path) -> None:
    """Set, needed by every command and by the daemon, changed, removed; never shown."""
    code, said = ada(folder, "key", "passphrase", "--new-passphrase-file", "secret")
    assert (code, said.splitlines()[0]) == (0, "The passphrase is set.")
    assert {path.name for path in (folder / "ada" / "keys").iterdir()} == {"vault"}
    everything = [said]
    for command in (("post", "hello"), ("key", "words"), ("run",), ("status",)):
        code, said = ada(folder, *command)
        assert (code, "--passphrase-file FILE" in said) == (4, True)
        everything.append(said)
    code, said = ada(folder, "post", "hello", "--passphrase-file", "other")
    assert (code, "passphrase is not the one" in said) == (4, True)
    everything.append(said)
    assert ada(folder, "post", "hello", "--passphrase-file", "secret")[0] == 0
    assert ada(folder, "post", "again", environ={VARIABLE: "secret"})[0] == 0
    with Daemon(folder, "ada", "--passphrase-file", "secret", "--log-level", "debug") as daemon:
        assert ada(folder, "post", "through the daemon")[0] == 0
        code, said = ada(folder, "key", "passphrase", "--remove", "--passphrase-file", "secret")
        assert (code, "slowlight run" in said) == (4, True)
        daemon.end()
        everything.append(daemon.log.read_text())
    code, said = ada(
        *(folder, "key", "passphrase", "--json"),
        *("--passphrase-file", "secret", "--new-passphrase-file", "other"),
    )
    assert (code, '"passphrase":true' in said) == (0, True)
    code, said = ada(folder, "key", "passphrase", "--remove", "--passphrase-file", "other")
    assert (code, said) == (0, "The passphrase is removed.\n")
    assert ada(folder, "post", "free again")[0] == 0
    assert ada(folder, "key", "passphrase", "--remove")[0] == 3
    assert not any(secret in said for secret in (SECRET, OTHER) for said in everything)


def test_a_damaged_vault_is_no_wrong_passphrase(folder: Path) -> None:
    """Cut short: exit code 6, and what to do; not: try another passphrase."""
    ada(folder, "key", "passphrase", "--new-passphrase-file", "secret")
    vault = folder / "ada" / "keys" / "vault"
    vault.write_text(vault.read_text()[:100])
    code, said = ada(folder, "key", "words", "--passphrase-file", "secret")
    assert (code, "vault is damaged" in said, "key restore" in said) == (6, True, True)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--remove", "--new-passphrase-file", "secret"),
        ("--new-passphrase-file", "no-such-file"),
        ("--new-passphrase-file", "short"),
    ],
)
def test_a_passphrase_that_cannot_be_set_changes_nothing(
    folder: Path, options: tuple[str, ...]
) -> None:
    """Nobody to ask, two wishes at once, no file, too short."""
    (folder / "short").touch(mode=0o600)
    (folder / "short").write_text("1234567")
    code, said = ada(folder, "key", "passphrase", *options)
    assert (code, "Traceback" in said) == (2, False)
    assert ada(folder, "post", "as before")[0] == 0


def private_file(path: Path, data: bytes) -> str:
    """A file for its owner alone."""
    path.touch(mode=0o600)
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("data", [b"", b"\n", b"one\ntwo\n", b"\xff\xfe\n", b"x" * 5_000])
def test_a_passphrase_file_holds_one_line(tmp_path: Path, data: bytes) -> None:
    """Empty, cut to nothing, several lines, no text, endless: refused, and not shown."""
    with pytest.raises(click.UsageError, match="on one line of text") as caught:
        read_passphrase(private_file(tmp_path / "file", data))
    assert "two" not in caught.value.message


@pytest.mark.parametrize("data", [b"a long secret", b"a long secret\n", b"a long secret\r\n"])
def test_a_passphrase_ends_where_its_line_ends(tmp_path: Path, data: bytes) -> None:
    """However the editor ends a line; spaces inside belong to it."""
    assert read_passphrase(private_file(tmp_path / "file", data)) == "a long secret"


def test_a_passphrase_comes_through_a_descriptor() -> None:
    """As programs hand over secrets; a pipe belongs to nobody else."""
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe\n")
    os.close(writing)
    assert read_passphrase(f"fd:{reading}") == "from a pipe"
    with pytest.raises(click.UsageError, match="Bad file descriptor"):
        read_passphrase(f"fd:{reading}")


def test_a_passphrase_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """With what to type."""
    file = tmp_path / "file"
    private_file(file, b"a long secret")
    file.chmod(0o640)
    with pytest.raises(ServiceError) as caught:
        read_passphrase(str(file))
    assert (caught.value.code, caught.value.hint) == (Code.UNSAFE_HOME, f"chmod 600 {file}")


def test_a_folder_is_no_passphrase_file(tmp_path: Path) -> None:
    """An error, no traceback."""
    with pytest.raises(click.UsageError, match="cannot be read"):
        read_passphrase(str(tmp_path))


Answers = Sequence[tuple[str, Callable[["re.Match[str]"], str]]]


def at_terminal(folder: Path, *arguments: str, answers: Answers) -> tuple[int, str]:
    """Let a person answer at a terminal: to each question (a pattern) what a function says."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--color", "never"],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(folder, {"TERM": "xterm"}),
        start_new_session=True,
    )
    os.close(theirs)
    shown, read_upto = "", 0
    waiting = list(answers)
    while select.select([ours], [], [], PATIENCE_S)[0]:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # how Linux says that the other end has closed
            break
        shown += part.decode()
        question = re.search(waiting[0][0], shown[read_upto:]) if waiting else None
        if question is not None:
            read_upto = len(shown)
            os.write(ours, f"{waiting.pop(0)[1](question)}\n".encode())
    os.close(ours)  # whoever still waits for an answer gets none
    return process.wait(PATIENCE_S), shown.replace("\r\n", "\n")


def always(answer: str) -> Callable[[re.Match[str]], str]:
    """The same answer, whatever is asked."""
    return lambda _question: answer


def test_a_person_types_the_passphrase_unseen(folder: Path) -> None:
    """Twice when it is new, once to use it; it never appears on the screen."""
    code, shown = at_terminal(
        *(folder, "--home", "ada", "key", "passphrase"),
        answers=[("New passphrase", always(SECRET)), ("Again", always(SECRET))],
    )
    assert (code, "The passphrase is set." in shown) == (0, True)
    assert SECRET not in shown
    code, shown = at_terminal(
        *(folder, "--home", "ada", "post", "hello"),
        answers=[("Passphrase of the keys", always(SECRET))],
    )
    assert (code, "Posted " in shown, SECRET in shown) == (0, True, False)
    code, shown = at_terminal(
        *(folder, "--home", "ada", "run", "--listen", "127.0.0.1:0"),
        answers=[("Passphrase of the keys", always(OTHER))],
    )
    assert (code, "passphrase is not the one" in shown) == (4, True)
    code, shown = at_terminal(
        *(folder, "--home", "ada", "run", "--listen", "127.0.0.1:0"),
        answers=[("Passphrase of the keys", always("\x04"))],
    )
    assert (code, "Traceback" in shown) == (130, False)


def test_a_drill_on_a_terminal_asks_for_a_few_words(folder: Path) -> None:
    """Which ones is chance; all right, then one wrong."""
    words = words_of(folder)

    def right(question: re.Match[str]) -> str:
        return words[int(question[1]) - 1]

    answers: Answers = [(r"Word (\d+):", right)] * 4
    code, shown = at_terminal(folder, "--home", "ada", "key", "verify", answers=answers)
    assert (code, "These words are right." in shown) == (0, True)
    assert (folder / "ada" / "keys" / "words-verified").exists()
    wrong: Answers = [*answers[:3], (r"Word (\d+):", always("nonsense"))]
    code, shown = at_terminal(folder, "--home", "ada", "key", "verify", answers=wrong)
    assert (code, "'nonsense', is not the right one" in shown) == (2, True)


def test_all_words_can_be_piped_in(folder: Path) -> None:
    """As they are shown, numbers and all, in both languages; wrong ones are named."""
    for language in ("english", "french"):
        words = words_of(folder, "--words-in", language)
        numbered = " ".join(f"{number}. {word}" for number, word in enumerate(words, start=1))
        code, said = ada(folder, "key", "verify", "-", stdin=numbered.encode())
        assert (code, said) == (0, "All 24 words are right.\n")
        words[4] = f"{words[4]}q"
        code, said = ada(folder, "key", "verify", "-", stdin=" ".join(words).encode())
        assert (code, f"word 5, '{words[4]}', is not the right one" in said) == (2, True)
        code, said = ada(folder, "key", "verify", "-", stdin=" ".join(words[:7]).encode())
        assert (code, "7 words where 24 are needed" in said) == (2, True)


@pytest.mark.parametrize("command", ["verify", "restore", "add-device"])
def test_words_are_never_arguments(tmp_path: Path, command: str) -> None:
    """Others could read them; and where nobody can be asked, it says how to hand them over."""
    desk = Desk(tmp_path)
    named = desk.type("key", command, "abandon")
    assert (named.code, "abandon" in named.err) == (2, False)
    assert "standard input" in named.err
    silent = desk.type("key", command)
    assert (silent.code, "nobody to ask; give -" in silent.err) == (2, True)


@pytest.mark.parametrize("command", ["restore", "add-device"])
def test_a_new_home_for_an_old_identity(folder: Path, command: str) -> None:
    """First what would happen, then that it has; twice is fine, and it is another device."""
    typed = " ".join(words_of(folder, "--words-in", "french")).encode()
    new = ("--home", "new", "key", command, "-")
    before = slowlight(folder, "--home", "ada", "status", "--json").json
    planned = slowlight(folder, *new, "--dry-run", stdin=typed)
    assert planned.out.startswith("Nothing was written.\nThese are the french words of ")
    assert (planned.code, (folder / "new").exists()) == (0, False)
    made = slowlight(folder, *new, "--label", "laptop", stdin=typed)
    assert (made.code, made.out.startswith("Welcome back, ")) == (0, True)
    assert "peer add INVITE" in made.err
    again = slowlight(folder, *new, "--json", stdin=typed)
    assert (again.code, again.json["created"], again.err) == (0, False, "")
    after = slowlight(folder, "--home", "new", "status", "--json").json
    assert after["person"]["identity"] == before["person"]["identity"]
    assert after["device"] != before["device"]
    refused = slowlight(folder, "--home", "ada", "key", command, "-", stdin=b"zoo " * 24)
    assert refused.code == 2
    kept = slowlight(folder, "--home", "ada", "status", "--json").json
    assert kept["device"] == before["device"]


def test_words_typed_at_a_terminal_restore_too(folder: Path) -> None:
    """One by one or many at once."""
    words = words_of(folder)
    code, shown = at_terminal(
        *(folder, "--home", "new", "key", "restore"),
        answers=[
            ("Word 1, or", always(words[0])),
            ("Word 2, or", always(" ".join(words[1:20]))),
            ("Word 21, or", always(" ".join(words[20:]))),
        ],
    )
    assert (code, "Welcome back, " in shown) == (0, True)
