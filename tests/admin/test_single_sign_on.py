"""Staff sign in at a real identity provider, which runs in a process of its own, and come back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from shared.accounts.identity_providers import SIGN_IN_LASTS
from shared.security.throttle import ADDRESS
from tests.admin.conftest import Api, Browser, Start, Town
from tests.admin.single_sign_on import an_admin, another, come_back, leave, refusal, set_up, sign_in_there
from tests.support import identity_provider
from tests.support.clock import FakeClock
from tests.support.identity_provider import CLIENT_ID, CLIENT_SECRET, Account, Provider

Http = TestClient[web.Request, web.Application]

ACCOUNTS = (Account("nextstep"), Account("BOSS"), Account("stranger"))
CALLBACKS = [f"http://admin.example/{slug}/single-sign-on/callback" for slug in ("riverside", "lakeside")]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with identity_provider.running(ACCOUNTS, CALLBACKS) as found:
        yield found


@pytest.fixture
async def admin(http: Http, town: Town, clock: FakeClock, provider: Provider) -> Api:
    """An admin of the agency, which uses the provider. The clock is right: the provider has its own."""
    clock.set(datetime.now(UTC))
    boss = await an_admin(town)
    found = Api(http)
    await found.sign_in(boss.user.username)
    await set_up(found, provider.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    return found


@pytest.fixture
async def staff(http: Http, admin: Api, clock: FakeClock) -> Browser:
    """A browser in which nobody has signed in, a moment after single sign-on was set up."""
    clock.advance(seconds=1)
    return Browser(http)


async def sessions(town: Town) -> list[dict[str, Any]]:
    return await town.rows("select * from accounts.sessions where single_sign_on order by id")


async def last_event(town: Town) -> tuple[str, dict[str, Any]]:
    return (await town.events())[-1]


async def test_a_staff_user_signs_in_at_the_provider_and_goes_on(staff: Browser, town: Town) -> None:
    page = await staff.get("sign-in?next=/riverside/reports")
    assert "Sign in with Riverside Login" in page.words
    address, asked = await leave(staff, "/riverside/reports")
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid profile"
    arrived = await come_back(staff, await sign_in_there(address, "nextstep"))
    assert (arrived.status, arrived.headers["Location"]) == (303, "/riverside/reports")
    assert "NextStep Solutions" in (await staff.get("reports")).words
    linked, started = (await town.events())[-2:]
    assert linked[0] == "staff.identity_linked"
    assert started == ("staff_session.started", {"username": "nextstep", "how": "single_sign_on"})
    [session] = await sessions(town)
    assert session["staff_user_id"] == town.staff.user.id


async def test_the_name_is_compared_whatever_its_case(staff: Browser) -> None:
    address, _ = await leave(staff)
    arrived = await come_back(staff, await sign_in_there(address, "BOSS"))
    assert arrived.headers["Location"] == "/riverside/"
    assert "The Boss" in (await staff.get("")).words


async def test_who_is_known_stays_known_under_another_name_here(staff: Browser, town: Town, clock: FakeClock) -> None:
    for username in ("nextstep", "renamed"):
        await town.execute("update accounts.staff_users set username = $1 where id = $2", username, town.staff.user.id)
        clock.advance(seconds=1)
        address, _ = await leave(staff)
        arrived = await come_back(staff, await sign_in_there(address, "nextstep"))
        assert arrived.headers["Location"] == "/riverside/"
        await staff.post("sign-out", (await staff.get("")).form("sign-out"))
    assert len(await sessions(town)) == 2
    assert (await town.types()).count("staff.identity_linked") == 1


async def test_a_provider_that_takes_secrets_in_a_header_only(staff: Browser, admin: Api, clock: FakeClock) -> None:
    # The id and the secret of these tests mean something else in a header when they are not encoded.
    with identity_provider.running(ACCOUNTS, CALLBACKS, client_auth="client_secret_basic") as found:
        await set_up(admin, found.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        clock.advance(seconds=1)
        address, _ = await leave(staff)
        assert (await come_back(staff, await sign_in_there(address, "nextstep"))).headers["Location"] == "/riverside/"


async def test_a_person_whom_nobody_here_is_stays_out(staff: Browser, town: Town) -> None:
    address, _ = await leave(staff)
    refused = await refusal(staff, await come_back(staff, await sign_in_there(address, "stranger")))
    assert refused.key == "nobody"
    assert "there is no staff user here for you" in refused.words
    refusal_of_nobody = {"username": None, "reason": "unknown_person", "how": "single_sign_on"}
    assert await last_event(town) == ("staff_session.refused", refusal_of_nobody)
    assert await town.rows("select * from accounts.staff_identities") == []
    assert len(await town.rows("select * from accounts.staff_users")) == 2


async def test_an_inactive_staff_user_stays_out_and_is_told_the_same(staff: Browser, town: Town) -> None:
    await town.execute("update accounts.staff_users set active = false where username = 'nextstep'")
    address, _ = await leave(staff)
    refused = await refusal(staff, await come_back(staff, await sign_in_there(address, "nextstep")))
    assert refused.key == "nobody"
    inactive = {"username": "nextstep", "reason": "inactive", "how": "single_sign_on"}
    assert await last_event(town) == ("staff_session.refused", inactive)
    assert await town.rows("select * from accounts.staff_identities") == []


async def test_whoever_said_that_their_password_was_changed_by_somebody_else_stays_out_too(
    staff: Browser, town: Town
) -> None:
    await town.execute("update accounts.staff_users set reported_at = now() where username = 'nextstep'")
    address, _ = await leave(staff)
    assert (await refusal(staff, await come_back(staff, await sign_in_there(address, "nextstep")))).key == "nobody"
    locked = {"username": "nextstep", "reason": "locked", "how": "single_sign_on"}
    assert await last_event(town) == ("staff_session.refused", locked)
    assert await sessions(town) == []


async def test_a_callback_is_good_once(staff: Browser, http: Http, town: Town) -> None:
    address, _ = await leave(staff)
    back = await sign_in_there(address, "nextstep")
    assert (await come_back(staff, back)).headers["Location"] == "/riverside/"
    # Whoever goes back in the browser is signed in, and stays so.
    again = await come_back(staff, back)
    assert again.headers["Location"] == "/riverside/"
    assert len(await sessions(town)) == 1
    elsewhere = await another(http)
    assert (await refusal(elsewhere, await come_back(elsewhere, back))).key == "again"
    assert len(await sessions(town)) == 1
    await elsewhere.http.session.close()


async def test_a_code_is_worth_nothing_in_another_browser(staff: Browser, http: Http, town: Town) -> None:
    address, _ = await leave(staff)
    back = await sign_in_there(address, "nextstep")
    thief = await another(http)
    await leave(thief)
    assert (await refusal(thief, await come_back(thief, back))).key == "again"
    other = {"username": None, "reason": "other_browser", "how": "single_sign_on"}
    assert await last_event(town) == ("staff_session.refused", other)
    # Nor is it in the one that began, once somebody else has had it.
    assert (await refusal(staff, await come_back(staff, back))).key == "again"
    assert await sessions(town) == []
    await thief.http.session.close()


async def test_two_windows_of_a_browser_do_not_disturb_each_other(staff: Browser, town: Town) -> None:
    first, _ = await leave(staff, "/riverside/reports")
    second, _ = await leave(staff)
    arrived = await come_back(staff, await sign_in_there(first, "nextstep"))
    assert arrived.headers["Location"] == "/riverside/reports"
    # The first has taken the cookie with it; whoever is signed in just goes on.
    arrived = await come_back(staff, await sign_in_there(second, "nextstep"))
    assert arrived.headers["Location"] == "/riverside/"


async def test_a_sign_in_takes_ten_minutes_at_most(staff: Browser, town: Town, clock: FakeClock) -> None:
    address, _ = await leave(staff)
    back = await sign_in_there(address, "nextstep")
    clock.advance(seconds=SIGN_IN_LASTS.total_seconds())
    assert (await refusal(staff, await come_back(staff, back))).key == "again"
    await leave(staff)
    # Those who never came back are forgotten.
    assert len(await town.rows("select * from accounts.single_sign_ons")) == 1


async def test_what_began_with_other_settings_is_over(
    staff: Browser, admin: Api, clock: FakeClock, provider: Provider
) -> None:
    address, _ = await leave(staff)
    back = await sign_in_there(address, "nextstep")
    clock.advance(seconds=1)
    await set_up(admin, provider.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    assert (await refusal(staff, await come_back(staff, back))).key == "again"


async def test_a_wrong_client_secret_lets_nobody_in(
    staff: Browser, admin: Api, town: Town, clock: FakeClock, provider: Provider
) -> None:
    await set_up(admin, provider.issuer, client_id=CLIENT_ID, client_secret="wrong")
    clock.advance(seconds=1)
    address, _ = await leave(staff)
    assert (await refusal(staff, await come_back(staff, await sign_in_there(address, "nextstep")))).key == "unproven"
    assert (await last_event(town))[1]["reason"] == "not_proven"


@pytest.mark.parametrize("change", [{"state": "made-up"}, {"state": None}, {"code": None}, {"iss": "http://other"}])
async def test_an_answer_that_was_meddled_with_lets_nobody_in(
    staff: Browser, town: Town, change: dict[str, str | None]
) -> None:
    address, _ = await leave(staff)
    back = urlsplit(await sign_in_there(address, "nextstep"))
    kept = [part for part in back.query.split("&") if part.partition("=")[0] not in change]
    kept += [f"{name}={value}" for name, value in change.items() if value is not None]
    page = await come_back(staff, back._replace(query="&".join(kept)).geturl())
    assert (await refusal(staff, page)).key == ("unproven" if "iss" in change else "again")
    assert await sessions(town) == []


async def test_an_answer_that_does_not_say_whose_it_is_lets_nobody_in(staff: Browser, town: Town) -> None:
    address, _ = await leave(staff)
    back = urlsplit(await sign_in_there(address, "nextstep"))
    assert "iss=" in back.query
    kept = "&".join(part for part in back.query.split("&") if not part.startswith("iss="))
    assert (await refusal(staff, await come_back(staff, back._replace(query=kept).geturl()))).key == "unproven"
    assert await sessions(town) == []


async def test_a_state_twice_is_no_answer(staff: Browser, town: Town) -> None:
    address, asked = await leave(staff)
    back = await sign_in_there(address, "nextstep")
    assert (await refusal(staff, await come_back(staff, f"{back}&state={asked['state']}"))).key == "again"
    assert await sessions(town) == []


@pytest.mark.parametrize(
    "query", ["state=%ff&code=%ff", "state=%00&code=x", "state=x&error=%0d%0a", "code=x", "state="]
)
async def test_nonsense_is_no_answer(staff: Browser, query: str) -> None:
    assert (await refusal(staff, await staff.get(f"single-sign-on/callback?{query}"))).key == "again"


async def test_the_provider_may_say_no(staff: Browser, town: Town) -> None:
    _, asked = await leave(staff)
    page = await staff.get(f"single-sign-on/callback?error=access_denied&state={asked['state']}")
    assert (await refusal(staff, page)).key == "cancelled"
    no = {"username": None, "reason": "provider_refused", "how": "single_sign_on"}
    assert await last_event(town) == ("staff_session.refused", no)


async def test_another_agency_is_not_entered_with_it(staff: Browser, http: Http, town: Town, clock: FakeClock) -> None:
    lakeside = await town.world.agency("lakeside", name="Lakeside")
    theirs = await town.world.staff(lakeside, "theirs", role="agency_admin")
    await town.world.staff(lakeside, "nextstep")
    address, _ = await leave(staff)
    back = await sign_in_there(address, "nextstep")
    there = Browser(http, "lakeside")
    elsewhere = back.replace("/riverside/", "/lakeside/")
    # Without single sign-on of its own, and with the very same provider.
    assert (await refusal(there, await come_back(there, elsewhere))).key == "again"
    api = Api(http)
    await api.sign_in(theirs.user.username, "lakeside")
    provider = (await town.rows("select issuer from accounts.identity_providers"))[0]["issuer"]
    await set_up(api, provider, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    clock.advance(seconds=1)
    assert (await refusal(there, await come_back(there, elsewhere))).key == "again"
    # The state is still good where it belongs, and who this is there is known there alone.
    assert (await come_back(staff, back)).headers["Location"] == "/riverside/"
    linked = await town.rows("select agency_id from accounts.staff_identities")
    assert [row["agency_id"] for row in linked] == [town.agency.id]


@pytest.mark.parametrize("next_path", ["//evil.example/", "https://evil.example/", "/lakeside/", "/riverside/%2e%2e/"])
async def test_nobody_is_sent_to_another_site_afterwards(staff: Browser, next_path: str) -> None:
    address, _ = await leave(staff, next_path)
    arrived = await come_back(staff, await sign_in_there(address, "nextstep"))
    assert arrived.headers["Location"] == "/riverside/"


async def test_another_site_cannot_begin_it(staff: Browser, town: Town) -> None:
    for site in ("cross-site", "same-site"):
        response = await staff.http.get(
            "/riverside/single-sign-on", headers={"Sec-Fetch-Site": site}, allow_redirects=False
        )
        assert response.headers["Location"].startswith("/riverside/sign-in")
    head = await staff.http.head("/riverside/single-sign-on", allow_redirects=False)
    assert head.status == 405
    assert await town.rows("select * from accounts.single_sign_ons") == []


async def test_beginnings_are_counted_until_they_end_well(staff: Browser, town: Town) -> None:
    for _ in range(ADDRESS.size - 1):
        await leave(staff)
    address, _ = await leave(staff)
    page = await staff.get("single-sign-on")
    assert page.headers["Location"].startswith("/riverside/sign-in?refused=busy")
    assert (await come_back(staff, await sign_in_there(address, "nextstep"))).headers["Location"] == "/riverside/"
    await leave(staff)


async def test_nothing_that_opens_a_door_is_in_a_log_or_the_database(
    staff: Browser, town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    address, asked = await leave(staff)
    cookies = staff.cookies()
    back = await sign_in_there(address, "nextstep")
    await come_back(staff, back)
    code = dict(part.split("=", 1) for part in urlsplit(back).query.split("&"))["code"]
    secrets = (code, asked["state"], asked["nonce"], cookies["portico_staff_single_sign_on_riverside"], CLIENT_SECRET)
    written = capsys.readouterr()
    stored = str([await town.rows(f"select * from accounts.{t}") for t in ("outbox", "single_sign_ons", "sessions")])
    stored += str(await town.rows("select * from accounts.identity_providers"))
    for secret in secrets:
        assert secret not in written.out + written.err
        assert secret not in stored
    assert "portico_staff_single_sign_on_riverside" not in staff.cookies()


async def test_the_cookie_on_the_way_is_as_safe_as_a_session(staff: Browser) -> None:
    page = await staff.get("single-sign-on")
    [cookie] = page.headers.getall("Set-Cookie")
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"} <= {part.strip() for part in cookie.split(";")}


async def test_over_https_no_provider_is_asked_without_it(settings: Any, start: Start, town: Town) -> None:
    http = await start(settings.model_copy(update={"public_url": "https://admin.example"}))
    boss = await an_admin(town)
    api = Api(http)
    await api.sign_in(boss.user.username)
    body = {"name": "x", "issuer": "http://127.0.0.1:1", "client_id": "x", "client_secret": "x"}
    answer = await api.call("PUT", "single-sign-on", body)
    assert (answer.status, answer.fields) == (422, {"issuer": "The address must begin with https://."})
