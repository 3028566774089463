"""``slowlight service``: what systemd is told, and what happens where there is none."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from slowlight.node.home import Home
from slowlight.node.unit import unit_folder, unit_name, unit_text
from tests.command_line import Desk

FAKE: Final = """#!/bin/sh
echo "$@" >> {record}
exit {code}
"""


class Systemd:
    """A systemctl that writes down what it is asked."""

    def __init__(self, folder: Path, code: int = 0) -> None:
        self._record = folder / "asked"
        self._folder = folder
        program = folder / "bin" / "systemctl"
        program.parent.mkdir()
        program.write_text(FAKE.format(record=shlex.quote(str(self._record)), code=code))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    @property
    def environ(self) -> Mapping[str, str]:
        """What a command needs to find it, and nothing of the real one."""
        return {
            "PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(self._folder / "config"),
        }

    @property
    def units(self) -> dict[str, str]:
        """The units that are installed."""
        folder = unit_folder(self.environ)
        return {path.name: path.read_text() for path in folder.glob("*")}

    @property
    def asked(self) -> list[str]:
        """What it was asked, since the last look."""
        lines = self._record.read_text().splitlines() if self._record.exists() else []
        self._record.unlink(missing_ok=True)
        return lines


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """A systemd that does what it is told."""
    return arrange(Systemd(tmp_path), monkeypatch)


def arrange(made: Systemd, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """Let this process find it."""
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made


def desk_in(path: Path) -> Desk:
    """Return a home that looks as if its database were on the disk."""
    desk = Desk(path)
    desk.home.database.touch()
    return desk


def test_a_service_is_installed_once_and_taken_away(tmp_path: Path, systemd: Systemd) -> None:
    """Twice is fine; the home stays."""
    desk = desk_in(tmp_path / "ada's home")
    done = desk.type("service", "install")
    assert (done.code, done.err.count("loginctl")) == (0, 1)
    ((name, text),) = systemd.units.items()
    assert systemd.asked == [
        "--user show-environment",
        "--user daemon-reload",
        f"--user enable --now {name}",
    ]
    assert f'"--home" "{desk.home.path}" "run"' in text
    again = desk.type("service", "install", "--json")
    assert (again.code, again.json["changed"], again.json["installed"]) == (0, False, True)

    assert desk.type("service", "uninstall").code == 0
    assert systemd.units == {}
    assert f"--user disable --now {name}" in systemd.asked
    gone = desk.type("service", "uninstall")
    assert (gone.code, "no service is installed" in gone.err) == (3, True)
    assert desk.home.keys.exist


def test_a_dry_run_shows_the_unit_and_touches_nothing(tmp_path: Path, systemd: Systemd) -> None:
    """Also where there is no systemd at all."""
    desk = desk_in(tmp_path / "ada")
    done = desk.type("service", "install", "--dry-run")
    assert done.code == 0
    assert "  [Service]" in done.out.splitlines()
    assert systemd.units == {}
    assert systemd.asked == []


def test_without_systemd_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error, with what to do instead."""
    systemd = arrange(Systemd(tmp_path, code=1), monkeypatch)
    desk = desk_in(tmp_path / "ada")
    refused = desk.type("service", "install")
    assert (refused.code, "--dry-run prints the unit" in refused.err) == (2, True)
    assert systemd.units == {}
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = desk.type("service", "install", "--json")
    assert (missing.code, "has no systemctl" in missing.error["message"]) == (2, True)


def test_keys_under_a_passphrase_need_a_file(tmp_path: Path, systemd: Systemd) -> None:
    """A service has nobody to ask."""
    desk = desk_in(tmp_path / "ada")
    secret = tmp_path / "secret"
    secret.write_text("a passphrase of five words\n")
    secret.chmod(0o600)
    set_ = desk.type("key", "passphrase", "--new-passphrase-file", str(secret))
    assert set_.code == 0
    refused = desk.type("service", "install")
    assert (refused.code, "--passphrase-file FILE" in refused.err) == (2, True)
    done = desk.type("service", "install", "--passphrase-file", str(secret))
    assert done.code == 0
    (text,) = systemd.units.values()
    assert f'"--passphrase-file" "{secret}"' in text


def test_a_home_without_identity_gets_no_service(tmp_path: Path, systemd: Systemd) -> None:
    """It would fail at every start."""
    from slowlight.cli.shell import Shell
    from tests.command_line import typed

    done = typed(Shell(), "--home", str(tmp_path / "nobody"), "service", "install")
    assert (done.code, "slowlight" in done.err and "init" in done.err) == (4, True)
    assert systemd.units == {}


def test_paths_mean_nothing_to_systemd(tmp_path: Path) -> None:
    """Specifiers, quotes, variables and line ends of a path stay what they are."""
    home = Home(tmp_path / 'a "b" %h $HOME \\ c')
    text = unit_text(home, ["/bin/slowlight", str(home.path)])
    (start,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    assert start.endswith('/a \\"b\\" %%h $$HOME \\\\ c"')
    assert "\n" not in unit_text(Home(Path("/a\nb")), []).splitlines()[1]


def test_each_home_has_a_unit_of_its_own(tmp_path: Path) -> None:
    """The user's own has the plain name."""
    own, other = Home(tmp_path / "own"), Home(tmp_path / "other")
    assert unit_name(own, own) == "slowlight.service"
    assert unit_name(other, own) != unit_name(Home(tmp_path / "third"), own)
