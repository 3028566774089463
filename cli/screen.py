"""Where lines go: the terminal, a pager or a pipe."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TextIO, TypeAlias

from .cells import cut
from .lines import Line, Span, Style, line, written
from .safe import safe_json, safe_line

ColourChoice: TypeAlias = Literal["auto", "always", "never"]

WIDTH_WITHOUT_TERMINAL: Final = 80
LARGEST_WIDTH: Final = 100
"""Longer lines are hard to read."""
LEAST_WIDTH: Final = 20


class Screen:
    """Standard output and standard error, as far as a command needs them."""

    def __init__(self, colour: ColourChoice, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._colour = colour
        columns = shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 24)).columns
        self.width = min(max(columns, LEAST_WIDTH), LARGEST_WIDTH)
        self.talks_to_person = sys.stdin.isatty() and sys.stdout.isatty()
        self.shows_progress = sys.stderr.isatty()

    def show(self, lines: Iterable[Line], *, paged: bool = False) -> None:
        """Write lines to standard output.

        Args:
            paged: let a pager show them where a person sits before a terminal.
        """
        colour = self._coloured(sys.stdout)
        text = "".join(f"{written(one, colour=colour)}\n" for one in lines)
        if not (paged and self.talks_to_person and self._page(text)):
            _write(text, sys.stdout)

    def show_json(self, json: bytes) -> None:
        """Write one JSON value on a line of its own to standard output."""
        _write(f"{safe_json(json.decode())}\n", sys.stdout)

    def tell(self, *lines: Line) -> None:
        """Write lines to standard error: advice and progress."""
        colour = self._coloured(sys.stderr)
        _write("".join(f"{written(one, colour=colour)}\n" for one in lines), sys.stderr)

    def tell_json(self, json: bytes) -> None:
        """Write one JSON value on a line of its own to standard error."""
        _write(f"{safe_json(json.decode())}\n", sys.stderr)

    def advise(self, text: str) -> None:
        """Say on standard error what could be done next; not wrapped, so it can be copied."""
        self.tell(line(Span(text, Style.FAINT)))

    def replace_last(self, progress: str) -> None:
        """Write a line of progress over the one before; only for terminals."""
        shown = cut(safe_line(progress), self.width - 1)
        _write(f"\r\x1b[K{written(line(shown), colour=False)}", sys.stderr)

    def clear_last(self) -> None:
        """Take the line of progress away."""
        _write("\r\x1b[K", sys.stderr)

    def _coloured(self, stream: TextIO) -> bool:
        if self._colour != "auto":
            return self._colour == "always"
        if self._environ.get("NO_COLOR"):
            return False
        if self._environ.get("FORCE_COLOR"):
            return True
        return stream.isatty() and self._environ.get("TERM") != "dumb"

    def _page(self, text: str) -> bool:
        """Hand text to the person's pager; return whether there is one."""
        import subprocess

        chosen = self._environ.get("SLOWLIGHT_PAGER", self._environ.get("PAGER", "less"))
        if chosen in ("", "cat"):
            return False
        environ = {"LESS": "FRX", "LESSCHARSET": "utf-8", **self._environ}
        try:
            pager = subprocess.Popen(shlex.split(chosen), stdin=subprocess.PIPE, env=environ)
        except (OSError, ValueError, IndexError):
            return False
        try:
            pager.communicate(text.encode())
        except KeyboardInterrupt:
            pager.wait()
        return True


def _write(text: str, stream: TextIO) -> None:
    stream.write(text)
    stream.flush()
