"""The admin service as it runs, on real servers, with a log to ask in place of the audit service."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from services.admin.app import create_admin
from services.admin.keys import KEY_RING, SIGNER
from services.admin.settings import AdminSettings
from shared.accounts.agencies import Agency
from shared.accounts.clients import Client
from shared.deliveries.sealing import Opener, new_key_pair
from shared.security.boxes import new_box_key
from shared.security.tokens import new_signing_key
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.people import STAFF_PASSWORD, Person, World

# What a browser says of a form on our own page.
FROM_OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}
RESIDENCE = {"Street": "12 Linden Street", "Email": "cmalek@example.com", "CurrentHomeless": "Yes"}


@dataclass
class Log:
    """Stands in for the audit service: answers what it is told to, and keeps what it was asked."""

    items: list[dict[str, Any]] = field(default_factory=list)
    next_cursor: str | None = None
    filters: dict[str, Any] = field(
        default_factory=lambda: {
            "change_types": [{"value": "Portal Login", "label": "Portal Login"}],
            "changed_by": [{"value": "staff:1", "label": "NextStep Solutions"}],
        }
    )
    security_filters: dict[str, Any] = field(
        default_factory=lambda: {
            "events": [{"value": "portal_login.locked", "label": "Portal Login Locked"}],
            "people": [{"value": "nextstep", "label": "NextStep Solutions"}],
        }
    )
    # What the audit service finds wrong with a question, where it answers 422.
    errors: list[dict[str, str]] = field(default_factory=list)
    # A cursor that it does not know any more.
    stale: str | None = None
    status: int = 200
    delay: float = 0
    asked: list[web.Request] = field(default_factory=list)

    async def changes(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        await asyncio.sleep(self.delay)
        answer = {"items": self.items, "next_cursor": self.next_cursor, "errors": self.errors}
        refused = self.stale is not None and request.query.get("cursor") == self.stale
        return web.json_response(answer, status=422 if refused else self.status)

    async def choices(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        return web.json_response(self.filters, status=200 if self.status == 422 else self.status)

    async def security_choices(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        return web.json_response(self.security_filters, status=200 if self.status == 422 else self.status)

    @property
    def query(self) -> dict[str, str]:
        """The last question for entries."""
        entries = ("/api/v1/changes", "/api/v1/security-log")
        return dict(next(r for r in reversed(self.asked) if r.path in entries).query)


@pytest.fixture
async def log() -> AsyncIterator[tuple[Log, TestServer]]:
    found = Log()
    app = web.Application()
    app.router.add_get("/api/v1/changes", found.changes)
    app.router.add_get("/api/v1/changes/filters", found.choices)
    app.router.add_get("/api/v1/security-log", found.changes)
    app.router.add_get("/api/v1/security-log/filters", found.security_choices)
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
) -> AdminSettings:
    return AdminSettings(
        port=0,
        probe_port=0,
        public_url="http://admin.example",
        portal_url="http://portal.example",
        database_url=database.url("portico_admin"),
        relay_database_url=database.url("portico_relay"),
        redis_url=redis_url,
        celery_broker_url=broker_url,
        signing_key=signing_key,
        sealing_public_key=sealing_keys[1],
        box_keys=new_box_key(),
        audit_url=str(log[1].make_url("")).rstrip("/"),
    )


Start = Callable[[AdminSettings], Awaitable[TestClient[web.Request, web.Application]]]


@pytest.fixture
async def start(clock: FakeClock) -> AsyncIterator[Start]:
    started: list[TestClient[web.Request, web.Application]] = []

    async def run(settings: AdminSettings) -> TestClient[web.Request, web.Application]:
        app = create_admin(settings, clock=clock)
        client: TestClient[web.Request, web.Application] = TestClient(TestServer(app))
        await client.start_server()
        started.append(client)
        async with asyncio.timeout(10):
            while app[KEY_RING].find(app[SIGNER].kid) is None:
                await asyncio.sleep(0.01)
        return client

    yield run
    for client in started:
        with suppress(RuntimeError):
            await client.close()


@dataclass(frozen=True, slots=True)
class Town:
    """An agency with a staff user and a client, and what an operator sees in the database."""

    agency: Agency
    staff: Person
    client: Client
    opener: Opener
    owner_url: str
    world: World

    async def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        conn = await asyncpg.connect(self.owner_url)
        try:
            return [dict(row) for row in await conn.fetch(query, *arguments)]
        finally:
            await conn.close()

    async def execute(self, query: str, *arguments: Any) -> None:
        await self.rows(query, *arguments)

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and payload of all events, in their order."""
        rows = await self.rows("select body from accounts.outbox where kind = 'event' order by id")
        found = [json.loads(row["body"]) for row in rows]
        return [(event["type"], event["payload"]) for event in found]

    async def types(self) -> list[str]:
        return [type_ for type_, _ in await self.events()]

    async def mailed(self) -> list[tuple[str, str]]:
        """Recipient and secret of each e-mail that is on its way."""
        rows = await self.rows(
            "select recipient, sealed_secret from mail.deliveries where finished_at is null order by id"
        )
        return [(row["recipient"], self.opener.open(row["sealed_secret"])) for row in rows]

    async def secret_for(self, username: str, mail: str) -> str:
        """The secret in the newest e-mail of that kind to a staff user that is still on its way."""
        rows = await self.rows(
            "select d.sealed_secret from mail.deliveries d join accounts.staff_users u on u.id = d.staff_user_id"
            " where u.username = $1 and d.mail = $2 and d.finished_at is null order by d.id desc limit 1",
            username,
            mail,
        )
        return self.opener.open(rows[0]["sealed_secret"])

    async def case_id(self) -> UUID:
        (found,) = await self.world.case_ids(self.agency, self.client)
        return found


@pytest.fixture
async def town(world: World, sealing_keys: tuple[str, str], database: Database) -> Town:
    agency = await world.agency()
    return Town(
        agency=agency,
        staff=await world.staff(agency),
        client=await world.client(agency, dynamic_fields={"current_residence": dict(RESIDENCE)}),
        opener=Opener(sealing_keys[0]),
        owner_url=database.owner_url,
        world=world,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read whole."""

    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def fields(self) -> dict[str, str]:
        """The errors of a problem by field."""
        return {e["field"]: e["message"] for e in self.json.get("errors", [])}


@dataclass(slots=True)
class Api:
    """Speaks to the API as a program does, as a staff user who is signed in."""

    http: TestClient[web.Request, web.Application]
    token: str = ""

    @property
    def app(self) -> web.Application:
        assert self.http.app is not None
        return self.http.app

    async def call(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        response = await self.http.request(
            method,
            path if path.startswith("/") else f"/api/v1/{path}",
            headers={**sent, **(headers or {})},
            **({"data": body} if isinstance(body, bytes) else {} if body is None else {"json": body}),
        )
        return await _read(response)

    async def get(self, path: str) -> Answer:
        return await self.call("GET", path)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.call("POST", path, body, **options)

    async def patch(self, path: str, body: Any, **options: Any) -> Answer:
        return await self.call("PATCH", path, body, **options)

    async def sign_in(
        self, username: str = "nextstep", agency: str = "riverside", password: str = STAFF_PASSWORD
    ) -> dict[str, Any]:
        body = {"agency": agency, "username": username, "password": password}
        self.token = ""
        answer = await self.post("token", body)
        assert answer.status == 200, answer.text
        tokens: dict[str, Any] = answer.json
        self.token = tokens["access_token"]
        return tokens

    async def login(self, client: Client, **fields: Any) -> dict[str, Any]:
        """Add a portal login."""
        body = {"username": "cmalek", "email": "cmalek@example.com", **fields}
        answer = await self.post(f"clients/{client.id}/portal-logins", body)
        assert answer.status == 201, answer.text
        made: dict[str, Any] = answer.json
        return made


async def _read(response: ClientResponse) -> Answer:
    return Answer(response.status, response.headers, await response.text())


_TAG = re.compile(r"<(input|select|textarea|button|option)\b([^>]*)>")
_ATTRIBUTE = re.compile(r'([a-z-]+)(?:="([^"]*)")?')


@dataclass(frozen=True, slots=True)
class Page(Answer):
    """A page as a browser reads it."""

    @property
    def words(self) -> str:
        """Its text, without markup."""
        body = re.sub(r"<(script|style)\b.*?</\1>", " ", self.text, flags=re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())

    def form(self, marker: str = "") -> dict[str, str]:
        """What the last form (or the one that holds ``marker``) would send, without its buttons."""
        forms = [f for f in re.findall(r"<form\b.*?</form>", self.text, re.DOTALL) if marker in f]
        values: dict[str, str] = {}
        selecting: str | None = None
        for tag, inside in _TAG.findall(forms[-1]):
            attributes = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(inside)}
            name, kind = attributes.get("name"), attributes.get("type", "text")
            if tag == "select":
                selecting = name
            elif tag == "option" and selecting:
                if "selected" in attributes or selecting not in values:
                    values[selecting] = attributes.get("value", "")
            elif tag == "input" and name and (kind not in ("checkbox", "radio") or "checked" in attributes):
                values[name] = attributes.get("value", "")
        return values

    @property
    def errors(self) -> list[str]:
        """The sentences beside the fields."""
        found = re.findall(r'<p class="field-error"[^>]*>(.*?)</p>', self.text, re.DOTALL)
        return [html.unescape(re.sub(r"<[^>]+>", "", item)).removeprefix("Error: ") for item in found]

    @property
    def summary(self) -> str:
        """What the summary of errors says."""
        found = re.search(r'<div class="error-summary".*?</div>', self.text, re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[0])).split()) if found else ""

    @property
    def has_window(self) -> bool:
        return "<dialog" in self.text


@dataclass(slots=True)
class Browser:
    """Goes from page to page as a browser does."""

    http: TestClient[web.Request, web.Application]
    slug: str = "riverside"

    async def get(self, path: str) -> Page:
        response = await self.http.get(self._path(path), allow_redirects=False, headers={"Accept": "text/html"})
        return Page(**_parts(await _read(response)))

    async def post(self, path: str, form: dict[str, str], *, headers: dict[str, str] | None = None) -> Page:
        sent = {"Accept": "text/html", **FROM_OUR_PAGE, **(headers or {})}
        response = await self.http.post(self._path(path), data=form, allow_redirects=False, headers=sent)
        return Page(**_parts(await _read(response)))

    def _path(self, path: str) -> str:
        return path if path.startswith("/") else f"/{self.slug}/{path}"

    async def sign_in(self, username: str = "nextstep", password: str = STAFF_PASSWORD) -> None:
        page = await self.post("sign-in", {"username": username, "password": password})
        assert page.status == 303, page.words

    def cookies(self) -> dict[str, str]:
        return {cookie.key: cookie.value for cookie in self.http.session.cookie_jar}

    async def edit(self, client: Client) -> Page:
        """The edit page."""
        page = await self.get(f"clients/{client.id}/edit")
        assert page.status == 200, page.words
        return page

    async def press(self, client: Client, page: Page, button: str, **typed: str | None) -> Page:
        """Press a button of the edit page with what is typed into its fields; None unticks a box."""
        name, _, value = button.partition("=")
        names = {key.replace("__", "."): text for key, text in typed.items()}
        form = {**page.form(), **{key: text for key, text in names.items() if text is not None}}
        for key in [key for key, text in names.items() if text is None]:
            form.pop(key, None)
        return await self.post(f"clients/{client.id}/edit", {**form, name: value})


def _parts(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "headers": answer.headers, "text": answer.text}


@pytest.fixture
async def http(settings: AdminSettings, start: Start) -> TestClient[web.Request, web.Application]:
    return await start(settings)


@pytest.fixture
async def api(http: TestClient[web.Request, web.Application], town: Town) -> Api:
    """Signed in as ``nextstep``."""
    found = Api(http)
    await found.sign_in()
    return found


@pytest.fixture
async def boss(http: TestClient[web.Request, web.Application], town: Town) -> Api:
    """Signed in as the agency admin ``boss``."""
    await town.world.staff(town.agency, "boss", display_name="Alex Morgan", role="agency_admin")
    found = Api(http)
    await found.sign_in("boss")
    return found


async def invited(boss: Api, **fields: Any) -> dict[str, Any]:
    """Add a staff user, as ``boss``."""
    body = {"username": "nora", "display_name": "Nora Newman", "email": "nora@example.org", "role": "staff", **fields}
    answer = await boss.post("staff", body)
    assert answer.status == 201, answer.text
    made: dict[str, Any] = answer.json
    return made


@pytest.fixture
async def browser(http: TestClient[web.Request, web.Application], town: Town) -> Browser:
    """Signed in as ``nextstep``."""
    found = Browser(http)
    await found.sign_in()
    return found
