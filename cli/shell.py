"""What every command has at hand: the person's choices, the screen, and the node."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from .lines import Line
from .screen import ColourChoice, Screen

if TYPE_CHECKING:
    from ..node.client import Client
    from ..node.config import Config, Settings
    from ..node.home import Home
    from ..node.operation import Result

    OpenClient: TypeAlias = Callable[[Home, Config, str], AbstractContextManager[Client]]


class Shell:
    """One run of the command line."""

    def __init__(
        self,
        *,
        environ: Mapping[str, str] = os.environ,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        open_client: OpenClient | None = None,
    ) -> None:
        """Begin.

        Args:
            open_client: reaches the node; None: as everybody does.
        """
        self.home_flag: str | None = None
        self.passphrase_file: str | None = None
        self.as_json = False
        self.colour: ColourChoice = "auto"
        self.environ = environ
        self.now_ms = now_ms
        self._open_client = open_client

    @cached_property
    def screen(self) -> Screen:
        """Where the answer goes; asked for only when all choices are known."""
        return Screen(self.colour, self.environ)

    @cached_property
    def home(self) -> Home:
        """The home that is meant."""
        from ..node.home import locate

        return locate(self.home_flag, self.environ, self._ask_passphrase)

    def _ask_passphrase(self) -> str:
        """Get the passphrase of the keys, once: a file descriptor is read only once."""
        return self._passphrase

    @cached_property
    def _passphrase(self) -> str:
        from .passphrase import passphrase_of_keys

        return passphrase_of_keys(self)

    def settings(self, flags: Mapping[str, str] | None = None) -> Settings:
        """Read the configuration of the home; ``flags`` are settings by key, as typed.

        Raises:
            ServiceError: ``invalid``.
        """
        from ..node.config import load_settings

        return load_settings(self.home.config, self.environ, flags)

    def node(self, command: str) -> AbstractContextManager[Client]:
        """Reach the node of the home: its daemon, or the home itself under its lock.

        Args:
            command: told to whoever finds the home in use meanwhile.

        Raises:
            ServiceError: there is no identity, or the home stays in use.
        """
        if self._open_client is None:
            from ..node.client import open_client

            self._open_client = open_client
        return self._open_client(self.home, self.settings().config, f"slowlight {command}")

    def answer(self, result: Result, lines: Iterable[Line], *, paged: bool = False) -> None:
        """Show a result: as JSON if that is asked for, else the lines that say it."""
        if self.as_json:
            import msgspec

            self.screen.show_json(msgspec.json.encode(result))
        else:
            self.screen.show(lines, paged=paged)

    def advise(self, text: str) -> None:
        """Say what could be done next, to people only."""
        if not self.as_json:
            self.screen.advise(text)

    def command(self, arguments: str) -> str:
        """Return what to type for another command on this home."""
        if self.home_flag is None:
            return f"slowlight {arguments}"
        return f"slowlight --home {shlex.quote(self.home_flag)} {arguments}"
