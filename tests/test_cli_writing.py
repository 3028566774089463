"""Posting: from the command, from standard input, from an editor."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import click
import pytest

from slowlight.cli.editor import DRAFT_FILE, edited
from slowlight.cli.shell import Shell
from slowlight.node.errors import Code, Exit, ServiceError
from slowlight.node.operation import PostView
from slowlight.node.peer_operations import PEERS, PeersResult
from slowlight.node.post_operations import POST, PostRequest, PostResult
from tests.command_line import NOW_MS, Desk, ScriptedClient, some_peer, someone


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Ada's home."""
    return Desk(tmp_path / "ada")


def some_post(text: str) -> PostView:
    """A post in an answer."""
    return PostView(
        id="12" * 32,
        short_id="b7f2-c9aa-x2da",
        author=someone("ada", own=True),
        device="34" * 32,
        seq=0,
        n=1,
        claimed="",
        claimed_ms=NOW_MS,
        received="",
        received_ms=NOW_MS,
        order_ms=NOW_MS,
        via="own",
        text=text,
        title="",
        language="",
        warning="",
        tags=(),
        mentions=(),
        place="",
        media_type="",
        reply_to=None,
        root=None,
        expire_ms=0,
        attachments=0,
    )


def test_a_post_says_its_id_its_size_and_who_will_get_it() -> None:
    """Who is connected gets it now, the others at the next contact, each named once."""
    node = ScriptedClient(
        {
            POST.name: PostResult(post=some_post("Tempête"), repeated=False),
            PEERS.name: PeersResult(
                peers=(some_peer("bob", connected=True), some_peer("eve"), some_peer("eve"))
            ),
        }
    )
    ending = node.type("post", "Tempête")
    assert ending.out == (
        "Posted b7f2-c9aa-x2da · 8 bytes\n"
        "  Going now to bob@k3v9-7qpm-x2da.\n"
        "  At the next contact to eve@k3v9-7qpm-x2da.\n"
    )
    assert ending.err == ""


def test_many_peers_are_counted() -> None:
    """Five are named."""
    peers = tuple(some_peer(f"p{number}") for number in range(1, 9))
    answers = {
        POST.name: PostResult(post=some_post("x"), repeated=False),
        PEERS.name: PeersResult(peers=peers),
    }
    shown = " ".join(ScriptedClient(answers).type("post", "x").out.split())
    assert "p5@k3v9-7qpm-x2da and 3 more." in shown
    assert "p6@" not in shown


def test_every_option_reaches_the_node() -> None:
    """Each one under the name that the API has for it."""
    node = ScriptedClient({POST.name: ServiceError(Code.INTERNAL, "enough seen")})
    node.type(
        *("post", "Red.", "--reply", "k3v9", "--title", "Dust", "--tag", "mars", "-t", "dust"),
        *("--mention", "bob", "--warning", "dull", "--place", "sol/mars", "--language", "en"),
        *("--expire", "7d", "--client-key", "once"),
    )
    assert node.asked == [
        PostRequest(
            text="Red.",
            reply_to="k3v9",
            title="Dust",
            tags=("mars", "dust"),
            mentions=("bob",),
            warning="dull",
            place="sol/mars",
            language="en",
            expire_ms=7 * 86_400_000,
            client_key="once",
        )
    ]


def test_without_peers_it_waits_and_the_next_step_is_shown(desk: Desk) -> None:
    """Nobody else needs to be there to write."""
    ending = desk.type("post", "First light")
    assert ending.code == 0
    assert ending.out.startswith("Posted ")
    assert "It waits here" in ending.out
    assert ending.err == f"Next: slowlight --home {desk.home.path} invite\n"


def test_standard_input_is_posted_whole(desk: Desk) -> None:
    """All its lines, without the end of the last one."""
    posted = desk.type("post", "-", "--json", stdin="Zeile eins\n\nZeile zwei é\n".encode()).json
    assert posted["post"]["text"] == "Zeile eins\n\nZeile zwei é"


def test_an_answer_belongs_to_its_thread(desk: Desk) -> None:
    """--reply takes the short id that was shown."""
    question = desk.type("post", "Anyone?", "--json").json["post"]
    answer = desk.type("post", "Yes.", "--reply", question["short_id"], "--json").json["post"]
    assert answer["reply_to"] == question["id"]


def test_one_client_key_writes_one_post(desk: Desk) -> None:
    """Typing it again after a doubt is harmless."""
    first = desk.type("post", "once", "--client-key", "k")
    again = desk.type("post", "once", "--client-key", "k")
    assert again.out.replace("Already posted", "Posted") == first.out
    assert again.code == 0
    assert len(desk.type("read", "--all", "--json").json["posts"]) == 1


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["post"], b"", "there is no text; give it in quotes, or - for standard input"),
        (["post", "two", "words"], b"", "put the text in quotes"),
        (["post", " \n "], b"", "there is nothing in this post"),
        (["post", "-"], b"", "there is nothing in this post"),
        (["post", "-"], b"a\xffb", "standard input is not UTF-8 text: byte 2 is 0xff"),
        (["post", "-"], b"a" * (1 << 20) + b"b", "standard input holds more than 1,048,576 bytes"),
        (["post", "x" * 30_001], b"", "the text has 30,001 bytes; a post holds at most 30,000"),
        (["post", "x\udcff"], b"", "argument 2 is not UTF-8 text"),
        (["post", "x", "--tag", "two words"], b"", "tag 'two words' is not allowed"),
        (["post", "x", "--expire", "soon"], b"", "'soon' is no length of time"),
        (["post", "x", "--expire", "0s"], b"", "0s is out of range: at least 1s"),
        (["post", "x", "--expire", "9999y"], b"", "9999y is out of range"),
        (["post", "x", "--language", "??"], b"", "language"),
        (["post", "x", "--client-key", "k" * 129], b"", "client_key"),
    ],
)
def test_what_cannot_be_posted_is_refused(
    desk: Desk, arguments: list[str], stdin: bytes, said: str
) -> None:
    """Exit code 2, the reason and a hint; nothing is written."""
    ending = desk.type(*arguments, stdin=stdin)
    assert ending.code == 2
    assert ending.out == ""
    assert said in ending.err
    assert desk.type("read", "--all", "--json").json["posts"] == []


def test_an_answer_to_nothing_here_is_refused(desk: Desk) -> None:
    """Exit code 3: not found."""
    assert desk.type("post", "x", "--reply", "k3v9-7qpm-x2da").code == 3


class Writer:
    """A person with an editor: a program that does something to the file it is given."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.draft = desk.home.path / DRAFT_FILE
        self._home = desk.home.path
        self._program = folder / "an editor"
        desk.home.database.touch()

    def write(self, script: str) -> AbstractContextManager[str]:
        """Write a text with an editor that runs ``script`` (sh; the file is ``$file``)."""
        self._program.write_text(f'#!/bin/sh\nfile="$2"\n{script}\n')
        self._program.chmod(0o700)
        shell = Shell(environ={"EDITOR": f"'{self._program}' --wait"})
        shell.home_flag = str(self._home)
        return edited(shell, "An answer.")


@pytest.fixture
def writer(desk: Desk, tmp_path: Path) -> Writer:
    """Somebody who writes at the desk."""
    return Writer(desk, tmp_path)


def test_the_editor_gives_what_stands_above_the_line(writer: Writer) -> None:
    """Lines that begin with # are text; the note below the line is not."""
    with writer.write('sed -i "1i # Sol 12\\n#dust again" "$file"') as text:
        assert text == "# Sol 12\n#dust again"


def test_a_draft_is_private_and_gone_when_it_is_posted(writer: Writer) -> None:
    """Nobody else reads what is not said yet."""
    with writer.write('echo "mode $(stat -c %a "$file")" > "$file"') as text:
        assert text == "mode 600"
    assert not writer.draft.exists()


def test_a_text_outlives_a_failure(writer: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    """What could not be posted is in the editor the next time, and the person is told."""
    with pytest.raises(ServiceError), writer.write('echo "a long thought" > "$file"'):
        raise ServiceError(Code.LOCKED, "in use")
    assert "The text is kept" in capsys.readouterr().err
    with writer.write("true") as text:
        assert text == "a long thought"


def test_nothing_written_is_nothing_posted(writer: Writer) -> None:
    """Leaving the editor empty is a change of mind; exit code 3."""
    with pytest.raises(ServiceError) as refusal, writer.write("true"):
        pass
    assert refusal.value.exit == Exit.NOTHING
    assert not writer.draft.exists()


@pytest.mark.parametrize(
    ("script", "said"),
    [("exit 1", "ended with 1"), ('printf "a\\377b" > "$file"', "is not UTF-8 text")],
)
def test_an_editor_that_fails_is_named(writer: Writer, script: str, said: str) -> None:
    """The draft stays where it is."""
    with pytest.raises(click.UsageError, match=said), writer.write(script):
        pass
    assert writer.draft.exists()


def test_an_editor_that_does_not_exist_is_named(desk: Desk) -> None:
    """With the variable that chooses another."""
    desk.home.database.touch()
    shell = Shell(environ={"EDITOR": "no-such-editor", "VISUAL": ""})
    shell.home_flag = str(desk.home.path)
    with pytest.raises(click.UsageError, match="set EDITOR to another"), edited(shell, ""):
        pass
