"""A refusal says what was refused: who reads it has the bytes of a stranger to understand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import pytest

from slowlight.protocol.encoding import take_varint, unpack
from slowlight.protocol.entry import decode_header
from slowlight.protocol.errors import DecodeError
from slowlight.protocol.fork import decode_fork
from slowlight.protocol.frames import decode_frames
from slowlight.protocol.handshake import decode_greeting
from slowlight.protocol.ident import decode_ident
from slowlight.protocol.identity import (
    decode_accept,
    decode_certificate,
    decode_inception,
    decode_revocation,
    decode_rotation,
)
from slowlight.protocol.run import decode_run, rebuild_run
from tests.vector_files import cases

_ENTRY: Final = "header seen|payload size"
_RUN: Final = f"run( [a-z_]+)?|varint|{_ENTRY}"
DECODERS: Final[dict[str, tuple[Callable[[bytes], object], dict[str, str]]]] = {
    "value": (lambda data: unpack(data, max_bytes=1_024), {"file": "encoding", "what": "value"}),
    "varint": (lambda data: take_varint(data, 0), {"file": "encoding", "what": "varint"}),
    "header": (decode_header, {"file": "header"}),
    "run": (lambda data: rebuild_run(decode_run(data)), {"file": "run"}),
    "proof": (decode_fork, {"file": "fork"}),
    "inception": (decode_inception, {"file": "identity", "what": "inception"}),
    "certificate": (decode_certificate, {"file": "identity", "what": "certificate"}),
    "rotation": (decode_rotation, {"file": "identity", "what": "rotation"}),
    "revocation": (decode_revocation, {"file": "identity", "what": "revocation"}),
    "accept": (decode_accept, {"file": "identity", "what": "accept"}),
    "ident": (decode_ident, {"file": "ident"}),
    "frames": (lambda data: list(decode_frames(data)), {"file": "frames"}),
    "greeting": (decode_greeting, {"file": "link", "kind": "greeting"}),
}
NAMED: Final = {
    "value": "record",
    "varint": "varint",
    "header": f"header( [a-z_]+)?|{_ENTRY}",
    "run": _RUN,
    "proof": f"fork proof( [a-z]+)*|{_RUN}",
    "ident": f"IDENT( [a-z]+)*|inception( [a-z_]+)?|{_RUN}",
    "frames": "frame|[A-Z]{3,9}( [a-z_]+)*|roster( [a-z]+)*",
    "greeting": "greeting( [A-Za-z]+)?",
}
"""What a message may begin with, before a colon or what it says of it."""


@pytest.mark.parametrize("name", DECODERS)
def test_a_refusal_begins_with_the_name_of_what_was_refused(name: str) -> None:
    decode, fields = DECODERS[name]
    refused = 0
    allowed = NAMED.get(name, f"{name}( [a-z_]+)*")
    for message in _messages(decode, **fields):
        assert re.match(rf"({allowed})(:| )", message), message
        assert "None" not in message.replace("version None", "")
        refused += 1
    assert refused


def _messages(decode: Callable[[bytes], object], file: str, **fields: str) -> list[str]:
    """What is said about the vectors of a file that are malformed."""
    said: list[str] = []
    case: dict[str, Any]
    for case in cases(file, expect="reject", **fields):
        try:
            decode(bytes.fromhex(case["hex"]))
        except DecodeError as error:
            said.append(str(error))
    return said
