"""What stands of an identity, as far as this node knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..protocol.content import CertificateRecord, decode_content, split_payload
from ..protocol.entry import CHANNEL_IDENTITY
from ..protocol.hashing import short_id
from ..protocol.ident import Ident
from ..protocol.identity import SignedRecord
from ..protocol.run import Run, open_run
from ..protocol.standing import Standing, standing_of
from ..store.base import LogStore
from .errors import Code, ServiceError


def own_standing(store: LogStore, identity: bytes) -> Standing | None:
    """Return what stands of an identity, or None if it is unknown here."""
    return store.standing(identity)


def standing_of_ident(ident: Ident) -> Standing:
    """Return what stands by what a proof of devices brings."""
    return standing_of(ident.inception, ident.records, certificates_of(ident.first_entries))


def certificates_of(first_entries: Iterable[Run]) -> Iterator[SignedRecord]:
    """Yield the certificates that first entries carry."""
    for run in first_entries:
        for entry in open_run(run):
            payload = entry.payload
            said = payload and decode_content(split_payload(payload), CHANNEL_IDENTITY)
            if isinstance(said, CertificateRecord):
                yield SignedRecord(said.body, said.signature)


def require_open(store: LogStore, identity: bytes, device: bytes, channel: int) -> None:
    """Require that what the own device writes now will stand.

    Raises:
        ServiceError: it has ended, or a rotation forgot it (``integrity``).
    """
    standing = own_standing(store, identity)
    own = standing.devices.get(device) if standing is not None else None
    if own is None or own.closing(channel) is None:
        return
    if own.stands:
        raise ServiceError(
            Code.INTEGRITY,
            "this device has ended: a record signed with your words closed it, and nothing that"
            " it writes now would count",
            "begin with a new device: slowlight --home DIR key restore; this one can still read",
        )
    raise ServiceError(
        Code.INTEGRITY,
        f"a rotation of the root key (epoch {standing.epoch if standing else 0}) does not name this"
        " device, so nothing that it writes would count",
        f"readmit it with your words: slowlight key accept {short_id(device)}",
    )
