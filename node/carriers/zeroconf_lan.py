"""The local network by multicast DNS (RFC 6762, RFC 6763), with the package ``zeroconf``.

On the air are the name of the service, a nonce, a tag, a port and addresses, nothing else: no
host name, no version, no name of a person. The package works in threads of its own.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import trio

from ...protocol.nearby import NONCE_BYTES, TAG_BYTES
from ..addresses import own_hosts, write_address
from .lan import LanError, OnGone, OnSeen, Sighting

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, Zeroconf

SERVICE: Final = "_slowlight._tcp.local."
MAX_HOSTS: Final = 4
"""Addresses that are believed of one announcement."""
RESOLVE_MS: Final = 3_000
_TAG: Final = b"t"


class ZeroconfLan:
    """The networks of this machine: see `Lan`. IPv4 only."""

    def __init__(self, hosts: Callable[[], Sequence[str]] = own_hosts) -> None:
        """Prepare to listen.

        Args:
            hosts: addresses of this machine, on whose networks is called out and listened.
        """
        self._hosts = hosts
        self._zeroconf: Zeroconf | None = None
        self._own: dict[bytes, ServiceInfo] = {}

    async def open(self, on_seen: OnSeen, on_gone: OnGone) -> None:
        """Begin to listen; takes a second or two, in a thread."""
        token = trio.lowlevel.current_trio_token()
        hosts = self._ipv4()
        if not hosts:
            raise LanError("this machine has no IPv4 address")

        def tell(call: Callable[[], None]) -> None:
            try:
                token.run_sync_soon(call)
            except trio.RunFinishedError:
                return  # the node has ended; what a thread still hears is for nobody

        try:
            self._zeroconf = await trio.to_thread.run_sync(
                lambda: _listen(
                    hosts,
                    lambda sighting: tell(lambda: on_seen(sighting)),
                    lambda nonce: tell(lambda: on_gone(nonce)),
                )
            )
        except OSError as error:
            raise LanError(f"this network carries no multicast: {error}") from error

    async def announce(self, nonce: bytes, tag: bytes, port: int) -> None:
        """Call out; takes two seconds, in a thread, because others may object first."""
        from zeroconf import Error, ServiceInfo

        zeroconf = self._opened()
        name = nonce.hex()
        info = ServiceInfo(
            SERVICE,
            f"{name}.{SERVICE}",
            port=port,
            addresses=[socket.inet_aton(host) for host in self._ipv4()],
            properties={_TAG: tag},
            server=f"{name}.local.",
        )
        self._own[nonce] = info
        try:
            await trio.to_thread.run_sync(
                lambda: zeroconf.register_service(info), abandon_on_cancel=True
            )
        except (Error, OSError) as error:
            self._own.pop(nonce, None)
            raise LanError(f"nothing can be called out here: {error}") from error

    async def withdraw(self, nonce: bytes) -> None:
        """Stop calling out."""
        info = self._own.pop(nonce, None)
        if info is not None and self._zeroconf is not None:
            zeroconf = self._zeroconf
            await trio.to_thread.run_sync(lambda: zeroconf.unregister_service(info))

    async def aclose(self) -> None:
        """Say goodbye for everything and end the threads."""
        zeroconf, self._zeroconf = self._zeroconf, None
        self._own.clear()
        if zeroconf is not None:
            await trio.to_thread.run_sync(zeroconf.close)

    def _ipv4(self) -> list[str]:
        return [host for host in self._hosts() if ":" not in host]

    def _opened(self) -> Zeroconf:
        if self._zeroconf is None:
            raise LanError("nobody listens here")
        return self._zeroconf


def _listen(
    hosts: Sequence[str], on_seen: Callable[[Sighting], None], on_gone: Callable[[bytes], None]
) -> Zeroconf:
    """Open the sockets and browse; in a thread, since the import alone takes 0.1 s."""
    from zeroconf import IPVersion, ServiceBrowser, ServiceStateChange, Zeroconf

    def on_change(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is ServiceStateChange.Removed:
            nonce = _nonce_of(name)
            if nonce is not None:
                on_gone(nonce)
            return
        info = zeroconf.get_service_info(service_type, name, timeout=RESOLVE_MS)
        sighting = sighting_of(info) if info is not None else None
        if sighting is not None:
            on_seen(sighting)

    zeroconf = Zeroconf(interfaces=list(hosts), ip_version=IPVersion.V4Only)
    ServiceBrowser(zeroconf, SERVICE, handlers=[on_change])
    return zeroconf


def sighting_of(info: ServiceInfo) -> Sighting | None:
    """Return what an announcement says; None if it is not made like ours."""
    from zeroconf import IPVersion

    nonce, tag = _nonce_of(info.name), info.properties.get(_TAG)
    hosts = info.parsed_addresses(IPVersion.V4Only)[:MAX_HOSTS]
    if nonce is None or tag is None or len(tag) != TAG_BYTES or not info.port or not hosts:
        return None
    return Sighting(nonce, tag, tuple(write_address(host, info.port) for host in hosts))


def _nonce_of(name: str) -> bytes | None:
    try:
        nonce = bytes.fromhex(name.removesuffix("." + SERVICE))
    except ValueError:
        return None
    return nonce if len(nonce) == NONCE_BYTES else None
