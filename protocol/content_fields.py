"""What content is made of: kinds by number, field types with their limits, shared parts.

Content is a msgpack array ``[kind, field, ...]``. It is not canonical and never decides
whether an entry is valid, so a struct here may grow: a reader ignores trailing fields that
it does not know and takes the default for those that are missing.

Every limit is checked in both directions. What msgspec cannot check, the length of a text in
bytes, `Part` checks whenever one is made or decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from typing import Annotated, Any, Final, get_args

import msgspec
from msgspec import Meta

from .entry import MAX_CHANNEL, MAX_PAYLOAD_BYTES, MAX_SEQ, MAX_T_MS, SALT_BYTES
from .hashing import HASH_BYTES
from .identity import MAX_PLACE_BYTES

MAX_CONTENT_BYTES: Final = MAX_PAYLOAD_BYTES - SALT_BYTES
"""32,752 bytes: a payload without its random bytes."""

MAX_TEXT_BYTES: Final = 30_000
"""Longest text of a post: with its ids and tags it fits a payload of 32 KiB. More is an
attachment, which every reader fetches or leaves."""

MAX_IDS: Final = 256
"""Most ids of one list (9 KB): a quarter of a payload, and as many rows as a run has entries."""

MAX_FEW: Final = 16
"""Most items of a list that a person reads as a whole."""


class Kind(IntEnum):
    """The number that content begins with. Numbers are never used again for something else."""

    CERTIFICATE = 1
    ROTATE = 2
    REVOKE = 3
    ACCEPT = 4
    PERIOD_KEY = 5
    PROFILE = 6
    FOLLOW = 7
    BLOCK = 8
    ATTEST = 9
    WITHDRAW = 10
    PACK = 11
    POST = 16
    BOOST = 17
    REACT = 18
    EDIT = 19
    DELETE = 20
    LABEL = 21
    COLLECTION = 22
    SEALED = 32
    GROUP_CREATE = 33
    GROUP_MEMBERS = 34
    GROUP_KEY = 35
    GROUP_MESSAGE = 36


def _bytes_of(length: int) -> Meta:
    return Meta(min_length=length, max_length=length)


def _text(max_bytes: int, advice: str = "") -> Meta:
    return Meta(
        extra={"limit": (max_bytes, advice)},
        extra_json_schema={"maxLength": max_bytes},  # characters: never more than bytes
    )


Id = Annotated[bytes, _bytes_of(HASH_BYTES)]
"""Id of an entry or identity, or the public key of a device (32 bytes)."""

Uint = Annotated[int, Meta(ge=0, le=2**63 - 1)]
TimeMs = Annotated[int, Meta(ge=0, le=MAX_T_MS)]
"""Unix milliseconds by the author's clock: a claim."""
Channel = Annotated[int, Meta(ge=0, le=MAX_CHANNEL)]
Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ)]

LongText = Annotated[str, _text(MAX_TEXT_BYTES, "attach a longer text as a file")]
Paragraph = Annotated[str, _text(4_096)]
"""A description that is read at a glance: 4,096 bytes, a printed page."""
Url = Annotated[str, _text(2_048)]
"""2,048 bytes: what browsers and proxies agree to carry."""
Line = Annotated[str, _text(300)]
"""300 bytes: a heading of two lines in any script."""
FileName = Annotated[str, _text(255)]
"""255 bytes: the longest name of common file systems."""
Name = Annotated[str, _text(128)]
"""128 bytes: about 40 characters of any script; a longer one breaks every list of names."""
MediaType = Annotated[str, _text(128)]
"""128 bytes: RFC 6838 (section 4.2) advises 64 for each half."""
PlacePath = Annotated[str, _text(MAX_PLACE_BYTES)]
"""128 bytes, as in a certificate: ``sol/earth/france/toulouse``."""
Word = Annotated[str, _text(64)]
"""64 bytes: one word of any language; the longest emoji of Unicode takes 35."""
Language = Annotated[str, _text(35)]
"""A BCP 47 tag: 35 bytes hold every one that is likely (RFC 5646, section 4.4.1)."""

Ids = Annotated[tuple[Id, ...], Meta(max_length=MAX_IDS)]
Languages = Annotated[tuple[Language, ...], Meta(max_length=MAX_FEW)]
Tags = Annotated[tuple[Word, ...], Meta(max_length=32)]
"""Topics without the ``#``; 32 of them is more than any reader filters by."""


@cache
def _text_fields(part: type[Part]) -> tuple[tuple[str, int, str], ...]:
    """The name, most bytes and advice of each field that is a text or a tuple of texts."""
    return tuple(
        (field.name, *limit)
        for field in msgspec.structs.fields(part)
        for limit in _text_limits(field.type)
    )


def _text_limits(hint: Any) -> Iterator[tuple[int, str]]:
    for note in getattr(hint, "__metadata__", ()):
        if note.extra:
            yield note.extra["limit"]
    for inner in get_args(hint):
        yield from _text_limits(inner)


def _require_short(text: str, max_bytes: int, name: str, advice: str) -> None:
    try:
        size_bytes = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: character {error.start + 1} is not Unicode text") from None
    if size_bytes > max_bytes:
        too_long = f"{name}: {size_bytes:,} bytes of UTF-8; at most {max_bytes:,} are allowed"
        raise ValueError(f"{too_long}; {advice}" if advice else too_long)


class Part(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An array of fields in a fixed order, immutable.

    The garbage collector need not watch it: nothing immutable can refer to itself.
    """

    def __post_init__(self) -> None:
        """Check the length of every text.

        Raises:
            ValueError: a text has more bytes of UTF-8 than its field allows.
        """
        for name, max_bytes, advice in _text_fields(type(self)):
            value = getattr(self, name)
            if type(value) is str:
                _require_short(value, max_bytes, name, advice)
            else:
                for text in value:
                    _require_short(text, max_bytes, name, advice)


_MAX_MICRO_LY: Final = 10**12
"""A million light-years: the Milky Way with its satellites."""
_MAX_M: Final = 10**12
"""A thousand million km: more than any orbit around a body of the solar system."""


class GalacticPoint(Part, frozen=True):
    """A point by heliocentric galactic coordinates, in millionths of a light-year.

    x towards the centre of the galaxy, y in the direction of its rotation, z to its north
    pole; a millionth of a light-year is 31.6 light-seconds.
    """

    x_micro_ly: Annotated[int, Meta(ge=-_MAX_MICRO_LY, le=_MAX_MICRO_LY)]
    y_micro_ly: Annotated[int, Meta(ge=-_MAX_MICRO_LY, le=_MAX_MICRO_LY)]
    z_micro_ly: Annotated[int, Meta(ge=-_MAX_MICRO_LY, le=_MAX_MICRO_LY)]
    radius_micro_ly: Annotated[int, Meta(ge=0, le=_MAX_MICRO_LY)] = 0
    """The author is within this distance of the point; 0: not said."""


class SurfacePoint(Part, frozen=True):
    """A point on or above a body, in millionths of a degree and metres."""

    body: PlacePath
    """Path of the body: ``sol/mars``."""
    latitude_micro_deg: Annotated[int, Meta(ge=-90_000_000, le=90_000_000)]
    longitude_micro_deg: Annotated[int, Meta(ge=-180_000_000, le=180_000_000)]
    """East of the body's prime meridian."""
    altitude_m: Annotated[int, Meta(ge=-_MAX_M, le=_MAX_M)] = 0
    radius_m: Annotated[int, Meta(ge=0, le=_MAX_M)] = 0
    """The author is within this distance of the point; 0: not said."""


class Place(Part, frozen=True):
    """Where something was written or someone lives, as the author says."""

    path: PlacePath
    """From the widest to the narrowest, lower case: ``sol/earth/france/toulouse``."""
    galactic: GalacticPoint | None = None
    surface: SurfacePoint | None = None


class Link(Part, frozen=True):
    """A way out of Slowlight."""

    url: Url
    title: Line = ""


class Attachment(Part, frozen=True):
    """A file that travels as chunks, beside the entry that names it."""

    root: Id
    """Root of its chunk tree (docs/protocol/content.md, "Attachments")."""
    size_bytes: Uint
    """Bytes of the file, 0 or more."""
    media_type: MediaType = ""
    """``image/jpeg``; empty: unknown."""
    name: FileName = ""
    """A suggestion, never a path: a reader uses only what follows the last separator."""
    alt: Paragraph = ""
    """What it shows, for people who do not see it and for searches."""
    key: Id | None = None
    """Key of the cipher that its chunks are under; only inside sealed content."""
    width_px: Uint = 0
    height_px: Uint = 0
    duration_ms: Uint = 0
    language: Language = ""


Attachments = Annotated[tuple[Attachment, ...], Meta(max_length=64)]
"""64: a day's photographs; larger sets are collections."""
