"""`portico audit seals`: how far each chain was signed, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from ops.audit.databases import DataFolder, agency_called, connection, problems_told, slugs
from ops.deployment import Deployment
from services.audit.sealing import SQL
from shared.clock import system_clock


def seals(
    agency: Annotated[str | None, typer.Option("--agency", help="One agency's slug.")] = None,
    data: DataFolder = Path(".portico"),
) -> None:
    """List the newest seal of each chain: up to which event it was signed, how long ago, and with which key."""
    with problems_told():
        asyncio.run(_list(Deployment.named(data), agency, system_clock()))


async def _list(deployment: Deployment, slug: str | None, now: datetime) -> None:
    names = await slugs(deployment)
    agency_id = (await agency_called(deployment, slug)).id if slug is not None else None
    async with connection(deployment.audit_owner_url) as store:
        rows = await store.fetch(SQL["newest_seals"], agency_id)
    table = Table(box=None, pad_edge=False)
    for heading in ("agency", "year"):
        table.add_column(heading, no_wrap=True)
    for heading in ("events", "sealed up to", "age"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("key", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row, names, now))
    Console(highlight=False).print(table)


def _cells(row: Any, names: Mapping[UUID, str], now: datetime) -> tuple[str, ...]:
    name = names.get(row["agency_id"], str(row["agency_id"]))
    if row["seq"] is None:
        return name, str(row["year"]), f"{row['events']:,}", "never", "", ""
    age = timedelta(seconds=max(0, int((now - row["sealed_at"]).total_seconds())))
    return name, str(row["year"]), f"{row['events']:,}", f"{row['seq']:,}", str(age), row["kid"]
