"""Processes forked from this one: they have loaded everything, and begin when they are told to.

A fault can be aimed at them between being made and beginning: strace is attached then, so that
it counts and injects from the first system call of the work itself.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

PATIENCE_S: Final = 60.0
"""Nothing here takes a hundredth of it; a test that waits for ever tells nobody why."""
DONE: Final = "done"
FAILED: Final = "failed"

_PR_SET_PTRACER: Final = 0x59616D61
_ANY_PROCESS: Final = ctypes.c_ulong(-1)

Say: TypeAlias = Callable[[str], None]
"""Tells whoever made the process a line; what was said stays said, also if the process dies."""
Work: TypeAlias = Callable[[Say], None]


class Child:
    """A process that carries out some work, and whatever it says about it."""

    def __init__(self, work: Work) -> None:
        waits, self._go = os.pipe()
        self._said, says = os.pipe()
        self.says: Final = says
        """The descriptor on which it says things."""
        self._left = b""
        self._over = False
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid: Final = os.fork()
        if self.pid == 0:
            os.close(self._go)
            os.close(self._said)
            _live(work, waits, says)
        os.close(waits)
        os.close(says)
        self._tracer: subprocess.Popen[bytes] | None = None

    def trace(self, arguments: Iterable[str], log: Path) -> None:
        """Attach strace, which writes to a file; before `begin`."""
        self._tracer = subprocess.Popen(
            ["strace", "-p", str(self.pid), "-o", str(log), *arguments], stderr=subprocess.PIPE
        )
        assert self._tracer.stderr is not None
        attached = self._tracer.stderr.readline()
        if b"attached" not in attached:
            self.kill()
            raise RuntimeError(f"strace: {attached.decode()}")

    def begin(self) -> None:
        """Let it work."""
        os.write(self._go, b"x")

    def kill(self) -> None:
        """End it without warning, wherever it is."""
        os.kill(self.pid, signal.SIGKILL)

    def said(self, timeout_s: float = PATIENCE_S) -> str | None:
        """Return the next line that it says, or None if it says nothing more.

        Raises:
            TimeoutError: it says nothing for so long, and lives.
        """
        while b"\n" not in self._left and not self._over:
            if not select.select([self._said], [], [], timeout_s)[0]:
                raise TimeoutError
            data = os.read(self._said, 65_536)
            self._over = not data
            self._left += data
        if self._over and not self._left:
            return None
        line, _, self._left = self._left.partition(b"\n")
        return line.decode()

    def rest(self) -> Iterator[str]:
        """Yield everything that it still says."""
        while (line := self.said()) is not None:
            yield line

    def end(self) -> int:
        """Wait for its end; return the exit code, or the signal below 0."""
        _, status = os.waitpid(self.pid, 0)
        if self._tracer is not None:
            self._tracer.communicate(timeout=PATIENCE_S)
        os.close(self._go)
        os.close(self._said)
        return os.waitstatus_to_exitcode(status)


def carried_out(work: Work) -> list[str]:
    """Carry out work in a process of its own, to its end; return what it said."""
    child = Child(work)
    child.begin()
    lines = list(child.rest())
    assert child.end() == 0, lines
    return lines


def _live(work: Work, waits: int, says: int) -> NoReturn:
    """Be the child: whatever happens, it never returns to the tests."""

    def say(line: str) -> None:
        os.write(says, f"{line}\n".encode())

    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY_PROCESS, 0, 0, 0)
        if os.read(waits, 1):
            work(say)
            code = 0
    except BaseException:  # noqa: BLE001 - it is told to the parent, which fails
        say(f"{FAILED} {traceback.format_exc()!r}")
    finally:
        os._exit(code)
