"""Agencies are kept apart by the database itself: without any WHERE, and whatever role asks."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from shared.db import Pool
from tests.support.databases import ROLES, Database
from tests.support.people import World

_TOKEN = (
    "insert into accounts.password_tokens (digest, agency_id, staff_user_id, purpose, issued_at, expires_at)"
    " values ($1, $2, $3, 'reset', now(), now() + interval '1 hour')"
)
_MAIL = (
    "insert into mail.deliveries (id, agency_id, staff_user_id, mail, recipient, state, next_attempt_at, expires_at,"
    " message_id, created_at) values (gen_random_uuid(), $1, $2, 'staff_invitation', 'x@example.org', 'queued', now(),"
    " now(), gen_random_uuid()::text, now())"
)


async def test_every_table_forces_row_level_security(database: Database) -> None:
    conn = await asyncpg.connect(database.owner_url)
    try:
        open_tables = await conn.fetch(
            "select relnamespace::regnamespace::text || '.' || relname as name from pg_class"
            " where relnamespace in ('accounts'::regnamespace, 'mail'::regnamespace) and relkind in ('r', 'p')"
            " and not (relrowsecurity and relforcerowsecurity)"
        )
    finally:
        await conn.close()
    assert [r["name"] for r in open_tables] == []


async def test_no_service_role_can_escape_row_level_security(database: Database) -> None:
    conn = await asyncpg.connect(database.owner_url)
    try:
        strong = await conn.fetch(
            "select rolname from pg_roles where rolname = any($1) and (rolsuper or rolbypassrls or rolcreaterole)",
            list(ROLES),
        )
    finally:
        await conn.close()
    assert strong == []


async def test_a_query_without_where_sees_one_agency(world: World, admin_pool: Pool) -> None:
    here, there = await world.agency("riverside"), await world.agency("lakeside")
    mine = await world.client(here)
    await world.client(there)
    async with admin_pool.transaction(here.id) as conn:
        assert [r["id"] for r in await conn.fetch("select id from accounts.clients")] == [mine.id]
        assert await conn.execute("update accounts.clients set last_name = 'x'") == "UPDATE 1"
    async with admin_pool.transaction(None) as conn:
        assert await conn.fetch("select id from accounts.clients") == []


async def test_a_row_of_another_agency_cannot_be_written(world: World, admin_pool: Pool) -> None:
    here, there = await world.agency("riverside"), await world.agency("lakeside")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with admin_pool.transaction(here.id) as conn:
            await conn.execute("insert into accounts.client_numbers values ($1, 1)", there.id)


@pytest.mark.parametrize(
    ("role", "query"),
    [
        ("portico_portal", "select password_hash from accounts.staff_users"),
        ("portico_portal", "select dynamic_fields from accounts.clients"),
        ("portico_portal", "update accounts.portal_logins set active = true"),
        ("portico_portal", "select sealed_secret from mail.deliveries"),
        ("portico_portal", "select opening from accounts.mail_wordings"),
        ("portico_notifier", "update accounts.mail_wordings set opening = ''"),
        ("portico_admin", "update accounts.mail_wordings set mail = 'username'"),
        ("portico_portal", "select sealed_secret from accounts.identity_providers"),
        ("portico_admin", "select sealed_password from accounts.email_settings"),
        ("portico_portal", "select host from accounts.email_settings"),
        ("portico_audit", "select host from accounts.email_settings"),
        ("portico_relay", "select sealed_password from accounts.email_settings"),
        ("portico_notifier", "update accounts.email_settings set host = 'x'"),
        ("portico_portal", "select subject from accounts.staff_identities"),
        ("portico_audit", "select subject from accounts.staff_identities"),
        ("portico_relay", "select state_digest from accounts.single_sign_ons"),
        ("portico_admin", "update accounts.staff_identities set staff_user_id = null"),
        ("portico_admin", "select sealed_secret from mail.deliveries"),
        ("portico_admin", "select reply from mail.channels"),
        ("portico_portal", "select reply from mail.channels"),
        ("portico_relay", "select reply from mail.channels"),
        ("portico_admin", "select body from accounts.outbox"),
        ("portico_admin", "delete from accounts.clients"),
        ("portico_notifier", "select password_hash from accounts.portal_logins"),
        ("portico_notifier", "select id from accounts.clients"),
        ("portico_audit", "select password_hash from accounts.staff_users"),
        ("portico_audit", "select first_name from accounts.clients"),
        ("portico_audit", "select secret_digest from accounts.sessions"),
        ("portico_notifier", "select name from accounts.passkeys"),
        ("portico_audit", "select name from accounts.passkeys"),
        ("portico_portal", "update accounts.passkeys set public_key = 'x'"),
        ("portico_admin", "update accounts.passkeys set person_id = gen_random_uuid()"),
        ("portico_admin", "update accounts.passkey_challenges set expires_at = now()"),
        ("portico_relay", "select challenge from accounts.passkey_challenges"),
        ("portico_relay", "select name from accounts.passkeys"),
        ("portico_relay", "select password_hash from accounts.portal_logins"),
        ("portico_relay", "select sealed_secret from mail.deliveries"),
        ("portico_audit", "select sealed_seed from accounts.totp_authenticators"),
        ("portico_relay", "select sealed_seed from accounts.totp_authenticators"),
        ("portico_notifier", "select digest from accounts.recovery_codes"),
        ("portico_audit", "select digest from accounts.remembered_devices"),
        ("portico_portal", "select at from mail.delivery_marks"),
        ("portico_portal", "select id from mail.failing"),
        ("portico_admin", "update mail.delivery_marks set at = now()"),
        ("portico_notifier", "select at from mail.delivery_marks"),
        ("portico_portal", "update accounts.agencies set second_factor_of_staff = true"),
        ("portico_portal", "select address from mail.bounced_addresses"),
        ("portico_portal", "select mail.agency_of_delivery(gen_random_uuid())"),
        ("portico_notifier", "delete from mail.bounced_addresses"),
        ("portico_admin", "update mail.bounces set kind = 'soft'"),
        ("portico_relay", "select reply from mail.bounces"),
        ("portico_audit", "select address from mail.bounced_addresses"),
    ],
)
async def test_a_role_cannot_read_what_it_does_not_need(database: Database, role: str, query: str) -> None:
    conn = await asyncpg.connect(database.url(role))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(query)
    finally:
        await conn.close()


@pytest.mark.parametrize("role", ["portico_admin", "portico_notifier"])
async def test_addresses_that_e_mails_come_back_from_are_an_agencys_own(
    world: World, database: Database, role: str
) -> None:
    # Before it goes on as an agency, the notifier asks of any address whether it is one of these.
    seen = 1 if role == "portico_notifier" else 0
    here, there = await world.agency("riverside"), await world.agency("lakeside")
    flag = (
        "insert into mail.bounced_addresses (agency_id, address, kind, since) values ($1, 'a@b.example', 'hard', now())"
    )
    pool = await Pool.open(database.url(role), size=1)
    try:
        async with pool.transaction(here.id) as conn:
            await conn.execute(flag, here.id)
        async with pool.transaction(there.id) as conn:
            assert len(await conn.fetch("select address from mail.bounced_addresses")) == seen
            assert await conn.execute("update mail.bounced_addresses set lifted_at = now()") == "UPDATE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with pool.transaction(there.id) as conn:
                await conn.execute(flag, here.id)
    finally:
        await pool.close()


async def test_the_portal_cannot_touch_a_staff_session(world: World, admin_pool: Pool, portal_pool: Pool) -> None:
    agency = await world.agency()
    person = await world.staff(agency)
    async with admin_pool.transaction(agency.id) as conn:
        await conn.execute(
            "insert into accounts.sessions (id, agency_id, kind, staff_user_id, started_at, last_seen_at, expires_at)"
            " values (gen_random_uuid(), $1, 'staff', $2, now(), now(), now())",
            agency.id,
            person.user.id,
        )
    async with portal_pool.transaction(agency.id) as conn:
        assert await conn.fetch("select id from accounts.sessions") == []
        assert await conn.execute("update accounts.sessions set ended_at = now(), end_reason = 'x'") == "UPDATE 0"


async def test_the_portal_sees_no_passkey_of_staff(world: World, admin_pool: Pool, portal_pool: Pool) -> None:
    agency = await world.agency()
    person = await world.staff(agency)
    passkey = (
        "insert into accounts.passkeys (id, agency_id, kind, person_id, credential_id, public_key, sign_count, name,"
        " backup_eligible, backed_up, created_at) values (gen_random_uuid(), $1, 'staff', $2, $3, 'k', 0, 'x', false,"
        " false, now())"
    )
    challenge = (
        "insert into accounts.passkey_challenges (digest, agency_id, kind, purpose, challenge, expires_at)"
        " values ('d', $1, 'staff', 'sign_in', 'c', now())"
    )
    async with admin_pool.transaction(agency.id) as conn:
        await conn.execute(passkey, agency.id, person.user.id, b"credential")
        await conn.execute(challenge, agency.id)
    async with portal_pool.transaction(agency.id) as conn:
        assert await conn.fetch("select id from accounts.passkeys") == []
        assert await conn.fetch("select digest from accounts.passkey_challenges") == []
        assert await conn.execute("delete from accounts.passkeys") == "DELETE 0"
        assert await conn.execute("update accounts.passkey_challenges set used_at = now()") == "UPDATE 0"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with portal_pool.transaction(agency.id) as conn:
            await conn.execute(passkey, agency.id, person.user.id, b"another credential")


async def test_the_portal_cannot_touch_a_second_factor_of_staff(
    world: World, admin_pool: Pool, portal_pool: Pool
) -> None:
    agency = await world.agency()
    person = await world.staff(agency)
    inserts = {
        "totp_authenticators": "(agency_id, kind, person_id) values ($1, 'staff', $2)",
        "recovery_codes": "(digest, agency_id, kind, person_id, created_at) values ('x', $1, 'staff', $2, now())",
        "half_sign_ins": "(digest, agency_id, kind, person_id, issued_at, expires_at)"
        " values ('x', $1, 'staff', $2, now(), now())",
        "remembered_devices": "(id, digest, agency_id, kind, person_id, created_at, last_used_at, expires_at)"
        " values (gen_random_uuid(), 'x', $1, 'staff', $2, now(), now(), now())",
    }
    for table, values in inserts.items():
        async with admin_pool.transaction(agency.id) as conn:
            await conn.execute(f"insert into accounts.{table} {values}", agency.id, person.user.id)
        async with portal_pool.transaction(agency.id) as conn:
            assert await conn.fetch(f"select kind from accounts.{table}") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with portal_pool.transaction(agency.id) as conn:
                await conn.execute(f"insert into accounts.{table} {values}", agency.id, uuid4())


async def test_the_portal_sees_no_password_token_and_no_mail_of_staff(
    world: World, admin_pool: Pool, portal_pool: Pool
) -> None:
    agency = await world.agency()
    person = await world.staff(agency)
    async with admin_pool.transaction(agency.id) as conn:
        await conn.execute(_TOKEN, bytes(32), agency.id, person.user.id)
        await conn.execute(_MAIL, agency.id, person.user.id)
    async with portal_pool.transaction(agency.id) as conn:
        assert await conn.fetch("select digest from accounts.password_tokens") == []
        assert await conn.fetch("select id from mail.deliveries") == []
        assert await conn.execute("update accounts.password_tokens set used_at = now()") == "UPDATE 0"
        assert await conn.execute("update mail.deliveries set state = 'cancelled', finished_at = now()") == "UPDATE 0"
    for query, values in ((_TOKEN, (bytes(31), agency.id, person.user.id)), (_MAIL, (agency.id, person.user.id))):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with portal_pool.transaction(agency.id) as conn:
                await conn.execute(query, *values)


async def test_the_portal_marks_no_mail_of_staff(world: World, admin_pool: Pool, portal_pool: Pool) -> None:
    agency, other = await world.agency(), await world.agency("lakeside")
    person = await world.staff(agency)
    mark = "insert into mail.delivery_marks (delivery_id, agency_id, step, at) values ($1, $2, 'opened', now())"
    async with admin_pool.transaction(agency.id) as conn:
        await conn.execute(_MAIL, agency.id, person.user.id)
        delivery_id = await conn.fetchval("select id from mail.deliveries")
    for pool, by in ((portal_pool, agency), (admin_pool, other)):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with pool.transaction(by.id) as conn:
                await conn.execute(mark, delivery_id, by.id)
    async with admin_pool.transaction(agency.id) as conn:
        await conn.execute(mark, delivery_id, agency.id)


_OWNERLESS_TOKEN = (
    "insert into accounts.password_tokens (digest, agency_id, purpose, issued_at, expires_at)"
    " values ('\\x00', $1, 'reset', now(), now())"
)
_OWNED_MAIL = (
    "insert into mail.deliveries (id, agency_id, portal_login_id, client_id, staff_user_id, mail, recipient, state,"
    " next_attempt_at, expires_at, message_id, created_at) select gen_random_uuid(), $1, portal, client, staff, 'username',"
    " 'x@example.org', 'queued', now(), now(), 'm', now() from (values {}) as owner (portal, client, staff)"
)
_ID = "gen_random_uuid()"


@pytest.mark.parametrize(
    "query",
    [
        _OWNERLESS_TOKEN,
        _OWNED_MAIL.format("(null::uuid, null::uuid, null::uuid)"),
        _OWNED_MAIL.format(f"({_ID}, {_ID}, {_ID})"),
        _OWNED_MAIL.format(f"({_ID}, null::uuid, null::uuid)"),
        _OWNED_MAIL.format(f"(null::uuid, {_ID}, {_ID})"),
    ],
)
async def test_a_password_token_and_a_mail_have_one_owner(world: World, admin_pool: Pool, query: str) -> None:
    agency = await world.agency()
    with pytest.raises(asyncpg.CheckViolationError):
        async with admin_pool.transaction(agency.id) as conn:
            await conn.execute(query, agency.id)


async def test_a_service_publishes_keys_only_under_its_own_name(portal_pool: Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with portal_pool.transaction(None) as conn:
            await conn.execute("insert into accounts.signing_keys values ('k', 'portico_admin', $1, now())", bytes(32))
