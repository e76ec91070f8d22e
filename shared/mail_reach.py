"""Which mail servers an agency may name: none inside the operator's own network, unless the operator says so.

Whoever may put in a host and a port could otherwise have us knock at doors that are closed to them, and read what
answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

PORTS: Final = (25, 465, 587, 2525)
"""Where mail is taken in."""

# Addresses that stand for IPv4 addresses (RFC 6052): what is behind them need not be public.
_NAT64: Final = IPv6Network("64:ff9b::/96")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_LONGEST_HOST: Final = 253


def may_be_reached(address: str, port: int, allowed: Sequence[Network]) -> bool:
    """Whether an agency's mail may go there: to a mail port of a public address, or into a network of ``allowed``."""
    # Without the zone of a link-local address.
    found = _plain(ip_address(address.partition("%")[0]))
    if any(found in network for network in allowed):
        return True
    return port in PORTS and found.is_global and not found.is_multicast and not found.is_reserved


def problem_with(host: str, port: int, allowed: Sequence[Network]) -> tuple[str, str] | None:
    """What can be told without asking anybody: the field at fault (host or port) and a sentence.

    A name is looked up only when mail is sent.
    """
    literal = _literal(host)
    if literal is None and (len(host) > _LONGEST_HOST or not _HOST.fullmatch(host) or _looks_like_a_number(host)):
        return "host", "Enter a host name such as mail.example.org."
    if literal is not None and not may_be_reached(host, PORTS[0], allowed):
        return "host", "This address is not public. Mail goes to servers on the internet only."
    if port not in PORTS and not allowed:
        return "port", f"Use one of the ports of mail servers: {', '.join(map(str, PORTS))}."
    return None


def _plain(address: Address) -> Address:
    """The address that one stands for."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _looks_like_a_number(host: str) -> bool:
    # Systems take 127.1, 2130706433 and 0x7f.1 for addresses: a name's last part is none (RFC 3696, 2).
    last = host.rstrip(".").rpartition(".")[2]
    return last.isdigit() or last.lower().startswith("0x")
