"""The real command line, typed by a program in front of people: each line is shown as it runs."""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from .lines import EMPTY, Span, Style, line

if TYPE_CHECKING:
    from .screen import Screen

READY_S: Final = 30.0
"""Longest time until a daemon says that it is ready."""
STOP_S: Final = 10.0
"""Longest time that a daemon gets to stop by itself."""
LOG_TAIL: Final = 5
"""Lines of its log that are shown where a daemon did not start."""


_ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CommandFailedError(Exception):
    """A command of the play did not end well."""


class Stage:
    """A folder in which commands are typed, and the daemons that they started.

    Leaving it stops every daemon, whatever happened.
    """

    def __init__(self, folder: Path, screen: Screen, environ: Mapping[str, str]) -> None:
        """Prepare to type in ``folder``; settings of the person's own node do not count there."""
        self.folder: Final = folder
        self._screen = screen
        self._environ = {
            name: value for name, value in environ.items() if not name.startswith("SLOWLIGHT_")
        }
        self.daemons: Final[list[subprocess.Popen[bytes]]] = []
        self._on_exit = ExitStack()

    def __enter__(self) -> Stage:
        """Go to the folder; from here on SIGTERM and SIGHUP end the play as Ctrl-C does."""
        self._on_exit.enter_context(_signals_handled(_ENDING_SIGNALS, signal.default_int_handler))
        self._show(f"cd {shlex.quote(str(self.folder))}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the daemons."""
        try:
            self.stop()
        finally:
            self._on_exit.close()

    def say(self, text: str) -> None:
        """Tell the spectators what comes."""
        self._screen.show([EMPTY, line(Span(text, Style.STRONG))])

    def tell(self, text: str) -> None:
        """Tell them what came of it."""
        self._screen.show([line(text)])

    def type(self, *arguments: str, stdin: str = "", stdout: str = "") -> None:
        """Run a command to its end.

        Args:
            stdin: file of the folder to read from; empty: nothing.
            stdout: file of the folder to write to; empty: for the spectators.

        Raises:
            CommandFailedError: it did not end with 0.
        """
        redirected = f" < {stdin}" * bool(stdin) + f" > {stdout}" * bool(stdout)
        typed = self._show(_typed(arguments) + redirected)
        with ExitStack() as files:
            finished = subprocess.run(
                _command(arguments),
                cwd=self.folder,
                env=self._environ,
                stdin=files.enter_context((self.folder / (stdin or os.devnull)).open("rb")),
                stdout=files.enter_context((self.folder / stdout).open("wb")) if stdout else None,
                check=False,
            )
        if finished.returncode:
            raise CommandFailedError(f"`{typed}` ended with {finished.returncode}")

    def start(self, *arguments: str, log: str) -> Any:
        """Start a daemon with ``--json``, wait until it says that it is ready, and return that.

        Args:
            log: file of the folder for its standard error.

        Raises:
            CommandFailedError: it ended instead, or said nothing within `READY_S`.
        """
        typed = self._show(f"{_typed(arguments)} 2> {log} &")
        daemon = subprocess.Popen(
            _command(arguments),
            cwd=self.folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._on_exit.enter_context((self.folder / log).open("wb")),
            process_group=0,  # Ctrl-C is ours alone: a daemon is stopped once, and by us
        )
        self.daemons.append(daemon)
        if daemon.stdout is None:
            raise RuntimeError("a pipe was asked for")
        readable, _, _ = select.select([daemon.stdout], [], [], READY_S)
        ready = daemon.stdout.readline() if readable else b""
        if not ready:
            tail = (self.folder / log).read_text(errors="replace").splitlines()[-LOG_TAIL:]
            raise CommandFailedError("\n".join((f"`{typed}` did not become ready", *tail)))
        return json.loads(ready)

    def stop(self) -> None:
        """Stop the daemons and wait for their end; one that will not stop is killed."""
        with _signals_handled(_ENDING_SIGNALS, signal.SIG_IGN):
            for daemon in self.daemons:
                daemon.terminate()
            for daemon in self.daemons:
                _await_end(daemon)
            self.daemons.clear()

    def _show(self, typed: str) -> str:
        self._screen.show([EMPTY, line(Span(f"$ {typed}", Style.NAME))])
        return typed


def _typed(arguments: Sequence[str]) -> str:
    return shlex.join(("slowlight", *arguments))


@contextmanager
def _signals_handled(numbers: Sequence[int], handler: Any) -> Generator[None]:
    before = [(number, signal.signal(number, handler)) for number in numbers]
    try:
        yield
    finally:
        for number, handled in before:
            signal.signal(number, handled or signal.SIG_DFL)


def _command(arguments: Sequence[str]) -> list[str]:
    """Return the command line of this very installation; the folder's files are no modules."""
    return [sys.executable, "-P", "-m", __package__ or "", *arguments]


def _await_end(daemon: subprocess.Popen[bytes]) -> None:
    try:
        daemon.wait(STOP_S)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
    if daemon.stdout is not None:
        daemon.stdout.close()
