"""The house stands as ``docs/architecture.md`` draws it: each room imports what it may."""

import ast
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.source_tree import (
    NOT_SHIPPED,
    PACKAGE,
    ROOT,
    Import,
    Source,
    listed,
    package_folders,
    rooms,
    shipped_sources,
    sources,
)

NETWORK: Final = frozenset(
    {"http", "httpx", "hypercorn", "select", "selectors", "socket", "socketserver", "ssl"}
    | {"starlette", "urllib.request", "zeroconf"}
)
TASKS: Final = frozenset(
    {
        "anyio",
        "asyncio",
        "concurrent",
        "multiprocessing",
        "sched",
        "subprocess",
        "threading",
        "trio",
    }
)
CLOCKS: Final = frozenset({"time"})  # and datetime's own, which need not be imported by name
CLOCK_READINGS: Final = frozenset({"now", "today", "utcnow"})
RANDOMNESS: Final = frozenset({"nacl.utils", "random", "secrets", "uuid"})
FILES: Final = frozenset({"io", "os", "pathlib", "shutil", "sqlite3", "sqlite_utils", "tempfile"})
PRINTING: Final = frozenset({"click", "curses", "readline", "rich"})


@dataclass(frozen=True, slots=True)
class Room:
    """One row of the import table."""

    may_import: frozenset[str]  # other rooms; its own is always allowed
    may_not_touch: frozenset[str]  # modules that are not ours
    only_inside_functions: frozenset[str] = field(default=frozenset[str]())  # rooms
    reads_clocks: bool = False


TABLE: Final[Mapping[str, Room]] = {
    "protocol": Room(frozenset(), NETWORK | TASKS | CLOCKS | RANDOMNESS | FILES | PRINTING),
    "store": Room(frozenset({"protocol"}), NETWORK | TASKS | CLOCKS | PRINTING),
    "sync": Room(frozenset({"protocol", "store"}), NETWORK | TASKS | CLOCKS | FILES | PRINTING),
    "node": Room(frozenset({"protocol", "store", "sync"}), PRINTING, reads_clocks=True),
    "cli": Room(
        frozenset({"node", "simulations"}),
        frozenset(),
        only_inside_functions=frozenset({"node", "simulations"}),
        reads_clocks=True,
    ),
    "simulations": Room(frozenset({"protocol", "store", "sync", "node"}), CLOCKS | PRINTING),
}
CLIENT_MODULES: Final = frozenset({"client", "config", "errors", "operation", "shell", "clock"})
"""Of the node, what a command needs to ask it; modules that end in ``operations`` say what."""
OFFLINE_MODULES: Final = frozenset(
    {
        "beginning",  # init
        "daemon",  # run
        "doctor",
        "drill",  # key verify
        "home",
        "home_results",
        "joining",  # key add-device --request
        "machine",  # doctor
        "offline_upkeep",  # db check, rebuild, compact
        "restoring",  # key restore
        "root_signing",  # what the 24 words sign
        "unit",  # service
    }
)
"""Of the node, what commands need where no node can be asked: before it is there, and for secrets,
which never go through the API."""
# What the command line may load before it knows the command: this, the light part of the
# standard library, and itself.
LIGHT_PACKAGES: Final = frozenset({"__future__", "click"})
HEAVY_STANDARD_MODULES: Final = frozenset(
    {"asyncio", "concurrent", "email", "http", "importlib.metadata", "multiprocessing", "sqlite3"}
    | {"ssl", "unittest", "urllib.request", "xml"}
)


def import_complaints(source: Source) -> list[str]:
    """What the imports of a file of the package do that its room may not."""
    return [
        f"{source.at(found.line)}: {complaint}"
        for found in source.imports()
        if (complaint := _complaint(found, source.room)) is not None
    ]


def _complaint(found: Import, room: str) -> str | None:
    if found.is_of(PACKAGE) and not found.relative:
        return f"{found.name} is imported absolutely inside the package"
    if _is_bare_room(found):
        return f"{found.name} names a room without {PACKAGE}"
    if not room:
        return f"the root imports {found.name}; it holds only its docstring and the version"
    rule = TABLE[room]
    if found.room is not None and found.room != room:
        if found.room not in rule.may_import:
            return f"{room} may not import {found.room}"
        if found.at_start and found.room in rule.only_inside_functions:
            return f"{room} imports {found.room} only inside functions"
    for module in rule.may_not_touch:
        if found.is_of(module):
            return f"{room} may not touch {module}"
    if room == "cli" and found.at_start and not found.is_of(PACKAGE) and not _is_light(found):
        return f"{found.name} is too heavy to load before the command is known"
    return None


def _is_bare_room(found: Import) -> bool:
    """Whether a room is named as if it were a package of its own, as the current folder allows."""
    return not found.relative and found.name.split(".")[0] in rooms()


def _is_light(found: Import) -> bool:
    top = found.name.split(".")[0]
    if top in LIGHT_PACKAGES:
        return True
    return top in sys.stdlib_module_names and not any(map(found.is_of, HEAVY_STANDARD_MODULES))


def clock_complaints(source: Source) -> list[str]:
    """Where a file asks ``datetime`` what time it is although its room reads no clock."""
    if not source.room or TABLE[source.room].reads_clocks:
        return []
    return [
        f"{source.at(node.lineno)}: {source.room} reads the clock; time is an argument"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute)
        and node.attr in CLOCK_READINGS
        and ast.unparse(node.value).split(".")[-1] in {"date", "datetime"}
    ]


def outside_complaints(source: Source) -> list[str]:
    """Where a file that is not shipped names a module in a way its users cannot."""
    return [
        f"{source.at(found.line)}: {found.name}"
        for found in source.imports()
        if _is_bare_room(found) or any(found.is_of(f"{PACKAGE}.{room}") for room in NOT_SHIPPED)
    ]


def bare_excepts(source: Source) -> list[str]:
    """Where a file catches everything, also what ends the program."""
    return [
        source.at(node.lineno)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]


def test_the_table_has_a_row_for_every_room() -> None:
    """A new room is a decision: it gets its row before its first module."""
    assert set(TABLE) == rooms()


def test_every_room_imports_only_what_it_may() -> None:
    """Rules know no I/O, storage knows no network, and the command line starts light."""
    complaints = [line for source in shipped_sources() for line in import_complaints(source)]
    assert complaints == []


def test_the_command_line_asks_the_node_by_its_operations_alone() -> None:
    """Whatever a command does a program can do as well, by the API."""
    complaints = [
        f"{source.at(found.line)}: {found.name}"
        for source in shipped_sources()
        if source.room == "cli"
        for found in source.imports()
        if found.room == "node" and not _asks_only(found.name.split(".")[2])
    ]
    assert complaints == []


def _asks_only(module: str) -> bool:
    return module in CLIENT_MODULES | OFFLINE_MODULES or module.endswith("operations")


def test_time_is_an_argument_in_rooms_that_decide() -> None:
    """What reads a clock cannot be replayed in virtual time."""
    assert [line for source in shipped_sources() for line in clock_complaints(source)] == []


def test_tests_import_the_package_as_its_users_do() -> None:
    """Two names for one module would be two modules, each with its own classes."""
    outside = [source for source in sources() if source.room in NOT_SHIPPED]
    assert [line for source in outside for line in outside_complaints(source)] == []


def test_nothing_catches_everything() -> None:
    """A bare except would swallow cancellation and the wish to stop."""
    assert [line for source in sources() for line in bare_excepts(source)] == []


def test_listed_packages_and_folders_are_one_list() -> None:
    """A folder that is not listed would be missing from the wheel, and nowhere else."""
    packages = listed("options", "packages")
    assert packages == sorted(set(packages))
    assert set(packages) == package_folders()


def test_every_package_says_what_it_decides() -> None:
    """Each folder has an ``__init__.py``, and that has a docstring."""
    by_label = {source.label: source for source in shipped_sources()}
    for package in package_folders():
        label = "/".join((*package.split(".")[1:], "__init__.py"))
        assert ast.get_docstring(by_label[label].tree), label


def test_type_checkers_see_every_room() -> None:
    """The lists of mypy and pyright name the rooms that there are."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(listed("mypy", "packages")) == {f"{PACKAGE}.{room}" for room in rooms()}
    assert rooms() | {"tests"} <= set(pyproject["tool"]["pyright"]["include"])


REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    "rules that read a clock": ("protocol/a.py", "import time"),
    "rules that sleep": ("protocol/a.py", "from trio import sleep"),
    "rules that throw dice": ("protocol/a.py", "import random"),
    "rules that throw dice through a library": ("protocol/a.py", "from nacl.utils import random"),
    "rules that open files": ("protocol/a.py", "import os.path"),
    "rules that import late": ("protocol/a.py", "def f():\n    import socket"),
    "rules that know the store": ("protocol/a.py", "from ..store import sqlite"),
    "rules that name the store by its folder": ("protocol/a.py", "from .. import store"),
    "rules that know a type of the store": (
        "protocol/a.py",
        "if TYPE_CHECKING:\n    from ..store.sqlite import Store",
    ),
    "a store that knows the sync": ("store/a.py", "from ..sync.session import Session"),
    "a store with a network": ("store/a.py", "import socket"),
    "a session with tasks": ("sync/a.py", "import trio"),
    "a session with its own database": ("sync/a.py", "import sqlite3"),
    "a session that knows its daemon": ("sync/a.py", "from ..node.carriers.tcp import Carrier"),
    "a daemon that talks to people": ("node/a.py", "import click"),
    "a carrier that knows the command line": (
        "node/carriers/a.py",
        "from ...cli.main import main",
    ),
    "a world that knows the command line": ("simulations/a.py", "from ..cli import main"),
    "a world in real time": ("simulations/a.py", "from time import monotonic"),
    "a command with rules": ("cli/a.py", "def f():\n    from ..protocol import entry"),
    "a command that loads the node at start": ("cli/a.py", "from ..node.service import Service"),
    "a class body that loads the node at start": (
        "cli/a.py",
        "class A:\n    from ..node.service import Service",
    ),
    "an alternative to types that loads the node": (
        "cli/a.py",
        "if TYPE_CHECKING:\n    pass\nelse:\n    from ..node import service",
    ),
    "a command that loads trio at start": ("cli/a.py", "import trio"),
    "a command that loads sqlite3 at start": ("cli/a.py", "import sqlite3"),
    "an absolute import inside the package": ("store/a.py", "import slowlight.protocol.entry"),
    "a room without its house": ("store/a.py", "from protocol.entry import Entry"),
    "a root that imports": ("__init__.py", "from .protocol.entry import Entry"),
}


@pytest.mark.parametrize(("label", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_an_import_that_breaks_the_table_is_named(label: str, text: str) -> None:
    """The walk finds it, at its line, wherever in the file it hides."""
    last_line = len(text.splitlines())
    (complaint,) = import_complaints(Source.parse(text, label))
    assert complaint.startswith(f"{label}:{last_line}: ")


ALLOWED: Final[Mapping[str, tuple[str, str]]] = {
    "a room's own modules": ("protocol/a.py", "from .entry import Entry"),
    "a sub-room's parent": ("node/carriers/a.py", "from ..config import Config"),
    "a sub-room's rules": ("node/carriers/a.py", "from ...protocol.noise import Handshake"),
    "a name that only starts alike": ("protocol/a.py", "import timeit"),
    "the version": ("cli/a.py", "from .. import __version__"),
    "a command that loads the node when it runs": (
        "cli/a.py",
        "def f():\n    import trio\n    from ..node.service import Service",
    ),
    "a command that knows a type of the node": (
        "cli/a.py",
        "if TYPE_CHECKING:\n    from ..node.service import Service",
    ),
    "a world with a seed": ("simulations/a.py", "import random\nfrom ..node import daemon"),
}


@pytest.mark.parametrize(("label", "text"), ALLOWED.values(), ids=ALLOWED.keys())
def test_an_import_that_keeps_the_table_passes(label: str, text: str) -> None:
    """The rules forbid no more than they say."""
    assert import_complaints(Source.parse(text, label)) == []


def test_a_second_name_for_a_module_is_found_in_tests() -> None:
    """What tests share they import from ``tests``, what they test from ``slowlight``."""
    fine = (
        "from slowlight.protocol import entry\nfrom tests.people import ADA\nfrom . import people"
    )
    assert outside_complaints(Source.parse(fine, "tests/a.py")) == []
    for wrong in ("from protocol import entry", "from slowlight.tests.people import ADA"):
        assert len(outside_complaints(Source.parse(wrong, "tests/a.py"))) == 1


def test_a_clock_is_found_where_it_is_read() -> None:
    """``datetime`` may format a time in any room; only some may ask it for one."""
    asking = "import datetime\nx = datetime.datetime.now(datetime.UTC)"
    formatting = "from datetime import datetime, UTC\nx = datetime.fromtimestamp(0, UTC)"
    assert clock_complaints(Source.parse(asking, "sync/a.py")) == [
        "sync/a.py:2: sync reads the clock; time is an argument"
    ]
    assert clock_complaints(Source.parse(asking, "node/a.py")) == []
    assert clock_complaints(Source.parse(formatting, "sync/a.py")) == []


def test_a_bare_except_is_found() -> None:
    """Also one that catches and raises again: the narrow class says more."""
    text = "try:\n    f()\nexcept:\n    raise"
    assert bare_excepts(Source.parse(text, "store/a.py")) == ["store/a.py:3"]
    assert bare_excepts(Source.parse(text.replace("except", "except OSError"), "store/a.py")) == []
