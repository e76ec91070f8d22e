"""A staff user at work on one client, and what the outbox says of it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from services.admin.use_cases.credentials import Credentials
from shared.accounts.agencies import Agency
from shared.accounts.clients import Client
from shared.actors import Actor
from shared.db import Pool
from shared.deliveries.sealing import Opener, Sealer, new_key_pair
from shared.security.passwords import PasswordHasher
from tests.support.people import World

Outbox = Callable[[], Awaitable[list[dict[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Desk:
    """What a staff user has in front of them."""

    agency: Agency
    actor: Actor
    client: Client


@pytest.fixture
async def desk(world: World) -> Desk:
    agency = await world.agency()
    person = await world.staff(agency)
    residence = {"current_residence": {"Email": "home@example.com", "CurrentHomeless": "Yes"}}
    return Desk(agency, person.actor, await world.client(agency, dynamic_fields=residence))


@pytest.fixture(scope="session")
def sealing_keys() -> tuple[str, str]:
    return new_key_pair()


@pytest.fixture
def opener(sealing_keys: tuple[str, str]) -> Opener:
    return Opener(sealing_keys[0])


@pytest.fixture
def credentials(hasher: PasswordHasher, sealing_keys: tuple[str, str]) -> Credentials:
    return Credentials(hasher, Sealer(sealing_keys[1]), "https://portal.example")


@pytest.fixture
def outbox(relay_pool: Pool) -> Outbox:
    """The events in the outbox, in their order."""

    async def read() -> list[dict[str, Any]]:
        async with relay_pool.transaction(None) as conn:
            rows = await conn.fetch("select body from accounts.outbox where kind = 'event' order by id")
        return [json.loads(r["body"]) for r in rows]

    return read
