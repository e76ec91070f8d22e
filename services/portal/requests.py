"""What every request of the portal tells of itself, for the API and the pages alike."""

from __future__ import annotations

from aiohttp import web

from shared.accounts.access import Origin
from shared.http.keys import CLIENT_ADDRESS, REQUEST_ID


def origin_of(request: web.Request) -> Origin:
    """Where a request came from."""
    # Headers may hold bytes that are no UTF-8, which no text column takes.
    agent = request.headers.get("User-Agent", "").encode("utf-8", "replace").decode()
    return Origin(address=request[CLIENT_ADDRESS], user_agent=agent, request_id=request[REQUEST_ID])
