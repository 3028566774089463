"""What a node tells about itself: one line for each event, for people or for programs.

A log belongs to one node; several nodes of one process keep several. Whatever a peer sent is
made safe before it is written: a terminal that shows the log obeys nobody but its owner.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO, TypeAlias

import msgspec

from .clock import WallClock, rfc3339, system_clock
from .config import LogConfig
from .errors import Code, ServiceError

LEVELS: Final = ("debug", "info", "warning", "error")
MAX_FIELD_CHARACTERS: Final = 4_000
"""A longer field is cut: a traceback fits, and no peer fills the disk through a log."""

Fact: TypeAlias = str | int | float | bool | bytes | None
"""A field of a line; bytes are ids and written in hexadecimal."""
WriteLine: TypeAlias = Callable[[str], object]


class Log:
    """Writes the events of one node."""

    def __init__(
        self,
        write: WriteLine,
        *,
        level: str = "info",
        as_json: bool = False,
        clock: WallClock = system_clock,
    ) -> None:
        """Begin a log.

        Args:
            write: takes one line with its end.
            level: least important of `LEVELS` that is written.
        """
        self._write = write
        self._least = LEVELS.index(level)
        self._line = _json_line if as_json else _text_line
        self._clock = clock

    def debug(self, event: str, **facts: Fact) -> None:
        """Tell what only a developer asks for."""
        self._tell(0, event, facts)

    def info(self, event: str, **facts: Fact) -> None:
        """Tell what happens on a good day."""
        self._tell(1, event, facts)

    def warning(self, event: str, **facts: Fact) -> None:
        """Tell what went wrong outside: a peer, a link, a file."""
        self._tell(2, event, facts)

    def failure(self, event: str, **facts: Fact) -> None:
        """Tell what went wrong here."""
        self._tell(3, event, facts)

    def _tell(self, level: int, event: str, facts: dict[str, Fact]) -> None:
        if level >= self._least:
            safe = {name: _safe_fact(fact) for name, fact in facts.items()}
            self._write(self._line(rfc3339(self._clock()), LEVELS[level], event, safe))


@contextmanager
def opened_log(config: LogConfig) -> Generator[Log]:
    """Open the log that the settings ask for, and close its file in the end.

    Raises:
        ServiceError: ``invalid``: the file cannot be written.
    """
    as_json = config.format == "json"
    if not config.file:
        yield Log(_write_to(sys.stderr), level=config.level, as_json=as_json)
        return
    try:
        file = Path(config.file).expanduser().open("a", encoding="utf-8")
    except OSError as error:
        raise ServiceError(
            Code.INVALID,
            f"cannot write the log {config.file}: {error.strerror}",
            "set log.file to a file that can be written, or leave it empty",
        ) from error
    with file:
        yield Log(_write_to(file), level=config.level, as_json=as_json)


def _write_to(file: TextIO) -> WriteLine:
    """Return what writes lines around all buffers: what cannot be written now never is."""
    descriptor, encoding = file.fileno(), file.encoding

    def write(line: str) -> None:
        with suppress(OSError):  # a full disk or a closed pipe ends the log, not the node
            os.write(descriptor, line.encode(encoding, "backslashreplace"))

    return write


def no_log() -> Log:
    """Return a log that forgets everything."""
    return Log(lambda _line: None, level="error")


def one_line(text: str, most: int = MAX_FIELD_CHARACTERS) -> str:
    """Return text that no terminal obeys: on one line, with every unprintable character,
    direction mark and half character written as its number; cut after ``most`` characters."""
    shown = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text[:most]
    )
    return shown if len(text) <= most else f"{shown}..."


def _safe_fact(fact: Fact) -> str | int | float | bool | None:
    if isinstance(fact, bytes):
        return fact.hex()
    return one_line(fact) if isinstance(fact, str) else fact


def _json_line(
    time: str, level: str, event: str, facts: dict[str, str | int | float | bool | None]
) -> str:
    line = {"time": time, "level": level, "event": event, **facts}
    return msgspec.json.encode(line).decode() + "\n"


def _text_line(
    time: str, level: str, event: str, facts: dict[str, str | int | float | bool | None]
) -> str:
    words = [f"{name}={_text_fact(fact)}" for name, fact in facts.items()]
    return " ".join((time, f"{level:<7}", event, *words)) + "\n"


def _text_fact(fact: str | int | float | bool | None) -> str:
    if isinstance(fact, str):
        return f'"{fact}"' if " " in fact or not fact else fact
    return "none" if fact is None else str(fact).lower()
