"""What hypothesis draws for tests of the protocol: values, entries, and damage."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from slowlight.protocol.encoding import MAX_UINT, Value
from slowlight.protocol.entry import (
    EMPTY_LOG,
    MAX_EXT_BYTES,
    MAX_LAMPORT,
    MAX_QUALITY,
    MAX_SEEN,
    MAX_T_MS,
    SALT_BYTES,
    Entry,
    LogHead,
    encode_header,
    hash_header,
    write_entry,
)
from slowlight.protocol.identity import KeyPair, device_key

AUTHOR: KeyPair = device_key(bytes(range(32)))
"""Who writes drawn entries."""

uints = st.one_of(
    st.integers(0, 300),
    st.integers(0, MAX_UINT),
    st.sampled_from([2**power + step for power in (7, 8, 16, 32) for step in (-1, 0)]),
    st.just(MAX_UINT),
)
lamports = uints.filter(lambda value: value <= MAX_LAMPORT) | st.just(MAX_LAMPORT)
ids = st.binary(min_size=32, max_size=32)
values: st.SearchStrategy[Value] = st.recursive(
    uints | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=18),
    max_leaves=40,
)


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """Bytes that were hit a few times on their way: changed, lost, doubled or cut."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(("change", "change", "insert", "lose", "double", "cut"))):
            case "change" if data:
                data[at] ^= draw(st.integers(1, 255))
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=4))
            case "lose":
                del data[at : at + draw(st.integers(1, 8))]
            case "double":
                data[at:at] = data[at : at + draw(st.integers(1, 40))]
            case _:
                del data[at:]
    return bytes(data)


@st.composite
def logs(
    draw: st.DrawFn, *, channel: int = 1, head: LogHead = EMPTY_LOG, most: int = 6
) -> Sequence[Entry]:
    """The next entries of a log of `AUTHOR`, usual and unusual ones."""
    entries: list[Entry] = []
    for _ in range(draw(st.integers(1, most))):
        usual = draw(st.booleans())
        payload = draw(st.binary(min_size=SALT_BYTES, max_size=60))
        entry = write_entry(
            AUTHOR.public,
            channel,
            head,
            payload=payload,
            t_ms=draw(st.integers(1_900_000_000_000, 1_900_000_100_000) | st.integers(0, MAX_T_MS)),
        )
        if not usual:
            entry = draw(unusual(entry))
            header = encode_header(AUTHOR.public, channel, head.id, entry)
            entry = entry._replace(id=hash_header(header))
        entries.append(entry)
        head = LogHead(entry.seq, entry.id, entry.lamport)
    return entries


@st.composite
def unusual(draw: st.DrawFn, entry: Entry) -> Entry:
    """The same entry with fields that runs have to mention; its id is not renewed."""
    expire_ms = draw(st.just(0) | uints)
    remaining_ms = draw(st.integers(0, expire_ms))
    return entry._replace(
        lamport=draw(lamports),
        t_quality=draw(st.integers(0, MAX_QUALITY)),
        seen=tuple(sorted(draw(st.sets(ids, max_size=MAX_SEEN)))),
        expire_ms=expire_ms,
        remaining_ms=remaining_ms,
        ext=draw(st.binary(max_size=MAX_EXT_BYTES)),
        payload=draw(st.sampled_from((entry.payload, None))),
    )
