"""What people install is what the checkout holds, and it runs where nothing else is."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.source_tree import NOT_SHIPPED, PACKAGE, ROOT, package_folders

pytestmark = pytest.mark.long

PROJECT_FILES: Final = ("LICENSE", "README.md", "pyproject.toml", "setup.cfg")
LOAD_EVERY_MODULE: Final = f"""
import importlib, pkgutil, {PACKAGE}
for module in pkgutil.walk_packages({PACKAGE}.__path__, "{PACKAGE}."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""


@dataclass(frozen=True, slots=True)
class Distributions:
    """The two files that a release consists of."""

    wheel: Path
    sdist: Path


def run(*command: str | Path, folder: Path) -> str:
    """Run a command in ``folder``; return what it printed, or fail with it."""
    finished = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, f"{command} ended {finished.returncode}:\n{finished.stdout}"
    return finished.stdout


def files_of_rooms() -> set[str]:
    """Every file that stands in a package folder, as a path below the root."""
    shipped = {path.name for path in ROOT.glob("*.py")} | {"py.typed"}
    for package in package_folders() - {PACKAGE}:
        folder = ROOT.joinpath(*package.split(".")[1:])
        shipped |= {
            path.relative_to(ROOT).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
    return shipped


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """A source distribution, and the wheel made from it, built away from the checkout."""
    checkout = tmp_path_factory.mktemp("release") / "checkout"
    leftovers = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist")
    shutil.copytree(ROOT, checkout, ignore=leftovers)
    run(sys.executable, "-m", "build", ".", folder=checkout)
    (wheel,) = (checkout / "dist").glob("*.whl")
    (sdist,) = (checkout / "dist").glob("*.tar.gz")
    return Distributions(wheel, sdist)


@pytest.fixture(scope="module")
def empty_environment(
    distributions: Distributions, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A virtualenv that holds the wheel and what the wheel asks for; its programs' folder."""
    folder = tmp_path_factory.mktemp("elsewhere")
    run(sys.executable, "-m", "venv", "env", folder=folder)
    programs = folder / "env" / "bin"
    run(programs / "python", "-m", "pip", "install", "-q", distributions.wheel, folder=folder)
    return programs


def test_the_wheel_holds_every_room_and_nothing_else(distributions: Distributions) -> None:
    """Also what is not Python (py.typed, data), and none of the tests."""
    with zipfile.ZipFile(distributions.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == {f"{PACKAGE}/{name}" for name in files_of_rooms()}


def test_the_source_distribution_can_be_built_from(distributions: Distributions) -> None:
    """It holds the rooms, the licence and the set-up; the wheel above was made from it."""
    with tarfile.open(distributions.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert files_of_rooms() <= names
    assert {name for name in PROJECT_FILES if (ROOT / name).exists()} <= names
    assert not NOT_SHIPPED & {name.partition("/")[0] for name in names}


def test_slowlight_runs_where_only_the_wheel_is(empty_environment: Path, tmp_path: Path) -> None:
    """The two commands that people type first, and the packages it needs all agree."""
    slowlight = empty_environment / PACKAGE
    assert run(slowlight, "--version", folder=tmp_path) == "slowlight, version 0.1.0\n"
    assert "Usage: slowlight" in run(slowlight, "--help", folder=tmp_path)
    run(empty_environment / "python", "-m", "pip", "check", folder=tmp_path)


def test_core_packages_are_enough_to_load_every_module(
    empty_environment: Path, tmp_path: Path
) -> None:
    """No module leans on a package that only developers have."""
    python = empty_environment / "python"
    loaded = run(python, "-I", "-c", LOAD_EVERY_MODULE, folder=tmp_path).split()
    assert package_folders() - {PACKAGE} <= set(loaded)
