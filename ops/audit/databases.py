"""The databases of an operator's work on the audit store, and who the operator is."""

from __future__ import annotations

import getpass
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, TypeAlias
from uuid import UUID

import asyncpg
import typer

from ops.deployment import Deployment
from ops.problems import Problem
from ops.settings import required, setting
from ops.stack import environment
from shared.accounts import agencies
from shared.accounts.agencies import Agency
from shared.actors import Actor, operator
from shared.db import Connection, Unavailable, named_queries

SQL: Final = named_queries(__package__, "sql/accounts.sql")

DataFolder: TypeAlias = Annotated[
    Path, typer.Option("--data", help="The data folder of a running `portico up`; not needed with OWNER_DATABASE_URL.")
]
AgencySlug: TypeAlias = Annotated[str, typer.Option("--agency", help="The agency's slug.")]
WithoutAsking: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_NOT_CURRENT: Final = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError)
_REFUSED: Final = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


@dataclass(frozen=True, slots=True)
class Operator:
    """Who is at the command line."""

    account: str = field(default_factory=getpass.getuser)
    host: str = field(default_factory=socket.gethostname)

    def at(self, agency_id: UUID) -> Actor:
        """As the log of an agency names the operator."""
        return operator(agency_id, self.account, self.host)


def admin_url(data: Path) -> str:
    """The accounts database of the same deployment as portico_admin sees it, agency by agency. Raises Problem."""
    if setting("OWNER_DATABASE_URL"):
        return required("DATABASE_URL")
    return environment.load(data)["DATABASE_URL"]


@contextmanager
def problems_told() -> Iterator[None]:
    """Say in a sentence what a database refuses, or that it is away."""
    try:
        yield
    except _NOT_CURRENT:
        raise Problem("The databases are not of this version: run `portico migrate` first.") from None
    except _REFUSED as error:
        raise Problem(f"The database refuses its user this: {error}.") from None
    except Unavailable as error:
        raise Problem(f"The database can't be reached: {error or type(error).__name__}.") from None


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[Connection]:
    """A connection without a limit to what a query may take."""
    conn = await asyncpg.connect(url, server_settings={"application_name": "portico-operator", "timezone": "UTC"})
    try:
        yield conn
    finally:
        await conn.close()


async def agency_called(deployment: Deployment, slug: str) -> Agency:
    """The agency of a slug. Raises Problem."""
    async with connection(deployment.owner_url) as accounts:
        agency = await agencies.by_slug(accounts, slug)
    if agency is None:
        raise Problem(f"There is no agency {slug!r}.")
    return agency


async def slugs(deployment: Deployment) -> Mapping[UUID, str]:
    """What all agencies are called."""
    async with connection(deployment.owner_url) as accounts:
        return {r["id"]: r["slug"] for r in await accounts.fetch(SQL["slugs"])}
