"""What went wrong, as a page."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from services.portal.keys import AGENCY
from services.portal.pages.visitors import sign_in_first
from shared.accounts.agencies import NotContracted
from shared.errors import NotSignedIn
from shared.http.pages import render
from shared.http.problems import Problem

_TITLES: Mapping[int, str] = {
    HTTPStatus.FORBIDDEN: "This did not work",
    HTTPStatus.NOT_FOUND: "Page not found",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong",
    HTTPStatus.TOO_MANY_REQUESTS: "Please try again in a moment",
    HTTPStatus.SERVICE_UNAVAILABLE: "Please try again in a moment",
}


def render_error(request: web.Request, problem: Problem) -> web.StreamResponse:
    """A page in the portal's frame; whoever is not signed in is asked to do so."""
    if problem.name == NotSignedIn.name and "slug" in request.match_info:
        return sign_in_first(request)
    agency = request.get(AGENCY)
    title, message = _TITLES.get(problem.status, "This did not work"), problem.detail
    back_url = f"/{agency.slug}/" if agency else None
    if problem.name == NotContracted.name:
        title, back_url = "The client portal is not available", None
        message = "This agency does not offer the client portal at the moment. Please contact the agency."
    return render(
        request,
        "error.html",
        status=problem.status,
        title=title,
        message=message,
        request_id=problem.request_id if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "",
        back_url=back_url,
        back_label="Back to the portal",
    )
