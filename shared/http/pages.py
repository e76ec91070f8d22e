"""Server-rendered pages: templates, static files and redirects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, TypeAlias

import aiohttp_jinja2
import jinja2
from aiohttp import web
from yarl import URL

from shared.errors import DomainError
from shared.http.keys import RENDER_ERROR
from shared.http.problems import Problem, plain_page
from shared.http.static_files import StaticFiles

PageContext: TypeAlias = Callable[[web.Request], Mapping[str, Any]]

STATIC = web.AppKey("static", StaticFiles)
PAGE_CONTEXT: web.AppKey[PageContext] = web.AppKey("page_context")

_SHARED = "shared.http"


def setup_pages(
    app: web.Application,
    templates: Sequence[tuple[str, str]],
    *,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    static: Sequence[tuple[str, str]] = (),
    context: PageContext | None = None,
) -> None:
    """Templates and static files from ``(package, folder)`` pairs; those of this package are always there.

    Of two templates or files with one name the service's own counts. ``context`` gives what every page of a request
    needs (who is signed in, the form token). An undefined name in a template is an error. Errors get the template
    ``error.html`` unless the application has a page of its own for them.
    """
    loaders = [jinja2.PackageLoader(package, folder) for package, folder in [*templates, (_SHARED, "templates")]]
    env = aiohttp_jinja2.setup(
        app,
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # A service's templates stay as they are while it runs: no look at the disk for each page.
        auto_reload=False,
        filters=dict(filters or {}),
    )
    app[STATIC] = StaticFiles(files(package) / folder for package, folder in [(_SHARED, "static"), *static])
    app[PAGE_CONTEXT] = context or (lambda _: {})
    if app.get(RENDER_ERROR) is plain_page:
        app[RENDER_ERROR] = error_page
    env.globals["static_url"] = app[STATIC].url
    app.add_routes(app[STATIC].routes())


def render(
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> web.Response:
    """The page that ``template`` makes of ``context``, of what `setup_pages` was given and of ``request``."""
    values = {"request": request, **request.config_dict[PAGE_CONTEXT](request), **context}
    response = aiohttp_jinja2.render_template(template, request, values, status=status)
    response.headers.update(headers or {})
    return response


def error_page(request: web.Request, problem: Problem) -> web.Response:
    """The page for a problem, from the template ``error.html``."""
    return render(
        request,
        "error.html",
        status=problem.status,
        title=problem.title,
        message=problem.detail,
        request_id=problem.request_id,
    )


def see_other(url: str | URL) -> web.Response:
    """303: what was sent is done, look there."""
    return web.Response(status=303, headers={"Location": str(URL(url))})


def local_path(value: str | None, default: str) -> str:
    """``value`` if it is a path on this server, else ``default``: for addresses to go to that come with a request."""
    if not value or not value.startswith("/") or not value.isprintable() or "\\" in value or value.startswith("//"):
        return default
    return value


def with_retry_after(response: web.Response, error: DomainError) -> web.Response:
    """Say when to try again, where the error knows."""
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response
