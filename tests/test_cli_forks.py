"""What a person sees of a log that its device forked, and what they are told to type."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowlight.node.people_operations import ForkBranchView, ForksResult, ForkView
from slowlight.protocol.entry import CHANNEL_POSTS
from tests.command_line import Desk, ScriptedClient, someone
from tests.owners import revoked, with_records
from tests.people import Person


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Ada's home."""
    return Desk(tmp_path / "ada")


def lie(desk: Desk) -> tuple[Person, Person]:
    """Let bob say two things under one number, and both arrive."""
    bob = Person(1)
    bob.profile("bob")
    bob.post("Clear sky.")
    twin = bob.forked(CHANNEL_POSTS, 1)
    bob.post("I was here.")
    twin.post("I was never here.")
    desk.receive(bob, twin)
    return bob, twin


def test_without_a_fork_there_is_nothing_to_tell(desk: Desk) -> None:
    """One sentence and exit code 3; status is silent."""
    ending = desk.type("forks")
    assert (ending.code, ending.out) == (3, "No log is known to be forked.\n")
    ending = desk.type("forks", "--json")
    assert (ending.code, ending.json["forks"]) == (3, [])
    assert "forked" not in desk.type("status").out
    assert desk.type("forks", "nobody").code == 3


def test_a_fork_is_named_with_both_entries(desk: Desk) -> None:
    """Whose, which device, from where on; nobody else can do anything about it."""
    bob, twin = lie(desk)
    ending = desk.type("forks", "bob")
    assert (ending.code, ending.err) == (0, "")
    assert ending.out.startswith("bob@")
    assert "from entry 1 on" in ending.out
    for one in (bob, twin):
        assert one.log()[1].id.hex() in ending.out
    assert "Only its owner can go on" in ending.out
    assert "1 log, nothing for you to do: slowlight" in desk.type("status").out
    assert desk.type("forks", "ada").code == 3


def test_entries_on_a_branch_carry_a_mark(desk: Desk) -> None:
    """In the timeline, and whichever branch is looked at; below the fork nothing is odd."""
    bob, twin = lie(desk)
    page = desk.type("read", "--all", "--peek").out
    assert page.count("on a fork") == 1
    for one, text in ((bob, "I was here."), (twin, "I was never here.")):
        shown = desk.type("show", one.log()[1].id.hex()).out
        assert text in shown
        assert "on a fork" in shown
        assert "signed something else under the same number" in shown
    common = desk.type("show", bob.log()[0].id.hex()).out
    assert "on a fork" not in common
    assert "its log forks further up; this entry is valid" in common


def test_the_branch_that_its_author_names_is_no_fork_any_more(desk: Desk) -> None:
    """The other one is void: out of the timeline, and every view of it says why."""
    bob, twin = lie(desk)
    end = with_records(bob, revoked(twin, (0, 1), (CHANNEL_POSTS, 1)))
    desk.store.ingest([end], received_ms=desk.now_ms, via="elsewhere")
    page = desk.type("read", "--all", "--peek").out
    assert "I was never here." in page
    assert "I was here." not in page
    assert "on a fork" not in page
    void = desk.type("show", bob.log()[1].id.hex()).out
    assert "its log forks, and its author named another branch" in void
    named = desk.type("show", twin.log()[1].id.hex()).out
    assert "its author named this branch, so it is valid" in named
    listed = " ".join(desk.type("forks", "bob").out.split())
    assert f"{bob.log()[1].id.hex()} (void)" in listed
    assert f"{twin.log()[1].id.hex()} (void)" not in listed
    assert "nothing is left to be done" in listed


def test_the_own_device_comes_with_what_to_type() -> None:
    """Of this one two commands, of another own one the second, of others and closed ones none."""

    def advised(*forks: ForkView) -> str:
        client = ScriptedClient({"forks": ForksResult(forks=forks)})
        ending = client.type("forks")
        assert ending.code == 0
        return ending.err

    revoke = "key revoke k3v9-7qpm-x2da"
    here = advised(fork(this=True), fork(this=True, channel=0))
    assert here.splitlines() == [
        "Next: slowlight --home NEWDIR key add-device",
        f"Then, once that one is in sync: slowlight --home NEWDIR {revoke}",
    ]
    assert advised(fork()) == f"Next: slowlight {revoke}\n"
    assert advised(fork(closed=True), fork(own=False)) == ""


def fork(
    *, own: bool = True, this: bool = False, closed: bool = False, channel: int = 1
) -> ForkView:
    """A forked log in an answer; one of its branches is not here."""
    here, gone = (
        ForkBranchView(id=digits * 32, short_id="k3v9-7qpm-x2da", held=digits == "ab")
        for digits in ("ab", "cd")
    )
    return ForkView(
        person=someone("ada", own=own),
        device="ef" * 32,
        device_short_id="k3v9-7qpm-x2da",
        device_label="desk",
        this=this,
        closed=closed,
        channel=channel,
        frozen_from=7,
        branches=(here, gone),
        kept=0,
    )
