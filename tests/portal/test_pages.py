"""The portal's pages, as a browser without JavaScript meets them."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientResponse

from shared.security.password_rules import RULES
from tests.portal.conftest import NEW_PASSWORD, OWN_PASSWORD, Portal, Town, csrf_of, sign_in_page
from tests.support.clock import FakeClock
from tests.support.people import World

COOKIE = "portico_portal_riverside"
BROWSER_COOKIE = "portico_portal_browser_riverside"
REFUSED = "The username or password is not right, or this login cannot be used."


def where(answer: ClientResponse) -> str:
    assert answer.status == 303, answer.status
    return answer.headers["Location"]


async def signed_in(portal: Portal, town: Town, **options: Any) -> str:
    """Somebody is signed in; answers the form token of their pages."""
    await town.own(**options)
    assert where(await sign_in_page(portal, options.get("username", "cmalek"))) == "/riverside/"
    return csrf_of(await (await portal.get("/riverside/")).text())


# Signing in


async def test_the_agencys_address_shows_its_sign_in_page(portal: Portal, town: Town) -> None:
    answer = await portal.get("/riverside/")
    page = await answer.text()
    assert answer.status == 200
    assert "Riverside Family Services" in page
    assert 'for="field-username">Username</label>' in page
    assert 'for="field-password">Password</label>' in page
    assert "Forgot your password?" in page
    assert answer.headers["Cache-Control"] == "no-store"
    assert where(await portal.get("/riverside")) == "/riverside/"


async def test_signing_in_leads_home_with_a_cookie_that_scripts_cannot_read(portal: Portal, town: Town) -> None:
    await town.own()
    answer = await sign_in_page(portal)
    assert where(answer) == "/riverside/"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie, "this trial runs on plain http"
    page = await (await portal.get("/riverside/")).text()
    assert "Welcome, Catherine" in page
    assert 'aria-label="Client Portal Navigation Menu"' in page


async def test_on_https_cookies_are_secure_and_bound_to_the_host(
    settings: Any, log: Any, start: Any, town: Town
) -> None:
    await town.own()
    portal = Portal(await start(settings.model_copy(update={"public_url": "https://portal.example"})), log[0])
    answer = await sign_in_page(portal)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"__Host-{COOKIE}=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert answer.headers["Strict-Transport-Security"]


async def test_refusals_say_the_same_and_keep_what_was_typed_but_for_the_password(portal: Portal, town: Town) -> None:
    inactive = await town.own()
    await town.change(inactive, active=False)
    await town.own("jdoe", email="jdoe@example.com")
    pages = []
    for username, password in (("cmalek", OWN_PASSWORD), ("nobody", OWN_PASSWORD), ("jdoe", "wrong-and-typed")):
        answer = await sign_in_page(portal, username, password)
        page = await answer.text()
        assert answer.status == 401
        assert f'value="{username}"' in page
        assert password not in page
        pages.append(page.replace(username, "somebody"))
    assert pages[0] == pages[1] == pages[2]
    assert REFUSED in pages[0]
    assert portal.cookies() == {}


async def test_what_is_missing_is_said_beside_its_field(portal: Portal, town: Town) -> None:
    answer = await portal.post("/riverside/sign-in", {"username": "cma\x07lek", "password": ""})
    page = await answer.text()
    assert answer.status == 422
    assert "Remove the characters that cannot be seen." in page
    assert "Password: Enter a value." in page


async def test_markup_that_is_typed_is_shown_as_text(portal: Portal, town: Town) -> None:
    page = await (await sign_in_page(portal, "<script>alert(1)</script>")).text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


async def test_an_expired_temporary_password_is_told_before_a_new_one_is_asked_for(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    _, temporary = await town.login()
    clock.advance(hours=72)
    answer = await sign_in_page(portal, password=temporary)
    assert answer.status == 401
    assert "Your temporary password has expired. Ask your agency for a new one." in await answer.text()
    assert portal.cookies() == {}


async def test_unknown_addresses_are_pages_too(portal: Portal, town: Town) -> None:
    for path in ("/nowhere/", "/nowhere/sign-in", "/riverside/nothing", "/Riverside/", "/river%00side/"):
        answer = await portal.get(path)
        assert answer.status == 404, path
        assert answer.content_type == "text/html"
    posted = await portal.post("/nowhere/sign-in", {"username": "cmalek", "password": OWN_PASSWORD})
    assert posted.status == 404


async def test_an_agency_without_a_contract_says_that_the_portal_is_not_available(portal: Portal, world: World) -> None:
    await world.agency("hillcrest", name="Hillcrest House", contracted=False)
    for path in ("/hillcrest/", "/hillcrest/sign-in", "/hillcrest/forgot-password", "/hillcrest/reset"):
        answer = await portal.get(path)
        page = await answer.text()
        assert answer.status == 403
        assert "The client portal is not available" in page
        assert "<form" not in page
    posted = await portal.post("/hillcrest/sign-in", {"username": "cmalek", "password": OWN_PASSWORD})
    assert posted.status == 403


# The first password


async def test_a_temporary_password_leads_to_the_choice_of_ones_own(portal: Portal, town: Town) -> None:
    _, temporary = await town.login()
    answer = await sign_in_page(portal, password=temporary)
    assert where(answer) == "/riverside/choose-password"
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "Max-Age=900" in answer.headers["Set-Cookie"]
    assert COOKIE not in portal.cookies(), "no session begins"
    page = await (await portal.get("/riverside/choose-password")).text()
    assert "Choose your password" in page
    assert all(rule in page for rule in RULES)
    assert portal.cookies()["portico_portal_choice_riverside"] not in page
    token = csrf_of(page)

    bad = {"new_password": "Malek1234", "confirm_password": "Malek1234", "csrf_token": token}
    refused = await portal.post("/riverside/choose-password", bad)
    page = await refused.text()
    assert refused.status == 422
    assert "Use at least 15 characters. This one has 9." in page
    assert "Leave out “malek”" in page
    assert "Malek1234" not in page

    different = {"new_password": OWN_PASSWORD, "confirm_password": NEW_PASSWORD, "csrf_token": token}
    page = await (await portal.post("/riverside/choose-password", different)).text()
    assert "This is not the same as the new password." in page
    assert OWN_PASSWORD not in page

    good = {"new_password": OWN_PASSWORD, "confirm_password": OWN_PASSWORD, "csrf_token": token}
    assert where(await portal.post("/riverside/choose-password", good)) == "/riverside/?welcome=1"
    assert set(portal.cookies()) == {COOKIE, BROWSER_COOKIE}
    assert "Your password is saved" in await (await portal.get("/riverside/?welcome=1")).text()


async def test_the_choice_has_to_come_from_its_own_page(portal: Portal, town: Town) -> None:
    _, temporary = await town.login()
    await sign_in_page(portal, password=temporary)
    good = {"new_password": OWN_PASSWORD, "confirm_password": OWN_PASSWORD, "csrf_token": "invented"}
    assert (await portal.post("/riverside/choose-password", good)).status == 403
    assert await town.open_sessions() == 0


async def test_whoever_takes_too_long_signs_in_again(portal: Portal, town: Town, clock: FakeClock) -> None:
    _, temporary = await town.login()
    await sign_in_page(portal, password=temporary)
    token = csrf_of(await (await portal.get("/riverside/choose-password")).text())
    clock.advance(minutes=16)
    good = {"new_password": OWN_PASSWORD, "confirm_password": OWN_PASSWORD, "csrf_token": token}
    answer = await portal.post("/riverside/choose-password", good)
    assert where(answer) == "/riverside/sign-in?too_late=1"
    assert "Please sign in" in await (await portal.get(where(answer))).text()
    assert where(await portal.get("/riverside/choose-password")) == "/riverside/sign-in?too_late=1"


# Signed in


async def test_pages_ask_whoever_is_not_signed_in_to_do_so_and_lead_back(portal: Portal, town: Town) -> None:
    await town.own()
    first = await portal.get("/riverside/activity?cursor=abc")
    assert where(first) == "/riverside/sign-in?next=/riverside/activity?cursor%3Dabc"
    page = await (await portal.get(where(first))).text()
    assert "Your session has ended" not in page
    assert 'name="next" value="/riverside/activity?cursor=abc"' in page
    fields = {"username": "cmalek", "password": OWN_PASSWORD, "next": "/riverside/activity?cursor=abc"}
    assert where(await portal.post("/riverside/sign-in", fields)) == "/riverside/activity?cursor=abc"


async def test_signing_in_never_leads_elsewhere(portal: Portal, town: Town) -> None:
    await town.own()
    for elsewhere in (
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/lakeside/",
        "javascript:alert(1)",
        "/riverside",
        "/riverside/../lakeside/",
        "/riverside/%2e%2e/lakeside/",
        "/riverside/\r\nSet-Cookie: a=b",
    ):
        fields = {"username": "cmalek", "password": OWN_PASSWORD, "next": elsewhere}
        answer = await portal.post("/riverside/sign-in", fields)
        assert answer.status == 422 or where(answer) == "/riverside/", elsewhere


async def test_an_ended_session_is_said_and_leads_back(portal: Portal, town: Town, clock: FakeClock) -> None:
    token = await signed_in(portal, town)
    cookie = portal.cookies()[COOKIE]
    clock.advance(minutes=15)
    change = {"current_password": "a", "new_password": "b", "confirm_password": "b", "csrf_token": token}
    answer = await portal.post("/riverside/change-password", change)
    assert where(answer) == "/riverside/sign-in?next=/riverside/change-password&ended=1"
    assert set(portal.cookies()) == {BROWSER_COOKIE}, "the session's is no good any more"
    assert "Your session has ended." in await (await portal.get(where(answer))).text()
    home = await portal.get("/riverside/", headers={"Cookie": f"{COOKIE}={cookie}"})
    assert where(home) == "/riverside/sign-in?next=/riverside/&ended=1"
    ended = ("portal_session.ended", {"username": "cmalek", "reason": "idle"})
    assert (await town.events())[-1] == ended


async def test_using_the_portal_keeps_a_session_alive_up_to_twelve_hours(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    await signed_in(portal, town)
    for _ in range(12 * 6 - 1):
        clock.advance(minutes=10)
        assert (await portal.get("/riverside/session")).status == 204
    clock.advance(minutes=10)
    assert (await portal.get("/riverside/session")).status == 303
    assert (await town.events())[-1][1]["reason"] == "expired"


async def test_a_representative_always_sees_whose_record_it_is(portal: Portal, town: Town) -> None:
    await signed_in(portal, town, representative=True)
    for path in ("/riverside/", "/riverside/activity", "/riverside/change-password"):
        page = await (await portal.get(path)).text()
        assert "This is the record of <strong>Catherine Malek</strong>" in page, path


async def test_a_client_is_not_told_to_be_a_representative(portal: Portal, town: Town) -> None:
    await signed_in(portal, town)
    assert "representative" not in await (await portal.get("/riverside/")).text()


async def test_deactivation_ends_pages_at_once(portal: Portal, town: Town) -> None:
    login = await town.own()
    await sign_in_page(portal)
    await town.change(login, active=False)
    assert where(await portal.get("/riverside/activity")).startswith("/riverside/sign-in")


async def test_signing_out_is_a_form_of_ones_own_session(portal: Portal, town: Town) -> None:
    token = await signed_in(portal, town)
    assert (await portal.get("/riverside/sign-out")).status == 405
    assert (await portal.post("/riverside/sign-out", {"csrf_token": "invented"})).status == 403
    assert await town.open_sessions() == 1
    answer = await portal.post("/riverside/sign-out", {"csrf_token": token})
    assert where(answer) == "/riverside/sign-in?signed_out=1"
    assert set(portal.cookies()) == {BROWSER_COOKIE}
    assert await town.open_sessions() == 0
    assert "You have signed out." in await (await portal.get(where(answer))).text()
    assert where(await portal.post("/riverside/sign-out", {})) == "/riverside/sign-in?signed_out=1"


async def test_the_cookie_of_one_agency_opens_no_other(portal: Portal, town: Town, world: World) -> None:
    await world.agency("lakeside", name="Lakeside")
    await signed_in(portal, town)
    stolen = portal.cookies()[COOKIE]
    portal.http.session.cookie_jar.update_cookies({"portico_portal_lakeside": stolen}, portal.http.make_url("/"))
    assert where(await portal.get("/lakeside/activity")).startswith("/lakeside/sign-in")


async def test_invented_cookies_open_nothing(portal: Portal, town: Town) -> None:
    for value in ("", "x", "a.b.c", "0" * 32 + "." + "0" * 32 + ".x", "y" * 4000):
        answer = await portal.get("/riverside/activity", headers={"Cookie": f"{COOKIE}={value}"})
        assert where(answer).startswith("/riverside/sign-in"), value


async def test_a_cookie_with_a_wrong_secret_opens_nothing(portal: Portal, town: Town) -> None:
    await signed_in(portal, town)
    agency, session, _ = portal.cookies()[COOKIE].split(".")
    portal.forget_cookies()
    forged = {"Cookie": f"{COOKIE}={agency}.{session}.{'x' * 43}"}
    assert where(await portal.get("/riverside/activity", headers=forged)).startswith("/riverside/sign-in")


async def test_forms_of_other_sites_are_refused(portal: Portal, town: Town) -> None:
    await town.own()
    fields = {"username": "cmalek", "password": OWN_PASSWORD}
    for path in ("sign-in", "sign-out", "change-password", "choose-password", "forgot-password", "reset"):
        for site in ("cross-site", "same-site", "none"):
            answer = await portal.post(f"/riverside/{path}", fields, headers={"Sec-Fetch-Site": site})
            assert answer.status == 403, (path, site)
            assert "Set-Cookie" not in answer.headers
        unsaid = await portal.http.post(f"/riverside/{path}", data=fields, allow_redirects=False)
        assert unsaid.status == 403, path
    assert await town.open_sessions() == 0


# Another password


async def test_changing_the_password_gives_this_browser_another_cookie(portal: Portal, town: Town) -> None:
    token = await signed_in(portal, town)
    before = portal.cookies()[COOKIE]
    wrong = {
        "current_password": "wrong-and-typed",
        "new_password": NEW_PASSWORD,
        "confirm_password": NEW_PASSWORD,
        "csrf_token": token,
    }
    refused = await portal.post("/riverside/change-password", wrong)
    page = await refused.text()
    assert refused.status == 422
    assert "This is not your current password." in page
    assert "wrong-and-typed" not in page
    assert NEW_PASSWORD not in page

    changed = await portal.post("/riverside/change-password", {**wrong, "current_password": OWN_PASSWORD})
    assert where(changed) == "/riverside/change-password?changed=1"
    assert portal.cookies()[COOKIE] != before
    assert "Your password was changed." in await (await portal.get(where(changed))).text()
    portal.forget_cookies()
    answer = await portal.get("/riverside/", headers={"Cookie": f"{COOKIE}={before}"})
    assert where(answer).endswith("ended=1"), "the cookie from before is no good"
    assert (await sign_in_page(portal, password=NEW_PASSWORD)).status == 303


# A forgotten password


async def test_a_forgotten_password_is_reset_with_the_code_from_the_mail(portal: Portal, town: Town) -> None:
    login = await town.own()
    pages = []
    for username in ("cmalek", "nobody"):
        asked = await portal.post("/riverside/forgot-password", {"username": username, "email": "cmalek@example.com"})
        pages.append(await (await portal.get(where(asked))).text())
    assert pages[0] == pages[1]
    assert "Look into your e-mail" in pages[0]
    code = await town.mailed(login, "password_reset")
    opened = await portal.get("/riverside/reset")
    assert opened.status == 200
    assert "Code from the e-mail" in await opened.text()

    fields = {"code": code, "new_password": "short", "confirm_password": "short"}
    refused = await portal.post("/riverside/reset", fields)
    assert refused.status == 422
    assert "at least 15" in await refused.text()
    # As it comes out of some mail programs: the whole link, broken into lines.
    fields = {
        "code": f" http://portal.example/riverside/reset#token={code[:40]}\r\n {code[40:]} ",
        "new_password": NEW_PASSWORD,
        "confirm_password": NEW_PASSWORD,
    }
    assert where(await portal.post("/riverside/reset", fields)) == "/riverside/?welcome=1"
    assert "Welcome, Catherine" in await (await portal.get("/riverside/")).text()
    portal.forget_cookies()
    again = await portal.post("/riverside/reset", fields)
    assert again.status == 422
    assert "was used already" in await again.text()


async def test_opening_the_link_of_a_reset_mail_does_nothing(portal: Portal, town: Town) -> None:
    login = await town.own()
    await portal.post("/riverside/forgot-password", {"username": "cmalek", "email": "cmalek@example.com"})
    code = await town.mailed(login, "password_reset")
    before = len(await town.events())
    await portal.get(f"/riverside/reset?token={code}")
    assert await town.new_events(before) == []
    fields = {"code": code, "new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD}
    assert (await portal.post("/riverside/reset", fields)).status == 303


# Headers


async def test_no_page_lets_scripts_of_others_in(portal: Portal, town: Town) -> None:
    await signed_in(portal, town)
    for path in ("/riverside/", "/riverside/activity", "/riverside/reset", "/nowhere/"):
        answer = await portal.get(path)
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "<script>" not in page
        assert "style=" not in page
