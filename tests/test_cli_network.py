"""Receipts of a sync, and the one screen that says whether all is in sync."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from slowlight.node.db_operations import DbClassView
from slowlight.node.delivery_operations import FreshView, WaitingView
from slowlight.node.errors import Code, ServiceError
from slowlight.node.peer_operations import (
    PEERS,
    STATUS,
    SYNC,
    LinkView,
    PeersResult,
    PeerView,
    StatusRequest,
    StatusResult,
    SyncCounts,
    SyncEvent,
    SyncOutcome,
    SyncRequest,
    SyncResult,
)
from tests.command_line import NOW_MS, Desk, Ending, ScriptedClient, some_peer, someone

HOUR_MS = 3_600_000
COUNTS = SyncCounts(
    entries_in=1_999,
    entries_out=1,
    payload_bytes_in=1_234_567,
    payload_bytes_out=612,
    wire_bytes_in=1_300_000,
    wire_bytes_out=40_100,
)
NOTHING = SyncCounts()
IN_SYNC = SyncOutcome(
    peer=someone("bob"),
    device="00" * 32,
    address="192.0.2.7:4242",
    outcome="in_sync",
    reason="",
    counts=COUNTS,
    took_ms=4_130,
)
UNREACHABLE = SyncOutcome(
    peer=someone("eve"),
    device="11" * 32,
    address="192.0.2.8:4242",
    outcome="unreachable",
    reason="nobody answers there",
    counts=NOTHING,
    took_ms=30_000,
)


def receipt(*outcomes: SyncOutcome) -> SyncResult:
    """The receipt of an exchange, all of whose entries came from the first peer."""
    return SyncResult(
        outcomes=outcomes,
        in_sync=sum(outcome.outcome == "in_sync" for outcome in outcomes),
        total=outcomes[0].counts,
        took_ms=max(outcome.took_ms for outcome in outcomes),
    )


def event(state: str, *, came: int = 0, wanted: int = 0) -> SyncEvent:
    """A step of the exchange with bob."""
    counts = SyncCounts(entries_in=came, wanted=wanted)
    return SyncEvent(peer=someone(), device="00" * 32, state=state, counts=counts)  # type: ignore[arg-type]


def test_a_receipt_says_what_came_what_went_and_what_it_cost() -> None:
    """In entries, payload bytes, bytes on the wire and seconds."""
    ending = ScriptedClient({SYNC.name: receipt(IN_SYNC)}).type("sync")
    assert ending.code == 0
    assert ending.out == (
        "bob@k3v9-7qpm-x2da · in sync · 192.0.2.7:4242\n"
        "  came 1,999 entries (1.2 MB) · went 1 entry (612 bytes)\n"
        "  on the wire 1.3 MB in, 40.1 kB out · waited 4.13 s\n"
    )
    assert ending.err == "Next: slowlight read\n"


def test_one_peer_in_sync_is_enough() -> None:
    """The other is named with the reason; the total stands below."""
    ending = ScriptedClient({SYNC.name: receipt(IN_SYNC, UNREACHABLE)}).type("sync")
    assert ending.code == 0
    assert "eve@k3v9-7qpm-x2da · could not be reached · 192.0.2.8:4242\n" in ending.out
    assert "  nobody answers there\n" in ending.out
    assert "In sync with 1 of 2 peers\n" in ending.out


def test_nobody_reached_is_exit_code_5() -> None:
    """The receipt is on standard output all the same."""
    ending = ScriptedClient({SYNC.name: receipt(UNREACHABLE)}).type("sync")
    assert ending.code == 5
    assert "could not be reached" in ending.out
    assert ScriptedClient({SYNC.name: receipt(UNREACHABLE)}).type("sync", "--json").code == 5


def test_progress_is_a_line_for_each_new_state_without_a_terminal() -> None:
    """Standard output stays the receipt alone."""
    steps = [
        event("dialling"),
        event("exchanging", came=1, wanted=1_998),
        event("exchanging", came=700, wanted=1_299),
        event("done", came=1_999),
    ]
    ending = ScriptedClient({SYNC.name: receipt(IN_SYNC)}, steps).type("sync")
    assert ending.err.splitlines()[:-1] == [
        "bob@k3v9-7qpm-x2da: dialling",
        "bob@k3v9-7qpm-x2da: exchanging, 1 of 1,999 came",
        "bob@k3v9-7qpm-x2da: done, 1,999 of 1,999 came",
    ]


def test_programs_get_a_line_for_each_step_and_the_receipt_last() -> None:
    """Each line is JSON with its schema."""
    steps = [event("dialling"), event("done")]
    ending = ScriptedClient({SYNC.name: receipt(IN_SYNC)}, steps).type("sync", "--json")
    lines = [json.loads(line) for line in ending.out.splitlines()]
    assert [line["schema"] for line in lines] == [1, 1, 1]
    assert [line["event"]["state"] for line in lines[:-1]] == ["dialling", "done"]
    assert lines[-1]["in_sync"] == 1
    assert ending.err == ""


def test_only_those_named_and_only_so_long() -> None:
    """Names and the time limit reach the node."""
    node = ScriptedClient({SYNC.name: receipt(IN_SYNC)})
    node.type("sync", "bob", "eve", "--timeout", "30s")
    assert node.asked == [SyncRequest(who=("bob", "eve"), timeout_ms=30_000)]


def test_without_peers_there_is_nothing_to_do() -> None:
    """Exit code 3, and what to type; as JSON too."""
    refusal = ServiceError(Code.NOTHING_TO_DO, "there is no peer", "ask for an invite")
    ending = ScriptedClient({SYNC.name: refusal}).type("sync")
    assert ending.code == 3
    assert ending.err == "error: there is no peer\nhint:  ask for an invite\n"
    error = ScriptedClient({SYNC.name: refusal}).type("sync", "--json").error
    assert error == {
        "code": "nothing_to_do",
        "message": "there is no peer",
        "hint": "ask for an invite",
        "exit": 3,
        "candidates": [],
    }


def link(peer: PeerView, *, in_sync: bool, counts: SyncCounts = NOTHING) -> LinkView:
    """A live session with a peer that was dialled."""
    return LinkView(
        peer=peer.person,
        device=peer.device,
        address="192.0.2.7:4242",
        direction="out",
        since="",
        since_ms=NOW_MS,
        in_sync=in_sync,
        counts=counts,
    )


def status(
    peers: tuple[PeerView, ...] = (),
    links: tuple[LinkView, ...] = (),
    *,
    running: bool = True,
    width: int = 80,
    **more: Any,
) -> Ending:
    """What is shown of a node with these peers and live links."""
    answer = StatusResult(
        version="0.1.0",
        home="/home/ada",
        person=someone("ada", own=True),
        device="34" * 32,
        network="",
        running=running,
        pid=4711 if running else 0,
        started="",
        started_ms=NOW_MS - 7_200_000 if running else 0,
        listening=("0.0.0.0:4242",) if running else (),
        links=links,
        peers=len(peers),
        follows=more.pop("follows", 1),
        unread=14,
        identities=521,
        logs=1_042,
        entries=4_000,
        posts=2_001,
        file_bytes=2_300_000,
        search_behind=0,
        **more,
    )
    answers = {STATUS.name: answer, PEERS.name: PeersResult(peers=peers)}
    ending = ScriptedClient(answers).type("status", environ={"COLUMNS": str(width)})
    assert ending.code == 0
    return ending


BOB = some_peer("bob", connected=True)
EVE = some_peer("eve", last_contact_ms=NOW_MS - 3 * 3_600_000)


def test_the_screen_of_a_node_that_is_in_sync() -> None:
    """The answer first, then each peer, then what is here."""
    assert status((BOB,), (link(BOB, in_sync=True, counts=COUNTS),)).out == (
        "In sync with all: 1 peer.\n"
        "  bob@k3v9-7qpm-x2da · in sync · came 1,999, went 1 · dialled 192.0.2.7:4242\n"
        "\n"
        "you are    ada@k3v9-7qpm-x2da\n"
        "node       running for 2 h, process 4711, version 0.1.0\n"
        "listening  0.0.0.0:4242\n"
        "to read    14 new posts\n"
        "here       2,001 posts in 1,042 logs of 521 people; you follow 1 person\n"
        "home       /home/ada, 2.3 MB\n"
    )


@pytest.mark.parametrize(
    ("ending", "verdict"),
    [
        (status(), "Not in sync with anybody: there are no peers yet."),
        (status((BOB,), running=False), "Not in sync: the node is not running."),
        (status((EVE,)), "Not in sync: no peer is connected."),
        (status((BOB,), (link(BOB, in_sync=False),)), "Not in sync yet: exchanging."),
        (status((BOB, EVE), (link(BOB, in_sync=True),)), "In sync with 1 of 2 peers."),
        (status((), (link(BOB, in_sync=True),)), "In sync with all: 1 peer."),
    ],
)
def test_the_first_line_answers_the_question(ending: Ending, verdict: str) -> None:
    """Is it synced?"""
    assert ending.out.splitlines()[0] == verdict


def test_a_peer_that_is_away_shows_since_when() -> None:
    """And one that never came says so."""
    assert "eve@k3v9-7qpm-x2da · not connected · last contact 3 h ago" in status((EVE,)).out
    assert "last contact never" in status((some_peer("bob"),)).out


WAITING = WaitingView(
    person=someone("bob"),
    device=b"bob".hex().ljust(64, "0"),
    name="",
    connected=False,
    known=True,
    entries=3,
    last_contact="",
    last_contact_ms=0,
)
FRESH = FreshView(
    person=someone("bob"),
    as_of="",
    as_of_ms=NOW_MS - HOUR_MS,
    newest="",
    newest_ms=NOW_MS - 2 * HOUR_MS,
    received="",
    received_ms=NOW_MS - HOUR_MS,
    missing=2,
)


def test_what_waits_is_told_beside_whom_it_waits_for() -> None:
    """One that is no peer any more has a line of its own."""
    assert "never · 3 entries wait\n" in status((some_peer("bob"),), waiting=(WAITING,)).out
    one = msgspec.structs.replace(WAITING, device="99" * 32, entries=1)
    assert (
        "  bob@k3v9-7qpm-x2da · not connected · 1 entry waits\n"
        in status((some_peer("bob"),), waiting=(one,)).out
    )


def test_how_fresh_everybody_is() -> None:
    """As of when nothing was missing; what comes only by others says so; the rest is counted."""
    by_others = msgspec.structs.replace(FRESH, as_of_ms=0, missing=0)
    nothing = msgspec.structs.replace(FRESH, as_of_ms=0, newest_ms=0, missing=0)
    out = status((BOB,), freshness=(nothing, by_others, FRESH)).out
    assert (
        "Whom you follow, the stalest first\n"
        "  bob@k3v9-7qpm-x2da · nothing here yet\n"
        "  bob@k3v9-7qpm-x2da · only by others · newest post 2 h ago\n"
        "  bob@k3v9-7qpm-x2da · as of 1 h ago · newest post 2 h ago · 2 entries missing\n"
    ) in out
    assert "and 1 more" not in out


def test_the_stalest_are_named_and_the_rest_can_be_asked_for() -> None:
    """As many as fit a screen, or as many as are wanted."""
    answer = PeersResult(peers=())
    node = ScriptedClient({STATUS.name: ServiceError(Code.INTERNAL, "x"), PEERS.name: answer})
    node.type("status", "--top", "77")
    assert node.asked == [StatusRequest(top=77)]
    assert node.type("status", "--top", "501").code == 2
    assert "  and 8 more: --top 9\n" in status((BOB,), freshness=(FRESH,), follows=9).out


def test_storage_is_told_by_class() -> None:
    """Of those of whom anything is held."""
    storage = (
        DbClassView(distance="self", people=1, entries=4, payload_bytes=1_200, header_bytes=0),
        DbClassView(distance="followed", people=0, entries=0, payload_bytes=0, header_bytes=0),
        DbClassView(distance="stranger", people=2, entries=1, payload_bytes=3, header_bytes=0),
    )
    out = status((BOB,), storage=storage).out
    assert "texts      you 1.2 kB in 4 entries; strangers 3 bytes in 1 entry\n" in out


def test_the_screen_fits_60_columns() -> None:
    """All but paths and addresses, which stay whole."""
    peers = (some_peer("bob"), EVE)
    ending = status(peers, waiting=(WAITING,), freshness=(FRESH,), width=60)
    assert max(map(len, ending.out.splitlines())) <= 60


def test_the_next_step_is_shown_where_there_is_one() -> None:
    """A node that is off is started; one without peers invites."""
    assert status((BOB,), running=False).err == "Next: slowlight run\n"
    assert status().err == "Next: slowlight invite\n"
    assert status((BOB,), (link(BOB, in_sync=True),)).err == ""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("sync", "--timeout", "0s"), "0s is out of range: at least 1s, at most 30d"),
        (("sync", "--timeout", "31d"), "31d is out of range: at least 1s, at most 30d"),
        (("invite", "--valid", "0s"), "0s is out of range: at least 1s, at most 366d"),
        (("sync", "--timeout", "soon"), "'soon' is no length of time"),
    ],
)
def test_a_length_of_time_out_of_range_is_told_in_words(
    tmp_path: Path, command: tuple[str, ...], said: str
) -> None:
    """As it was typed, with what may be typed."""
    ending = Desk(tmp_path / "ada").type(*command)
    assert (ending.code, said in ending.err) == (2, True)
