"""How a new machine joins an identity without its words: a request code, and the answer to it.

The new machine makes its keys and a **request**: device key, box key, label and place, signed by
the device key, so that only its holder can ask. Whoever has the root key answers with the
inception, the rotations that prove the root key, and the certificate. Both are lines that people
copy (see `code_line`); neither holds a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .code_line import CodeLine
from .encoding import (
    MAX_UINT,
    as_bytes,
    as_bytes_upto,
    as_fields,
    as_list,
    as_text,
    as_uint,
    pack,
    unpack,
)
from .entry import KEY_BYTES, SIGNATURE_BYTES
from .errors import DecodeError, IntegrityError
from .hashing import PERSON_DEVICE_ANSWER, PERSON_DEVICE_REQUEST
from .identity import (
    INCEPTION_BYTES,
    MAX_EPOCH,
    MAX_LABEL_BYTES,
    MAX_PLACE_BYTES,
    MAX_RECORD_BYTES,
    Certificate,
    Inception,
    KeyPair,
    SignedRecord,
    decode_inception,
    verify_certificate,
)
from .roots import root_chain
from .signing import CONTEXT_DEVICE_REQUEST, sign, verify

REQUEST_SCHEME: Final = "slowlight-request:"
ANSWER_SCHEME: Final = "slowlight-answer:"
MAX_ANSWER_BYTES: Final = 40_000
"""More than all records that an identity may keep."""

_VERSION: Final = 1
_REQUEST: Final = CodeLine("request code", REQUEST_SCHEME, PERSON_DEVICE_REQUEST, 1_000)
_ANSWER: Final = CodeLine("answer code", ANSWER_SCHEME, PERSON_DEVICE_ANSWER, 70_000)


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """What a new device asks for."""

    device: bytes
    box_public: bytes
    label: str
    place: str


@dataclass(frozen=True, slots=True)
class JoinAnswer:
    """What makes a device belong to an identity."""

    inception: Inception
    rotations: tuple[SignedRecord, ...]
    """Those that lead to the epoch of the certificate."""
    certificate: SignedRecord


def write_request(request: JoinRequest, key: KeyPair) -> str:
    """Return the line with which a device asks.

    Raises:
        ValueError: label or place are too long.
    """
    body = _request_body(request)
    line = _REQUEST.write(body + sign(key.secret, CONTEXT_DEVICE_REQUEST, body))
    try:
        read_request(line)
    except (DecodeError, IntegrityError) as error:
        raise ValueError(f"nobody could read this request: {error}") from error
    return line


def read_request(line: str) -> JoinRequest:
    """Read the line with which a device asks.

    Raises:
        DecodeError: it is no request code, of another version, cut or altered.
        IntegrityError: not the holder of the device key asks.
    """
    data = _REQUEST.read(line)
    body, signature = data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
    what = "request code"
    fields = as_fields(unpack(body, max_bytes=_REQUEST.max_characters, what=what), 5, what)
    _require_version(as_uint(fields[0], MAX_UINT, f"{what} version"), what)
    request = JoinRequest(
        device=as_bytes(fields[1], KEY_BYTES, f"{what} device"),
        box_public=as_bytes(fields[2], KEY_BYTES, f"{what} box_pk"),
        label=as_text(fields[3], MAX_LABEL_BYTES, f"{what} label"),
        place=as_text(fields[4], MAX_PLACE_BYTES, f"{what} place"),
    )
    verify(request.device, CONTEXT_DEVICE_REQUEST, body, signature, "a request code")
    return request


def write_answer(answer: JoinAnswer) -> str:
    """Return the line that answers a request."""
    rotations = [(record.body, record.signature) for record in answer.rotations]
    body = pack((_VERSION, answer.inception.encode(), rotations, tuple(answer.certificate)))
    return _ANSWER.write(body)


def read_answer(line: str) -> JoinAnswer:
    """Read the line that answers a request; nothing in it is verified yet.

    Raises:
        DecodeError: it is no answer code, of another version, cut or altered.
    """
    what = "answer code"
    fields = as_fields(unpack(_ANSWER.read(line), max_bytes=MAX_ANSWER_BYTES, what=what), 4, what)
    _require_version(as_uint(fields[0], MAX_UINT, f"{what} version"), what)
    rotations: list[SignedRecord] = []
    for item in as_list(fields[2], MAX_EPOCH, f"{what} rotations"):
        record = as_fields(item, 2, f"{what} rotation")
        rotations.append(
            SignedRecord(
                as_bytes_upto(record[0], MAX_RECORD_BYTES, f"{what} rotation"),
                as_bytes(record[1], SIGNATURE_BYTES, f"{what} rotation signature"),
            )
        )
    certificate = as_fields(fields[3], 2, f"{what} certificate")
    return JoinAnswer(
        decode_inception(as_bytes_upto(fields[1], INCEPTION_BYTES, f"{what} inception")),
        tuple(rotations),
        SignedRecord(
            as_bytes_upto(certificate[0], MAX_RECORD_BYTES, f"{what} certificate"),
            as_bytes(certificate[1], SIGNATURE_BYTES, f"{what} certificate signature"),
        ),
    )


def verify_answer(answer: JoinAnswer) -> Certificate:
    """Return the certificate of an answer, proven by the root key of its epoch.

    Raises:
        DecodeError: a record is malformed.
        IntegrityError: a rotation or the certificate is by the wrong key, or about another
            identity than the inception begins.
    """
    chain = root_chain(answer.inception, answer.rotations)
    if chain.ignored:
        raise IntegrityError(f"answer code: a rotation is {chain.ignored[0].flaw.value}")
    certificate = verify_certificate(answer.certificate, chain.keys[-1])
    if certificate.identity != chain.identity:
        raise IntegrityError("answer code: the certificate is for another identity")
    if certificate.epoch != chain.epoch:
        raise IntegrityError(
            f"answer code: a certificate of epoch {certificate.epoch} with {chain.epoch} rotations"
        )
    return certificate


def _request_body(request: JoinRequest) -> bytes:
    return pack(
        (
            _VERSION,
            request.device,
            request.box_public,
            request.label.encode(),
            request.place.encode(),
        )
    )


def _require_version(version: int, what: str) -> None:
    if version != _VERSION:
        raise DecodeError(f"{what} version {version} is unknown here; this node knows {_VERSION}")
