"""How long a person waits for a command."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from .daemons import SLOWLIGHT, new_home, running
from .figures import Figure, at_most
from .limits import import_click_ms, median_ms, with_bytecode

REPEATS = 15
GOAL_MS = 120


def figures() -> Iterator[Figure]:
    """Measure ``--help`` and ``post``, with and without a daemon."""
    limit = import_click_ms(repeats=REPEATS)

    def figure(name: str, *arguments: str) -> Figure:
        def command() -> None:
            subprocess.run(
                [SLOWLIGHT, *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=with_bytecode(),
            )

        return at_most(
            name,
            median_ms(command, repeats=REPEATS),
            "ms",
            GOAL_MS,
            limit=limit,
            limit_name='python -c "import click"',
        )

    yield figure("slowlight --help", "--help")
    with new_home("starter") as home:
        post = ("--home", str(home.path), "post", "First light.")
        yield figure("slowlight post, no daemon", *post)
        with running(home):
            yield figure("slowlight post, through the daemon", *post)
