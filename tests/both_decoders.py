"""Every decoder twice: that of the package and the second one, with one neutral form for both.

What a reader finds in bytes is shown as JSON would show it, byte strings in hex, or it is
`MALFORMED` or `UNPROVEN`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from slowlight.protocol.content import (
    content_to_builtins,
    decode_content,
    decode_sealed_content,
    decode_sealed_plaintext,
)
from slowlight.protocol.content_sealed import Sealed
from slowlight.protocol.encoding import take_varint, unpack
from slowlight.protocol.entry import Entry, decode_header, log_id
from slowlight.protocol.errors import DecodeError, IntegrityError, ProtocolError
from slowlight.protocol.fork import decode_fork, forked_log_state, verify_fork
from slowlight.protocol.frames import (
    MAX_BODY_BYTES,
    Bye,
    DigestFrame,
    Frame,
    Have,
    Hello,
    IdentFrame,
    ProofFrame,
    Receipt,
    RosterPart,
    RunFrame,
    UnknownFrame,
    Want,
    decode_frames,
)
from slowlight.protocol.handshake import NoiseFramer, decode_greeting, prologue_of
from slowlight.protocol.ident import decode_ident, root_keys, verify_ident
from slowlight.protocol.identity import (
    Accept,
    Certificate,
    Inception,
    Revocation,
    Rotation,
    SignedRecord,
    decode_accept,
    decode_certificate,
    decode_inception,
    decode_revocation,
    decode_rotation,
    verify_accept,
    verify_certificate,
    verify_revocation,
    verify_rotation,
)
from slowlight.protocol.noise import PATTERNS, HandshakeState, KeyPair
from slowlight.protocol.question_frames import More, RangesFrame, Reconcile, SketchFrame
from slowlight.protocol.range_messages import Answer, Listing, Node, RangeMessage, Split
from slowlight.protocol.roster import Roster, roster_rows, roster_value
from slowlight.protocol.run import decode_run, open_run, rebuild_run
from slowlight.protocol.sealing import Place, open_sealed
from slowlight.protocol.sketch import SketchPart
from tests import (
    second_content,
    second_frames,
    second_link,
    second_reconcile,
    second_records,
    second_runs,
    second_seals,
)
from tests import second_decoder as second
from tests.vector_files import cases, in_hex, vector_file

MALFORMED: Final = "malformed"
UNPROVEN: Final = "unproven"
Case = Mapping[str, Any]
Record = Certificate | Rotation | Revocation | Accept
MAX_VALUE_BYTES: Final = 1_024
_REFUSED_AS: Final = {"form": MALFORMED, "columns": MALFORMED, "proof": UNPROVEN, "chain": UNPROVEN}

DECODERS: Final[dict[str, Callable[[bytes], Inception | Record]]] = {
    "inception": decode_inception,
    "certificate": decode_certificate,
    "rotation": decode_rotation,
    "revocation": decode_revocation,
    "accept": decode_accept,
}
VERIFIERS: Final[dict[str, Callable[[SignedRecord, bytes], Record]]] = {
    "certificate": verify_certificate,
    "rotation": verify_rotation,
    "revocation": verify_revocation,
    "accept": verify_accept,
}


@dataclass(frozen=True)
class Twice:
    """One decoder, as the package and as the second reader have it."""

    name: str
    cases: tuple[Case, ...]
    first: Callable[[bytes, Case], Any]
    second: Callable[[bytes, Case], Any]
    form: str = "canonical"
    """How its bytes are made of values: canonical, msgpack, or neither (bytes)."""

    def verdicts(self, data: bytes, case: Case) -> tuple[Any, Any]:
        """What both readers find in bytes, given what else the case tells them."""
        return _verdict(self.first, data, case), _verdict(self.second, data, case)


def expected(case: Case) -> str | None:
    """How a case has to be refused; nothing if it is to accept."""
    if case.get("expect", "accept") == "accept":
        return None
    return _REFUSED_AS.get(case.get("refused_by", ""), "refused")


def decoders() -> Iterator[Twice]:
    """Every decoder that has vectors, and the cases for it."""
    yield from _encoding()
    yield from _log()
    yield from _identity()
    yield from _exchange()
    yield from _content()
    yield from _link()


def neutral(value: Any) -> Any:
    """A value as JSON shows it."""
    if isinstance(value, dict):
        return {key: neutral(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [neutral(item) for item in cast("list[Any]", value)]
    return in_hex(value)


def said(frame: Frame | UnknownFrame) -> dict[str, Any]:
    """A frame as the vectors show it."""
    match frame:
        case UnknownFrame(code):
            return {"type": "unknown", "code": code}
        case Hello():
            kind, fields = "HELLO", dataclasses.asdict(frame)
        case IdentFrame(data):
            kind, fields = "IDENT", {"body": data}
        case RosterPart():
            kind, fields = "ROSTER", dataclasses.asdict(frame)
        case DigestFrame():
            kind, fields = "DIGEST", dataclasses.asdict(frame)
        case Reconcile():
            kind, fields = "RECONCILE", {}
        case SketchFrame(data):
            kind, fields = "SKETCH", {"body": data}
        case RangesFrame():
            kind, fields = "RANGES", dataclasses.asdict(frame)
        case More():
            kind, fields = "MORE", dataclasses.asdict(frame)
        case Want():
            ranges = [[*wanted[:3], wanted.last_id or b""] for wanted in frame.ranges]
            kind, fields = "WANT", {"ranges": ranges}
        case Have():
            kind, fields = "HAVE", dataclasses.asdict(frame)
        case RunFrame(data):
            kind, fields = "RUN", {"body": data}
        case Receipt():
            kind, fields = "RECEIPT", dataclasses.asdict(frame)
        case ProofFrame(data):
            kind, fields = "PROOF", {"body": data}
        case Bye():
            kind, fields = "BYE", dataclasses.asdict(frame)
    return {"type": kind, **{name: in_hex(field) for name, field in fields.items()}}


def shown(record: Inception | Record) -> dict[str, Any]:
    """The fields of a record as the vectors name them."""
    fields = {name: getattr(record, name) for name in type(record).__slots__}
    if isinstance(record, Accept):
        fields |= record.device._asdict()
    return {"version": 1, **{name: in_hex(field) for name, field in fields.items()}}


def whole_varint(data: bytes) -> int:
    """One varint and nothing behind it."""
    value, end = take_varint(data, 0)
    if end != len(data):
        raise DecodeError("something follows")
    return value


def optional(text: str | None) -> bytes | None:
    """Bytes that may be missing."""
    return None if text is None else bytes.fromhex(text)


def verified(data: bytes, case: Case) -> Record:
    """Check a record as its reader would."""
    record = SignedRecord(data, bytes.fromhex(case["signature"]))
    return VERIFIERS[case["what"]](record, _key_of(case))


def _verdict(read: Callable[[bytes, Case], Any], data: bytes, case: Case) -> Any:
    try:
        return neutral(read(data, case))
    except (IntegrityError, second.UnprovenError):
        return UNPROVEN
    except (DecodeError, second.RefusedError):
        return MALFORMED


def _plain(read: Callable[[bytes], Any]) -> Callable[[bytes, Case], Any]:
    """A reader that needs nothing of the case."""
    return lambda data, case: read(data)


def _encoding() -> Iterator[Twice]:
    yield Twice(
        "value",
        tuple(cases("encoding", what="value")),
        _plain(partial(unpack, max_bytes=MAX_VALUE_BYTES)),
        _plain(lambda data: second.read_value(data, MAX_VALUE_BYTES)),
    )
    yield Twice(
        "varint",
        tuple(cases("encoding", what="varint")),
        _plain(whole_varint),
        _plain(second.read_varint),
        form="bytes",
    )


def _log() -> Iterator[Twice]:
    def header(data: bytes) -> Any:
        read = decode_header(data)
        fields = {"version": 1, "device": read.device, "channel": read.channel, "prev": read.prev}
        names = "seq t_ms t_quality lamport seen expire_ms size payload_hash ext id"
        fields |= {name: getattr(read.entry, name) for name in names.split()}
        return {**fields, "log": log_id(read.device, read.channel)}

    def second_header(data: bytes) -> Any:
        fields = second.read_header(data)
        log = second.tagged("sl.log", fields["device"] + fields["channel"].to_bytes(4, "big"))
        return {**fields, "id": second.tagged("sl.header", data), "log": log}

    runs = tuple(cases("run"))
    yield Twice("header", tuple(cases("header")), _plain(header), _plain(second_header))
    yield Twice("run", runs, _open_run, _second_open_run)
    yield Twice("entries of a run", runs, _plain(_rebuild_run), _plain(_second_rebuild_run))
    yield Twice(
        "fork proof", tuple(cases("fork")), _plain(_read_proof), _plain(second_runs.read_proof)
    )


def _entries(entries: list[Entry]) -> list[dict[str, Any]]:
    names = (
        "id seq t_ms t_quality lamport seen expire_ms size payload_hash ext remaining_ms payload"
    )
    return [{name: getattr(entry, name) for name in names.split()} for entry in entries]


def _open_run(data: bytes, case: Case) -> Any:
    run = decode_run(data)
    entries = open_run(run, trusted_end=optional(case.get("trusted_end")))
    return [run.device, run.channel, run.first, run.count, run.last_id or b"", _entries(entries)]


def _second_open_run(data: bytes, case: Case) -> Any:
    run = second_runs.open_run(data, optional(case.get("trusted_end")))
    entries = _second_entries(run["entries"])
    return [*(run[name] for name in ["device", "channel", "first", "count", "last_id"]), entries]


def _rebuild_run(data: bytes) -> Any:
    return _entries(rebuild_run(decode_run(data)))


def _second_rebuild_run(data: bytes) -> Any:
    run = second.read_run(data)
    return _second_entries(second_runs.read_entries(run, run["columns"], run["bodies"]))


def _second_entries(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: item for name, item in each.items() if name != "prev"} for each in entries]


def _read_proof(data: bytes) -> Any:
    proof = decode_fork(data)
    verify_fork(proof)
    return {
        "device": proof.device,
        "channel": proof.channel,
        "log": proof.log,
        "frozen_from": proof.frozen_from,
        "vouched_id": proof.vouched_id or b"",
        "state": forked_log_state(proof),
        "branches": [[each.first, each.last, each.stubs[-1].id] for each in proof.branches],
    }


def _identity() -> Iterator[Twice]:
    def record(what: str, data: bytes) -> Any:
        return shown(DECODERS[what](data))

    def second_record(data: bytes, case: Case) -> Any:
        signature = bytes.fromhex(case["signature"])
        return second_records.verify_record(case["what"], data, signature, _key_of(case))

    for what in DECODERS:
        told = tuple(cases("identity", what=what))
        formed = tuple(case for case in told if case.get("refused_by") != "proof")
        read = partial(record, what)
        yield Twice(f"form of {what}", formed, _plain(read), _plain(second_records.READERS[what]))
        if what != "inception":
            signed = tuple(case for case in told if "signature" in case)
            yield Twice(what, signed, _verified, second_record)
    yield Twice(
        "ident", tuple(cases("ident")), _plain(_read_ident), _plain(second_records.read_ident)
    )


def _key_of(case: Case) -> bytes:
    return bytes.fromhex(case["committed" if case["what"] == "rotation" else "root"])


def _verified(data: bytes, case: Case) -> Any:
    return {**shown(verified(data, case)), "hash": SignedRecord(data, b"").hash}


def _read_ident(data: bytes) -> Any:
    ident = decode_ident(data)
    found = verify_ident(ident)
    rotations = [record for kind, record in ident.records if kind.name == "ROTATE"]
    return {
        "identity": found.identity,
        "roots": root_keys(ident.inception, rotations),
        "records": [record.hash for _, record in found.records],
        "devices": [
            {"device": each.run.device, "epoch": each.certificate.epoch} for each in found.devices
        ],
    }


def _exchange() -> Iterator[Twice]:
    def roster(data: bytes) -> Any:
        rows = roster_rows(unpack(data, max_bytes=MAX_BODY_BYTES))
        return {"rows": roster_value(rows), "hash": Roster(rows).hash}

    def message(data: bytes) -> Any:
        return [said(frame) for frame in decode_frames(data)]

    frames = tuple(cases("frames"))
    yield Twice("frames", frames, _plain(message), _plain(second_frames.read_message), "frames")
    yield Twice("roster", tuple(cases("roster")), _plain(roster), _plain(second_frames.read_roster))
    sketches, ranges = tuple(cases("sketch")), tuple(cases("reconcile"))
    yield Twice("sketch", sketches, _plain(_read_sketch), _plain(second_reconcile.read_sketch))
    yield Twice("ranges", ranges, _plain(_read_ranges), _plain(second_reconcile.read_ranges))


def _read_sketch(data: bytes) -> Any:
    part = SketchPart.decode(data)
    return {**dataclasses.asdict(part), "width": int(part.width)}


def _read_ranges(data: bytes) -> Any:
    message = RangeMessage.decode(data)
    return {
        "salt": message.salt,
        "more": int(message.more),
        "nodes": [_shown_node(node) for node in message.nodes],
    }


def _shown_node(node: Node) -> dict[str, Any]:
    if isinstance(node, Split):
        return {"prefix": node.prefix, "kind": "split", "fingerprints": node.fingerprints}
    states = [{**state._asdict(), "frozen": int(state.frozen)} for state in node.states]
    found = {"prefix": node.prefix, "states": states}
    if isinstance(node, Listing):
        return {**found, "kind": "list"}
    assert isinstance(node, Answer)
    return {**found, "kind": "answer", "lacks": node.lacks, "last": int(node.last)}


def _content() -> Iterator[Twice]:
    def content(data: bytes, case: Case) -> Any:
        found = decode_content(data, case["within"])
        return found and content_to_builtins(found)

    def sealed(data: bytes) -> Any:
        found = decode_sealed_content(data)
        return found and content_to_builtins(found)

    def plaintext(data: bytes) -> Any:
        found = decode_sealed_plaintext(data)
        return found and {name: getattr(found, name) for name in found.__struct_fields__}

    def within(*places: object) -> tuple[Case, ...]:
        return tuple(case for case in cases("content") if case["within"] in places)

    def second_content_of(data: bytes, case: Case) -> Any:
        return second_content.read_content(data, case["within"])

    for channel in range(5):
        name = f"content of channel {channel}"
        yield Twice(name, within(channel), content, second_content_of, "msgpack")
    inside = _plain(second_content.read_sealed_content)
    yield Twice("content in a seal", within("seal"), _plain(sealed), inside, "msgpack")
    padded = _plain(second_content.read_plaintext)
    yield Twice("plaintext", within("plaintext"), _plain(plaintext), padded, "bytes")
    yield Twice("seal", tuple(cases("sealing")), _open_seal, _second_open_seal, "msgpack")


def _open_seal(data: bytes, case: Case) -> Any:
    sealed = decode_content(data, case["channel"])
    if not isinstance(sealed, Sealed):
        return None
    place = Place(
        bytes.fromhex(case["device"]), case["channel"], case["seq"], bytes.fromhex(case["prev"])
    )
    reader = bytes.fromhex(case["reader"])
    found = open_sealed(sealed, _secrets_of(case), device=reader, place=place)
    return found and {name: getattr(found, name) for name in found.__struct_fields__}


def _second_open_seal(data: bytes, case: Case) -> Any:
    carrier = second_seals.Carrier(*(case[name] for name in second_seals.Carrier._fields))
    return second_seals.open_seal(data, _secrets_of(case), carrier)


def _secrets_of(case: Case) -> dict[int, bytes]:
    return {int(period): bytes.fromhex(secret) for period, secret in case["secrets"].items()}


def _link() -> Iterator[Twice]:
    def greeting(data: bytes) -> Any:
        return dataclasses.asdict(decode_greeting(data))

    greetings, sessions = (tuple(cases("link", kind=kind)) for kind in ("greeting", "session"))
    yield Twice("greeting", greetings, _plain(greeting), _plain(second_link.read_greeting))
    yield Twice("link", sessions, _follow_link, _second_follow_link, "bytes")


def _follow_link(data: bytes, case: Case) -> Any:
    """Both ends of a link read what the other sent; the stream ends behind a message."""
    keys = {name: KeyPair.from_private(key) for name, key in _link_keys().items()}
    prologue, called_public = prologue_of(case["network"]), keys["called_static"].public
    called, caller = (
        HandshakeState(
            PATTERNS["XK"],
            initiator=name == "caller",
            prologue=prologue,
            static=keys[f"{name}_static"],
            ephemeral=keys[f"{name}_ephemeral"],
            remote_static=called_public if name == "caller" else None,
        )
        for name in ("called", "caller")
    )
    messages = list(NoiseFramer().feed(data))
    if sum(2 + len(message) for message in messages) != len(data):
        raise DecodeError("cut short")
    plain: list[bytes] = []
    try:
        for at, message in enumerate(messages[:3]):
            writer, reader = (called, caller) if at == 1 else (caller, called)
            plain.append(reader.read_message(message))
            writer.write_message(bytes.fromhex(case["plain"][at]))
        if len(messages) > 3:
            readers = called.split(), caller.split()
            senders: list[int] = case["sender"][3:]
            plain += [
                readers[sender].decrypt(message)
                for sender, message in zip(senders, messages[3:], strict=False)
            ]
    except ProtocolError:
        raise IntegrityError("no link") from None
    return plain


def _second_follow_link(data: bytes, case: Case) -> Any:
    messages = list(second_link.noise_messages(data))
    follower = second_link.Follower(case["network"], _link_keys())
    try:
        return follower.follow(list(zip(case["sender"], messages, strict=False)))
    except second.RefusedError:
        raise second.UnprovenError("no link") from None


def _link_keys() -> dict[str, bytes]:
    keys = vector_file("link")["keys"]
    return {name: bytes.fromhex(private) for name, private in keys.items()}
