"""The application that every service starts from: keys, middlewares, health and problem pages in their places."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Middleware
from yarl import URL

from shared.clock import Clock
from shared.http.client_address import Network
from shared.http.csrf import refuse_cross_site
from shared.http.keys import (
    CLOCK,
    METRICS,
    PUBLIC_URL,
    READINESS,
    RENDER_ERROR,
    TRUSTED_PROXIES,
    UNAVAILABLE,
    ErrorRenderer,
)
from shared.http.metrics import Metrics
from shared.http.middlewares import answer_errors, observe, security_headers
from shared.http.probes import health_routes
from shared.http.problem_pages import problem_routes
from shared.http.problems import plain_page
from shared.http.readiness import Readiness
from shared.http.unreadable import answer_in_our_own_words

FORM_LIMIT = 256 * 1024
"""Bytes: a face sheet with every field filled fits, since forms take three bytes for most characters."""


def create_app(
    *,
    public_url: str,
    clock: Clock,
    trusted_proxies: Sequence[Network] = (),
    unavailable: tuple[type[BaseException], ...] = (),
    render_error: ErrorRenderer = plain_page,
    middlewares: Sequence[Middleware] = (),
) -> web.Application:
    """An application with the keys of `shared.http.keys` set.

    ``unavailable`` names the exceptions that mean "a dependency does not answer" besides ``OSError`` and time-outs (the
    drivers' own); they become 503. ``middlewares`` run inside ours: after the request has its id and its errors are
    caught, and after the cross-site check.
    """
    answer_in_our_own_words()
    app = web.Application(
        middlewares=[observe, answer_errors, refuse_cross_site, *middlewares], client_max_size=FORM_LIMIT
    )
    app[CLOCK] = clock
    app[PUBLIC_URL] = URL(public_url)
    app[TRUSTED_PROXIES] = tuple(trusted_proxies)
    # asyncio's time-outs are OSErrors too since Python 3.11.
    away: tuple[type[BaseException], ...] = (OSError, *unavailable)
    app[UNAVAILABLE] = away
    app[RENDER_ERROR] = render_error
    app[READINESS] = Readiness()
    app[METRICS] = Metrics()
    app.on_response_prepare.append(security_headers(app[PUBLIC_URL]))
    app.add_routes([*health_routes(), *problem_routes()])
    return app
