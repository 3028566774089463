"""Content: what an entry says, as bytes, as structs and as JSON.

Content never decides whether an entry is valid. What cannot be understood, because it is newer,
damaged or beyond a limit, is kept and relayed like any other and shown to nobody: decoders here
return None for it and raise nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, TypeAlias, Union, cast, get_args, get_origin

import msgspec

from .content_fields import (
    MAX_CONTENT_BYTES,
    MAX_TEXT_BYTES,
    Attachment,
    GalacticPoint,
    Id,
    Kind,
    Link,
    Part,
    Place,
    SurfacePoint,
)
from .content_graph import (
    AcceptRecord,
    Attest,
    Block,
    CertificateRecord,
    Follow,
    GraphContent,
    Pack,
    PackFile,
    PeriodKey,
    PeriodKeys,
    Profile,
    RevokeRecord,
    RotateRecord,
    Withdraw,
)
from .content_posts import (
    Boost,
    Collection,
    Delete,
    Edit,
    EntryRange,
    Label,
    Post,
    PublicContent,
    React,
)
from .content_sealed import (
    PADDED_BYTES,
    SUITE_X25519_XCHACHA20,
    Admission,
    GroupContent,
    GroupCreate,
    GroupKey,
    GroupMembers,
    GroupMessage,
    PrivateContent,
    SealableContent,
    Sealed,
    SealedKey,
    SealedPlaintext,
)
from .entry import (
    CHANNEL_GROUPS,
    CHANNEL_IDENTITY,
    CHANNEL_POSTS,
    CHANNEL_PRIVATE,
    MAX_PAYLOAD_BYTES,
    SALT_BYTES,
    check_size,
)

__all__ = [
    "KINDS_IN_CHANNEL",
    "KINDS_IN_SEAL",
    "MAX_CONTENT_BYTES",
    "MAX_PAYLOAD_BYTES",
    "MAX_TEXT_BYTES",
    "PADDED_BYTES",
    "SUITE_X25519_XCHACHA20",
    "AcceptRecord",
    "Admission",
    "Attachment",
    "Attest",
    "Block",
    "Boost",
    "CertificateRecord",
    "Collection",
    "Content",
    "Delete",
    "Edit",
    "EntryRange",
    "Follow",
    "GalacticPoint",
    "GroupCreate",
    "GroupKey",
    "GroupMembers",
    "GroupMessage",
    "Json",
    "Kind",
    "Label",
    "Link",
    "Pack",
    "PackFile",
    "PeriodKey",
    "PeriodKeys",
    "Place",
    "Post",
    "Profile",
    "React",
    "RevokeRecord",
    "RotateRecord",
    "Sealed",
    "SealedKey",
    "SealedPlaintext",
    "SurfacePoint",
    "Withdraw",
    "content_to_builtins",
    "decode_content",
    "decode_sealed_content",
    "decode_sealed_plaintext",
    "encode_content",
    "encode_sealed_plaintext",
    "kind_of",
    "make_payload",
    "post_links",
    "split_payload",
]

Content: TypeAlias = GraphContent | PublicContent | GroupContent | GroupKey
Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"

_PADDING_MARK: Final = b"\x80"

_UNREADABLE: Final = (ValueError, RecursionError)
"""What msgspec raises for bytes that it refuses: its own errors and UnicodeDecodeError are
ValueErrors, and nesting without end is a RecursionError."""


def _kind(struct: type[Part]) -> Kind:
    tag = struct.__struct_config__.tag
    if not isinstance(tag, int):
        raise TypeError(f"{struct.__name__} is a part of content and no kind of its own")
    return Kind(tag)


def _kinds(content: Any) -> frozenset[Kind]:
    return frozenset(map(_kind, get_args(content) or (content,)))


_CONTENT_OF_CHANNEL: Final[Mapping[int, Any]] = {
    CHANNEL_IDENTITY: GraphContent,
    CHANNEL_POSTS: PublicContent,
    CHANNEL_PRIVATE: PrivateContent,
    CHANNEL_GROUPS: GroupContent,
}
KINDS_IN_CHANNEL: Final[Mapping[int, frozenset[Kind]]] = {
    channel: _kinds(content) for channel, content in _CONTENT_OF_CHANNEL.items()
}
"""The kinds that mean something in each channel. Elsewhere they are unknown content."""
KINDS_IN_SEAL: Final = _kinds(SealableContent)
"""The kinds that mean something inside sealed content."""

_encoder: Final = msgspec.msgpack.Encoder()


@cache  # at most one for each channel that we know; made when needed, for a quick start
def _decoder(channel: int) -> msgspec.msgpack.Decoder[Content]:
    return msgspec.msgpack.Decoder(_CONTENT_OF_CHANNEL[channel])


@cache
def _sealable_decoder() -> msgspec.msgpack.Decoder[Content]:
    return msgspec.msgpack.Decoder(SealableContent)


def encode_content(content: Content) -> bytes:
    """Return content as bytes; trailing fields that hold their default are left out.

    Raises:
        ValueError: a field is beyond its limit or of a wrong type (the message begins with
            the name of the field), or the whole is above 32,752 bytes.
    """
    return _encode(content, _kind(type(content)).name.lower(), MAX_CONTENT_BYTES)


def _encode(part: Part, what: str, max_bytes: int) -> bytes:
    try:
        data = _encoder.encode(_row(part))
    except OverflowError:
        raise ValueError(f"{what}: an integer does not fit 64 bits") from None
    if len(data) > max_bytes:
        raise ValueError(
            f"{what}: {len(data):,} bytes; at most {max_bytes:,} fit an entry; "
            "attach the longest part as a file"
        )
    try:
        msgspec.msgpack.decode(data, type=type(part))
    except msgspec.ValidationError as error:
        raise ValueError(_with_field_names(str(error), type(part))) from None
    return data


def _row(value: object) -> object:
    """Return a part as a list without the trailing fields that a reader can supply itself."""
    if isinstance(value, Part):
        fields: list[object] = [getattr(value, name) for name in value.__struct_fields__]
        defaults = list(value.__struct_defaults__)
        while defaults and fields[-1] == defaults[-1]:
            del fields[-1], defaults[-1]
        tag = value.__struct_config__.tag
        return [_row(field) for field in (fields if tag is None else [tag, *fields])]
    if isinstance(value, tuple | list):
        return [_row(item) for item in cast("Iterable[object]", value)]
    return value


def _with_field_names(message: str, part: type[Part]) -> str:
    """Turn ``Expected .. - at `$[10][0][3]` `` into ``attachments[0].media_type: expected ..``."""
    problem, _, path = message.partition(" - at ")
    names = ""
    hint: Any = part
    for step in map(int, re.findall(r"\d+", path)):
        hint = _bare(hint)
        if get_origin(hint) is tuple:
            names += f"[{step}]"
            hint = get_args(hint)[0]
        else:
            tagged = hint.__struct_config__.tag is not None
            field = msgspec.structs.fields(hint)[step - tagged]
            names += f".{field.name}"
            hint = field.type
    return f"{names.removeprefix('.')}: {problem[0].lower()}{problem[1:]}"


def _bare(hint: Any) -> Any:
    """Take off ``Annotated[...]`` and ``... | None``."""
    while get_origin(hint) in (Annotated, UnionType, Union):
        hint = get_args(hint)[0]
    return hint


def decode_content(data: bytes, channel: int) -> Content | None:
    """Read the content of an entry of ``channel``.

    Returns:
        None for content that means nothing here: a kind that is unknown or belongs to another
        channel, a field beyond its limit, or bytes that are no content at all. Nothing is
        raised whatever the bytes.
    """
    return _decode(_decoder(channel), data) if channel in _CONTENT_OF_CHANNEL else None


def decode_sealed_content(data: bytes) -> Content | None:
    """Read what was sealed, as `decode_content` does for what stands in a log."""
    return _decode(_sealable_decoder(), data)


def _decode(decoder: msgspec.msgpack.Decoder[Content], data: bytes) -> Content | None:
    if len(data) > MAX_CONTENT_BYTES:
        return None
    try:
        return decoder.decode(data)
    except _UNREADABLE:
        return None


class _Head(msgspec.Struct, array_like=True, frozen=True, gc=False):
    kind: int


class _PostLinks(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=Kind.POST.value):
    text: str
    reply_to: Id | None = None
    root: Id | None = None


_head_decoder: Final = msgspec.msgpack.Decoder(_Head)
_links_decoder: Final = msgspec.msgpack.Decoder(_PostLinks)


def kind_of(data: bytes) -> int | None:
    """Return the number that content begins with, known or not; None if there is none."""
    try:
        return _head_decoder.decode(data).kind
    except _UNREADABLE:
        return None


def post_links(data: bytes) -> tuple[bytes | None, bytes | None] | None:
    """Return ``reply_to`` and ``root`` of a post; None if this is no post.

    Looks at nothing else and takes a sixth of the time of `decode_content`, which may still
    find another field that nobody can read.
    """
    try:
        post = _links_decoder.decode(data)
    except _UNREADABLE:
        return None
    return post.reply_to, post.root


def encode_sealed_plaintext(plaintext: SealedPlaintext) -> bytes:
    """Return the bytes to encrypt: the array, a mark, and zeros up to one of `PADDED_BYTES`.

    Raises:
        ValueError: a field is beyond its limit, or the whole is above 31,999 bytes.
    """
    most_bytes = PADDED_BYTES[-1] - len(_PADDING_MARK)
    data = _encode(plaintext, "sealed plaintext", most_bytes) + _PADDING_MARK
    return data.ljust(next(size for size in PADDED_BYTES if size >= len(data)), b"\0")


def decode_sealed_plaintext(data: bytes) -> SealedPlaintext | None:
    """Read decrypted bytes; None if they are no padded plaintext. Nothing is raised."""
    unpadded = data.rstrip(b"\0")
    if len(data) not in PADDED_BYTES or not unpadded.endswith(_PADDING_MARK):
        return None
    try:
        return msgspec.msgpack.decode(unpadded[:-1], type=SealedPlaintext)
    except _UNREADABLE:
        return None


def make_payload(salt: bytes, content: bytes) -> bytes:
    """Return the payload of an entry: 16 random bytes, then encoded content.

    The random bytes keep a deleted short text from being guessed by its hash, so they must be
    fresh for each entry.

    Raises:
        ValueError: the salt is not 16 bytes, or the content has more than 32,752.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"salt: {len(salt)} bytes where {SALT_BYTES} are needed")
    if len(content) > MAX_CONTENT_BYTES:
        raise ValueError(f"content: {len(content):,} bytes; at most {MAX_CONTENT_BYTES:,} fit")
    return salt + content


def split_payload(payload: bytes) -> bytes:
    """Return the content of a payload.

    Raises:
        DecodeError: the payload is shorter than 16 bytes or longer than 32 KiB.
    """
    check_size(len(payload))
    return payload[SALT_BYTES:]


def content_to_builtins(content: Content) -> dict[str, Json]:
    """Return content as JSON shows it: every field by name, ``kind`` first, bytes as hex."""
    kind = _kind(type(content)).name.lower()
    return {"kind": kind, **_fields_to_builtins(content)}


def _fields_to_builtins(part: Part) -> dict[str, Json]:
    return {name: _to_builtins(getattr(part, name)) for name in part.__struct_fields__}


def _to_builtins(value: Any) -> Json:
    if isinstance(value, Part):
        return _fields_to_builtins(value)
    if isinstance(value, tuple):
        return [_to_builtins(item) for item in cast("Iterable[object]", value)]
    return value.hex() if isinstance(value, bytes) else value
