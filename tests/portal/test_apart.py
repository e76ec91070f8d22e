"""Every address of the portal, asked by staff, by another client, and with another agency's cookie."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from services.portal.keys import SIGNER
from shared.security.session_limits import ACCESS_TOKEN
from shared.security.tokens import STAFF
from tests.portal.conftest import OWN_PASSWORD, Portal, Town, csrf_of, sign_in_page, tokens_of
from tests.support.people import World

# Opened without a session: each brings a password or a code of its own, or asks for an e-mail.
PUBLIC = {
    ("POST", "/api/v1/token"),
    ("POST", "/api/v1/token/refresh"),
    ("POST", "/api/v1/token/passkey/options"),
    ("POST", "/api/v1/token/passkey"),
    ("POST", "/api/v1/token/second-factor"),
    ("POST", "/api/v1/token/second-factor/totp"),
    ("POST", "/api/v1/token/second-factor/totp/confirm"),
    ("POST", "/api/v1/password"),
    ("POST", "/api/v1/password/forgot"),
    ("POST", "/api/v1/password/reset"),
    ("POST", "/api/v1/password/report"),
    ("POST", "/api/v1/password/invitation"),
    ("POST", "/api/v1/username/forgot"),
    ("POST", "/api/v1/email/confirm"),
}
PUBLIC_PAGES = {
    *("sign-in", "sign-in/passkey", "sign-in/passkey/options", "forgot-password", "forgot-username", "reset"),
    *("not-me", "confirm-email", "choose-password", "invitation"),
}


def routes(portal: Portal) -> list[tuple[str, str]]:
    """Method and path of every route."""
    found = [(r.method, r.resource.canonical) for r in portal.app.router.routes() if r.resource]
    return [(method, path) for method, path in found if method not in ("HEAD", "*")]


async def kept(town: Town) -> Any:
    """Who is signed in, and what there is to sign in with."""
    return [
        await town.rows("select id, ended_at from accounts.sessions where kind = 'portal' order by id"),
        await town.rows("select id, password_hash, version, reported_at from accounts.portal_logins order by id"),
    ]


async def test_neither_nobody_nor_staff_get_an_answer_from_the_api(portal: Portal, town: Town) -> None:
    login = await town.own()
    await tokens_of(portal)
    [session] = await town.rows("select id from accounts.sessions where kind = 'portal'")
    # A token for staff, even with the ids of a client's session, signed by the portal itself.
    staffs = portal.app[SIGNER].mint(
        STAFF, lifetime=ACCESS_TOKEN, subject=login.id, session_id=session["id"], agency_id=town.agency.id
    )
    before, walked = await kept(town), 0
    for method, path in routes(portal):
        if not path.startswith("/api/") or (method, path) in PUBLIC:
            continue
        walked += 1
        for token in (None, staffs, "nonsense"):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            address = path.replace("{id}", str(session["id"]))
            answer = await portal.http.request(method, address, headers=headers, json=None if method == "GET" else {})
            assert answer.status == 401, (method, path, token)
            assert "cmalek" not in await answer.text()
    assert walked >= 5
    assert await kept(town) == before


async def test_pages_ask_whoever_has_another_agencys_cookie_to_sign_in(
    portal: Portal, town: Town, world: World
) -> None:
    await town.own()
    await world.agency("lakeside", name="Lakeside")
    await sign_in_page(portal)
    stolen = {"portico_portal_lakeside": portal.cookies()["portico_portal_riverside"]}
    before, walked = await kept(town), 0
    for method, path in routes(portal):
        page = path.removeprefix("/{slug}/")
        if not path.startswith("/{slug}/") or page in PUBLIC_PAGES:
            continue
        walked += 1
        portal.http.session.cookie_jar.update_cookies(stolen, portal.http.make_url("/"))
        address = path.replace("{slug}", "lakeside").replace("{id}", str(uuid4()))
        answer = await (portal.get(address) if method == "GET" else portal.post(address, {}))
        assert answer.status == 303, (method, path, answer.status)
        assert "/lakeside/sign-in" in answer.headers["Location"]
        assert "cmalek" not in await answer.text()
    assert walked >= 8
    assert await kept(town) == before


async def test_forms_do_nothing_about_another_clients_sessions(portal: Portal, town: Town) -> None:
    await town.own()
    await town.own("jdoe", email="jdoe@example.com")
    theirs = (await tokens_of(portal, username="jdoe", password=OWN_PASSWORD))["access_token"]
    [session] = (await (await portal.get_api("sessions", token=theirs)).json())["items"]
    await sign_in_page(portal)
    token = csrf_of(await (await portal.get("/riverside/sessions")).text())
    for wanted in (session["id"], str(uuid4())):
        done = await portal.post("/riverside/sessions/end", {"session": wanted, "csrf_token": token})
        assert done.status == 404
    assert (await portal.post("/riverside/sessions/end-others", {"csrf_token": token})).status == 303
    assert (await portal.get_api("me", token=theirs)).status == 200
