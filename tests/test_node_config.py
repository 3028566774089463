"""Settings: where each comes from, and what is said about a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from slowlight.node.config import MAX_FILE_BYTES, MAX_LINKS, Config, load_settings
from slowlight.node.errors import Code, ServiceError
from slowlight.sync.offers import MAX_INDEXES


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration file that is not there yet."""
    return tmp_path / "config.toml"


def test_without_anything_the_defaults_are_in_force(file: Path) -> None:
    """A file need not exist."""
    settings = load_settings(file, {})
    assert settings.config == Config()
    assert {item.origin for item in settings.items} == {"default"}
    assert all(item.meaning for item in settings.items)


def test_flag_wins_over_environment_over_file_over_default(file: Path) -> None:
    """Each setting says where it came from."""
    file.write_text('[node]\nnetwork = "f"\n\n[log]\nlevel = "debug"\nformat = "json"\n')
    environ = {
        "SLOWLIGHT_LOG_LEVEL": "warning",
        "SLOWLIGHT_LIMITS_LINKS": "7",
        "SLOWLIGHT_NODE_LISTEN": "127.0.0.1:0, [::1]:4242",
        "SLOWLIGHT_HOME": "/elsewhere",
        "PATH": "/bin",
    }
    settings = load_settings(file, environ, {"log.level": "error"})
    config = settings.config
    assert (config.log.level, config.log.format) == ("error", "json")
    assert config.node.network == "f"
    assert config.node.listen == ("127.0.0.1:0", "[::1]:4242")
    assert config.limits.links == 7
    origins = {item.key: (item.origin, item.source) for item in settings.items}
    assert origins["log.level"] == ("flag", "--level")
    assert origins["limits.links"] == ("environment", "SLOWLIGHT_LIMITS_LINKS")
    assert origins["log.format"] == ("file", f"{file}:6")
    assert origins["node.advertise"] == ("default", "")


def test_as_many_links_are_allowed_as_digests_are_kept() -> None:
    """One more would make every session scan the store."""
    assert MAX_LINKS == MAX_INDEXES


WRONG_FILES: Final[Mapping[str, tuple[str, str, str]]] = {
    "no TOML": ("listen = \n", "is not TOML", "edit"),
    "nesting without end": ("x = " + "[" * 5_000, "is not TOML", "edit"),
    "a number without end": ("x = " + "9" * 5_000, "is not TOML", "edit"),
    "unknown section": ("[nod]\nlisten = []\n", ":1: there is no section [nod]", "node?"),
    "unknown key": ("[log]\n\nlevle = 3\n", ":3: there is no setting log.levle", "log.level?"),
    "unlike any key": ("[log]\nzzz = 3\n", "no setting log.zzz", "there are"),
    "no section": ("log = 3\n", ":1: log must be a section", ""),
    "wrong type": ('[limits]\nlinks = "9"\n', ":2: limits.links: Expected `int`", "sessions"),
    "out of range": ("[limits]\nlinks = 0\n", ":2: limits.links: Expected `int` >= 1", "sessions"),
    "not a choice": ('[log]\nlevel = "loud"\n', ":2: log.level: Invalid", "debug, info"),
    "wrong item": ("[node]\nlisten = [1]\n", ":2: node.listen: Expected `str`", "host:port"),
    "dotted": ("log.level = 1\n", ":1: log.level: Expected", "debug, info"),
    "not text": ("\udcff", "cannot be read", "edit"),
    "too long": ("#" * (MAX_FILE_BYTES + 1), "is longer than", ""),
}


@pytest.mark.parametrize(("text", "says", "hint"), WRONG_FILES.values(), ids=WRONG_FILES.keys())
def test_a_wrong_file_is_refused_at_its_line(file: Path, text: str, says: str, hint: str) -> None:
    """Each mistake has one message: which file, line and key, and what is allowed."""
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ServiceError) as caught:
        load_settings(file, {})
    assert caught.value.code is Code.INVALID
    assert str(file) in caught.value.message
    assert says in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("environ", "flags", "source"),
    [
        ({"SLOWLIGHT_LIMITS_LINKS": "many"}, {}, "SLOWLIGHT_LIMITS_LINKS"),
        ({"SLOWLIGHT_LOG_COLOUR": "red"}, {}, "SLOWLIGHT_LOG_COLOUR"),
        ({}, {"log.level": "loud"}, "--level"),
        ({}, {"log.colour": "red"}, "--colour"),
    ],
)
def test_a_wrong_variable_or_flag_is_named(
    file: Path, environ: dict[str, str], flags: dict[str, str], source: str
) -> None:
    """A misspelt variable of ours is refused too: silence would mean that it counts."""
    with pytest.raises(ServiceError) as caught:
        load_settings(file, environ, flags)
    assert caught.value.message.startswith(f"{source}: ")
