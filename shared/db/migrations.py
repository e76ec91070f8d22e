"""Forward-only migrations: numbered .sql files of a package, each applied once, in one transaction, under a lock.

Files are called ``0001_what_it_does.sql``. An applied file must not change: its digest is kept and compared.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import asyncpg

from shared.db import partition_indexes, table_indexes
from shared.db.pool import Connection

_FILE = re.compile(r"^(?P<number>\d{4})_[a-z0-9_]+\.sql$")
# Any two migrators of one database take turns; the number is arbitrary but must never change.
_LOCK = 7_401_922_001
_LOOK_AGAIN_SECONDS = 0.1


class MigrationChanged(Exception):
    """A migration that was applied already reads differently now."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: ``name`` is ``package/file``."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations_of(package: str) -> list[Migration]:
    """The package's migrations in the order of their numbers."""
    files = [f for f in resources.files(package).iterdir() if _FILE.match(f.name)]
    return [
        Migration(f"{package}/{f.name}", f.read_text(encoding="utf-8")) for f in sorted(files, key=lambda f: f.name)
    ]


async def apply(dsn: str, packages: Sequence[str], role_passwords: Mapping[str, str]) -> list[str]:
    """Create the roles, apply what is missing, and answer the names of what was applied.

    ``role_passwords`` maps a role's name to its password; roles are made when missing and given that password.
    Indexes that a migration made without their partitions, and those of the packages' ``indexes.sql``, are built at the
    end, while services run.
    """
    conn = await asyncpg.connect(dsn, server_settings={"application_name": "portico-migrate"})
    try:
        await _take_turns(conn)
        await _ensure_roles(conn, role_passwords)
        applied = await _apply_missing(conn, [m for package in packages for m in migrations_of(package)])
        await partition_indexes.build_missing(conn)
        await table_indexes.build_missing(conn, packages)
        return applied
    finally:
        await conn.close()


async def _take_turns(conn: Connection) -> None:
    while not await conn.fetchval("select pg_try_advisory_lock($1)", _LOCK):  # noqa: ASYNC110 - see below
        # Whoever waits inside a statement is waited for by the building of indexes, which would be a circle.
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _ensure_roles(conn: Connection, role_passwords: Mapping[str, str]) -> None:
    # Roles belong to the whole server, so another database's migrator may be making the same ones right now.
    async with conn.transaction():
        await conn.execute("select pg_advisory_xact_lock($1)", _LOCK)
        for role, password in role_passwords.items():
            name, secret = await conn.fetchrow("select quote_ident($1), quote_literal($2)", role, password) or ("", "")
            if not await conn.fetchval("select 1 from pg_roles where rolname = $1", role):
                try:
                    async with conn.transaction():
                        await conn.execute(f"create role {name} login nobypassrls nocreatedb nocreaterole nosuperuser")
                except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
                    pass
            await conn.execute(f"alter role {name} login password {secret}")


async def _apply_missing(conn: Connection, migrations: Sequence[Migration]) -> list[str]:
    await conn.execute(
        "create table if not exists public.portico_migrations"
        " (name text primary key, digest text not null, applied_at timestamptz not null default now())"
    )
    known = {r["name"]: r["digest"] for r in await conn.fetch("select name, digest from public.portico_migrations")}
    applied = []
    for migration in migrations:
        if migration.name in known:
            if known[migration.name] != migration.digest:
                raise MigrationChanged(f"{migration.name} was applied in another wording; add a new migration instead")
            continue
        async with conn.transaction():
            await conn.execute(migration.text)
            await conn.execute(
                "insert into public.portico_migrations (name, digest) values ($1, $2)", migration.name, migration.digest
            )
        applied.append(migration.name)
    return applied
