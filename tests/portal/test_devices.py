"""Where somebody is signed in, and signing out there, by API and by page."""

from __future__ import annotations

from uuid import uuid4

from services.admin.use_cases import portal_logins as staff_logins
from tests.portal.conftest import Portal, Town, csrf_of, sign_in_page, tokens_of
from tests.support.clock import FakeClock

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1"


async def listed(portal: Portal, token: str) -> list[dict[str, object]]:
    answer = await portal.get_api("sessions", token=token)
    assert answer.status == 200
    found: list[dict[str, object]] = (await answer.json())["items"]
    return found


async def end(portal: Portal, path: str, token: str) -> int:
    answer = await portal.http.delete(f"/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})
    return answer.status


async def test_the_api_lists_ones_own_sessions_this_one_first(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    await town.own("jdoe", email="jdoe@example.com")
    await tokens_of(portal, username="jdoe")
    first = (await tokens_of(portal))["access_token"]
    clock.advance(seconds=120)
    second = (await tokens_of(portal))["access_token"]
    mine = await listed(portal, first)
    assert [s["current"] for s in mine] == [True, False]
    assert mine[0]["address"] == "127.0.0.1"
    assert mine[0]["id"] == (await listed(portal, second))[1]["id"]
    assert mine[1]["started_at"] == "2026-03-02T15:02:02Z"


async def test_a_session_that_is_ended_is_out_at_once(portal: Portal, town: Town) -> None:
    await town.own()
    first, second = [(await tokens_of(portal))["access_token"] for _ in range(2)]
    other = (await listed(portal, first))[1]["id"]
    assert await end(portal, f"sessions/{other}", first) == 204
    assert (await portal.get_api("me", token=second)).status == 401
    assert await end(portal, f"sessions/{other}", first) == 204, "it is as good as ended"
    assert (await town.events())[-1] == ("portal_session.ended", {"username": "cmalek", "reason": "revoked"})
    assert [type_ for type_, _ in await town.events()].count("portal_session.ended") == 1


async def test_nobody_ends_sessions_of_others(portal: Portal, town: Town) -> None:
    await town.own()
    await town.own("jdoe", email="jdoe@example.com")
    mine, theirs = (await tokens_of(portal))["access_token"], (await tokens_of(portal, username="jdoe"))["access_token"]
    [session] = await listed(portal, theirs)
    for path in (f"sessions/{session['id']}", f"sessions/{uuid4()}", "sessions/none"):
        assert await end(portal, path, mine) == 404
    assert await end(portal, "sessions", mine) == 204
    assert len(await listed(portal, theirs)) == 1


async def test_all_others_end_and_this_one_stays(portal: Portal, town: Town) -> None:
    await town.own()
    tokens = [(await tokens_of(portal))["access_token"] for _ in range(3)]
    assert await end(portal, "sessions", tokens[1]) == 204
    assert [(await portal.get_api("me", token=t)).status for t in tokens] == [401, 200, 401]
    assert await town.open_sessions() == 1


async def test_sessions_that_are_over_are_not_listed(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    await tokens_of(portal)
    clock.advance(seconds=900)
    token = (await tokens_of(portal))["access_token"]
    assert len(await listed(portal, token)) == 1


async def test_the_page_names_devices_and_signs_out_there(portal: Portal, town: Town) -> None:
    await town.own()
    phone = await portal.http.post(
        "/api/v1/token",
        json={"agency": "riverside", "username": "cmalek", "password": "blue kettle walks on the roof"},
        headers={"User-Agent": PHONE},
    )
    token = (await phone.json())["access_token"]
    await sign_in_page(portal)
    page = await (await portal.get("/riverside/sessions")).text()
    assert "Mobile Safari on iOS" in page
    assert "This device" in page
    assert page.count('name="session"') == 1, "this device is signed out by signing out"
    session = page.partition('name="session" value="')[2].partition('"')[0]
    form = {"session": session, "csrf_token": csrf_of(page)}
    assert (await portal.post("/riverside/sessions/end", {**form, "csrf_token": "x"})).status == 403
    assert (await portal.post("/riverside/sessions/end", {**form, "session": "x"})).status == 404
    done = await portal.post("/riverside/sessions/end", form)
    assert (done.status, done.headers["Location"]) == (303, "/riverside/sessions?ended=1")
    assert (await portal.get_api("me", token=token)).status == 401
    after = await (await portal.get("/riverside/sessions?ended=1")).text()
    assert "Signed out there." in after
    assert "Mobile Safari" not in after


async def test_the_page_signs_out_everywhere_else(portal: Portal, town: Town) -> None:
    await town.own()
    for _ in range(2):
        await tokens_of(portal)
    await sign_in_page(portal)
    page = await (await portal.get("/riverside/sessions")).text()
    done = await portal.post("/riverside/sessions/end-others", {"csrf_token": csrf_of(page)})
    assert done.status == 303
    assert await town.open_sessions() == 1
    assert "Sign out everywhere else" not in await (await portal.get("/riverside/sessions")).text()


async def test_staff_sign_a_login_out_and_its_password_stays_good(portal: Portal, town: Town) -> None:
    login = await town.own()
    token = (await tokens_of(portal))["access_token"]
    await staff_logins.sign_out(town.work, actor=town.staff, login_id=login.id)
    assert (await portal.get_api("me", token=token)).status == 401
    await tokens_of(portal)
