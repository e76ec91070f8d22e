"""All three services with an HTTP door, running on one database, and the people who knock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Literal
from unittest.mock import patch
from uuid import UUID, uuid4

import asyncpg
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from services.admin.app import create_admin
from services.admin.settings import AdminSettings
from services.audit.app import create_audit
from services.audit.consumer import Consumer
from services.audit.keys import ACCOUNTS_POOL
from services.audit.keys import KEY_RING as AUDIT_RING
from services.audit.settings import AuditSettings
from services.portal.app import create_portal
from services.portal.settings import PortalSettings
from shared.accounts import portal_logins
from shared.accounts.agencies import Agency
from shared.accounts.clients import Client
from shared.accounts.portal_logins import PortalLogin
from shared.accounts_service import KEY_RING, SIGNER
from shared.db import Pool
from shared.deliveries.sealing import Opener, new_key_pair
from shared.http.client_address import Network
from shared.security.boxes import new_box_key
from shared.security.passwords import PasswordHasher
from shared.security.tokens import Signer, new_signing_key
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.people import STAFF_PASSWORD, Person, World

OWN_PASSWORD = "blue kettle walks on the roof"
NEW_PASSWORD = "seven lamps beside an old bridge"
# What a browser says of a form on our own page.
FROM_OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ADMIN_URL, PORTAL_URL, AUDIT_URL = "http://admin.example", "http://portal.example", "http://audit.example"
_LOOPBACK = ip_network("127.0.0.0/8")
_KEYS = {name: new_signing_key() for name in ("admin", "portal", "seals")}

# Whoever comes here has no session, or need not have one: a password, or a code from an e-mail, is what they bring. Whatever
# is below sign-in is as well.
WITHOUT_A_SESSION = frozenset(
    {
        "sign-in",
        "choose-password",
        "forgot-password",
        "forgot-username",
        "reset",
        "not-me",
        "confirm-email",
        "invitation",
        "second-factor",
        "single-sign-on",
    }
)

Name = Literal["admin", "portal", "audit"]
Http = TestClient[web.Request, web.Application]


@dataclass(frozen=True, slots=True)
class Route:
    """One address of a service; ``pattern`` is as the router has it."""

    method: str
    pattern: str

    @property
    def is_page(self) -> bool:
        """Whether it is a page of an agency."""
        return self.pattern.startswith("/{slug")

    @property
    def is_for_everybody(self) -> bool:
        """Whether it is a page to which nobody has to be signed in."""
        return self.pattern.removeprefix("/{slug}/").partition("/")[0] in WITHOUT_A_SESSION


@dataclass(slots=True)
class Door:
    """A running service. ``ids`` fill the placeholders of its addresses, by what stands before them."""

    name: Name
    http: Http
    ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def app(self) -> web.Application:
        """The application behind the port."""
        assert self.http.app is not None
        return self.http.app

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self.http.port is not None
        return self.http.port

    @property
    def signer(self) -> Signer:
        """The key that its tokens are signed with."""
        return self.app[SIGNER]

    def routes(self) -> list[Route]:
        """Every address but the HEAD twins of GET."""
        found = [Route(r.method, r.resource.canonical) for r in self.app.router.routes() if r.resource]
        return [route for route in found if route.method not in ("HEAD", "*")]

    def pages(self, *methods: str) -> Iterator[Route]:
        """The pages of an agency."""
        return (route for route in self.routes() if route.is_page and route.method in (methods or ("GET",)))

    def address(self, pattern: str, **known: str) -> str:
        """The pattern with ids that exist; what nobody knows gets an id of nothing."""
        path = pattern
        for placeholder, value in {"slug": "riverside", "name": "not-found", "version": "x", **known}.items():
            path = path.replace(f"{{{placeholder}}}", value)
        while "{" in path:
            before, _, rest = path.partition("{")
            _, _, after = rest.partition("}")
            path = before + self.ids.get(before.rstrip("/").rpartition("/")[2], str(uuid4())) + after
        return path

    async def ask(self, method: str, path: str, **options: Any) -> ClientResponse:
        """One request, whose redirects are left alone."""
        return await self.http.request(method, path, allow_redirects=False, **options)

    async def json(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """One request of a program: status and answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        given = {} if body is None else {"json": body}
        answer = await self.ask(method, path, headers=headers, **given)
        text = await answer.text()
        return answer.status, json.loads(text) if text else None

    async def form(self, path: str, form: Any, **headers: str) -> ClientResponse:
        """A form from one of our pages."""
        return await self.ask("POST", path, data=form, headers={"Accept": "text/html", **FROM_OUR_PAGE, **headers})

    def cookies(self) -> dict[str, str]:
        """What the browser keeps."""
        return {cookie.key: cookie.value for cookie in self.http.session.cookie_jar}

    def keep_cookies(self, cookies: Mapping[str, str]) -> None:
        """Keep these and no others."""
        self.http.session.cookie_jar.clear()
        self.http.session.cookie_jar.update_cookies(dict(cookies), self.http.make_url("/"))


@dataclass(slots=True)
class Street:
    """Three doors in a row, with an agency, its staff, a client and a portal login behind them."""

    admin: Door
    portal: Door
    audit: Door
    world: World
    agency: Agency
    staff: Person
    client: Client
    login: PortalLogin
    owner_url: str
    pool: Pool
    hasher: PasswordHasher
    clock: FakeClock
    opener: Opener
    case_id: UUID

    @property
    def doors(self) -> tuple[Door, ...]:
        """All of them."""
        return self.admin, self.portal, self.audit

    @property
    def page_doors(self) -> tuple[Door, Door]:
        """Those with pages."""
        return self.admin, self.portal

    def credentials(self, door: Door, **changes: str) -> dict[str, str]:
        """What opens a door's API."""
        found = {
            "admin": {"agency": "riverside", "username": "nextstep", "password": STAFF_PASSWORD},
            "portal": {"agency": "riverside", "username": "cmalek", "password": OWN_PASSWORD},
        }[door.name]
        return {**found, **changes}

    async def tokens(self, door: Door, **changes: str) -> dict[str, Any]:
        """Sign in through the API."""
        status, answer = await door.json("POST", "/api/v1/token", self.credentials(door, **changes))
        assert status == 200, answer
        tokens: dict[str, Any] = answer
        return tokens

    async def token(self, door: Door) -> str:
        """An access token; the audit service takes a staff user's."""
        found = await self.tokens(self.admin if door is self.audit else door)
        return str(found["access_token"])

    async def sign_in(self, door: Door, **changes: str) -> ClientResponse:
        """Sign in through the pages."""
        form = {name: value for name, value in self.credentials(door, **changes).items() if name != "agency"}
        return await door.form("/riverside/sign-in", form)

    async def signed_in(self, door: Door) -> str:
        """Sign in through the pages; answers the form token of the session."""
        answer = await self.sign_in(door)
        assert answer.status == 303, await answer.text()
        page = await door.ask("GET", "/riverside/sessions")
        return form_token(await page.text())

    async def own_login(self, username: str, *, email: str = "") -> PortalLogin:
        """A portal login whose owner has chosen :data:`OWN_PASSWORD`."""
        at, stored = self.clock(), await self.hasher.hash(OWN_PASSWORD)
        new = PortalLogin(
            *(uuid4(), self.client.id, username, email or f"{username}@example.com"),
            *(False, True, None, None, None, False, 1, at, at),
        )
        async with self.pool.transaction(self.agency.id) as conn:
            await portal_logins.insert(conn, self.agency.id, new)
            await portal_logins.set_own_password(conn, new.id, stored, at)
        return new

    async def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows as an operator sees them."""
        conn = await asyncpg.connect(self.owner_url)
        try:
            return [dict(row) for row in await conn.fetch(query, *arguments)]
        finally:
            await conn.close()

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and payload of all events, in their order."""
        rows = await self.rows("select body from accounts.outbox where kind = 'event' order by id")
        found = [json.loads(row["body"]) for row in rows]
        return [(event["type"], event["payload"]) for event in found]

    async def state(self) -> str:
        """Who there is and what they may, of every agency: what no refused request may change."""
        found = {
            table: await self.rows(f"select to_jsonb(t) - 'last_sign_in_at' as row from {table} t order by 1")
            for table in ("accounts.agencies", "accounts.staff_users", "accounts.clients", "accounts.portal_logins")
        }
        return json.dumps(found, default=str)


def form_token(page: str) -> str:
    """The form token in a page."""
    found = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    assert found, page
    return found


@asynccontextmanager
async def open_street(
    world: World,
    database: Database,
    pool: Pool,
    hasher: PasswordHasher,
    clock: FakeClock,
    redis_url: str,
    broker_url: str,
    *,
    behind_a_proxy: bool = False,
) -> AsyncIterator[Street]:
    """Start the services, and put people in. ``behind_a_proxy``: whoever calls is believed whom they forward for."""
    agency = await world.agency()
    staff, client = await world.staff(agency), await world.client(agency)
    opening, sealing = new_key_pair()
    proxies = (_LOOPBACK,) if behind_a_proxy else ()
    async with AsyncExitStack() as stack:
        audit = await _started(stack, "audit", create_audit(_audit(database, redis_url, proxies), clock=clock))
        common = {
            "port": 0,
            "probe_port": 0,
            "relay_database_url": database.url("portico_relay"),
            "redis_url": redis_url,
            "celery_broker_url": broker_url,
            "sealing_public_key": sealing,
            "box_keys": new_box_key(),
            "audit_url": str(audit.http.make_url("")).rstrip("/"),
            "trusted_proxies": proxies,
        }
        admin_settings = AdminSettings(
            public_url=ADMIN_URL,
            portal_url=PORTAL_URL,
            database_url=database.url("portico_admin"),
            signing_key=_KEYS["admin"],
            **common,
        )
        portal_settings = PortalSettings(
            public_url=PORTAL_URL, database_url=database.url("portico_portal"), signing_key=_KEYS["portal"], **common
        )
        admin = await _started(stack, "admin", create_admin(admin_settings, clock=clock))
        portal = await _started(stack, "portal", create_portal(portal_settings, clock=clock))
        await _know_each_other(admin, portal, audit)
        [case_id] = await world.case_ids(agency, client)
        street = Street(
            *(admin, portal, audit, world, agency, staff, client, None),  # type: ignore[arg-type]
            *(database.owner_url, pool, hasher, clock, Opener(opening), case_id),
        )
        street.login = await street.own_login("cmalek")
        ids = {
            "clients": str(client.id),
            "document-center": str(client.id),
            "portal-logins": str(street.login.id),
            "staff": str(staff.user.id),
            str(client.id): str(case_id),
        }
        for door in street.doors:
            door.ids = ids
        clock.advance(seconds=1)
        yield street


def _audit(database: Database, redis_url: str, proxies: tuple[Network, ...]) -> AuditSettings:
    return AuditSettings(
        public_url=AUDIT_URL,
        port=0,
        probe_port=0,
        database_url=database.url("portico_audit"),
        redis_url=redis_url,
        seal_key=_KEYS["seals"],
        trusted_proxies=proxies,
    )


async def _started(stack: AsyncExitStack, name: Name, app: web.Application) -> Door:
    # What these tests look at are answers: nothing is read from the stream.
    with patch.object(Consumer, "run", _rest):
        server = TestServer(app)
        # What the server still takes of a body that it has refused, before it closes: ten seconds, but for tests.
        await server.start_server(lingering_time=1.0)
        client: Http = TestClient(server)
        await client.start_server()
    stack.push_async_callback(client.close)
    return Door(name, client)


async def _rest(_: Consumer) -> None:
    await asyncio.Event().wait()


async def _know_each_other(admin: Door, portal: Door, audit: Door) -> None:
    async with asyncio.timeout(10):
        while not all(door.app[KEY_RING].find(door.signer.kid) for door in (admin, portal)):
            await asyncio.sleep(0.01)
        while not all(audit.app[AUDIT_RING].find(door.signer.kid) for door in (admin, portal)):
            await audit.app[AUDIT_RING].refresh(audit.app[ACCOUNTS_POOL])
    # Each knows the other's key, as it will in a moment: only then is it the audience that refuses.
    for door in (admin, portal):
        await door.app[KEY_RING].refresh(audit.app[ACCOUNTS_POOL])
