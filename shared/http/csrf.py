"""Cross-site requests to pages are refused: by what the browser says of their origin, and by the session's token.

The order is the one of OWASP's cheat sheet: ``Sec-Fetch-Site``, and ``Origin`` where a browser is too old to send it.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from shared.errors import DomainError
from shared.http.client_address import external_host, external_scheme
from shared.http.keys import PUBLIC_URL, TRUSTED_PROXIES

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# These answer to a bearer token, which no browser attaches by itself, or change nothing at all.
TOKEN_PATHS = ("/api/", "/internal/", "/.well-known/")


class CrossSiteRequest(DomainError):
    """This request did not come from one of our own pages. Open the page again and repeat what you did."""

    status = 403


class StaleForm(DomainError):
    """This page was open for too long or you signed in again meanwhile. Open it again and repeat what you did."""

    status = 403


@web.middleware
async def refuse_cross_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse unsafe requests to pages unless the browser says that they come from our own origin."""
    if request.method not in SAFE_METHODS and not request.path.startswith(TOKEN_PATHS) and not is_same_origin(request):
        raise CrossSiteRequest
    return await handler(request)


def is_same_origin(request: web.Request) -> bool:
    """Whether the browser vouches for our own origin; without any word from it the answer is no."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        # Other values are none (typed by the user: never an unsafe request), same-site and cross-site.
        return site == "same-origin"
    origin = _authority(request.headers.get("Origin", ""))
    if origin is None:
        return False
    app = request.config_dict
    trusted = app[TRUSTED_PROXIES]
    asked_for = f"{external_scheme(request, trusted)}://{external_host(request, trusted)}"
    return origin in (_authority(asked_for), _authority(str(app[PUBLIC_URL])))


def csrf_token(secret: bytes) -> str:
    """The token for forms of the session whose own secret this is; it tells nothing of the secret."""
    return urlsafe_b64encode(hmac.digest(secret, b"portico form token", sha256)).rstrip(b"=").decode()


def check_csrf(request: web.Request, form_value: str | None, secret: bytes) -> None:
    """Raise `StaleForm` unless the form's ``csrf_token`` (or the header ``X-CSRF-Token``) belongs to this session."""
    given = form_value or request.headers.get("X-CSRF-Token") or ""
    if not hmac.compare_digest(given.encode("utf-8", "replace"), csrf_token(secret).encode()):
        raise StaleForm


def _authority(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of an origin, ``None`` for anything else (``null`` above all)."""
    try:
        parsed = URL(url)
    except ValueError:
        return None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        return None
    return parsed.scheme, parsed.host.lower(), parsed.port
