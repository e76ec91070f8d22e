"""What Redis tells of the pipeline: the stream of events, and the queue of deliveries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ops.status.lines import Limit, Line, counted, duration, since
from shared.deliveries.queue import QUEUES, VISIBILITY_SECONDS
from shared.streams import GROUP, STREAM

_ANSWER_SECONDS: Final = 5.0
# The oldest come first, and those that a dead consumer left are among them.
_MOST_PENDING: Final = 1_000
# Where kombu keeps what workers took and did not acknowledge, and since when.
_UNACKED: Final = "unacked"
_UNACKED_INDEX: Final = "unacked_index"

# What was acknowledged is trimmed away every 15 s. A million entries are about a gigabyte of memory.
STREAM_ENTRIES: Final = Limit(100_000, 1_000_000)
# An entry is read within milliseconds; only a backlog after a fault takes longer, and becomes shorter meanwhile.
UNREAD_SECONDS: Final = Limit(10, 60)
# What a dead consumer left is taken over after 60 s idle, by the next of the others' rounds, 15 s apart.
PENDING_IDLE_SECONDS: Final = Limit(90, 300)
# A consumer asks for entries twice a second.
HEARD_SECONDS: Final = 30.0
# A worker hands over several e-mails a second: minutes of work.
QUEUED_TASKS: Final = Limit(1_000)
# What a dead worker held goes back to the queue when the visibility timeout is over.
UNACKED_SECONDS: Final = Limit(VISIBILITY_SECONDS + 60)


@asynccontextmanager
async def _client(url: str) -> AsyncIterator[Redis]:
    redis = Redis.from_url(
        url,
        socket_timeout=_ANSWER_SECONDS,
        socket_connect_timeout=_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), retries=0),
    )
    try:
        yield redis
    finally:
        await redis.aclose()


async def events(url: str) -> list[Line]:
    """The stream, and the group of consumers that reads it. Raises what the driver raises."""
    async with _client(url) as redis:
        length = await redis.xlen(STREAM)
        stream = Line(
            "stream length",
            counted(length, "entry", "entries", length),
            f"under {STREAM_ENTRIES.look:,.0f}",
            STREAM_ENTRIES.state(length),
            {"entries": length},
        )
        groups = await redis.xinfo_groups(STREAM) if await redis.exists(STREAM) else []
        group = next((g for g in groups if _text(g["name"]) == GROUP), None)
        if group is None:
            return [stream, Line("group", f"{GROUP} is not there: nobody reads", "there", "bad", {"there": False})]
        return [
            stream,
            Line("group", f"{GROUP} is there", "there", "ok", {"there": True}),
            await _unread(redis, group),
            await _pending(redis, group),
            _consumers(await redis.xinfo_consumers(STREAM, GROUP)),
        ]


async def _unread(redis: Redis, group: dict[str, Any]) -> Line:
    # The answers are bytes, whatever else redis-py declares.
    first: Any = await redis.xrange(STREAM, min=f"({_text(group['last-delivered-id'])}", count=1)
    seconds = await _age(redis, first[0][0]) if first else None
    # Redis cannot say how many when entries were deleted from the middle.
    lag = group.get("lag") if first else 0
    return Line(
        "unread",
        ("some entries" if lag is None else counted(lag, "entry", "entries", lag)) + since(seconds),
        f"the oldest under {duration(UNREAD_SECONDS.look)}",
        UNREAD_SECONDS.state(seconds),
        {"entries": lag, "oldest_seconds": seconds},
    )


async def _age(redis: Redis, stream_id: bytes) -> float:
    """Seconds since an entry was put on the stream, by Redis's own clock."""
    seconds, microseconds = await redis.time()
    return max(0.0, seconds + microseconds / 1e6 - int(_text(stream_id).partition("-")[0]) / 1000)


async def _pending(redis: Redis, group: dict[str, Any]) -> Line:
    taken: Any = await redis.xpending_range(STREAM, GROUP, min="-", max="+", count=_MOST_PENDING)
    idle = max((entry["time_since_delivered"] / 1000 for entry in taken), default=None)
    return Line(
        "pending",
        counted(group["pending"], "entry", "entries", group["pending"]) + since(idle, "the longest for"),
        f"each for less than {duration(PENDING_IDLE_SECONDS.look)}",
        PENDING_IDLE_SECONDS.state(idle),
        {"entries": group["pending"], "longest_idle_seconds": idle},
    )


def _consumers(found: list[dict[str, Any]]) -> Line:
    known = sorted((c["idle"] / 1000, _text(c["name"]), int(c["pending"])) for c in found)
    at_work = [name for idle, name, _ in known if idle < HEARD_SECONDS]
    listed = ", ".join(f"{name} ({duration(idle)})" for idle, name, _ in known)
    return Line(
        "consumers",
        f"{len(at_work)} at work" + (f": {listed}" if listed else ""),
        f"one or more heard within {duration(HEARD_SECONDS)}",
        "ok" if at_work else "bad",
        {
            "at_work": len(at_work),
            "consumers": [{"name": name, "idle_seconds": idle, "pending": pending} for idle, name, pending in known],
        },
    )


async def deliveries(url: str) -> list[Line]:
    """The queue of tasks, and what workers took from it. Raises what the driver raises."""
    async with _client(url) as redis:
        queued = sum([await redis.llen(queue) for queue in QUEUES])
        unacked = await redis.hlen(_UNACKED)
        first: Any = await redis.zrange(_UNACKED_INDEX, 0, 0, withscores=True)
        now, _ = await redis.time()
    seconds = max(0.0, now - first[0][1]) if first else None
    return [
        Line(
            "queue",
            counted(queued, "task", "tasks", queued),
            f"under {QUEUED_TASKS.look:,.0f}",
            QUEUED_TASKS.state(queued),
            {"tasks": queued},
        ),
        Line(
            "queue unacknowledged",
            counted(unacked, "task", "tasks", unacked) + since(seconds),
            f"the oldest under {duration(UNACKED_SECONDS.look)}",
            UNACKED_SECONDS.state(seconds),
            {"tasks": unacked, "oldest_seconds": seconds},
        ),
    ]


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
