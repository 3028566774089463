"""Where nodes are reached: ``host:port``, and what this machine calls itself."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Final

from ..protocol.invite import MAX_ADDRESS_BYTES
from .errors import Code, ServiceError

MAX_PORT: Final = 65_535
WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  recognised, not bound

_ELSEWHERE: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation (RFC 5737, RFC 3849): the way there is the way out."""


def parse_address(text: str, *, least_port: int = 1) -> tuple[str, int]:
    """Return host and port of ``host:port`` or ``[IPv6]:port``.

    Raises:
        ServiceError: ``invalid``.
    """
    host, colon, port_text = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    digits = port_text.isascii() and port_text.isdecimal() and len(port_text) <= len(str(MAX_PORT))
    port = int(port_text) if digits else -1
    if not colon or not host or (":" in host) != bracketed or not host.isprintable():
        raise _bad(text)
    if any(letter.isspace() for letter in host) or len(text.encode()) > MAX_ADDRESS_BYTES:
        raise _bad(text)
    if not least_port <= port <= MAX_PORT:
        raise _bad(text)
    return host, port


def write_address(host: str, port: int) -> str:
    """Return ``host:port``, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def own_hosts() -> list[str]:
    """Return the addresses of this machine on its ways out; nothing is sent to learn them.

    Without a network there is only this machine itself.
    """
    found: list[str] = []
    for family, elsewhere in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                found.append(str(probe.getsockname()[0]))
        except OSError:
            continue
    return found or ["127.0.0.1"]


def reachable(listening: Sequence[str], hosts: Sequence[str]) -> list[str]:
    """Return listening addresses as others can use them.

    Args:
        listening: ``host:port``; those without a fixed port are left out.
        hosts: this machine's own addresses, which take the place of a wildcard of their kind.
    """
    usable: list[str] = []
    for text in listening:
        host, port = parse_address(text, least_port=0)
        if port == 0:
            continue
        if host not in WILDCARDS:
            usable.append(write_address(host, port))
            continue
        usable += (write_address(own, port) for own in hosts if (":" in own) == (":" in host))
    return list(dict.fromkeys(usable))


def is_away(host: str) -> bool:
    """Say whether a host is another machine, or an address that other machines can reach."""
    if host in WILDCARDS:
        return True
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def open_port(listening: Sequence[str]) -> int:
    """Return the port of the first listening address that other machines can reach; 0: none.

    Args:
        listening: ``host:port`` with the real ports.
    """
    for address in listening:
        host, port = parse_address(address, least_port=0)
        if is_away(host):
            return port
    return 0


def _bad(text: str) -> ServiceError:
    return ServiceError(
        Code.INVALID,
        f"{text!r} is no address",
        "give host:port, such as 192.0.2.7:4242 or [2001:db8::7]:4242",
    )
