"""Pairing and QR codes on the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import segno

from slowlight.cli.qr import MARGIN_MODULES, qr_lines
from slowlight.node.errors import Code, ServiceError
from slowlight.node.pair_operations import (
    PAIR,
    PAIR_ANSWER,
    PairAnswerRequest,
    PairedResult,
    PairRequest,
    PairResult,
)
from slowlight.node.people_operations import FOLLOW, FollowRequest, FollowResult
from slowlight.protocol.invite import read_invite
from tests.command_line import Desk, ScriptedClient

WORDS = ("dance", "thrive", "laundry", "uncle")


def found(name: str = "Bob", device: str = "11" * 32) -> PairResult:
    """Somebody who pairs."""
    return PairResult(
        words=WORDS, identity="ab" * 32, short_id="ndxv-ndxv-ndxv", device=device, name=name
    )


def end(*, paired: bool) -> PairedResult:
    """How it ended."""
    return PairedResult(
        paired=paired,
        identity="ab" * 32,
        short_id="ndxv-ndxv-ndxv",
        device="11" * 32,
        name="Bob",
        addresses=("192.0.2.7:4242",),
    )


def scripted(*, paired: bool, name: str = "Bob") -> ScriptedClient:
    """A node that finds somebody, and hears their answer."""
    return ScriptedClient(
        {
            PAIR.name: found(name),
            PAIR_ANSWER.name: end(paired=paired),
            FOLLOW.name: FollowResult(outcomes=()),
        }
    )


def test_who_says_yes_is_paired_and_follows() -> None:
    """The words are shown before the question; the answer and a follow come after it."""
    client = scripted(paired=True)
    ending = client.type("pair", stdin=b"y\n")
    assert ending.code == 0
    assert "Paired with Bob  ndxv-ndxv-ndxv" in ending.out
    assert ending.err.index("   ".join(WORDS)) < ending.err.index("the same four words?")
    assert client.asked == [
        PairRequest(),
        PairAnswerRequest(same=True),
        FollowRequest(who=("ab" * 32,)),
    ]


def test_following_can_be_left_for_later() -> None:
    """Then only the nodes are connected."""
    client = scripted(paired=True)
    assert client.type("pair", "--no-follow", stdin=b"y\n").code == 0
    assert client.asked == [PairRequest(), PairAnswerRequest(same=True)]


def test_who_says_no_looks_for_somebody_else() -> None:
    """The first one is told no, and left out of the next try."""
    client = scripted(paired=False)
    ending = client.type("pair", "--for", "5m", "--name", "Ada", stdin=b"n\ny\n")
    assert ending.code == 0
    assert "Not paired: Bob said that the words differ" in ending.out
    assert client.asked == [
        PairRequest(name="Ada", for_ms=300_000),
        PairAnswerRequest(same=False),
        PairRequest(name="Ada", for_ms=300_000, without=("11" * 32,)),
        PairAnswerRequest(same=True),
    ]


def test_nobody_answers_for_the_person() -> None:
    """Without an answer nothing is paired; enter alone means no."""
    client = scripted(paired=True)
    assert client.type("pair", stdin=b"").code == 130
    assert PairAnswerRequest(same=True) not in client.asked


def test_a_name_from_the_air_cannot_touch_the_terminal() -> None:
    """It is shown escaped."""
    ending = scripted(paired=True, name="\x1b[2JBob").type("pair", stdin=b"y\n")
    assert "\x1b" not in ending.out + ending.err


def test_pairing_needs_a_running_node(tmp_path: Path) -> None:
    """Said with the command to type."""
    ending = Desk(tmp_path).type("pair")
    assert ending.code == 5
    assert "slowlight run" in ending.err


def test_an_invite_can_be_read_by_a_camera(tmp_path: Path) -> None:
    """What is drawn is the code of the line, in capitals, with its quiet zone."""
    ending = Desk(tmp_path).type("invite", "--address", "192.0.2.7:4242", "--qr")
    line = ending.out.strip()
    drawn = [
        row for row in ending.err.splitlines() if row and set(row) <= set("\u2580\u2584\u2588 ")
    ]
    rows = [[cell in "\u2580\u2588" for cell in row] for row in drawn]
    below = [[cell in "\u2584\u2588" for cell in row] for row in drawn]
    light = [row for pair in zip(rows, below, strict=True) for row in pair]
    matrix = segno.make_qr(line.upper(), error="l", boost_error=False).matrix
    size = len(matrix)
    inside = [
        [not one for one in row[MARGIN_MODULES : MARGIN_MODULES + size]]
        for row in light[MARGIN_MODULES : MARGIN_MODULES + size]
    ]
    assert inside == [[bool(one) for one in row] for row in matrix]
    assert all(light[0])
    assert read_invite(line.upper()) == read_invite(line)


def test_without_its_package_the_code_is_refused_with_advice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The extra that brings it is named."""
    monkeypatch.setitem(sys.modules, "segno", None)
    with pytest.raises(ServiceError, match="segno") as caught:
        qr_lines("slowlight:x")
    assert (caught.value.code, caught.value.hint) == (Code.INVALID, "pip install 'slowlight[qr]'")


def test_too_long_a_line_is_handed_over_as_it_is() -> None:
    """A code holds 4,296 capitals at most."""
    with pytest.raises(ServiceError, match="too long"):
        qr_lines("A" * 4_297)
