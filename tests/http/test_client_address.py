"""Forwarded headers count from trusted proxies alone."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from shared.http.client_address import client_address, external_host, external_scheme
from shared.http.keys import CLIENT_ADDRESS
from tests.http.conftest import MakeClient

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def request_from(peer: str | None, *headers: tuple[str, str]) -> web.Request:
    return make_mocked_request("GET", "/", headers=CIMultiDict(headers)).clone(remote=peer)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.7, 10.0.0.8"], "10.0.0.7"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("10.0.0.1", ['"[2001:db8::1]"'], "2001:db8::1"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1%eth0", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, 999.1.1.1, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [" , ,,"], "10.0.0.1"),
        ("10.0.0.1", ["'; drop table clients; --"], "10.0.0.1"),
        ("", ["198.51.100.1"], "0.0.0.0"),
    ],
)
def test_the_rightmost_hop_that_is_no_trusted_proxy(peer: str, forwarded: list[str], expected: str) -> None:
    request = request_from(peer, *(("X-Forwarded-For", value) for value in forwarded))
    assert client_address(request, TRUSTED) == expected


def test_scheme_and_host_come_from_trusted_peers_only() -> None:
    headers = (("Host", "inside:8080"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "Portal.Example.org"))
    near, far = request_from("10.0.0.1", *headers), request_from("203.0.113.9", *headers)
    assert (external_scheme(near, TRUSTED), external_host(near, TRUSTED)) == ("https", "portal.example.org")
    assert (external_scheme(far, TRUSTED), external_host(far, TRUSTED)) == ("http", "inside:8080")
    assert (external_scheme(near, ()), external_host(near, ())) == ("http", "inside:8080")


@pytest.mark.parametrize("host", ["a b", "evil.example/path", "user@evil.example", "x" * 300, "<script>"])
def test_garbage_as_host_is_passed_over(host: str) -> None:
    request = request_from(
        "10.0.0.1", ("Host", "portal.example.org"), ("X-Forwarded-Host", host), ("X-Forwarded-Proto", "gopher")
    )
    assert (external_scheme(request, TRUSTED), external_host(request, TRUSTED)) == ("http", "portal.example.org")
    assert external_host(request_from("203.0.113.9", ("Host", host)), TRUSTED) == ""


async def test_the_application_knows_its_proxies(make_client: MakeClient) -> None:
    async def tell(request: web.Request) -> web.Response:
        return web.Response(text=request[CLIENT_ADDRESS])

    behind = await make_client(web.get("/tell", tell), trusted_proxies=(ip_network("127.0.0.0/8"),))
    alone = await make_client(web.get("/tell", tell))
    headers = {"X-Forwarded-For": "198.51.100.1"}
    assert await (await behind.get("/tell", headers=headers)).text() == "198.51.100.1"
    assert await (await alone.get("/tell", headers=headers)).text() == "127.0.0.1"
