"""An invite: one line that tells a new node whom to call, where, and what to say.

``slowlight:`` and the base32 (RFC 4648, lower case, no padding) of a canonical array and the
first four bytes of its hash, which find a line that was cut or altered on its way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from .code_line import CodeLine
from .encoding import (
    MAX_UINT,
    Value,
    as_bytes,
    as_bytes_upto,
    as_fields,
    as_list,
    as_text,
    as_uint,
    pack,
    unpack,
)
from .entry import KEY_BYTES
from .errors import DecodeError
from .hashing import HASH_BYTES, PERSON_INVITE, PERSON_TOKEN, hash32

SCHEME: Final = "slowlight:"
TOKEN_BYTES: Final = 16
MAX_INVITE_CHARACTERS: Final = 4_096
MAX_NODES: Final = 8
MAX_ADDRESSES: Final = 16
MAX_ADDRESS_BYTES: Final = 300
"""A host name of 255 bytes, brackets and a port."""
MAX_NAME_BYTES: Final = 128

_VERSION: Final = 1
_WHAT: Final = "invite"
_LINE: Final = CodeLine(_WHAT, SCHEME, PERSON_INVITE, MAX_INVITE_CHARACTERS)


class InvitedNode(NamedTuple):
    """A node that can be called."""

    device: bytes
    box_public: bytes
    """The static key that its handshake must prove."""
    addresses: tuple[str, ...]
    """``host:port``, to be tried in order."""


@dataclass(frozen=True, slots=True)
class Invite:
    """What an invite says."""

    identity: bytes
    nodes: tuple[InvitedNode, ...]
    token: bytes
    """16 bytes that let one caller in, once; empty: none."""
    name: str
    """The name that the inviting person suggests; a claim."""

    def __repr__(self) -> str:
        """Show everything but the token, which lets its holder in."""
        return f"Invite({self.identity.hex()}, {len(self.nodes)} nodes, {self.name!r})"


def write_invite(invite: Invite) -> str:
    """Return the line.

    Raises:
        ValueError: it could not be read again: too many nodes or addresses, or too long.
    """
    nodes: Value = [
        (node.device, node.box_public, [address.encode() for address in node.addresses])
        for node in invite.nodes
    ]
    body = pack((_VERSION, invite.identity, nodes, invite.token, invite.name.encode()))
    line = _LINE.write(body)
    try:
        read_invite(line)
    except DecodeError as error:
        raise ValueError(f"nobody could read this invite: {error}") from error
    return line


def read_invite(line: str) -> Invite:
    """Read the line, as it was typed or pasted.

    Raises:
        DecodeError: it is no invite, of another version, cut or altered; says which.
    """
    return _decode(_LINE.read(line))


def hash_token(token: bytes) -> bytes:
    """Return what the inviting node keeps instead of the token (32 bytes)."""
    return hash32(PERSON_TOKEN, token)


def _decode(body: bytes) -> Invite:
    fields = as_fields(unpack(body, max_bytes=MAX_INVITE_CHARACTERS, what=_WHAT), 5, _WHAT)
    version = as_uint(fields[0], MAX_UINT, "invite version")
    if version != _VERSION:
        raise DecodeError(f"invite version {version} is unknown here; this node knows {_VERSION}")
    token = as_bytes_upto(fields[3], TOKEN_BYTES, "invite token")
    if token and len(token) != TOKEN_BYTES:
        raise DecodeError(f"invite token: {len(token)} bytes where {TOKEN_BYTES} or 0 are needed")
    return Invite(
        identity=as_bytes(fields[1], HASH_BYTES, "invite identity"),
        nodes=tuple(_node(item) for item in as_list(fields[2], MAX_NODES, "invite nodes")),
        token=token,
        name=as_text(fields[4], MAX_NAME_BYTES, "invite name"),
    )


def _node(value: Value) -> InvitedNode:
    fields = as_fields(value, 3, "invite node")
    return InvitedNode(
        as_bytes(fields[0], KEY_BYTES, "invite device"),
        as_bytes(fields[1], KEY_BYTES, "invite box_pk"),
        tuple(
            as_text(item, MAX_ADDRESS_BYTES, "invite address")
            for item in as_list(fields[2], MAX_ADDRESSES, "invite addresses")
        ),
    )
