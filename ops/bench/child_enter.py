"""People who sign in with their own passwords, one time after another, each from an address of their own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from itertools import count
from typing import Any

from ops.bench.asking import Connection, request
from ops.bench.child import Bench, play


async def enter(bench: Bench, told: Mapping[str, Any]) -> None:
    """``people`` at a time sign in for ``seconds``; answers how many did in how many seconds, and who was refused."""
    entered = refused = 0
    numbers = count()

    async def person() -> None:
        nonlocal entered, refused
        async with Connection(told["host"], told["port"]) as connection:
            while time.perf_counter() < until:
                answer = await connection.ask(_attempt(told, next(numbers)))
                entered += answer.status == 200
                refused += answer.status != 200

    await bench.ready()
    started = time.perf_counter()
    until = started + told["seconds"]
    await asyncio.gather(*(person() for _ in range(told["people"])))
    bench.say(entered=entered, refused=refused, seconds=time.perf_counter() - started)


def _attempt(told: Mapping[str, Any], number: int) -> bytes:
    body = {
        "agency": told["agency"],
        "username": f"bench{number % told['logins']}",
        "password": told["password"],
    }
    headers = {
        "Content-Type": "application/json",
        "X-Forwarded-For": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
    }
    return request("POST", "/api/v1/token", headers, json.dumps(body).encode())


if __name__ == "__main__":
    play(enter)
