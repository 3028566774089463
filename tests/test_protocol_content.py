"""Content says the same to everyone, and harms nobody who cannot understand it."""

import itertools
import json
from functools import cache
from typing import Any, Final

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slowlight.protocol.content import (
    KINDS_IN_CHANNEL,
    KINDS_IN_SEAL,
    MAX_CONTENT_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_TEXT_BYTES,
    PADDED_BYTES,
    Attachment,
    Content,
    Edit,
    Follow,
    GalacticPoint,
    GroupKey,
    Kind,
    Link,
    Place,
    Post,
    Profile,
    Sealed,
    SealedKey,
    SealedPlaintext,
    content_to_builtins,
    decode_content,
    decode_sealed_content,
    decode_sealed_plaintext,
    encode_content,
    encode_sealed_plaintext,
    kind_of,
    make_payload,
    post_links,
    split_payload,
)
from slowlight.protocol.errors import DecodeError
from tests.content_spec import Layout, inner_type, kinds, named, numbers_in, parts
from tests.source_tree import ROOT

ID: Final = bytes(range(32))
SALT: Final = b"sixteen bytes..."
CHANNELS: Final = (0, 1, 2, 3)
CASES: Final[list[dict[str, Any]]] = json.loads(
    (ROOT / "tests" / "vectors" / "content.json").read_text(encoding="ascii")
)["cases"]


def pack(value: object) -> bytes:
    """msgpack as another implementation would write it."""
    packed: bytes = msgpack.packb(value)
    return packed


def read(data: bytes) -> Content | None:
    """Decode content wherever it means something."""
    found = (*(decode_content(data, channel) for channel in CHANNELS), decode_sealed_content(data))
    return next((content for content in found if content is not None), None)


# Vectors


@pytest.mark.parametrize("case", CASES, ids=[f"{case['name']}, {case['reason']}" for case in CASES])
def test_a_vector_means_what_it_says(case: dict[str, Any]) -> None:
    """It has its fields, which survive being written by us, or it means nothing."""
    data, within = bytes.fromhex(case["hex"]), case["within"]
    if within == "plaintext":
        plaintext = decode_sealed_plaintext(data)
        assert (plaintext and shown(plaintext)) == case["fields"]
        return
    content = decode_sealed_content(data) if within == "seal" else decode_content(data, within)
    assert (content and content_to_builtins(content)) == case["fields"]
    assert content is None or read(encode_content(content)) == content


def shown(plaintext: SealedPlaintext) -> dict[str, Any]:
    """A plaintext as vectors show it."""
    row = [getattr(plaintext, name) for name in plaintext.__struct_fields__]
    return named(parts()["sealed_plaintext"], row)


def test_vectors_show_every_kind_short_and_full() -> None:
    """A new kind comes with its vectors, and each of them with a reason."""
    names = [case["name"] for case in CASES if case["fields"] is not None]
    assert all(names.count(kind.name.lower()) >= 2 for kind in Kind)
    assert all(case["reason"] for case in CASES)


# Any content

# However busy the machine: what is tested takes microseconds.
unhurried: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts: Final = st.text("x é风🌪\0\u202e", max_size=8)


@cache
def values(type_name: str) -> st.SearchStrategy[Any]:
    """Values of a type of the page, short ones."""
    if type_name.endswith(" or nil"):
        return st.none() | values(type_name.removesuffix(" or nil"))
    if type_name.startswith("["):
        return st.lists(values(inner_type(type_name)), max_size=3)
    if type_name in parts():
        return rows(parts()[type_name])
    if type_name == "post":
        return rows(kinds()["post"]).map(lambda row: [Kind.POST.value, *row])
    if type_name == "bool":
        return st.booleans()
    numbers = numbers_in(type_name)
    if type_name.startswith("text"):
        return texts
    if type_name.startswith("bin"):
        return st.binary(min_size=0 if "<=" in type_name else numbers[0], max_size=numbers[0] % 100)
    return st.integers(*numbers)


@cache
def rows(layout: Layout) -> st.SearchStrategy[list[Any]]:
    """Rows of a layout, some without the last fields."""
    needed = sum(not field.default for field in layout.fields)
    whole = st.tuples(*(values(field.type) for field in layout.fields))
    lengths = st.integers(needed, len(layout.fields))
    return st.tuples(whole, lengths).map(lambda pair: list(pair[0][: pair[1]]))


any_kind: Final = st.sampled_from(list(kinds().values()))
any_row: Final = any_kind.flatmap(lambda kind: st.tuples(st.just(kind), rows(kind)))


@unhurried
@given(any_row)
def test_content_means_what_the_page_says_and_survives_writing(case: tuple[Layout, Any]) -> None:
    """Two readers, this one and the page's tables, find the same in every row."""
    layout, row = case
    written = pack([layout.number, *row])
    content = read(written)
    assert content is not None
    assert content_to_builtins(content) == {"kind": layout.name, **named(layout, row)}
    again = encode_content(content)
    assert read(again) == content
    assert len(again) <= len(written)


@unhurried
@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: b"\x9b\x10" + rest))
def test_no_bytes_raise(data: bytes) -> None:
    """Rubbish is unread content, wherever it stands."""
    look_at(data)


@unhurried
@given(any_row, st.data())
def test_no_damage_raises(case: tuple[Layout, Any], data: st.DataObject) -> None:
    """A few bytes changed, lost or added: what is still readable is whole content."""
    layout, row = case
    damaged = bytearray(pack([layout.number, *row]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    look_at(bytes(damaged))


def look_at(data: bytes) -> None:
    """Put bytes to every decoder."""
    decode_sealed_plaintext(data)
    links = post_links(data)
    content = read(data)
    if content is not None:
        assert read(encode_content(content)) == content
        assert Kind(kind_of(data) or 0).name.lower() == content_to_builtins(content)["kind"]
        assert links == ((content.reply_to, content.root) if isinstance(content, Post) else None)


DEEP: Final = 10_000
NESTED: Final = {
    "arrays": b"\x91" * DEEP + b"\xc0",
    "maps": b"\x81\x00" * DEEP + b"\xc0",
    "keys of maps": b"\x81" * DEEP + b"\xc0" * (DEEP + 1),
}


@pytest.mark.parametrize("nested", NESTED.values(), ids=NESTED.keys())
def test_endless_nesting_is_unread(nested: bytes) -> None:
    """Also in a field that no reader knows, where any value may stand."""
    fields_of_post: list[Any] = ["", None, None, "", [], [], "", "", None, [], ""]
    behind_a_post = pack([16, *fields_of_post, 0])[:-1] + nested
    for data in (nested, behind_a_post):
        assert read(data) is None
        assert kind_of(data) is None
        assert post_links(data) is None


# Kinds and channels


def test_each_kind_has_its_channel() -> None:
    """The numbers show it: below 16 the graph, below 32 posts, then what is for a few."""
    assert KINDS_IN_CHANNEL[0] == {kind for kind in Kind if kind < 16}
    assert KINDS_IN_CHANNEL[1] == {kind for kind in Kind if 16 <= kind < 32}
    assert KINDS_IN_CHANNEL[2] == {Kind.SEALED}
    assert KINDS_IN_CHANNEL[3] == {kind for kind in Kind if kind >= 32} - {Kind.GROUP_KEY}
    in_seals = KINDS_IN_CHANNEL[1] | {Kind.GROUP_CREATE, Kind.GROUP_MEMBERS, Kind.GROUP_KEY}
    assert in_seals == KINDS_IN_SEAL


@unhurried
@given(any_row)
def test_a_kind_means_something_in_its_channels_only(case: tuple[Layout, Any]) -> None:
    """Elsewhere it is unknown content; in a channel that nobody knows everything is."""
    layout, row = case
    data = pack([layout.number, *row])
    for channel in CHANNELS:
        at_home = layout.number in KINDS_IN_CHANNEL[channel]
        assert (decode_content(data, channel) is not None) == at_home
    assert (decode_sealed_content(data) is not None) == (layout.number in KINDS_IN_SEAL)
    assert decode_content(data, 4) is None
    assert decode_content(data, -1) is None


def test_a_group_key_never_stands_in_the_clear() -> None:
    """Whoever wrote it there has told the world; we do not listen."""
    data = encode_content(GroupKey(ID, 0, ID, ()))
    assert decode_sealed_content(data) is not None
    assert [decode_content(data, channel) for channel in CHANNELS] == [None] * 4


# Writing


def test_a_short_post_costs_three_bytes_beyond_its_text() -> None:
    """Fields at the end that hold their default are left out."""
    assert encode_content(Post("hello")) == b"\x92\x10\xa5hello"
    assert encode_content(Follow(ID)) == b"\x92\x07\xc4\x20" + ID
    assert len(encode_content(Post("hello", place=Place("sol/mars")))) == 8 + 7 + 1 + 9
    assert encode_content(Profile()) == b"\x91\x06"


def test_lists_are_as_good_as_tuples() -> None:
    """A caller's list is written; readers get tuples, which nobody can change."""
    tags: Any = ["météo"]
    content = decode_content(encode_content(Post("x", tags=tags)), 1)
    assert content == Post("x", tags=("météo",))


def test_a_long_text_is_refused_with_advice() -> None:
    """30,000 bytes of UTF-8, however many characters those are."""
    assert MAX_TEXT_BYTES == 30_000
    assert read(encode_content(Post("é" * 15_000))) == Post("é" * 15_000)
    with pytest.raises(ValueError, match=r"^text: 30,001 bytes .* 30,000 .*; attach a longer text"):
        Post("é" * 15_000 + "!")


def test_a_text_that_is_no_unicode_is_refused() -> None:
    """As a terminal hands it over when someone types bytes that are not UTF-8."""
    with pytest.raises(ValueError, match=r"^title: character 3 is not Unicode text$"):
        Post("hi", title="ab\udcff")


def test_content_that_fits_field_by_field_may_still_be_too_much() -> None:
    """The whole has a limit of its own, named with the kind."""
    post = Post("x" * 30_000, mentions=(ID,) * 64, title="x" * 300)
    with pytest.raises(ValueError, match=r"^post: 32,[0-9]{3} bytes; at most 32,752 fit"):
        encode_content(Post(post.text, mentions=post.mentions, title=post.title, warning="x" * 300))
    assert len(encode_content(post)) <= MAX_CONTENT_BYTES


def test_errors_name_a_field_deep_inside() -> None:
    """Down to the one attachment of many."""
    files = (Attachment(ID, 1), Attachment(ID, -1))
    with pytest.raises(ValueError, match=r"^attachments\[1\]\.size_bytes: expected `int` >= 0"):
        encode_content(Post("x", attachments=files))
    far = Place("m31", GalacticPoint(10**12 + 1, 0, 0))
    with pytest.raises(ValueError, match=r"^post\.place\.galactic\.x_micro_ly: expected `int` <= "):
        encode_content(Edit(ID, Post("x", place=far)))


def test_an_integer_beyond_msgpack_is_refused() -> None:
    """As any other number that no reader would take."""
    with pytest.raises(ValueError, match=r"^follow: an integer does not fit 64 bits$"):
        encode_content(Follow(ID, n=2**64))


def test_a_part_is_no_content_of_its_own() -> None:
    """A mistake of ours, which a type checker finds first."""
    link: Any = Link("https://example.org")
    with pytest.raises(TypeError, match="Link is a part of content"):
        encode_content(link)


# Timeline index


def test_links_of_a_post_are_found_without_reading_it() -> None:
    """Whatever else it holds; other kinds have none."""
    full = Post("x" * 20_000, ID, ID[::-1], "en", (ID,), ("tag",))
    assert post_links(encode_content(full)) == (ID, ID[::-1])
    assert post_links(encode_content(Post("short"))) == (None, None)
    assert post_links(encode_content(Edit(ID, full))) is None
    assert post_links(pack([16, "short id", bytes(31)])) is None


def test_a_kind_is_known_by_its_number_alone() -> None:
    """Also one of a later version; what begins with no number has none."""
    assert kind_of(encode_content(Follow(ID))) == Kind.FOLLOW
    assert kind_of(pack([77, {"new": True}])) == 77
    for data in (b"", b"\x10", pack([]), pack(["16"]), pack([16.0]), pack([None])):
        assert kind_of(data) is None


# Payloads


def test_a_payload_is_salt_and_content() -> None:
    """Taken apart it is the content again; 16 bytes alone are an empty one."""
    content = encode_content(Post("hi"))
    payload = make_payload(SALT, content)
    assert payload == SALT + content
    assert split_payload(payload) == content
    assert split_payload(SALT) == b""
    largest = make_payload(SALT, bytes(MAX_CONTENT_BYTES))
    assert len(largest) == MAX_PAYLOAD_BYTES == 32_768
    assert len(split_payload(largest)) == MAX_CONTENT_BYTES


@pytest.mark.parametrize("size_bytes", [0, 15, MAX_PAYLOAD_BYTES + 1])
def test_a_payload_of_impossible_size_is_refused(size_bytes: int) -> None:
    """Its header could not have named it."""
    with pytest.raises(DecodeError, match="payload size"):
        split_payload(bytes(size_bytes))


def test_a_payload_is_not_made_wrong() -> None:
    """Salt that is no salt, content that is too long: our own mistakes."""
    with pytest.raises(ValueError, match=r"^salt: 15 bytes"):
        make_payload(SALT[1:], b"")
    with pytest.raises(ValueError, match=r"^content: 32,753 bytes"):
        make_payload(SALT, bytes(MAX_CONTENT_BYTES + 1))


# What is sealed


def plaintext_of(text: str, recipients: int = 1) -> SealedPlaintext:
    """A message for some devices."""
    return SealedPlaintext(ID, 2, 5, ID[::-1], (ID,) * recipients, encode_content(Post(text)))


def test_the_length_of_a_plaintext_tells_little() -> None:
    """ "Yes" and a long sentence look alike; each size is one of twelve."""
    assert len(PADDED_BYTES) == 12
    assert len(encode_sealed_plaintext(plaintext_of("Yes."))) == 256
    assert len(encode_sealed_plaintext(plaintext_of("No, " * 30))) == 256
    for length in range(0, 30_001, 1_500):
        plaintext = plaintext_of("x" * length)
        padded = encode_sealed_plaintext(plaintext)
        assert len(padded) in PADDED_BYTES
        assert decode_sealed_plaintext(padded) == plaintext


def test_the_longest_post_can_be_sealed_for_eleven_devices() -> None:
    """It fits an entry with its keys; for more people it is too much."""
    padded = encode_sealed_plaintext(plaintext_of("x" * MAX_TEXT_BYTES, 11))
    keys = (SealedKey(b"hint", 683, bytes(48)),) * 11
    sealed = Sealed(1, ID, keys, padded + bytes(16))
    assert decode_content(encode_content(sealed), 2) == sealed
    with pytest.raises(ValueError, match=r"^sealed: 32,777 bytes"):
        encode_content(Sealed(1, ID, keys + keys[:1], padded + bytes(16)))
    with pytest.raises(ValueError, match=r"^sealed plaintext: 32,\d{3} bytes; at most 31,999 fit"):
        encode_sealed_plaintext(plaintext_of("x" * MAX_TEXT_BYTES, 60))


def test_a_plaintext_is_padded_to_the_byte() -> None:
    """The mark is the last byte that fits; one more takes the next size."""
    for size_bytes, larger_bytes in itertools.pairwise(PADDED_BYTES):
        room = size_bytes - len(b"\x80") - (74 if size_bytes == 256 else 75)
        for length, expected_bytes in ((room, size_bytes), (room + 1, larger_bytes)):
            plaintext = SealedPlaintext(ID, 2, 5, ID, (), b"x" * length)
            assert len(encode_sealed_plaintext(plaintext)) == expected_bytes
