"""The conversation that benchmarks carry: the whole one where it is at hand."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from slowlight.protocol.roster import Depth, Roster, RosterRow
from slowlight.simulations.conversation import SHIPPED_CONVERSATION, read_messages
from slowlight.simulations.people import SeededPerson
from slowlight.simulations.replay import ReplayedConversation, sign_conversation

WHOLE = Path("../shared/data/conversation/conversation-1999-2001.csv.gz")
"""Where the whole conversation lies beside a checkout, if it does."""


def conversation_path() -> Path:
    """Return the conversation named by SLOWLIGHT_CONVERSATION, the whole one, or the shipped."""
    named = os.environ.get("SLOWLIGHT_CONVERSATION")
    if named:
        return Path(named)
    return WHOLE if WHOLE.exists() else SHIPPED_CONVERSATION


@cache
def conversation() -> ReplayedConversation:
    """Return the signed conversation; signing takes a few seconds, once."""
    return sign_conversation(read_messages(conversation_path()))


def roster_for(people: list[SeededPerson]) -> Roster:
    """Return a wish for all posts of these people."""
    return Roster(RosterRow(person.identity, 1, Depth.EVERYTHING, 0) for person in people)
