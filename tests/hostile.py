"""Eve, whom a node follows, and what she does with that: a catalogue of bad callers and peers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Final

import trio

from slowlight.node.carriers.base import Promise, ProvenPeer
from slowlight.node.carriers.noise_link import LinkKeys, NoiseLink, initiate
from slowlight.node.network import prove
from slowlight.protocol.content import (
    CertificateRecord,
    Post,
    decode_content,
    encode_content,
    make_payload,
    split_payload,
)
from slowlight.protocol.entry import (
    CHANNEL_IDENTITY,
    CHANNEL_POSTS,
    EMPTY_LOG,
    SALT_BYTES,
    Entry,
    log_id,
    sign_entry,
    write_entry,
)
from slowlight.protocol.frames import (
    MAX_STATES,
    MAX_WANTS,
    SHORT_HASH_BYTES,
    Bye,
    ByeReason,
    DigestFrame,
    Frame,
    Have,
    Hello,
    IdentFrame,
    LogHint,
    Receipt,
    RosterPart,
    RunFrame,
    Scope,
    Want,
    WantRange,
    encode_frame,
)
from slowlight.protocol.handshake import Greeting, prologue_of, put_length
from slowlight.protocol.hashing import ZERO_HASH
from slowlight.protocol.ident import Ident
from slowlight.protocol.noise import PATTERNS, HandshakeState, KeyPair
from slowlight.protocol.question_frames import Reconcile
from slowlight.protocol.roster import MAX_ROSTER_ROWS, Depth, Roster, RosterRow
from slowlight.protocol.run import BLOCK, Run, build_run
from slowlight.simulations.people import SeededPerson
from slowlight.sync.roster_transfer import roster_parts
from tests.people import START_MS

PROMISE: Final = Promise("stream", True, None, None, 0.0)
BELL: Final = "\x1b]0;owned\x07\u202e"
"""What no terminal must be told."""
FLOOD: Final = 1_000
NOTHING: Final = Roster([])


class Eve:
    """A person who wrote three posts that nobody has yet, and who has time."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"eve {seed}")
        self.person: Final = SeededPerson(
            self.noise(32), label=f"a laptop {BELL}", from_ms=START_MS
        )
        for number in range(3):
            text = f"post {number} {BELL}"
            self.person.write(CHANNEL_POSTS, Post(text), START_MS + number)

    @property
    def identity(self) -> bytes:
        """Her identity id."""
        return self.person.identity

    def noise(self, count_bytes: int) -> bytes:
        """Return bytes that mean nothing."""
        return self._random.randbytes(count_bytes)

    def run(self) -> Run:
        """Return her posts as an honest peer would send them."""
        (run,) = self.person.logs[CHANNEL_POSTS].runs()
        return run

    def chained(self, change: Callable[[Entry], Entry]) -> Run:
        """Return her posts with the second one changed, under the signature of the true ones."""
        first, second, third = self.person.logs[CHANNEL_POSTS].entries
        entries = [first, change(second), third]
        run = self.run()
        changed = build_run(run.device, run.channel, ZERO_HASH, entries, run.signature)
        return replace(changed, last_id=run.last_id)

    def signed(self, run: Run) -> Run:
        """Sign a run whose end is a lie: she may do so in her own log."""
        last_id = self.noise(32)
        return replace(
            run, last_id=last_id, signature=sign_entry(self.person.device.secret, last_id)
        )

    def signed_by_another(self, run: Run) -> Run:
        """Let somebody else sign her posts."""
        assert run.last_id is not None
        signature = sign_entry(self.stranger().device.secret, run.last_id)
        return replace(run, signature=signature)

    def stranger(self) -> SeededPerson:
        """Return somebody whom nobody knows."""
        stranger = SeededPerson(self.noise(32), label="", from_ms=START_MS)
        stranger.write(CHANNEL_POSTS, Post("buy this"), START_MS)
        return stranger

    def forged_ident(self) -> Ident:
        """Return her identity with a certificate that her root key has not signed."""
        device, true = self.person.device, self.person.logs[CHANNEL_IDENTITY].entries[0]
        assert true.payload is not None
        record = decode_content(split_payload(true.payload), CHANNEL_IDENTITY)
        assert isinstance(record, CertificateRecord)
        forged = CertificateRecord(record.body, flipped(record.signature))
        entry = write_entry(
            device.public,
            CHANNEL_IDENTITY,
            EMPTY_LOG,
            payload=make_payload(self.noise(SALT_BYTES), encode_content(forged)),
            t_ms=START_MS,
        )
        signature = sign_entry(device.secret, entry.id)
        run = build_run(device.public, CHANNEL_IDENTITY, ZERO_HASH, [entry], signature)
        return Ident(self.person.inception, (), (run,))

    def handshake(self, static: bytes, network: str = "") -> HandshakeState:
        """Begin a handshake, by hand, with the node that has a static key."""
        return HandshakeState(
            PATTERNS["XK"],
            initiator=True,
            prologue=prologue_of(network),
            static=self.person.box,
            ephemeral=KeyPair.from_private(self.noise(32)),
            remote_static=static,
        )

    def first_message(self, static: bytes, network: str = "") -> bytes:
        """Return a good first message to the node that has a static key."""
        return put_length(self.handshake(static, network).write_message())

    async def call(self, stream: trio.abc.Stream, static: bytes) -> NoiseLink:
        """Shake hands honestly with the node that has a static key."""
        return await initiate(
            stream,
            LinkKeys(self.person.box, prologue_of(""), self.noise),
            static,
            greet=lambda: Greeting(self.person.ident.encode()),
            decide=_believe,
            promise=PROMISE,
        )


def _believe(static: bytes, greeting: Greeting) -> ProvenPeer:
    ident, device = prove(static, greeting)
    return ProvenPeer(ident.identity, device)


def flipped(data: bytes) -> bytes:
    """Return the data with its last bit changed."""
    return data[:-1] + bytes((data[-1] ^ 1,))


# Callers without a good first message

OPENINGS: Final[Mapping[str, Callable[[Eve, bytes], bytes]]] = {
    "nothing": lambda _eve, _static: b"",
    "rubbish": lambda eve, _static: eve.noise(5_000),
    "a web browser": lambda _eve, _static: b"GET / HTTP/1.1\r\nHost: slowlight\r\n\r\n",
    "a message shorter than its tag": lambda _eve, _static: b"\x00\x05hello",
    "a message of another length": lambda eve, _static: put_length(eve.noise(47)),
    "the longest message": lambda eve, _static: put_length(eve.noise(65_535)),
    "rubbish of the right length": lambda eve, _static: put_length(eve.noise(48)),
    "half a first message": lambda eve, static: eve.first_message(static)[:20],
    "a bit flipped": lambda eve, static: flipped(eve.first_message(static)),
    "a call for another node": lambda eve, _static: eve.first_message(eve.noise(32)),
    "a call in another network": lambda eve, static: eve.first_message(static, "elsewhere"),
}
"""What they send to a node with this static key; not one byte comes back."""


# Callers who know the node's key, and stop being honest after its answer


def _third(payload: Callable[[Eve], bytes]) -> Callable[[Eve, HandshakeState], bytes]:
    return lambda eve, handshake: put_length(handshake.write_message(payload(eve)))


def _greeting(ident: Ident, token: bytes = b"") -> bytes:
    return Greeting(ident.encode(), token).encode()


THIRD_MESSAGES: Final[Mapping[str, Callable[[Eve, HandshakeState], bytes]]] = {
    "silence": lambda _eve, _handshake: b"",
    "rubbish": lambda eve, _handshake: put_length(eve.noise(300)),
    "the longest message": lambda eve, _handshake: put_length(eve.noise(65_535)),
    "a message cut short": lambda eve, _handshake: put_length(eve.noise(300))[:100],
    "a message shorter than its tag": lambda _eve, _handshake: b"\x00\x00",
    "rubbish for a greeting": _third(lambda eve: eve.noise(300)),
    "no certificate": _third(lambda eve: _greeting(Ident(eve.person.inception, (), ()))),
    "somebody else's certificate": _third(lambda eve: _greeting(eve.stranger().ident)),
    "a forged certificate": _third(lambda eve: _greeting(eve.forged_ident())),
    "a token of another length": _third(lambda eve: _greeting(eve.person.ident, eve.noise(17))),
}
"""What they send instead of a greeting, with the handshake as it stands."""


# Peers that the node has let in


@dataclass(frozen=True, slots=True)
class Speech:
    """What Eve says in a session that began well."""

    messages: Callable[[Eve, Hello], Iterable[bytes]]
    """Noise plaintexts, when she has heard the node's HELLO."""
    checks: int = 0
    """Signatures that the node checks for all of it, at most."""


def frames(*said: Frame) -> bytes:
    """Return a message of these frames."""
    return b"".join(map(encode_frame, said))


def hello(roster: Roster = NOTHING) -> bytes:
    """Return an honest greeting."""
    return frames(Hello(bytes(4), 1, roster.hash[:SHORT_HASH_BYTES]))


def _said(*messages: bytes) -> Speech:
    return Speech(lambda _eve, _hello: messages)


def _run(change: Callable[[Eve, Run], Run], checks: int) -> Speech:
    return Speech(lambda eve, _hello: [frames(RunFrame(change(eve, eve.run()).encode()))], checks)


def _roster(*people: bytes) -> Roster:
    return Roster(RosterRow(person, CHANNEL_POSTS, Depth.EVERYTHING, 0) for person in people)


def _announced(roster: Roster) -> list[bytes]:
    return [hello(roster), *(frames(part) for part in roster_parts(roster))]


BREACHES: Final[Mapping[str, Speech]] = {
    "rubbish": Speech(lambda eve, _hello: [eve.noise(400)]),
    "a frame cut short": _said(b"\x00\x40\x0a" + bytes(63)),
    "a frame longer than any": _said(b"\xfe\x00\x0a" + bytes(65_024)),
    "a body of another kind": _said(b"\x00\x02\x0b\xc0\xc0"),
    "a roster that nobody asked for": Speech(
        lambda eve, _hello: [frames(*roster_parts(_roster(eve.identity)))]
    ),
    "states before a roster": _said(frames(Reconcile())),
    "a receipt for what was never sent": _said(frames(Receipt(7, complete=True))),
    "words after the BYE": _said(frames(Bye(ByeReason.DONE, BELL), Receipt(0, complete=True))),
    "one question again and again": Speech(
        lambda _eve, hello: [frames(RosterPart(hello.roster, 0, 0, ())) * FLOOD]
    ),
    "a forged certificate": Speech(
        lambda eve, _hello: [frames(IdentFrame(eve.forged_ident().encode()))], checks=2
    ),
    "a run of rubbish": Speech(lambda eve, _hello: [frames(RunFrame(eve.noise(300)))]),
    "a bad signature": _run(
        lambda _eve, run: replace(run, signature=flipped(run.signature or b"")), checks=1
    ),
    "somebody else's signature": _run(lambda eve, run: eve.signed_by_another(run), checks=1),
    "no signature": _run(lambda _eve, run: replace(run, last_id=None, signature=None), checks=0),
    "a broken chain": _run(
        lambda eve, _run: eve.chained(lambda entry: entry._replace(t_ms=START_MS)), checks=1
    ),
    "a post that was exchanged": _run(
        lambda eve, _run: eve.chained(
            lambda entry: entry._replace(payload=flipped(entry.payload or b""))
        ),
        checks=1,
    ),
    "a post left out": _run(lambda _eve, run: replace(run, count=run.count - 1), checks=1),
    "256 posts claimed": _run(lambda eve, run: eve.signed(replace(run, count=BLOCK)), checks=1),
    "256 posts of nothing": _run(
        lambda eve, run: eve.signed(
            replace(run, count=BLOCK, columns=bytes(3 * BLOCK), bodies=b"")
        ),
        checks=1,
    ),
    "a run across two blocks": _run(
        lambda eve, run: eve.signed(replace(run, first=1, prev=eve.noise(32), count=BLOCK)),
        checks=0,
    ),
    "a beginning out of nowhere": _run(
        lambda eve, run: eve.signed(replace(run, first=5, prev=eve.noise(32))), checks=1
    ),
}
"""Each is answered by BYE, and nothing of it is stored."""


FLOODS: Final[Mapping[str, Speech]] = {
    "frames of a later version": _said(*[b"\x00\x02\xc8hi" * 100] * FLOOD),
    "one run again and again": Speech(
        lambda eve, _hello: [frames(RunFrame(eve.run().encode()))] * FLOOD, checks=1
    ),
    "runs of strangers": Speech(
        lambda eve, _hello: (
            [frames(RunFrame(run.encode())) for run in eve.stranger().logs[CHANNEL_POSTS].runs()]
            * FLOOD
        )
    ),
    "certificates of strangers": Speech(
        lambda eve, _hello: [frames(IdentFrame(eve.stranger().ident.encode()))] * FLOOD
    ),
    "wants of what is not here": Speech(
        lambda eve, _hello: (
            [frames(Want((WantRange(eve.noise(32), 0, 2**32 - 17, None),) * MAX_WANTS))] * 20
        )
    ),
    "greetings": _said(*[hello()] * FLOOD),
}
"""None of it is forbidden, none of it is stored twice, and none of it costs much."""


def _wants_without_end(eve: Eve, _hello: Hello) -> Iterable[bytes]:
    log = log_id(eve.person.device.public, CHANNEL_IDENTITY)
    want = frames(Want((WantRange(log, 0, 0, None),) * MAX_WANTS))
    return [*_announced(_roster(eve.identity)), *[want] * 300]


def _states_without_end(eve: Eve, hello: Hello) -> Iterable[bytes]:
    yield frames(DigestFrame(hello.roster, 0, eve.noise(16)))
    for _ in range(110):
        states = [LogHint(eve.noise(32), 7, eve.noise(8)) for _ in range(MAX_STATES)]
        yield frames(Have(Scope.ALL, final=False, states=tuple(states)))


def _longest_roster(eve: Eve, _hello: Hello) -> Iterable[bytes]:
    return _announced(_roster(*(eve.noise(32) for _ in range(MAX_ROSTER_ROWS))))


HOGS: Final[Mapping[str, Speech]] = {
    "wants without end": Speech(_wants_without_end),
    "states without end": Speech(_states_without_end),
    "the longest roster": Speech(_longest_roster),
}
"""All that a peer can make a node keep in mind, at its most."""
