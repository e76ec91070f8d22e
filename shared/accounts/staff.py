"""Staff users: the people who work in the admin service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.actors import Role
from shared.db import Connection, named_queries

SQL = named_queries(__package__, "sql/staff.sql")


@dataclass(frozen=True, slots=True)
class StaffUser:
    """One staff user. ``username`` stands in the action log, ``display_name`` in the change log."""

    id: UUID
    username: str
    display_name: str
    role: Role
    active: bool
    password_hash: str | None


async def by_username(conn: Connection, username: str) -> StaffUser | None:
    """The staff user of this name at the transaction's agency, in whatever case it is written."""
    row = await conn.fetchrow(SQL["by_username"], username)
    return StaffUser(**row) if row else None


async def by_id(conn: Connection, staff_user_id: UUID) -> StaffUser | None:
    """The staff user of this id at the transaction's agency."""
    row = await conn.fetchrow(SQL["by_id"], staff_user_id)
    return StaffUser(**row) if row else None


async def lock(conn: Connection, staff_user_id: UUID) -> StaffUser | None:
    """The same, held until the transaction ends."""
    row = await conn.fetchrow(SQL["lock"], staff_user_id)
    return StaffUser(**row) if row else None


async def insert(conn: Connection, agency_id: UUID, user: StaffUser, created_at: datetime) -> bool:
    """Add a staff user; False when the username is taken."""
    return None is not await conn.fetchval(
        SQL["insert"],
        user.id,
        agency_id,
        user.username,
        user.display_name,
        user.role,
        user.password_hash,
        created_at,
    )


async def set_password(conn: Connection, staff_user_id: UUID, password_hash: str) -> None:
    """A new password for a staff user."""
    await conn.execute(SQL["set_password"], staff_user_id, password_hash)


async def renew_hash(conn: Connection, staff_user_id: UUID, old: str, new: str) -> None:
    """Keep the same password at another cost, unless it was changed meanwhile."""
    await conn.execute(SQL["renew_hash"], staff_user_id, old, new)
