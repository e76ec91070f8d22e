"""`portico single-sign-on`: how an agency's staff sign in, and the way back when nobody gets in any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ops.audit.databases import DataFolder, Operator, problems_told
from ops.problems import Problem
from ops.settings import setting
from ops.stack import environment
from shared.accounts import agencies, identity_providers, staff
from shared.accounts.agencies import Agency
from shared.accounts.identity_providers import IdentityProvider
from shared.clock import system_clock
from shared.db import Pool
from shared.events import Subject
from shared.events.registry import Change
from shared.events.single_sign_on_catalogue import AgencySingleSignOnChanged, StaffIdentityUnlinked
from shared.outbox import Transaction, Work


class Switch(Enum):
    """On or off."""

    ON = "on"
    OFF = "off"


def single_sign_on(
    agency: Annotated[str, typer.Argument(help="The agency's slug.")],
    local_sign_in: Annotated[
        Switch | None, typer.Option("--local-sign-in", help="Whether staff may sign in with a password as well.")
    ] = None,
    unlink: Annotated[
        str | None,
        typer.Option("--unlink", help="A staff user who has another login at the provider now: the next one counts."),
    ] = None,
    data: DataFolder = Path(".portico"),
) -> None:
    """Show how an agency's staff sign in, and change what its admins cannot. The agency's log records the change."""
    with problems_told():
        asyncio.run(_run(data, agency, local_sign_in, unlink))


async def _run(data: Path, slug: str, switch: Switch | None, username: str | None) -> None:
    async with _accounts(data) as work:
        async with work.pool.transaction(None) as conn:
            agency = await agencies.by_slug(conn, slug)
        if agency is None:
            raise Problem(f"There is no agency {slug!r}.")
        async with work.transaction(Operator().at(agency.id)) as tx:
            provider = await identity_providers.lock(tx.conn)
            if switch is not None:
                provider = await _switch(tx, agency, provider, on=switch is Switch.ON)
            if username is not None:
                await _unlink(tx, agency, username)
        _show(agency, provider)


@asynccontextmanager
async def _accounts(data: Path) -> AsyncIterator[Work]:
    url = setting("DATABASE_URL") or environment.load(data)["DATABASE_URL"]
    pool = await Pool.open(url, size=1, application_name="portico-operator")
    try:
        yield Work(pool, system_clock, table="accounts.outbox")
    finally:
        await pool.close()


async def _switch(tx: Transaction, agency: Agency, old: IdentityProvider | None, *, on: bool) -> IdentityProvider:
    if old is None:
        raise Problem(f"{agency.slug} does not use single sign-on: its staff sign in with passwords.")
    if old.local_sign_in is on:
        return old
    new = replace(old, local_sign_in=on, version=old.version + 1)
    await identity_providers.put(tx.conn, agency.id, new)
    words = ("Off", "On")
    change = Change(field="Sign-in with a Password", old=words[not on], new=words[on])
    await tx.append(AgencySingleSignOnChanged(changes=(change,)), Subject())
    return new


async def _unlink(tx: Transaction, agency: Agency, username: str) -> None:
    user = await staff.by_username(tx.conn, username)
    if user is None:
        raise Problem(f"{agency.slug} has no staff user {username!r}.")
    if not await identity_providers.unlink(tx.conn, user.id):
        raise Problem(f"{user.username} has not signed in with single sign-on yet.")
    await tx.append(StaffIdentityUnlinked(username=user.username), Subject(staff_user_id=user.id))
    typer.echo(f"Whoever signs in as {user.username} at the provider next is taken for this staff user from then on.")


def _show(agency: Agency, provider: IdentityProvider | None) -> None:
    if provider is None:
        typer.echo(f"{agency.slug} does not use single sign-on.")
        return
    typer.echo(f"{agency.slug} uses single sign-on with {provider.name}.")
    typer.echo(f"  issuer         {provider.issuer}")
    typer.echo(f"  client id      {provider.client_id}")
    typer.echo(f"  claim          {provider.claim}")
    typer.echo(f"  local sign-in  {'on' if provider.local_sign_in else 'off'}")
    typer.echo(f"  connected      {provider.connected_at:%Y-%m-%d %H:%M} UTC")
