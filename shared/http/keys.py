"""The typed keys that every service's application and requests carry.

Service settings, pools and actors have keys of their own in the services.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import web
from yarl import URL

from shared.clock import Clock
from shared.http.client_address import Network
from shared.http.metrics import Metrics
from shared.http.readiness import Readiness

if TYPE_CHECKING:
    from shared.http.problems import Problem

ErrorRenderer: TypeAlias = "Callable[[web.Request, Problem], web.StreamResponse]"
"""Makes the HTML answer for a problem; what it returns is sent as it is (a redirect to the sign-in page is fine)."""

CLOCK: web.AppKey[Clock] = web.AppKey("clock")
PUBLIC_URL = web.AppKey("public_url", URL)
TRUSTED_PROXIES: web.AppKey[tuple[Network, ...]] = web.AppKey("trusted_proxies")
RENDER_ERROR: web.AppKey[ErrorRenderer] = web.AppKey("render_error")
UNAVAILABLE: web.AppKey[tuple[type[BaseException], ...]] = web.AppKey("unavailable")
READINESS = web.AppKey("readiness", Readiness)
METRICS = web.AppKey("metrics", Metrics)

REQUEST_ID = web.RequestKey("request_id", str)
CLIENT_ADDRESS = web.RequestKey("client_address", str)
