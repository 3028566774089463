"""Links over TCP."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Final

import trio

from . import noise_link
from .base import Decide, Greet, Promise
from .noise_link import LinkKeys, NoiseLink
from .reception import Reception

PROMISE: Final = Promise(
    shape="stream", return_path=True, delay_s=None, rate_bytes_per_s=None, cost_per_byte=0.0
)

DIAL_S: Final = 10.0
"""Longest time from the first packet to a proven link."""

_KEEPALIVE: Final = (("TCP_KEEPIDLE", 300), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))
"""After 300 s of silence ask every 60 s; the link is dead after 5 questions without answer."""

_SITE_BITS: Final = 64
"""An IPv6 customer usually has at least this prefix to itself."""


async def dial(
    host: str,
    port: int,
    keys: LinkKeys,
    remote_static: bytes,
    *,
    greet: Greet,
    decide: Decide,
    deadline_s: float = DIAL_S,
) -> NoiseLink:
    """Open a link to the node at ``host`` that holds ``remote_static`` (32 bytes).

    Raises:
        UnreachableError: nobody answered within ``deadline_s``.
        RefusedError, LostLinkError, ProtocolError, DecodeError, IntegrityError: see
            `noise_link.initiate`.
    """

    async def connect() -> trio.SocketStream:
        stream = await trio.open_tcp_stream(host, port)
        _notice_dead_peers(stream)
        return stream

    return await noise_link.dial(
        connect,
        keys,
        remote_static,
        greet=greet,
        decide=decide,
        promise=PROMISE,
        deadline_s=deadline_s,
    )


async def serve(
    listeners: Sequence[trio.SocketListener],
    reception: Reception,
    *,
    task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Hand callers to ``reception`` for ever; cancelling closes every link and listener.

    A source is an IPv4 address, or the first 64 bits of an IPv6 address.
    """
    for listener in listeners:
        _notice_dead_peers(listener.socket)  # accepted sockets inherit it

    async def welcome(stream: trio.SocketStream) -> None:
        await reception.welcome(stream, _source_of(stream), PROMISE)

    await trio.serve_listeners(welcome, list(listeners), task_status=task_status)


def source_of_peer(peername: Sequence[str | int]) -> str:
    """Return the IPv4 address, or the IPv6 network of 64 bits, of a socket's peer name."""
    address = ipaddress.ip_address(str(peername[0]).partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, _SITE_BITS), strict=False))
        address = address.ipv4_mapped
    return str(address)


def _source_of(stream: trio.SocketStream) -> str:
    try:
        return source_of_peer(stream.socket.getpeername())
    except OSError:  # reset by the peer before it was accepted
        return "nowhere"


def _notice_dead_peers(sock: trio.socket.SocketType | trio.SocketStream) -> None:
    """Let the system ask a silent peer now and then, so that no task of ours has to wake."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
