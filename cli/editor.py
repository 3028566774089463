"""Writing a post in the person's own editor; the draft outlives whatever goes wrong."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from pathlib import Path

    from .shell import Shell

EDITOR_VARIABLES: Final = ("SLOWLIGHT_EDITOR", "VISUAL", "EDITOR")
FALLBACK_EDITOR: Final = "vi"
DRAFT_FILE: Final = "draft.txt"
SCISSORS: Final = "------ >8 ------ write above this line; what is below is not posted"

_DRAFT_MODE: Final = 0o600


@contextmanager
def edited(shell: Shell, note: str, *, begin_with: str = "") -> Generator[str]:
    """Let the person write a text, and keep it as a draft until the body has ended well.

    The next one goes on with a draft that was kept.

    Args:
        note: shown below the text, never part of it.
        begin_with: what the text is to begin with, where no draft was kept.

    Raises:
        click.UsageError: the editor cannot be started or failed, or the draft is no longer text.
        ServiceError: there is no home, or nothing was written (``nothing_to_do``).
    """
    from ..node.errors import Code, ServiceError

    shell.home.require()
    draft = shell.home.path / DRAFT_FILE
    text = _read(draft) or begin_with
    _write(draft, f"{text}\n{SCISSORS}\n{note}\n")
    _edit(draft, shell.environ)
    text = _read(draft)
    if not text.strip():
        draft.unlink()
        raise ServiceError(Code.NOTHING_TO_DO, "nothing was written, so nothing is posted")
    _write(draft, text)
    try:
        yield text
    except ServiceError:
        shell.advise(f"The text is kept; {shell.command('post')} goes on with it.")
        raise
    draft.unlink()


def _read(draft: Path) -> str:
    try:
        return draft.read_text(encoding="utf-8").partition(SCISSORS)[0].strip("\n")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{draft} is not UTF-8 text") from error


def _write(draft: Path, text: str) -> None:
    draft.touch(mode=_DRAFT_MODE)
    draft.write_text(text, encoding="utf-8")


def _edit(draft: Path, environ: Mapping[str, str]) -> None:
    import subprocess

    named = next((environ[name] for name in EDITOR_VARIABLES if environ.get(name)), FALLBACK_EDITOR)
    try:
        code = subprocess.run([*shlex.split(named), str(draft)], check=False).returncode
    except (OSError, ValueError) as error:
        raise click.UsageError(
            f"the editor {named!r} cannot be started ({error}); set EDITOR to another"
        ) from error
    if code != 0:
        raise click.UsageError(f"the editor {named!r} ended with {code}; the text is in {draft}")
