"""What answers that go on for a while share."""

from __future__ import annotations

import trio
from starlette.types import Receive


async def cancel_when_gone(receive: Receive, scope: trio.CancelScope) -> None:
    """Cancel a scope when whoever waits for the answer has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
