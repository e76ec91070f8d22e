"""Who is calling: the client's address, scheme and host behind the proxies that we trust, and only those."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from aiohttp import web

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - a value for "not known" that every column of addresses takes
"""Stands for a peer without an address (a Unix socket, a connection that is already gone)."""

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]+)\](?::[0-9]+)?|(?P<v4>[0-9.]+):[0-9]+")


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address | None:
    """The address in ``text``, with or without a port or brackets; ``None`` for anything else.

    IPv4 addresses mapped into IPv6 come out as IPv4, so that one client has one address.
    """
    # Remembered, because a proxy or a client that is there once is there for many requests.
    text = text.strip().strip('"')
    match = _WITH_PORT.fullmatch(text)
    if match:
        text = match["v6"] or match["v4"]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def client_address(request: web.Request, trusted: tuple[Network, ...]) -> str:
    """The rightmost hop that is not a trusted proxy.

    ``X-Forwarded-For`` counts only when the peer itself is trusted. A hop that cannot be read ends the search: what
    lies left of it is hearsay, so the proxy that reported it stands for the client.
    """
    peer = parse_address(request.remote or "")
    if peer is None:
        return UNKNOWN_ADDRESS
    if not _is_trusted(peer, trusted):
        return str(peer)
    known = peer
    for hop in reversed(_list_header(request, "X-Forwarded-For")):
        address = parse_address(hop)
        if address is None:
            break
        known = address
        if not _is_trusted(address, trusted):
            break
    return str(known)


def external_scheme(request: web.Request, trusted: tuple[Network, ...]) -> str:
    """``http`` or ``https``, as the client sees it; the nearest proxy's word counts if that proxy is trusted."""
    if _peer_is_trusted(request, trusted):
        values = _list_header(request, "X-Forwarded-Proto")
        if values and values[-1].lower() in ("http", "https"):
            return values[-1].lower()
    return request.scheme


def external_host(request: web.Request, trusted: tuple[Network, ...]) -> str:
    """The host that the client asked for, with its port if it named one, in lower case; empty if it named none."""
    if _peer_is_trusted(request, trusted):
        values = _list_header(request, "X-Forwarded-Host")
        if values and _HOST.fullmatch(values[-1]):
            return values[-1].lower()
    host = request.headers.get("Host", "")
    return host.lower() if _HOST.fullmatch(host) else ""


def _peer_is_trusted(request: web.Request, trusted: tuple[Network, ...]) -> bool:
    peer = parse_address(request.remote or "") if trusted else None
    return peer is not None and _is_trusted(peer, trusted)


def _is_trusted(address: Address, trusted: tuple[Network, ...]) -> bool:
    return any(address in network for network in trusted)


def _list_header(request: web.Request, name: str) -> list[str]:
    values = request.headers.getall(name, ())
    return [item.strip() for value in values for item in value.split(",") if item.strip()]
