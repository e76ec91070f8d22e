"""Who gets in at the audit service: tokens, sessions and agencies as PostgreSQL knows them at this moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg

from services.audit.app import create_audit
from services.audit.settings import AuditSettings
from shared.http.openapi import undocumented
from shared.security.tokens import CLIENT, INTERNAL, STAFF, Signer, new_signing_key
from tests.audit.house import House
from tests.support.databases import Database
from tests.support.pipeline import PEMS

ACTIVITY = "/api/v1/activity"
CHANGES = "/api/v1/changes"
HELD = "/internal/v1/events/held"


async def as_owner(database: Database, statement: str, *values: Any) -> None:
    conn = await asyncpg.connect(database.owner_url)
    try:
        await conn.execute(statement, *values)
    finally:
        await conn.close()


async def test_each_door_takes_its_own_tokens_only(house: House) -> None:
    client, staff, internal = await house.client_token(), await house.staff_token(), house.api.internal_token()
    for path, token, status in (
        (ACTIVITY, client, 200),
        (CHANGES, client, 401),
        ("/api/v1/changes/filters", client, 401),
        (ACTIVITY, internal, 401),
        (CHANGES, internal, 401),
        (ACTIVITY, "", 401),
        (ACTIVITY, "nonsense", 401),
    ):
        found, problem = await house.api.get(path, token)
        assert found == status, (path, problem)
    for token, status in ((internal, 200), (staff, 401), (client, 401)):
        async with house.api.http.post(HELD, json={"ids": []}, headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == status
    async with house.api.http.get(ACTIVITY) as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert answer.content_type == "application/problem+json"


async def test_a_session_that_is_over_lets_nobody_in(house: House, database: Database) -> None:
    client, staff = await house.client_token(), await house.staff_token()
    assert (await house.api.get(ACTIVITY, client))[0] == 200
    await as_owner(database, "update accounts.sessions set ended_at = now(), end_reason = 'revoked'")
    assert (await house.api.get(ACTIVITY, client))[0] == 401
    assert (await house.api.get(CHANGES, staff, client_id=house.client.id))[0] == 401


async def test_a_session_that_was_idle_for_a_quarter_of_an_hour_lets_nobody_in(
    house: House, database: Database
) -> None:
    token = await house.staff_token()

    async def status() -> int:
        # A service's own token is young even when the session is old.
        fresh = await renewed(house, token)
        return (await house.api.get(CHANGES, fresh, client_id=house.client.id))[0]

    house.clock.advance(minutes=14, seconds=59)
    assert await status() == 200
    house.clock.advance(seconds=1)
    assert await status() == 401
    await as_owner(database, "update accounts.sessions set last_seen_at = $1", house.clock())
    assert await status() == 200
    await as_owner(database, "update accounts.sessions set expires_at = $1", house.clock())
    assert await status() == 401


async def renewed(house: House, token: str) -> str:
    import jwt

    claims = jwt.decode(token, options={"verify_signature": False})
    signer = Signer(PEMS["portico_admin"], "portico_admin", house.clock)
    return signer.mint(
        STAFF,
        lifetime=timedelta(minutes=1),
        subject=house.staff.user.id,
        session_id=claims["sid"],
        agency_id=house.agency.id,
    )


async def test_a_token_is_good_for_its_own_subject_agency_and_kind_of_session(house: House) -> None:
    import jwt

    session = jwt.decode(await house.client_token(), options={"verify_signature": False})["sid"]
    portal = Signer(PEMS["portico_portal"], "portico_portal", house.clock)
    admin = Signer(PEMS["portico_admin"], "portico_admin", house.clock)
    stranger = Signer(new_signing_key(), "portico_portal", house.clock)
    right = {
        "lifetime": timedelta(minutes=5),
        "subject": house.login.id,
        "session_id": session,
        "agency_id": house.agency.id,
    }
    elsewhere = await house.world.agency("lakeside")
    assert (await house.api.get(ACTIVITY, portal.mint(CLIENT, **right)))[0] == 200
    for token in (
        portal.mint(CLIENT, **{**right, "subject": uuid4()}),
        portal.mint(CLIENT, **{**right, "agency_id": elsewhere.id}),
        portal.mint(CLIENT, **{**right, "session_id": uuid4()}),
        portal.mint(CLIENT, **{**right, "lifetime": timedelta(0)}),
        admin.mint(STAFF, **right),
        admin.mint(CLIENT, **right),
        stranger.mint(CLIENT, **right),
        portal.mint(INTERNAL, **right),
    ):
        assert (await house.api.get(ACTIVITY, token))[0] == 401


async def test_an_inactive_person_is_out_at_once(house: House, database: Database) -> None:
    client, staff = await house.client_token(), await house.staff_token()
    await as_owner(database, "update accounts.portal_logins set active = false")
    assert (await house.api.get(ACTIVITY, client))[0] == 401
    assert (await house.api.get(ACTIVITY, staff, portal_login_id=house.login.id))[0] == 200
    await as_owner(database, "update accounts.staff_users set active = false")
    assert (await house.api.get(ACTIVITY, staff, portal_login_id=house.login.id))[0] == 401


async def test_without_a_contract_clients_are_out_and_staff_still_read(house: House, database: Database) -> None:
    mine = await house.sign_ins(1)
    client, staff = await house.client_token(), await house.staff_token()
    await as_owner(database, "update accounts.agencies set contracted = false")
    assert (await house.api.get(ACTIVITY, client))[0] == 401
    status, page = await house.api.get(ACTIVITY, staff, portal_login_id=house.login.id)
    assert (status, [i["id"] for i in page["items"]]) == (200, [str(mine[0])])


async def test_the_question_for_held_events(house: House) -> None:
    mine = await house.sign_ins(2)
    headers = {"Authorization": f"Bearer {house.api.internal_token()}"}
    missing = str(uuid4())
    async with house.api.http.post(HELD, json={"ids": [str(mine[0]), missing]}, headers=headers) as answer:
        assert (answer.status, await answer.json()) == (200, {"held": [str(mine[0])], "unread_since": None})
    for body, status in (
        ({"ids": [missing] * 1001}, 422),
        ({"ids": ["x"]}, 422),
        ({"ids": [missing], "more": 1}, 422),
        ({}, 422),
        ([], 400),
    ):
        async with house.api.http.post(HELD, json=body, headers=headers) as answer:
            assert answer.status == status, body


def test_every_route_is_documented(database: Database, redis_url: str) -> None:
    settings = AuditSettings(
        public_url="http://localhost:8083",
        port=8083,
        probe_port=9083,
        database_url=database.url("portico_audit"),
        redis_url=redis_url,
        seal_key=new_signing_key(),
    )
    assert undocumented(create_audit(settings)) == []
