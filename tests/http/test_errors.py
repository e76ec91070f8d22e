"""Whatever a handler raises becomes problem+json or a page, and tells nothing that it should not."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.testing import capture_logs

from shared.errors import Busy, Changed, DomainError, FieldError, InvalidFields, NotAllowed, NotSignedIn
from shared.http.keys import REQUEST_ID
from shared.http.problems import Problem
from tests.http.conftest import MakeClient, small_app


class UsernameTaken(DomainError):
    """That username is in use.

    Names are compared without regard to case.
    """

    status = 409
    field = "username"


class DriverGone(Exception):
    """Stands for a driver's own error."""


def raising(error: BaseException) -> web.RouteDef:
    async def handler(request: web.Request) -> web.Response:
        raise error

    return web.get("/api/v1/raise", handler)


async def test_domain_error_is_a_problem_document(make_client: MakeClient) -> None:
    client = await make_client(raising(UsernameTaken()))
    response = await client.get("/api/v1/raise", headers={"X-Request-ID": "trace-12345678"})
    assert response.status == 409
    assert response.content_type == "application/problem+json"
    assert await response.json() == {
        "type": "/problems/username-taken",
        "title": "That username is in use.",
        "status": 409,
        "detail": "That username is in use.",
        "request_id": "trace-12345678",
        "errors": [{"field": "username", "message": "That username is in use."}],
    }


async def test_each_wrong_field_is_named(make_client: MakeClient) -> None:
    error = InvalidFields(FieldError("a", "Enter a value."), FieldError("b.c", "Unknown field."))
    response = await (await make_client(raising(error))).get("/api/v1/raise")
    assert response.status == 422
    assert (await response.json())["errors"] == [
        {"field": "a", "message": "Enter a value."},
        {"field": "b.c", "message": "Unknown field."},
    ]


@pytest.mark.parametrize(
    ("error", "status", "name", "headers"),
    [
        (NotSignedIn(), 401, "not-signed-in", {"WWW-Authenticate": "Bearer"}),
        (NotAllowed(), 403, "not-allowed", {}),
        (Changed(), 412, "changed", {}),
        (Busy(retry_after=7), 503, "busy", {"Retry-After": "7"}),
        (web.HTTPNotFound(), 404, "not-found", {}),
        (web.HTTPRequestEntityTooLarge(max_size=1), 413, "too-large", {}),
        (web.HTTPUnsupportedMediaType(), 415, "unsupported-media-type", {}),
        (web.HTTPTooManyRequests(headers={"Retry-After": "9"}), 429, "too-many-requests", {"Retry-After": "9"}),
        (web.HTTPExpectationFailed(), 417, "expectation-failed", {}),
        (ConnectionRefusedError(111, "no"), 503, "unavailable", {"Retry-After": "5"}),
        (OSError("no route to host"), 503, "unavailable", {"Retry-After": "5"}),
        (TimeoutError(), 503, "unavailable", {"Retry-After": "5"}),
        (DriverGone(), 503, "unavailable", {"Retry-After": "5"}),
    ],
)
async def test_status_name_and_headers(
    make_client: MakeClient, error: Exception, status: int, name: str, headers: dict[str, str]
) -> None:
    client = await make_client(raising(error), unavailable=(DriverGone,))
    response = await client.get("/api/v1/raise")
    document = await response.json()
    assert (response.status, document["status"], document["type"]) == (status, status, f"/problems/{name}")
    assert response.content_type == "application/problem+json"
    for header, value in headers.items():
        assert response.headers[header] == value


async def test_unexpected_errors_are_500_without_details_and_logged(make_client: MakeClient) -> None:
    client = await make_client(raising(RuntimeError("password hunter2 of joe")))
    with capture_logs() as logs:
        response = await client.get("/api/v1/raise")
    text = await response.text()
    assert response.status == 500
    assert "hunter2" not in text
    assert "RuntimeError" not in text
    assert "Traceback" not in text
    failed = [entry for entry in logs if entry["event"] == "request failed"]
    assert len(failed) == 1
    assert failed[0]["route"] == "/api/v1/raise"
    assert str(failed[0]["exc_info"]) == "password hunter2 of joe"


async def test_unavailable_dependency_tells_the_caller_nothing_of_itself(make_client: MakeClient) -> None:
    client = await make_client(raising(OSError("connect to 10.1.2.3 as portico_admin")))
    assert "10.1.2.3" not in await (await client.get("/api/v1/raise")).text()


async def test_unknown_paths_and_methods_are_problems(make_client: MakeClient) -> None:
    client = await make_client(raising(RuntimeError()))
    missing = await client.get("/api/v1/nothing")
    assert (missing.status, missing.content_type) == (404, "application/problem+json")
    wrong = await client.delete("/api/v1/raise")
    assert (wrong.status, (await wrong.json())["type"]) == (405, "/problems/method-not-allowed")
    assert wrong.headers["Allow"] == "GET,HEAD"


@pytest.mark.parametrize("path", ["/api/v1/%00", "/%00", "/a%0d%0aSet-Cookie:x", "/%1f/", "/%e2%80%ae"])
async def test_paths_with_control_characters_are_not_found(make_client: MakeClient, path: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.match_info["slug"])

    client = await make_client(web.get("/{slug:.*}", handler), web.get("/api/v1/{slug}", handler))
    async with client.session.get(f"{client.make_url('/')}".rstrip("/") + path) as response:
        assert response.status == 404
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/html"),
        ("*/*", "text/html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/json", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        ("text/html;q=0.5, application/json", "application/problem+json"),
        ("application/json;q=0.1, text/html", "text/html"),
        ("application/json;q=nonsense", "text/html"),
        (";;q=,,", "text/html"),
    ],
)
async def test_pages_get_html_unless_json_is_preferred(make_client: MakeClient, accept: str, expected: str) -> None:
    client = await make_client()
    assert (await client.get("/nothing", headers={"Accept": accept})).content_type == expected


@pytest.mark.parametrize("path", ["/api/x", "/internal/x", "/.well-known/x", "/openapi.json"])
async def test_paths_of_programs_get_json_whatever_they_accept(make_client: MakeClient, path: str) -> None:
    client = await make_client()
    response = await client.get(path, headers={"Accept": "text/html"})
    assert (response.status, response.content_type) == (404, "application/problem+json")


async def test_the_service_renders_pages_for_errors(make_client: MakeClient) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise Busy(retry_after=3)

    def render(request: web.Request, problem: Problem) -> web.Response:
        return web.Response(text=f"<h1>{problem.detail}</h1>", status=problem.status, content_type="text/html")

    client = await make_client(web.get("/page", handler), render_error=render)
    response = await client.get("/page")
    assert (response.status, response.headers["Retry-After"]) == (503, "3")
    assert await response.text() == "<h1>We are busy. Please try again in a moment.</h1>"


async def test_an_error_page_may_lead_elsewhere(make_client: MakeClient) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise NotSignedIn

    def render(request: web.Request, problem: Problem) -> web.Response:
        return web.Response(status=303, headers={"Location": "/sign-in"})

    client = await make_client(web.get("/page", handler), render_error=render)
    response = await client.get("/page", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/sign-in")


async def test_a_broken_error_page_falls_back_to_a_plain_one(make_client: MakeClient) -> None:
    def render(request: web.Request, problem: Problem) -> web.Response:
        raise LookupError("no such template")

    client = await make_client(render_error=render)
    response = await client.get("/nothing")
    assert (response.status, response.content_type) == (404, "text/html")
    assert "There is nothing here" in await response.text()


async def test_plain_error_pages_escape_what_they_show(make_client: MakeClient) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise InvalidFields(FieldError("<script>", "<b>"))

    text = await (await (await make_client(web.get("/page", handler))).get("/page")).text()
    assert "<script>" not in text
    assert "&lt;script&gt;: &lt;b&gt;" in text


async def test_redirects_pass(make_client: MakeClient) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPSeeOther("/there")

    client = await make_client(web.get("/page", handler))
    response = await client.get("/page", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/there")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_answer_that_breaks_off_is_not_mistaken_for_a_whole_one(make_client: MakeClient) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first row\n")
        raise RuntimeError("the database went away")

    client = await make_client(web.get("/api/v1/export", handler))
    response = await client.get("/api/v1/export")
    assert response.status == 200
    with pytest.raises(Exception, match=r"."):
        await response.read()


async def test_a_client_that_leaves_is_no_error_of_ours() -> None:
    left = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"a row\n" * 1000)
                await asyncio.sleep(0)
        finally:
            left.set()

    # As in production: aiohttp's own test server would cancel the handler instead.
    runner = web.AppRunner(small_app(web.get("/api/v1/export", handler)), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"GET /api/v1/export HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.sleep(0.02)
        writer.close()
        await asyncio.wait_for(left.wait(), 2)
        await runner.cleanup()
    assert [(entry["event"], entry["log_level"], entry.get("status")) for entry in logs] == [
        ("client left", "info", None),
        ("request", "info", 499),
    ]


async def test_middlewares_of_the_service_run_inside_ours(make_client: MakeClient) -> None:
    @web.middleware
    async def sign_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        assert request[REQUEST_ID]
        raise NotSignedIn

    client = await make_client(raising(RuntimeError()), middlewares=(sign_in,))
    assert (await client.get("/api/v1/raise")).status == 401


async def test_every_problem_has_a_page(make_client: MakeClient) -> None:
    client = await make_client()
    page = await client.get("/problems/username-taken", headers={"Accept": "text/html"})
    assert (page.status, page.content_type) == (200, "text/html")
    text = await page.text()
    assert "<h1>That username is in use.</h1>" in text
    assert "Names are compared without regard to case." in text
    document = await (await client.get("/problems/username-taken", headers={"Accept": "application/json"})).json()
    assert document["status"] == 409
    for name in ("not-found", "invalid-fields", "internal-error", "unavailable", "too-large", "length-required"):
        assert (await client.get(f"/problems/{name}")).status == 200
    assert (await client.get("/problems/no-such-thing")).status == 404
