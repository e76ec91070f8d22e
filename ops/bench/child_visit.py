"""People who are signed in and look at a page now and then, on a connection each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from ops.bench.asking import Connection, request
from ops.bench.child import Bench, play


async def visit(bench: Bench, told: Mapping[str, Any]) -> None:
    """``people`` ask for ``path`` every ``pause`` seconds, for ``seconds``; answers how long each took, in seconds."""
    took: list[float] = []
    refused = 0
    wanted = request("GET", told["path"], told["headers"])

    async def person(number: int) -> None:
        nonlocal refused
        await asyncio.sleep(told["pause"] * number / told["people"])
        async with Connection(told["host"], told["port"]) as connection:
            while time.perf_counter() < until:
                began = time.perf_counter()
                try:
                    answer = await connection.ask(wanted)
                except (OSError, EOFError):
                    refused += 1
                else:
                    took.append(time.perf_counter() - began)
                    refused += answer.status != 200
                await asyncio.sleep(told["pause"] - (time.perf_counter() - began))

    await bench.ready()
    until = time.perf_counter() + told["seconds"]
    await asyncio.gather(*(person(number) for number in range(told["people"])))
    bench.say(took=took, refused=refused)


if __name__ == "__main__":
    play(visit)
