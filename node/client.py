"""How programs use a node: one call, whoever holds the home.

`open_client` finds out whether a daemon holds it (then the calls go to its socket) or opens
the home itself under the lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from .operations import Operation, Request, Result, SyncEvent

Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Result)

OnEvent = Callable[[SyncEvent], None]


def ignore_events(event: SyncEvent) -> None:
    """Take no notice of progress."""


class Client(Protocol):
    """A node, wherever it runs."""

    def call(self, operation: Operation[Q, R], request: Q, on_event: OnEvent = ignore_events) -> R:
        """Carry out one operation and return its result.

        Args:
            on_event: called with the progress of operations that tell it (`SYNC`).

        Raises:
            ServiceError: refused or failed; says what to do next.
        """
        ...

    def close(self) -> None:
        """Let go of the home."""
        ...
