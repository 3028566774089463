"""Decisions of ingest that every store takes alike: what is proven, what is kept.

Pure functions over what a store has looked up. A store asks `is_duplicate` first, which
costs no proof, then `prove`; what is left is writing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ..protocol.entry import Entry, LogHead, encode_header, hash_header, verify_entry
from ..protocol.errors import DecodeError, IntegrityError, SlowlightError
from ..protocol.identity import MAX_DEVICES, MAX_LOGS_PER_DEVICE
from ..protocol.run import BLOCK, Run, open_run
from .base import Ingested, LogEnding, LogKey, Outcome
from .intervals import Held

_ANOTHER_BRANCH: Final = "another branch of this log is held: its author forked"

IdAt = Callable[[int], bytes]
"""Returns the id of the entry with this sequence number, which must be held."""


class RefusedError(SlowlightError):
    """One item of a batch is not stored; the others are not concerned."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.answer = Ingested(outcome, 0, 0, reason)


class Proven(NamedTuple):
    """A run that was proven and fits what is held on both sides of it."""

    entries: list[Entry]
    signature: bytes | None
    """Signature of the last entry if it was checked; another one must not be kept."""


def from_floor(proven: Proven, prev: bytes, floor: int) -> tuple[Proven, bytes]:
    """Return what of a proven run is kept of a log that begins here at ``floor``.

    Args:
        prev: id of the entry before its first.

    Returns:
        That part, at least its last entry, and the id of the entry before it.
    """
    below = floor - proven.entries[0].seq
    if below <= 0:
        return proven, prev
    return proven._replace(entries=proven.entries[below:]), proven.entries[below - 1].id


def is_duplicate(
    run: Run, touched: Sequence[Held], id_at: IdAt, ending: LogEnding | None = None
) -> bool:
    """Say whether every entry of a run is held and its last id is the held one.

    A run without signature up to the end of a log, where another entry than the end is held, may
    lead to the end. Whether their payloads are held as well is for the caller to look up: a stub
    can be filled.
    """
    if not any(each.first <= run.first and run.last <= each.last for each in touched):
        return False
    held = id_at(run.last)
    off_branch = ending is not None and ending.seq == run.last and ending.id not in (b"", held)
    return run.last_id == held or (run.last_id is None and not off_branch)


def prove(
    run: Run,
    touched: Sequence[Held],
    id_at: IdAt,
    ending: LogEnding | None = None,
    vouched: tuple[int, bytes] | None = None,
) -> Proven:
    """Prove a run by its signature or by what is held, and compare it with what is held.

    Args:
        touched: the held intervals that overlap or adjoin the run.
        ending: where a signed record ends the log; the record vouches for the id there.
        vouched: number and id of an entry for which a fork proof vouches.

    Raises:
        RefusedError: malformed, forged, or another branch of the log than the one held.
    """
    expected = _expected_end(run, touched, id_at, ending, vouched)
    trusted = expected is not None and run.last_id in (None, expected)
    try:
        entries = open_run(run, trusted_end=expected if trusted else None)
        signature = _checked_signature(run, touched) if trusted else run.signature
    except DecodeError as error:
        raise RefusedError(Outcome.MALFORMED, str(error)) from error
    except IntegrityError as error:
        if _leads_to_end(run, ending):
            raise RefusedError(Outcome.CONFLICT, _ANOTHER_BRANCH) from error
        raise RefusedError(Outcome.FORGED, str(error)) from error
    if (expected is not None and not trusted) or _leaves_branch(run, entries, touched, id_at):
        raise RefusedError(Outcome.CONFLICT, _ANOTHER_BRANCH)
    return Proven(entries, signature)


def _leads_to_end(run: Run, ending: LogEnding | None) -> bool:
    """Say whether a run without signature is what a record says that the log ends with."""
    if ending is None or not ending.id or ending.seq != run.last or run.signature is not None:
        return False
    try:
        open_run(run, trusted_end=ending.id)
    except (DecodeError, IntegrityError):
        return False
    return True


def _expected_end(
    run: Run,
    touched: Sequence[Held],
    id_at: IdAt,
    ending: LogEnding | None,
    vouched: tuple[int, bytes] | None,
) -> bytes | None:
    """Return the id that the last entry of a run must have because it or the next is held, or
    because a record or a fork proof names it."""
    for each in touched:
        if each.first <= run.last <= each.last:
            return id_at(run.last)
        if each.first == run.last + 1:
            return each.prev
    if ending is not None and ending.id and ending.seq == run.last:
        return ending.id
    if vouched is not None and vouched[0] == run.last:
        return vouched[1]
    return None


def _checked_signature(run: Run, touched: Sequence[Held]) -> bytes | None:
    """Return the signature that must be kept of a run whose end needed none to be proven.

    The end of a block is proven to others by its signature alone. One that comes with the end
    of a log proves it to those who do not know the record that ended it.

    Raises:
        IntegrityError: it is missing or wrong.
    """
    if any(each.first <= run.last <= each.last for each in touched):
        return None
    joins = any(each.first == run.last + 1 for each in touched)
    if run.last % BLOCK != BLOCK - 1 and (joins or run.signature is None):
        return None
    if run.signature is None or run.last_id is None:
        raise IntegrityError("a run to the end of a block carries no signature")
    verify_entry(run.device, run.last_id, run.signature)
    return run.signature


def _leaves_branch(
    run: Run, entries: Sequence[Entry], touched: Sequence[Held], id_at: IdAt
) -> bool:
    """Compare ids at the upper end of each interval that reaches into or up to a run from below.

    One comparison each is enough: an id binds all entries before it.
    """
    for each in touched:
        if each.last < run.last:
            below = each.last < run.first
            told = run.prev if below else entries[each.last - run.first].id
            if told != id_at(each.last):
                return True
    return False


def keeps_signature(seq: int) -> bool:
    """Say whether the signature of a foreign entry stays when it is no longer the newest.

    That of sequence 0 proves a device, that of a block's last entry proves the block to
    anyone. The signature of each interval's last entry is kept with the interval, and an
    author keeps all its own.
    """
    return seq == 0 or seq % BLOCK == BLOCK - 1


def require_continuing(key: LogKey, head: LogHead, entries: Sequence[tuple[Entry, bytes]]) -> None:
    """Require that own entries continue their log: the last look before they can fork it.

    Raises:
        ValueError: they do not, or one comes without its payload.
    """
    seq, prev = head.seq, head.id
    for entry, _ in entries:
        seq += 1
        header = encode_header(*key, prev, entry)
        if entry.seq != seq or hash_header(header) != entry.id or entry.payload is None:
            raise ValueError(f"entry {entry.seq} does not continue the head of its log")
        prev = entry.id


def filled_stub(stub: Entry, stub_held_ms: int, entry: Entry) -> Entry:
    """Return an entry whose payload came after its stub; no detour lengthens a life."""
    left_ms = max(0, stub.remaining_ms - max(0, stub_held_ms))
    return entry._replace(remaining_ms=min(left_ms, entry.remaining_ms))


def require_room_for_log(logs: int) -> None:
    """Refuse one more log of a device that has so many; raises RefusedError."""
    if logs >= MAX_LOGS_PER_DEVICE:
        raise RefusedError(Outcome.OVER_LIMIT, f"a device has at most {MAX_LOGS_PER_DEVICE} logs")


def require_room_for_device(devices: int) -> None:
    """Refuse one more device of an identity that has so many; raises RefusedError."""
    if devices >= MAX_DEVICES:
        raise RefusedError(Outcome.OVER_LIMIT, f"an identity has at most {MAX_DEVICES} devices")


def require_same_first_entry(held: bytes, told: bytes) -> None:
    """Refuse a device that is held with another certificate; raises RefusedError.

    Args:
        held: id of the entry 0 that is held of the device.
        told: id of the entry 0 that an identity brings.
    """
    if held != told:
        raise RefusedError(Outcome.CONFLICT, "a device signed two different certificates")


def answer_to_ident(devices: int, records: bool, refused: Sequence[RefusedError]) -> Ingested:
    """Return what became of an identity.

    Args:
        devices: how many were added with their entry 0.
        records: whether a signed record was added.
        refused: why others of its devices were left out.
    """
    if devices or records:
        return Ingested(Outcome.STORED, devices, devices, "")
    return refused[0].answer if refused else Ingested(Outcome.DUPLICATE, 0, 0, "")
