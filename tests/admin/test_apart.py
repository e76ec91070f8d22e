"""Every address of the admin service, asked with what belongs to another agency: nothing is told, nothing changes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from shared.accounts.agencies import Agency
from shared.accounts.clients import Client
from tests.admin.conftest import Api, Browser, Town
from tests.support.authenticator import Authenticator
from tests.support.people import STAFF_PASSWORD

Http = TestClient[web.Request, web.Application]

# What a caller with every right would send to do something about one thing of another agency.
BODIES: dict[tuple[str, str], Any] = {
    ("GET", "/api/v1/clients/{id}"): None,
    ("PATCH", "/api/v1/clients/{id}"): {"first_name": "Changed", "portal_refused": True},
    ("POST", "/api/v1/clients/{id}/portal-logins"): {"username": "intruder", "email": "intruder@example.com"},
    ("GET", "/api/v1/portal-logins/{id}"): None,
    ("PATCH", "/api/v1/portal-logins/{id}"): {"active": False, "email": "intruder@example.com", "reset_password": True},
    ("GET", "/api/v1/portal-logins/{id}/deliveries"): None,
    ("POST", "/api/v1/portal-logins/{id}/resend"): {"email": "intruder@example.com"},
    ("POST", "/api/v1/portal-logins/{id}/unlock"): {},
    ("POST", "/api/v1/portal-logins/{id}/sign-out"): {},
    ("POST", "/api/v1/portal-logins/{id}/email-works"): {},
    ("POST", "/api/v1/portal-logins/{id}/second-factor/reset"): {"reason": "Lost the phone"},
    ("POST", "/api/v1/staff/{id}/second-factor/reset"): {"reason": "Lost the phone"},
    ("DELETE", "/api/v1/sessions/{id}"): None,
    ("PATCH", "/api/v1/passkeys/{id}"): {"name": "Changed"},
    ("POST", "/api/v1/passkeys/{id}/remove"): {"current_password": STAFF_PASSWORD},
    ("DELETE", "/api/v1/second-factor/devices/{id}"): None,
    ("GET", "/api/v1/staff/{id}"): None,
    ("PATCH", "/api/v1/staff/{id}"): {"role": "agency_admin", "email": "intruder@example.com", "reset_password": True},
    ("POST", "/api/v1/staff/{id}/unlock"): {},
    ("POST", "/api/v1/staff/{id}/sign-out"): {},
    ("GET", "/api/v1/staff/{id}/deliveries"): None,
}
# Opened without a session, about nobody.
PUBLIC = {
    "/api/v1/token",
    "/api/v1/token/refresh",
    "/api/v1/token/passkey",
    "/api/v1/token/passkey/options",
    "/api/v1/token/second-factor",
    "/api/v1/token/second-factor/totp",
    "/api/v1/token/second-factor/totp/confirm",
    "/.well-known/jwks.json",
    "/openapi.json",
    "/api/v1/password/forgot",
    "/api/v1/password/reset",
    "/api/v1/password/report",
}
# Pages at which somebody without a session arrives.
DOORS = (
    "/sign-in",
    "/sign-in/passkey",
    "/sign-in/passkey/options",
    "{slug}",
    "/choose-password",
    "/forgot-password",
    "/reset",
    "/not-me",
)


@dataclass
class Elsewhere:
    """Another agency with a client, a portal login and a staff session."""

    agency: Agency
    client: Client
    login: dict[str, Any]
    case_id: str
    session_id: str
    staff_id: str
    device_id: str
    passkey_id: str

    def id_for(self, path: str) -> str:
        for part, found in (
            ("/sessions/", self.session_id),
            ("/devices/", self.device_id),
            ("/staff/", self.staff_id),
            ("/passkeys/", self.passkey_id),
        ):
            if part in path:
                return found
        return self.login["id"] if "/portal-logins/{id}" in path else str(self.client.id)


@pytest.fixture
async def elsewhere(http: Http, town: Town) -> Elsewhere:
    agency = await town.world.agency("lakeside", name="Lakeside")
    person = await town.world.staff(agency, "theirs", display_name="Zebulon", role="agency_admin")
    device = await a_second_factor(town, agency, person.user.id)
    client = await town.world.client(agency, first_name="Zebulon", last_name="Quagmire")
    theirs = Api(http)
    await theirs.sign_in("theirs", "lakeside")
    login = await theirs.login(client, username="zebulon", email="zebulon@example.org")
    session = (await theirs.get("sessions")).json["items"][0]["id"]
    [case_id] = await town.world.case_ids(agency, client)
    passkey = await added_passkey(theirs)
    return Elsewhere(agency, client, login, str(case_id), session, str(person.user.id), device, passkey)


async def a_second_factor(town: Town, agency: Agency, person_id: UUID) -> str:
    """Rows as a second factor has them, without one that would be asked for; answers a remembered device's id."""
    await town.execute(
        "insert into accounts.recovery_codes (digest, agency_id, kind, person_id, created_at)"
        " values ('x', $1, 'staff', $2, now())",
        agency.id,
        person_id,
    )
    [row] = await town.rows(
        "insert into accounts.remembered_devices (id, agency_id, kind, person_id, digest, created_at, last_used_at,"
        " expires_at) values (gen_random_uuid(), $1, 'staff', $2, 'x', now(), now(), now() + interval '30 days')"
        " returning id",
        agency.id,
        person_id,
    )
    return str(row["id"])


async def added_passkey(api: Api) -> str:
    """The id of a passkey that is added."""
    question = (await api.post("passkeys/options", {"current_password": STAFF_PASSWORD})).json
    credential = Authenticator("http://admin.example").create(question["options"])
    body = {"handle": question["handle"], "name": "Zebulon's", "credential": credential}
    added: str = (await api.post("passkeys", body)).json["passkey"]["id"]
    return added


async def kept(town: Town, elsewhere: Elsewhere) -> str:
    """Everything that the other agency has, but for when its session was seen."""
    tables = ("clients", "portal_logins", "sessions", "password_tokens", "sign_in_budgets", "staff_users", "outbox")
    tables += ("identity_providers", "staff_identities", "single_sign_ons")
    tables += (
        "recovery_codes",
        "remembered_devices",
        "totp_authenticators",
        "half_sign_ins",
        "passkeys",
        "mail_wordings",
    )
    found = {
        table: await town.rows(
            f"select to_jsonb(t) - 'last_seen_at' - 'published_at' - 'confirmed_at' as row"
            f" from accounts.{table} t where agency_id = $1 order by 1",
            elsewhere.agency.id,
        )
        for table in tables
    }
    return json.dumps(found, default=str)


def routes(http: Http) -> list[tuple[str, str]]:
    """Method and path of every route."""
    assert http.app is not None
    found = [(r.method, r.resource.canonical) for r in http.app.router.routes() if r.resource]
    return [(method, path) for method, path in found if method not in ("HEAD", "*")]


def tells(text: str) -> bool:
    return any(word in text for word in ("Zebulon", "Quagmire", "zebulon"))


async def test_every_address_of_the_api_that_names_something_is_walked(http: Http) -> None:
    named = {(m, p) for m, p in routes(http) if p.startswith("/api/") and "{" in p}
    assert named == set(BODIES)


async def test_the_api_tells_and_changes_nothing_of_another_agency(api: Api, town: Town, elsewhere: Elsewhere) -> None:
    # With all the rights that somebody can have here.
    await town.execute("update accounts.staff_users set role = 'agency_admin'")
    before = await kept(town, elsewhere)
    for (method, path), body in BODIES.items():
        answer = await api.call(method, path.replace("{id}", elsewhere.id_for(path)), body)
        assert answer.status == 404, (method, path, answer.text)
        assert not tells(answer.text), (method, path)
    found = await api.post("clients/search", {"query": "quagmire"})
    assert found.json["items"] == []
    assert not tells((await api.get("staff")).text)
    assert await kept(town, elsewhere) == before


async def test_the_api_answers_nothing_without_a_staff_session(http: Http, api: Api, elsewhere: Elsewhere) -> None:
    nobody = Api(http)
    for method, path in routes(http):
        if not path.startswith("/api/") or path in PUBLIC:
            continue
        body = BODIES.get((method, path))
        if path == "/api/v1/password":
            body = {"current_password": "not known", "new_password": "seven lamps beside an old bridge"}
        answer = await nobody.call(method, path.replace("{id}", elsewhere.id_for(path)), body)
        assert answer.status == 401, (method, path, answer.text)


async def test_pages_tell_and_change_nothing_of_another_agency(http: Http, town: Town, elsewhere: Elsewhere) -> None:
    await town.execute("update accounts.staff_users set role = 'agency_admin'")
    browser = Browser(http)
    await browser.sign_in()
    token = (await browser.get("sessions")).form()["csrf_token"]
    before = await kept(town, elsewhere)
    walked = 0
    for method, path in routes(http):
        if not path.startswith("/{slug") or "{id}" not in path:
            continue
        walked += 1
        address = _filled(path, "riverside", elsewhere)
        form = {"csrf_token": token, "login": elsewhere.login["id"], "do": "update", "case": elsewhere.case_id}
        form |= {"name": "Changed", "current_password": STAFF_PASSWORD}
        page = await (browser.get(address) if method == "GET" else browser.post(address, form))
        # A form about another agency's sheet may be too incomplete to be read at all.
        assert page.status in ({404} if method == "GET" else {400, 404, 422}), (method, address, page.status)
        assert not tells(page.text), (method, address)
    assert walked >= 10
    for path in ("sessions/end", "sign-in-security/forget"):
        ids = {"session": elsewhere.session_id} if "sessions" in path else {"device": elsewhere.device_id}
        page = await browser.post(path, {"csrf_token": token, **ids})
        assert page.status == 404
    assert await kept(town, elsewhere) == before


async def test_a_session_opens_no_page_of_another_agency(http: Http, town: Town, elsewhere: Elsewhere) -> None:
    browser = Browser(http)
    await browser.sign_in()
    cookies = browser.cookies()
    stolen = {"portico_staff_lakeside": cookies["portico_staff_riverside"]}
    before = await kept(town, elsewhere)
    for method, path in routes(http):
        if not path.startswith("/{slug") or path.endswith(DOORS):
            continue
        address = _filled(path, "lakeside", elsewhere)
        http.session.cookie_jar.update_cookies(stolen, http.make_url("/"))
        page = await (browser.get(address) if method == "GET" else browser.post(address, {}))
        assert page.status == 303, (method, address, page.status)
        assert "/lakeside/sign-in" in page.headers["Location"]
        assert not tells(page.text)
    assert await kept(town, elsewhere) == before


def _filled(path: str, slug: str, elsewhere: Elsewhere) -> str:
    found = elsewhere.staff_id if "/staff/" in path else str(elsewhere.client.id)
    path = path.replace("{login}", elsewhere.login["id"])
    return path.replace("{slug}", slug).replace("{id}", found).replace("{case}", elsewhere.case_id)
