"""A systemd user unit that keeps a node running."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final, TypeAlias

from .errors import Code, ServiceError
from .home import Home
from .home_results import ServiceResult

RunProgram: TypeAlias = Callable[[Sequence[str]], str]
"""Runs a program to its end and returns what it printed; raises ServiceError if it failed."""

PROGRAM_S: Final = 30
"""How long systemctl may take: it starts the node and does not wait for it."""
_FOR_PEOPLE_TO_MEND: Final = "2 4"
"""Exit codes after which another try changes nothing: a wrong setting, a locked home."""
_NAME_BYTES: Final = 4


def unit_name(home: Home, own_home: Home) -> str:
    """Return the name of the unit for a home: plain for the user's own, else one for each."""
    if home.path == own_home.path:
        return "slowlight.service"
    mark = blake2b(str(home.path).encode(), digest_size=_NAME_BYTES).hexdigest()
    return f"slowlight-{mark}.service"


def unit_folder(environ: Mapping[str, str]) -> Path:
    """Return where the units of a user are; systemd.unit(5)."""
    settings = environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(settings).expanduser() / "systemd" / "user"


def unit_text(home: Home, command: Sequence[str]) -> str:
    """Return the unit that runs a node.

    Args:
        command: program and arguments, as the program gets them.
    """
    line = " ".join(map(_quoted, command))
    return f"""\
[Unit]
Description=Slowlight node in {_escaped(str(home.path))}
After=network.target

[Service]
ExecStart={line}
Restart=on-failure
RestartSec=10
RestartPreventExitStatus={_FOR_PEOPLE_TO_MEND}
UMask=0077
NoNewPrivileges=yes

[Install]
WantedBy=default.target
"""


def install(
    home: Home,
    command: Sequence[str],
    *,
    name: str,
    folder: Path,
    dry_run: bool,
    run_program: RunProgram,
) -> ServiceResult:
    """Write the unit and start it; where it stands so already, only make sure that it runs.

    Raises:
        ServiceError: the file cannot be written (``storage``), or systemd is not there or
            refuses (``invalid``).
    """
    path, text = folder / name, unit_text(home, command)
    changed = not path.is_file() or path.read_text(encoding="utf-8") != text
    if not dry_run:
        run_program(["systemctl", "--user", "show-environment"])  # is anybody there?
        if changed:
            _write(path, text)
        run_program(["systemctl", "--user", "daemon-reload"])
        run_program(["systemctl", "--user", "enable", "--now", name])
    return ServiceResult(
        unit=str(path), text=text, installed=True, changed=changed, dry_run=dry_run
    )


def uninstall(
    home: Home, *, name: str, folder: Path, dry_run: bool, run_program: RunProgram
) -> ServiceResult:
    """Stop the unit and remove it; the home stays as it is.

    Raises:
        ServiceError: there is none (``nothing_to_do``), or as for `install`.
    """
    path = folder / name
    if not path.is_file():
        raise ServiceError(Code.NOTHING_TO_DO, f"no service is installed for {home.path}")
    text = path.read_text(encoding="utf-8")
    if not dry_run:
        run_program(["systemctl", "--user", "disable", "--now", name])
        path.unlink()
        run_program(["systemctl", "--user", "daemon-reload"])
    return ServiceResult(unit=str(path), text=text, installed=False, changed=True, dry_run=dry_run)


def run_program(arguments: Sequence[str]) -> str:
    """Run a program of the system, as `RunProgram` says."""
    advice = "slowlight service install --dry-run prints the unit; start it by hand"
    try:
        done = subprocess.run(
            arguments, capture_output=True, text=True, timeout=PROGRAM_S, check=False
        )
    except FileNotFoundError as error:
        raise ServiceError(
            Code.INVALID, f"this system has no {arguments[0]}: it runs no systemd", advice
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ServiceError(
            Code.INVALID, f"{arguments[0]} did not answer for {PROGRAM_S} s", advice
        ) from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise ServiceError(Code.INVALID, f"{' '.join(arguments)}: {said[0]}", advice)
    return done.stdout


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ServiceError(
            Code.STORAGE, f"cannot write {path}: {error.strerror}", "check its folder"
        ) from error


def _escaped(text: str) -> str:
    """Write text so that systemd finds no specifier or line end in it."""
    return text.replace("\\", "\\\\").replace("%", "%%").replace("\n", "\\n")


def _quoted(argument: str) -> str:
    """Write one argument of ``ExecStart``; systemd.service(5), "Command lines"."""
    text = _escaped(argument).replace('"', '\\"').replace("$", "$$")
    return f'"{text}"'
