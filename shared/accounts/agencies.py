"""Agencies: whom everything belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.db import Connection, named_queries
from shared.errors import DomainError

SQL = named_queries(__package__, "sql/agencies.sql")


class NotContracted(DomainError):
    """The client portal is not available for this agency."""

    status = 403


@dataclass(frozen=True, slots=True)
class Agency:
    """One agency. ``contracted``: for the client portal; ``portal_url``: its own, when it names one."""

    id: UUID
    slug: str
    name: str
    contracted: bool
    portal_url: str | None
    time_zone: str
    locale: str
    sender: str | None
    temporary_password_hours: int
    version: int
    # Of whom a second factor is asked at sign-in, whether or not they have set one up.
    second_factor_of_staff: bool = False
    second_factor_of_representatives: bool = False
    # What the owners of portal logins are told by e-mail besides what they always are.
    notice_of_new_device: bool = True
    notice_of_inactive: bool = True
    notice_of_new_email: bool = True
    # A new login is sent a link to choose a password, and no temporary password.
    link_for_new_logins: bool = False

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which its people read times."""
        return ZoneInfo(self.time_zone)

    def portal_address(self, portal_base_url: str) -> str:
        """The Agency Portal URL: the agency's own, or ours under its slug."""
        return self.portal_url or f"{portal_base_url.rstrip('/')}/{self.slug}/"

    def require_contract(self) -> None:
        """Raises NotContracted."""
        if not self.contracted:
            raise NotContracted


async def by_slug(conn: Connection, slug: str) -> Agency | None:
    """The agency of this slug, if there is one."""
    row = await conn.fetchrow(SQL["by_slug"], slug)
    return Agency(**row) if row else None


async def by_id(conn: Connection, agency_id: UUID) -> Agency:
    """The agency of this id. Raises LookupError."""
    row = await conn.fetchrow(SQL["by_id"], agency_id)
    if row is None:
        raise LookupError(f"no agency {agency_id}")
    return Agency(**row)


async def lock(conn: Connection, agency_id: UUID) -> Agency:
    """The same, held until the transaction ends. Raises LookupError."""
    row = await conn.fetchrow(SQL["lock"], agency_id)
    if row is None:
        raise LookupError(f"no agency {agency_id}")
    return Agency(**row)


async def set_sign_in_rules(conn: Connection, agency_id: UUID, *, staff: bool, representatives: bool) -> None:
    """Of whom a second factor is asked."""
    await conn.execute(SQL["set_sign_in_rules"], agency_id, staff, representatives)


async def set_notice_rules(
    conn: Connection, agency_id: UUID, *, new_device: bool, inactive: bool, new_email: bool, link: bool
) -> None:
    """Which notices are mailed besides those that always are, and whether a new login is sent a link."""
    await conn.execute(SQL["set_notice_rules"], agency_id, new_device, inactive, new_email, link)


async def insert(conn: Connection, agency: Agency, created_at: datetime) -> None:
    """Add an agency."""
    await conn.execute(
        SQL["insert"],
        agency.id,
        agency.slug,
        agency.name,
        agency.contracted,
        agency.portal_url,
        agency.time_zone,
        agency.locale,
        agency.sender,
        agency.temporary_password_hours,
        created_at,
    )
