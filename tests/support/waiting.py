"""Waiting for something that happens soon, without sleeping longer than it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def soon(look: Callable[[], Awaitable[object]], seconds: float = 10) -> None:
    """Return as soon as ``look`` answers something truthy. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await look():
            await asyncio.sleep(0.02)
