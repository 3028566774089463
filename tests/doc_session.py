"""Types the commands of a page of documentation, and compares what it says with what comes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from tests.processes import COMMAND, PATIENCE_S, environment

ANYTHING: Final = "..."
"""A line that stands for any lines, also for none."""

_BETWEEN_ITEMS: Final = "\N{MIDDLE DOT}"
"""It goes where a line breaks."""
_GAP: Final = "\N{SYMBOL FOR NULL}"
_BLOCK: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT: Final = "$ "
_PROGRAM: Final = "slowlight"
_TYPED: Final = (_PROGRAM, "cp")
"""What is typed of a page: ours, and what brings a home into the state that the page tells of."""
_SHORT_ID: Final = "[0-9a-hjkmnp-tv-z]{4}(?:-[0-9a-hjkmnp-tv-z]{4}){2}"
_CHANGING: Final = (
    _SHORT_ID,
    r"\d{4}-\d\d-\d\d \d\d:\d\d UTC",
    r"\d+ (?:s|min|h|d|y) ago|just now",
    r"for \d+ (?:s|min|h|d|y)",
    r"process \d+",
    r"\(\d[\d.,]* (?:bytes?|kB|MB)\)",
    r"on the wire \S+ \S+ in, \S+ \S+ out",
    r"waited \S+ s",
    r"\d+(?:\.\d+){3}:\d+",
    r"/[^\s,]+",
)
"""What is different each time; everything else on a page is compared."""
_TOKEN: Final = re.compile("|".join(f"({pattern})" for pattern in _CHANGING))
_FIXED_PORT: Final = re.compile(r"(--listen \S+):\d+")


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a page, and what the page says of it."""

    line: int
    """Where it stands, from 1."""
    command: str
    expected: tuple[str, ...]


class PageError(AssertionError):
    """A page says what is not so."""


def steps_of(page: str) -> list[Step]:
    """Return the commands in the console blocks of a page that are typed, in order."""
    steps: list[Step] = []
    for block in _BLOCK.finditer(page):
        first_line = page.count("\n", 0, block.start(1)) + 1
        for number, text in enumerate(block[1].splitlines(), start=first_line):
            if text.startswith(_PROMPT):
                steps.append(Step(number, text.removeprefix(_PROMPT), ()))
            elif steps:
                last = steps[-1]
                steps[-1] = Step(last.line, last.command, (*last.expected, text))
    return [step for step in steps if step.command.split()[0] in _TYPED]


class DocSession:
    """A person in an empty folder who types what a page says."""

    def __init__(self, folder: Path) -> None:
        programs = folder / "bin"
        programs.mkdir()
        program = programs / _PROGRAM
        program.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
        program.chmod(0o700)
        self._folder = folder
        self._environ = environment(
            folder,
            {
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                "SLOWLIGHT_NODE_LISTEN": "127.0.0.1:0",
            },
        )
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._meant: dict[str, str] = {}
        """Ids of this session by those that the page shows."""

    def follow(self, page: str) -> None:
        """Type all commands of a page.

        Raises:
            PageError: a command ends otherwise than the page says, or answers something else.
        """
        for step in steps_of(page):
            shown = self._type(step)
            if not self._agrees(step.expected, shown):
                said = "\n".join(step.expected)
                raise PageError(
                    f"line {step.line}: {step.command}\n-- the page says:\n{said}\n"
                    f"-- this came:\n{shown}"
                )

    def __enter__(self) -> DocSession:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        for daemon in self._daemons:
            daemon.terminate()
        for daemon in self._daemons:
            daemon.communicate(timeout=PATIENCE_S)

    def _type(self, step: Step) -> str:
        command = _FIXED_PORT.sub(r"\1:0", step.command)
        for theirs, ours in self._meant.items():
            command = command.replace(theirs, ours)
        if command.endswith("&"):
            return self._start(command.removesuffix("&"))
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command}"],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
            check=False,
        )
        shown = done.stdout.decode()
        should_fail = any(text.startswith("error:") for text in step.expected)
        if (done.returncode != 0) != should_fail:
            raise PageError(
                f"line {step.line}: {step.command} ended with {done.returncode}\n{shown}"
            )
        return shown

    def _start(self, command: str) -> str:
        daemon = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self._folder,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._daemons.append(daemon)
        assert daemon.stdout is not None
        return daemon.stdout.readline().decode()

    def _agrees(self, expected: Sequence[str], shown: str) -> bool:
        """Compare what was shown, spaces and line breaks aside; learn what the page's ids mean."""
        if not expected:
            return True
        text = " ".join(_GAP if line == ANYTHING else line for line in expected)
        found = re.fullmatch(self._pattern(_spaced(text)), _spaced(shown))
        if found is None:
            return False
        tokens = (token[0] for token in _TOKEN.finditer(text))
        ids = [token for token in tokens if re.fullmatch(_SHORT_ID, token)]
        self._meant.update(zip(ids, found.groups(), strict=True))
        return True

    def _pattern(self, text: str) -> str:
        pattern, end = "", 0
        for token in _TOKEN.finditer(text):
            pattern += re.escape(text[end : token.start()]) + self._pattern_of(token)
            end = token.end()
        pattern += re.escape(text[end:])
        return pattern.replace(re.escape(f"{_GAP} "), "(?:.* )?")

    def _pattern_of(self, token: re.Match[str]) -> str:
        kind = _CHANGING[(token.lastindex or 1) - 1]
        if kind != _SHORT_ID:
            return f"(?:{kind})"
        return f"({re.escape(self._meant[token[0]]) if token[0] in self._meant else kind})"


def _spaced(text: str) -> str:
    return f" {' '.join(text.replace(_BETWEEN_ITEMS, ' ').split())} "


def pages(root: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the text of the pages that there are."""
    return {name: (root / name).read_text() for name in names if (root / name).exists()}
