"""Operations about blocks. The conventions are those of `operation`."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from .operation import Operation, Person, Request, Result, View, WhoList


class BlockRequest(Request, frozen=True):
    """Neither store nor pass on what these people write: one signed entry for each, all in one
    commit. Others can read it."""

    who: WhoList
    reason: Annotated[str, Meta(max_length=200)] = ""


class UnblockRequest(Request, frozen=True):
    """Take blocks back."""

    who: WhoList


class BlockOutcome(View, frozen=True):
    """What became of one name."""

    person: Person
    changed: bool
    """False: it was so already."""


class BlockResult(Result, frozen=True):
    """One outcome for each name, in the order asked."""

    outcomes: tuple[BlockOutcome, ...]


class BlocksRequest(Request, frozen=True):
    """Whom does this node block?"""


class BlockView(View, frozen=True):
    """Someone who is blocked."""

    person: Person
    reason: str


class BlocksResult(Result, frozen=True):
    """Whom this node blocks, by identity."""

    blocks: tuple[BlockView, ...]


BLOCK: Final = Operation("block", BlockRequest, BlockResult)
UNBLOCK: Final = Operation("unblock", UnblockRequest, BlockResult)
BLOCKS: Final = Operation("blocks", BlocksRequest, BlocksResult)

BLOCKING_OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (BLOCK, UNBLOCK, BLOCKS)
