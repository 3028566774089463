"""What stands, as stores take it in: which records are kept, and where each log ends.

Pure functions over what a store has looked up, so that both stores decide alike. The rules
themselves are in ``protocol/standing.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

from ..protocol.closing import NO_ENTRY
from ..protocol.content import decode_content, split_payload
from ..protocol.content_graph import AcceptRecord, RevokeRecord, RotateRecord
from ..protocol.entry import CHANNEL_IDENTITY, SALT_BYTES, Entry
from ..protocol.ident import RecordKind
from ..protocol.identity import (
    Inception,
    SignedRecord,
    decode_accept,
    decode_revocation,
)
from ..protocol.roots import SignatureCheck, signed_by
from ..protocol.standing import Standing, Void, standing_of
from .base import MAX_RECORD_BYTES_OF_IDENTITY, LogEnding
from .ingest import require_room_for_device

KindedRecord: TypeAlias = tuple[RecordKind, SignedRecord]

MAX_REMEMBERED_CHECKS: Final = 8_192
"""Signatures that were found good: those of a hundred identities with many records."""

_MOST_BYTES_AROUND_RECORD: Final = 8
"""Of the array that a record travels in: its head, the kind, and the heads of two byte strings."""

_RECORD_KINDS: Final = frozenset(map(int, RecordKind))


class RememberedChecks:
    """A `SignatureCheck` that remembers what was good, together with the key.

    A standing is decided anew whenever a record or device comes; each signature is then looked
    at only once.
    """

    def __init__(self) -> None:
        self._good: Final[dict[tuple[bytes, bytes, bytes, bytes], None]] = {}

    def __call__(self, public: bytes, context: bytes, record: SignedRecord) -> bool:
        """Say whether a key signed a record in a context."""
        what = public, context, record.hash, record.signature
        if what in self._good:
            return True
        if not signed_by(public, context, record):
            return False
        self._good[what] = None
        if len(self._good) > MAX_REMEMBERED_CHECKS:
            del self._good[next(iter(self._good))]
        return True


def standing_kept(
    inception: Inception,
    records: Iterable[KindedRecord],
    certificates: Iterable[SignedRecord],
    check: SignatureCheck,
) -> Standing:
    """Decide what stands by the records that there is room for; those are its `records`.

    Rotations go first, because they end what a thief of a root key can write in masses, then
    what is said of known devices.
    """
    certified = list(certificates)
    standing = standing_of(inception, records, certified, check)
    fitting = _fitting(standing)
    if len(fitting) == len(standing.records):
        return standing
    return standing_of(inception, fitting, certified, check)


def _fitting(standing: Standing) -> list[KindedRecord]:
    if sum(_bytes(record) for _, record in standing.records) <= MAX_RECORD_BYTES_OF_IDENTITY:
        return list(standing.records)
    fitting: list[KindedRecord] = []
    left = MAX_RECORD_BYTES_OF_IDENTITY
    for kind, record in sorted(standing.records, key=lambda item: _rank(standing, *item)):
        left -= _bytes(record)
        if left < 0:
            break  # what continues a rotation that is left out would prove nothing
        fitting.append((kind, record))
    return fitting


def _bytes(record: SignedRecord) -> int:
    """Return what a record takes in an IDENT at most."""
    return len(record.body) + len(record.signature) + _MOST_BYTES_AROUND_RECORD


def _rank(standing: Standing, kind: RecordKind, record: SignedRecord) -> int:
    match kind:
        case RecordKind.ROTATE:
            return 0
        case RecordKind.REVOKE:
            device = decode_revocation(record.body).device
        case RecordKind.ACCEPT:
            device = decode_accept(record.body).device.device
    return 1 if device in standing.devices else 2


def floor_of(noted: int, ending: LogEnding | None) -> int:
    """Return from where on a log is kept; one that ends below is kept from its beginning again."""
    return 0 if ending is not None and ending.seq < noted else noted


def ending_of(standing: Standing, device: bytes, channel: int) -> LogEnding | None:
    """Return where a log of a device ends; None: it is open."""
    known = standing.devices.get(device)
    if known is None:
        return LogEnding(NO_ENTRY, b"", Void.STRANGER, b"")
    closing = known.closing(channel)
    if closing is None:
        return None
    seq, entry_id = closing.last_seq, b"" if closing.end is None else closing.end.id
    if channel == CHANNEL_IDENTITY and seq <= 0:
        seq, entry_id = 0, b""  # entry 0 always stands: it proves whose device it was
    why = Void.ENDED if known.stands else Void.FORGOTTEN
    return LogEnding(seq, entry_id, why, closing.record.hash)


def require_room_beside(standing: Standing | None, held: Collection[bytes], device: bytes) -> None:
    """Refuse a device that would be one too many; raises RefusedError.

    One that stands needs room among those that stand, so that what a rotation forgot keeps
    nobody out. Any other one needs room among all.

    Args:
        standing: with the device; None: all of them stand.
        held: the devices of its identity that are held.
    """
    known = standing.devices.items() if standing is not None else ()
    stands = {key for key, one in known if one.stands}
    crowd = [key for key in held if key in stands] if device in stands else held
    require_room_for_device(len(crowd))


def new_records(
    held: Iterable[KindedRecord], kept: Iterable[KindedRecord]
) -> tuple[set[bytes], list[KindedRecord]]:
    """Compare by their hashes the records that were held with those that are kept.

    Returns:
        The hashes of those that fall away, and the records that are new.
    """
    before = {record.hash for _, record in held}
    after = {record.hash: (kind, record) for kind, record in kept}
    return before - after.keys(), [item for each, item in after.items() if each not in before]


def same_rotations(one: Iterable[KindedRecord], other: Iterable[KindedRecord]) -> bool:
    """Say whether two sets of records have the same rotations, by their hashes."""
    return _rotations(one) == _rotations(other)


def _rotations(records: Iterable[KindedRecord]) -> set[bytes]:
    return {record.hash for kind, record in records if kind is RecordKind.ROTATE}


def record_said(entry: Entry) -> KindedRecord | None:
    """Return the signed record that an entry of channel 0 carries, if it carries one."""
    payload = entry.payload
    # Content begins with the head of a short array, then its kind.
    if payload is None or payload[SALT_BYTES + 1 : SALT_BYTES + 2] not in _KIND_BYTES:
        return None
    match decode_content(split_payload(payload), CHANNEL_IDENTITY):
        case RotateRecord(body=body, signature=signature):
            return RecordKind.ROTATE, SignedRecord(body, signature)
        case RevokeRecord(body=body, signature=signature):
            return RecordKind.REVOKE, SignedRecord(body, signature)
        case AcceptRecord(body=body, signature=signature):
            return RecordKind.ACCEPT, SignedRecord(body, signature)
        case _:
            return None


_KIND_BYTES: Final = frozenset(bytes([kind]) for kind in _RECORD_KINDS)


class Parted(NamedTuple):
    """Entries of one log, told apart by whether they stand."""

    standing: Sequence[Entry]
    void: Sequence[Entry]


def parted(entries: Sequence[Entry], ending: LogEnding | None) -> Parted:
    """Tell entries in rising order apart by whether they stand."""
    if ending is None:
        return Parted(entries, ())
    stand = [entry for entry in entries if ending.void(entry.seq, entry.id) is None]
    return Parted(stand, entries[len(stand) :])
