"""What the threat model promises is held by tests that are there."""

from __future__ import annotations

import re
from typing import Final

from tests.source_tree import ROOT

PAGE: Final = (ROOT / "docs" / "threat-model.md").read_text()
NAMED: Final = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_every_test_that_is_named_is_there() -> None:
    """A test that is renamed takes its row along."""
    named = NAMED.findall(PAGE)
    assert len(named) > 15
    for file, name in named:
        text = (ROOT / "tests" / file).read_text()
        assert re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE), f"{file}::{name}"


def test_every_attacker_has_a_row_with_a_test() -> None:
    """A promise that nothing holds is none."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| **")]
    assert len(rows) > 10
    assert all(NAMED.search(row) for row in rows)
