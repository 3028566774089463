"""Content of channels 2 and 3: messages for a few, and the groups they form."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from .content_fields import (
    MAX_FEW,
    MAX_IDS,
    Attachment,
    Channel,
    Id,
    Ids,
    Kind,
    Languages,
    Line,
    Name,
    Paragraph,
    Part,
    Seq,
    Uint,
    Word,
)
from .content_posts import PublicContent
from .entry import MAX_SEEN

SUITE_X25519_XCHACHA20: Final = 1
"""X25519, BLAKE2b-256 and XChaCha20-Poly1305."""

PADDED_BYTES: Final = (256, 512, 1_024, 2_048, *range(4_096, 28_673, 4_096), 32_000)
"""Sizes that a sealed plaintext is padded to, so that its length says little. The largest
leaves an entry room for the keys of 11 devices, the next for 67."""

Suite = Annotated[int, Meta(ge=0, le=2**16 - 1)]
Hint = Annotated[bytes, Meta(min_length=4, max_length=4)]
WrappedKey = Annotated[bytes, Meta(min_length=48, max_length=48)]
Nonce = Annotated[bytes, Meta(min_length=24, max_length=24)]
Ciphertext = Annotated[bytes, Meta(max_length=PADDED_BYTES[-1] + 16)]
"""The longest padded plaintext with its 16-byte tag."""
CausalIds = Annotated[tuple[Id, ...], Meta(max_length=MAX_SEEN)]
Admins = Annotated[tuple[Id, ...], Meta(max_length=32)]
"""Who may change a group: 32 people, beyond which nobody can tell who may."""


class SealedKey(Part, frozen=True):
    """The message key, wrapped for one device that only itself can recognise."""

    hint: Hint
    """Four bytes that only the recipient can compute: which key to try."""
    period: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    """Number of the recipient's period key; 0: the box key of its certificate."""
    wrapped: WrappedKey
    """The 32-byte message key with its 16-byte tag."""


class Sealed(Part, frozen=True, tag=Kind.SEALED.value):
    """A message that only its recipients can read; the plaintext is a `SealedPlaintext`."""

    suite: Suite
    ephemeral: Id
    """Fresh X25519 public key of this message."""
    keys: Annotated[tuple[SealedKey, ...], Meta(max_length=MAX_IDS)]
    """One for each recipient's device, in an order that tells nothing; some may be dummies."""
    ciphertext: Ciphertext


class SealedPlaintext(Part, frozen=True):
    """What a seal protects: the message, and the one place in the world where it is valid.

    A reader refuses it unless ``device``, ``channel``, ``seq`` and ``prev`` are those of the
    entry that carried it and its own device is among ``recipients`` (or it is a member of
    ``group``): so a copied ciphertext or a message sealed anew for others is found out.
    """

    device: Id
    channel: Channel
    seq: Seq
    prev: Id
    recipients: Ids
    """Public keys of the devices addressed; empty in a group message."""
    content: Annotated[bytes, Meta(max_length=31_900)]
    """Content of a kind that may be sealed; 31,900 bytes beside the other fields fill a seal."""
    seen: CausalIds = ()
    """Foreign heads that the author had read, as in a header, of channels 2 and 3 too."""
    group: Id | None = None
    """The group of a group message."""


class Admission(Part, frozen=True):
    """A claim that every member must have attested."""

    claim: Word
    value: Line = ""
    authorities: Admins = ()
    """Identities whose attestation counts; empty: those that each member believes."""


class GroupCreate(Part, frozen=True, tag=Kind.GROUP_CREATE.value):
    """A group begins; the id of this entry is the id of the group."""

    name: Name
    description: Paragraph = ""
    members: Ids = ()
    """Identities, besides the author."""
    admins: Admins = ()
    """Members who may change the group, besides the author."""
    languages: Languages = ()
    admission: Annotated[tuple[Admission, ...], Meta(max_length=MAX_FEW)] = ()
    """All of them must hold."""
    avatar: Attachment | None = None


class GroupMembers(Part, frozen=True, tag=Kind.GROUP_MEMBERS.value):
    """A change of a group's members; one who removes only themselves needs to be no admin."""

    group: Id
    after: CausalIds
    """Ids of the newest changes that the author knew; the creation, if there were none."""
    add: Ids = ()
    remove: Ids = ()
    add_admins: Admins = ()
    remove_admins: Admins = ()
    note: Line = ""


class GroupKey(Part, frozen=True, tag=Kind.GROUP_KEY.value):
    """The key of one epoch of a group. It is a secret: only sealed content may carry it."""

    group: Id
    epoch: Uint
    key: Id
    after: CausalIds
    """Ids of the changes of membership whose outcome holds the key."""


class GroupMessage(Part, frozen=True, tag=Kind.GROUP_MESSAGE.value):
    """A message that the holders of one epoch key can read, as a `SealedPlaintext`."""

    suite: Suite
    nonce: Nonce
    """24 random bytes."""
    hint: Hint
    """First bytes of the hash of epoch key and nonce: which key to try."""
    ciphertext: Ciphertext


PrivateContent: TypeAlias = Sealed
GroupContent: TypeAlias = Sealed | GroupCreate | GroupMembers | GroupMessage
SealableContent: TypeAlias = PublicContent | GroupCreate | GroupMembers | GroupKey
