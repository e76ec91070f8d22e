"""``GET /problems/{name}``: the page behind a problem's ``type``, which says what it means."""

from __future__ import annotations

import html
import inspect
from collections.abc import Iterator
from http import HTTPStatus

from aiohttp import web

from shared.errors import DomainError, NotFound
from shared.http.answers import json_answer
from shared.http.fields import Answer
from shared.http.problems import document, prefers_json, slug_of, title_of


class ProblemKind(Answer):
    """A kind of problem: its name, status and what it means."""

    type: str
    title: str
    status: int
    explanation: str


def problem_routes() -> list[web.RouteDef]:
    """The page for each kind of problem that this process can answer with."""
    return [web.get("/problems/{name}", _show, name="problem")]


def known_problems() -> dict[str, ProblemKind]:
    """Every problem of the domain that is loaded, and one for each status that aiohttp itself may answer with."""
    kinds = {
        slug_of(status): ProblemKind(
            type=f"/problems/{slug_of(status)}",
            title=f"{status.phrase}.",
            status=status,
            explanation=status.description,
        )
        for status in HTTPStatus
        if status >= HTTPStatus.BAD_REQUEST
    }
    for error in _descendants(DomainError):
        explanation = (inspect.getdoc(error) or "").partition("\n")[2].strip()
        kinds[error.name] = ProblemKind(
            type=f"/problems/{error.name}", title=title_of(error), status=error.status, explanation=explanation
        )
    return kinds


def _descendants(error: type[DomainError]) -> Iterator[type[DomainError]]:
    for child in error.__subclasses__():
        yield child
        yield from _descendants(child)


async def _show(request: web.Request) -> web.StreamResponse:
    kind = known_problems().get(request.match_info["name"])
    if kind is None:
        raise NotFound("There is no problem of that name.")
    if prefers_json(request):
        return json_answer(kind)
    explanation = "".join(f"<p>{html.escape(part)}</p>" for part in kind.explanation.split("\n\n") if part)
    body = f"{explanation}<p>Problem <code>{html.escape(kind.type)}</code>, HTTP status {kind.status}.</p>"
    return web.Response(text=document(kind.title, body), content_type="text/html")
