"""Bodies that are too large, too slow, packed, or made to be taken for something else."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import tracemalloc
import zlib
from typing import Any

import pytest

from shared.http import bodies, forms
from tests.security.doors import FROM_OUR_PAGE, UNSAFE, Door, Route, Street
from tests.security.raw import answer_on

MEGABYTE = 1024 * 1024


def with_bodies(door: Door) -> list[Route]:
    """Every address that reads something."""
    return [route for route in door.routes() if route.method in UNSAFE and route.method != "DELETE"]


def head(route: Route, door: Door, token: str, kind: str, *more: str) -> bytes:
    lines = [
        f"{route.method} {door.address(route.pattern)} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {kind}",
        "Sec-Fetch-Site: same-origin",
        f"Authorization: Bearer {token}",
        *more,
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def kind_of(route: Route) -> str:
    return "application/x-www-form-urlencoded" if route.is_page else "application/json"


async def test_every_address_refuses_what_is_too_large(street: Street) -> None:
    for door in street.doors:
        token = await street.token(door)
        if door is not street.audit:
            await street.signed_in(door)
        for route in with_bodies(door):
            large = b"a=" + b"x" * MEGABYTE if route.is_page else json.dumps({"a": "x" * MEGABYTE}).encode()
            headers = {**FROM_OUR_PAGE, "Content-Type": kind_of(route), "Authorization": f"Bearer {token}"}
            answer = await door.ask(route.method, door.address(route.pattern), data=io.BytesIO(large), headers=headers)
            # The others are said before anything is read.
            early = (303, 401, 403, 404, 415) if route.is_page else (401, 404)
            assert answer.status in (413, *early), (door.name, route, answer.status)
            if not route.is_page and answer.status == 413:
                assert (await answer.json())["type"] == "/problems/too-large"
        assert (await door.ask("GET", "/healthz")).status == 200


async def test_a_body_that_does_not_say_its_size_is_read_no_further_than_the_limit(street: Street) -> None:
    for door in street.page_doors:
        for path, kind in (
            ("/api/v1/token", "application/json"),
            ("/riverside/sign-in", "application/x-www-form-urlencoded"),
        ):
            sent = 0

            async def pieces() -> Any:
                nonlocal sent
                for _ in range(400):
                    sent += MEGABYTE // 4
                    yield b"x" * (MEGABYTE // 4)

            headers = {**FROM_OUR_PAGE, "Content-Type": kind}
            try:
                answer = await door.ask("POST", path, data=pieces(), headers=headers)
                assert answer.status == 413, (door.name, path)
            except ConnectionError:
                # The server had said so and closed while we were sending.
                pass
            assert sent < 50 * MEGABYTE


def bombs(route: Route) -> list[tuple[str, bytes]]:
    """Small on the wire, fifty megabytes when unpacked."""
    inner = b'{"a":"' if not route.is_page else b"a="
    large = inner + b"x" * (50 * MEGABYTE)
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    return [
        ("gzip", gzip.compress(large)),
        ("deflate", zlib.compress(large)),
        ("deflate", raw.compress(large) + raw.flush()),
        ("gzip", gzip.compress(gzip.compress(large))),
    ]


async def test_packed_bodies_are_bounded_by_what_they_unpack_to(street: Street) -> None:
    routes = [
        (street.portal, r) for r in with_bodies(street.portal) if r.pattern in ("/api/v1/token", "/{slug}/sign-in")
    ]
    packed = {route: bombs(route) for _, route in routes}
    await street.portal.ask("GET", "/riverside/sign-in")
    tracemalloc.start()
    try:
        for door, route in routes:
            for encoding, body in packed[route]:
                headers = {**FROM_OUR_PAGE, "Content-Type": kind_of(route), "Content-Encoding": encoding}
                answer = await door.ask("POST", door.address(route.pattern), data=body, headers=headers)
                assert answer.status in (400, 413), (route, encoding, answer.status)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 25 * MEGABYTE, f"{peak / MEGABYTE:.0f} MiB"


async def test_packings_that_we_do_not_know_are_refused(street: Street) -> None:
    good = json.dumps(street.credentials(street.portal)).encode()
    for door in street.page_doors:
        for encoding in ("br", "zstd", "compress", "exi", "gzip, gzip", "aes128gcm", "gzip"):
            headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
            answer = await door.ask("POST", "/api/v1/token", data=b"\x1b\x03" + good, headers=headers)
            assert answer.status in (400, 415), (door.name, encoding, answer.status)


@pytest.mark.parametrize("path", ["/api/v1/token", "/{slug}/sign-in"])
async def test_a_body_that_drips_is_given_up_and_holds_nobody_else_up(
    street: Street, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    for module in (bodies, forms):
        monkeypatch.setattr(module, "READ_SECONDS", 0.4)
    for door in street.page_doors:
        route = next(r for r in with_bodies(door) if r.pattern == path)
        slow = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(50)]
        for _, writer in slow:
            writer.write(head(route, door, "", kind_of(route), "Content-Length: 1000") + b"a=")
        # Others are served while fifty drip.
        assert await asyncio.wait_for(street.tokens(door), 5)
        for reader, writer in slow:
            answer = await answer_on(reader, patience=15)
            assert answer.status == 408, (door.name, answer.head)
            writer.close()
            assert b"took too long" in answer.body
        assert answer.closed, "what comes late must not be taken for the next request"


async def test_what_ends_too_early_changes_nothing(street: Street) -> None:
    before = await street.state()
    for door in street.page_doors:
        token = await street.token(door)
        for route in with_bodies(door):
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(head(route, door, token, kind_of(route), "Content-Length: 1000") + b'{"first_name":"X"')
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 15)
            writer.close()
    assert await street.state() == before


async def test_bodies_of_another_kind_are_refused_everywhere(street: Street) -> None:
    """A form of another site can send these without the browser asking first."""
    for door in street.doors:
        token = await street.token(door)
        if door is not street.audit:
            await street.signed_in(door)
        for route in with_bodies(door):
            for kind in ("text/plain", "application/xml", "application/octet-stream", "text/html", "nonsense", ""):
                headers = {**FROM_OUR_PAGE, "Content-Type": kind, "Authorization": f"Bearer {token}"}
                answer = await door.ask(route.method, door.address(route.pattern), data=b'{"a": 1}', headers=headers)
                assert answer.status in (401, 403, 404, 415, 303), (door.name, route, kind, answer.status)
                if answer.status == 303:
                    assert route.is_page
    assert await street.rows("select id from accounts.sessions where ended_at is null")


DEEP: tuple[bytes, ...] = (
    b"[" * 50_000,
    b'{"a":' * 10_000,
    b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b'{"agency":' + b"1" * 60_000 + b"}",
    b'{"agency":1e999999}',
    b'{"agency":NaN}',
    b'{"agency":"\\ud800"}',
    b'{"agency":"\\u0000"}',
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b"null",
    b'"x"',
    b"[]",
    b"",
    b"{}garbage",
    b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
)


async def test_json_that_harms_parsers_is_refused(street: Street) -> None:
    for door in street.page_doors:
        for raw in DEEP:
            answer = await door.ask("POST", "/api/v1/token", data=raw, headers={"Content-Type": "application/json"})
            assert answer.status in (400, 422), (door.name, raw[:20], answer.status)
