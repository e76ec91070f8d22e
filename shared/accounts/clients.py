"""Clients and their cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.accounts.search_terms import folded, terms_of_client, words_of_query
from shared.db import Connection, named_queries
from shared.errors import DomainError

SQL = named_queries(__package__, "sql/clients.sql")

DynamicFields = dict[str, dict[str, str]]
"""Values by block and entry."""

# Client numbers of record systems often start low; ours start where they are told apart at a glance.
_FIRST_ASSIGNED = 900_001
# Sorts after every other character, so a prefix and itself with this at its end bound all that begins with it.
_LAST_CHARACTER = "\U0010ffff"


class ClientNumberTaken(DomainError):
    """Another client already has this client number."""

    field = "client_number"


class CaseNumberTaken(DomainError):
    """Another case already has this case number."""

    field = "case_number"


@dataclass(frozen=True, slots=True)
class Client:
    """A client's own fields. ``version`` counts their changes; portal logins have versions of their own."""

    id: UUID
    client_number: str
    first_name: str
    last_name: str
    date_of_birth: date
    portal_refused: bool
    dynamic_fields: DynamicFields
    version: int
    updated_at: datetime

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True, slots=True)
class ClientNames:
    """Whose record it is: all that the portal may know of a client."""

    id: UUID
    first_name: str
    last_name: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a client; ``closed_on`` is None while it is open."""

    id: UUID
    client_id: UUID
    case_number: str
    program: str
    opened_on: date | None
    closed_on: date | None


@dataclass(frozen=True, slots=True)
class ClientFound:
    """A line of a search's result."""

    id: UUID
    client_number: str
    first_name: str
    last_name: str
    date_of_birth: date
    portal_refused: bool
    case_numbers: tuple[str, ...]
    position: tuple[str, str, UUID]


async def by_id(conn: Connection, client_id: UUID) -> Client | None:
    """The client of this id at the transaction's agency."""
    row = await conn.fetchrow(SQL["by_id"], client_id)
    return Client(**row) if row else None


async def names(conn: Connection, client_id: UUID) -> ClientNames:
    """The names of a client whom a portal login belongs to. Raises LookupError."""
    row = await conn.fetchrow(SQL["names"], client_id)
    if row is None:
        raise LookupError(f"no client {client_id}")
    return ClientNames(**row)


async def lock(conn: Connection, client_id: UUID) -> Client | None:
    """The same, held until the transaction ends."""
    row = await conn.fetchrow(SQL["lock"], client_id)
    return Client(**row) if row else None


async def search(conn: Connection, query: str, *, after: tuple[str, str, UUID] | None, limit: int) -> list[ClientFound]:
    """Clients that have every word of ``query`` as a prefix of a name, a date of birth, or a client or case number.

    Ordered by name; ``after`` is the position of the last one of the page before.
    """
    words = words_of_query(query)
    if not words:
        return []
    rows = await conn.fetch(
        SQL["search"], words, [w + _LAST_CHARACTER for w in words], *(after or (None, None, None)), limit
    )
    return [
        ClientFound(
            id=r["id"],
            client_number=r["client_number"],
            first_name=r["first_name"],
            last_name=r["last_name"],
            date_of_birth=r["date_of_birth"],
            portal_refused=r["portal_refused"],
            case_numbers=tuple(r["case_numbers"]),
            position=(r["last_name_folded"], r["first_name_folded"], r["id"]),
        )
        for r in rows
    ]


async def insert(conn: Connection, agency_id: UUID, client: Client) -> None:
    """Add a client. Raises ClientNumberTaken. Its search terms are written by :func:`index`."""
    added = await conn.fetchval(
        SQL["insert"],
        client.id,
        agency_id,
        client.client_number,
        client.first_name,
        client.last_name,
        folded(client.first_name),
        folded(client.last_name),
        client.date_of_birth,
        client.portal_refused,
        client.updated_at if client.portal_refused else None,
        client.dynamic_fields,
        client.updated_at,
    )
    if added is None:
        raise ClientNumberTaken


async def update(conn: Connection, client: Client) -> int:
    """Write a client's fields as they are now; answers the new version."""
    version: int = await conn.fetchval(
        SQL["update"],
        client.id,
        client.first_name,
        client.last_name,
        folded(client.first_name),
        folded(client.last_name),
        client.date_of_birth,
        client.portal_refused,
        client.dynamic_fields,
        client.updated_at,
    )
    return version


async def index(conn: Connection, agency_id: UUID, client: Client) -> None:
    """Write what the client is found by, from its fields and its cases."""
    numbers = [case.case_number for case in await cases_of(conn, client.id)]
    terms = terms_of_client(
        first_name=client.first_name,
        last_name=client.last_name,
        date_of_birth=client.date_of_birth,
        client_number=client.client_number,
        case_numbers=numbers,
    )
    await conn.execute(SQL["forget_terms"], client.id)
    await conn.execute(SQL["insert_terms"], agency_id, client.id, sorted(terms))


async def next_number(conn: Connection, agency_id: UUID) -> str:
    """A client number for a client that came without one."""
    return str(await conn.fetchval(SQL["next_number"], agency_id, _FIRST_ASSIGNED))


async def cases_of(conn: Connection, client_id: UUID) -> Sequence[Case]:
    """A client's cases, the newest first."""
    return [Case(**row) for row in await conn.fetch(SQL["cases_of"], client_id)]


async def case_by_id(conn: Connection, case_id: UUID) -> Case | None:
    """The case of this id at the transaction's agency."""
    row = await conn.fetchrow(SQL["case_by_id"], case_id)
    return Case(**row) if row else None


async def insert_case(conn: Connection, agency_id: UUID, case: Case) -> None:
    """Add a case. Raises CaseNumberTaken."""
    added = await conn.fetchval(
        SQL["insert_case"],
        case.id,
        agency_id,
        case.client_id,
        case.case_number,
        case.program,
        case.opened_on,
        case.closed_on,
    )
    if added is None:
        raise CaseNumberTaken
