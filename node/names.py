"""Whom and what a person means by what they type."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from ..protocol.errors import DecodeError
from ..protocol.hashing import short_id, short_prefix
from ..protocol.invite import SCHEME, Invite, read_invite
from ..store.base import HeldEntry, Identity, NodeStore
from .errors import Code, ServiceError

MAX_CANDIDATES: Final = 8

_STEERING: Final = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what stands around a name."""

_WHOLE_ID: Final = re.compile(r"[0-9a-fA-F]{64}")
_SHORT_ID: Final = re.compile(r"[0-9a-zA-Z]{4}(-[0-9a-zA-Z]{4}){2}")


@dataclass(frozen=True, slots=True)
class Meant:
    """The identity that someone means."""

    identity: bytes
    invite: Invite | None = None
    """The invite by which it was named."""


def label(identity: Identity) -> str:
    """Return how to show an identity: ``ada@k3v9-7qpm-x2da``."""
    name = identity.petname or identity.name
    short = short_id(identity.identity)
    return f"{name}@{short}" if name else short


def find_who(store: NodeStore, who: str) -> Meant:
    """Return the identity that ``who`` names.

    A whole id or an invite may name one of which nothing is held.

    Raises:
        ServiceError: nobody (``not_found``), several (``ambiguous``), or an invite that is
            damaged (``invalid``).
    """
    who = who.strip()
    if who.lower().startswith(SCHEME):
        invite = _invite(who)
        return Meant(invite.identity, invite)
    if _WHOLE_ID.fullmatch(who):
        return Meant(bytes.fromhex(who))
    name, at, short = who.rpartition("@")
    if at:
        found = [
            identity
            for identity in _by_short_id(store, short) or _by_invite(store, name)
            if name in (identity.petname, identity.name)
        ]
    else:
        found = _by_name(store, who) or _by_short_id(store, who) or _by_invite(store, who)
    if not found:
        raise ServiceError(
            Code.NOT_FOUND,
            f"nobody here is known as {who!r}",
            "name a petname, a profile name, a short id such as k3v9-7qpm-x2da, a whole id,"
            " or an invite",
        )
    if len(found) > 1:
        raise _ambiguous(who, [label(identity) for identity in found])
    return Meant(found[0].identity)


def find_entry(store: NodeStore, reference: str) -> HeldEntry:
    """Return the entry that a whole or short id, or the beginning of a short one, names.

    Raises:
        ServiceError: none (``not_found``), several (``ambiguous``), or no id (``invalid``).
    """
    reference = reference.strip()
    if _WHOLE_ID.fullmatch(reference):
        whole = store.entry(bytes.fromhex(reference))
        found = [] if whole is None else [whole]
    else:
        bits, bit_count = _prefix(reference)
        found = store.find_entries(bits, bit_count, MAX_CANDIDATES)
    if not found:
        raise ServiceError(
            Code.NOT_FOUND,
            f"no entry {reference!r} is here",
            "slowlight read --all lists what is here; slowlight sync fetches what is new",
        )
    if len(found) > 1:
        raise _ambiguous(reference, [short_id(held.entry.id) for held in found])
    return found[0]


def check_petname(petname: str) -> None:
    """Require a name that can be typed and is mistaken for nothing else.

    Raises:
        ServiceError: ``invalid``.
    """
    mistaken = (
        _WHOLE_ID.fullmatch(petname)
        or _SHORT_ID.fullmatch(petname)
        or petname.lower().startswith(SCHEME)
        or "@" in petname
    )
    untypeable = not petname.isprintable() or petname != petname.strip()
    if mistaken or untypeable or petname != unicodedata.normalize("NFC", petname):
        raise ServiceError(
            Code.INVALID,
            f"{petname!r} cannot be a petname",
            "take a name without @ that does not look like an id",
        )


def check_own_line(what: str, text: str) -> None:
    """Refuse a line of one's own that would steer the terminals of others.

    Readers replace such characters when they show them; who writes one has mistyped.

    Raises:
        ServiceError: ``invalid``.
    """
    for character in text:
        if unicodedata.category(character) in _STEERING or character in _TURNING:
            raise ServiceError(
                Code.INVALID,
                f"the {what} holds a control character, U+{ord(character):04X}",
                "leave it out",
            )


def _invite(line: str) -> Invite:
    try:
        return read_invite(line)
    except DecodeError as error:
        raise ServiceError(Code.INVALID, str(error), "ask for the invite again") from error


def _by_name(store: NodeStore, name: str) -> list[Identity]:
    """Return who has this name; the reader's own names win over what people call themselves."""
    named = store.identities_named(name)
    return [identity for identity in named if identity.petname == name] or named


def _by_invite(store: NodeStore, text: str) -> list[Identity]:
    """Return whose invite suggested this name or has this short id, before anything arrived."""
    invited = {
        peer.identity: Identity(peer.identity, b"", "", peer.name)
        for peer in store.peers()
        if text and text in (peer.name, short_id(peer.identity))
    }
    return list(invited.values())


def _by_short_id(store: NodeStore, text: str) -> list[Identity]:
    try:
        bits, bit_count = short_prefix(text)
    except DecodeError:
        return []
    return store.find_identities(bits, bit_count, MAX_CANDIDATES)


def _prefix(reference: str) -> tuple[int, int]:
    try:
        return short_prefix(reference)
    except DecodeError as error:
        raise ServiceError(
            Code.INVALID,
            f"{reference!r} is no id: {error}",
            "give an id as shown, such as k3v9-7qpm-x2da, or its 64 hexadecimal digits",
        ) from error


def _ambiguous(typed: str, candidates: list[str]) -> ServiceError:
    shown = ", ".join(candidates[:MAX_CANDIDATES])
    return ServiceError(
        Code.AMBIGUOUS, f"{typed!r} could mean {shown}", "type more of it", candidates
    )
