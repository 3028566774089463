"""The commands of the documentation are typed, in order, and answer as its pages say."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.doc_session import DocSession, PageError, pages, steps_of
from tests.source_tree import ROOT

PAGES: Final = pages(ROOT, ["README.md", "docs/guide.md", "docs/guide-keys.md"])


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_happens(name: str, tmp_path: Path) -> None:
    """Typed from top to bottom in an empty folder, by somebody with nothing but the page."""
    assert steps_of(PAGES[name])
    with DocSession(tmp_path) as session:
        session.follow(PAGES[name])


def test_the_guide_is_there() -> None:
    """It is the page that new people are sent to."""
    assert "docs/guide.md" in PAGES


def block(*lines: str) -> str:
    """A page of one console block."""
    return "\n".join(["Before.", "```console", *lines, "```", ""])


def test_only_our_commands_are_typed() -> None:
    """What else a page shows needs a network, or a person."""
    page = block("$ make demo", "built", "$ slowlight status", "error: no", "hint: x")
    (step,) = steps_of(page)
    assert (step.line, step.command) == (5, "slowlight status")
    assert step.expected == ("error: no", "hint: x")


@pytest.mark.parametrize(
    "lines",
    [
        ("$ slowlight --version", "slowlight, version 0.0.9"),
        ("$ slowlight --version", "slowlight, version 0.1.0", "and more"),
        ("$ slowlight statsu",),
        ("$ slowlight --version", "error: it failed"),
        ("$ slowlight help exit-codes", "...", "  9  never"),
    ],
)
def test_a_page_that_lies_is_caught(lines: tuple[str, ...], tmp_path: Path) -> None:
    """Another answer, a line too many, an exit code that is not told, a line that never comes."""
    with DocSession(tmp_path) as session, pytest.raises(PageError, match="line 3"):
        session.follow(block(*lines))


def test_an_id_of_a_page_means_one_thing(tmp_path: Path) -> None:
    """It is learned where it first appears; used for something else, it is a lie."""
    begin = ("$ slowlight init --name ada", "Hello, ada.", "you are ada@aaaa-aaaa-aaaa", "...")
    post = ("$ slowlight post hello", "Posted aaaa-aaaa-aaaa · 5 bytes")
    with DocSession(tmp_path) as session, pytest.raises(PageError, match="line 7"):
        session.follow(block(*begin, *post))
