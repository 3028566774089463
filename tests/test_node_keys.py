"""Secrets under a passphrase: nobody without it has them, and no accident loses them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from slowlight.node.errors import Code, Exit, ServiceError
from slowlight.node.home import Home, nobody_to_ask
from slowlight.node.keys import KeyFiles
from slowlight.node.vault import LEAST, MOST, USUAL, VAULT_BYTES, Cost, close_vault, open_vault
from tests.nodes import seeded

PLAIN: Final = {"root.seed", "device.key", "box.key"}
OLD: Final = "correct horse battery"
NEW: Final = "staple, twelve times"
SECRETS: Final = bytes(range(96))
NAME: Final = Path("keys/vault")


def key_files(directory: Path, passphrase: str | None = None) -> KeyFiles:
    """Keys that cost little to open; ``passphrase`` is what the person answers when asked."""
    answer = nobody_to_ask if passphrase is None else lambda: passphrase
    return KeyFiles(directory, answer, cost=LEAST)


def names(directory: Path) -> set[str]:
    """Files of a directory."""
    return {path.name for path in directory.iterdir()}


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A directory with new keys, not yet under a passphrase."""
    directory = tmp_path / "keys"
    key_files(directory).make(seeded(1))
    return directory


@pytest.fixture
def locked(plain: Path) -> Path:
    """A directory with keys under the passphrase `OLD`."""
    key_files(plain).set_passphrase(OLD, seeded(2))
    return plain


def test_a_passphrase_comes_changes_and_goes(plain: Path) -> None:
    """The keys stay the same; what is on the disk holds none of them."""
    before = key_files(plain).device_keys(), key_files(plain).root_seed()
    secrets = [path.read_text().strip() for path in plain.iterdir()]
    key_files(plain).set_passphrase(OLD, seeded(2))
    first = (plain / "vault").read_text()
    assert names(plain) == {"vault"}
    assert not any(secret in first for secret in secrets)
    key_files(plain, OLD).set_passphrase(NEW, seeded(3))
    second = (plain / "vault").read_text()
    assert first[32:80] != second[32:80]
    assert (key_files(plain, NEW).device_keys(), key_files(plain, NEW).root_seed()) == before
    with pytest.raises(ServiceError, match="passphrase is not the one"):
        key_files(plain, OLD).device_keys()
    key_files(plain, NEW).remove_passphrase()
    assert names(plain) == PLAIN
    assert (key_files(plain).device_keys(), key_files(plain).root_seed()) == before


def test_beginning_again_needs_the_passphrase_and_makes_nothing(locked: Path) -> None:
    """No second key beside those in the vault."""
    with pytest.raises(ServiceError, match="nobody to ask") as caught:
        key_files(locked).make(seeded(5))
    assert (caught.value.code, caught.value.exit) == (Code.KEYS_LOCKED, Exit.LOCKED)
    keys, seed = key_files(locked, OLD).make(seeded(5))
    assert keys == key_files(locked, OLD).device_keys()
    assert seed == key_files(locked, OLD).root_seed()
    assert names(locked) == {"vault"}


def test_a_wrong_passphrase_and_a_damaged_file_are_two_errors(locked: Path) -> None:
    """The first says to try again, the second what to put back; neither shows a passphrase."""
    with pytest.raises(ServiceError) as wrong:
        key_files(locked, "wrong horse battery").root_seed()
    assert wrong.value.code is Code.KEYS_LOCKED
    assert "horse" not in f"{wrong.value.message}{wrong.value.hint}"
    vault = locked / "vault"
    whole = vault.read_bytes()
    for kept in (0, 1, 100, len(whole) - 3):
        vault.write_bytes(whole[:kept])
        with pytest.raises(ServiceError, match=r"vault is damaged") as cut:
            key_files(locked, OLD).root_seed()
        assert cut.value.exit is Exit.INTEGRITY
    vault.write_bytes(whole + b"00\n")
    with pytest.raises(ServiceError, match="vault is damaged"):
        key_files(locked, OLD).root_seed()


def test_every_flipped_byte_is_damage() -> None:
    """Whatever it was; nothing is guessed at, so it costs no work."""
    vault = bytearray.fromhex(close_vault(SECRETS, OLD, seeded(1), LEAST))
    assert len(vault) == VAULT_BYTES
    for at in range(VAULT_BYTES):
        vault[at] ^= 1
        with pytest.raises(ServiceError, match=r"keys/vault is damaged: its checksum") as caught:
            open_vault(vault.hex().encode(), OLD, NAME)
        assert caught.value.code is Code.INTEGRITY
        vault[at] ^= 1
    assert open_vault(vault.hex().encode(), OLD, NAME) == SECRETS


@pytest.mark.parametrize(
    "cost",
    [
        Cost(LEAST.passes - 1, LEAST.memory_kib),
        Cost(LEAST.passes, LEAST.memory_kib - 1),
        Cost(MOST.passes + 1, LEAST.memory_kib),
        Cost(LEAST.passes, MOST.memory_kib + 1),
        Cost(2**32 - 1, 2**32 - 1),
        Cost(0, 0),
    ],
)
def test_a_hostile_vault_decides_no_cost(cost: Cost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither work without end, nor so little that the next passphrase can be guessed."""
    monkeypatch.setattr("slowlight.node.vault._key", some_key)
    line = close_vault(SECRETS, OLD, seeded(1), cost).encode()
    monkeypatch.setattr("slowlight.node.vault._key", no_work)
    with pytest.raises(ServiceError, match="no honest cost") as caught:
        open_vault(line, OLD, NAME)
    assert caught.value.code is Code.INTEGRITY


def some_key(*_arguments: object) -> bytes:
    """Stand for argon2id where any key will do."""
    return SECRETS[:32]


def no_work(*_arguments: object) -> bytes:
    """Stand for argon2id where it must not be called."""
    pytest.fail("the cost was paid before it was looked at")


def test_a_vault_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything of it is understood."""
    monkeypatch.setattr("slowlight.node.vault._MAGIC", b"slvault\x03")
    line = close_vault(SECRETS, OLD, seeded(1), LEAST).encode()
    monkeypatch.undo()
    with pytest.raises(ServiceError, match="this version"):
        open_vault(line, OLD, NAME)


def test_the_usual_cost_is_within_the_limits() -> None:
    """A vault that this version writes can be opened by it."""
    assert all(low <= it <= high for low, it, high in zip(LEAST, USUAL, MOST, strict=True))
    line = close_vault(SECRETS, OLD, seeded(1), USUAL).encode()
    assert open_vault(line, OLD, NAME) == SECRETS


def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """How much is needed, and no word about the passphrase."""
    from nacl import exceptions
    from nacl.pwhash import argon2id

    def refuse(*_arguments: object) -> bytes:
        raise exceptions.RuntimeError("Unexpected failure in key derivation")

    monkeypatch.setattr(argon2id, "kdf", refuse)
    with pytest.raises(ServiceError, match="needs 64 MiB of memory"):
        close_vault(SECRETS, OLD, seeded(1), LEAST)


def test_accents_are_one_however_they_are_typed(plain: Path) -> None:
    """One keyboard composes them, another one does not."""
    key_files(plain).set_passphrase("e\u0301toile polaire", seeded(2))
    assert key_files(plain, "\u00e9toile polaire").root_seed()


@pytest.mark.parametrize("passphrase", ["", "short", "x" * 1_025])
def test_a_passphrase_that_protects_nothing_is_refused(plain: Path, passphrase: str) -> None:
    """And nothing is changed."""
    with pytest.raises(ServiceError, match="at least 8 letters") as caught:
        key_files(plain).set_passphrase(passphrase, seeded(2))
    assert caught.value.code is Code.INVALID
    assert names(plain) == PLAIN


class PowerFailure(Exception):  # noqa: N818  (it is no error of anybody)
    """The machine stopped here."""


Change = Callable[[KeyFiles], None]
CHANGES: Final[dict[str, tuple[str | None, Change, str | None]]] = {
    "set": (None, lambda keys: keys.set_passphrase(NEW, seeded(9)), NEW),
    "change": (OLD, lambda keys: keys.set_passphrase(NEW, seeded(9)), NEW),
    "remove": (OLD, lambda keys: keys.remove_passphrase(), None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_power_may_fail_at_any_step_of_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The keys are under the old passphrase or under the new one, never neither."""
    before, carry_out, after = CHANGES[change]
    for step in range(100):
        directory = tmp_path / f"{change}-{step}"
        expected, _ = key_files(directory).make(seeded(1))
        if before is not None:
            key_files(directory).set_passphrase(before, seeded(2))
        with monkeypatch.context() as patched:
            stop_at(step, patched)
            try:
                carry_out(key_files(directory, before))
                interrupted = False
            except PowerFailure:
                interrupted = True
        under = key_files(directory).have_passphrase
        held = [
            one
            for one in (before, after)
            if (one is not None) == under and opens(directory, one, expected.device)
        ]
        assert len(held) == 1
        assert not under or names(directory) <= {"vault", "vault.new"}
        if not interrupted:
            assert held == [after]
            assert step > 3
            return
    pytest.fail("the change never came to its end")


def stop_at(step: int, patched: pytest.MonkeyPatch) -> None:
    """Let the power fail before the call with this number that changes the disk."""
    left = [step]

    def interrupting(call: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object, **options: object) -> object:
            if left[0] == 0:
                raise PowerFailure
            left[0] -= 1
            return call(*arguments, **options)

        return wrapped

    patched.setattr(Path, "rename", interrupting(Path.rename))
    patched.setattr(Path, "unlink", interrupting(Path.unlink))
    patched.setattr(os, "fsync", interrupting(os.fsync))


def opens(directory: Path, passphrase: str | None, device: bytes) -> bool:
    """Whether the keys of a device are had with a passphrase, or (None) without one."""
    try:
        return key_files(directory, passphrase).device_keys().device == device
    except ServiceError as error:
        if error.code is not Code.KEYS_LOCKED:
            raise
        return False


def test_what_others_can_read_is_no_vault(locked: Path) -> None:
    """It is refused like a plain secret, with the command to type."""
    (locked / "vault").chmod(0o640)
    with pytest.raises(ServiceError) as caught:
        key_files(locked, OLD).device_keys()
    assert caught.value.code is Code.UNSAFE_HOME
    assert caught.value.hint == f"chmod 600 {locked / 'vault'}"


def test_a_home_asks_early_only_if_it_must(tmp_path: Path) -> None:
    """A daemon asks before it hears signals; without a passphrase nobody is asked."""
    asked: list[str] = []

    def ask() -> str:
        asked.append("passphrase")
        return OLD

    home = Home(tmp_path, ask)
    home.keys.make(seeded(1))
    assert home.having_asked() is home
    assert asked == []
    key_files(tmp_path / "keys").set_passphrase(OLD, seeded(2))
    ready = home.having_asked()
    assert ready.keys.device_keys() == ready.keys.device_keys()
    assert asked == ["passphrase"]


def test_that_the_words_were_verified_is_remembered(plain: Path) -> None:
    """When it was; never, as long as it was not."""
    keys = key_files(plain)
    assert keys.words_verified_ms == 0
    keys.note_words_verified(1_900_000_000_000)
    assert key_files(plain).words_verified_ms == 1_900_000_000_000
    (plain / "words-verified").write_text("rubbish\n")
    assert keys.words_verified_ms == 0
