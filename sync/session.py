"""One conversation between two nodes over an ordered stream.

Does no I/O and reads no clock: messages come in by `receive`, what was staged is stored by
`commit`, and `next_message` gives what the link must carry. Either side may vanish at any
byte; whatever was committed stays, and the next session continues there.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final

from ..protocol.entry import log_id
from ..protocol.errors import ProtocolError
from ..protocol.frames import (
    INSTANCE_BYTES,
    SHORT_HASH_BYTES,
    Bye,
    ByeReason,
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
    encode_frame,
)
from ..protocol.question_frames import More, RangesFrame, Reconcile, SketchFrame
from ..protocol.roster import Roster
from ..protocol.sketch import SketchPart
from ..store.base import Delivered, LogStore, PeerMemory
from .delivered import DeliveryNotes
from .incoming import Incoming
from .offers import Offers
from .outgoing import Outgoing
from .progress import Progress
from .roster_transfer import RosterAssembly, roster_parts

MAX_MESSAGE_BYTES: Final = 65_519
"""Plaintext of the largest Noise message: 65,535 bytes less the tag."""

MAX_CONTROL_FRAMES: Final = 4096
"""Answers that may wait for the link; a peer that asks on without reading is dropped."""


def absent_of(memory: PeerMemory) -> frozenset[bytes]:
    """Return the logs, by their first 8 bytes, that a peer is remembered not to offer."""
    names = memory.absent
    starts = range(0, len(names), SHORT_HASH_BYTES)
    return frozenset(names[start : start + SHORT_HASH_BYTES] for start in starts)


class Session:
    """What one node says to one peer, from HELLO to BYE."""

    def __init__(
        self,
        store: LogStore,
        *,
        roster: Roster,
        identity: bytes,
        peer_device: bytes,
        peer_identity: bytes,
        offers: Offers,
        initiator: bool,
        salt: bytes,
    ) -> None:
        """Prepare a session; nothing is sent before `start`.

        Args:
            roster: what we want.
            identity: our own identity; its logs are always welcome.
            peer_device: the device at the other end, proven by the handshake.
            peer_identity: the identity that the device is certified for.
            offers: the digests of this node, shared by its sessions.
            initiator: this side dialled, and speaks first.
            salt: 8 random bytes that no author of a log can know beforehand.
        """
        self._store = store
        self._peer_device = peer_device
        self._peer_identity = peer_identity
        self._memory = store.peer_memory(peer_device)
        self._initiator = initiator
        self._control: deque[Frame] = deque()
        self._carry = b""
        self._assembly: RosterAssembly | None = None
        self._greeted = False
        self._answer_due = False
        """The peer's first HELLO came; ours goes out with the verdict of the next commit."""
        self._held = b""
        """What our HELLO said that we hold."""
        self._asks_left = 0
        """How often the peer may still ask for our roster: once for each of our HELLOs."""
        self._peer_hello: Hello | None = None
        self._finishing = False
        self._bye_sent = False
        self.progress = Progress()
        self.ended: Bye | None = None
        """The peer's BYE, once it came."""
        self._outgoing = Outgoing(store, offers, self.progress)
        self._incoming = Incoming(
            store,
            offers,
            roster,
            self.progress,
            own_identity=identity,
            via=peer_identity.hex(),
            salt=salt,
        )
        self._incoming.satisfied = self._memory.satisfied
        self._incoming.absent = absent_of(self._memory)
        self._notes = DeliveryNotes(store, peer_device, self._outgoing.sent)

    @property
    def peer_state(self) -> tuple[PeerMemory, Delivered]:
        """What is remembered of the peer by now, and what it is known to have."""
        return self._memory, self._notes.known(self._memory, self._outgoing.offered)

    @property
    def offered(self) -> Roster | None:
        """The part of the peer's roster that is offered to it; None: not known yet."""
        return self._outgoing.chosen

    @property
    def in_sync(self) -> bool:
        """Each side has confirmed that it wants nothing more of what the other has."""
        return self._incoming.complete and self._outgoing.complete and not self._control

    @property
    def heard_out(self) -> bool:
        """All that the peer offered last and we want is stored here; own entries are among it."""
        return self._incoming.complete

    @property
    def wants_commit(self) -> bool:
        """Enough is staged; call `commit` before reading on."""
        return self._incoming.wants_commit

    @property
    def over(self) -> bool:
        """Our BYE is sent or the peer's came, and nothing waits: the link can be closed."""
        return (self._bye_sent or self.ended is not None) and not self._control

    def start(self) -> None:
        """Begin; the side that dialled speaks first."""
        if self._initiator:
            self._greet()

    def receive(self, message: bytes) -> None:
        """Take one message of whole frames; `commit` acts on them.

        Raises:
            DecodeError, ProtocolError, IntegrityError: the peer's fault; drop the link.
        """
        for frame in decode_frames(message):
            if self.ended is not None:
                raise ProtocolError("the peer went on after its BYE")
            self._dispatch(frame)
            if len(self._control) > MAX_CONTROL_FRAMES:
                raise ProtocolError("the peer asks on without reading the answers")

    def commit(self, now_ms: int) -> None:
        """Store what was staged, then answer what must be answered.

        Call it whenever no more input is ready, and when `wants_commit` is true.

        Raises:
            IntegrityError: the peer sent something forged; what was good is stored.
        """
        forks = self.progress.forks_in
        stored = self.progress.stored_in
        for run in self._incoming.commit(now_ms):
            self._outgoing.peer_holds(log_id(run.device, run.channel), run.last)
        if self.progress.stored_in > stored:
            self._outgoing.offer_again()
        if self.progress.forks_in > forks:
            self._outgoing.store_changed()
        if self.ended is not None:
            self._answer_due = False
            self._incoming.remember_closing_digest()
            self._note_delivered(now_ms)
            if self._bye_sent:
                self._remember()  # the peer answered our BYE with news
            self._close()
            return
        frames = self._incoming.decide(quiet=self._outgoing.quiet)
        if self._answer_due:
            self._answer_hello(frames)
        self._control.extend(frames)
        self._note_delivered(now_ms)

    def _note_delivered(self, now_ms: int) -> None:
        heard, confirmed = self._incoming.complete, self._outgoing.complete
        offered = self._outgoing.offered
        self._notes.note(self._memory, offered, now_ms, heard=heard, confirmed=confirmed)

    def store_changed(self) -> None:
        """The store got entries from elsewhere; offer them to this peer."""
        self._outgoing.store_changed()

    def offers_changed(self) -> None:
        """Someone was blocked, or is so no longer: what is offered is another now."""
        self._outgoing.offers_changed()

    def set_roster(self, roster: Roster) -> None:
        """We want something else from now on; greet again under the new roster."""
        if roster.hash == self._incoming.roster.hash:
            return
        self._incoming.set_roster(roster)
        if self._greeted:
            self._say_hello()

    def finish(self) -> None:
        """End with BYE as soon as both sides are complete."""
        self._finishing = True

    def shut_down(self, reason: ByeReason = ByeReason.SHUTDOWN, text: str = "") -> None:
        """Say BYE now, whatever is still on its way."""
        self._close(reason, text)

    def show_out(self, text: str) -> None:
        """Say BYE to a device that has ended; the records that ended it go before."""
        ident = self._store.ident(self._peer_identity)
        if ident is not None and self._peer_hello is not None and not self._bye_sent:
            self._control.append(IdentFrame(ident.encode()))
        self._close(ByeReason.REFUSED, text)

    def link_lost(self) -> None:
        """The link broke: keep what the peer had confirmed, for the next session."""
        if self._peer_hello is not None and not self._bye_sent:
            self._remember()

    def next_message(self, now_ms: int) -> bytes | None:
        """Return the next message for the link, whole frames of at most 65,519 bytes.

        Returns:
            None if there is nothing to send now.
        """
        message = bytearray(self._carry)
        self._carry = b""
        while len(message) < MAX_MESSAGE_BYTES // 2:
            frame = self._next_frame(now_ms)
            if frame is None:
                break
            encoded = encode_frame(frame)
            if len(message) + len(encoded) > MAX_MESSAGE_BYTES:
                self._carry = encoded
                break
            message += encoded
        return bytes(message) if message else None

    def _next_frame(self, now_ms: int) -> Frame | None:
        if self._answer_due:
            return None
        if self._control:
            return self._control.popleft()
        if self._bye_sent or not self._greeted:
            return None
        frame = self._outgoing.next_frame(now_ms)
        if frame is None and self._incoming.deferred and self._outgoing.quiet:
            self._control.extend(self._incoming.decide(quiet=True))
            frame = self._control.popleft() if self._control else None
        if frame is None and self._finishing and self.in_sync:
            self._close()
            return self._control.popleft()
        return frame

    def _dispatch(self, frame: Frame | UnknownFrame) -> None:
        if isinstance(frame, Hello):
            self._take_hello(frame)
            return
        if isinstance(frame, Bye):
            self.ended = frame
            return
        if self._peer_hello is None:
            raise ProtocolError("the peer spoke before its HELLO")
        match frame:
            case IdentFrame(data=data):
                named = self._incoming.stage_ident(data)
                if named is not None:
                    self._outgoing.peer_knows(*named)
            case RunFrame(data=data):
                self._incoming.stage_run(data)
            case RosterPart():
                self._take_roster_part(frame)
            case DigestFrame():
                if frame.roster == self._incoming.roster.hash[:SHORT_HASH_BYTES]:
                    self._incoming.take_digest(frame)
            case Have():
                self._incoming.take_states(frame)
                for state in frame.states:
                    self._outgoing.peer_holds(state.log, state.seq if state.id else state.seq - 1)
                    self._outgoing.peer_knows(state.log, state.id)
            case SketchFrame(data=data):
                if self._assembly is None:  # else it names an offer under an older roster
                    ahead = self._outgoing.sketch(SketchPart.decode(data))
                    self._control.extend(self._incoming.want_ahead(ahead))
            case More():
                self._control.extend(self._incoming.take_more(frame))
            case RangesFrame():
                if frame.answer:
                    self._control.extend(self._incoming.take_ranges(frame))
                else:
                    self._outgoing.ranges(frame)
            case Reconcile():
                self._outgoing.reconcile()
            case Want(ranges=ranges):
                self._outgoing.want(ranges)
            case Receipt():
                self._outgoing.receipt(frame)
            case ProofFrame():
                proof = self._incoming.stage_proof(frame)
                if proof is not None:
                    self._outgoing.peer_proved(proof)
            case UnknownFrame():
                pass

    def _greet(self) -> None:
        """Say the first HELLO, and in it what we offer and hold if the peer is remembered."""
        self._greeted = True
        known = self._store.roster(self._memory.roster) if self._memory.roster else None
        offer = b""
        if known is not None:
            self._outgoing.set_roster(known, acked=self._memory.acked)
            offer = self._outgoing.greeting_digest()
            self._held = self._incoming.held_digest()
        self._control.append(replace(self._hello(), offer=offer, held=self._held))

    def _answer_hello(self, frames: list[Frame]) -> None:
        """Say our first HELLO after the peer's, with the verdict on what that offered.

        Args:
            frames: what goes behind it; a receipt that says no more than the HELLO is taken out.
        """
        self._answer_due = False
        self._greeted = True
        theirs = self._peer_hello
        complete = Receipt(0, True) in frames
        if complete:
            frames.remove(Receipt(0, True))
        hello = replace(self._hello(), complete=complete)
        if theirs is not None and self._outgoing.roster is not None and self._assembly is None:
            offer = self._outgoing.greeting_digest()
            if offer == theirs.held:
                self._outgoing.agreed()
                hello = replace(hello, agreed=True)
            else:
                hello = replace(hello, offer=offer)
        self._control.appendleft(hello)

    def _hello(self) -> Hello:
        self._asks_left += 1
        return Hello(
            self._store.nonce[:INSTANCE_BYTES],
            self._store.change_counter,
            self._incoming.roster.hash[:SHORT_HASH_BYTES],
        )

    def _say_hello(self) -> None:
        self._control.append(self._hello())

    def _take_hello(self, hello: Hello) -> None:
        first = self._peer_hello is None
        if first:
            self._remember_meeting(hello)
        self._memory = replace(self._memory, nonce=hello.nonce, counter=hello.counter)
        self._peer_hello = hello
        if not self._greeted:
            self._answer_due = True
        current = self._outgoing.roster
        if not first or current is None or current.hash[:SHORT_HASH_BYTES] != hello.roster:
            self._take_roster_name(hello.roster)
        if first:
            self._take_verdict(hello)

    def _take_roster_name(self, name: bytes) -> None:
        """Tell the digest of the offer under the roster of this name, or ask what stands in it."""
        known = self._known_roster(name)
        if known is None:
            self._assembly = RosterAssembly(name)
            self._control.append(RosterPart(name, 0, 0, ()))
        else:
            self._assembly = None
            self._use_roster(known)

    def _known_roster(self, name: bytes) -> Roster | None:
        """Return the peer's roster if it is known here, also if the peer itself was forgotten."""
        for roster in (self._outgoing.roster, self._incoming.roster):
            if roster is not None and roster.hash[:SHORT_HASH_BYTES] == name:
                return roster
        return self._store.roster(name)

    def _remember_meeting(self, hello: Hello) -> None:
        """See what the memory of this peer is still worth, now that it greets."""
        memory = self._memory
        if hello.nonce != memory.nonce or hello.counter < memory.counter:
            # Another store, or an older copy of it: what it confirmed before counts no more.
            self._memory = replace(memory, acked=0, satisfied=b"")
            self._incoming.satisfied = b""
            return
        self._incoming.known = True
        self._outgoing.met_before()
        if memory.acked:
            ours = self._store.change_counter - memory.acked
            self._incoming.expected = hello.counter - memory.counter + max(0, ours)

    def _take_verdict(self, hello: Hello) -> None:
        """Take what a first HELLO says of the two stores."""
        if hello.offer:
            roster = self._incoming.roster.hash[:SHORT_HASH_BYTES]
            self._incoming.take_digest(DigestFrame(roster, 0, hello.offer))
        if not self._initiator:
            return
        if hello.agreed and self._held:
            self._incoming.agreed(self._held)
        if hello.complete and self._assembly is None:
            self._outgoing.agreed()

    def _take_roster_part(self, part: RosterPart) -> None:
        own, current = self._incoming.roster, self._outgoing.roster
        if part.count == 0:
            if part.roster == own.hash[:SHORT_HASH_BYTES]:
                self._answer_ask(own)
            return  # else our newer HELLO will make the peer ask for the newer roster
        if self._assembly is None:
            if current is not None and part.roster == current.hash[:SHORT_HASH_BYTES]:
                return  # asked for twice, when the peer's mind went to and fro
            raise ProtocolError("the peer sent a roster that nobody asked for")
        roster = self._assembly.add(part)
        if roster is None:
            return
        self._assembly = None
        self._use_roster(roster)

    def _use_roster(self, roster: Roster) -> None:
        """Offer under this roster of the peer, and remember it."""
        if roster.hash != self._memory.roster:
            self._memory = replace(self._memory, roster=roster.hash, acked=0)
            self._store.remember_peer(self._peer_device, self._memory)
            self._store.keep_roster(roster)
        self._outgoing.set_roster(roster, acked=self._memory.acked)

    def _answer_ask(self, own: Roster) -> None:
        if self._asks_left == 0:
            raise ProtocolError("the peer asked for a roster more often than it was greeted")
        self._asks_left -= 1
        self._incoming.restart()
        self._control.extend(roster_parts(own))

    def _remember(self) -> None:
        """Keep what the next session can save bytes with."""
        absent = self._outgoing.still_absent(self._incoming.absent)
        memory = replace(
            self._memory,
            acked=max(self._memory.acked, self._outgoing.confirmed_counter),
            satisfied=self._incoming.satisfied,
            absent=b"".join(sorted(absent)),
        )
        if memory != self._memory:
            self._memory = memory
            self._store.remember_peer(self._peer_device, memory)
        self._notes.keep(memory, self._outgoing.offered)

    def _close(self, reason: ByeReason = ByeReason.DONE, text: str = "") -> None:
        """Queue our BYE, with the digest of all that the peer confirmed if that is news.

        A peer that said BYE first gets an answer only if there is such news.
        """
        if self._bye_sent:
            return
        self._bye_sent = True
        digest = self._outgoing.closing_digest()
        if digest is not None:
            self._control.append(digest)
        if self.ended is None or digest is not None:
            self._control.append(Bye(reason, text))
        if self._peer_hello is not None:
            self._remember()
