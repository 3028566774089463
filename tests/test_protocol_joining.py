"""Codes between two machines: only the holder of a key asks, and an answer proves itself."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Final

import pytest

from slowlight.protocol.errors import DecodeError, IntegrityError
from slowlight.protocol.identity import (
    Certificate,
    commitment,
    device_key,
    incept,
    root_key,
    rotation_key,
    sign_certificate,
)
from slowlight.protocol.joining import (
    JoinAnswer,
    JoinRequest,
    read_answer,
    read_request,
    verify_answer,
    write_answer,
    write_request,
)
from tests.people import START_MS, Person

SEED: Final = bytes(range(32))
KEY: Final = device_key(bytes(reversed(range(32))))
REQUEST: Final = JoinRequest(KEY.public, b"\x07" * 32, "laptop", "sol/earth")


def answered(seed: bytes = SEED, **fields: object) -> JoinAnswer:
    """The answer of the words behind a seed to the request."""
    identity = incept(SEED).identity
    certificate = Certificate(
        identity, 0, REQUEST.device, REQUEST.box_public, START_MS, "laptop", ""
    )
    record = sign_certificate(root_key(seed, 0), replace(certificate, **fields))  # type: ignore[arg-type]
    return JoinAnswer(incept(SEED), (), record)


def test_a_request_is_read_as_it_was_written() -> None:
    """Also in upper case and between spaces, as it comes out of a letter."""
    line = write_request(REQUEST, KEY)
    assert line.startswith("slowlight-request:")
    assert read_request(f"  {line.upper()} \n") == REQUEST
    assert len(line) < 300


def test_only_the_holder_of_the_key_asks() -> None:
    """A request in the name of somebody else's key is refused, when written and when read."""
    with pytest.raises(ValueError, match="signature"):
        write_request(replace(REQUEST, device=bytes(KEY.public[::-1])), KEY)
    with pytest.raises(ValueError, match="request code label"):
        write_request(replace(REQUEST, label="l" * 65), KEY)


def test_a_request_with_a_typo_or_cut_short_is_found() -> None:
    """Whichever character it is."""
    line = write_request(REQUEST, KEY)
    rng = random.Random(1)
    for _ in range(60):
        at = rng.randrange(len("slowlight-request:"), len(line))
        wrong = line[:at] + ("a" if line[at] != "a" else "b") + line[at + 1 :]
        with pytest.raises(DecodeError, match="a part is missing or altered"):
            read_request(wrong)
        with pytest.raises(DecodeError):
            read_request(line[:at])


def test_an_answer_proves_itself() -> None:
    """Back comes the certificate; a rotation in it leads to the key that signed."""
    answer = answered()
    assert verify_answer(read_answer(write_answer(answer))).device == REQUEST.device
    person = Person(3)
    root = root_key(person.root_seed, 1)
    certificate = Certificate(person.identity, 1, KEY.public, b"\x07" * 32, 1, "", "")
    rotated = JoinAnswer(
        person.inception, (person.rotation(),), sign_certificate(root, certificate)
    )
    assert verify_answer(read_answer(write_answer(rotated))).epoch == 1
    assert commitment(rotation_key(person.root_seed, 1).public) == person.inception.next_commitment


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answered(seed=bytes(32)), "signature of a certificate"),
        (answered(identity=bytes(32)), "for another identity"),
        (answered(epoch=1), "certificate of epoch 1 with 0 rotations"),
        (replace(answered(), rotations=(Person(3).rotation(),)), "a rotation is foreign"),
    ],
)
def test_an_answer_by_the_wrong_key_or_for_others_is_refused(answer: JoinAnswer, said: str) -> None:
    """The checksum is right, the proof is not."""
    with pytest.raises(IntegrityError, match=said):
        verify_answer(read_answer(write_answer(answer)))


def test_a_code_of_another_kind_is_told_apart() -> None:
    """By how it begins."""
    with pytest.raises(DecodeError, match="must begin with slowlight-answer:"):
        read_answer(write_request(REQUEST, KEY))
    with pytest.raises(DecodeError, match="must begin with slowlight-request:"):
        read_request(write_answer(answered()))
