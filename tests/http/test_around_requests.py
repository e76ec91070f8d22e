"""Ids, access log, metrics and headers around every request."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
import structlog
from aiohttp import web
from structlog.testing import capture_logs

from shared.http.keys import CLIENT_ADDRESS, METRICS, READINESS, REQUEST_ID
from shared.http.readiness import Phase
from tests.http.conftest import MakeClient

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"{request[REQUEST_ID]} {request[CLIENT_ADDRESS]}")


async def test_a_sane_request_id_is_kept_and_echoed(make_client: MakeClient) -> None:
    client = await make_client(web.get("/hello", hello))
    response = await client.get("/hello", headers={"X-Request-ID": "01HV-trace.42_x"})
    assert response.headers["X-Request-ID"] == "01HV-trace.42_x"
    assert (await response.text()).startswith("01HV-trace.42_x ")


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "with space in it", '{"a":"b"}-12345', "ünïcode-ünïcode"])
async def test_other_request_ids_are_replaced(make_client: MakeClient, given: str) -> None:
    client = await make_client(web.get("/hello", hello))
    response = await client.get("/hello", headers={"X-Request-ID": given})
    assert UUID(response.headers["X-Request-ID"]).version == 4


async def test_the_log_holds_the_route_and_never_the_path_or_query(make_client: MakeClient) -> None:
    client = await make_client(web.get("/clients/{id}", hello))
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        await client.get("/clients/4711?name=Malek", headers={"X-Request-ID": "trace-4-this"})
        await client.get("/nowhere/4711")
    lines = [line for line in logs if line["event"] == "request"]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("GET", "/clients/{id}", 200),
        ("GET", "(no route)", 404),
    ]
    assert lines[0]["request_id"] == "trace-4-this"
    assert lines[0]["duration_ms"] >= 0
    assert "4711" not in repr(logs)
    assert "Malek" not in repr(logs)


async def test_request_ids_of_concurrent_requests_do_not_mix(make_client: MakeClient) -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.01)
        return web.json_response(structlog.contextvars.get_contextvars())

    client = await make_client(web.get("/slow", slow))
    names = [f"trace-number-{n}" for n in range(20)]
    answers = await asyncio.gather(*(client.get("/slow", headers={"X-Request-ID": name}) for name in names))
    assert [(await answer.json())["request_id"] for answer in answers] == names


@pytest.mark.parametrize("path", ["/hello", "/nothing", "/api/v1/nothing", "/broken"])
async def test_every_answer_carries_the_security_headers(make_client: MakeClient, path: str) -> None:
    async def broken(request: web.Request) -> web.Response:
        raise RuntimeError

    client = await make_client(web.get("/hello", hello), web.get("/broken", broken))
    headers = (await client.get(path)).headers
    assert {name: headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "Permissions-Policy" in headers
    assert "Strict-Transport-Security" not in headers
    assert headers["Server"] == "portico"


async def test_streamed_answers_carry_them_too(make_client: MakeClient) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write_eof(b"done")
        return response

    headers = (await (await make_client(web.get("/export", stream))).get("/export")).headers
    assert {name: headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


async def test_hsts_follows_the_public_url(make_client: MakeClient) -> None:
    client = await make_client(web.get("/hello", hello), public_url="https://portal.example.org")
    assert (await client.get("/hello")).headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_a_handler_may_set_its_own_cache_policy(make_client: MakeClient) -> None:
    async def cached(request: web.Request) -> web.Response:
        return web.Response(text="x", headers={"Cache-Control": "public, max-age=60"})

    client = await make_client(web.get("/cached", cached))
    assert (await client.get("/cached")).headers["Cache-Control"] == "public, max-age=60"


async def test_requests_are_counted_by_route_pattern(make_client: MakeClient) -> None:
    client = await make_client(web.get("/clients/{id}", hello))
    for number in range(3):
        await client.get(f"/clients/{number}")
    await client.get("/nowhere/1")
    await client.request("PROPFIND", "/clients/1", headers={"Sec-Fetch-Site": "same-origin"})
    assert client.app is not None
    text = client.app[METRICS].text().decode()
    assert 'portico_http_requests_total{method="GET",route="/clients/{id}",status="200"} 3.0' in text
    assert 'portico_http_requests_total{method="GET",route="(no route)",status="404"} 1.0' in text
    assert 'portico_http_requests_total{method="(other)",route="(no route)",status="405"} 1.0' in text
    assert 'portico_http_request_seconds_count{method="GET",route="/clients/{id}",status="200"} 3.0' in text
    assert "portico_http_requests_in_flight 0.0" in text


async def test_in_flight_counts_what_is_being_answered(make_client: MakeClient) -> None:
    async def look(request: web.Request) -> web.Response:
        return web.Response(body=request.app[METRICS].text())

    client = await make_client(web.get("/look", look))
    assert "portico_http_requests_in_flight 1.0" in await (await client.get("/look")).text()


async def test_two_applications_do_not_share_metrics(make_client: MakeClient) -> None:
    first, second = await make_client(web.get("/hello", hello)), await make_client(web.get("/hello", hello))
    await first.get("/hello")
    assert second.app is not None
    assert "/hello" not in second.app[METRICS].text().decode()


async def test_connections_end_while_the_process_drains(make_client: MakeClient) -> None:
    client = await make_client(web.get("/hello", hello))
    assert (await client.get("/hello")).headers.get("Connection") != "close"
    assert client.app is not None
    client.app[READINESS].phase = Phase.DRAINING
    assert (await client.get("/hello")).headers["Connection"] == "close"
