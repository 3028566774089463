"""What proves the own device to others is kept twice: without it nobody lets this node in.

Entry 0 of the identity log carries the certificate of a device and stands in every greeting. Peers
have it, but where the disk damages it here, none of them can be asked any more.
"""

from __future__ import annotations

from typing import Final

from ..protocol.errors import SlowlightError
from ..protocol.ident import Ident, RecordKind, VerifiedIdent, decode_ident, verify_ident
from ..store.base import OWN, NodeStore
from ..store.scrub import SLICE_ENTRIES
from .author import NEW_DEVICE
from .errors import Code, ServiceError

_SETTING: Final = "own.proof"
"""An `Ident` with the own device alone, in hexadecimal."""


def keep_own_proof(store: NodeStore, device: bytes) -> None:
    """Keep what proves a device a second time, once it is there."""
    if store.setting(_SETTING):
        return
    ident = _held(store, device)
    if ident is None:
        return
    rotations = tuple(each for each in ident.records if each[0] is RecordKind.ROTATE)
    own = tuple(run for run in ident.first_entries if run.device == device)
    store.put_setting(_SETTING, Ident(ident.inception, rotations, own).encode().hex())


def own_proof(store: NodeStore, device: bytes, *, now_ms: int) -> Ident:
    """Return what proves the identity of a device and the device itself.

    Where the disk damaged entry 0 of the device, it is put back from the second copy.

    Raises:
        ServiceError: it is not held any more, not even twice (``integrity``).
    """
    ident = _held(store, device)
    if ident is None:
        _put_back(store, now_ms)
        ident = _held(store, device)
    if ident is None:
        raise ServiceError(
            Code.INTEGRITY,
            "the disk damaged what proves this device to others (entry 0 of its log), so nobody"
            f" lets it in; begin with a new device: {NEW_DEVICE}",
            "it can still read; what it sent before stays with those who have it",
        )
    return ident


def _held(store: NodeStore, device: bytes) -> Ident | None:
    identity = store.identity_of(device)
    ident = store.ident(identity) if identity is not None else None
    if ident is None or all(run.device != device for run in ident.first_entries):
        return None
    return ident


def _put_back(store: NodeStore, now_ms: int) -> None:
    copy = _kept(store)
    if copy is None:
        return
    # Nothing is taken up in the place of an entry that was not found damaged yet. A home begins
    # with this one, so it is in the first slice.
    store.scrub(after=0, limit=SLICE_ENTRIES, now_ms=now_ms)
    store.ingest([copy], received_ms=now_ms, via=OWN)


def _kept(store: NodeStore) -> VerifiedIdent | None:
    try:
        return verify_ident(decode_ident(bytes.fromhex(store.setting(_SETTING))))
    except (ValueError, SlowlightError):
        return None
