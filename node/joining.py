"""A device joins an identity without its words: it asks, a machine with the words answers.

Killed anywhere, each step is simply typed again. Until the answer is taken the home belongs to
nobody and has signed nothing but its request.
"""

from __future__ import annotations

from collections.abc import Callable

from ..protocol.entry import SALT_BYTES
from ..protocol.errors import DecodeError, IntegrityError, SlowlightError
from ..protocol.hashing import short_id
from ..protocol.ident import RecordKind
from ..protocol.identity import (
    MAX_LABEL_BYTES,
    MAX_PLACE_BYTES,
    Certificate,
    SignedRecord,
    decode_certificate,
    decode_inception,
)
from ..protocol.joining import (
    ANSWER_SCHEME,
    REQUEST_SCHEME,
    JoinAnswer,
    JoinRequest,
    read_answer,
    read_request,
    verify_answer,
    write_answer,
    write_request,
)
from ..store.base import OWN, NodeStore, Outcome
from .beginning import OpenStore, ident_of_device, open_own_store, open_sqlite_store
from .clock import RandomBytes, WallClock
from .errors import Code, ServiceError
from .files import write_whole
from .home import Home
from .home_results import InitResult
from .key_operations import AnswerResult, KeyAnswerResult, KeyRequestResult, RecordView
from .keys import DeviceKeys
from .names import check_own_line
from .root_signing import certify
from .views import Views


def ask(home: Home, *, label: str, place: str, random_bytes: RandomBytes) -> KeyRequestResult:
    """Make the keys of a new device, and the code with which it asks.

    Done twice, the same keys ask again.

    Args:
        label, place: as for `begin`.

    Raises:
        ServiceError: the home holds an identity already, or an argument is too long (``invalid``).
    """
    if len(label.encode()) > MAX_LABEL_BYTES or len(place.encode()) > MAX_PLACE_BYTES:
        raise ServiceError(
            Code.INVALID,
            f"a label has at most {MAX_LABEL_BYTES} bytes, a place {MAX_PLACE_BYTES}",
            "shorten it",
        )
    for what, text in (("label", label), ("place", place)):
        check_own_line(what, text)
    home.make()
    with home.lock("slowlight key add-device"):
        has_begun = home.installation.exists() or home.database.exists()
        if not home.request.exists() and (has_begun or home.keys.have_root_seed):
            raise ServiceError(
                Code.INVALID,
                f"{home.path} holds an identity already",
                "ask from an empty home: slowlight --home DIR key add-device --request",
            )
        keys, _ = home.keys.make(random_bytes, without_root_seed=True)
        request = JoinRequest(keys.device, keys.box.public, label, place)
        code = write_request(request, keys.signing)
        write_whole(home.request, code)
    return KeyRequestResult(home=str(home.path), device=keys.device.hex(), code=code)


def read_asking(code: str) -> JoinRequest:
    """Read a request code as it was typed.

    Raises:
        ServiceError: it is none, or was altered (``invalid``).
    """
    try:
        return read_request(code)
    except (DecodeError, IntegrityError) as error:
        raise _no_code(code, error) from error


def answer_asking(
    answer: AnswerResult, request: JoinRequest, seed: Callable[[], bytes], now_ms: int
) -> KeyAnswerResult:
    """Certify the device that asks, and return the code that answers it.

    Args:
        answer: what the own node says of the identity and the device.
        seed: the seed behind the words; asked for only if the device is not certified yet.

    Raises:
        ServiceError: there is no room, or as for `certify`.
    """
    identity = bytes.fromhex(answer.person.identity)
    if answer.certificate is not None:
        certificate = _record(answer.certificate)
    elif not answer.room:
        raise ServiceError(
            Code.INVALID,
            "this identity has as many devices as one may have",
            "slowlight key rotate --leave-out DEVICE makes room",
        )
    else:
        wanted = Certificate(
            identity=identity,
            epoch=answer.epoch,
            device=request.device,
            box_public=request.box_public,
            from_ms=now_ms,
            label=request.label,
            place=request.place,
        )
        certificate = certify(answer, wanted, seed())
    epoch = decode_certificate(certificate.body).epoch
    rotations = tuple(_record(one) for one in answer.rotations[:epoch])
    inception = decode_inception(bytes.fromhex(answer.inception))
    return KeyAnswerResult(
        identity=answer.person.identity,
        device=request.device.hex(),
        label=request.label,
        place=request.place,
        already=answer.certificate is not None,
        code=write_answer(JoinAnswer(inception, rotations, certificate)),
    )


def take_answer(
    home: Home,
    code: str,
    *,
    clock: WallClock,
    random_bytes: RandomBytes,
    open_store: OpenStore = open_sqlite_store,
) -> InitResult:
    """Begin as the device that the answer certifies: sign entry 0 with its certificate.

    Raises:
        ServiceError: it is no answer, or altered, or for another device (``invalid``); it is
            signed by the wrong key (``integrity``); nobody has asked here, or this home belongs
            to another identity (``invalid``).
    """
    answer, certificate = _proven(code)
    if not home.keys.exist:
        raise ServiceError(
            Code.INVALID,
            f"{home.path} has asked for nothing",
            home.command("key add-device --request"),
        )
    with home.lock("slowlight key add-device"):
        keys = home.keys.device_keys()
        _require_own(certificate, keys)
        store = open_own_store(home, open_store)
        try:
            return _begin(home, store, keys, answer, certificate, clock, random_bytes)
        finally:
            store.close()


def _begin(
    home: Home,
    store: NodeStore,
    keys: DeviceKeys,
    answer: JoinAnswer,
    certificate: Certificate,
    clock: WallClock,
    random_bytes: RandomBytes,
) -> InitResult:
    known = store.identity_of(keys.device)
    if known not in (None, certificate.identity):
        raise ServiceError(
            Code.INVALID,
            f"this answer makes the device one of {short_id(certificate.identity)}, and it belongs"
            f" to another identity already, {short_id(known or b'')}",
            "begin in an empty home: slowlight --home DIR key add-device --request",
        )
    if known is None:
        records = [(RecordKind.ROTATE, record) for record in answer.rotations]
        ident = ident_of_device(
            keys, answer.inception, records, answer.certificate, clock(), random_bytes(SALT_BYTES)
        )
        (taken,) = store.ingest([ident], received_ms=clock(), via=OWN)
        if taken.outcome is not Outcome.STORED:
            raise ServiceError(Code.INTEGRITY, f"the answer cannot be taken: {taken.reason}")
    if not home.installation.exists():
        write_whole(home.installation, store.nonce.hex())
    home.request.unlink(missing_ok=True)
    return InitResult(
        home=str(home.path),
        created=known is None,
        person=Views(store, certificate.identity).person(certificate.identity),
        device=keys.device.hex(),
    )


def _proven(code: str) -> tuple[JoinAnswer, Certificate]:
    try:
        answer = read_answer(code)
    except DecodeError as error:
        raise _no_code(code, error) from error
    try:
        return answer, verify_answer(answer)
    except SlowlightError as error:
        raise ServiceError(
            Code.INTEGRITY, str(error), "nothing was written; let the request be answered again"
        ) from error


def _require_own(certificate: Certificate, keys: DeviceKeys) -> None:
    if certificate.device != keys.device:
        label = f" ({certificate.label})" if certificate.label else ""
        raise ServiceError(
            Code.INVALID,
            f"this answer is for another device, {short_id(certificate.device)}{label};"
            f" this one is {short_id(keys.device)}",
            "take it there, or let the request of this device be answered",
        )
    if certificate.box_public != keys.box.public:
        raise ServiceError(
            Code.INVALID,
            "this answer names another box key than the one that is here",
            "let the request of this device be answered again",
        )


def _no_code(code: str, error: SlowlightError) -> ServiceError:
    """Return what is said of a line that is not the code that was asked for."""
    typed = code.strip().lower()
    hint = "type there what you typed before: the code is shown again"
    if typed.startswith(REQUEST_SCHEME) and "answer" in str(error):
        hint = "this is a request: slowlight key add-device CODE, on the machine with the words"
    elif typed.startswith(ANSWER_SCHEME) and "request" in str(error):
        hint = "this is an answer: slowlight key add-device --answer CODE, on the new machine"
    elif typed.startswith("slowlight:"):
        hint = "this is an invite: slowlight peer add INVITE"
    return ServiceError(Code.INVALID, str(error), hint)


def _record(view: RecordView) -> SignedRecord:
    return SignedRecord(bytes.fromhex(view.body), bytes.fromhex(view.signature))
