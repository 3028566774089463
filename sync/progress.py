"""What one session has done so far, for people and for receipts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """Counters of one session; every one only rises, except ``entries_wanted``."""

    idents_in: int = 0
    runs_in: int = 0
    entries_in: int = 0
    """Entries that were new here."""
    stored_in: int = 0
    """Runs and identities that brought something new: entries, payloads, devices, records."""
    graph_in: int = 0
    """Runs of channel 0 among those: whom people follow may have changed."""
    payload_bytes_in: int = 0
    duplicates_in: int = 0
    """Runs of which everything was held already."""
    refused_in: int = 0
    """Runs that nobody here follows, of unknown devices, or of a branch too many."""
    forks_in: int = 0
    """Runs and proofs by which a fork was found, or a better proof of one."""
    entries_wanted: int = 0
    """Entries asked for that have not come yet; an estimate for a progress bar."""
    idents_out: int = 0
    runs_out: int = 0
    entries_out: int = 0
    payload_bytes_out: int = 0
