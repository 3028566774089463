"""What the command line says of who has an entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from slowlight.node.delivery_operations import (
    TRACE,
    HolderView,
    TraceRequest,
    TraceResult,
)
from slowlight.node.errors import Code, ServiceError
from slowlight.node.operation import EntryView
from tests.command_line import NOW_MS, Desk, Ending, ScriptedClient, someone

HOUR_MS = 3_600_000

ENTRY = EntryView(
    id="12" * 32,
    short_id="b7f2-c9aa-x2da",
    author=someone("ada", own=True),
    device="34" * 32,
    channel=1,
    seq=41,
    prev="00" * 32,
    claimed="",
    claimed_ms=NOW_MS - 2 * HOUR_MS,
    t_quality=0,
    lamport=1,
    seen=(),
    expire_ms=0,
    size_bytes=45,
    payload_hash="00" * 32,
    signature=None,
    received="",
    received_ms=NOW_MS - 2 * HOUR_MS,
    via="own",
    content={"kind": "post", "text": "First light.\nAnyone out there?"},
)


def holder(who: str, knowledge: str, why: str = "", **fields: Any) -> HolderView:
    """What is known of one person's device."""
    known = HolderView(
        person=someone(who),
        device=who.encode().hex(),
        name="",
        knowledge=knowledge,  # type: ignore[arg-type]
        why=why,  # type: ignore[arg-type]
        since="",
        since_ms=NOW_MS - HOUR_MS if knowledge in ("brought", "answered", "confirmed") else 0,
        connected=False,
        last_contact="",
        last_contact_ms=0,
    )
    return msgspec.structs.replace(known, **fields)


def traced(
    *holders: HolderView, entry: EntryView = ENTRY, more: int = 0, width: int = 80
) -> Ending:
    """What is shown of an entry."""
    result = TraceResult(entry=entry, arrival=7, brought_by=None, holders=holders, more=more)
    node = ScriptedClient({TRACE.name: result})
    ending = node.type("trace", "b7f2", environ={"COLUMNS": str(width)})
    assert (ending.code, node.asked) == (0, [TraceRequest(id="b7f2")])
    return ending


def test_who_has_it_and_who_does_not_yet() -> None:
    """One screen answers: is it synced, who has it?"""
    ending = traced(
        holder("bob", "confirmed"),
        holder("eve", "waiting", "no_contact_since", last_contact_ms=NOW_MS - 72 * HOUR_MS),
    )
    assert ending.out == (
        "ada@k3v9-7qpm-x2da (you) · post                                   b7f2-c9aa-x2da\n"
        "  First light. Anyone out there?\n"
        "\n"
        "wrote  2030-03-27 15:46 UTC, as the author says\n"
        "came   written here\n"
        "log    entry 41 of channel 1\n"
        "\n"
        "Known to have it\n"
        "  bob@k3v9-7qpm-x2da\n"
        "    has it, confirmed 1 h ago\n"
        "\n"
        "Not known to have it\n"
        "  eve@k3v9-7qpm-x2da\n"
        "    gets it at the next contact; last met 3 d ago\n"
    )
    assert ending.err == "Next: slowlight sync\n"


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (holder("bob", "wrote"), "wrote it"),
        (holder("bob", "brought"), "brought it here, 1 h ago"),
        (holder("bob", "answered"), "answered it; the answer came 1 h ago"),
        (
            holder("bob", "sent", "no_contact_since"),
            "was sent it, not confirmed; gets it at the next contact; not met yet",
        ),
        (holder("bob", "waiting", "exchanging"), "a link is open, and the exchange goes on"),
        (
            holder("bob", "waiting", "calls_us"),
            "gets it when it calls, for no address of it is known; not met yet",
        ),
        (holder("bob", "not_wanted"), "does not follow you, as far as is known"),
        (holder("bob", "unknown", "never_met"), "never met, so nobody knows what it wants"),
        (holder("bob", "unknown", "no_link"), "follows you, but this node has no link to it"),
        (holder("bob", "unknown", "partial"), "keeps only a part of this log"),
        (holder("bob", "unknown", "void"), "is not sent it: the entry does not count"),
        (holder("bob", "unknown", "blocked"), "is not sent it from here: you block"),
        (holder("bob", "unknown", "fork"), "nothing is known: the log forks here"),
    ],
)
def test_each_is_said_in_words_that_claim_no_more_than_is_known(one: HolderView, said: str) -> None:
    """Confirmed, sent, waiting, not wanted, unknown."""
    assert f"    {said}" in traced(one, width=100).out


def test_nobody_else_has_it() -> None:
    """It is said, and not left to an empty list."""
    assert "Known to have it\n  nobody but this node\n" in traced().out


def test_followers_beyond_the_bound_are_counted() -> None:
    """Below those that are named."""
    out = traced(holder("bob", "unknown", "no_link"), more=2_000).out
    assert out.endswith("  and 2,000 followers more with whom this node has no link\n")


def test_what_stands_behind_a_warning_stays_there() -> None:
    """And what is gone is said to be gone."""
    warned = msgspec.structs.replace(
        ENTRY, content={"kind": "post", "text": "spiders", "warning": "insects"}
    )
    out = traced(entry=warned).out
    assert ("Warning: insects" in out, "spiders" in out) == (True, False)
    gone = msgspec.structs.replace(ENTRY, content=None, gone="deleted")
    assert "text   not here: deleted" in traced(entry=gone).out


def test_what_peers_wrote_is_made_safe() -> None:
    """Names and texts steer no terminal."""
    evil = msgspec.structs.replace(
        ENTRY, content={"kind": "post", "text": "a\x1b[2Jb"}, author=someone("a\x1b]0;x\x07")
    )
    out = traced(holder("e\x1bve", "confirmed", name="\x9b1m"), entry=evil).out
    assert not any(character in out for character in "\x1b\x07\x9b")


@pytest.mark.parametrize("width", [60, 80])
def test_it_fits_a_narrow_terminal(width: int) -> None:
    """No line is longer, whatever the names."""
    text = {"kind": "post", "text": "long " * 60}
    long = msgspec.structs.replace(ENTRY, content=text)
    ending = traced(
        holder("a-name-that-goes-on-and-on", "sent", "calls_us", name="the laptop in the attic"),
        holder("bob", "unknown", "never_met"),
        entry=long,
        width=width,
    )
    assert max(map(len, ending.out.splitlines())) <= width


def test_programs_get_all_of_it(tmp_path: Path) -> None:
    """Whole ids, and the words for programs."""
    desk = Desk(tmp_path / "ada")
    assert desk.type("post", "hello").code == 0
    post = desk.type("read", "--all", "--json").json["posts"][0]["id"]
    told = desk.type("trace", post, "--json").json
    assert (told["schema"], told["entry"]["id"], told["holders"]) == (1, post, [])


def test_what_is_not_here_cannot_be_traced() -> None:
    """Exit code 3, and what to type."""
    refusal = ServiceError(Code.NOT_FOUND, "no entry 'b7f2' is here", "slowlight read --all")
    ending = ScriptedClient({TRACE.name: refusal}).type("trace", "b7f2")
    assert (ending.code, "hint:  slowlight read --all" in ending.err) == (3, True)
    assert ScriptedClient({}).type("trace").code == 2
