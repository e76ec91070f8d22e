"""What stands around every answer: headers against framing and sniffing, and nothing of the machinery."""

from __future__ import annotations

import re

import pytest
from aiohttp import ClientResponse

from tests.security.doors import FROM_OUR_PAGE, Door, Route, Street
from tests.security.page_forms import read_page

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
STACK = re.compile(r"Traceback|File \"|asyncpg|aiohttp|site-packages|\.py\b|select .* from|Exception", re.IGNORECASE)


def check(door: Door, where: object, answer: ClientResponse, text: str) -> None:
    """The headers that every answer has, and what none says."""
    headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy, where
    assert "default-src 'none'" in policy, where
    assert "script-src 'self'" in policy, where
    assert "base-uri 'none'" in policy, where
    assert "unsafe-eval" not in policy, where
    # The viewer of the API's description alone brings styles of its own.
    assert "unsafe-inline" not in policy.replace("style-src 'self' 'unsafe-inline'", ""), where
    assert headers["X-Content-Type-Options"] == "nosniff", where
    assert headers["Referrer-Policy"] == "same-origin", where
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin", where
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin", where
    assert headers["Server"] == "portico", where
    assert headers["X-Request-ID"], where
    assert "X-Powered-By" not in headers, where
    assert answer.status < 500, (where, answer.status, text[:300])
    if "json" not in headers.get("Content-Type", "") and "/docs" not in str(where):
        assert not STACK.search(text), (where, STACK.search(text))
    cookies = headers.getall("Set-Cookie", [])
    for cookie in cookies:
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; ")), (where, cookie)


def may_be_kept(where: Route) -> bool:
    """Public, and the same for all."""
    return where.pattern.startswith(("/static/", "/docs/assets/", "/.well-known/"))


@pytest.mark.parametrize("signed_in", [False, True])
async def test_every_answer_of_every_address_has_the_headers(street: Street, signed_in: bool) -> None:
    for door in street.doors:
        tokens = {"Authorization": f"Bearer {await street.token(door)}"} if signed_in else {}
        if signed_in and door is not street.audit:
            await street.signed_in(door)
        walked = 0
        for route in door.routes():
            for method in METHODS:
                headers = {**FROM_OUR_PAGE, "Accept": "text/html"}
                if not route.is_page:
                    headers |= {**tokens, "Accept": "application/json"}
                answer = await door.ask(method, door.address(route.pattern), headers=headers)
                text = await answer.text()
                check(door, (door.name, method, route.pattern, answer.status), answer, text)
                if not may_be_kept(route):
                    assert answer.headers["Cache-Control"] == "no-store", (door.name, method, route)
                walked += 1
        assert walked >= 30


async def test_addresses_that_are_not_there_have_them_too(street: Street) -> None:
    for door in street.doors:
        for path in (
            "/",
            "/nowhere/",
            "/riverside/nowhere",
            "/api/v1/nowhere",
            "/api/v2/x",
            "/static/x/y.js",
            "/x/y/z",
        ):
            for accept in ("text/html", "application/json"):
                answer = await door.ask("GET", path, headers={"Accept": accept})
                assert answer.status == 404, (door.name, path)
                check(door, (door.name, path), answer, await answer.text())
                assert answer.headers["Cache-Control"] == "no-store"


async def test_static_files_have_them_and_are_kept(street: Street) -> None:
    for door in street.page_doors:
        page = await (await door.ask("GET", "/riverside/sign-in")).text()
        found = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page))
        assert len(found) >= 2
        for path in found:
            answer = await door.ask("GET", path)
            assert answer.status == 200
            check(door, (door.name, path, "/docs"), answer, "")
            assert "immutable" in answer.headers["Cache-Control"]


async def test_no_page_has_a_script_or_a_style_of_its_own(street: Street) -> None:
    inline = re.compile(r"<script(?![^>]*\bsrc=)|<style\b|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)
    for door in street.page_doors:
        await street.signed_in(door)
        for route in door.pages():
            answer = await door.ask("GET", door.address(route.pattern), headers={"Accept": "text/html"})
            text = await answer.text()
            assert not inline.search(text), (door.name, route, inline.search(text))
            for source in re.findall(r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="([^"]*)"', text):
                assert source.startswith(("/", "data:image/")), (route, source)
                assert not source.startswith("//"), (route, source)


async def test_every_page_of_a_session_offers_to_sign_out(street: Street) -> None:
    for door in street.page_doors:
        await street.signed_in(door)
        walked = 0
        for route in door.pages():
            answer = await door.ask("GET", door.address(route.pattern), headers={"Accept": "text/html"})
            if answer.status == 200:
                _, forms = read_page(await answer.text())
                actions = [form.action for form in forms]
                assert "/riverside/sign-out" in actions or route.is_for_everybody, (door.name, route)
                walked += 1
        assert walked >= 4


async def test_a_request_id_shapes_no_header(street: Street) -> None:
    for door in street.doors:
        for wanted in (
            "short",
            "a" * 65,
            "id with blanks",
            "id;x=y-and-more",
            "%0d%0aX-Evil: 1",
            "é" * 10,
            "-leading-dash",
        ):
            answer = await door.ask("GET", "/healthz", headers={"X-Request-ID": wanted})
            assert answer.headers["X-Request-ID"] != wanted
            assert "X-Evil" not in answer.headers
        answer = await door.ask("GET", "/healthz", headers={"X-Request-ID": "ours-12345678"})
        assert answer.headers["X-Request-ID"] == "ours-12345678"
