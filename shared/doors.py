"""What the services share at their doors: where a request came from, and the token that it brought."""

from __future__ import annotations

from aiohttp import web

from shared.accounts.access import Origin
from shared.errors import NotSignedIn
from shared.http.keys import CLIENT_ADDRESS, REQUEST_ID


def origin_of(request: web.Request) -> Origin:
    """Where a request came from."""
    # Headers may hold bytes that are no UTF-8, which no text column takes.
    agent = request.headers.get("User-Agent", "").encode("utf-8", "replace").decode()
    return Origin(address=request[CLIENT_ADDRESS], user_agent=agent, request_id=request[REQUEST_ID])


def bearer_token(request: web.Request) -> str:
    """The token of the Authorization header (RFC 6750). Raises NotSignedIn."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotSignedIn
    return token.strip()
