"""A receipt tells what came and went, whoever started the exchange."""

from pathlib import Path

from trio.testing import MockClock, wait_all_tasks_blocked

from slowlight.node.peer_operations import SyncCounts, SyncEvent, SyncRequest
from slowlight.node.people_operations import FOLLOW, FollowRequest
from slowlight.node.post_operations import POST, PostRequest
from tests.memory_net import Running, net, running


def ignore(_event: SyncEvent) -> None:
    """Take no notice of progress."""


def post(node: Running, text: str) -> None:
    """Let a node write a post."""
    node.service.call(POST, PostRequest(text=text))


async def receipt(node: Running) -> SyncCounts:
    """Exchange now, and return what the receipt tells of the one peer."""
    result = await node.service.sync(SyncRequest(), ignore)
    (outcome,) = result.outcomes
    assert outcome.outcome == "in_sync"
    return outcome.counts


async def test_a_receipt_tells_also_what_came_before_it_was_asked_for(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The daemon is faster than a person types: what it fetched meanwhile is on the receipt,
    once."""
    async with running(tmp_path, net(), "ada", "bob") as (ada, bob):
        post(ada, "one")
        bob.service.call(FOLLOW, FollowRequest(who=(ada.invite(),)))
        await wait_all_tasks_blocked()
        first = await receipt(bob)
        assert (first.entries_in, first.entries_out) == (3, 0)  # certificate, profile, post
        assert first.wire_bytes_in > first.payload_bytes_in > 0
        second = await receipt(bob)
        assert (second.entries_in, second.wire_bytes_in, second.wire_bytes_out) == (0, 0, 0)
        post(ada, "two")
        await wait_all_tasks_blocked()
        assert (await receipt(bob)).entries_in == 1
        # The handshake had told the certificate already; the session sends it again.
        assert (await receipt(ada)).entries_out == 4
