"""`portico migrate`: bring the databases to the version of this code, and give the services' roles their passwords."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated

import asyncpg
import typer
from pydantic import AfterValidator

from ops.problems import Problem
from ops.stack.secrets import DATABASE_ROLES
from shared.db import migrations
from shared.settings import Port, ProcessSettings, wrong

ACCOUNTS = ("shared.accounts.migrations", "shared.deliveries.migrations")
AUDIT = ("services.audit.migrations",)

_UNREACHABLE = (asyncpg.InvalidCatalogNameError, asyncpg.CannotConnectNowError, asyncpg.InterfaceError)


def postgres_url(value: str) -> str:
    """Check a setting that is a PostgreSQL URL."""
    if not value.startswith(("postgresql://", "postgres://")):
        raise wrong("must be a URL such as postgresql://user:password@host:5432/database")
    return value


PostgresUrl = Annotated[str, AfterValidator(postgres_url)]


class MigrationSettings(ProcessSettings):
    """The owner's URLs (superuser, or with CREATEROLE), and the password that each service's role gets."""

    probe_port: Port = 0
    database_url: PostgresUrl
    audit_database_url: PostgresUrl | None = None
    admin_db_password: str
    portal_db_password: str
    audit_db_password: str
    notifier_db_password: str
    relay_db_password: str

    def environment(self) -> dict[str, str]:
        """The same as ``migrate_all`` takes it."""
        values = self.model_dump(exclude={"probe_port", "log_level", "log_format"}, exclude_none=True)
        return {name.upper(): value for name, value in values.items()}


async def migrate_all(env: Mapping[str, str]) -> list[str]:
    """Apply what is missing to both databases and answer what was applied.

    ``env`` holds DATABASE_URL and AUDIT_DATABASE_URL (the same when left out) of owners, and ``<ROLE>_DB_PASSWORD``
    of each role. Raises Problem when a server cannot be reached or refuses.
    """
    accounts = env["DATABASE_URL"]
    audit = env.get("AUDIT_DATABASE_URL") or accounts
    passwords = {f"portico_{role}": env[f"{role.upper()}_DB_PASSWORD"] for role in DATABASE_ROLES}
    applied = await _apply("DATABASE_URL", accounts, ACCOUNTS, passwords)
    return applied + await _apply("AUDIT_DATABASE_URL", audit, AUDIT, {"portico_audit": passwords["portico_audit"]})


async def _apply(setting: str, url: str, packages: tuple[str, ...], passwords: Mapping[str, str]) -> list[str]:
    try:
        return await migrations.apply(url, packages, passwords)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise Problem(f"The user of {setting} may not do this: {error}.") from error
    except (OSError, TimeoutError, *_UNREACHABLE) as error:
        raise Problem(f"The database of {setting} cannot be reached: {error}.") from error
    except migrations.MigrationChanged as error:
        raise Problem(f"{error}.") from error


def migrate() -> None:
    """Bring the databases to this version. Safe to run again, and while services run.

    Takes DATABASE_URL (an owner: superuser or CREATEROLE), AUDIT_DATABASE_URL where the audit store has a database of
    its own, and ADMIN_, PORTAL_, AUDIT_, NOTIFIER_ and RELAY_DB_PASSWORD; each also as NAME_FILE, the path to a file.
    """
    applied = asyncio.run(migrate_all(MigrationSettings.load().environment()))
    for name in applied:
        typer.echo(f"Applied {name}")
    if not applied:
        typer.echo("Nothing to apply: the databases are up to date.")
