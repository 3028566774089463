"""Every decoder of bytes that come from others: what it may raise, and where to begin.

What was accepted is checked as well, where one form is promised by writing it again: an
`AssertionError` is a find like any error that is not among the refusals.
"""

from __future__ import annotations

import base64
import tempfile
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any, Final

from slowlight.node.config import MAX_FILE_BYTES, load_settings
from slowlight.node.errors import ServiceError
from slowlight.protocol.code_line import CodeLine
from slowlight.protocol.content import (
    decode_content,
    decode_sealed_content,
    decode_sealed_plaintext,
    encode_content,
    encode_sealed_plaintext,
    kind_of,
    post_links,
    split_payload,
)
from slowlight.protocol.encoding import MAX_ITEMS, pack, put_varint, take_varint, unpack
from slowlight.protocol.entry import Entry, Header, decode_header, encode_header
from slowlight.protocol.errors import DecodeError, IntegrityError
from slowlight.protocol.fork import decode_fork, verify_fork
from slowlight.protocol.frames import (
    MAX_BODY_BYTES,
    MAX_FRAME_BYTES,
    MAX_ROWS_PER_PART,
    MAX_STATES,
    MAX_WANTS,
    Frame,
    FrameType,
    Have,
    LogHint,
    RosterPart,
    Scope,
    UnknownFrame,
    Want,
    WantRange,
    decode_frames,
)
from slowlight.protocol.handshake import NoiseFramer, decode_greeting
from slowlight.protocol.hashing import (
    PERSON_DEVICE_ANSWER,
    PERSON_DEVICE_REQUEST,
    PERSON_INVITE,
    hash32,
    short_id,
    short_prefix,
)
from slowlight.protocol.ident import MAX_IDENT_RECORDS, decode_ident, verify_ident
from slowlight.protocol.identity import (
    SignedRecord,
    decode_accept,
    decode_certificate,
    decode_inception,
    decode_revocation,
    decode_rotation,
    device_key,
)
from slowlight.protocol.invite import SCHEME, Invite, InvitedNode, read_invite, write_invite
from slowlight.protocol.joining import (
    ANSWER_SCHEME,
    REQUEST_SCHEME,
    JoinAnswer,
    JoinRequest,
    read_answer,
    read_request,
    write_answer,
    write_request,
)
from slowlight.protocol.noise import PATTERNS, DecryptError, HandshakeError, HandshakeState, KeyPair
from slowlight.protocol.range_messages import RangeMessage
from slowlight.protocol.reconcile import Reconciler
from slowlight.protocol.roster import Depth, RosterRow, roster_rows, roster_value
from slowlight.protocol.run import Run, build_run, decode_run, open_run, rebuild_run
from slowlight.protocol.sketch import SketchPart
from slowlight.protocol.version_sketch import PeerSketch, VersionSketch
from slowlight.protocol.words import WordsError, seed_from_words, words_from_seed
from tests.hostile_bytes import crammed
from tests.people import Person
from tests.vector_files import cases

MEMORY_FACTOR: Final = 8

_MALFORMED: Final = (DecodeError,)
_UNPROVEN: Final = (DecodeError, IntegrityError)


@dataclass(frozen=True, slots=True)
class Target:
    """One decoder."""

    name: str
    decode: Callable[[bytes], Any]
    refusals: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]
    """Valid and invalid inputs that show what it reads."""
    check: Callable[[Any, bytes], None] | None = None
    """Looks at what was decoded, and at the bytes."""
    most_memory_bytes: int = MEMORY_FACTOR * MAX_FRAME_BYTES
    """What decoding may hold at its peak, for anything that fits a frame."""

    def judge(self, data: bytes) -> None:
        """Decode and check; only an error that is no refusal comes out."""
        try:
            value = self.decode(data)
        except self.refusals:
            return
        if self.check is not None:
            self.check(value, data)

    def peak_bytes(self, data: bytes) -> int:
        """Decode; return the most memory that it held at one time, in bytes."""
        tracemalloc.start()
        try:
            with suppress(*self.refusals):
                self.decode(data)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def targets() -> Iterator[Target]:
    """Every target, its seeds taken from ``tests/vectors``."""
    yield from _encoding_targets()
    yield from _log_targets()
    yield from _identity_targets()
    yield from _frame_targets()
    yield from _reconciliation_targets()
    yield from _content_targets()
    yield from _link_targets()
    yield from _typed_targets()


def _seeds(file: str, **fields: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(case["hex"]) for case in cases(file, **fields) if "hex" in case)


def _one_form(write: Callable[[Any], bytes]) -> Callable[[Any, bytes], None]:
    """Make a check of a function that writes what was decoded."""

    def check(value: Any, data: bytes) -> None:
        assert write(value) == data, "a second form of one value was accepted"

    return check


_encodes_alike: Final = _one_form(methodcaller("encode"))


def _crammed(most_items: int) -> tuple[bytes, ...]:
    """As many objects as fit a frame, and as many open arrays: what costs the most memory."""
    head = b"\xdc" + most_items.to_bytes(2, "big")
    units = (b"\x90", b"\x91\x00", b"\x05", b"\xcd\x01\x01", b"\xc4\x02ab")
    return head * 1_100, *(crammed(unit, MAX_BODY_BYTES, most_items) for unit in units)


def _encoding_targets() -> Iterator[Target]:
    def check_varint(found: tuple[int, int], data: bytes) -> None:
        number, end = found
        out = bytearray()
        put_varint(out, number)
        assert out == data[:end]

    varints = _seeds("encoding", what="varint")
    yield Target("varint", lambda data: take_varint(data, 0), _MALFORMED, varints, check_varint)
    values = _seeds("encoding", what="value")
    for name, most in (("value", MAX_ITEMS), ("long-value", MAX_STATES)):
        decode = partial(unpack, max_bytes=MAX_BODY_BYTES, max_items=most)
        yield Target(name, decode, _MALFORMED, values + _crammed(most), _one_form(pack))


def _log_targets() -> Iterator[Target]:
    def write_header(header: Header) -> bytes:
        return encode_header(header.device, header.channel, header.prev, header.entry)

    def rebuild(data: bytes) -> tuple[Run, list[Entry]]:
        run = decode_run(data)
        return run, rebuild_run(run)

    def check_entries(found: tuple[Run, list[Entry]], data: bytes) -> None:
        run, entries = found
        again = build_run(run.device, run.channel, run.prev, entries, run.signature)
        assert (again.columns, again.bodies) == (run.columns, run.bodies)
        assert open_run(replace(run, last_id=None), trusted_end=entries[-1].id) == entries

    runs, proofs = _seeds("run"), _seeds("fork")
    yield Target("header", decode_header, _MALFORMED, _seeds("header"), _one_form(write_header))
    yield Target("run", decode_run, _MALFORMED, runs, _encodes_alike)
    yield Target("run-entries", rebuild, _MALFORMED, runs, check_entries)
    yield Target("signed-run", lambda data: open_run(decode_run(data)), _UNPROVEN, runs)
    yield Target("proof", decode_fork, _MALFORMED, proofs, _encodes_alike)
    yield Target("signed-proof", lambda data: verify_fork(decode_fork(data)), _UNPROVEN, proofs)


def _identity_targets() -> Iterator[Target]:
    records: dict[str, Callable[[bytes], Any]] = {
        "inception": decode_inception,
        "certificate": decode_certificate,
        "rotation": decode_rotation,
        "revocation": decode_revocation,
        "accept": decode_accept,
    }
    for name, decode in records.items():
        yield Target(name, decode, _MALFORMED, _seeds("identity", what=name), _encodes_alike)
    idents = _seeds("ident")
    crammed_idents = idents + _crammed(MAX_IDENT_RECORDS)
    yield Target("ident", decode_ident, _MALFORMED, crammed_idents, _encodes_alike)
    yield Target("verified-ident", lambda data: verify_ident(decode_ident(data)), _UNPROVEN, idents)


def _frame_targets() -> Iterator[Target]:
    def roster(data: bytes) -> list[RosterRow]:
        return roster_rows(unpack(data, max_bytes=MAX_BODY_BYTES, max_items=MAX_ROWS_PER_PART))

    def write_roster(rows: list[RosterRow]) -> bytes:
        return pack(roster_value(rows))

    def frame(data: bytes, kind: FrameType) -> Frame | UnknownFrame:
        head = min(len(data), 2**16 - 1).to_bytes(2, "big") + bytes((kind,))
        (decoded,) = decode_frames(head + data)
        return decoded

    def check_frame(decoded: Frame | UnknownFrame, data: bytes) -> None:
        assert isinstance(decoded, UnknownFrame) or decoded.body() == data

    messages = _seeds("frames")
    bodies = list(_frame_bodies(messages))
    many = {
        FrameType.ROSTER: (*_crammed(MAX_ROWS_PER_PART), _full_roster().body()),
        FrameType.HAVE: (*_crammed(MAX_STATES), _full_have().body()),
        FrameType.WANT: (*_crammed(MAX_WANTS), _full_want().body()),
    }
    yield Target("roster", roster, _MALFORMED, _seeds("roster"), _one_form(write_roster))
    yield Target("frames", lambda data: deque(decode_frames(data), maxlen=0), _MALFORMED, messages)
    for kind in FrameType:
        seeds = dict.fromkeys(body for code, body in bodies if code == kind)
        yield Target(
            f"{kind.name.lower()}-frame",
            partial(frame, kind=kind),
            _MALFORMED,
            (*seeds, *many.get(kind, ())),
            check_frame,
            most_memory_bytes=(MEMORY_FACTOR + 1) * MAX_FRAME_BYTES,  # the frame is made here
        )


def _frame_bodies(messages: tuple[bytes, ...]) -> Iterator[tuple[int, bytes]]:
    """The type and body of each whole frame."""
    for data in messages:
        while len(data) >= 3:
            end = 3 + int.from_bytes(data[:2], "big")
            yield data[2], data[3:end]
            data = data[end:]


def _ids(count: int) -> list[bytes]:
    return [number.to_bytes(32, "big") for number in range(count)]


def _full_roster() -> RosterPart:
    rows = (RosterRow(identity, 300, Depth.NEWEST, 300) for identity in _ids(MAX_ROWS_PER_PART))
    return RosterPart(bytes(8), 0, 1, tuple(rows))


def _full_have() -> Have:
    states = (LogHint(log, 300 + seq, bytes(8)) for seq, log in enumerate(_ids(MAX_STATES)))
    return Have(Scope.ALL, True, tuple(states))


def _full_want() -> Want:
    return Want(tuple(WantRange(log, 300, 999, None) for log in _ids(MAX_WANTS)))


def _reconciliation_targets() -> Iterator[Target]:
    def compare(data: bytes) -> None:
        peer = PeerSketch(SketchPart.decode(data))
        VersionSketch(shard_bits=peer.shard_bits).compare(peer)

    def hear(data: bytes) -> None:
        for waiting in (True, False):
            side = Reconciler(())
            if waiting:
                side.start(bytes(8))
            side.receive(data)

    sketches, ranges = _seeds("sketch"), _seeds("reconcile") + _crammed(MAX_ITEMS)
    write: Callable[[Any], bytes] = methodcaller("body")
    yield Target("sketch", SketchPart.decode, _MALFORMED, sketches, _one_form(write))
    yield Target("sketch-compared", compare, _MALFORMED, sketches)
    yield Target("ranges", RangeMessage.decode, _MALFORMED, ranges, _one_form(write))
    yield Target("ranges-heard", hear, _MALFORMED, ranges)


def _content_targets() -> Iterator[Target]:
    def comes_back(
        decode: Callable[[bytes], object], encode: Callable[[Any], bytes]
    ) -> Callable[[Any, bytes], None]:
        def check(found: Any, data: bytes) -> None:
            assert found is None or decode(encode(found)) == found

        return check

    def seeds(within: object) -> tuple[bytes, ...]:
        chosen = (case for case in cases("content") if case["within"] == within)
        return tuple(bytes.fromhex(case["hex"]) for case in chosen)

    for channel in range(5):
        decode = partial(decode_content, channel=channel)
        check = comes_back(decode, encode_content)
        yield Target(f"content-{channel}", decode, (), seeds(channel), check)
    check = comes_back(decode_sealed_content, encode_content)
    yield Target("sealed-content", decode_sealed_content, (), seeds("seal"), check)
    check = comes_back(decode_sealed_plaintext, encode_sealed_plaintext)
    yield Target("sealed-plaintext", decode_sealed_plaintext, (), seeds("plaintext"), check)
    posts = seeds(1)
    yield Target("content-head", lambda data: (kind_of(data), post_links(data)), (), posts)
    payloads = tuple(bytes(16) + data for data in posts)
    yield Target("payload", split_payload, _MALFORMED, payloads)


def _link_targets() -> Iterator[Target]:
    def check_framer(messages: list[bytes], data: bytes) -> None:
        """However the stream is cut, the messages are the same."""
        framer = NoiseFramer()
        cut = data[0] + 1 if data else 1
        fed = (framer.feed(data[at : at + cut]) for at in range(0, len(data), cut))
        assert [message for some in fed for message in some] == messages

    greetings = _seeds("link", kind="greeting")
    streams = _seeds("link", kind="session")
    first = tuple(
        bytes.fromhex(case["wire"][0])[2:]
        for case in cases("link", kind="session", expect="accept")
    )
    second = tuple(
        bytes.fromhex(case["wire"][1])[2:]
        for case in cases("link", kind="session", expect="accept")
    )
    yield Target("greeting", decode_greeting, _MALFORMED, greetings, _encodes_alike)
    yield Target("framer", lambda data: NoiseFramer().feed(data), _MALFORMED, streams, check_framer)
    yield Target("handshake", _shake_hands, (HandshakeError, DecryptError), first + second)


_KEY: Final = KeyPair.from_private(bytes(range(32)))
_OTHER_KEY: Final = KeyPair.from_private(bytes(range(32, 64)))


def _shake_hands(data: bytes) -> None:
    """Read bytes as the first message of a caller, known or not, and as the answer to one."""
    for name in ("XX", "XK"):
        called = HandshakeState(PATTERNS[name], initiator=False, static=_KEY, ephemeral=_OTHER_KEY)
        try:
            called.read_message(data)
        except HandshakeError:
            assert name == "XK" or not 32 <= len(data) <= 65_535
    caller = HandshakeState(
        PATTERNS["XK"],
        initiator=True,
        static=_KEY,
        ephemeral=_OTHER_KEY,
        remote_static=_OTHER_KEY.public,
    )
    caller.write_message()
    caller.read_message(data)


def _typed_targets() -> Iterator[Target]:
    """What people type or paste; the command line hands it over as text."""

    def line_of(body: bytes) -> str:
        checked = base64.b32encode(body + hash32(PERSON_INVITE, body)[:4]).decode()
        return SCHEME + checked.rstrip("=").lower()

    def check_line(invite: Invite, data: bytes) -> None:
        assert write_invite(invite) == data.decode().strip().lower()

    def check_body(invite: Invite, data: bytes) -> None:
        assert write_invite(invite) == line_of(data)

    def check_words(found: tuple[bytes, str], data: bytes) -> None:
        seed, language = found
        assert seed_from_words(words_from_seed(seed, language), language) == found

    def check_short(found: tuple[int, int], data: bytes) -> None:
        bits, count = found
        shown = short_id((bits << 64 - count).to_bytes(8, "big"))
        assert short_prefix(shown) == (bits << 60 - count, 60)

    def typed(read: Callable[[str], object]) -> Callable[[bytes], object]:
        return lambda data: read(data.decode("utf-8", "replace"))

    lines = tuple(write_invite(invite).encode() for invite in _invites())
    bodies = tuple(_invite_body(line) for line in lines)
    phrases = tuple(
        " ".join(words_from_seed(bytes([number]) * 32, language)).encode()
        for number in (0, 127, 255)
        for language in ("english", "french")
    )
    shorts = (b"k3v9-7qpm-x2da", b"K3V97Q", b"il-O")
    yield Target("invite", typed(read_invite), _MALFORMED, lines, check_line)
    yield Target(
        "invite-body", lambda data: read_invite(line_of(data)), _MALFORMED, bodies, check_body
    )
    yield from _joining_targets()
    yield Target("words", typed(seed_from_words), (WordsError,), phrases, check_words)
    yield Target("short-id", typed(short_prefix), _MALFORMED, shorts, check_short)
    yield Target(
        "settings",
        _read_settings,
        (ServiceError,),
        _SETTINGS,
        most_memory_bytes=MEMORY_FACTOR * MAX_FILE_BYTES,
    )


def _invites() -> Iterator[Invite]:
    node = InvitedNode(bytes(32), bytes(range(32)), ("[::1]:4242", "a.example:1"))
    for token in (b"", bytes(16)):
        yield Invite(bytes(32), (), token, "Ada")
        yield Invite(bytes(32), (node, node._replace(addresses=())), token, "Zoë")


def _joining_targets() -> Iterator[Target]:
    """Codes with a right checksum, so that what is inside is reached."""
    key = device_key(bytes(32))
    request = write_request(JoinRequest(key.public, bytes(32), "laptop", "sol"), key)
    person = Person(1)
    answer = write_answer(
        JoinAnswer(person.inception, (person.rotation(),), SignedRecord(b"\x91\x01", bytes(64)))
    )
    for name, scheme, person_tag, read, line in (
        ("join-request", REQUEST_SCHEME, PERSON_DEVICE_REQUEST, read_request, request),
        ("join-answer", ANSWER_SCHEME, PERSON_DEVICE_ANSWER, read_answer, answer),
    ):
        text = line.removeprefix(scheme).upper()
        body = base64.b32decode(text + "=" * (-len(text) % 8))[:-4]

        def reading(
            data: bytes,
            code: CodeLine = CodeLine(name, scheme, person_tag, 200_000),  # noqa: B008
            read: Callable[[str], object] = read,
        ) -> object:
            return read(code.write(data))

        yield Target(name, reading, _UNPROVEN, (body,))


def _invite_body(line: bytes) -> bytes:
    text = line[len(SCHEME) :].upper()
    return base64.b32decode(text + b"=" * (-len(text) % 8))[:-4]


_SETTINGS: Final = (
    b'[node]\nlisten = ["0.0.0.0:1", "[::]:2"]\nadvertise = []\nnetwork = "mars"\n',
    b'[log]\nlevel = "debug"\nformat = "json"\nfile = ""\n[limits]\nlinks = 3\nsilence_s = 0x10\n',
    b"node.listen = ['a']\nlog = { level = 'info' }\n[limits]\nredial_s = 1_000\n",
    b"x = " + b"[" * 1_100,
    b"x = " + b"9" * 4_400,
    b"[[node]]\nlinks = 2026-01-01T00:00:00Z\nx = 1e9\ny = [[], {}, true, nan]\n",
)


def _read_settings(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=_fast_folder()) as file:
        file.write(data)
        file.flush()
        load_settings(Path(file.name), {})


def _fast_folder() -> str | None:
    """A folder in memory, where the system has one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
