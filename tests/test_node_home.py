"""A home holds secrets that nobody else can read, and one process at a time."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from slowlight.node import client
from slowlight.node.beginning import begin, key_words, open_sqlite_store
from slowlight.node.client import open_client
from slowlight.node.config import Config, load_settings
from slowlight.node.errors import Code, Exit, ServiceError
from slowlight.node.home import HOME_VARIABLE, Home, locate
from slowlight.node.home_results import InitResult
from slowlight.node.peer_operations import STATUS, StatusRequest
from slowlight.protocol.identity import incept
from slowlight.protocol.words import seed_from_words
from tests.nodes import StoodClock, seeded

KEY_FILES: Final = ("root.seed", "device.key", "box.key")


def init(home: Home, seed: int = 1, name: str = "") -> InitResult:
    """Begin a node on disk."""
    return begin(home, name=name, clock=StoodClock(), random_bytes=seeded(seed))


def modes(home: Home) -> dict[str, int]:
    """Return the permissions of everything that holds secrets."""
    keys = home.path / "keys"
    return {path.name: path.stat().st_mode & 0o777 for path in (home.path, keys, *keys.iterdir())}


def test_a_new_home_is_open_to_its_owner_alone(tmp_path: Path) -> None:
    """Whatever the umask was."""
    home = Home(tmp_path / "deep" / "home")
    before = os.umask(0)
    try:
        result = init(home, name="Ada")
    finally:
        os.umask(before)
    assert modes(home) == {"home": 0o700, "keys": 0o700} | dict.fromkeys(KEY_FILES, 0o600)
    assert home.database.stat().st_mode & 0o777 == 0o600
    assert (result.created, result.person.name, result.person.own) == (True, "Ada", True)


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_home_is_not_made_where_a_file_stands(tmp_path: Path, below: str) -> None:
    """The file stays, and asking such a home finds no identity."""
    file = tmp_path / "notes"
    file.write_text("mine")
    home = Home(file / below)
    with pytest.raises(ServiceError, match="a file stands in the way") as caught:
        init(home)
    assert caught.value.code is Code.UNSAFE_HOME
    with pytest.raises(ServiceError, match="no identity"), open_client(home, Config(), "status"):
        pytest.fail("a file was taken for a home")
    assert load_settings(home.config, {}).config == Config()
    assert file.read_text() == "mine"


def test_beginning_twice_says_that_it_exists(tmp_path: Path) -> None:
    """Nothing is replaced, and the first name stays."""
    home = Home(tmp_path)
    first = init(home, name="Ada")
    again = init(home, seed=2, name="Eve")
    assert not again.created
    assert (again.person, again.device) == (first.person, first.device)


@pytest.mark.parametrize("missing", KEY_FILES)
def test_an_interrupted_beginning_is_gone_on_with(tmp_path: Path, missing: str) -> None:
    """The power failed before one of the secrets had its name: only that one is made anew."""
    interrupted, whole = Home(tmp_path / "interrupted"), Home(tmp_path / "whole")
    for home in (interrupted, whole):
        home.make()
        home.keys.make(seeded(1))
    lost = interrupted.path / "keys" / missing
    lost.rename(lost.with_name(f"{missing}.new"))
    result = init(interrupted, seed=2, name="Ada")
    assert result.created
    assert set(modes(interrupted)) == {"interrupted", "keys", *KEY_FILES}
    for name in set(KEY_FILES) - {missing}:
        kept, as_first_made = (home.path / "keys" / name for home in (interrupted, whole))
        assert kept.read_bytes() == as_first_made.read_bytes()


def test_a_profile_that_was_not_written_is_written_the_second_time(tmp_path: Path) -> None:
    """The power failed between the certificate and the profile."""
    home = Home(tmp_path)
    assert init(home).person.name == ""
    result = init(home, name="Ada")
    assert (result.created, result.person.name) == (False, "Ada")


@pytest.mark.parametrize(("name", "mode"), [("keys", 0o750), ("keys/box.key", 0o604)])
def test_secrets_that_others_can_read_are_not_used(tmp_path: Path, name: str, mode: int) -> None:
    """The error says what to type."""
    home = Home(tmp_path)
    init(home)
    (home.path / name).chmod(mode)
    with pytest.raises(ServiceError) as caught:
        home.keys.device_keys()
    assert caught.value.code is Code.UNSAFE_HOME
    assert caught.value.hint == f"chmod {'700' if name == 'keys' else '600'} {home.path / name}"


def test_a_secret_behind_a_link_is_not_followed(tmp_path: Path) -> None:
    """A name in the directory is the file itself or nothing."""
    home = Home(tmp_path)
    init(home)
    key = home.path / "keys" / "device.key"
    key.rename(tmp_path / "elsewhere")
    key.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ServiceError, match=r"device\.key") as caught:
        home.keys.device_keys()
    assert caught.value.code is Code.UNSAFE_HOME


@pytest.mark.parametrize("damage", ["", "ab" * 31 + "\n", "zz" * 32 + "\n", "ab" * 33 + "\n"])
def test_a_damaged_secret_is_not_used(tmp_path: Path, damage: str) -> None:
    """Nor shown: the message names only the file."""
    home = Home(tmp_path)
    init(home)
    (home.path / "keys" / "device.key").write_text(damage)
    with pytest.raises(ServiceError, match="is damaged") as caught:
        home.keys.device_keys()
    assert caught.value.exit is Exit.INTEGRITY
    assert "abab" not in str(caught.value)


def test_keys_do_not_show_themselves(tmp_path: Path) -> None:
    """Logs and tracebacks may hold what ``repr`` says."""
    home = Home(tmp_path)
    init(home)
    keys = home.keys.device_keys()
    shown = repr(keys)
    for secret in (keys.signing.secret, keys.box.private):
        assert repr(secret) not in shown
        assert secret.hex() not in shown


@pytest.mark.parametrize("language", ["english", "french"])
def test_the_words_give_the_identity_back(tmp_path: Path, language: str) -> None:
    """In both languages, without the database."""
    home = Home(tmp_path)
    identity = init(home).person.identity
    (home.database).unlink()
    written = key_words(home, language)
    seed, found = seed_from_words(list(written.words))
    assert (found, len(written.words)) == (language, 24)
    assert incept(seed).identity.hex() == written.identity == identity


def test_a_home_without_identity_says_how_to_make_one(tmp_path: Path) -> None:
    """Whichever part is asked for first."""
    home = Home(tmp_path / "none")
    for ask in (home.require, home.keys.root_seed, lambda: home.lock("slowlight post")):
        with pytest.raises(ServiceError, match=r"no (identity|home)") as caught:
            ask()
        assert caught.value.exit is Exit.LOCKED
        assert caught.value.hint.endswith("init")


def test_a_home_belongs_to_one_process(tmp_path: Path) -> None:
    """Who comes second learns who has it; when the first has died it is free."""
    home = Home(tmp_path)
    init(home)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from slowlight.node.home import Home\n"
            "lock = Home(Path(sys.argv[1])).lock('slowlight run')\n"
            "print('held', flush=True); sys.stdin.read()",
            str(tmp_path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ServiceError) as caught:
            home.lock("slowlight post")
        assert caught.value.exit is Exit.LOCKED
        assert f"process {holder.pid} (slowlight run)" in caught.value.message
        holder.kill()
        holder.wait()
        home.lock("slowlight post").close()


def test_two_holders_in_one_process_are_two_as_well(tmp_path: Path) -> None:
    """Several nodes live in one process, but not on one home."""
    home = Home(tmp_path)
    with home.lock("slowlight run"), pytest.raises(ServiceError, match="slowlight run"):
        home.lock("slowlight run")
    home.lock("slowlight run").close()


def test_a_command_opens_the_home_when_no_daemon_has_it(tmp_path: Path) -> None:
    """Also where a dead daemon left its socket behind; afterwards the home is free again."""
    home = Home(tmp_path)
    init(home, name="Ada")
    leave_socket_behind(home.socket)
    with open_client(home, Config(), "slowlight status") as opened:
        assert opened.call(STATUS, StatusRequest()).person.name == "Ada"
        with pytest.raises(ServiceError, match="slowlight status"):
            home.lock("slowlight run")
    home.lock("slowlight run").close()


def test_a_command_waits_only_so_long_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it says who has the home."""
    home = Home(tmp_path)
    init(home)
    monkeypatch.setattr(client, "LOCK_WAIT_S", 0.1)
    with (
        home.lock("slowlight db scrub"),
        pytest.raises(ServiceError, match="slowlight db scrub") as caught,
        open_client(home, Config(), "slowlight post"),
    ):
        pytest.fail("the home was opened twice")
    assert caught.value.exit is Exit.LOCKED


def leave_socket_behind(path: Path) -> None:
    """Make a socket that nobody listens on."""
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])",
            str(path),
        ],
        check=True,
    )
    assert path.is_socket()


def test_a_database_that_is_none_is_named(tmp_path: Path) -> None:
    """Nothing of it is touched."""
    home = Home(tmp_path)
    home.database.write_bytes(b"not a database at all, not even nearly" * 100)
    with pytest.raises(ServiceError) as caught:
        open_sqlite_store(home)
    assert (caught.value.code, caught.value.exit) == (Code.INTEGRITY, Exit.INTEGRITY)
    assert str(home.database) in caught.value.message


@pytest.mark.parametrize("lost", [True, False])
def test_a_home_does_not_begin_again_over_a_lost_database(tmp_path: Path, lost: bool) -> None:
    """It would sign other entries under the same numbers; the right database works again."""
    home, other = Home(tmp_path / "home"), Home(tmp_path / "other")
    identity = init(home, name="Ada").person.identity
    init(other, seed=2)
    home.database.rename(tmp_path / "kept")
    if not lost:
        other.database.rename(home.database)
    with pytest.raises(ServiceError, match="not the database") as caught:
        init(home, name="Ada")
    assert caught.value.exit is Exit.INTEGRITY
    with (
        pytest.raises(ServiceError, match="not the database"),
        open_client(home, Config(), "slowlight status"),
    ):
        pytest.fail("a foreign database was opened")
    (tmp_path / "kept").rename(home.database)
    with open_client(home, Config(), "slowlight status") as opened:
        assert opened.call(STATUS, StatusRequest()).person.identity == identity


def test_a_home_does_not_begin_again_over_lost_keys(tmp_path: Path) -> None:
    """It would be another person in this one's database; the right keys work again."""
    home = Home(tmp_path / "home")
    identity = init(home, name="Ada").person.identity
    (home.path / "keys").rename(tmp_path / "kept")
    with pytest.raises(ServiceError, match="its keys are missing") as caught:
        init(home, seed=2, name="Eve")
    assert caught.value.exit is Exit.INTEGRITY
    assert not (home.path / "keys").exists()
    (tmp_path / "kept").rename(home.path / "keys")
    assert init(home, name="Ada").person.identity == identity


def test_the_home_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    """Flag, then environment, then the user's own."""
    environ = {HOME_VARIABLE: str(tmp_path / "by-environment")}
    assert locate(str(tmp_path / "by-flag"), environ).path == tmp_path / "by-flag"
    assert locate(None, environ).path == tmp_path / "by-environment"
    assert locate(None, {}).path.name == "slowlight"
    assert locate("here", {}).path == Path.cwd() / "here"
    with pytest.raises(ServiceError, match="--home is empty"):
        locate("", environ)


def test_a_command_for_a_home_can_be_typed_as_it_stands(tmp_path: Path) -> None:
    """Also where the path has spaces."""
    home = Home(tmp_path / "my home")
    assert shlex.split(home.command("init")) == ["slowlight", "--home", str(home.path), "init"]


def test_a_new_home_is_on_the_disk_with_every_directory_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut right after a beginning must not take the whole home."""
    synced: list[Path] = []
    for module in ("home", "files"):
        monkeypatch.setattr(f"slowlight.node.{module}.sync_directory", synced.append)
    home = Home(tmp_path / "new" / "deeper" / "ada")
    home.make()
    found, *made = synced
    assert found == tmp_path.parent  # whoever made it may have been killed
    assert made == [tmp_path, tmp_path / "new", tmp_path / "new" / "deeper"]
    home.make()
    assert synced[4:] == [home.path.parent]


def test_a_directory_whose_name_cannot_be_synced_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that failed once may say the next time that it wrote the name, and have lost it."""

    def fail(_directory: Path) -> None:
        raise OSError(errno.EIO, "no answer")

    home = Home(tmp_path / "ada")
    with monkeypatch.context() as broken:
        broken.setattr("slowlight.node.files.sync_directory", fail)
        with pytest.raises(OSError, match="no answer"):
            home.make()
    assert not home.path.exists()
    home.make()
    assert home.path.is_dir()
