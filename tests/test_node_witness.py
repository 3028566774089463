"""A home that was copied, put back or shared finds it out before it signs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from slowlight.node.author import NEW_DEVICE
from slowlight.node.beginning import begin
from slowlight.node.client import open_client
from slowlight.node.config import Config
from slowlight.node.errors import Code, Exit, ServiceError
from slowlight.node.home import Holder, Home
from slowlight.node.peer_operations import STATUS, StatusRequest
from slowlight.node.pen import Pen
from slowlight.node.post_operations import POST, READ, PostRequest, ReadRequest
from slowlight.protocol.entry import CHANNEL_POSTS
from slowlight.store.base import LogKey
from slowlight.store.sqlite import SqliteStore
from tests.nodes import StoodClock, seeded


def made(path: Path, machine: str = "m1") -> Home:
    """Begin a home on disk, on a machine of this name."""
    home = Home(path, machine=lambda: machine)
    begin(home, name="Ada", clock=StoodClock(), random_bytes=seeded(1))
    return home


def post(home: Home, text: str = "First light") -> str:
    """Write a post without a daemon; return its id."""
    with open_client(home, Config(), "slowlight post") as client:
        return client.call(POST, PostRequest(text=text)).post.id


def send(home: Home) -> None:
    """Do what goes before every session: from now on a peer may know what was written."""
    store = SqliteStore(home.database)
    try:
        Pen(home, store, home.keys.device_keys().device).before_sending()
    finally:
        store.close()


def head(home: Home) -> int:
    """Return the number of the newest own post."""
    store = SqliteStore(home.database)
    try:
        return store.head(LogKey(home.keys.device_keys().device, CHANNEL_POSTS)).seq
    finally:
        store.close()


def refused(home: Home) -> ServiceError:
    """Try to post, and return why not; nothing was written, and reading goes on."""
    before = head(home)
    with pytest.raises(ServiceError) as caught:
        post(home)
    assert head(home) == before
    with open_client(home, Config(), "slowlight read") as client:
        assert len(client.call(READ, ReadRequest(scope="all")).posts) == before + 1
        assert client.call(STATUS, StatusRequest()).person.name == "Ada"
    return caught.value


def told_to_renew(error: ServiceError) -> str:
    """Check that an error names the next command to type; return what is wrong."""
    assert (error.code, error.exit) == (Code.INTEGRITY, Exit.INTEGRITY)
    assert error.hint.endswith(NEW_DEVICE)
    return error.message


def database_copied(home: Home, to: Path) -> None:
    """Copy a database that nobody uses."""
    shutil.copy(home.database, to)


def test_a_home_that_stays_where_it_is_goes_on_signing(tmp_path: Path) -> None:
    """After each send, and after permissions, owners and the path to it changed."""
    home = made(tmp_path / "home")
    for _ in range(3):
        post(home)
        send(home)
    for path in home.path.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    home.path.rename(tmp_path / "moved")
    moved = Home(tmp_path / "moved", machine=home.machine)
    post(moved)
    assert head(moved) == 3


def test_a_database_put_back_from_an_older_copy_is_found_out(tmp_path: Path) -> None:
    """The entries that it lacks were sent: signing their numbers again would be a fork."""
    home = made(tmp_path / "home")
    post(home)
    database_copied(home, tmp_path / "backup.db")
    post(home, "after the backup")
    send(home)
    shutil.copy(tmp_path / "backup.db", home.database)
    assert "is older than what this device has sent" in told_to_renew(refused(home))


def test_what_was_never_sent_may_be_signed_again(tmp_path: Path) -> None:
    """Nobody holds the lost entry, so another one with its number contradicts nothing."""
    home = made(tmp_path / "home")
    send(home)
    database_copied(home, tmp_path / "backup.db")
    post(home, "lost with the disk")
    shutil.copy(tmp_path / "backup.db", home.database)
    post(home, "signed instead")
    assert head(home) == 0


def test_the_database_that_was_lost_is_refused_once_the_other_one_was_sent(tmp_path: Path) -> None:
    """Its entry has the same number and another id."""
    home = made(tmp_path / "home")
    database_copied(home, tmp_path / "backup.db")
    post(home, "lost, for now")
    database_copied(home, tmp_path / "lost.db")
    shutil.copy(tmp_path / "backup.db", home.database)
    post(home, "signed instead")
    send(home)
    shutil.copy(tmp_path / "lost.db", home.database)
    told_to_renew(refused(home))
    with pytest.raises(ServiceError, match="is older than"):
        send(home)


def test_a_copy_sends_only_what_was_sent_before(tmp_path: Path) -> None:
    """An entry that waits in it may have been signed differently since, where it was copied."""
    home = made(tmp_path / "home")
    post(home)
    send(home)
    send(copy_elsewhere(home, tmp_path / "early"))
    post(home, "waits")
    with pytest.raises(ServiceError, match="is a copy"):
        send(copy_elsewhere(home, tmp_path / "late"))


def copy_elsewhere(home: Home, path: Path) -> Home:
    """Copy the whole home to another place."""
    shutil.copytree(home.path, path / "copy")
    return replace(home, path=path / "copy")


def put_back(home: Home, path: Path) -> Home:
    """Put the whole home back from a backup, in place of what is there."""
    shutil.copytree(home.path, path / "backup")
    shutil.rmtree(home.path)
    shutil.copytree(path / "backup", home.path)
    return home


@pytest.mark.parametrize("move", [copy_elsewhere, put_back])
def test_a_copied_home_is_found_out(tmp_path: Path, move: Callable[[Home, Path], Home]) -> None:
    """Also where nothing was sent yet: the one that it was copied from may go on."""
    home = made(tmp_path / "home")
    post(home)
    copy = move(home, tmp_path)
    assert "is a copy, or was put back" in told_to_renew(refused(copy))


def test_a_home_put_back_over_itself_is_found_out(tmp_path: Path) -> None:
    """The files stay the same files; but the witness is another one since the last sending."""
    home = made(tmp_path / "home")
    post(home)
    shutil.copytree(home.path, tmp_path / "backup")
    post(home, "after the backup")
    send(home)
    shutil.copytree(tmp_path / "backup", home.path, dirs_exist_ok=True)
    assert "is a copy, or was put back" in told_to_renew(refused(home))


def test_the_original_goes_on_beside_its_copy(tmp_path: Path) -> None:
    """It is the copy that must not sign."""
    home = made(tmp_path / "home")
    post(home)
    copy = copy_elsewhere(home, tmp_path)
    refused(copy)
    post(home)
    assert head(home) == 1


def test_a_disk_in_another_machine_is_found_out(tmp_path: Path) -> None:
    """The bytes and the files are the same; a disk that was cloned looks like this."""
    home = made(tmp_path / "home", "m1")
    elsewhere = replace(home, machine=lambda: "m2")
    post(home)
    assert "was made on another machine" in told_to_renew(refused(elsewhere))
    nameless = replace(home, machine=lambda: "")
    post(nameless)


def test_a_home_without_its_witness_is_found_out(tmp_path: Path) -> None:
    """Unless it began before there were witnesses: then it gets one."""
    home = made(tmp_path / "home")
    home.witness.unlink()
    assert "put together from parts" in told_to_renew(refused(home))
    store = SqliteStore(home.database)
    store.put_setting("witness", "")
    store.close()
    post(home)
    assert home.witness.exists()


def test_a_damaged_witness_is_no_witness(tmp_path: Path) -> None:
    """Nobody knows what was sent."""
    home = made(tmp_path / "home")
    home.witness.write_bytes(home.witness.read_bytes()[:40])
    assert "is damaged" in told_to_renew(refused(home))


def test_a_witness_that_cannot_be_kept_stops_the_sending(tmp_path: Path) -> None:
    """What was committed meanwhile stays here."""
    home = made(tmp_path / "home")
    post(home)
    (home.path / "witness.new").mkdir()
    with pytest.raises(ServiceError) as caught:
        send(home)
    assert caught.value.code is Code.STORAGE


def note_holder(home: Home, holder: Holder) -> None:
    """Leave the note of another process, on a file system that keeps no locks."""
    (home.path / "lock").write_bytes(msgspec.json.encode(holder))


def test_a_home_in_use_on_another_machine_is_not_opened(tmp_path: Path) -> None:
    """The folder is shared and keeps no locks; the note says who has it."""
    home = made(tmp_path / "home")
    note_holder(home, Holder(77, "slowlight run", "m2", "mars"))
    with pytest.raises(ServiceError, match=r"in use on another machine, mars.*77") as caught:
        home.lock("slowlight post")
    assert caught.value.exit is Exit.LOCKED
    assert caught.value.hint.endswith(f"rm {home.path / 'lock'}")
    (home.path / "lock").unlink()
    post(home)


def test_the_note_of_a_process_that_died_here_hinders_nobody(tmp_path: Path) -> None:
    """It would hold the lock; and who goes in peace leaves no note."""
    home = made(tmp_path / "home")
    note_holder(home, Holder(77, "slowlight run", "m1", "here"))
    post(home)
    assert (home.path / "lock").read_bytes() == b""


def test_who_lost_a_shared_home_signs_no_more(tmp_path: Path) -> None:
    """The last who came has it: here a container with the same name of the machine."""
    home = made(tmp_path / "home")
    with open_client(home, Config(), "slowlight run") as client:
        client.call(POST, PostRequest(text="still mine"))
        note_holder(home, Holder(77, "slowlight run", "m1", "other-container"))
        with pytest.raises(ServiceError, match="process 77 on other-container") as caught:
            client.call(POST, PostRequest(text="no more"))
        assert caught.value.exit is Exit.LOCKED
        client.call(READ, ReadRequest())
    assert head(home) == 0


def damage(home: Home, *texts: bytes) -> None:
    """Change the texts of own posts on the disk, and let a scrub find it."""
    store = SqliteStore(home.database)
    try:
        for text in texts:
            with store.database.writing():
                store.database.write(
                    "UPDATE entry SET payload = CAST(payload || x'00' AS BLOB)"
                    " WHERE instr(payload, ?)",
                    (text,),
                )
        assert store.scrub(after=0, limit=1_000, now_ms=0).damaged == len(texts)
    finally:
        store.close()


def test_a_home_whose_newest_entries_were_damaged_can_fetch_them(tmp_path: Path) -> None:
    """It may talk to those who hold them, remembers that it sent them, and signs none anew."""
    home = made(tmp_path / "home")
    for text in ("kept", "sent, then damaged", "the newest"):
        post(home, text)
    send(home)
    sent = home.witness.read_bytes()
    key = LogKey(home.keys.device_keys().device, CHANNEL_POSTS)
    store = SqliteStore(home.database)
    held = store.read_run(key, 0, 2, end_known=False, max_bytes=60_000, now_ms=0)
    store.close()
    assert held is not None
    damage(home, b"sent, then damaged", b"the newest")
    for _ in range(2):
        error = refused(home)
        assert "slowlight sync" in error.hint
        assert "key add-device" in error.hint
        send(home)
        assert home.witness.read_bytes() == sent
    store = SqliteStore(home.database)
    try:
        pen = Pen(home, store, key.device)
        assert pen.objection is not None
        store.ingest([held], received_ms=0, via="peer")
        pen.require()
    finally:
        store.close()
    post(home, "goes on")
    assert head(home) == 3


def test_damage_while_a_node_runs_takes_nothing_from_the_witness(tmp_path: Path) -> None:
    """What was sent stays known, or an older copy could be signed on from."""
    home = made(tmp_path / "home")
    post(home, "kept")
    post(home, "the newest")
    store = SqliteStore(home.database)
    try:
        pen = Pen(home, store, home.keys.device_keys().device)
        pen.before_sending()
        before = home.witness.read_bytes()
        with store.database.writing():
            store.database.write("UPDATE entry SET payload = x'00' WHERE instr(payload, 'newest')")
        assert store.scrub(after=0, limit=1_000, now_ms=0).damaged == 1
        pen.before_sending()
        assert home.witness.read_bytes() == before
    finally:
        store.close()


def test_a_damaged_file_is_told_at_the_first_look(tmp_path: Path) -> None:
    """Not with a trace of the program, and with what to type next."""
    home = made(tmp_path / "home")
    post(home)
    send(home)
    store = SqliteStore(home.database)
    (page,) = store.database.row("SELECT rootpage FROM sqlite_schema WHERE name = 'entry'")
    (page_bytes,) = store.database.row("PRAGMA page_size")
    store.close()
    with home.database.open("r+b") as file:
        file.seek((page - 1) * page_bytes)
        file.write(b"\xa5" * page_bytes)
    with (
        pytest.raises(ServiceError, match="damaged") as caught,
        open_client(home, Config(), "slowlight read"),
    ):
        pass
    assert caught.value.exit == Exit.INTEGRITY
    assert "slowlight db rebuild" in caught.value.hint
