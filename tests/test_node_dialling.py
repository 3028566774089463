"""When a peer is dialled again, and what an address is."""

from __future__ import annotations

import pytest

from slowlight.node.addresses import own_hosts, parse_address, reachable, write_address
from slowlight.node.dialler import redial_delay_s
from slowlight.node.errors import Code, ServiceError


def test_waits_double_up_to_their_ceiling() -> None:
    """However many dials failed."""
    waits = [
        redial_delay_s(failures, first_s=1.0, ceiling_s=900.0, chance=0.0)
        for failures in (1, 2, 3, 10, 11, 10_000)
    ]
    assert waits == [1.0, 2.0, 4.0, 512.0, 900.0, 900.0]


def test_chance_parts_those_who_wait_alike() -> None:
    """By up to half of the wait, never beyond the ceiling."""
    waits = [
        redial_delay_s(20, first_s=1.0, ceiling_s=900.0, chance=chance)
        for chance in (0.0, 0.5, 1.0)
    ]
    assert waits == [900.0, 675.0, 450.0]


@pytest.mark.parametrize(
    ("failures", "first_s", "ceiling_s", "chance"),
    [(0, 1.0, 9.0, 0.0), (1, 0.0, 9.0, 0.0), (1, 9.5, 9.0, 0.0), (1, 1.0, 9.0, 1.1)],
)
def test_a_wait_outside_its_range_is_our_mistake(
    failures: int, first_s: float, ceiling_s: float, chance: float
) -> None:
    """The message shows the arguments."""
    with pytest.raises(ValueError, match="failures="):
        redial_delay_s(failures, first_s=first_s, ceiling_s=ceiling_s, chance=chance)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.7:4242", "192.0.2.7", 4242),
        ("[2001:db8::7]:1", "2001:db8::7", 1),
        (" ada.example:65535\n", "ada.example", 65_535),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    """And written back as it was."""
    assert parse_address(text) == (host, port)
    assert write_address(host, port) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        ":4242",
        "host:",
        "host:0",
        "host:65536",
        "host:-1",
        "host:4\uff12",
        "host:" + "9" * 5_000,
        "2001:db8::7:4242",
        "[2001:db8::7]",
        "[host]:1",
        "two hosts:1",
        "h\x1b[2J:1",
        "h" * 300 + ":1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """The error shows what one looks like."""
    with pytest.raises(ServiceError, match="is no address") as caught:
        parse_address(text)
    assert caught.value.code is Code.INVALID
    assert "192.0.2.7:4242" in caught.value.hint


def test_a_wildcard_stands_for_every_address_of_the_machine() -> None:
    """Of the same kind: an IPv6 socket takes no IPv4 callers. A port not known yet helps nobody."""
    own = ["192.0.2.7", "2001:db8::7"]
    assert reachable(["0.0.0.0:1", "[::]:2", "127.0.0.1:3", "0.0.0.0:0"], own) == [
        "192.0.2.7:1",
        "[2001:db8::7]:2",
        "127.0.0.1:3",
    ]


def test_a_machine_without_network_has_itself() -> None:
    """There is always at least one address, and each is a host that can be written."""
    hosts = own_hosts()
    assert hosts
    assert all(parse_address(write_address(host, 1)) == (host, 1) for host in hosts)
