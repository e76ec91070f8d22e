"""`portico audit retention`: how long events are kept, and the end of years that nobody keeps any longer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.filesize import decimal

from ops.audit.counts import counted
from ops.audit.databases import (
    AgencySlug,
    DataFolder,
    Operator,
    WithoutAsking,
    agency_called,
    connection,
    problems_told,
    slugs,
)
from ops.deployment import Deployment
from ops.problems import Problem
from services.audit import retention
from services.audit.retention import FIRST_YEAR, LEAST_YEARS, MOST_YEARS, Busy, Differs, Partition, Share, StillKept
from shared.clock import system_clock
from shared.db import Connection

# More names than these tell nobody anything.
_NAMED: Final = 3

app = typer.Typer(help="How long events are kept.", no_args_is_help=True)


@app.callback()
def retention_group() -> None:
    """How long events are kept: a year's events go together, when no agency keeps them any longer."""


@app.command("list")
def list_retention(data: DataFolder = Path(".portico")) -> None:
    """Show for how long each agency keeps events, which years there are, and when each of them may go."""
    with problems_told():
        asyncio.run(_list(Deployment.named(data), system_clock()))


@app.command("set")
def set_retention(
    agency: AgencySlug,
    years: Annotated[int, typer.Option("--years", help="Full years after the year of an event: 6 to 100.")],
    data: DataFolder = Path(".portico"),
) -> None:
    """Have an agency's events kept for so many full years after their own. The agency's log records the change."""
    if not LEAST_YEARS <= years <= MOST_YEARS:
        raise Problem(
            f"Events are kept for {LEAST_YEARS} years at least (45 CFR 164.316(b)(2)(i)) and {MOST_YEARS} at most."
        )
    with problems_told():
        asyncio.run(_set(Deployment.named(data), agency, years, system_clock()))


@app.command("apply")
def apply_retention(
    data: DataFolder = Path(".portico"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go and change nothing.")] = False,
    yes: WithoutAsking = False,
    make_partitions: Annotated[
        bool, typer.Option("--make-partitions", help="First give old years that have no partition one of their own.")
    ] = False,
    despite_differences: Annotated[
        bool, typer.Option("--despite-differences", help="Let a year go although events of it are missing already.")
    ] = False,
) -> None:
    """Remove the years that no agency keeps any longer, each one as a whole, for good. Asks before it does.

    Each agency's log records what went. Can be run while everything is at work, and again after an interruption.
    """
    work = _Apply(dry_run=dry_run, yes=yes, make_partitions=make_partitions, despite_differences=despite_differences)
    with problems_told():
        asyncio.run(work.run(Deployment.named(data), system_clock()))


async def _list(deployment: Deployment, now: datetime) -> None:
    names = await slugs(deployment)
    async with connection(deployment.audit_owner_url) as store:
        chosen = {p.agency_id: p for p in await retention.policies(store)}
        partitions = await retention.partitions(store)
        loose = await retention.without_partition(store)
    for agency_id, name in _all_names(names, partitions).items():
        policy = chosen.get(agency_id)
        how = f", set on {policy.set_at.astimezone(UTC):%Y-%m-%d} by {policy.set_by}" if policy else ""
        typer.echo(f"{name} keeps {policy.years if policy else LEAST_YEARS} years{how}.")
    for partition in partitions:
        rows = "not counted yet" if partition.rows is None else f"about {counted(partition.rows, 'event')}"
        typer.echo(f"{partition.year}: {rows}, {decimal(partition.size)}; {_until(partition, names, now)}.")
    _tell_loose(loose)


def _until(partition: Partition, names: Mapping[UUID, str], now: datetime) -> str:
    day = partition.goes_on
    if partition.is_over(now):
        return f"nobody keeps it since {day}, `portico audit retention apply` removes it"
    longest = max((years for _, years in partition.keepers), default=0)
    who = sorted(_named(names, a) for a, years in partition.keepers if years == longest)
    by = ", ".join(who) if len(who) <= _NAMED else f"{len(who)} agencies"
    return f"may go on {day}" + (f", kept longest by {by}" if by else "")


def _all_names(names: Mapping[UUID, str], partitions: Sequence[Partition]) -> dict[UUID, str]:
    known = dict(names)
    for partition in partitions:
        known |= {a: _named(names, a) for a, _ in partition.keepers}
    return known


def _named(names: Mapping[UUID, str], agency_id: UUID) -> str:
    return names.get(agency_id, str(agency_id))


def _tell_loose(loose: Mapping[int, int]) -> None:
    for year, rows in loose.items():
        typer.echo(
            f"{year}: {counted(rows, 'event')} in no partition of the year's own, where nothing goes"
            " (`portico audit retention apply --make-partitions`)."
        )


async def _set(deployment: Deployment, slug: str, years: int, now: datetime) -> None:
    agency = await agency_called(deployment, slug)
    async with connection(deployment.audit_owner_url) as store:
        old = await retention.set_years(store, actor=Operator().at(agency.id), years=years, now=now)
    if old == years:
        typer.echo(f"{slug} keeps {years} years already. Nothing was changed.")
    else:
        typer.echo(f"{slug} keeps {years} years; it was {old}.")


class _Apply:
    """One run of the command."""

    def __init__(self, *, dry_run: bool, yes: bool, make_partitions: bool, despite_differences: bool) -> None:
        self._dry_run = dry_run
        self._yes = yes
        self._make_partitions = make_partitions
        self._despite_differences = despite_differences
        self._console = Console(stderr=True)

    async def run(self, deployment: Deployment, now: datetime) -> None:
        """Show what would go, ask, and let it go."""
        names = await slugs(deployment)
        async with connection(deployment.audit_owner_url) as store:
            await self._partition(store, now)
            over = [p for p in await retention.partitions(store) if p.is_over(now)]
            found = {p.year: await self._count(store, p) for p in over}
            for partition in over:
                _tell(partition, found[partition.year], names)
            # By what was counted: a row that somebody put beside the chains may be one of an agency that keeps it.
            going = {year: shares for year, shares in found.items() if _goes(year, shares, now)}
            for year in found.keys() - going.keys():
                typer.echo(f"{year} stays: one of these agencies keeps it longer.")
            if not going:
                typer.echo("No year is over for everybody who has events in it. Nothing was changed.")
            elif self._dry_run:
                typer.echo("Nothing was changed.")
            elif not self._despite_differences and any(s.differs for shares in going.values() for s in shares):
                raise _different()
            elif self._yes or _confirmed(going):
                await self._retire(store, going, now)
            else:
                typer.echo("Nothing was changed.")
                raise typer.Exit(1)

    async def _partition(self, store: Connection, now: datetime) -> None:
        loose = await retention.without_partition(store)
        if not self._make_partitions:
            _tell_loose(loose)
            return
        for year in (y for y in loose if FIRST_YEAR <= y < now.year - LEAST_YEARS):
            if self._dry_run:
                typer.echo(f"{year}: would get a partition for {counted(loose[year], 'event')}.")
                continue
            try:
                await retention.make_partition(store, year)
            except Busy as busy:
                raise _busy(year, "got no partition") from busy
            typer.echo(f"{year}: has a partition for {counted(loose[year], 'event')} now.")

    async def _count(self, store: Connection, partition: Partition) -> Sequence[Share]:
        with self._console.status(f"Counting the events of {partition.year}"):
            return await retention.shares(store, partition.year)

    async def _retire(self, store: Connection, going: Mapping[int, Sequence[Share]], now: datetime) -> None:
        for year, found in going.items():
            try:
                with self._console.status(f"Removing {year}"):
                    gone = await retention.retire(
                        store,
                        year=year,
                        found=found,
                        by=Operator().at,
                        now=now,
                        despite_differences=self._despite_differences,
                    )
            except Busy as busy:
                raise _busy(year, "was not removed") from busy
            except Differs as differs:
                raise _different() from differs
            except StillKept as kept:
                raise Problem(f"{year} was not removed: an agency has come to keep it longer.") from kept
            typer.echo(f"{year} is gone: {counted(sum(s.rows for s in gone), 'event')}.")


def _tell(partition: Partition, found: Sequence[Share], names: Mapping[UUID, str]) -> None:
    rows = counted(sum(share.rows for share in found), "event")
    typer.echo(f"{partition.year}: {rows}, {decimal(partition.size)}, over since {partition.goes_on}.")
    for share in found:
        differs = f"; its chain says {share.expected:,}" if share.differs else ""
        typer.echo(f"  {_named(names, share.agency_id)}: {counted(share.rows, 'event')}{differs}")


def _goes(year: int, found: Sequence[Share], now: datetime) -> bool:
    years = max((share.years for share in found), default=LEAST_YEARS)
    return now.date() >= retention.first_day_without(year, years)


def _confirmed(going: Mapping[int, Sequence[Share]]) -> bool:
    rows = sum(share.rows for found in going.values() for share in found)
    return typer.confirm(f"Remove {', '.join(map(str, going))} with {counted(rows, 'event')} for good?", err=True)


def _busy(year: int, what: str) -> Problem:
    return Problem(
        f"{year} {what}: a long query or a busy time kept the events locked. Nothing of it was changed; try again."
    )


def _different() -> Problem:
    return Problem(
        "Events are missing or too many: compare with what their chains say. Find out with `portico audit verify`"
        " before their year goes; then use --despite-differences."
    )
