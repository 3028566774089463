"""Following, naming, profiles and peers, as typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowlight.node.config import Config
from slowlight.node.errors import ServiceError
from slowlight.node.operation import MAX_WHO
from slowlight.node.people_operations import FOLLOW, FollowRequest
from tests.command_line import Desk
from tests.people import Person


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Ada's home, where bob and eve are known."""
    desk = Desk(tmp_path / "ada")
    for seed, name in ((1, "bob"), (2, "eve")):
        person = Person(seed)
        person.profile(name)
        desk.receive(person)
    return desk


def test_following_twice_is_fine(desk: Desk) -> None:
    """The second time says so, and is no error."""
    first = desk.type("follow", "bob", "eve")
    assert first.code == 0
    assert first.out.count("Following ") == 2
    assert first.err == f"Next: slowlight --home {desk.home.path} sync\n"
    second = desk.type("follow", "bob")
    assert second.code == 0
    assert second.out.startswith("Already following bob@")
    assert second.err == ""


def test_names_come_from_standard_input_too(desk: Desk) -> None:
    """One a line; blank lines are nobody."""
    ending = desk.type("follow", "-", "--json", stdin=b"bob\n\n  eve \n")
    assert [one["person"]["name"] for one in ending.json["outcomes"]] == ["bob", "eve"]
    assert desk.type("unfollow", "-", stdin=b"eve\n").out.startswith("No longer following eve@")
    followed = desk.type("follows", "--json").json["follows"]
    assert [one["person"]["name"] for one in followed] == ["bob"]


def test_a_whole_town_is_followed_by_one_command(desk: Desk) -> None:
    """More people than one request may name; and let go again."""
    crew = b"".join(b"%064x\n" % number for number in range(2 * MAX_WHO + 1))
    assert desk.type("follow", "-", stdin=crew).out.count("Following ") == 2 * MAX_WHO + 1
    assert len(desk.type("follows", "--json").json["follows"]) == 2 * MAX_WHO + 1
    gone = desk.type("unfollow", "-", "--json", stdin=crew).json["outcomes"]
    assert all(outcome["changed"] for outcome in gone)
    assert desk.type("follows", "--json").json["follows"] == []


def test_nobody_cannot_be_followed(desk: Desk) -> None:
    """Unknown people, oneself, no name at all: each has its exit code, and nothing is written."""
    assert desk.type("follow", "nobody").code == 3
    assert desk.type("follow", "bob", "nobody").code == 3
    assert desk.type("follow", "ada").code == 2
    assert desk.type("follow", "-", stdin=b"\n").code == 2
    assert desk.type("follow").code == 2
    assert desk.type("follows").out == "Nobody is followed yet.\n"


def test_an_ambiguous_name_lists_whom_it_could_mean(desk: Desk) -> None:
    """For people in the sentence, for programs as candidates."""
    twin = Person(3)
    twin.profile("bob")
    desk.receive(twin)
    ending = desk.type("follow", "bob")
    assert ending.code == 2
    assert ending.err.count("bob@") == 2
    error = desk.type("follow", "bob", "--json").error
    assert error["code"] == "ambiguous"
    assert len(error["candidates"]) == 2
    assert desk.type("follow", error["candidates"][0]).code == 0


def test_a_petname_is_the_readers_own(desk: Desk) -> None:
    """It is shown before the claimed name until it is taken away."""
    assert desk.type("name", "bob", "Robert").out.startswith("Shown from now on as Robert@")
    assert "Robert, the name that you gave" in desk.type("profile", "Robert").out
    assert desk.type("name", "Robert", "--remove").out.startswith("Shown from now on as bob@")
    assert desk.type("name", "bob").code == 2
    assert desk.type("name", "bob", "b", "--remove").code == 2
    assert desk.type("name", "bob", "a@b").code == 2


def test_a_profile_is_changed_field_by_field(desk: Desk) -> None:
    """What is not named stays; an empty value takes it away; twice the same writes nothing."""
    desk.type("profile", "--bio", "Geologist", "--language", "en", "--language", "fr")
    shown = desk.type("profile", "--place", "sol/mars/jezero", "--link", "https://dust.example")
    assert shown.out.startswith("Your profile now:\nada@")
    for part in ("Geologist", "reads     en, fr", "place     sol/mars/jezero", "dust.example"):
        assert part in shown.out
    again = desk.type("profile", "--bio", "Geologist")
    assert again.out.startswith("Your profile was like this already:")
    cleared = desk.type("profile", "--bio", "", "--language", "", "--json").json["profile"]
    assert (cleared["bio"], cleared["languages"]) == ("", [])
    assert cleared["place"] == "sol/mars/jezero"


def test_only_the_own_profile_can_be_changed(desk: Desk) -> None:
    """A name and a change together are refused."""
    ending = desk.type("profile", "bob", "--bio", "x")
    assert ending.code == 2
    assert "your own profile" in ending.err


def test_an_empty_profile_shows_the_next_step(tmp_path: Path) -> None:
    """Somebody without a name is told how to get one."""
    ending = Desk(tmp_path / "nobody", name="").type("profile")
    assert "name      (none)" in ending.out
    assert "profile --name NAME" in ending.err


def test_a_peer_is_added_listed_and_removed(desk: Desk) -> None:
    """Adding twice is fine; the list shows address, contact and whether it is followed."""
    assert desk.type("peer", "list").out == "No peers yet.\n"
    added = desk.type("peer", "add", "bob", "--address", "192.0.2.7:4242", "--name", "station")
    assert added.out.startswith("Added bob@")
    assert " follow " in added.err
    again = desk.type("peer", "add", "bob", "--address", "192.0.2.7:4242")
    assert again.out.startswith("Already known: bob@")
    listed = desk.type("peer", "list").out
    assert "station\n  last contact never · not followed · 192.0.2.7:4242\n" in listed
    assert desk.type("peer", "remove", "bob").out.startswith("Removed bob@")
    assert desk.type("peer", "remove", "bob").code == 3


def test_a_peer_needs_a_sound_address(desk: Desk) -> None:
    """What is no address is refused before anything is kept."""
    for address in ("nowhere", "host:0", "host:99999", "a b:1"):
        assert desk.type("peer", "add", "bob", "--address", address).code == 2
    assert desk.type("peer", "list", "--json").json["peers"] == []


def test_an_invite_is_one_line_to_hand_over(desk: Desk, tmp_path: Path) -> None:
    """It stands alone on standard output; how to use it is said beside it."""
    ending = desk.type("invite", "--address", "station.example:4242", "--valid", "1d")
    (uri,) = ending.out.splitlines()
    assert uri.startswith("slowlight:")
    assert "until 2030-03-28 17:46 UTC, at station.example:4242" in " ".join(ending.err.split())
    guest = Desk(tmp_path / "guest", name="guest")
    assert guest.type("follow", uri).code == 0
    assert "station.example:4242" in guest.type("peer", "list").out
    assert guest.type("follow", uri[:-1]).code == 2


def test_an_invite_to_oneself_is_refused(desk: Desk) -> None:
    """It was meant for someone else."""
    uri = desk.type("invite", "--address", "station.example:4242").out.strip()
    assert desk.type("follow", uri).code == 2
    assert desk.type("peer", "add", uri).code == 2


@pytest.mark.parametrize("name", ["ada\x07", "ada\x1b[2J", "ada\nbob", "\u202eada", "ada\u2028"])
def test_ones_own_name_steers_no_terminal(desk: Desk, name: str) -> None:
    """Readers would replace such characters; whoever types one hears of it, and nothing is said."""
    ending = desk.type("profile", "--name", name)
    assert (ending.code, "the name holds a control character, U+" in ending.err) == (2, True)
    assert desk.type("profile", "--json").json["profile"]["name"] == "ada"
    assert desk.type("profile", "--bio", "one\ntwo\tthree").code == 0
    assert desk.type("invite", "--address", "a.example:1", "--name", name).code == 2


def test_a_name_from_an_invite_can_be_typed_at_once(desk: Desk, tmp_path: Path) -> None:
    """Before anything of them has arrived: by the name, the short id, or both."""
    cyd = Desk(tmp_path / "cyd", name="cyd")
    uri = cyd.type("invite", "--address", "cyd.example:4242", "--json").json["uri"]
    assert desk.type("peer", "add", uri).code == 0
    short_id = cyd.begun.person.short_id
    for typed in ("cyd", short_id, f"cyd@{short_id}"):
        ending = desk.type("follow", typed, "--json")
        assert [one["person"]["identity"] for one in ending.json["outcomes"]] == [
            cyd.begun.person.identity
        ]
    assert desk.type("follow", f"bob@{short_id}").code == 3
    assert desk.type("follow", "bob").out.startswith("Following bob@")


def test_blocking_and_taking_it_back(desk: Desk) -> None:
    """Each says what it did, or that it was so; the list shows the reason."""
    assert desk.type("blocks").out == "Nobody is blocked.\n"
    assert desk.type("block", "bob", "--reason", "noise").out.startswith("Blocked bob@")
    assert desk.type("block", "bob").out.startswith("Already blocked: bob@")
    assert desk.type("blocks").out.endswith("  noise\n")
    (one,) = desk.type("blocks", "--json").json["blocks"]
    assert (one["person"]["name"], one["reason"]) == ("bob", "noise")
    assert desk.type("unblock", "-", stdin=b"bob\n").out.startswith("No longer blocked: bob@")
    assert desk.type("unblock", "bob").out.startswith("Not blocked before: bob@")
    assert desk.type("block", "nobody").code == 3
    assert desk.type("block", "ada").code == 2


def test_a_follow_may_be_shallow_and_be_changed(desk: Desk) -> None:
    """The newest fifty, then headers, then everything; the list shows which."""
    assert desk.type("follow", "bob", "--depth", "50").out.startswith("Following bob@")
    assert desk.type("follow", "bob", "--depth", "50").out.startswith("Already following bob@")
    assert desk.type("follow", "bob").out.startswith("Already following bob@")
    assert desk.type("follows").out.endswith("  newest 50\n")
    assert desk.type("follow", "bob", "--depth", "headers").out.startswith("Following bob@")
    (one,) = desk.type("follows", "--json").json["follows"]
    assert (one["depth"], one["n"]) == ("headers", 0)
    assert desk.type("follow", "bob", "--depth", "everything").out.startswith("Following bob@")
    (one,) = desk.type("follows", "--json").json["follows"]
    assert (one["depth"], one["n"]) == ("everything", 0)
    for wrong in ("0", "-1", "some", "1000001"):
        ending = desk.type("follow", "bob", "--depth", wrong)
        assert ending.code == 2
        assert ending.err


@pytest.mark.parametrize(("depth", "n"), [("newest", 0), ("headers", 3), ("", 3)])
def test_a_program_that_asks_for_half_a_depth_is_told(desk: Desk, depth: str, n: int) -> None:
    """Only the newest entries have a number, and they need one."""
    request = FollowRequest(who=("bob",), depth=depth, n=n)  # type: ignore[arg-type]
    with (
        desk.open_client(desk.home, Config(), "follow") as client,
        pytest.raises(ServiceError, match="number above 0"),
    ):
        client.call(FOLLOW, request)
