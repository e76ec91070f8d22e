"""What was taken from somebody is taken at the next request: in every service, in every replica, whatever Redis does.

On real processes, two of each service. While PostgreSQL is away nobody gets in, and nobody is told that we are broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
import pytest_asyncio

from ops.stack import ports
from shared.accounts import portal_logins, sessions, staff
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.staff import StaffUser
from shared.actors import Role
from shared.db import Pool
from shared.security.passwords import PasswordHasher
from shared.security.tokens import new_reference
from tests.faults.rig import AGENCY, Rig, running
from tests.support.waiting import soon

pytestmark = [
    pytest.mark.faults,
    pytest.mark.xdist_group("faults"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
]

PASSWORD = "blue kettle walks on the roof"
ANOTHER = "seven lamps beside an old bridge"
FROM_OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}


@dataclass(slots=True)
class Somebody:
    """A person with a session of the API and one of the pages. ``kind`` is the door: admin or portal."""

    kind: str
    username: str
    id: UUID
    token: str = ""
    refresh: str = ""
    cookie: str = ""


@dataclass(slots=True)
class Town:
    """The stack, both replicas of each service, and the people."""

    rig: Rig
    http: aiohttp.ClientSession
    client_id: UUID
    bases: dict[str, tuple[str, str]]
    people: dict[str, Somebody] = field(default_factory=dict)

    async def ask(self, method: str, url: str, **options: Any) -> tuple[int, Any, Any]:
        """Status, headers and JSON, if it is any."""
        async with self.http.request(method, url, allow_redirects=False, **options) as answer:
            body = await answer.json() if "json" in answer.headers.get("Content-Type", "") else await answer.text()
            return answer.status, answer.headers, body

    def knocks(self, who: Somebody) -> list[tuple[str, dict[str, str]]]:
        """Everything that somebody's token and cookie open, at every replica."""
        bearer = {"Authorization": f"Bearer {who.token}"}
        own = {"admin": "/api/v1/sessions", "portal": "/api/v1/me"}[who.kind]
        log = "/api/v1/activity" + (f"?client_id={self.client_id}" if who.kind == "admin" else "")
        found = [(base + own, bearer) for base in self.bases[who.kind]]
        found += [(base + log, bearer) for base in self.bases["audit"]]
        page = {"Cookie": who.cookie, "Accept": "text/html"}
        return found + [(f"{base}/{AGENCY}/sessions", page) for base in self.bases[who.kind]]

    async def statuses(self, who: Somebody) -> list[int]:
        answers = await asyncio.gather(*(self.ask("GET", url, headers=h) for url, h in self.knocks(who)))
        return [status for status, _, _ in answers]

    async def sign_in(self, who: Somebody, password: str = PASSWORD) -> None:
        base = self.bases[who.kind][0]
        body = {"agency": AGENCY, "username": who.username, "password": password}
        status, _, tokens = await self.ask("POST", f"{base}/api/v1/token", json=body)
        assert status == 200, tokens
        who.token, who.refresh = tokens["access_token"], tokens["refresh_token"]
        form = {"username": who.username, "password": password}
        status, headers, _ = await self.ask("POST", f"{base}/{AGENCY}/sign-in", data=form, headers=FROM_OUR_PAGE)
        assert status == 303
        cookies = [c.partition(";")[0] for c in headers.getall("Set-Cookie") if "_browser_" not in c]
        [who.cookie] = cookies

    async def is_in(self, *names: str) -> None:
        for name in names:
            assert set(await self.statuses(self.people[name])) == {200}, name

    async def is_out(self, *names: str) -> None:
        for name in names:
            who = self.people[name]
            assert set(await self.statuses(who)) == {401, 303}, name
            refreshed = [
                (await self.ask("POST", f"{base}/api/v1/token/refresh", json={"refresh_token": who.refresh}))[0]
                for base in self.bases[who.kind]
            ]
            assert refreshed == [401, 401], name

    async def by_staff(self, method: str, path: str, body: Any) -> None:
        """What a staff user does, who stays."""
        headers = {"Authorization": f"Bearer {self.people['witness'].token}"}
        status, _, answer = await self.ask(method, f"{self.bases['admin'][1]}{path}", json=body, headers=headers)
        assert status == 200, answer


CLIENTS = ("deactivated", "reported", "changed", "signed out by staff", "later", "neighbour")
STAFF: dict[str, Role] = {"witness": "staff", "dismissed": "staff", "demoted": "supervisor", "left": "staff"}


async def populate(rig: Rig, pool: Pool) -> tuple[UUID, dict[str, Somebody]]:
    """People with a password, put in as the services would."""
    hasher, now, people = PasswordHasher(threads=1), datetime.now(UTC), {}
    stored = await hasher.hash(PASSWORD)
    hasher.close()
    async with pool.transaction(rig.agency_id) as conn:
        client_id: UUID = await conn.fetchval("select id from accounts.clients limit 1")
        for number, name in enumerate(CLIENTS):
            username = f"ended{number}"
            login = PortalLogin(
                *(uuid4(), client_id, username, f"{username}@mail.example.org"),
                *(False, True, None, None, None, False, 1, now, now),
            )
            await portal_logins.insert(conn, rig.agency_id, login)
            await portal_logins.set_own_password(conn, login.id, stored, now)
            people[name] = Somebody("portal", username, login.id)
        for name, role in STAFF.items():
            user = StaffUser(uuid4(), f"staff-{name}", name, role, True, stored)
            await staff.insert(conn, rig.agency_id, user, now)
            people[name] = Somebody("admin", user.username, user.id)
    return client_id, people


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town() -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        rig = await stack.enter_async_context(running())
        own = {service: ports.free_port() for service in ("admin", "portal", "audit")}
        await asyncio.gather(*(rig.start(service, own_port=port) for service, port in own.items()))
        first = {"admin": rig.environment.ports.admin, "portal": rig.environment.ports.portal}
        first["audit"] = rig.environment.ports.audit
        bases = {s: (_url(first[s]), _url(own[s])) for s in own}
        # A connection each: none that was open before tells anything about the next request.
        connector = aiohttp.TCPConnector(force_close=True)
        jar, patience = aiohttp.DummyCookieJar(), aiohttp.ClientTimeout(30)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, cookie_jar=jar, timeout=patience)
        )
        pool = await Pool.open(rig.environment.database_url("admin"), size=1)
        stack.push_async_callback(pool.close)
        client_id, people = await populate(rig, pool)
        yield Town(rig, http, client_id, bases, people)


def _url(port: int) -> str:
    return f"http://{ports.LOOPBACK}:{port}"


async def report(town: Town, who: Somebody) -> None:
    """The owner says that somebody else has changed the password, with the code from the e-mail."""
    pool = await Pool.open(town.rig.environment.database_url("portal"), size=1)
    reference, now = new_reference(town.rig.agency_id), datetime.now(UTC)
    async with pool.transaction(town.rig.agency_id) as conn:
        soon_over = now + timedelta(days=1)
        await sessions.insert_password_token(conn, reference, "portal", who.id, "report", now=now, expires_at=soon_over)
    await pool.close()
    url = f"{town.bases['portal'][1]}/api/v1/password/report"
    status, _, answer = await town.ask("POST", url, json={"token": reference.text})
    assert status in (200, 202, 204), answer


async def change_password(town: Town, who: Somebody) -> str:
    """In a session of its own; answers that session's new token."""
    mine = Somebody(who.kind, who.username, who.id)
    await town.sign_in(mine)
    body, headers = {"current_password": PASSWORD, "new_password": ANOTHER}, {"Authorization": f"Bearer {mine.token}"}
    url = f"{town.bases['portal'][1]}/api/v1/password"
    status, _, tokens = await town.ask("POST", url, json=body, headers=headers)
    assert status == 200, tokens
    return str(tokens["access_token"])


async def in_the_store(town: Town, statement: str, who: Somebody) -> None:
    await town.rig.database.execute(statement, who.id)


async def across_clients(town: Town) -> set[int]:
    """The change log of all clients, which is a supervisor's right."""
    headers = {"Authorization": f"Bearer {town.people['demoted'].token}"}
    answers = [await town.ask("GET", f"{base}/api/v1/changes", headers=headers) for base in town.bases["audit"]]
    return {status for status, _, _ in answers}


ENDED = ("deactivated", "reported", "changed", "signed out by staff", "dismissed")
STAYED = ("neighbour", "later", "witness", "left")


async def test_what_ends_a_session_ends_it_everywhere_whatever_becomes_of_redis(town: Town) -> None:
    for who in town.people.values():
        await town.sign_in(who)
    await town.is_in(*town.people)
    assert await across_clients(town) == {200}
    # Redis as it is while all of them are in.
    await town.rig.redis.save()
    dump = town.rig.valkey.folder / "dump.rdb"
    kept = dump.read_bytes()

    logins = "/api/v1/portal-logins"
    await town.by_staff("PATCH", f"{logins}/{town.people['deactivated'].id}", {"active": False})
    await town.is_out("deactivated")
    await report(town, town.people["reported"])
    await town.is_out("reported")
    going_on = await change_password(town, town.people["changed"])
    await town.is_out("changed")
    await town.by_staff("POST", f"{logins}/{town.people['signed out by staff'].id}/sign-out", {})
    await town.is_out("signed out by staff")
    await in_the_store(town, "update accounts.staff_users set active = false where id = $1", town.people["dismissed"])
    await town.is_out("dismissed")
    await in_the_store(town, "update accounts.staff_users set role = 'staff' where id = $1", town.people["demoted"])
    assert await across_clients(town) == {403}
    await town.is_in(*STAYED)
    headers = {"Authorization": f"Bearer {going_on}"}
    assert (await town.ask("GET", f"{town.bases['portal'][0]}/api/v1/me", headers=headers))[0] == 200

    await town.rig.redis.flushall()
    await nothing_came_back(town, *STAYED)

    await town.rig.stop_redis()
    await nothing_came_back(town, *STAYED)
    # Also what ends now, with nobody to tell the others through.
    await town.by_staff("PATCH", f"{logins}/{town.people['later'].id}", {"active": False})
    await in_the_store(town, "update accounts.staff_users set active = false where id = $1", town.people["left"])
    await nothing_came_back(town, "neighbour", "witness", ended=(*ENDED, "later", "left"))

    dump.write_bytes(kept)
    await town.rig.valkey.start()
    await nothing_came_back(town, "neighbour", "witness", ended=(*ENDED, "later", "left"))


async def nothing_came_back(town: Town, *stayed: str, ended: tuple[str, ...] = ENDED) -> None:
    await town.is_out(*ended)
    await town.is_in(*stayed)
    assert await across_clients(town) == {403}


async def test_without_postgresql_nobody_gets_in_and_everybody_is_told_when_to_come_again(town: Town) -> None:
    people = [town.people[name] for name in ("neighbour", "witness")]
    gone = [town.people[name] for name in ("deactivated", "dismissed")]
    # Those who are gone are so already when the other test came before.
    for who in (*people, *(who for who in gone if not who.token)):
        await town.sign_in(who)
    await in_the_store(town, "update accounts.portal_logins set active = false where id = $1", gone[0])
    await in_the_store(town, "update accounts.staff_users set active = false where id = $1", gone[1])
    await town.rig.postgres.stop()
    try:
        for who in (*people, *gone):
            for url, headers in town.knocks(who):
                await refused_for_now(town, "GET", url, headers=headers)
            base = town.bases[who.kind][1]
            credentials = {"agency": AGENCY, "username": who.username, "password": PASSWORD}
            await refused_for_now(town, "POST", f"{base}/api/v1/token", json=credentials)
            await refused_for_now(town, "POST", f"{base}/api/v1/token/refresh", json={"refresh_token": who.refresh})
            form = {"username": who.username, "password": PASSWORD}
            await refused_for_now(town, "POST", f"{base}/{AGENCY}/sign-in", data=form, headers=FROM_OUR_PAGE)
    finally:
        await town.rig.postgres.start()

    async def back() -> bool:
        try:
            return {s for who in people for s in await town.statuses(who)} == {200}
        except aiohttp.ClientError:
            return False

    await soon(back, 60)
    await town.is_out("deactivated", "dismissed")


async def refused_for_now(town: Town, method: str, url: str, **options: Any) -> None:
    status, headers, body = await town.ask(method, url, **options)
    assert status == 503, (url, status, body)
    assert int(headers["Retry-After"]) > 0, url
    assert "Set-Cookie" not in headers
