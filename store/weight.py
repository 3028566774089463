"""What things take on the disk besides their bytes, for quotas.

Measured in SQLite stores (pages in use, search index included). An entry that arrived in a run
takes 100 bytes besides its payload, one that arrived alone 138, because it has a row that says how
it came; one alone between two gaps takes 121 more. A person of whom only the certificate is held
takes 1,242 with its 291 bytes. But what comes and goes leaves pages half empty: after a flood of
1,500 authors with three posts each, of whom 400 were left, each took 3,560. What counts is that
case, rounded up, so that nobody takes more of the disk than of their quota.
"""

from __future__ import annotations

from typing import Final

from ..protocol.entry import USUAL_QUALITY, Entry
from ..protocol.hashing import HASH_BYTES

ENTRY_BYTES: Final = 160
"""An entry without payload, unusual fields and signature: its row, its id, its part of indexes."""
INTERVAL_BYTES: Final = 220
"""One held interval of a log, with the signature of its top."""
LOG_BYTES: Final = 320
DEVICE_BYTES: Final = 950
"""A device with its certificate, which stands beside its entry 0."""
PERSON_BYTES: Final = 550
RECORD_BYTES: Final = 150
"""A signed record besides its body."""
MARK_BYTES: Final = 120
"""A range of payloads that are gone for a reason, with its part of the index."""
BRANCH_ENTRY_BYTES: Final = 250
"""An entry beside a forked log, besides header and payload."""

_UNUSUAL_BYTES: Final = 15
_STUB_BYTES: Final = HASH_BYTES + 8
_SIGNATURE_BYTES: Final = 64


def header_bytes(entry: Entry, *, signed: bool) -> int:
    """Return about what an entry takes above `ENTRY_BYTES` and its payload.

    A store with a disk counts the bytes that it wrote instead.
    """
    unusual = entry.t_quality != USUAL_QUALITY or entry.seen or entry.expire_ms or entry.ext
    size = _SIGNATURE_BYTES if signed else 0
    if entry.payload is None:
        size += _STUB_BYTES + _UNUSUAL_BYTES - 10
    elif unusual:
        size += _UNUSUAL_BYTES
    return size + (HASH_BYTES + 2) * len(entry.seen) + len(entry.ext)


LEAST_ENTRY_BYTES: Final = 400
"""What an entry that is not known yet is taken for at the least: a short post."""
