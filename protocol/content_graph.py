"""Content of channel 0: who someone is, whom they know, what they vouch for."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

from .content_fields import (
    MAX_FEW,
    MAX_IDS,
    Attachment,
    Attachments,
    Channel,
    Id,
    Ids,
    Kind,
    Languages,
    Line,
    Link,
    Name,
    Paragraph,
    Part,
    Place,
    Tags,
    TimeMs,
    Uint,
    Word,
)
from .entry import CHANNEL_POSTS, SIGNATURE_BYTES
from .identity import MAX_RECORD_BYTES
from .roster import Depth

RecordBody = Annotated[bytes, Meta(max_length=MAX_RECORD_BYTES)]
Signature = Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]


class _Record(Part, frozen=True):
    """A record signed by a root or rotation key; ``identity.py`` reads the body."""

    body: RecordBody
    """The exact bytes that are signed."""
    signature: Signature


class CertificateRecord(_Record, frozen=True, tag=Kind.CERTIFICATE.value):
    """A device belongs to an identity; the content of entry 0 of every channel 0."""


class RotateRecord(_Record, frozen=True, tag=Kind.ROTATE.value):
    """The committed rotation key names the next root key."""


class RevokeRecord(_Record, frozen=True, tag=Kind.REVOKE.value):
    """A device ends."""


class AcceptRecord(_Record, frozen=True, tag=Kind.ACCEPT.value):
    """A device that a rotation forgot is readmitted."""


class PeriodKey(Part, frozen=True):
    """A key to seal messages to the device that wrote this, for a time."""

    period: Annotated[int, Meta(ge=1, le=2**32 - 1)]
    """Number of the period from 1; 0 stands for the box key of the certificate."""
    from_ms: TimeMs
    until_ms: TimeMs
    """First millisecond outside the period; not above ``from_ms``: no message may use it."""
    box_public: Id
    """X25519 public key."""


class PeriodKeys(Part, frozen=True, tag=Kind.PERIOD_KEY.value):
    """Keys published ahead; the later entry counts for a period named twice."""

    keys: Annotated[tuple[PeriodKey, ...], Meta(max_length=MAX_IDS)]
    """256: twenty-one years of months in one entry of 15 KB."""


class Profile(Part, frozen=True, tag=Kind.PROFILE.value):
    """How someone wants to be shown; the latest one of an identity replaces all before it."""

    name: Name = ""
    bio: Paragraph = ""
    languages: Languages = ()
    """Languages read and written, the first being that of the bio."""
    place: Place | None = None
    """Where they live now; the place of creation stands in the first certificate."""
    links: Annotated[tuple[Link, ...], Meta(max_length=MAX_FEW)] = ()
    avatar: Attachment | None = None
    tags: Tags = ()
    automated: bool = False
    """Whether a program writes the posts."""


class Follow(Part, frozen=True, tag=Kind.FOLLOW.value):
    """Interest in an identity; the latest one for the identity counts."""

    identity: Id
    channels: Annotated[tuple[Channel, ...], Meta(max_length=MAX_FEW)] = (CHANNEL_POSTS,)
    """Channel 0 is always meant too; empty: channel 0 alone."""
    depth: Uint = Depth.EVERYTHING.value
    """A number of ``roster.Depth``; one that the reader does not know means everything."""
    n: Uint = 0
    """Entries wanted of each log where the depth is ``NEWEST``, else 0."""
    note: Line = ""


class Block(Part, frozen=True, tag=Kind.BLOCK.value):
    """The author neither stores nor relays an identity, and tells others so."""

    identity: Id
    reason: Line = ""
    until_ms: TimeMs = 0
    """0: without end."""


class Attest(Part, frozen=True, tag=Kind.ATTEST.value):
    """The author vouches for something about an identity. Readers choose whom they believe."""

    subject: Id
    claim: Word
    """What kind of thing: ``person``, ``citizen``, ``journalist``, ``name``, ``place``."""
    value: Line = ""
    """Which one: ``France``."""
    level: Word = ""
    """How it was found out: ``certified``, ``vouched`` or ``self-declared``; empty: not said."""
    from_ms: TimeMs = 0
    until_ms: TimeMs = 0
    """0: without end."""
    evidence: Paragraph = ""
    place: Place | None = None
    """For ``place``: where the subject is."""
    documents: Attachments = ()


class Withdraw(Part, frozen=True, tag=Kind.WITHDRAW.value):
    """Earlier follows, blocks, attestations or labels of the author no longer hold."""

    entries: Ids
    """Ids of the entries that said so, from any device of the same identity."""
    reason: Line = ""


class PackFile(Part, frozen=True):
    """One file of a pack."""

    role: Word
    """``policy``, ``labels``, ``theme`` or ``translation``; others are ignored."""
    file: Attachment


class Pack(Part, frozen=True, tag=Kind.PACK.value):
    """The settings that a colony offers to whoever joins it; the latest one counts."""

    name: Name
    description: Paragraph = ""
    languages: Languages = ()
    """The first is that of the description."""
    place: Place | None = None
    files: Annotated[tuple[PackFile, ...], Meta(max_length=32)] = ()
    """32: a few roles, in the languages of one colony."""
    labellers: Ids = ()
    """Identities whose labels it subscribes to."""
    authorities: Ids = ()
    """Identities whose attestations it believes."""
    follows: Ids = ()
    """Identities that newcomers may want to follow."""


GraphContent: TypeAlias = (
    CertificateRecord
    | RotateRecord
    | RevokeRecord
    | AcceptRecord
    | PeriodKeys
    | Profile
    | Follow
    | Block
    | Attest
    | Withdraw
    | Pack
)
