"""A real PostgreSQL with one database a test, copied from a template that was migrated once."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from ops.stack.postgres import EmbeddedPostgres
from shared.db import migrations

ROLES = ("portico_admin", "portico_portal", "portico_audit", "portico_notifier", "portico_relay")
ACCOUNTS_PACKAGES = ("shared.accounts.migrations", "shared.deliveries.migrations")
AUDIT_PACKAGES = ("services.audit.migrations",)
_TEMPLATE = "portico_template"


@dataclass(frozen=True, slots=True)
class Database:
    """One test's database. ``url(role)`` is what a service of that role would be given."""

    owner_url: str
    passwords: dict[str, str]

    def url(self, role: str) -> str:
        """The URL of this database for one of the service roles."""
        parts = urlsplit(self.owner_url)
        host = f"{parts.hostname}:{parts.port}"
        return urlunsplit(parts._replace(netloc=f"{role}:{quote(self.passwords[role], safe='')}@{host}"))


class Databases:
    """Makes and drops databases on one server."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._passwords = {role: secrets.token_urlsafe(16) for role in ROLES}
        self._numbers = itertools.count(1)

    async def prepare(self) -> None:
        """Migrate the template."""
        conn = await asyncpg.connect(self._server.url)
        try:
            await conn.execute(f"create database {_TEMPLATE}")
        finally:
            await conn.close()
        await migrations.apply(self._server.url_of(_TEMPLATE), [*ACCOUNTS_PACKAGES, *AUDIT_PACKAGES], self._passwords)

    async def create(self) -> Database:
        """A fresh database with everything migrated and no rows."""
        name = f"test_{next(self._numbers)}"
        conn = await asyncpg.connect(self._server.url)
        try:
            await conn.execute(f"create database {name} template {_TEMPLATE}")
        finally:
            await conn.close()
        return Database(self._server.url_of(name), self._passwords)

    async def drop(self, database: Database) -> None:
        """Away with it, whoever is still connected."""
        name = urlsplit(database.owner_url).path.lstrip("/")
        conn = await asyncpg.connect(self._server.url)
        try:
            await conn.execute(f"drop database {name} with (force)")
        finally:
            await conn.close()
