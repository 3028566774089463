"""Reads the project's own source: which folders are rooms, and who imports what.

Nothing is executed: a module is judged by its text, also when it cannot be loaded.
"""

import ast
import configparser
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = "slowlight"
# Folders of the checkout that hold Python but are not shipped.
NOT_SHIPPED: Final = frozenset({"benchmarks", "docs", "tests"})


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name, written out in full."""

    name: str  # "slowlight.protocol.entry.Entry", "trio", "os.path"
    line: int  # from 1
    at_start: bool  # executed when its module is loaded: in no function, not for types alone
    relative: bool

    @property
    def room(self) -> str | None:
        """The room of ours it reaches into, if any; the root's own names are in no room."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 and parts[0] == PACKAGE and parts[1] in rooms() else None

    def is_of(self, module: str) -> bool:
        """Whether it is ``module``, or anything in it."""
        return self.name == module or self.name.startswith(f"{module}.")


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file, as text."""

    package: str  # that relative imports start from: "slowlight.node.carriers", "tests"
    label: str  # what complaints call it: "node/carriers/tcp.py"
    tree: ast.Module

    @classmethod
    def parse(cls, text: str, label: str) -> "Source":
        """Read ``text`` as if it stood in the file ``label``, a path below the root."""
        folders = Path(label).parent.parts
        home = () if NOT_SHIPPED.intersection(folders[:1]) else (PACKAGE,)
        return cls(".".join(home + folders), label, ast.parse(text, label))

    @property
    def room(self) -> str:
        """The top folder it stands in; empty for the root."""
        return self.label.split("/")[0] if "/" in self.label else ""

    def imports(self) -> Iterator[Import]:
        """Every import of the file, wherever in it."""
        yield from _imports(self.tree, self.package, at_start=True)

    def at(self, line: int) -> str:
        """Where ``line`` (from 1) is, as editors understand it."""
        return f"{self.label}:{line}"


def _imports(node: ast.AST, package: str, *, at_start: bool) -> Iterator[Import]:
    match node:
        case ast.Import(names=names, lineno=line):
            for alias in names:
                yield Import(alias.name, line, at_start, relative=False)
        case ast.ImportFrom(module=module, names=names, level=level, lineno=line):
            for alias in names:
                path = (_origin(package, level), module, alias.name)
                name = ".".join(part for part in path if part)
                yield Import(name, line, at_start, relative=level > 0)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            at_start = False
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=otherwise, body=body):
            for statement in body:
                yield from _imports(statement, package, at_start=False)
            for statement in otherwise:
                yield from _imports(statement, package, at_start=at_start)
            return
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        yield from _imports(child, package, at_start=at_start)


def _origin(package: str, level: int) -> str:
    """What ``level`` dots stand for in a module of ``package``."""
    if level == 0:
        return ""
    parts = package.split(".")
    return ".".join(parts[: len(parts) - level + 1])


def setup_cfg() -> configparser.ConfigParser:
    """The project's ``setup.cfg``."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def listed(section: str, option: str) -> list[str]:
    """A list of ``setup.cfg``, written one a line or with commas."""
    return setup_cfg()[section][option].replace(",", "\n").split()


def package_folders() -> set[str]:
    """Every package that the folders make, by its dotted name, the root included."""
    holding_python = {path.parent.relative_to(ROOT) for path in _python_files()}
    return {
        ".".join((PACKAGE, *folder.parts))
        for folder in holding_python
        if not NOT_SHIPPED.intersection(folder.parts[:1])
    }


@cache
def rooms() -> frozenset[str]:
    """The top folders that are packages."""
    return frozenset(
        path.parent.name
        for path in ROOT.glob("*/__init__.py")
        if path.parent.name not in NOT_SHIPPED
    )


def sources() -> list[Source]:
    """Every Python file of the checkout, tests and benchmarks too, in a fixed order."""
    return [
        Source.parse(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
        for path in sorted(_python_files())
    ]


def shipped_sources() -> list[Source]:
    """The Python files of the package."""
    return [source for source in sources() if source.room not in NOT_SHIPPED]


def _python_files() -> Iterator[Path]:
    # Not rglob: it would walk through .venv, and build/ holds copies of ourselves.
    folders = [ROOT]
    while folders:
        folder = folders.pop()
        for path in folder.iterdir():
            if path.suffix == ".py":
                yield path
            elif path.is_dir() and not path.is_symlink() and _is_ours(path.name):
                folders.append(path)


def _is_ours(folder_name: str) -> bool:
    return folder_name not in {"build", "dist", "__pycache__"} and not folder_name.startswith(".")
