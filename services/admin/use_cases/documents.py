"""The Document Center: a client's cases, and what can be opened for one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.accounts import clients
from shared.accounts.clients import Case, Client
from shared.actors import Actor
from shared.db import Connection
from shared.errors import NotFound
from shared.outbox import Work
from shared.rights import Right, needs


@dataclass(frozen=True, slots=True)
class ClientFile:
    """A client with all cases; ``case`` is the one that is open, None for ``No case``."""

    client: Client
    cases: Sequence[Case]
    case: Case | None = None


@needs(Right.READ_FACE_SHEETS)
async def of_client(work: Work, *, actor: Actor, client_id: UUID) -> ClientFile:
    """A client's cases to choose from. Raises NotFound."""
    async with work.pool.transaction(actor.agency_id) as conn:
        return await _file(conn, client_id)


@needs(Right.READ_FACE_SHEETS)
async def open_case(work: Work, *, actor: Actor, client_id: UUID, case_id: UUID | None) -> ClientFile:
    """The same with one case open; ``case_id`` is None for a client without one. Raises NotFound."""
    async with work.pool.transaction(actor.agency_id) as conn:
        found = await _file(conn, client_id)
    case = next((c for c in found.cases if c.id == case_id), None)
    if case is None and (case_id is not None or found.cases):
        raise NotFound
    return ClientFile(found.client, found.cases, case)


async def _file(conn: Connection, client_id: UUID) -> ClientFile:
    client = await clients.by_id(conn, client_id)
    if client is None:
        raise NotFound
    return ClientFile(client, await clients.cases_of(conn, client_id))
