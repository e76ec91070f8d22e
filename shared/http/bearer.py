"""Bearer tokens (RFC 6750) in requests."""

from __future__ import annotations

from aiohttp import web

from shared.errors import NotSignedIn


def bearer_token(request: web.Request) -> str:
    """The token of the Authorization header. Raises NotSignedIn."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotSignedIn
    return token.strip()
