"""Sketches and ranges as ``docs/protocol/reconciliation.md`` describes them, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest

from slowlight.protocol.errors import DecodeError
from slowlight.protocol.frames import LogState
from slowlight.protocol.range_messages import Answer, RangeMessage
from slowlight.protocol.reconcile import Reconciler
from slowlight.protocol.sketch import SketchPart
from slowlight.protocol.version_sketch import VersionSketch
from tests.vector_files import FOLDER, vectors
from tests.vectors.make_reconcile import reconcile_files


def test_the_files_are_as_their_maker_writes_them() -> None:
    for name, text in reconcile_files().items():
        assert (FOLDER / name).read_text(encoding="ascii") == text


@vectors("sketch", expect="accept")
def test_a_sketch_has_these_bytes(case: dict[str, Any]) -> None:
    part = SketchPart.decode(bytes.fromhex(case["hex"]))
    assert part.body().hex() == case["hex"]
    order = [bytes.fromhex(log) for log in case["order"]]
    sketch = VersionSketch(slots=len(order) or None)
    for name, frozen, value in case["values"]:
        log = bytes.fromhex(name)
        slot = order.index(log) if order else None
        sketch.set(log, value - 1, frozen=bool(frozen), slot=slot)
    assert sketch.part(part.digest, first=part.first, count=len(part.rows[0])) == part


@vectors("reconcile", expect="accept")
def test_a_message_has_these_bytes(case: dict[str, Any]) -> None:
    message = RangeMessage.decode(bytes.fromhex(case["hex"]))
    assert message.body().hex() == case["hex"]
    states = [
        LogState(bytes.fromhex(log), seq, bytes.fromhex("".join(rest)))
        for log, _, seq, *rest in case["states"]
    ]
    first = Reconciler(states).start(bytes.fromhex(case["salt"]))
    if message.salt:
        assert first.hex() == case["hex"]
    for node in message.nodes:
        if isinstance(node, Answer):
            assert node.states == getattr(RangeMessage.decode(first).nodes[0], "states", None)


@vectors("sketch", expect="reject")
def test_other_sketches_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        SketchPart.decode(bytes.fromhex(case["hex"]))


@vectors("reconcile", expect="reject")
def test_other_messages_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        RangeMessage.decode(bytes.fromhex(case["hex"]))
