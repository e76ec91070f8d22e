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

# Rows go, tables stay: making a database costs two hundred milliseconds, emptying one costs ten. Foreign keys are not
# looked at meanwhile. A table that a test made large is truncated.
_EMPTY = """
do $$
declare
    t record;
begin
    perform pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid();
    set local session_replication_role = replica;
    for t in
        select c.oid, c.oid::regclass as name from pg_class c
        where c.relkind = 'r' and c.relnamespace in ('accounts'::regnamespace, 'mail'::regnamespace, 'audit'::regnamespace)
    loop
        if pg_relation_size(t.oid) > 262144 then
            execute format('truncate %s cascade', t.name);
        elsif pg_relation_size(t.oid) > 0 then
            execute format('delete from %s', t.name);
        end if;
    end loop;
    for t in
        select c.oid::regclass as name from pg_class c
        where c.relkind = 'S' and c.relnamespace = 'audit'::regnamespace
    loop
        execute format('alter sequence %s restart', t.name);
    end loop;
end
$$
"""
# What a database consists of: one that a test changed is not used again.
_SHAPE = """
select (select count(*) from pg_class where relnamespace >= 16384) * 100000
    + (select count(*) from public.portico_migrations)
"""


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
        self._shape = 0
        self._empty: list[Database] = []

    async def prepare(self) -> None:
        """Migrate the template."""
        conn = await asyncpg.connect(self._server.url)
        try:
            await conn.execute(f"create database {_TEMPLATE}")
        finally:
            await conn.close()
        await migrations.apply(self._server.url_of(_TEMPLATE), [*ACCOUNTS_PACKAGES, *AUDIT_PACKAGES], self._passwords)
        conn = await asyncpg.connect(self._server.url_of(_TEMPLATE))
        try:
            self._shape = await conn.fetchval(_SHAPE)
        finally:
            await conn.close()

    async def create(self) -> Database:
        """A database with everything migrated and no rows."""
        if self._empty:
            return self._empty.pop()
        name = f"test_{next(self._numbers)}"
        conn = await asyncpg.connect(self._server.url)
        try:
            await conn.execute(f"create database {name} template {_TEMPLATE}")
        finally:
            await conn.close()
        return Database(self._server.url_of(name), self._passwords)

    async def give_back(self, database: Database) -> None:
        """Empty it for another test, or drop it when this one changed more than rows."""
        conn = await asyncpg.connect(database.owner_url)
        try:
            unchanged = await conn.fetchval(_SHAPE) == self._shape
            if unchanged:
                await conn.execute(_EMPTY)
        finally:
            await conn.close()
        if unchanged:
            self._empty.append(database)
        else:
            await self._drop(database)

    async def _drop(self, database: Database) -> None:
        name = urlsplit(database.owner_url).path.lstrip("/")
        conn = await asyncpg.connect(self._server.url)
        try:
            await conn.execute(f"drop database {name} with (force)")
        finally:
            await conn.close()
