"""The same story through the JSON APIs of the running product, and what it must never leave behind."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.support import api
from tests.support.api import call
from tests.support.product import Product, eventually

OWN_PASSWORD = "nine paper boats on the pond"


def a_tag() -> str:
    return uuid.uuid4().hex[:10]


def test_the_story_through_the_apis(stack: Product) -> None:
    username = f"walker.{a_tag()}"
    email = f"{username}@example.com"
    token = api.staff_token(stack)
    client_id = api.find_client(stack, token, "C22-10001")
    sheet = call("GET", stack.admin(f"api/v1/clients/{client_id}"), token=token)
    assert sheet.body["client_number"] == "100001"
    assert sheet.body["agency_portal_url"].endswith("/riverside/")
    created = call(
        "POST",
        stack.admin(f"api/v1/clients/{client_id}/portal-logins"),
        {"username": username, "email": email},
        token,
    )
    assert created.status == 201, created
    login_url = stack.admin(f"api/v1/portal-logins/{created.body['id']}")
    temporary = api.temporary_password(stack, email)
    delivered = eventually(
        lambda: (
            d
            if (d := call("GET", f"{login_url}/deliveries", token=token).body["items"])[0]["state"] == "accepted"
            else None
        )
    )
    assert delivered[0]["attempts"][0]["reply_code"] == 250
    tokens = api.first_sign_in(stack, username, temporary, OWN_PASSWORD)
    me = call("GET", stack.portal("api/v1/me"), token=tokens["access_token"])
    assert (me.status, me.body["username"]) == (200, username)
    assert api.activity_rows(stack, tokens["access_token"], at_least=3)[:3] == [
        ("Login", f"Patient Portal login by {username}"),
        ("Reset Password", f"Password changed by {username}"),
        ("Profile Created", f"Portal Login {username} was added by nextstep"),
    ]
    # The temporary password is dead, and a client's token opens no staff door.
    body = {"agency": "riverside", "username": username, "password": temporary}
    assert call("POST", stack.portal("api/v1/token"), body).status == 401
    assert call("GET", login_url, token=tokens["access_token"]).status == 401
    assert call("GET", stack.portal("api/v1/me"), token=token).status == 401
    # Deactivation acts at once.
    assert call("PATCH", login_url, {"active": False}, token).body["active"] is False
    assert call("GET", stack.portal("api/v1/me"), token=tokens["access_token"]).status == 401
    refresh = {"refresh_token": tokens["refresh_token"]}
    assert call("POST", stack.portal("api/v1/token/refresh"), refresh).status == 401


def test_an_agency_without_a_contract_is_told_so(stack: Product) -> None:
    token = api.staff_token(stack, "hillstaff", "hillcrest")
    client_id = api.find_client(stack, token, "300010")
    body = {"username": f"h.{a_tag()}", "email": "h@example.com"}
    refused = call("POST", stack.admin(f"api/v1/clients/{client_id}/portal-logins"), body, token)
    assert (refused.status, refused.body["type"]) == (403, "/problems/not-contracted")
    body = {"agency": "hillcrest", "username": "anybody", "password": "anything at all"}
    assert call("POST", stack.portal("api/v1/token"), body).status == 403


def test_another_agencys_ids_are_not_there(stack: Product) -> None:
    client_id = api.find_client(stack, api.staff_token(stack), "100001")
    stranger = api.staff_token(stack, "lakestaff", "lakeside")
    assert call("GET", stack.admin(f"api/v1/clients/{client_id}"), token=stranger).status == 404
    assert call("PATCH", stack.admin(f"api/v1/clients/{client_id}"), {"first_name": "X"}, stranger).status == 404
    audit = stack.ready["audit_url"]
    assert call("GET", f"{audit}/api/v1/changes?client_id={client_id}", token=stranger).status == 404
    assert call("GET", f"{audit}/api/v1/activity?client_id={client_id}", token=stranger).status == 404


@pytest.mark.parametrize("service", ["admin", "portal", "audit"])
def test_every_service_says_how_it_is(stack: Product, service: str) -> None:
    base = stack.ready[f"{service}_url"]
    assert call("GET", f"{base}/healthz").status == 200
    assert call("GET", f"{base}/readyz").status == 200
    assert call("GET", f"{base}/metrics").status == 404
    assert call("GET", f"{base}/openapi.json").body["openapi"].startswith("3.1")
    assert call("GET", f"{base}/docs").status == 200
    for probe in stack.ready["probes"][service]:
        assert b"portico_" in call("GET", f"{probe}/metrics").raw
    missing = call("GET", f"{base}/api/v1/nothing")
    assert (missing.status, missing.headers["Content-Type"].split(";")[0]) == (404, "application/problem+json")
    wrong = call("DELETE", f"{base}/api/v1/{'activity' if service == 'audit' else 'token'}")
    assert (wrong.status, "Allow" in wrong.headers) == (405, True)


def test_secrets_are_in_the_mail_and_nowhere_else(stack: Product) -> None:
    username = f"secret.{a_tag()}"
    email = f"{username}@example.com"
    token = api.staff_token(stack)
    client_id = api.find_client(stack, token, "100001")
    created = call(
        "POST",
        stack.admin(f"api/v1/clients/{client_id}/portal-logins"),
        {"username": username, "email": email},
        token,
    )
    temporary = api.temporary_password(stack, email)
    own = f"{OWN_PASSWORD} {a_tag()}"
    tokens = api.first_sign_in(stack, username, temporary, own)
    api.activity_rows(stack, tokens["access_token"], at_least=3)
    assert temporary not in created.raw.decode()
    secrets = {"temporary": temporary, "own": own, "access": tokens["access_token"], "refresh": tokens["refresh_token"]}
    found = asyncio.run(_places(stack, secrets))
    assert found == []


async def _places(stack: Product, secrets: dict[str, str]) -> list[str]:
    """Where any of these stands: every row of every table, every key of Valkey, every file but the mails."""
    found = [f"database {where}" for where in await _in_database(stack, secrets)]
    found += [f"valkey {where}" for where in await _in_valkey(stack, secrets)]
    for path in stack.data.rglob("*"):
        if path.is_file() and "mail" not in path.relative_to(stack.data).parts[0]:
            found += [f"{path} {name}" for name in _in_bytes(_read(path), secrets)]
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _in_bytes(content: bytes, secrets: dict[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if secret.encode() in content]


async def _in_database(stack: Product, secrets: dict[str, str]) -> list[str]:
    conn = await asyncpg.connect(stack.ready["database_url"])
    try:
        tables = await conn.fetch(
            "select format('%I.%I', schemaname, tablename) as name from pg_tables"
            " where schemaname in ('accounts', 'mail', 'audit', 'public')"
        )
        assert len(tables) > 15
        return [
            f"{table['name']} {name}"
            for table in tables
            for name, secret in secrets.items()
            if await conn.fetchval(
                f"select exists (select from {table['name']} t where t::text like $1)", f"%{secret}%"
            )
        ]
    finally:
        await conn.close()


async def _in_valkey(stack: Product, secrets: dict[str, str]) -> list[str]:
    found = []
    for number in (0, 1):
        url = stack.ready["redis_url"].rsplit("/", 1)[0] + f"/{number}"
        async with Redis.from_url(url) as redis:
            async for key in redis.scan_iter():
                found += [f"{key!r} {name}" for name in _in_bytes(await redis.dump(key) or b"", secrets)]
            # A dump may be compressed; the stream's entries are read as they are.
            if number == 0:
                entries = repr(await redis.xrange("portico:events")).encode()
                found += [f"stream {name}" for name in _in_bytes(entries, secrets)]
    return found
