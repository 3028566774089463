"""A roster on its way: cut into parts by one side, put together by the other."""

from __future__ import annotations

from collections.abc import Iterator

from ..protocol.errors import DecodeError
from ..protocol.frames import MAX_ROWS_PER_PART, SHORT_HASH_BYTES, RosterPart
from ..protocol.roster import Roster, RosterRow


def roster_parts(roster: Roster) -> Iterator[RosterPart]:
    """Yield the frames that carry a roster, in order; an empty one takes one frame."""
    count = max(1, -(-len(roster.rows) // MAX_ROWS_PER_PART))
    for index in range(count):
        rows = roster.rows[index * MAX_ROWS_PER_PART : (index + 1) * MAX_ROWS_PER_PART]
        yield RosterPart(roster.hash[:SHORT_HASH_BYTES], index, count, rows)


class RosterAssembly:
    """Puts the parts of one roster together; parts must come in order."""

    def __init__(self, short_hash: bytes) -> None:
        self._short_hash = short_hash
        self._rows: list[RosterRow] = []
        self._next = 0

    def add(self, part: RosterPart) -> Roster | None:
        """Take the next part; return the whole roster after the last one.

        Raises:
            DecodeError: a part of another roster, out of order, or the whole does not have
                the announced hash.
        """
        if part.roster != self._short_hash or part.index != self._next:
            raise DecodeError(f"ROSTER: part {part.index} is not the one that was due")
        self._rows.extend(part.rows)
        self._next += 1
        if self._next < part.count:
            return None
        try:
            roster = Roster(self._rows)
        except ValueError as error:
            raise DecodeError(f"ROSTER: {error}") from error
        if roster.hash[:SHORT_HASH_BYTES] != self._short_hash:
            raise DecodeError("ROSTER: the parts do not have the announced hash")
        return roster
