"""Whether the time that a refused sign-in takes tells that its username exists."""

from __future__ import annotations

import json
import time
from typing import Final

from redis.asyncio import Redis

from ops.bench.asking import Connection, request
from ops.bench.figures import Figure, Part, percentile
from ops.bench.portal import AGENCY, portal
from ops.bench.stage import Options, Stage
from ops.problems import Problem
from ops.stack.ports import LOOPBACK

_TRIES: Final = 2_000
_TRIES_A_REPEAT: Final = 7
# Fewer than lock a login, and than everybody together may have wrong at once.
_EACH: Final = 8
_FORGET_EVERY: Final = 400
_NOTE: Final = (
    "One at a time, a username that exists and one that does not in turns, each from another address."
    " No login is locked."
)


async def measure(stage: Stage, options: Options) -> Part:
    """Wrong passwords for usernames that exist and for others."""
    tries = min(_TRIES, options.repeats * _TRIES_A_REPEAT)
    took: dict[bool, list[float]] = {True: [], False: []}
    async with (
        stage.steps("usernames", tries) as steps,
        stage.database("bench_usernames") as database,
        portal(stage, database, tries // 2 // _EACH + 1) as found,
        Connection(LOOPBACK, found.port) as connection,
        Redis.from_url(stage.valkey.url) as redis,
    ):
        for number in range(tries):
            if number % _FORGET_EVERY == 0:
                # The throttle would answer before anything is hashed.
                await redis.flushdb()
            known = number % 2 == 0
            username = f"bench{number // 2 // _EACH}" if known else f"nobody{number}"
            began = time.perf_counter()
            answer = await connection.ask(_attempt(username, number))
            took[known].append((time.perf_counter() - began) * 1000)
            if answer.status != 401:
                raise Problem(f"A wrong password was answered with status {answer.status}.")
            steps.done()
    size = f"{tries:,} tries"
    return Part(
        "usernames",
        tuple(
            Figure(
                f"wrong password, username that exists, p{share * 100:.0f}",
                percentile(took[True], share),
                "ms",
                size,
                percentile(took[False], share),
                "a username that does not",
            )
            for share in (0.5, 0.9, 0.99)
        ),
        notes=(_NOTE,),
    )


def _attempt(username: str, number: int) -> bytes:
    body = {"agency": AGENCY, "username": username, "password": f"wrong password {number}"}
    headers = {"Content-Type": "application/json", "X-Forwarded-For": f"10.9.{number >> 8}.{number & 255}"}
    return request("POST", "/api/v1/token", headers, json.dumps(body).encode())
