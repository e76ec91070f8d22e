"""`portico audit verify`: walks the hash chains, and names what was done to them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from ops.audit.databases import DataFolder, Operator, agency_called, connection, problems_told, slugs
from ops.audit.evidence import Means
from ops.audit.reports import as_json, show
from ops.deployment import Deployment
from ops.problems import Problem
from services.audit.evidence import ExportedSeals
from services.audit.findings import ChainReport
from services.audit.notes import note_of
from services.audit.store import append
from services.audit.verify import Begun, open_pool
from services.audit.verify import verify as verify_chains
from services.audit.walk import Walked
from shared.clock import system_clock
from shared.events.operator_catalogue import AuditLogVerified


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Events a second."""
        return Text("" if task.speed is None else f"{task.speed:,.0f}/s")


_COLUMNS = (TextColumn("Verifying"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())


def verify(
    agency: Annotated[str | None, typer.Option("--agency", help="One agency: its slug, or its id.")] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="DAY", help="Begin at the last good seal before this day or year (UTC)."),
    ] = None,
    seals: Annotated[
        list[Path] | None,
        typer.Option(
            "--seals", help="A file of exported seals; may be repeated. SEALS_FILE if left out.", dir_okay=False
        ),
    ] = None,
    public_key: Annotated[
        list[Path] | None,
        typer.Option(
            "--public-key",
            help="A key to believe, in PEM; may be repeated. SEAL_PUBLIC_KEY if left out.",
            dir_okay=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    data: DataFolder = Path(".portico"),
) -> None:
    """Verify that no event was edited, removed, inserted or reordered since it was stored.

    Walks the hash chain of each agency and year, compares it with the signed seals, and names the first event that was
    tampered with. Everything else may go on meanwhile. Each agency's log records that it was done. Ends with status 1
    when tampering was found.
    """
    work = _Verify(agency, moment(since) if since else None, Console(stderr=True))
    means = Means.given(public_keys=public_key or (), seals=seals or (), data=data)
    with problems_told():
        reports, names = asyncio.run(work.run(Deployment.named(data), means, system_clock()))
    if json:
        sys.stdout.write(as_json(reports, names) + "\n")
    else:
        show(reports, names, since=work.since, exported=bool(means.files))
    raise typer.Exit(0 if all(report.well for report in reports) else 1)


def moment(text: str) -> datetime:
    """The beginning of a day (``2026-03-01``) or a year (``2026``) in UTC. Raises Problem."""
    for form in ("%Y-%m-%d", "%Y"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise Problem(f"--from takes a day such as 2026-03-01, or a year, not {text!r}.")


@dataclass(frozen=True, slots=True)
class _Verify:
    """One run of the command."""

    agency: str | None
    since: datetime | None
    console: Console

    async def run(
        self, deployment: Deployment, means: Means, now: datetime
    ) -> tuple[list[ChainReport], Mapping[UUID, str]]:
        """Verify, and record that it was done; answers the reports and what the agencies are called."""
        agency_id = await self._agency(deployment)
        names = await _names(deployment)
        exported = await asyncio.to_thread(means.exported)
        reports = await self._walk(deployment, means, exported, agency_id, now)
        if exported.damaged:
            self.console.print(f"{exported.damaged:,} lines of the exported files are no seals, and were left out.")
        await self._record(deployment, reports, names, now)
        return reports, names

    async def _agency(self, deployment: Deployment) -> UUID | None:
        if self.agency is None:
            return None
        try:
            return UUID(self.agency)
        except ValueError:
            return (await agency_called(deployment, self.agency)).id

    async def _walk(
        self, deployment: Deployment, means: Means, exported: ExportedSeals, agency_id: UUID | None, now: datetime
    ) -> list[ChainReport]:
        reports = []
        pool = await open_pool(deployment.audit_owner_url)
        try:
            with Progress(*_COLUMNS, console=self.console) as progress:
                task = progress.add_task("events", total=None)
                steps = verify_chains(
                    pool, keys=means.keys, exported=exported, now=now, agency_id=agency_id, since=self.since
                )
                async for step in steps:
                    if isinstance(step, Begun):
                        progress.update(task, total=step.events)
                    elif isinstance(step, Walked):
                        progress.advance(task, step.events)
                    else:
                        reports.append(step)
                        # What is left out, or is beyond an event that does not fit, is done with as well.
                        progress.advance(task, max(0, step.rows - step.events))
        finally:
            await pool.close()
        return sorted(reports, key=lambda r: (r.chain.agency_id, r.chain.year))

    async def _record(
        self, deployment: Deployment, reports: Sequence[ChainReport], names: Mapping[UUID, str], now: datetime
    ) -> None:
        """An event in the log of each agency that there is."""
        by_agency: dict[UUID, list[ChainReport]] = {}
        for report in reports:
            if not names or report.chain.agency_id in names:
                by_agency.setdefault(report.chain.agency_id, []).append(report)
        async with connection(deployment.audit_owner_url) as store:
            for agency_id, own in by_agency.items():
                verified = AuditLogVerified(
                    outcome="well" if all(r.well for r in own) else "tampered",
                    chains=len(own),
                    events=sum(r.events for r in own),
                    since=self.since.date() if self.since else None,
                )
                async with store.transaction():
                    await append(store, [note_of(verified, actor=Operator().at(agency_id), now=now)])


async def _names(deployment: Deployment) -> Mapping[UUID, str]:
    """What agencies are called; nothing when the accounts database can't be asked, which verification does not need."""
    try:
        with problems_told():
            return await slugs(deployment)
    except Problem:
        return {}
