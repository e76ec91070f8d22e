"""Sign-ins at a steady rate, whatever becomes of them: each from an address of its own, told by a trusted proxy."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ops.bench.asking import Connection, request
from ops.bench.child import Bench, play

_MOST_AT_ONCE = 600
_LAST_ANSWER_SECONDS = 30.0


async def flood(bench: Bench, told: Mapping[str, Any]) -> None:
    """``rate`` attempts a second for ``seconds``; answers how many were sent, and how many had which status."""
    due: asyncio.Queue[int] = asyncio.Queue()
    statuses: Counter[str] = Counter()
    silent = 0
    connected = asyncio.Semaphore(0)

    async def work() -> None:
        nonlocal silent
        async with Connection(told["host"], told["port"]) as connection:
            await connection.open()
            connected.release()
            while True:
                number = await due.get()
                try:
                    answer = await connection.ask(_attempt(told, number))
                except (OSError, EOFError):
                    statuses["lost"] += 1
                else:
                    statuses[str(answer.status)] += 1
                    silent += answer.status in (429, 503) and not answer.come_again
                due.task_done()

    workers = [asyncio.create_task(work()) for _ in range(_MOST_AT_ONCE)]
    # As a gateway has them: kept, not made for each attempt.
    for _ in workers:
        await connected.acquire()
    await bench.ready()
    started, sent, late = time.perf_counter(), 0, 0
    while (passed := time.perf_counter() - started) < told["seconds"]:
        wanted = int(passed * told["rate"])
        late = max(late, due.qsize())
        for number in range(sent, wanted):
            due.put_nowait(number)
        sent = max(sent, wanted)
        await asyncio.sleep(0.005)
    try:
        async with asyncio.timeout(_LAST_ANSWER_SECONDS):
            await due.join()
    except TimeoutError:
        statuses["unanswered"] = sent - statuses.total()
    for worker in workers:
        worker.cancel()
    bench.say(sent=sent, seconds=told["seconds"], statuses=statuses, silent=silent, waiting=late)


def _attempt(told: Mapping[str, Any], number: int) -> bytes:
    # Every other one is somebody who exists; no password is right.
    username = f"bench{number % told['logins']}" if number % 2 else f"nobody{number}"
    body = {"agency": told["agency"], "username": username, "password": f"wrong password {number}"}
    headers = {
        "Content-Type": "application/json",
        "X-Forwarded-For": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
    }
    return request("POST", "/api/v1/token", headers, json.dumps(body).encode())


if __name__ == "__main__":
    play(flood)
