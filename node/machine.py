"""What of the machine under a node decides whether it can do its work: asked, never changed."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from .addresses import own_hosts, parse_address

_GROUP: Final = "239.255.83.76"
"""A multicast group of the administratively scoped ones (RFC 2365)."""
_WAIT_S: Final = 1.0
_PROBE_BYTES: Final = 16
_UFW: Final = Path("/etc/ufw/ufw.conf")
_FIREWALLD: Final = (Path("/run/firewalld.pid"), Path("/run/firewalld"))


class Machine(Protocol):
    """A machine that can be asked."""

    def free_bytes(self, path: Path) -> int:
        """Return how much a user may still write to the disk of a path.

        Raises:
            OSError: the path is not there.
        """
        ...

    def listen_error(self, address: str) -> str:
        """Return why nobody can listen on ``host:port`` now; empty: one can."""
        ...

    def multicast_error(self) -> str:
        """Return why a datagram to a group does not come back on this machine; empty: it does."""
        ...

    def firewalls(self) -> Sequence[str]:
        """Return the firewalls that are known to be switched on: ``ufw``, ``firewalld``."""
        ...

    def hosts(self) -> Sequence[str]:
        """Return this machine's own addresses on its ways out."""
        ...


class ThisMachine:
    """The machine that this runs on."""

    def free_bytes(self, path: Path) -> int:
        return shutil.disk_usage(path).free

    def listen_error(self, address: str) -> str:
        host, port = parse_address(address, least_port=0)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
                probe.listen(1)
        except OSError as error:
            return _why(error)
        return ""

    def multicast_error(self) -> str:
        """Send a datagram to a group that leaves this machine by no interface, and hear it."""
        message = os.urandom(_PROBE_BYTES)
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("", 0))
                member = socket.inet_aton(_GROUP) + socket.inet_aton("0.0.0.0")  # noqa: S104
                probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
                probe.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
                probe.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
                probe.settimeout(_WAIT_S)
                probe.sendto(message, (_GROUP, probe.getsockname()[1]))
                while probe.recv(_PROBE_BYTES) != message:
                    pass
        except TimeoutError:
            return "what was sent to a group did not come back"
        except OSError as error:
            return _why(error)
        return ""

    def firewalls(self) -> Sequence[str]:
        found: list[str] = []
        if _ufw_is_on(_UFW):
            found.append("ufw")
        if any(path.exists() for path in _FIREWALLD):
            found.append("firewalld")
        return found

    def hosts(self) -> Sequence[str]:
        return own_hosts()


def _ufw_is_on(path: Path) -> bool:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(line.strip().lower() == "enabled=yes" for line in lines)


def _why(error: OSError) -> str:
    return {
        errno.EADDRINUSE: "another program has it",
        errno.EADDRNOTAVAIL: "this machine has no such address",
        errno.EACCES: "only an administrator may use it",
        errno.ENODEV: "there is no network that carries it",
        errno.ENETUNREACH: "there is no network",
    }.get(error.errno or 0, error.strerror or str(error))
