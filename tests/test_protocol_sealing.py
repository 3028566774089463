"""Seals: only the named devices read them, in the one place they were made for."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult_base

from slowlight.protocol.content import (
    Post,
    decode_content,
    decode_sealed_content,
    encode_content,
)
from slowlight.protocol.content_sealed import Sealed, SealedPlaintext
from slowlight.protocol.entry import CHANNEL_PRIVATE
from slowlight.protocol.errors import IntegrityError
from slowlight.protocol.sealing import (
    PERIOD_OF_BOX_KEY,
    Place,
    Recipient,
    open_sealed,
    seal,
)
from tests.vector_files import FOLDER, vectors
from tests.vectors.make_sealing import sealing_text

SECRETS: Final = {name: random.Random(name).randbytes(32) for name in ("bob", "cleo", "eve")}
PLACE: Final = Place(b"A" * 32, CHANNEL_PRIVATE, 7, b"p" * 32)
EPHEMERAL: Final = bytes(range(32))
MESSAGE_KEY: Final = bytes(range(32, 64))


def device(name: str) -> bytes:
    """Return the device of a reader."""
    return name.encode().ljust(32, b"\0")


def recipient(name: str, period: int = 683) -> Recipient:
    """Return a reader's device with its period key."""
    return Recipient(device(name), period, crypto_scalarmult_base(SECRETS[name]))


def plaintext(*names: str, text: str = "Only you.") -> SealedPlaintext:
    """Return a message to readers, for `PLACE`."""
    return SealedPlaintext(
        *PLACE, tuple(device(name) for name in names), encode_content(Post(text))
    )


def sealed_for(*names: str, period: int = 683) -> Sealed:
    """Seal a message to readers."""
    return seal(
        plaintext(*names),
        [recipient(name, period) for name in names],
        ephemeral_secret=EPHEMERAL,
        message_key=MESSAGE_KEY,
    )


def opened(
    sealed: Sealed, name: str, period: int = 683, place: Place = PLACE
) -> SealedPlaintext | None:
    """Let a reader open a seal."""
    return open_sealed(sealed, {period: SECRETS[name]}, device=device(name), place=place)


def test_the_named_devices_read_it_and_nobody_else() -> None:
    """Each finds its own key; a stranger cannot even see for whom it is."""
    sealed = sealed_for("bob", "cleo")
    for name in ("bob", "cleo"):
        found = opened(sealed, name)
        assert found is not None
        assert found == plaintext("bob", "cleo")
        assert decode_sealed_content(found.content) == Post("Only you.")
    assert opened(sealed, "eve") is None
    data = encode_content(sealed)
    assert not any(device(name) in data or recipient(name).box_public in data for name in SECRETS)


def test_a_seal_travels_as_content_of_channel_2() -> None:
    """And comes back the same."""
    sealed = sealed_for("bob")
    assert decode_content(encode_content(sealed), CHANNEL_PRIVATE) == sealed


def test_the_same_secrets_give_the_same_bytes() -> None:
    """Simulations replay; the order of recipients tells nothing."""
    one, again = sealed_for("bob", "cleo"), sealed_for("cleo", "bob")
    assert one.keys == again.keys
    assert sealed_for("bob", "cleo") == one
    hints = [key.hint for key in one.keys]
    assert hints == sorted(hints)


def test_the_key_of_another_period_does_not_open_it() -> None:
    """The number of the period goes into the key, also where the secret is the same."""
    sealed = sealed_for("bob")
    assert opened(sealed, "bob", period=684) is None
    renumbered = replace_key(sealed, 0, period=684)
    assert opened(renumbered, "bob", period=684) is None


def test_without_a_period_key_the_box_key_of_the_certificate_serves() -> None:
    """It is period 0."""
    sealed = sealed_for("bob", period=PERIOD_OF_BOX_KEY)
    assert opened(sealed, "bob", period=PERIOD_OF_BOX_KEY) is not None


def replace_key(sealed: Sealed, at: int, **changes: Any) -> Sealed:
    """Return a seal with one key changed."""
    keys = list(sealed.keys)
    fields = {name: getattr(keys[at], name) for name in keys[at].__struct_fields__}
    keys[at] = type(keys[at])(**{**fields, **changes})
    return Sealed(sealed.suite, sealed.ephemeral, tuple(keys), sealed.ciphertext)


@pytest.mark.parametrize(
    "place",
    [
        PLACE._replace(device=b"E" * 32),
        PLACE._replace(channel=3),
        PLACE._replace(seq=8),
        PLACE._replace(prev=b"q" * 32),
    ],
)
def test_a_copied_ciphertext_is_found_out(place: Place) -> None:
    """Whoever carries it in another entry did not write it."""
    with pytest.raises(IntegrityError, match="copied from another entry"):
        opened(sealed_for("bob"), "bob", place=place)


def test_a_message_that_a_reader_seals_anew_is_found_out() -> None:
    """Bob passes on to Eve what Ada wrote to him: Eve sees that it was not for her."""
    for_bob = opened(sealed_for("bob"), "bob")
    assert for_bob is not None
    forged = seal(
        plaintext("eve"), [recipient("eve")], ephemeral_secret=EPHEMERAL, message_key=MESSAGE_KEY
    )
    with pytest.raises(ValueError, match="other recipients"):
        seal(for_bob, [recipient("eve")], ephemeral_secret=EPHEMERAL, message_key=MESSAGE_KEY)
    with pytest.raises(IntegrityError, match="sealed anew"):
        open_sealed(forged, {683: SECRETS["eve"]}, device=device("bob"), place=PLACE)


def test_every_changed_byte_is_noticed_or_makes_it_unreadable() -> None:
    """Of ephemeral key, keys and ciphertext."""
    sealed = sealed_for("bob")
    key = sealed.keys[0]
    for changed in (
        Sealed(sealed.suite, flipped(sealed.ephemeral), sealed.keys, sealed.ciphertext),
        replace_key(sealed, 0, hint=flipped(key.hint)),
        replace_key(sealed, 0, wrapped=flipped(key.wrapped)),
        Sealed(2, sealed.ephemeral, sealed.keys, sealed.ciphertext),
        Sealed(sealed.suite, bytes(32), sealed.keys, sealed.ciphertext),
    ):
        assert opened(changed, "bob") is None
    changed = Sealed(sealed.suite, sealed.ephemeral, sealed.keys, flipped(sealed.ciphertext))
    with pytest.raises(IntegrityError, match="changed behind its keys"):
        opened(changed, "bob")
    more = Sealed(sealed.suite, sealed.ephemeral, (*sealed.keys, key), sealed.ciphertext)
    with pytest.raises(IntegrityError, match="changed behind its keys"):
        opened(more, "bob")


def flipped(data: bytes) -> bytes:
    """Return the bytes with one bit changed."""
    return bytes([data[0] ^ 1]) + data[1:]


def test_a_seal_around_rubbish_is_refused() -> None:
    """Only the author can have made it; nothing but the one error leaves the reader."""
    from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt

    sealed = sealed_for("bob")
    bound = b"\0\1" + sealed.ephemeral
    bound += b"".join(k.hint + k.period.to_bytes(4, "big") + k.wrapped for k in sealed.keys)
    rubbish = crypto_aead_xchacha20poly1305_ietf_encrypt(bytes(256), bound, bytes(24), MESSAGE_KEY)
    with pytest.raises(IntegrityError, match="holds no message"):
        opened(Sealed(sealed.suite, sealed.ephemeral, sealed.keys, rubbish), "bob")


@pytest.mark.parametrize(
    ("recipients", "secret", "reason"),
    [
        ([], EPHEMERAL, "1 to 256 devices"),
        ([recipient("bob")] * 2, EPHEMERAL, "each named once"),
        ([recipient("bob")], b"short", "32 bytes"),
        ([replace(recipient("bob"), box_public=bytes(32))], EPHEMERAL, "no X25519 key"),
        ([recipient("cleo")], EPHEMERAL, "other recipients"),
    ],
)
def test_a_seal_that_cannot_be_read_is_not_made(
    recipients: list[Recipient], secret: bytes, reason: str
) -> None:
    """Each refusal says why."""
    with pytest.raises(ValueError, match=reason):
        seal(plaintext("bob"), recipients, ephemeral_secret=secret, message_key=MESSAGE_KEY)


def test_lengths_tell_only_the_size_of_a_bucket() -> None:
    """A yes and a no look alike."""
    lengths = {
        len(
            seal(
                plaintext("bob", text=text),
                [recipient("bob")],
                ephemeral_secret=EPHEMERAL,
                message_key=MESSAGE_KEY,
            ).ciphertext
        )
        for text in ("Yes.", "No, " * 20)
    }
    assert lengths == {256 + 16}


@given(ephemeral=st.binary(min_size=32, max_size=32), key=st.binary(min_size=32, max_size=32))
def test_any_secrets_serve(ephemeral: bytes, key: bytes) -> None:
    """Whatever 32 bytes chance gives."""
    sealed = seal(
        plaintext("bob", "cleo"),
        [recipient("bob"), recipient("cleo", 684)],
        ephemeral_secret=ephemeral,
        message_key=key,
    )
    assert opened(sealed, "bob") == opened(sealed, "cleo", 684) == plaintext("bob", "cleo")


@vectors("sealing")
def test_the_vectors_hold(case: dict[str, Any]) -> None:
    """Seals that another hand made are opened, or refused, as they should be."""
    content = decode_content(bytes.fromhex(case["hex"]), CHANNEL_PRIVATE)
    assert isinstance(content, Sealed)
    secrets = {int(period): bytes.fromhex(secret) for period, secret in case["secrets"].items()}
    place = Place(
        bytes.fromhex(case["device"]), case["channel"], case["seq"], bytes.fromhex(case["prev"])
    )
    reader = bytes.fromhex(case["reader"])
    if case["expect"] == "reject":
        with pytest.raises(IntegrityError):
            open_sealed(content, secrets, device=reader, place=place)
        return
    found = open_sealed(content, secrets, device=reader, place=place)
    assert (None if found is None else found.content.hex()) == case["content"]
    if "ephemeral_secret" in case:
        assert found is not None
        again = seal(
            found,
            [
                Recipient(bytes.fromhex(one), period, bytes.fromhex(box_public))
                for one, period, box_public in case["recipients"]
            ],
            ephemeral_secret=bytes.fromhex(case["ephemeral_secret"]),
            message_key=bytes.fromhex(case["message_key"]),
        )
        assert encode_content(again).hex() == case["hex"]


def test_the_committed_vectors_are_what_their_maker_writes() -> None:
    """Nobody has edited them by hand."""
    assert (FOLDER / "sealing.json").read_text(encoding="ascii") == sealing_text()
