"""The table of everything that a node is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .blocking_operations import BLOCKING_OPERATIONS
from .db_operations import DB_OPERATIONS
from .delivery_operations import DELIVERY_OPERATIONS
from .key_operations import KEY_OPERATIONS
from .operation import Operation
from .pair_operations import PAIR_OPERATIONS
from .peer_operations import PEER_OPERATIONS
from .people_operations import PEOPLE_OPERATIONS
from .post_operations import POST_OPERATIONS

OPERATIONS: Final[Mapping[str, Operation[Any, Any]]] = {
    operation.name: operation
    for operation in (
        *PEER_OPERATIONS,
        *DELIVERY_OPERATIONS,
        *POST_OPERATIONS,
        *PEOPLE_OPERATIONS,
        *BLOCKING_OPERATIONS,
        *DB_OPERATIONS,
        *KEY_OPERATIONS,
        *PAIR_OPERATIONS,
    )
}
"""By name: the last part of its path in the API."""
