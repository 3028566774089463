"""One session on one link, from proven peer to farewell.

Two tasks drive it: one reads, commits and acts, the other writes what the session wants to
say. Neither waits on a timer once the peer has spoken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import trio

from ..protocol.errors import SlowlightError
from ..protocol.frames import ByeReason
from ..store.base import StoreError
from ..sync.session import Session
from .carriers.base import Link, LostLinkError
from .clock import WallClock
from .logs import Log
from .peer_clocks import clock_note
from .peer_operations import SyncCounts

FAREWELL_S: Final = 1.0
"""How long a link stays open for the answer to a BYE."""
STALL_S: Final = 300.0
"""How long a peer may leave one message (64 KiB) unread: 1.7 kbit/s."""
GIVE_WAY_ROUNDS: Final = 16
"""How often others have their turn after each batch of messages. A request of the API takes about
ten turns, and a batch of a thousand posts and more takes as long as all of them: with one turn
each, a node that takes up a long log would answer nobody for seconds."""


class Bell:
    """Wakes everyone who waits for it; rings only while someone listens."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def ring(self) -> None:
        """Wake whoever waits now."""
        self._event.set()
        self._event = trio.Event()

    async def wait(self) -> None:
        """Wait for the next ring."""
        await self._event.wait()


class LiveSession:
    """A session and the link it goes over."""

    def __init__(
        self,
        link: Link,
        session: Session,
        *,
        address: str,
        outgoing: bool,
        clock: WallClock,
        log: Log,
        heard_out: Bell,
    ) -> None:
        """Prepare to carry a session.

        Args:
            heard_out: rung whenever something came and nothing more of the peer is wanted.
        """
        self.link: Final = link
        self.session: Final = session
        self.address: Final = address
        self.outgoing: Final = outgoing
        self.since_ms: Final = clock()
        self.clock: Final = clock_note(link, self.since_ms)
        """What the handshake told of the peer's clock."""
        self._clock = clock
        self._log = log
        self._heard_out = heard_out
        self.greeted = False
        """Whether the peer has said anything yet."""
        self.receipted = SyncCounts()
        """What receipts have told of: each tells what came and went since the one before."""
        self.failure = ""
        """Why it ended, if not by a farewell."""
        self.is_hopeless = False
        """One side broke the protocol, or our database failed: another try will hardly help."""
        self.replaced_by: LiveSession | None = None
        """The session over a newer link to the same device."""
        self.finished: Final = trio.Event()
        self.moved: Final = Bell()
        """Rings whenever something came, went or ended."""
        self._to_send: Final = Bell()
        self._all_said: Final = trio.Event()
        self._leaving = False
        self._graph_seen = 0

    @property
    def counts(self) -> SyncCounts:
        """What it has carried so far."""
        progress = self.session.progress
        return SyncCounts(
            entries_in=progress.entries_in,
            entries_out=progress.entries_out,
            payload_bytes_in=progress.payload_bytes_in,
            payload_bytes_out=progress.payload_bytes_out,
            wire_bytes_in=self.link.bytes_in,
            wire_bytes_out=self.link.bytes_out,
            wanted=progress.entries_wanted,
        )

    def wake(self) -> None:
        """Let the session send what it now has to say."""
        self._to_send.ring()

    def say_goodbye(self, reason: ByeReason, text: str = "") -> None:
        """End with BYE, whatever is still on its way."""
        self._leave(lambda: self.session.shut_down(reason, text))

    def show_out(self) -> None:
        """End the session of a device that has ended, and let it know why."""
        self._leave(lambda: self.session.show_out("this device has ended"))

    def _leave(self, say: Callable[[], None]) -> None:
        self._leaving = True
        try:
            say()
        except StoreError as error:
            self._blame_store(error)
        self.wake()

    async def run(
        self,
        *,
        silence_s: float,
        on_stored: Callable[[], None],
        on_introduced: Callable[[], None],
    ) -> None:
        """Drive the session until it has ended; then close the link.

        Args:
            silence_s: longest wait for the peer's first message.
            on_stored: called when entries were committed that are new here.
            on_introduced: called when it is in sync and has brought news of whom people follow.
        """
        try:
            self.session.start()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, nursery.cancel_scope, on_introduced)
                await self._read(silence_s, on_stored)
                if self._leaving or self.session.ended is not None:
                    with trio.move_on_after(FAREWELL_S):
                        await self._all_said.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._end()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + FAREWELL_S):
                await self.link.aclose()

    async def _write(self, scope: trio.CancelScope, on_introduced: Callable[[], None]) -> None:
        try:
            while not self.session.over:
                message = self.session.next_message(self._clock())
                if message is None:
                    graph = self.session.progress.graph_in
                    if self.session.in_sync and graph != self._graph_seen:
                        self._graph_seen = graph
                        on_introduced()
                        continue
                    await self._to_send.wait()
                    continue
                with trio.fail_after(STALL_S):
                    await self.link.send(message)
                self.moved.ring()
            self._all_said.set()
            await trio.sleep(FAREWELL_S)  # the reader ends sooner, with the peer's answer
        except trio.TooSlowError:
            self.failure = "the peer stopped reading"
        except LostLinkError as error:
            self.failure = self.failure or str(error)
        except SlowlightError as error:
            self._blame_store(error)
        scope.cancel()

    async def _read(self, silence_s: float, on_stored: Callable[[], None]) -> None:
        try:
            with trio.fail_after(silence_s):
                messages = await self.link.receive()
            while messages:
                self.greeted = True
                self._take(messages, on_stored)
                if self.session.ended is not None:
                    return
                for _ in range(GIVE_WAY_ROUNDS):
                    await trio.lowlevel.checkpoint()
                messages = await self.link.receive()
        except trio.TooSlowError:
            self.failure = "the peer said nothing"
        except LostLinkError as error:
            self.failure = self.failure or str(error)
        except StoreError as error:
            self._blame_store(error)
            self.say_goodbye(ByeReason.SHUTDOWN)
        except SlowlightError as error:
            self.failure = f"the peer broke the protocol: {error}"
            self.is_hopeless = True
            peer, device = self.link.peer_identity, self.link.peer_device
            self._log.warning(
                "peer broke the protocol", peer=peer, device=device, reason=str(error)
            )
            self.say_goodbye(ByeReason.REFUSED, str(error))

    def _blame_store(self, error: SlowlightError) -> None:
        self.failure = f"this node's database failed: {error}"
        self.is_hopeless = True
        self._log.failure("database failed", reason=str(error))

    def _end(self) -> None:
        bye = self.session.ended
        if bye is not None and bye.reason is ByeReason.REFUSED:
            self.is_hopeless = True
            self.failure = self.failure or f"the peer ended it: {bye.text}"
        if bye is None and not self._leaving:
            self.failure = self.failure or "the link was lost"
        try:
            self.session.link_lost()
        except StoreError as error:
            self._blame_store(error)
        self.finished.set()
        self.moved.ring()

    def _take(self, messages: Sequence[bytes], on_stored: Callable[[], None]) -> None:
        progress = self.session.progress
        before = progress.stored_in, progress.forks_in
        for message in messages:
            self.session.receive(message)
            if self.session.wants_commit:
                self.session.commit(self._clock())
        self.session.commit(self._clock())
        self.wake()
        self.moved.ring()
        if (progress.stored_in, progress.forks_in) != before:
            on_stored()
        if self.session.heard_out:
            self._heard_out.ring()
