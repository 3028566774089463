"""Snapshots of a home whose database is in memory, as a virtual machine takes them."""

from __future__ import annotations

import copy
import copyreg
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

from slowlight.node.pen import Pen
from slowlight.store.memory import MemoryStore
from tests.nodes import NodeHome, OpenMemoryStore

S = TypeVar("S", bound=MemoryStore)


def _remade(proxy: MappingProxyType[Any, Any]) -> tuple[Any, ...]:
    return MappingProxyType, (dict(proxy),)


copyreg.pickle(MappingProxyType, _remade)  # so that a store can be copied like a file


def copied(store: S) -> S:
    """Return another store that holds the same."""
    return copy.deepcopy(store)


def put_back(made: NodeHome, older: OpenMemoryStore) -> NodeHome:
    """Return a home as a snapshot of the whole machine leaves it: nothing in it speaks against it.

    The witness of such a machine names the older heads and the birth that its file had then. No
    test can give a file an older birth, so it gets a new witness of the same words.
    """
    home = replace(made, store=older)
    home.home.witness.unlink()
    older.put_setting("witness", "")
    device = made.home.keys.device_keys().device
    assert Pen(home.home, older, device).objection is None
    older.put_setting("witness", "kept")
    assert Pen(home.home, older, device).objection is None
    return home
