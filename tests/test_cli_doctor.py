"""The doctor at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowlight.node import doctor, machine
from slowlight.node.home_results import CheckView, DoctorResult
from tests.command_line import Desk

FOUND = DoctorResult(
    home="/home/ada",
    checks=(
        CheckView(name="home", state="ok", text="/home/ada"),
        CheckView(
            name="key",
            state="note",
            text="here, and the 24 words were never verified",
            fixes=("slowlight key verify",),
        ),
        CheckView(
            name="disk",
            state="bad",
            text="only 3 MB are free \x1b[2J" + "and no more " * 9,
            fixes=("df -h /", "slowlight --home /x db stats"),
        ),
    ),
    bad=1,
)


class Healthy(machine.ThisMachine):
    """A machine with nothing to say of itself."""

    def multicast_error(self) -> str:
        """Groups are heard."""
        return ""

    def listen_error(self, address: str) -> str:
        """Every port is free."""
        assert address
        return ""


def found(*_asked: object, **_more: object) -> DoctorResult:
    """What the doctor has found, whatever was looked at."""
    return FOUND


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Ada's home, on a machine with nothing to say of itself."""
    monkeypatch.setattr(machine, "ThisMachine", Healthy)
    made = Desk(tmp_path / "ada")
    made.home.database.touch()
    return made


def test_each_check_has_a_line_and_what_to_type(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For this very home; what is not ours stands as it is."""
    monkeypatch.setattr(doctor, "examine", found)
    ending = desk.type("doctor")
    assert ending.code == 1
    assert ending.out.startswith(
        "ok   home       /home/ada\n"
        "note key        here, and the 24 words were never verified\n"
        f"                slowlight --home {desk.home.path} key verify\n"
        "BAD  disk       only 3 MB are free \N{REPLACEMENT CHARACTER}[2Jand no more"
    )
    assert "                df -h /\n                slowlight --home /x db stats\n" in ending.out
    assert ending.out.endswith("1 thing to mend.\n")


@pytest.mark.parametrize("width", [60, 80])
def test_it_fits_a_narrow_terminal(desk: Desk, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """All but commands, which can be copied as they stand."""
    monkeypatch.setattr(doctor, "examine", found)
    lines = desk.type("doctor", environ={"COLUMNS": str(width)}).out.splitlines()
    assert all(len(line) <= width for line in lines if " slowlight " not in line)


def test_a_healthy_home_ends_well(desk: Desk) -> None:
    """Notes are no errors; nothing is written."""
    before = sorted(path.name for path in desk.home.path.rglob("*"))
    ending = desk.type("doctor")
    assert (ending.code, "BAD" in ending.out) == (0, False)
    assert "peers      there is none yet" in ending.out
    assert sorted(path.name for path in desk.home.path.rglob("*")) == before


def test_programs_get_every_check(desk: Desk) -> None:
    """With what to type, for any home."""
    told = desk.type("doctor", "--json").json
    assert (told["schema"], told["bad"], told["home"]) == (1, 0, str(desk.home.path))
    states = {check["name"]: check["state"] for check in told["checks"]}
    assert states["key"] == "note"
    assert len(states) == 10


def test_where_there_is_no_home_it_says_how_to_begin(tmp_path: Path) -> None:
    """The doctor is asked when something is wrong, so it never gives up at the first thing."""
    desk = Desk(tmp_path / "ada")
    ending = desk.type("doctor")
    assert ending.code == 1
    assert f"slowlight --home {desk.home.path} init" in ending.out
    assert "BAD  home" in ending.out
