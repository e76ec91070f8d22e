"""What an agency says about its e-mails: who they are from, and through which mail server they go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal
from uuid import UUID

from shared.db import Connection, named_queries

SQL = named_queries(__package__, "sql/email_settings.sql")

Security = Literal["tls", "starttls", "plaintext"]
"""``plaintext`` is no encryption at all, and never together with a password."""


@dataclass(frozen=True, slots=True)
class SealedPassword:
    """A password that only the notifier can open, and the name of the key that it was sealed for."""

    box: bytes = field(repr=False)
    sealed_for: str


@dataclass(frozen=True, slots=True)
class EmailSettings:
    """The settings of one agency. None: the operator's mail server and address, the agency's own name, no reply-to.

    Where there is a username there is a password, which is not in here: only the notifier reads it.
    """

    sender: str | None = None
    sender_name: str | None = None
    reply_to: str | None = None
    host: str | None = None
    port: int | None = None
    security: Security | None = None
    username: str | None = None
    version: int = 0


NOTHING_SAID: Final = EmailSettings()
"""Of an agency that leaves everything to the operator."""


@dataclass(frozen=True, slots=True)
class SendingSettings(EmailSettings):
    """The same for the notifier: with the password as it is kept."""

    sealed_password: bytes | None = field(default=None, repr=False)
    sealed_for: str | None = None


async def of_agency(conn: Connection) -> EmailSettings:
    """The settings of the transaction's agency."""
    row = await conn.fetchrow(SQL["of_agency"])
    return EmailSettings(**row) if row else NOTHING_SAID


async def put(conn: Connection, agency_id: UUID, settings: EmailSettings, password: SealedPassword | None) -> None:
    """Keep the settings, with this password or none. For the same agency, one at a time."""
    box = (password.box, password.sealed_for) if password else (None, None)
    values = (agency_id, *_values(settings), *box, settings.version)
    if await conn.fetchval(SQL["put"], *values) is None:
        await conn.execute(SQL["add"], *values)


async def put_but_password(conn: Connection, agency_id: UUID, settings: EmailSettings) -> None:
    """Keep settings of an agency that has some already; its password stays as it is."""
    await conn.execute(SQL["put_but_password"], agency_id, *_values(settings), settings.version)


def _values(settings: EmailSettings) -> tuple[str | int | None, ...]:
    return (
        *(settings.sender, settings.sender_name, settings.reply_to),
        *(settings.host, settings.port, settings.security, settings.username),
    )


async def for_notifier(conn: Connection, agency_id: UUID) -> SendingSettings | None:
    """The settings of an agency, if it has put in any."""
    row = await conn.fetchrow(SQL["for_notifier"], agency_id)
    return SendingSettings(**row) if row else None


async def sealed_for_others(conn: Connection, key_name: str) -> list[tuple[UUID, bytes]]:
    """Some agencies whose passwords are in boxes of another key."""
    return [(row["agency_id"], row["sealed_password"]) for row in await conn.fetch(SQL["sealed_for_others"], key_name)]


async def reseal(conn: Connection, agency_id: UUID, old: bytes, new: SealedPassword) -> None:
    """Keep the same password in another box, unless it was changed meanwhile."""
    await conn.execute(SQL["reseal"], agency_id, old, new.box, new.sealed_for)
