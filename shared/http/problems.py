"""Problems as RFC 9457 documents and as pages, from whatever a handler raised."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from shared.errors import (
    BadCredentials,
    Busy,
    Changed,
    DomainError,
    FieldError,
    InvalidFields,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Unparsable,
)

PROBLEM_JSON = "application/problem+json"
JSON_PATHS = ("/api/", "/internal/", "/.well-known/")


class TooLarge(DomainError):
    """The request is larger than we accept."""

    status = 413


class TooSlow(DomainError):
    """The request took too long to arrive. Send it again."""

    status = 408


class UnsupportedMediaType(DomainError):
    """Send the body in a format that this address takes."""

    status = 415


class MethodNotAllowed(DomainError):
    """This address does not take that method."""

    status = 405


class InternalError(DomainError):
    """Something went wrong on our side.

    The request's id leads us to what happened. Repeating the same request rarely helps.
    """

    status = 500


class Unavailable(DomainError):
    """We cannot answer right now. Please try again in a moment.

    A part that we depend on does not answer. Nothing was changed unless an earlier answer said so.
    """

    status = 503


GENERIC: tuple[type[DomainError], ...] = (
    Unparsable,
    InvalidFields,
    NotSignedIn,
    BadCredentials,
    NotAllowed,
    NotFound,
    MethodNotAllowed,
    Changed,
    TooSlow,
    TooLarge,
    UnsupportedMediaType,
    InternalError,
    Busy,
    Unavailable,
)
"""The problems that any address may answer with."""

_BY_STATUS: Mapping[int, type[DomainError]] = {
    400: Unparsable,
    401: NotSignedIn,
    403: NotAllowed,
    404: NotFound,
    405: MethodNotAllowed,
    408: TooSlow,
    412: Changed,
    413: TooLarge,
    415: UnsupportedMediaType,
    500: InternalError,
    503: Unavailable,
}

RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, ready to be shown as JSON or as a page."""

    name: str
    title: str
    status: int
    detail: str
    request_id: str = ""
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """The address that explains this kind of problem."""
        return f"/problems/{self.name}"

    def document(self) -> dict[str, Any]:
        """The members of the RFC 9457 document."""
        document: dict[str, Any] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "request_id": self.request_id,
        }
        if self.errors:
            document["errors"] = [{"field": e.field, "message": e.message} for e in self.errors]
        return document


def title_of(error: type[DomainError]) -> str:
    """The sentence that stands for every problem of this kind."""
    return ((error.__doc__ or "").strip().splitlines() or [error.__name__])[0]


def problem_of(error: BaseException, request_id: str = "") -> Problem:
    """The problem that stands for ``error``; anything unknown is an internal error that tells nothing of itself."""
    if isinstance(error, web.HTTPException):
        return _of_http(error, request_id)
    if not isinstance(error, DomainError):
        error = InternalError()
    headers: dict[str, str] = {}
    retry_after = error.retry_after
    if retry_after is None and error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after = RETRY_AFTER_SECONDS
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Problem(
        name=error.name,
        title=title_of(type(error)),
        status=error.status,
        detail=error.message,
        request_id=request_id,
        errors=tuple(error.errors),
        headers=headers,
    )


def _of_http(error: web.HTTPException, request_id: str) -> Problem:
    # Of aiohttp's own headers only those that the status asks for go on: the rest describes its plain text body.
    headers = {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}
    known = _BY_STATUS.get(error.status)
    if known is not None:
        base = problem_of(known(), request_id)
        return Problem(base.name, base.title, base.status, base.detail, request_id, (), {**base.headers, **headers})
    try:
        status = HTTPStatus(error.status)
    except ValueError:
        status = HTTPStatus.BAD_REQUEST if error.status < HTTPStatus.INTERNAL_SERVER_ERROR else HTTPStatus.BAD_GATEWAY
    return Problem(slug_of(status), f"{status.phrase}.", error.status, f"{status.phrase}.", request_id, (), headers)


def slug_of(status: HTTPStatus) -> str:
    """The name of the problem that a bare status stands for: 411 is ``length-required``."""
    return re.sub(r"[^a-z]+", "-", status.phrase.lower()).strip("-")


def prefers_json(request: web.Request) -> bool:
    """Whether the answer to this request should be JSON: by its path, else by what it accepts."""
    path = request.path
    if path.startswith(JSON_PATHS) or path == "/openapi.json":
        return True
    return _quality(request, "json") > _quality(request, "html")


def json_response(problem: Problem) -> web.Response:
    """The problem as ``application/problem+json``."""
    return web.Response(
        body=msgspec.json.encode(problem.document()),
        status=problem.status,
        content_type=PROBLEM_JSON,
        headers=problem.headers,
    )


def plain_page(request: web.Request, problem: Problem) -> web.Response:
    """A page without templates: for services that have no pages, and for the case that a template itself fails."""
    items = "".join(f"<li>{html.escape(e.field)}: {html.escape(e.message)}</li>" for e in problem.errors)
    body = f"<p>{html.escape(problem.detail)}</p>"
    if items:
        body += f"<ul>{items}</ul>"
    if problem.request_id:
        body += f"<p>Request <code>{html.escape(problem.request_id)}</code></p>"
    heading = problem.title if problem.title != problem.detail else HTTPStatus(problem.status).phrase
    return web.Response(
        text=document(heading, body), status=problem.status, content_type="text/html", headers=problem.headers
    )


def document(heading: str, body: str) -> str:
    """A bare HTML document; ``body`` is markup already."""
    title = html.escape(heading)
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title></head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _quality(request: web.Request, kind: str) -> float:
    """How much the caller wants a type whose name ends in ``kind``; wildcards count for nothing."""
    best = 0.0
    for item in request.headers.get("Accept", "").lower().split(","):
        media_type, *parameters = (part.strip() for part in item.split(";"))
        if not media_type.endswith(kind):
            continue
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        best = max(best, quality)
    return best
