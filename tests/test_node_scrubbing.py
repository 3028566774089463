"""A node that runs looks after its entries by itself, and rests in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing

from slowlight.node.logs import Log
from slowlight.node.operation import DAY_MS
from slowlight.node.scrubbing import keep_scrubbed
from slowlight.store.sqlite import SqliteStore
from tests.bit_rot import flipped, numbers, talkative
from tests.people import START_MS
from tests.stores import take


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store with some entries, the newest of which is damaged."""
    ada = talkative(1, posts=50)
    with closing(SqliteStore(tmp_path / "node.db")) as store:
        take(store, ada.verified_ident(), *ada.runs())
        n = numbers(store)[-1]
        (payload,) = store.database.row("SELECT payload FROM entry WHERE n = ?", (n,))
        with store.database.writing():
            store.database.write(
                "UPDATE entry SET payload = ? WHERE n = ?", (flipped(payload, 9), n)
            )
        yield store


def run_for(store: SqliteStore, days: int, *, every: int) -> list[str]:
    """Let a node scrub for some days of virtual time; return what it logged."""
    lines: list[str] = []

    async def main() -> None:
        def now_ms() -> int:
            return START_MS + round(trio.current_time() * 1_000)

        with trio.move_on_after(days * DAY_MS / 1_000):
            await keep_scrubbed(store, every, clock=now_ms, log=Log(lines.append, clock=now_ms))

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return lines


def test_a_pass_begins_when_it_is_due(store: SqliteStore) -> None:
    """Not at the first start, which is when a store is new; what is damaged is named."""
    assert run_for(store, 6, every=7) == []
    lines = run_for(store, 30, every=7)
    assert sum("scrubbed" in line for line in lines) == 4
    assert sum("damage found" in line for line in lines) == 1
    assert store.file_state().lost_entries == 1


def test_a_node_can_be_told_not_to(store: SqliteStore) -> None:
    """0 days: never."""
    assert run_for(store, 100, every=0) == []
    assert store.setting("scrubbed_ms") == ""
