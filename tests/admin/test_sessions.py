"""Staff see where they, and the owners of portal logins, are signed in, and end it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web
from aiohttp.test_utils import TestClient

from tests.admin.conftest import Api, Browser, Town
from tests.support.clock import FakeClock

Http = TestClient[web.Request, web.Application]


async def signed_in(town: Town, login: dict[str, Any], clock: FakeClock) -> UUID:
    session_id = uuid4()
    await town.execute(
        "insert into accounts.sessions (id, agency_id, kind, portal_login_id, started_at, last_seen_at, expires_at)"
        " values ($1, $2, 'portal', $3, $4, $4, $5)",
        session_id,
        town.agency.id,
        UUID(login["id"]),
        clock(),
        clock() + timedelta(hours=12),
    )
    return session_id


async def test_staff_end_their_other_sessions(http: Http, api: Api, town: Town) -> None:
    other = Api(http)
    await other.sign_in()
    [mine, theirs] = (await api.get("sessions")).json["items"]
    assert (mine["current"], theirs["current"]) == (True, False)
    assert (await api.call("DELETE", f"sessions/{theirs['id']}")).status == 204
    assert (await other.get("sessions")).status == 401
    await other.sign_in()
    assert (await api.call("DELETE", "sessions")).status == 204
    assert (await other.get("sessions")).status == 401
    assert len((await api.get("sessions")).json["items"]) == 1


async def test_the_page_of_ones_sessions(http: Http, api: Api, town: Town) -> None:
    browser = Browser(http)
    await browser.sign_in()
    assert "Sessions" in (await browser.get("")).words
    page = await browser.get("sessions")
    form = page.form('sessions/end"')
    done = await browser.post("sessions/end", form)
    assert (done.status, done.headers["Location"]) == (303, "/riverside/sessions?ended=1")
    assert (await api.get("sessions")).status == 401
    assert "Signed out there." in (await browser.get("sessions?ended=1")).words
    await api.sign_in()
    others = (await browser.get("sessions")).form("end-others")
    assert (await browser.post("sessions/end-others", others)).status == 303
    assert (await api.get("sessions")).status == 401


async def test_the_face_sheet_says_who_is_signed_in_and_signs_out(
    http: Http, api: Api, town: Town, clock: FakeClock
) -> None:
    login = await api.login(town.client)
    browser = Browser(http)
    await browser.sign_in()
    assert "is signed in" not in (await browser.get(f"clients/{town.client.id}")).words
    await signed_in(town, login, clock)
    assert "cmalek is signed in on one device." in (await browser.get(f"clients/{town.client.id}")).words
    await signed_in(town, login, clock)
    page = await browser.get(f"clients/{town.client.id}")
    assert "cmalek is signed in on 2 devices." in page.words
    done = await browser.post(f"clients/{town.client.id}/sign-out", page.form(f"{town.client.id}/sign-out"))
    after = await browser.get(done.headers["Location"])
    assert "The portal login was signed out everywhere." in after.words
    assert "is signed in" not in after.words
    assert (await town.types()).count("portal_session.ended") == 2


async def test_the_api_signs_a_login_out(api: Api, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    await signed_in(town, login, clock)
    assert (await api.post(f"portal-logins/{login['id']}/sign-out")).status == 200
    [row] = await town.rows("select end_reason from accounts.sessions where kind = 'portal'")
    assert row["end_reason"] == "revoked"
    assert (await api.post(f"portal-logins/{uuid4()}/sign-out")).status == 404
