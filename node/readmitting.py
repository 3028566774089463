"""A restored device that a rotation forgot, because nobody had told it of the rotation.

A machine that has only words certifies itself with the root key of epoch 0: it cannot prove any
later one. When a peer brings a rotation, the device counts as forgotten until an accept of the
new epoch readmits it. A home that was restored from words remembers so, and signs that accept
itself if the root seed is here; a home that a rotation left out on purpose never does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..protocol.identity import MAX_EPOCH
from ..store.base import NodeStore
from .errors import Code, ServiceError

_SETTING: Final = "restored.epoch"


def note_restored(store: NodeStore, epoch: int) -> None:
    """Remember that this home was restored from words beside which ``epoch`` was written."""
    store.put_setting(_SETTING, str(epoch))


def readmits(store: NodeStore) -> bool:
    """Say whether this home readmits its own device if a rotation forgot it."""
    return store.setting(_SETTING) != ""


def forget_restored(store: NodeStore) -> None:
    """The device was readmitted once; from now on only a person does it."""
    store.put_setting(_SETTING, "")


def expected_epoch(store: NodeStore, epoch: int) -> int:
    """Return the epoch that was written beside the words; 0 if ``epoch`` is as new."""
    noted = store.setting(_SETTING)
    return int(noted) if noted.isdecimal() and int(noted) > epoch else 0


def check_epoch(epoch: int) -> None:
    """Refuse a number that no epoch can have.

    Raises:
        ServiceError: ``invalid``.
    """
    if not 0 <= epoch <= MAX_EPOCH:
        raise ServiceError(
            Code.INVALID, f"there is no epoch {epoch}", "give the number written beside the words"
        )


RootSeed = Callable[[], bytes | None]
"""Returns the seed behind the words if it is on this machine."""
