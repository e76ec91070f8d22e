"""How fast passwords are verified through the bounded pool of threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from nacl.pwhash import argon2id
from rich.progress import Progress

from ops.bench.figures import Figure, Part, median
from ops.bench.stage import Options, steps
from shared.security import passwords
from shared.security.passwords import PasswordHasher

_HASHES: Final = 40
_PASSWORD: Final = "a password for the bench"  # noqa: S105 - of nobody


async def measure(progress: Progress, options: Options) -> Part:
    """Verify through the pool; the limit is the same hash on one thread without it."""
    hasher = PasswordHasher(threads=1)
    stored = await hasher.hash(_PASSWORD)
    raw = passwords.normalized(_PASSWORD)

    async def ours() -> None:
        await asyncio.gather(*(hasher.verify(stored, _PASSWORD) for _ in range(_HASHES)))

    async def alone() -> None:
        await asyncio.to_thread(lambda: [argon2id.verify(stored.encode(), raw) for _ in range(_HASHES)])

    through_pool, without = [], []
    try:
        async with steps(progress, "hashing", options.rounds) as bar:
            for _ in range(options.rounds):
                through_pool.append(_HASHES / await _timed(ours))
                without.append(_HASHES / await _timed(alone))
                bar.done()
    finally:
        hasher.close()
    figure = Figure(
        "verify a password, one thread",
        median(through_pool),
        "a second",
        f"{_HASHES} hashes",
        median(without),
        "argon2id alone on one thread",
    )
    return Part("hashing", (figure,))


async def alone_at_once(threads: int, hashes: int) -> float:
    """How many verifications a second argon2id reaches by itself on so many threads."""
    hasher = PasswordHasher(threads=1)
    stored = (await hasher.hash(_PASSWORD)).encode()
    hasher.close()
    raw = passwords.normalized(_PASSWORD)

    def one_thread() -> None:
        for _ in range(hashes):
            argon2id.verify(stored, raw)

    async def all_threads() -> None:
        await asyncio.gather(*(asyncio.to_thread(one_thread) for _ in range(threads)))

    return threads * hashes / await _timed(all_threads)


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started
