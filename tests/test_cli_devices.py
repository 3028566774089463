"""Devices on the command line: what is said, what is asked, and with which exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from slowlight.protocol.words import words_from_seed
from tests.command_line import Desk
from tests.people import Person


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Ada's home, which has heard of her phone and three posts from it."""
    desk = Desk(tmp_path / "ada")
    phone = Person(5, device_number=1, root_seed=desk.home.keys.root_seed())
    phone.posts(3)
    desk.receive(phone)
    return desk


def words(desk: Desk, language: str = "english") -> bytes:
    """The words of a desk."""
    return " ".join(words_from_seed(desk.home.keys.root_seed(), language)).encode()


def devices(desk: Desk) -> dict[str, Any]:
    """The devices by label."""
    listed = desk.type("key", "devices", "--json").json["devices"]
    return {one["label"]: one for one in listed}


def test_devices_are_listed_for_people(desk: Desk) -> None:
    """One paragraph each, within the width of the terminal; this machine is marked."""
    ending = desk.type("key", "devices", environ={"COLUMNS": "60"})
    assert ending.code == 0
    assert re.search(r"2 devices, epoch 0", ending.out)
    assert ending.out.count("this machine") == 1
    assert "device 1 · writes · at sol/mars/jezero" in ending.out
    assert max(len(text) for text in ending.out.splitlines()) <= 60


def test_a_lost_device_is_closed_and_closing_it_twice_is_fine(desk: Desk) -> None:
    """With the root key of this home; the second time says so."""
    first = desk.type("key", "revoke", "device 1")
    assert (first.code, first.out.startswith("Revoked.")) == (0, True)
    second = desk.type("key", "revoke", "device 1")
    assert (second.code, second.out.startswith("It is so already; nothing was signed.")) == (
        0,
        True,
    )
    assert devices(desk)["device 1"]["state"] == "ended"
    assert "ended" in desk.type("key", "devices").out


def test_a_revocation_in_the_past_of_accepted_entries_is_confirmed(desk: Desk) -> None:
    """It says how many become void, and does nothing without --yes where nobody can be asked."""
    posts = desk.type("read", "--all", "--json").json["posts"]
    first = min(posts, key=lambda post: post["seq"])["id"]
    refused = desk.type("key", "revoke", "device 1", "--from", first)
    assert refused.code == 2
    said = "a revocation in the past of accepted entries: 3 entries of device 1"
    assert said in refused.err
    assert "--yes" in refused.err
    planned = desk.type("key", "revoke", "device 1", "--from", first, "--dry-run")
    assert (planned.code, "3 entries become void" in planned.out) == (0, True)
    assert devices(desk)["device 1"]["state"] == "open"
    done = desk.type("key", "revoke", "device 1", "--from", first, "--yes", "--json")
    assert (done.code, done.json["changed"], done.json["plan"]["devices"][0]["void"]) == (
        0,
        True,
        3,
    )


def test_closing_the_device_that_one_types_on_is_confirmed(desk: Desk) -> None:
    """Afterwards it can only read."""
    own = next(one["short_id"] for one in devices(desk).values() if one["this"])
    refused = desk.type("key", "revoke", own)
    assert (refused.code, "is the device that you type on" in refused.err) == (2, True)
    assert desk.type("key", "revoke", own, "--yes").code == 0
    posted = desk.type("post", "hello?")
    assert (posted.code, "this device has ended" in posted.err) == (6, True)
    assert desk.type("read", "--all").code == 0


def test_a_rotation_wants_the_words(desk: Desk) -> None:
    """Even where the seed is on the machine; it says what to write beside them."""
    silent = desk.type("key", "rotate")
    assert (silent.code, "nobody to ask" in silent.err) == (2, True)
    planned = desk.type("key", "rotate", "--dry-run")
    assert (planned.code, "The root key of epoch 1 takes over." in planned.out) == (0, True)
    done = desk.type("key", "rotate", "-", stdin=words(desk, "french"))
    assert (done.code, done.err) == (0, "Write beside your 24 words: 1. They stay the same.\n")
    assert {one["admission"] for one in devices(desk).values()} == {"named"}
    left_out = desk.type("key", "rotate", "-", "--leave-out", "device 1", stdin=words(desk))
    assert (left_out.code, "a rotation in the past of accepted entries" in left_out.err) == (
        2,
        True,
    )
    options = ("--leave-out", "device 1", "--yes")
    assert desk.type("key", "rotate", "-", *options, stdin=words(desk)).code == 0
    assert "forgotten" in desk.type("key", "devices").out
    accepted = desk.type("key", "accept", "device 1")
    assert (accepted.code, accepted.out.startswith("Readmitted.")) == (0, True)
    assert desk.type("key", "accept", "device 1").out.startswith("It is so already")


def test_wrong_words_sign_nothing(desk: Desk, tmp_path: Path) -> None:
    """A typo with what is near, the wrong language, and the words of somebody else."""
    typed = words(desk).split()
    typo = b" ".join([*typed[:4], typed[4] + b"q", *typed[5:]])
    wrong = desk.type("key", "rotate", "-", stdin=typo)
    assert (wrong.code, f"word 5, '{typed[4].decode()}q'" in wrong.err) == (2, True)
    assert typed[4].decode() in wrong.err.split("mean")[-1]
    language = desk.type("key", "rotate", "-", "--words-in", "french", stdin=words(desk))
    assert (language.code, "these words are english, not french" in language.err) == (2, True)
    others = desk.type("key", "rotate", "-", stdin=words(Desk(tmp_path / "bob", name="bob")))
    assert (others.code, "the words of another identity" in others.err) == (2, True)
    assert desk.type("key", "devices", "--json").json["epoch"] == 0


@pytest.mark.parametrize("verb", ["revoke", "accept"])
def test_an_unknown_device_is_not_found(desk: Desk, verb: str) -> None:
    """Exit code 3, and where they are listed."""
    ending = desk.type("key", verb, "tablet")
    assert (ending.code, "'tablet' is no device of this identity" in ending.err) == (3, True)
    assert "slowlight key devices lists them" in ending.err


def test_without_the_words_on_the_machine_they_are_read(desk: Desk) -> None:
    """After they were taken off: the root key comes from paper."""
    paper = words(desk)
    desk.home.database.touch()  # the store of a desk is in memory
    refused = desk.type("key", "forget-words")
    assert (refused.code, "nobody has proven yet to have the 24 words" in refused.err) == (2, True)
    assert desk.type("key", "verify", "-", stdin=paper).code == 0
    assert desk.type("key", "forget-words").out == "The words are off this machine.\n"
    assert "nothing was changed" in desk.type("key", "forget-words").out
    shown = desk.type("key", "words")
    assert (shown.code, "the words are not on this machine" in shown.err) == (3, True)
    silent = desk.type("key", "revoke", "device 1")
    assert (silent.code, "nobody to ask" in silent.err) == (2, True)
    assert desk.type("key", "revoke", "device 1", "-", stdin=paper).code == 0


def test_a_machine_joins_by_codes(desk: Desk, tmp_path: Path) -> None:
    """Asked, answered, begun: three commands, each with what to type next."""
    laptop = str(tmp_path / "laptop")
    asked = desk.type("key", "add-device", "--request", "--label", "laptop", "--home", laptop)
    assert asked.code == 0
    code = re.findall(r"slowlight-request:[a-z2-7]+", asked.out)[0]
    typo = code[:40] + ("a" if code[40] != "a" else "b") + code[41:]
    wrong = desk.type("key", "add-device", typo)
    assert (wrong.code, "a part is missing or altered" in wrong.err) == (2, True)
    answered = desk.type("key", "add-device", code, "--json")
    assert (answered.code, answered.json["label"]) == (0, "laptop")
    answer = answered.json["code"]
    swapped = desk.type("key", "add-device", answer)
    assert (swapped.code, "this is an answer" in swapped.err) == (2, True)
    taken = desk.type("key", "add-device", "--answer", "-", "--home", laptop, stdin=answer.encode())
    assert (taken.code, taken.out.startswith("This machine is ")) == (0, True)
    again = desk.type("key", "add-device", "--answer", answer, "--home", laptop)
    assert (again.code, "nothing was changed" in again.out) == (0, True)
    both = desk.type("key", "add-device", code, "--request")
    assert (both.code, "give one of" in both.err) == (2, True)


def test_a_key_file_that_others_can_read_is_refused(desk: Desk) -> None:
    """With what to type."""
    file = desk.home.path / "keys" / "root.seed"
    file.chmod(0o644)
    ending = desk.type("key", "revoke", "device 1")
    assert (ending.code, f"chmod 600 {file}" in ending.err) == (1, True)
