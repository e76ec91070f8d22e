"""Opening a port, or saying in one sentence why it cannot be opened."""

from __future__ import annotations

import os

from aiohttp import web


class CannotListen(Exception):
    """A port that cannot be opened; the message names the address and the reason."""


async def listen(site: web.TCPSite) -> int:
    """Start ``site`` and return its port; raises `CannotListen`."""
    try:
        await site.start()
    except OSError as error:
        await site.stop()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CannotListen(f"cannot listen on {site.name.removeprefix('http://')}: {reason}") from error
    return site.port
