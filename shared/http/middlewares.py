"""What happens around every handler: id, log, metrics, headers, errors."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from uuid import uuid4

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from shared.errors import DomainError, NotFound
from shared.http.client_address import client_address
from shared.http.keys import (
    CLIENT_ADDRESS,
    METRICS,
    READINESS,
    RENDER_ERROR,
    REQUEST_ID,
    TRUSTED_PROXIES,
    UNAVAILABLE,
)
from shared.http.metrics import NO_ROUTE
from shared.http.problems import Problem, Unavailable, json_response, plain_page, prefers_json, problem_of

log = structlog.get_logger("shared.http")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
"""What every answer has, unless its handler set another value."""
# In place of the versions of Python and aiohttp.
SERVER = "portico"

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_CLIENT_CLOSED_REQUEST = 499
_QUIET_ROUTES = frozenset({"/healthz", "/readyz"})


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id and the client's address; log and measure the answer by route pattern, never by path."""
    app = request.app
    given = request.headers.get("X-Request-ID", "")
    request[REQUEST_ID] = request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid4())
    request[CLIENT_ADDRESS] = client_address(request, app[TRUSTED_PROXIES])
    # Each request runs in a task of its own, so what is bound here ends with it.
    structlog.contextvars.bind_contextvars(request_id=request_id)
    metrics, started, status = app[METRICS], time.perf_counter(), 500
    metrics.in_flight.inc()
    try:
        response = await handler(request)
        status = response.status
        if not app[READINESS].accepting:
            # The listening port closes; kept connections must not outlive it.
            response.force_close()
        return response
    except web.HTTPException as redirect:
        status = redirect.status
        raise
    except (asyncio.CancelledError, ConnectionError):
        status = _CLIENT_CLOSED_REQUEST
        raise
    finally:
        seconds = time.perf_counter() - started
        metrics.in_flight.dec()
        route = route_pattern(request)
        metrics.observe(request.method, route, status, seconds)
        write = log.debug if route in _QUIET_ROUTES else log.info
        write("request", method=request.method, route=route, status=status, duration_ms=round(seconds * 1000, 2))


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into problem+json or a page."""
    try:
        if not request.path.isprintable():
            # No address of ours holds such characters, and PostgreSQL refuses some of them.
            raise NotFound
        return await handler(request)
    except web.HTTPException as error:
        if error.status < web.HTTPBadRequest.status_code:
            raise
        return _answer(request, error)
    except Exception as error:
        if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            log.info("client left", route=route_pattern(request))
            raise
        if request.writer.output_size > 0:
            # Too late for another answer: the broken connection is what tells the client.
            log.exception("the answer broke off", route=route_pattern(request))
            raise
        return _answer(request, error)


def security_headers(public_url: URL) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A receiver for ``on_response_prepare`` that adds the headers of every answer, unless the handler set its own.

    A signal rather than a middleware: answers that stream are on their way before their handler returns.
    """
    headers = dict(HEADERS)
    if public_url.scheme == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000"
    pairs = tuple(headers.items())

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in pairs:
            response.headers.setdefault(name, value)
        response.headers["Server"] = SERVER
        request_id = request.get(REQUEST_ID)
        if request_id is not None:
            response.headers["X-Request-ID"] = request_id

    return add


def route_pattern(request: web.Request) -> str:
    """The pattern of the request's route: ``/api/v1/clients/{id}``."""
    resource = request.match_info.route.resource
    return NO_ROUTE if resource is None else resource.canonical


def _answer(request: web.Request, error: Exception) -> web.StreamResponse:
    problem = _problem(request, error)
    if prefers_json(request):
        return json_response(problem)
    try:
        response = request.app[RENDER_ERROR](request, problem)
    except Exception:
        log.exception("the error page could not be rendered", route=route_pattern(request))
        response = plain_page(request, problem)
    for name in ("Allow", "Retry-After"):
        if name in problem.headers and response.status == problem.status:
            response.headers.setdefault(name, problem.headers[name])
    return response


def _problem(request: web.Request, error: Exception) -> Problem:
    request_id = request[REQUEST_ID]
    if not isinstance(error, DomainError | web.HTTPException):
        route = route_pattern(request)
        if isinstance(error, request.app[UNAVAILABLE]):
            log.warning("dependency not available", route=route, error=type(error).__name__, reason=str(error))
            error = Unavailable()
        else:
            log.error("request failed", route=route, exc_info=error)
    return problem_of(error, request_id)
