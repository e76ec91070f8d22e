"""The portal as it runs, on real servers, with a log to ask in place of the audit service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from services.admin.use_cases import portal_logins as staff_logins
from services.admin.use_cases.credentials import Credentials
from services.portal.app import create_portal
from services.portal.keys import KEY_RING, SIGNER
from services.portal.settings import PortalSettings
from shared.accounts import portal_logins
from shared.accounts.agencies import Agency
from shared.accounts.clients import Client
from shared.accounts.portal_logins import PortalLogin
from shared.actors import Actor
from shared.db import Pool
from shared.deliveries.sealing import Opener, Sealer, new_key_pair
from shared.outbox import Work
from shared.security.boxes import new_box_key
from shared.security.passwords import PasswordHasher
from shared.security.tokens import CLIENT, KeyRing, Verifier, new_signing_key
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.people import World

OWN_PASSWORD = "blue kettle walks on the roof"
NEW_PASSWORD = "seven lamps beside an old bridge"
# What a browser says of a form on our own page.
FROM_OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Log:
    """Stands in for the audit service: answers what it is told to, and keeps what it was asked."""

    items: list[dict[str, Any]] = field(default_factory=list)
    next_cursor: str | None = None
    status: int = 200
    asked: list[web.Request] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        return web.json_response({"items": self.items, "next_cursor": self.next_cursor}, status=self.status)


@pytest.fixture
async def log() -> AsyncIterator[tuple[Log, TestServer]]:
    found = Log()
    app = web.Application()
    app.router.add_get("/api/v1/activity", found.answer)
    server = TestServer(app)
    await server.start_server()
    yield found, server
    await server.close()


@pytest.fixture(scope="session")
def sealing_keys() -> tuple[str, str]:
    return new_key_pair()


@pytest.fixture(scope="session")
def signing_key() -> str:
    return new_signing_key()


@pytest.fixture
def settings(
    database: Database,
    redis_url: str,
    broker_url: str,
    signing_key: str,
    sealing_keys: tuple[str, str],
    log: tuple[Log, TestServer],
) -> PortalSettings:
    return PortalSettings(
        port=0,
        probe_port=0,
        public_url="http://portal.example",
        database_url=database.url("portico_portal"),
        relay_database_url=database.url("portico_relay"),
        redis_url=redis_url,
        celery_broker_url=broker_url,
        signing_key=signing_key,
        sealing_public_key=sealing_keys[1],
        box_keys=new_box_key(),
        audit_url=str(log[1].make_url("")).rstrip("/"),
    )


@dataclass(frozen=True, slots=True)
class Portal:
    """A running portal. ``api`` and ``page`` speak as programs and browsers do."""

    http: TestClient[web.Request, web.Application]
    log: Log

    @property
    def app(self) -> web.Application:
        assert self.http.app is not None
        return self.http.app

    async def api(self, path: str, body: Any, *, token: str | None = None) -> ClientResponse:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.http.post(f"/api/v1/{path}", json=body, headers=headers)

    async def get_api(self, path: str, *, token: str | None = None) -> ClientResponse:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.http.get(f"/api/v1/{path}", headers=headers)

    async def get(self, path: str, **options: Any) -> ClientResponse:
        return await self.http.get(path, allow_redirects=False, **options)

    async def post(self, path: str, form: dict[str, str], **options: Any) -> ClientResponse:
        headers = {**FROM_OUR_PAGE, **options.pop("headers", {})}
        return await self.http.post(path, data=form, allow_redirects=False, headers=headers, **options)

    def cookies(self) -> dict[str, str]:
        return {cookie.key: cookie.value for cookie in self.http.session.cookie_jar}

    def forget_cookies(self) -> None:
        self.http.session.cookie_jar.clear()


async def _started(settings: PortalSettings, clock: FakeClock) -> TestClient[web.Request, web.Application]:
    app = create_portal(settings, clock=clock)
    client: TestClient[web.Request, web.Application] = TestClient(TestServer(app))
    await client.start_server()
    async with asyncio.timeout(10):
        while app[KEY_RING].find(app[SIGNER].kid) is None:
            await asyncio.sleep(0.01)
    return client


@pytest.fixture
async def start(clock: FakeClock) -> AsyncIterator[Callable[[PortalSettings], Awaitable[TestClient[Any, Any]]]]:
    started: list[TestClient[Any, Any]] = []

    async def run(settings: PortalSettings) -> TestClient[Any, Any]:
        client = await _started(settings, clock)
        started.append(client)
        return client

    yield run
    for client in started:
        with suppress(RuntimeError):
            await client.close()


@pytest.fixture
async def portal(
    settings: PortalSettings, log: tuple[Log, TestServer], start: Callable[[PortalSettings], Awaitable[Any]]
) -> Portal:
    return Portal(await start(settings), log[0])


@dataclass(frozen=True, slots=True)
class Town:
    """An agency with a staff user and a client, and what staff do for portal logins."""

    agency: Agency
    staff: Actor
    client: Client
    work: Work
    credentials: Credentials
    opener: Opener
    owner_url: str
    pool: Pool
    hasher: PasswordHasher
    clock: FakeClock

    async def login(
        self, username: str = "cmalek", *, email: str = "cmalek@example.com", representative: bool = False
    ) -> tuple[PortalLogin, str]:
        """A portal login with its temporary password, as its owner finds it in the mail."""
        new = staff_logins.NewPortalLogin(username, email, representative=representative)
        login = await staff_logins.create(
            self.work, self.credentials, actor=self.staff, client_id=self.client.id, new=new
        )
        # What follows is later, as it is in life: ids of the same moment have no order between processes.
        self.clock.advance(seconds=1)
        return login, await self.mailed(login)

    async def own(self, username: str = "cmalek", *, password: str = OWN_PASSWORD, **options: Any) -> PortalLogin:
        """A portal login whose owner has chosen a password already."""
        login, _ = await self.login(username, **options)
        stored = await self.hasher.hash(password)
        async with self.pool.transaction(self.agency.id) as conn:
            await portal_logins.set_own_password(conn, login.id, stored, self.work.clock())
            await conn.execute(
                "update mail.deliveries set state = 'cancelled', finished_at = now(), sealed_secret = null"
            )
        return login

    async def mailed(self, login: PortalLogin, mail: str = "temporary_password") -> str:
        """The secret in the newest e-mail to a login that is still on its way."""
        rows = await self.rows(
            "select sealed_secret from mail.deliveries"
            f" where portal_login_id = '{login.id}' and mail = '{mail}' and finished_at is null order by id desc"
        )
        return self.opener.open(rows[0]["sealed_secret"])

    async def change(self, login: PortalLogin, **change: Any) -> PortalLogin:
        """What staff do in the Portal Login window."""
        self.clock.advance(seconds=1)
        return await staff_logins.update(
            self.work,
            self.credentials,
            actor=self.staff,
            login_id=login.id,
            change=staff_logins.PortalLoginChange(**change),
        )

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows as an operator sees them."""
        conn = await asyncpg.connect(self.owner_url)
        try:
            return [dict(row) for row in await conn.fetch(query)]
        finally:
            await conn.close()

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and payload of all events, in their order."""
        rows = await self.rows("select body from accounts.outbox where kind = 'event' order by id")
        found = [json.loads(row["body"]) for row in rows]
        return [(event["type"], event["payload"]) for event in found]

    async def new_events(self, before: int) -> list[str]:
        """The types of the events after the first ``before``."""
        return [type_ for type_, _ in (await self.events())[before:]]

    async def open_sessions(self) -> int:
        """How many portal sessions are open."""
        return len(await self.rows("select id from accounts.sessions where kind = 'portal' and ended_at is null"))


@pytest.fixture
async def town(
    world: World,
    admin_work: Work,
    admin_pool: Pool,
    hasher: PasswordHasher,
    sealing_keys: tuple[str, str],
    database: Database,
    clock: FakeClock,
) -> Town:
    agency = await world.agency()
    person = await world.staff(agency)
    return Town(
        agency=agency,
        staff=person.actor,
        client=await world.client(agency),
        work=admin_work,
        credentials=Credentials(hasher, Sealer(sealing_keys[1]), "http://portal.example"),
        opener=Opener(sealing_keys[0]),
        owner_url=database.owner_url,
        pool=admin_pool,
        hasher=hasher,
        clock=clock,
    )


def credentials_of(username: str = "cmalek", password: str = OWN_PASSWORD, agency: str = "riverside") -> dict[str, str]:
    return {"agency": agency, "username": username, "password": password}


async def tokens_of(portal: Portal, **credentials: str) -> dict[str, Any]:
    """Sign in through the API."""
    answer = await portal.api("token", credentials_of(**credentials))
    assert answer.status == 200, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def sign_in_page(portal: Portal, username: str = "cmalek", password: str = OWN_PASSWORD) -> ClientResponse:
    """Sign in through the pages."""
    return await portal.post("/riverside/sign-in", {"username": username, "password": password})


def csrf_of(page: str) -> str:
    """The form token in a page."""
    return page.partition('name="csrf_token" value="')[2].partition('"')[0]


@pytest.fixture
def verifier(portal: Portal, clock: FakeClock) -> Callable[[str], Any]:
    """Checks a token as the audit service would."""
    ring: KeyRing = portal.app[KEY_RING]
    return lambda token: Verifier(ring, clock).verify(token, CLIENT)
