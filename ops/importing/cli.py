"""`portico import`: bring another system's records in."""

from __future__ import annotations

import asyncio
import getpass
import socket
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ops.importing import clients
from ops.importing.clients import Outcome
from ops.importing.roster import Refused, RosterRow, rows_of
from ops.problems import Problem
from ops.settings import setting
from ops.stack import environment
from shared.accounts import agencies, field_blocks
from shared.actors import operator
from shared.clock import system_clock
from shared.db import Pool, Unavailable
from shared.outbox import Work

app = typer.Typer(help="Bring another system's records in.", no_args_is_help=True)


@app.callback()
def import_group() -> None:
    """Bring another system's records in."""


@app.command("clients")
def import_clients(
    file: Annotated[Path, typer.Argument(help="The roster: CSV in UTF-8, one row a case.", dir_okay=False)],
    agency: Annotated[str, typer.Option("--agency", help="The agency's slug.")],
    data: Annotated[
        Path, typer.Option("--data", help="The data folder of a running `portico up`; not needed with DATABASE_URL.")
    ] = Path(".portico"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row and change nothing.")] = False,
) -> None:
    """Import a roster of clients. Every row that is refused is told by line and field; the others are imported.

    Clients are known by their client number: one that the agency has already is left as it is and only gets cases
    that it lacks, so the same file can be imported again. Ends with status 1 when rows were refused.
    """
    url = setting("DATABASE_URL") or environment.load(data)["DATABASE_URL"]
    try:
        outcome = asyncio.run(import_file(url, file, agency, dry_run=dry_run, console=Console(stderr=True)))
    except Unavailable as error:
        raise Problem(f"The database can't be reached: {error}.") from None
    _tell(outcome, dry_run=dry_run)
    raise typer.Exit(1 if outcome.refused else 0)


async def import_file(url: str, file: Path, slug: str, *, dry_run: bool, console: Console) -> Outcome:
    """Check and import ``file``. ``url`` belongs to the role portico_admin. Raises Problem."""
    pool = await Pool.open(url, size=2, application_name="portico-import", command_timeout=60)
    try:
        async with pool.transaction(None) as conn:
            agency = await agencies.by_slug(conn, slug)
        if agency is None:
            raise Problem(f"There is no agency {slug!r}.")
        async with pool.transaction(agency.id) as conn:
            blocks = await field_blocks.of_agency(conn)
        refused: list[Refused] = []
        good: list[RosterRow] = []
        for found in rows_of(file, blocks, today=system_clock().date()):
            if isinstance(found, RosterRow):
                good.append(found)
            else:
                refused.extend(found)
        work = Work(pool, system_clock, table="accounts.outbox")
        actor = operator(agency.id, getpass.getuser(), socket.gethostname())
        columns = (TextColumn("Importing clients"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("rows", total=len(good))
            rows = [] if dry_run else good
            outcome = await clients.run(work, actor=actor, rows=rows, advance=lambda n: progress.advance(task, n))
            progress.update(task, completed=len(good))
        outcome.refused = sorted(refused + outcome.refused, key=lambda r: r.line)
        return outcome
    finally:
        await pool.close()


def _tell(outcome: Outcome, *, dry_run: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for r in outcome.refused:
        console.print(f"line {r.line}, {r.field}: {r.message}", markup=False)
    lines = len({r.line for r in outcome.refused})
    if dry_run:
        console.print(f"Nothing was changed. {lines} rows would be refused.")
        return
    console.print(
        f"Added {outcome.clients_added} clients and {outcome.cases_added} cases; "
        f"{outcome.clients_known} clients and {outcome.cases_known} cases were there already; {lines} rows refused."
    )
