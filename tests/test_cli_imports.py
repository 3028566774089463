"""A command loads what it needs and no more: that is how it starts at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.processes import PATIENCE_S, Daemon, environment, slowlight

SPY: Final = """
import sys
from slowlight.cli.main import run
from slowlight.cli.shell import Shell
code = run(sys.argv[1:], Shell())
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""
HELP_MAY_LOAD: Final = frozenset({"click"})
POST_MAY_LOAD: Final = HELP_MAY_LOAD | {"msgspec", "typing_extensions"}
"""With a daemon; msgspec itself looks for typing_extensions."""
POST_ALONE_MAY_LOAD: Final = POST_MAY_LOAD | {"msgpack", "nacl"}
OF_COMPILED_MODULES: Final = frozenset({"cython_runtime"})
"""What modules written in Cython bring with them."""
HEAVY_STANDARD_MODULES: Final = frozenset(
    {"asyncio", "email", "http", "multiprocessing", "ssl", "unittest", "urllib.request", "xml"}
)


def loaded_by(folder: Path, *arguments: str) -> set[str]:
    """Names of all modules that a command has loaded when it ends well."""
    done = subprocess.run(
        [sys.executable, "-c", SPY, *arguments],
        cwd=folder,
        capture_output=True,
        env=environment(folder, {}),
        timeout=PATIENCE_S,
        check=True,
    )
    return set(done.stderr.decode().splitlines()[-1].split())


def foreign(modules: set[str]) -> set[str]:
    """Packages that are neither ours, nor of the standard library, nor there at every start."""
    at_every_start = {name.split(".")[0] for name in loaded_at_start()}
    tops = {name.split(".")[0] for name in modules if not name.startswith("_")}
    known = set(sys.stdlib_module_names) | at_every_start | OF_COMPILED_MODULES | {"slowlight"}
    return tops - known


def loaded_at_start() -> set[str]:
    """Modules that Python loads for itself, with what is installed beside us."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"],
        capture_output=True,
        check=True,
    )
    return set(done.stdout.decode().split())


def heavy(modules: set[str]) -> set[str]:
    """Parts of the standard library that take long to load."""
    return {name for name in modules if name.split(".")[0] in HEAVY_STANDARD_MODULES}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with the home ``ada``."""
    assert slowlight(tmp_path, "--home", "ada", "init", "--name", "ada").code == 0
    return tmp_path


@pytest.mark.parametrize(
    "arguments", [("--help",), ("post", "--help"), ("help", "exit-codes"), ("--version",)]
)
def test_help_loads_click_alone(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The first page, a command's page, a topic; of the node only its errors."""
    modules = loaded_by(tmp_path, *arguments)
    assert foreign(modules) <= HELP_MAY_LOAD
    assert heavy(modules) == set()
    ours = {name for name in modules if name.startswith("slowlight.node.")}
    assert ours <= {"slowlight.node.errors"}


def test_post_through_a_daemon_loads_no_node(home: Path) -> None:
    """It speaks over the socket; keys, database and network stay where the daemon is."""
    with Daemon(home, "ada"):
        modules = loaded_by(home, "--home", "ada", "post", "hello")
    assert foreign(modules) <= POST_MAY_LOAD
    assert heavy(modules) == set()
    assert not any(name.startswith(("slowlight.store", "slowlight.sync")) for name in modules)


def test_post_without_a_daemon_loads_no_network(home: Path) -> None:
    """The database and the keys, and nothing that waits or speaks to peers."""
    modules = loaded_by(home, "--home", "ada", "post", "hello")
    assert foreign(modules) <= POST_ALONE_MAY_LOAD
    assert heavy(modules) == set()


def test_completion_knows_the_commands(tmp_path: Path) -> None:
    """The script for the shell comes from click."""
    asked = {
        "_SLOWLIGHT_COMPLETE": "bash_complete",
        "COMP_WORDS": "slowlight po",
        "COMP_CWORD": "1",
    }
    assert slowlight(tmp_path, environ=asked).out == "plain,post\n"
