"""A log line is one line, and obeys nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slowlight.node.clock import rfc3339
from slowlight.node.config import LogConfig
from slowlight.node.logs import MAX_FIELD_CHARACTERS, Log, one_line, opened_log
from tests.nodes import StoodClock


def test_a_line_says_when_how_important_and_what() -> None:
    """For people, words with names; ids in hexadecimal."""
    lines: list[str] = []
    log = Log(lines.append, clock=StoodClock(1_000))
    log.info("link up", peer=b"\xab\xcd", address="host:1", outgoing=True, note="two words")
    assert lines == [
        "1970-01-01T00:00:01.000Z info    link up"
        ' peer=abcd address=host:1 outgoing=true note="two words"\n'
    ]


def test_programs_read_one_object_a_line() -> None:
    """With the same facts."""
    lines: list[str] = []
    Log(lines.append, as_json=True, clock=StoodClock(1_000)).warning("gone", entries=3, why=None)
    assert json.loads(lines[0]) == {
        "time": "1970-01-01T00:00:01.000Z",
        "level": "warning",
        "event": "gone",
        "entries": 3,
        "why": None,
    }


def test_what_is_less_important_than_asked_for_is_not_written() -> None:
    """The level is the least that is written."""
    lines: list[str] = []
    log = Log(lines.append, level="warning")
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.failure("d")
    assert len(lines) == 2


@pytest.mark.parametrize("as_json", [False, True])
def test_a_peer_writes_no_second_line_and_no_command(as_json: bool) -> None:
    """Line ends, terminal commands, direction marks and half characters stand as numbers."""
    evil = "a\nb\r\x1b[2J\u202e\ud800\x00"
    lines: list[str] = []
    Log(lines.append, as_json=as_json, clock=StoodClock()).info("said", text=evil)
    (line,) = lines
    assert line.count("\n") == 1
    assert line.rstrip("\n").isprintable()
    line.encode()


def test_a_long_text_is_cut() -> None:
    """Before its characters are looked at."""
    shown = one_line("x" * 10_000_000)
    assert len(shown) == MAX_FIELD_CHARACTERS + 3


@pytest.mark.parametrize(
    ("t_ms", "written"),
    [
        (0, ""),
        (1, "1970-01-01T00:00:00.001Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, ""),
        (2**62 - 1, ""),
    ],
)
def test_a_time_is_written_as_the_standard_can(t_ms: int, written: str) -> None:
    """RFC 3339 has four digits for the year."""
    assert rfc3339(t_ms) == written


def test_a_disk_without_room_costs_the_lines_and_nothing_else() -> None:
    """Not even at the end, when what was kept back would have to be written."""
    with opened_log(LogConfig(file="/dev/full")) as log:
        log.failure("nobody will read this")


def test_a_log_file_is_appended_to(tmp_path: Path) -> None:
    """By each life of a daemon, in UTF-8."""
    file = tmp_path / "log"
    for text in ("one", "zwei ü"):
        with opened_log(LogConfig(file=str(file))) as log:
            log.info(text)
    assert [line.split()[2:] for line in file.read_text("utf-8").splitlines()] == [
        ["one"],
        ["zwei", "ü"],
    ]
