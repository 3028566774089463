"""Where logs end of which nothing is held: what is void shall not even be asked for once."""

from __future__ import annotations

from collections.abc import Collection

from ..protocol.entry import CHANNEL_IDENTITY, log_id
from ..protocol.roster import Roster
from ..store.base import LogEnding, LogStore
from ..store.standings import ending_of


def endings_named(
    store: LogStore, roster: Roster, identities: Collection[bytes]
) -> dict[bytes, LogEnding]:
    """Return the ends of all wanted logs of ended devices, by log id.

    Args:
        identities: those to look at: who has signed records.
    """
    if not identities:
        return {}
    channels: dict[bytes, set[int]] = {identity: {CHANNEL_IDENTITY} for identity in identities}
    for row in roster.rows:
        if row.identity in channels:
            channels[row.identity].add(row.channel)
    endings: dict[bytes, LogEnding] = {}
    for identity, wanted in channels.items():
        standing = store.standing(identity)
        for device in standing.devices if standing is not None else ():
            for channel in wanted:
                ending = None if standing is None else ending_of(standing, device, channel)
                if ending is not None:
                    endings[log_id(device, channel)] = ending
    return endings
