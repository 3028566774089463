"""The first look after a start: what peers know of the own logs, before anything is signed.

A byte-identical snapshot of a machine cannot tell from itself that the original went on. Its peers
can: the first exchange brings back what this device has written since, and `Author` signs no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

import trio

from ..store.base import Peer
from .blocking_operations import BlockRequest, UnblockRequest
from .key_operations import EnactRequest
from .logs import Log
from .operation import Request
from .people_operations import (
    FollowRequest,
    PeriodsRequest,
    SetProfileRequest,
    UnfollowRequest,
)
from .post_operations import DeleteRequest, EditRequest, PostRequest
from .sessions import Bell

LONGEST_LOOK_S: Final = 5.0
"""How long peers may take to answer after a start. A dial and an exchange of states are about six
round trips: 4 s over a satellite at 36,000 km (0.6 s each). More would hold up whoever writes
where nobody can be reached for days; what is missed then is proven later, as a fork."""

SIGNING: Final = (
    PostRequest,
    EditRequest,
    DeleteRequest,
    FollowRequest,
    UnfollowRequest,
    SetProfileRequest,
    BlockRequest,
    UnblockRequest,
    EnactRequest,
)
"""What is asked of a node that signs for it."""


class Look(Enum):
    """How the first look stands; it leaves `ASKING` once, and never comes back."""

    ASKING = "asking"
    """Peers are dialled and asked."""
    ANSWERED = "answered"
    """A peer has sent all that it has for this node; own entries would have been among it."""
    ALONE = "alone"
    """There is nobody to dial, or nobody was reached."""
    TIMED_OUT = "timed out"
    """Nobody has said enough in `LONGEST_LOOK_S`."""


def signs(request: Request) -> bool:
    """Say whether an operation may sign an entry."""
    if isinstance(request, PeriodsRequest):
        return request.publish
    return isinstance(request, SIGNING)


class FirstLook:
    """Holds back what signs until the first look is over, and nothing else."""

    def __init__(self, peers: Iterable[Peer], log: Log) -> None:
        """Expect an answer or a failed dial of each of these peers that has an address."""
        self._log = log
        self._untried = {peer.device for peer in peers if peer.addresses}
        self._ended: Final = trio.Event()
        self.state = Look.ASKING
        if not self._untried:
            self._end(Look.ALONE)

    def tried(self, peer: Peer) -> None:
        """Note that a peer was not reached, or that its first session is over."""
        self._untried.discard(peer.device)
        if not self._untried:
            self._end(Look.ALONE)

    async def run(
        self,
        heard_out: Bell,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Look until a peer has answered or the time is up.

        Args:
            heard_out: rings when a session has got all that its peer has for this node.
        """
        task_status.started()
        with trio.move_on_after(LONGEST_LOOK_S) as looking:
            await heard_out.wait()
        self._end(Look.TIMED_OUT if looking.cancelled_caught else Look.ANSWERED)

    async def before(self, request: Request) -> None:
        """Wait for the end of the look if this request may sign."""
        if self.state is Look.ASKING and signs(request):
            await self._ended.wait()

    async def over(self) -> None:
        """Wait for the end of the look."""
        await self._ended.wait()

    def _end(self, state: Look) -> None:
        if self.state is Look.ASKING:
            self.state = state
            self._log.debug("first look over", result=state.value)
            self._ended.set()
