"""Who may greet in the name of an identity: a device that has ended may not.

One that a rotation forgot may: a restored device is of the first epoch and hears of every rotation
from those it calls. Nothing that it writes counts until it is readmitted.
"""

from __future__ import annotations

from typing import Final

from ..protocol.ident import VerifiedIdent
from ..protocol.standing import standing_of
from ..store.base import LogStore

ENDED: Final = "this device has ended; its person has others"
"""Why a device is not worth calling."""
OWN_END: Final = "this device was closed by a record signed with your words: slowlight key devices"
"""Why another device of the own identity is not worth calling."""


def may_greet(store: LogStore, ident: VerifiedIdent, device: bytes) -> bool:
    """Say whether a device whose certificate was verified speaks for its identity now.

    Judged by the records in its greeting and those held here together: who was ended may not
    have heard of it, or may not say so.

    Args:
        ident: verified, with the certificate of the device.
    """
    held = store.ident(ident.identity)
    records = (*ident.records, *(held.records if held is not None else ()))
    if not records:
        return True
    certificates = [one.record for one in ident.devices if one.certificate.device == device]
    known = standing_of(ident.inception, records, certificates).devices.get(device)
    return known is not None and (known.open or not known.stands)


def is_ended(store: LogStore, identity: bytes, device: bytes) -> bool:
    """Say whether a known device has ended, by what is held here."""
    standing = store.standing(identity)
    known = None if standing is None else standing.devices.get(device)
    return known is not None and known.stands and not known.open
