"""Posts are deleted and edited from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowlight.protocol.entry import CHANNEL_POSTS
from tests.command_line import Desk
from tests.people import Person


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Ada's home."""
    return Desk(tmp_path / "ada")


def posted(desk: Desk, text: str, *more: str) -> str:
    """Write a post; return its short id."""
    short_id: str = desk.type("post", text, *more, "--json").json["post"]["short_id"]
    desk.now_ms += 1_000
    return short_id


def test_a_deletion_says_what_it_can_do(desk: Desk) -> None:
    """Once; the second time it says that nothing was to be done, and that is no error."""
    post = posted(desk, "Dust.")
    ending = desk.type("delete", post, "--yes")
    assert ending.code == 0
    assert ending.out.startswith(f"Deleted {post}.\n")
    assert "it cannot reach" in " ".join(ending.out.split())
    again = desk.type("delete", post, "--yes")
    assert (again.code, again.out) == (0, f"{post} was deleted already.\n")
    assert desk.type("delete", post, "--yes", "--json").json["entries"][0]["already"]


def test_nothing_is_deleted_where_nobody_can_be_asked(desk: Desk) -> None:
    """A script that forgot --yes is told so, as by all that cannot be taken back."""
    post = posted(desk, "Dust.")
    ending = desk.type("delete", post)
    assert (ending.code, ending.out) == (2, "")
    assert "cannot be taken back" in ending.err
    assert "--yes deletes without asking" in ending.err
    refused = desk.type("delete", post, "--json")
    assert (refused.code, refused.error["code"]) == (2, "invalid")
    assert "Dust." in desk.type("read", "--all").out
    assert desk.type("delete", post, "--yes").code == 0


def test_show_says_by_what_a_post_was_deleted(desk: Desk) -> None:
    """And why; the thread of an answer says that its beginning is deleted."""
    post = posted(desk, "Dust.")
    answer = posted(desk, "Where?", "--reply", post)
    order = desk.type("delete", post, "--reason", "wrong place", "--yes", "--json").json[
        "ordered_by"
    ][0]
    shown = desk.type("show", post).out
    assert f"deleted by  {order}" in shown
    assert "wrong place" in shown
    thread = desk.type("read", "--thread", answer).out
    assert "its author deleted the post that began it" in thread
    assert "answers a post that its author deleted" in thread


def test_an_edited_post_says_so(desk: Desk) -> None:
    """With the new text; all versions stand behind an option."""
    post = posted(desk, "Dust on the window.")
    ending = desk.type("edit", post, "Dust on both windows.", "--note", "counted again")
    assert (ending.code, ending.out) == (0, f"Edited {post}\n")
    desk.now_ms += 3_000
    read = desk.type("read", "--all").out
    assert "edited 3 s ago" in read
    assert "both windows" in read
    versions = desk.type("show", post, "--versions").out
    assert "Version 1" in versions
    assert "Dust on the window." in versions
    assert "counted again" in versions
    same = desk.type("edit", post, "-", stdin=b"Dust on both windows.\n")
    assert (same.code, same.out) == (0, f"{post} says that already; nothing was written.\n")


def test_others_posts_are_left_alone(desk: Desk) -> None:
    """The error names the author; unknown ids end with 3, no text with 2."""
    bob = Person(1)
    theirs = bob.post("mine").id.hex()
    desk.receive(bob)
    for arguments in (("delete", theirs, "--yes"), ("edit", theirs, "yours")):
        ending = desk.type(*arguments)
        assert ending.code == 2
        assert "only its author can change or delete it" in ending.err
    assert desk.type("delete", "0" * 64, "--yes").code == 3
    assert desk.type("edit", theirs).code == 2
    assert desk.type("delete").code == 2
    assert bob.log(CHANNEL_POSTS)


def test_a_lifetime_is_typed_as_people_say_it(desk: Desk) -> None:
    """When it is over, the next command drops the text."""
    post = posted(desk, "Gone tomorrow.", "--expire", "1d")
    assert "text expires in" in desk.type("read", "--all").out
    desk.now_ms += 86_400_000
    assert "Nothing is here yet." in desk.type("read", "--all").out
    assert "expired" in desk.type("show", post).out
