"""Where an agency may have us connect to."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from shared.mail_reach import may_be_reached, problem_with


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_open_on_the_ports_of_mail(address: str) -> None:
    assert all(may_be_reached(address, port, ()) for port in (25, 465, 587, 2525))
    assert not any(may_be_reached(address, port, ()) for port in (22, 80, 5432, 6379))


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "192.0.2.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0"),
        *("fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1"),
    ],
)
def test_nothing_else_is(address: str) -> None:
    assert not may_be_reached(address, 25, ())


def test_operators_open_networks_with_all_their_ports() -> None:
    inside = (ip_network("10.1.0.0/16"), ip_network("::1/128"))
    assert may_be_reached("10.1.2.3", 1025, inside)
    assert may_be_reached("::ffff:10.1.2.3", 1025, inside)
    assert may_be_reached("::1", 25, inside)
    assert not may_be_reached("10.2.2.3", 25, inside)


@pytest.mark.parametrize(
    ("host", "port", "field"),
    [
        ("mail.example.org", 587, None),
        ("mail.example.org", 80, "port"),
        ("127.0.0.1", 25, "host"),
        ("169.254.169.254", 25, "host"),
        ("::1", 25, "host"),
        ("8.8.8.8", 25, None),
        ("127.1", 25, "host"),
        ("2130706433", 25, "host"),
        ("0x7f000001", 25, "host"),
        ("mail.example.org/path", 25, "host"),
        ("user@mail.example.org", 25, "host"),
        ("mail example", 25, "host"),
        ("-x.example", 25, "host"),
    ],
)
def test_what_can_be_told_while_typing(host: str, port: int, field: str | None) -> None:
    found = problem_with(host, port, ())
    assert (found[0] if found else None) == field
