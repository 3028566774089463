"""A peer that brings a signed conversation to a daemon and remembers what it confirmed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import trio

from slowlight.node.carriers.base import Decide, Greet, Link
from slowlight.node.carriers.noise_link import LinkKeys
from slowlight.node.clock import system_clock
from slowlight.node.config import Config
from slowlight.node.keys import DeviceKeys
from slowlight.node.links import ExchangeEnd
from slowlight.node.logs import no_log
from slowlight.node.network import TcpCarrier, make_board
from slowlight.protocol.entry import CHANNEL_IDENTITY
from slowlight.protocol.frames import Receipt, RunFrame, UnknownFrame, decode_frames, encode_frame
from slowlight.protocol.ident import verify_ident
from slowlight.protocol.run import Run, decode_run
from slowlight.simulations.people import SeededPerson
from slowlight.simulations.replay import ReplayedConversation
from slowlight.store.base import Peer
from slowlight.store.memory import MemoryStore
from tests.daemons import LONGEST_WAIT_S
from tests.nodes import seeded
from tests.people import START_MS

BeforeRun: TypeAlias = Callable[[], Awaitable[None]]
"""Returns when one more run may be handed over."""


class Witness:
    """A node in memory that holds a conversation, and dials one daemon again and again."""

    def __init__(
        self, conversation: ReplayedConversation, *, seed: int, before_run: BeforeRun
    ) -> None:
        random_bytes = seeded(seed)
        person = SeededPerson(random_bytes(32), label="witness", from_ms=START_MS)
        self.identity: Final = person.identity
        self.store: Final = MemoryStore(random_bytes(8))
        self.store.ingest([verify_ident(person.ident)], received_ms=START_MS, via="own")
        conversation.fill(self.store, received_ms=START_MS, via=person.identity.hex())
        self.entries: Final = {entry.id for entry in person.logs[CHANNEL_IDENTITY].entries}
        """Ids of its own log."""
        self.confirmed: Final[set[bytes]] = set()
        """Ids of the entries that the daemon has said it has committed, over all sessions."""
        self._logs = {
            (log.device, log.channel): log.entries
            for author in (*conversation.authors.values(), person)
            for log in author.logs.values()
        }
        self._before_run = before_run
        self._random_bytes = random_bytes
        self._keys = DeviceKeys(person.device, person.box)

    async def hand_over(self, to: Peer) -> ExchangeEnd:
        """Exchange with a daemon until both are in sync, or the link is lost."""
        board = make_board(
            self.store,
            self._keys,
            Config(),
            _WitnessedCarrier(self),
            clock=system_clock,
            random_bytes=self._random_bytes,
            log=no_log(),
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(board.run)
            (end,) = await board.exchange([to], LONGEST_WAIT_S, lambda _news: None)
            nursery.cancel_scope.cancel()
        return end

    def witnessed(self, link: Link) -> Link:
        """Return a link on which every run waits for leave, and every receipt is noted."""
        return _WitnessedLink(link, self._before_run, self._note)

    def _note(self, run: Run) -> None:
        log = self._logs[run.device, run.channel]
        self.confirmed.update(entry.id for entry in log[run.first : run.last + 1])


class _WitnessedCarrier(TcpCarrier):
    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    async def dial(
        self, address: str, keys: LinkKeys, remote_static: bytes, *, greet: Greet, decide: Decide
    ) -> Link:
        link = await super().dial(address, keys, remote_static, greet=greet, decide=decide)
        return self._witness.witnessed(link)


class _WitnessedLink:
    """Sends one frame in each message, so that a daemon can die between any two."""

    def __init__(self, link: Link, before_run: BeforeRun, note: Callable[[Run], None]) -> None:
        self.peer_identity = link.peer_identity
        self.peer_device = link.peer_device
        self.peer_static = link.peer_static
        self.peer_greeting = link.peer_greeting
        self.round_trip_s = link.round_trip_s
        self.promise = link.promise
        self._link = link
        self._before_run = before_run
        self._note = note
        self._sent: list[Run] = []
        self._confirmed_count = 0

    @property
    def bytes_in(self) -> int:
        return self._link.bytes_in

    @property
    def bytes_out(self) -> int:
        return self._link.bytes_out

    async def send(self, message: bytes) -> None:
        for frame in decode_frames(message):
            assert not isinstance(frame, UnknownFrame)
            if isinstance(frame, RunFrame):
                await self._before_run()
                self._sent.append(decode_run(frame.data))
            await self._link.send(encode_frame(frame))

    async def receive(self) -> Sequence[bytes]:
        messages = await self._link.receive()
        for message in messages:
            for frame in decode_frames(message):
                if isinstance(frame, Receipt):
                    self._take(frame.runs)
        return messages

    def _take(self, runs: int) -> None:
        for run in self._sent[self._confirmed_count : runs]:
            self._note(run)
        self._confirmed_count = runs

    async def aclose(self) -> None:
        await self._link.aclose()
