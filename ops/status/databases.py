"""What PostgreSQL tells of the pipeline: outboxes, deliveries, and the audit store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from ops.status.lines import MOST, Limit, Line, amount, counted, duration, since, worst
from shared.db import Connection, Pool, named_queries

_ACCOUNTS: Final = named_queries(__package__, "sql/accounts.sql")
_AUDIT: Final = named_queries(__package__, "sql/audit.sql")
_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0
# Two reads of the store for each of them, and any of them wants somebody to come.
_MOST_LETTERS: Final = 1_000
_CHANNELS_SHOWN: Final = 3

# A relay looks three times a second, and waits 5 s at most when Redis was away.
UNPUBLISHED_SECONDS: Final = Limit(10, 60)
# An import commits tens of thousands of rows at once, and relays publish as many in seconds.
UNPUBLISHED_ROWS: Final = Limit(MOST)
# Reconcilers ask for what is a minute old, every half minute; what was lost with Redis then goes round once more.
UNCONFIRMED_SECONDS: Final = Limit(180, 900)
# A task reaches a worker in a second; one that was lost is put again within 15 s, or 60 s where it was put before.
DUE_SECONDS: Final = Limit(90, 900)
# A mistake in the settings is refused at once; what mends itself does so within the first pauses.
REFUSED_SECONDS: Final = Limit(0, 600)
# Each is an event that no log shows.
DEAD_LETTERS: Final = Limit(1)
# Chains are sealed every five minutes; SEAL_SECONDS may say an hour at most.
UNSEALED_SECONDS: Final = Limit(900, 7_200)


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[Connection]:
    pool = await Pool.open(
        url,
        size=1,
        application_name="portico-status",
        command_timeout=_ANSWER_SECONDS,
        acquire_timeout=_CONNECT_SECONDS,
    )
    try:
        async with pool.transaction(None) as conn:
            yield conn
    finally:
        await pool.close()


async def accounts(url: str) -> list[Line]:
    """The outboxes of the publishers, and the deliveries. Raises what the driver raises."""
    async with _connection(url) as conn:
        return [
            *await _outbox(conn, "accounts"),
            *await _outbox(conn, "mail"),
            await _deliveries(conn),
            await _channels(conn),
        ]


async def _outbox(conn: Connection, schema: str) -> list[Line]:
    row = await conn.fetchrow(_ACCOUNTS["outbox"].replace("{table}", f"{schema}.outbox"), MOST + 1)
    assert row is not None  # noqa: S101 - a query without FROM has one row
    rows, seconds = row["unpublished"], row["unpublished_seconds"]
    unconfirmed, unconfirmed_seconds = row["unconfirmed"], row["unconfirmed_seconds"]
    return [
        Line(
            f"{schema} outbox unpublished",
            counted(rows, "row", "rows") + since(seconds),
            f"at most {MOST:,} rows, the oldest under {duration(UNPUBLISHED_SECONDS.look)}",
            worst(UNPUBLISHED_ROWS.state(rows - 1), UNPUBLISHED_SECONDS.state(seconds)),
            {"rows": rows, "oldest_seconds": seconds},
        ),
        Line(
            f"{schema} outbox unconfirmed",
            counted(unconfirmed, "event", "events") + since(unconfirmed_seconds),
            f"the oldest published under {duration(UNCONFIRMED_SECONDS.look)} ago",
            UNCONFIRMED_SECONDS.state(unconfirmed_seconds),
            {"rows": unconfirmed, "oldest_seconds": unconfirmed_seconds},
        ),
    ]


async def _deliveries(conn: Connection) -> Line:
    row = await conn.fetchrow(_ACCOUNTS["deliveries"], MOST + 1)
    assert row is not None  # noqa: S101 - an aggregate has one row
    return Line(
        "deliveries due",
        f"{amount(row['due'])} due{since(row['due_seconds'])}; {amount(row['unfinished'])} not finished",
        f"the oldest due for less than {duration(DUE_SECONDS.look)}",
        DUE_SECONDS.state(row["due_seconds"]),
        {"due": row["due"], "oldest_seconds": row["due_seconds"], "unfinished": row["unfinished"]},
    )


async def _channels(conn: Connection) -> Line:
    rows = await conn.fetch(_ACCOUNTS["channels"])
    return Line(
        "mail channels",
        "; ".join(_channel(row) for row in rows[:_CHANNELS_SHOWN]) + _more(len(rows) - _CHANNELS_SHOWN)
        or "none refused",
        "none refused",
        # Without an agency it is all mail that waits.
        worst(*(REFUSED_SECONDS.state(row["seconds"] if row["slug"] is None else 0.0) for row in rows)),
        {
            "refusing": [
                {
                    "agency": row["slug"],
                    "since_seconds": row["seconds"],
                    "next_try_seconds": row["paused_seconds"],
                    "code": row["code"],
                    "reply": row["reply"],
                }
                for row in rows
            ]
        },
    )


def _channel(row: asyncpg.Record) -> str:
    whose = "all mail" if row["slug"] is None else f"mail of {row['slug']}"
    said = f"{row['code']} {row['reply']}" if row["code"] else row["reply"]
    when = f"next try in {duration(row['paused_seconds'])}" if row["paused_seconds"] > 0 else "to be tried now"
    return f"{whose} refused for {duration(row['seconds'])}, {when}: {said}"


def _more(count: int) -> str:
    return f"; {count} more" if count > 0 else ""


async def audit_store(url: str) -> list[Line]:
    """Dead letters, events, partitions and seals. Raises what the driver raises."""
    async with _connection(url) as conn:
        return [
            await _dead_letters(conn),
            await _newest(conn),
            await _partitions(conn),
            await _seals(conn),
        ]


async def _dead_letters(conn: Connection) -> Line:
    row = await conn.fetchrow(_AUDIT["dead_letters"], _MOST_LETTERS + 1)
    assert row is not None  # noqa: S101 - an aggregate has one row
    stored = f"; {amount(row['stored'], _MOST_LETTERS)} more whose event is stored" if row["stored"] else ""
    return Line(
        "dead letters",
        f"{amount(row['waiting'], _MOST_LETTERS)} waiting{since(row['waiting_seconds'])}{stored}",
        "none waiting",
        DEAD_LETTERS.state(row["waiting"]),
        {"waiting": row["waiting"], "oldest_seconds": row["waiting_seconds"], "stored": row["stored"]},
    )


async def _newest(conn: Connection) -> Line:
    seconds = await conn.fetchval(_AUDIT["newest"])
    value = "none yet" if seconds is None else f"the newest {duration(seconds)} ago"
    return Line("events stored", value, "follows what people do", "ok", {"newest_seconds": seconds})


async def _partitions(conn: Connection) -> Line:
    this, following = await conn.fetch(_AUDIT["partitions"])
    missing = [r["year"] for r in (this, following) if not r["there"]]
    return Line(
        "partitions",
        f"missing: {', '.join(map(str, missing))}" if missing else f"{this['year']} and {following['year']} are there",
        "this year's and the next one's",
        # Events of a year without one are accepted all the same, beside the others.
        "look" if missing else "ok",
        {"this_year": this["there"], "next_year": following["there"]},
    )


async def _seals(conn: Connection) -> Line:
    row = await conn.fetchrow(_AUDIT["seals"])
    assert row is not None  # noqa: S101 - an aggregate has one row
    last = "no seal yet" if row["last_seconds"] is None else f"the last seal {duration(row['last_seconds'])} ago"
    waiting = f"{row['waiting']:,} waiting{since(row['waiting_seconds'], 'the longest for')}"
    return Line(
        "seals",
        f"{waiting}; {last}",
        f"no chain waits for {duration(UNSEALED_SECONDS.look)}",
        UNSEALED_SECONDS.state(row["waiting_seconds"]),
        {
            "chains_waiting": row["waiting"],
            "longest_waiting_seconds": row["waiting_seconds"],
            "last_seconds": row["last_seconds"],
        },
    )
