"""`portico audit erase`: the personal details of a client's events go, the events and their chain stay."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ops.audit.counts import counted
from ops.audit.databases import (
    SQL,
    AgencySlug,
    DataFolder,
    Operator,
    WithoutAsking,
    admin_url,
    agency_called,
    connection,
    problems_told,
)
from ops.deployment import Deployment
from ops.problems import Problem
from services.audit import erasure
from services.audit.erasure import Found, Whose
from shared.accounts import portal_logins
from shared.clock import system_clock
from shared.db import Connection, Pool

_LONGEST_REASON = 500
_COLUMNS = (TextColumn("Erasing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def erase(
    agency: AgencySlug,
    client_number: Annotated[str, typer.Option("--client-number", help="The client's number at the agency.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; stays readable in the agency's log, so name nobody.")],
    data: DataFolder = Path(".portico"),
    early: Annotated[
        bool,
        typer.Option("--early", help="Although the agency's retention is not over: the reason says what asks for it."),
    ] = False,
    yes: WithoutAsking = False,
) -> None:
    """Erase the personal details of all events of a client, for good. Asks before it does.

    The events stay, with their time and kind, and both logs say that the details were erased. The agency's log records
    the erasure. Refused while the client has an active portal login. Can be run again after an interruption.
    """
    reason = reason.strip()
    if not 1 <= len(reason) <= _LONGEST_REASON or not reason.isprintable():
        raise Problem(f"--reason takes one line of 1 to {_LONGEST_REASON} characters.")
    work = _Erase(slug=agency, client_number=client_number, reason=reason, early=early, yes=yes)
    with problems_told():
        asyncio.run(work.run(Deployment.named(data), admin_url(data), system_clock()))


@dataclass(frozen=True, slots=True)
class _Erase:
    """One run of the command."""

    slug: str
    client_number: str
    reason: str
    early: bool
    yes: bool

    async def run(self, deployment: Deployment, accounts_url: str, now: datetime) -> None:
        """Find the client's events, ask, and erase."""
        agency = await agency_called(deployment, self.slug)
        whose = await self._whose(accounts_url, agency.id)
        console = Console(stderr=True)
        async with connection(deployment.audit_owner_url) as store:
            with console.status("Looking for the client's events"):
                found = await erasure.find(store, whose)
            self._tell(found)
            if not found.ids and not found.letters:
                typer.echo("There is nothing to erase.")
            elif found.is_early(now) and not self.early:
                raise Problem(
                    f"{self.slug} has to keep these events until {found.kept_until}. If a law or a court asks for it"
                    " earlier, say so as the reason and use --early."
                )
            elif self.yes or typer.confirm("Erase them for good?", err=True):
                await self._erase(store, whose, found, now, console)
            else:
                typer.echo("Nothing was changed.")
                raise typer.Exit(1)

    async def _whose(self, accounts_url: str, agency_id: UUID) -> Whose:
        """The client and the logins. Raises Problem when there is no such client, or a login is active."""
        pool = await Pool.open(accounts_url, size=1, application_name="portico-operator", command_timeout=60)
        try:
            async with pool.transaction(agency_id) as conn:
                client_id = await conn.fetchval(SQL["client_of_number"], self.client_number)
                if client_id is None:
                    raise Problem(f"{self.slug} has no client {self.client_number!r}.")
                logins = await portal_logins.of_client(conn, client_id)
        finally:
            await pool.close()
        if any(login.active for login in logins):
            raise Problem("The client has an active portal login: make it inactive first, or new events would follow.")
        return Whose(agency_id, client_id, tuple(login.id for login in logins))

    def _tell(self, found: Found) -> None:
        events, letters = counted(found.events, "event"), counted(found.letters, "dead letter")
        details = f"{len(found.ids):,} of them with personal details"
        typer.echo(f"Client {self.client_number} of {self.slug}: {events}, {details}, and {letters}.")
        if found.waiting:
            typer.echo(
                f"Besides, {counted(found.waiting, 'dead letter')} of this client with no decision yet: replay or"
                " discard (`portico dead-letters list`), then run this again, or their text stays."
            )

    async def _erase(self, store: Connection, whose: Whose, found: Found, now: datetime, console: Console) -> None:
        with Progress(*_COLUMNS, console=console) as progress:
            task = progress.add_task("events", total=len(found.ids))
            await erasure.erase(
                store,
                whose,
                found,
                actor=Operator().at(whose.agency_id),
                reason=self.reason,
                now=now,
                advance=lambda count: progress.advance(task, count),
            )
        with console.status("Having PostgreSQL forget the rows as they were"):
            await erasure.tidy(store, found)
        events, letters = counted(len(found.ids), "event"), counted(found.letters, "dead letter")
        typer.echo(f"Erased the personal details of {events} and {letters}.")
