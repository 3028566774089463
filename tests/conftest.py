"""Fixtures that many tests use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Final

import pytest

from slowlight.store.base import NodeStore
from slowlight.store.memory import MemoryStore
from tests.stores import OpenStore

STORES: Final = ["memory"]


@pytest.fixture(params=STORES)
def open_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenStore]:
    """Open new empty stores of either kind, any number of them."""
    with ExitStack() as opened:

        def open_one() -> NodeStore:
            store = MemoryStore(os.urandom(8))
            opened.enter_context(closing(store))
            return store

        yield open_one


@pytest.fixture
def store(open_store: OpenStore) -> NodeStore:
    """A new empty store of either kind."""
    return open_store()
