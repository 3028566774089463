"""Fixtures that many tests use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import Final

import pytest

from slowlight.store.base import NodeStore
from slowlight.store.memory import MemoryStore
from slowlight.store.sqlite import SqliteStore
from tests.stores import OpenStore

STORES: Final = ["memory", "sqlite"]


@pytest.fixture
def open_kind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], NodeStore]]:
    """Open new empty stores of the kind that is named, any number of them."""
    with ExitStack() as opened:

        def open_one(kind: str) -> NodeStore:
            store: NodeStore = (
                MemoryStore(os.urandom(8))
                if kind == "memory"
                else SqliteStore(tmp_path_factory.mktemp("store") / "slowlight.db")
            )
            opened.enter_context(closing(store))
            return store

        yield open_one


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest, open_kind: Callable[[str], NodeStore]) -> OpenStore:
    """Open new empty stores of either kind, any number of them."""
    return partial(open_kind, request.param)


@pytest.fixture
def store(open_store: OpenStore) -> NodeStore:
    """A new empty store of either kind."""
    return open_store()
