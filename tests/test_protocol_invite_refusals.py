"""Whichever field of an invite is wrong, the refusal names it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import pytest

from slowlight.protocol.encoding import pack
from slowlight.protocol.errors import DecodeError
from slowlight.protocol.hashing import PERSON_INVITE, hash32
from slowlight.protocol.invite import MAX_INVITE_CHARACTERS, SCHEME, read_invite

WRONG: Final[list[Any]] = [[]]
"""No number, no byte string, and no list of what is asked for."""
NAMES: Final[dict[tuple[int, ...], str]] = {
    (0,): "invite version",
    (1,): "invite identity",
    (2,): "invite nodes",
    (2, 0): "invite node",
    (2, 0, 0): "invite device",
    (2, 0, 1): "invite box_pk",
    (2, 0, 2): "invite addresses",
    (2, 0, 2, 0): "invite address",
    (3,): "invite token",
    (4,): "invite name",
}


def valid() -> list[Any]:
    """An invite with one node at one address."""
    return [1, bytes(32), [[bytes(32), bytes(32), [b"a.example:1"]]], bytes(16), b"Ada"]


def line_of(body: bytes) -> str:
    """The line that says these bytes."""
    text = base64.b32encode(body + hash32(PERSON_INVITE, body)[:4]).decode()
    return SCHEME + text.rstrip("=").lower()


def refusal(body: bytes) -> str:
    """Read a line that is refused; return what was said."""
    with pytest.raises(DecodeError) as caught:
        read_invite(line_of(body))
    return str(caught.value)


@pytest.mark.parametrize("path", NAMES)
def test_a_wrong_field_is_named(path: Sequence[int]) -> None:
    assert read_invite(line_of(pack(valid()))).name == "Ada"
    body = valid()
    inner: Any = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = b"" if NAMES[tuple(path)].endswith(("nodes", "addresses", "node")) else WRONG
    said = refusal(pack(body))
    assert said.startswith((f"{NAMES[tuple(path)]}:", f"{NAMES[tuple(path)]} ")), said


def test_bytes_that_are_no_invite_are_named() -> None:
    for body in (b"\xc1", pack(0), pack(valid()[:-1])):
        assert refusal(body).startswith(("invite:", "invite ")), body


def test_so_many_characters_and_no_more() -> None:
    at_limit, above = SCHEME.ljust(MAX_INVITE_CHARACTERS, "a"), MAX_INVITE_CHARACTERS + 1
    said = list[str]()
    for line in (at_limit, SCHEME.ljust(above, "a")):
        with pytest.raises(DecodeError) as caught:
            read_invite(line)
        said.append(str(caught.value))
    assert said[0] != said[1]
