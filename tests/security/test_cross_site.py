"""Requests that another site has a browser send: refused at every page, known today or added tomorrow."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.security.doors import ADMIN_URL, FROM_OUR_PAGE, PORTAL_URL, UNSAFE, Door, Street, form_token
from tests.security.page_forms import read_page

# What browsers say of a form on another site, on a sibling of ours, or of something typed; old ones say less.
FROM_ELSEWHERE: tuple[dict[str, str], ...] = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", "Origin": ADMIN_URL},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": f"{ADMIN_URL}.evil.example"},
    {"Origin": "https://admin.example"},
    {"Origin": "http://admin.example:8443"},
    {},
    {"Referer": f"{ADMIN_URL}/riverside/"},
)


async def fields_of(door: Door, address: str) -> dict[str, str]:
    """What the page at the same address would send, but for its token."""
    page = await door.ask("GET", address, headers={"Accept": "text/html"})
    _, forms = read_page(await page.text()) if page.status == 200 else ([], [])
    return {name: value for form in forms for name, value in form.values.items() if name != "csrf_token"}


async def ended(street: Street) -> list[dict[str, Any]]:
    return await street.rows("select id from accounts.sessions where ended_at is not null")


async def test_every_form_refuses_what_another_site_sends(street: Street) -> None:
    for door in street.page_doors:
        token = await street.signed_in(door)
        before, walked = await street.state(), 0
        for route in door.pages(*UNSAFE):
            for headers in FROM_ELSEWHERE:
                address = door.address(route.pattern)
                # Even with the session's cookie and its form token, as if the page had leaked it.
                answer = await door.ask(route.method, address, data={"csrf_token": token}, headers=headers)
                assert answer.status == 403, (door.name, route, headers, answer.status)
                assert "Set-Cookie" not in answer.headers
            walked += 1
        assert walked >= 5
        assert await street.state() == before
        assert await ended(street) == []


async def test_every_form_of_a_session_needs_the_sessions_own_token(street: Street) -> None:
    for door in street.page_doors:
        other = await street.signed_in(door)
        door.http.session.cookie_jar.clear()
        own = await street.signed_in(door)
        assert own != other
        before, sent = await street.state(), len(await street.rows("select id from mail.deliveries"))
        walked = 0
        for route in door.pages(*UNSAFE):
            if route.is_for_everybody:
                # There is no session yet whose token the form could carry.
                continue
            walked += 1
            address = door.address(route.pattern)
            filled = {"session": str(uuid4()), "do": "update", **await fields_of(door, address)}
            for token in (None, "", other, own[:-1], own.swapcase(), f"{own} ", "x" * 1000, "\u0000"):
                form = {**filled, **({} if token is None else {"csrf_token": token})}
                answer = await door.form(address, form)
                assert answer.status in (403, 404), (door.name, route, token, answer.status)
            # A field that is there twice is no way around.
            twice = [*filled.items(), ("csrf_token", other), ("csrf_token", "")]
            assert (await door.form(address, twice)).status in (400, 403, 404), route
        assert walked >= 4
        assert await street.state() == before
        assert len(await street.rows("select id from mail.deliveries")) == sent
        assert await ended(street) == []


async def test_our_own_pages_may_send(street: Street) -> None:
    for door, url in ((street.admin, ADMIN_URL), (street.portal, PORTAL_URL)):
        for headers in (FROM_OUR_PAGE, {"Origin": url}):
            door.http.session.cookie_jar.clear()
            token = await street.signed_in(door)
            answer = await door.ask("POST", "/riverside/sign-out", data={"csrf_token": token}, headers=headers)
            assert answer.status == 303, headers


async def test_the_choice_of_a_password_needs_the_token_of_its_own_cookie(street: Street) -> None:
    door = street.portal
    stored = await street.hasher.hash("made-for-one-day")
    await street.rows(
        "update accounts.portal_logins set temporary_password_hash = $1, temporary_password_expires_at = $2 where id = $3",
        *(stored, street.clock().replace(year=2027), street.login.id),
    )
    assert (await street.sign_in(door, password="made-for-one-day")).status == 303
    page = await door.ask("GET", "/riverside/choose-password")
    token = form_token(await page.text())
    new = {"new_password": "a lantern above the quiet lake", "confirm_password": "a lantern above the quiet lake"}
    for wrong in ("", token[:-1], "x"):
        refused = await door.form("/riverside/choose-password", {**new, "csrf_token": wrong})
        assert refused.status == 403
    assert (await door.form("/riverside/choose-password", {**new, "csrf_token": token})).status == 303


async def test_a_browsers_cookie_opens_no_api(street: Street) -> None:
    # Were it otherwise, the API would need form tokens as well.
    for door in street.page_doors:
        await street.signed_in(door)
        walked = 0
        for route in door.routes():
            if not route.pattern.startswith("/api/") or route.method not in UNSAFE:
                continue
            walked += 1
            answer = await door.ask(route.method, door.address(route.pattern), json={}, headers=FROM_OUR_PAGE)
            assert answer.status in (401, 422), (door.name, route, answer.status)
        assert walked >= 5
        assert await ended(street) == []


async def test_the_apis_answer_no_other_origin(street: Street) -> None:
    """No CORS: a page of another origin can neither read an answer nor send a header of its own."""
    for door in street.doors:
        await _no_cors(door)


async def _no_cors(door: Door) -> None:
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for route in door.routes():
        address = door.address(route.pattern)
        answers = [await door.ask("OPTIONS", address, headers=asking)]
        if route.method == "GET":
            answers.append(await door.ask("GET", address, headers={"Origin": "https://evil.example"}))
        for answer in answers:
            assert not [name for name in answer.headers if name.lower().startswith("access-control-")], route
