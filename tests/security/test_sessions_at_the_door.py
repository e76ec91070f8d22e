"""A session begins with a secret of the server's own making, and what opened it once opens it never again."""

from __future__ import annotations

from uuid import uuid4

from shared.accounts.access import SessionCookie
from tests.security.doors import NEW_PASSWORD, OWN_PASSWORD, Door, Street, form_token


def session_cookie(door: Door) -> tuple[str, str]:
    [found] = [(name, value) for name, value in door.cookies().items() if not name.endswith(("_browser_riverside",))]
    return found


async def is_in(door: Door) -> bool:
    answer = await door.ask("GET", "/riverside/sessions", headers={"Accept": "text/html"})
    assert answer.status in (200, 303)
    return answer.status == 200


async def test_a_cookie_from_before_the_sign_in_is_good_for_nothing_afterwards(street: Street) -> None:
    for door in street.page_doors:
        prefix = "portico_staff" if door is street.admin else "portico_portal"
        name = f"{prefix}_riverside"
        planted = SessionCookie.new(street.agency.id, uuid4()).text
        for value in (planted, "x", f"{street.agency.id.hex}.{uuid4().hex}.{'A' * 43}", "", f"{planted}.x", "." * 200):
            door.keep_cookies({name: value})
            assert not await is_in(door)
            door.keep_cookies({name: value})
            assert (await street.sign_in(door)).status == 303
            assert session_cookie(door)[1] != value, "the server makes its own"
            mine = session_cookie(door)[1]
            door.keep_cookies({name: value})
            assert not await is_in(door)
            door.keep_cookies({name: mine})
            assert await is_in(door)
        assert not await street.rows(
            "select id from accounts.sessions where id = $1",
            SessionCookie.parse(planted).session_id,  # type: ignore[union-attr]
        )


async def test_each_sign_in_makes_another_session_with_another_secret(street: Street) -> None:
    for door in street.page_doors:
        seen: list[SessionCookie] = []
        for _ in range(3):
            # The cookie of the session before is sent along.
            await street.sign_in(door)
            found = SessionCookie.parse(session_cookie(door)[1])
            assert found is not None
            seen.append(found)
        assert len({c.session_id for c in seen}) == len({c.text.rpartition(".")[2] for c in seen}) == 3


async def test_signing_in_anew_ends_the_session_before(street: Street) -> None:
    for door in street.page_doors:
        await street.sign_in(door)
        first = session_cookie(door)
        street.clock.advance(seconds=1)
        assert (await street.sign_in(door, password="wrong, and so nothing happens")).status == 401
        assert await is_in(door)
        assert (await street.sign_in(door)).status == 303
        assert session_cookie(door) != first
        door.keep_cookies(dict([first]))
        assert not await is_in(door)
    reasons = [payload["reason"] for type_, payload in await street.events() if type_.endswith("session.ended")]
    assert reasons == ["signed_out", "signed_out"]


async def test_parts_of_two_good_cookies_make_no_third(street: Street) -> None:
    for door in street.page_doors:
        cookies = []
        for _ in range(2):
            door.http.session.cookie_jar.clear()
            await street.sign_in(door)
            cookies.append(session_cookie(door))
        (name, first), (_, second) = cookies
        agency, id_1, secret_1 = first.split(".")
        _, id_2, secret_2 = second.split(".")
        for mixed in (
            f"{agency}.{id_1}.{secret_2}",
            f"{agency}.{id_2}.{secret_1}",
            f"{uuid4().hex}.{id_1}.{secret_1}",
            f"{agency}.{id_1}.{secret_1[:-1]}",
            f"{agency}.{id_1}.",
            f"{agency.upper()}.{id_1}.{secret_1}",
        ):
            door.keep_cookies({name: mixed})
            assert not await is_in(door), mixed
        door.keep_cookies({name: first})
        assert await is_in(door)


async def test_a_change_of_the_password_changes_the_cookie_and_ends_the_others(street: Street) -> None:
    door = street.portal
    await street.sign_in(door)
    elsewhere = session_cookie(door)
    door.http.session.cookie_jar.clear()
    token = await street.signed_in(door)
    before = session_cookie(door)
    refresh = (await street.tokens(door))["refresh_token"]
    street.clock.advance(seconds=1)
    form = {"current_password": OWN_PASSWORD, "new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD}
    changed = await door.form("/riverside/change-password", {**form, "csrf_token": token})
    assert changed.status == 303, await changed.text()
    after = session_cookie(door)
    assert after != before
    assert await is_in(door)
    page = await (await door.ask("GET", "/riverside/sessions")).text()
    assert form_token(page) != token, "the form token went with the cookie"
    for old in (before, elsewhere):
        door.keep_cookies(dict([old]))
        assert not await is_in(door)
    assert (await door.json("POST", "/api/v1/token/refresh", {"refresh_token": refresh}))[0] == 401
    assert (await door.json("POST", "/api/v1/token", street.credentials(door)))[0] == 401, "the old password is none"


async def test_signing_out_makes_the_cookie_worthless_and_not_only_forgotten(street: Street) -> None:
    for door in street.page_doors:
        token = await street.signed_in(door)
        name, value = session_cookie(door)
        assert (await door.form("/riverside/sign-out", {"csrf_token": token})).status == 303
        assert name not in door.cookies()
        door.keep_cookies({name: value})
        assert not await is_in(door)


async def test_one_doors_cookie_opens_no_other(street: Street) -> None:
    await street.sign_in(street.admin)
    staff = session_cookie(street.admin)[1]
    await street.sign_in(street.portal)
    client = session_cookie(street.portal)[1]
    street.portal.keep_cookies({"portico_portal_riverside": staff, "portico_staff_riverside": staff})
    assert not await is_in(street.portal)
    street.admin.keep_cookies({"portico_staff_riverside": client, "portico_portal_riverside": client})
    assert not await is_in(street.admin)


async def test_a_refresh_token_that_comes_back_ends_everything_that_came_of_it(street: Street) -> None:
    for door in street.page_doors:
        first = await street.tokens(door)
        chain = [first]
        for _ in range(3):
            street.clock.advance(seconds=30)
            body = {"refresh_token": chain[-1]["refresh_token"]}
            status, answer = await door.json("POST", "/api/v1/token/refresh", body)
            assert status == 200
            chain.append(answer)
        # A thief has the second of four.
        status, _ = await door.json("POST", "/api/v1/token/refresh", {"refresh_token": chain[1]["refresh_token"]})
        assert status == 401
        for tokens in chain:
            body = {"refresh_token": tokens["refresh_token"]}
            assert (await door.json("POST", "/api/v1/token/refresh", body))[0] == 401
            assert (await door.json("GET", "/api/v1/sessions", token=tokens["access_token"]))[0] == 401
        if door is street.admin:
            activity = f"/api/v1/activity?client_id={street.client.id}"
            assert (await street.audit.json("GET", activity, token=chain[-1]["access_token"]))[0] == 401


async def test_a_refresh_token_is_taken_at_its_own_door_and_unchanged(street: Street) -> None:
    for door, other in ((street.admin, street.portal), (street.portal, street.admin)):
        tokens = await street.tokens(door)
        good = tokens["refresh_token"]
        agency, _, secret = good.partition(".")
        for wrong in (
            tokens["access_token"][:300],
            f"{uuid4().hex}.{secret}",
            f"{agency}.{secret[:-1]}",
            f"{agency}.{secret}x",
            f"{agency}.{'A' * 43}",
            secret,
        ):
            assert (await door.json("POST", "/api/v1/token/refresh", {"refresh_token": wrong}))[0] == 401
        assert (await other.json("POST", "/api/v1/token/refresh", {"refresh_token": good}))[0] == 401
        assert (await door.json("POST", "/api/v1/token/refresh", {"refresh_token": good}))[0] == 200
