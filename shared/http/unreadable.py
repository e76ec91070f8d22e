"""What is answered to requests that are no HTTP, or too long to be read.

aiohttp answers these before any application sees them: with its version, without our headers, and with a piece of what
it could not read, which may be a cookie that scripts on the page must not see (CVE-2012-0053 was that in another
server). It has no place to put another answer in, so its handler's method is replaced.
"""

from __future__ import annotations

from uuid import uuid4

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from shared.errors import Unparsable
from shared.http.middlewares import HEADERS, SERVER
from shared.http.problems import InternalError, json_response, problem_of

_aiohttps_own = RequestHandler.handle_error


def answer_in_our_own_words() -> None:
    """Have all servers of this process answer so; may be called any number of times."""
    RequestHandler.handle_error = _handle_error  # type: ignore[method-assign]


def _handle_error(
    self: RequestHandler,
    request: BaseRequest,
    status: int = 500,
    exc: BaseException | None = None,
    message: str | None = None,
) -> web.StreamResponse:
    # It logs, and raises when an answer is on its way already. Its own answer is thrown away.
    _aiohttps_own(self, request, status, exc, message)
    unreadable = Unparsable("This request cannot be read.") if status < InternalError.status else InternalError()
    request_id = str(uuid4())
    response = json_response(problem_of(unreadable, request_id))
    response.headers.update({**HEADERS, "Server": SERVER, "X-Request-ID": request_id})
    response.force_close()
    return response
