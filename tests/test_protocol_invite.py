"""An invite survives copying whole, or says that it did not."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowlight.protocol.errors import DecodeError
from slowlight.protocol.invite import (
    MAX_INVITE_CHARACTERS,
    Invite,
    InvitedNode,
    read_invite,
    write_invite,
)

INVITE: Final = Invite(
    identity=bytes(range(32)),
    nodes=(InvitedNode(b"d" * 32, b"b" * 32, ("192.0.2.7:4242", "[2001:db8::7]:4242")),),
    token=b"t" * 16,
    name="Zoé of the north",
)


def test_an_invite_comes_back_as_it_was_written() -> None:
    """Also in capitals, as a QR code carries it cheapest, and with white space around it."""
    line = write_invite(INVITE)
    assert read_invite(line) == INVITE
    assert read_invite(f"  {line.upper()}\n") == INVITE


def test_an_invite_fits_a_line_of_a_message() -> None:
    """One address costs about 270 characters, fewer than a post of the shortest kind."""
    (node,) = INVITE.nodes
    short = Invite(INVITE.identity, (node._replace(addresses=node.addresses[:1]),), b"t" * 16, "")
    assert len(write_invite(short)) < 280


def test_nothing_is_written_that_cannot_be_read() -> None:
    """The mistake is found where it is made, not by the guest."""
    for invite in (
        replace(INVITE, name="n" * 2_000),
        replace(INVITE, nodes=INVITE.nodes * 100),
        replace(INVITE, token=b"short"),
    ):
        with pytest.raises(ValueError, match="nobody could read this invite"):
            write_invite(invite)


def test_a_token_is_not_shown_by_accident() -> None:
    """Logs and tracebacks show what `repr` says."""
    assert INVITE.token == b"t" * 16
    assert "tttt" not in repr(INVITE)
    assert INVITE.token.hex() not in repr(INVITE)


LINE: Final = write_invite(INVITE)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", "must begin with slowlight:"),
        ("https://example.net/", "must begin with slowlight:"),
        ("slowlight:", "missing or altered"),
        (LINE[:-1], "missing or altered"),
        (LINE[:-9], "missing or altered"),
        (LINE[:40] + ("a" if LINE[40] != "a" else "b") + LINE[41:], "missing or altered"),
        (LINE[:30] + "1" + LINE[31:], "only letters and the digits 2 to 7"),
        (LINE[:30] + " " + LINE[30:], "only letters and the digits 2 to 7"),
        ("slowlight:" + "a" * MAX_INVITE_CHARACTERS, "at most 4,096"),
    ],
)
def test_a_line_that_is_no_whole_invite_is_refused(line: str, complaint: str) -> None:
    """The message says what to do about it."""
    with pytest.raises(DecodeError, match=complaint):
        read_invite(line)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567", max_size=400))
def test_no_line_does_anything_else_than_be_read_or_refused(text: str) -> None:
    """Whatever stands behind the scheme."""
    with pytest.raises(DecodeError):
        read_invite("slowlight:" + text)
