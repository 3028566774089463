"""What a peer wants has one form and one name."""

from __future__ import annotations

import random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.encoding import MAX_UINT, pack, unpack
from slowlight.protocol.entry import MAX_CHANNEL
from slowlight.protocol.errors import DecodeError
from slowlight.protocol.roster import (
    MAX_ROSTER_ROWS,
    Depth,
    Roster,
    RosterRow,
    roster_rows,
    roster_value,
)
from tests.strategies import damaged, ids

ADA: Final = b"\x01" * 32
BOB: Final = b"\x02" * 32
MOST: Final = 65_000

rows = st.lists(
    st.builds(RosterRow, ids, st.integers(0, MAX_CHANNEL), st.just(Depth.EVERYTHING), st.just(0))
    | st.builds(RosterRow, ids, st.integers(0, 3), st.just(Depth.NEWEST), st.integers(1, MAX_UINT)),
    max_size=8,
    unique_by=lambda row: (row.identity, row.channel),
)


def everything(identity: bytes, channel: int = 1) -> RosterRow:
    """The usual wish."""
    return RosterRow(identity, channel, Depth.EVERYTHING, 0)


@given(rows, st.randoms(use_true_random=False))
def test_the_same_wishes_are_the_same_roster(wishes: list[RosterRow], rng: random.Random) -> None:
    """In whatever order they were made; and what a peer reads is what was meant."""
    roster = Roster(wishes)
    shuffled = wishes.copy()
    rng.shuffle(shuffled)
    assert Roster(shuffled).hash == roster.hash
    assert len(roster) == len(wishes)
    assert roster_rows(unpack(pack(roster_value(roster.rows)), max_bytes=MOST)) == sorted(wishes)
    assert set(roster.identities) == {row.identity for row in wishes}


@given(rows.flatmap(lambda wishes: damaged(pack(roster_value(Roster(wishes).rows)))))
def test_damaged_rows_are_other_rows_or_none(data: bytes) -> None:
    try:
        found = roster_rows(unpack(data, max_bytes=MOST))
    except DecodeError:
        return
    assert pack(roster_value(found)) == data
    assert list(Roster(found).rows) == found


def test_another_wish_is_another_name() -> None:
    rosters = [
        Roster([]),
        Roster([everything(ADA)]),
        Roster([everything(BOB)]),
        Roster([everything(ADA, 2)]),
        Roster([RosterRow(ADA, 1, Depth.STUBS, 0)]),
        Roster([RosterRow(ADA, 1, Depth.NEWEST, 1)]),
        Roster([RosterRow(ADA, 1, Depth.NEWEST, 2)]),
        Roster([everything(ADA), everything(BOB)]),
    ]
    assert len({roster.hash for roster in rosters}) == len(rosters)


def test_who_wants_anything_of_someone_wants_channel_0() -> None:
    """Without it nothing of an identity can be verified."""
    roster = Roster([everything(ADA), everything(ADA, 7), everything(BOB, 0)])
    assert [roster.wants(ADA, channel) for channel in (0, 1, 2, 7)] == [True, True, False, True]
    assert [roster.wants(BOB, channel) for channel in (0, 1)] == [True, False]
    assert not roster.wants(b"\x03" * 32, 0)


@pytest.mark.parametrize(
    "wishes",
    [
        [everything(ADA), everything(ADA)],
        [everything(ADA, 0), RosterRow(ADA, 0, Depth.STUBS, 0)],
        [RosterRow(ADA, 1, Depth.NEWEST, 0)],
        [RosterRow(ADA, 1, Depth.EVERYTHING, 5)],
        [RosterRow(ADA, 1, Depth.NEWEST, MAX_UINT + 1)],
        [everything(ADA[1:])],
        [everything(ADA, MAX_CHANNEL + 1)],
    ],
)
def test_no_roster_is_made_that_a_peer_would_refuse(wishes: list[RosterRow]) -> None:
    with pytest.raises(ValueError, match="no peer would take this roster"):
        Roster(wishes)


def test_so_many_rows_and_no_more() -> None:
    wishes = [everything(number.to_bytes(32, "big")) for number in range(MAX_ROSTER_ROWS + 1)]
    assert len(Roster(wishes[1:])) == MAX_ROSTER_ROWS
    with pytest.raises(ValueError, match="65537 items where at most 65536"):
        Roster(wishes)
