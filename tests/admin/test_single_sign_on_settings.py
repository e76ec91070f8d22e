"""Agency admins set single sign-on up, and nobody locks the agency out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from services.admin.keys import WORK
from services.admin.settings import AdminSettings
from shared.accounts.access import Origin, open_session
from shared.accounts.identity_providers import LocalSignInOff
from shared.outbox import Work
from shared.security.boxes import new_box_key
from tests.admin.conftest import Api, Browser, Page, Start, Town
from tests.admin.single_sign_on import SECRET, an_admin, another, leave, refusal, set_up, settings_for
from tests.support.clock import FakeClock
from tests.support.hostile_provider import Hostile, hostile_provider
from tests.support.people import STAFF_PASSWORD

Http = TestClient[web.Request, web.Application]
PAGE = "administration/single-sign-on"


@pytest.fixture
async def provider(clock: FakeClock) -> AsyncIterator[Hostile]:
    """One that is honest here."""
    async with hostile_provider(clock) as found:
        yield found


@pytest.fixture
async def admin(http: Http, town: Town) -> Api:
    boss = await an_admin(town)
    found = Api(http)
    await found.sign_in(boss.user.username)
    return found


@pytest.fixture
async def page(http: Http, admin: Api) -> Browser:
    """The admin's browser, signed in with a password."""
    found = Browser(http)
    await found.sign_in("boss")
    return found


async def sign_in_there(browser: Browser, provider: Hostile, clock: FakeClock, username: str = "boss") -> None:
    """Single sign-on of a staff user."""
    clock.advance(seconds=1)
    _, asked = await leave(browser)
    provider.claims = {"nonce": asked["nonce"], "preferred_username": username, "sub": username}
    arrived = await browser.get(f"single-sign-on/callback?code=c&state={asked['state']}")
    assert arrived.headers["Location"] == "/riverside/"
    clock.advance(seconds=1)


async def save(browser: Browser, **typed: str | None) -> Page:
    """Fill the form in and save; None unticks."""
    form = (await browser.get(PAGE)).form("client_secret")
    form |= {name: text for name, text in typed.items() if text is not None}
    for name in [name for name, text in typed.items() if text is None]:
        form.pop(name, None)
    return await browser.post(PAGE, form)


async def changes(town: Town) -> list[dict[str, Any]]:
    return [payload for type_, payload in await town.events() if type_ == "agency.single_sign_on_changed"]


async def test_an_agency_without_it_has_nothing_to_read(admin: Api) -> None:
    assert (await admin.get("single-sign-on")).status == 404
    assert (await admin.call("DELETE", "single-sign-on")).status == 404


async def test_an_admin_sets_it_up_changes_and_removes_it(admin: Api, town: Town) -> None:
    made = await set_up(admin, "http://127.0.0.1:1")
    expected = {"name": "Riverside Login", "issuer": "http://127.0.0.1:1", "client_id": "portico"}
    assert made == {**expected, "claim": "preferred_username", "local_sign_in": True, "version": 1}
    read = await admin.get("single-sign-on")
    assert (read.json, read.headers["ETag"]) == (made, '"1"')
    changed = settings_for("http://127.0.0.1:1", name="Other")
    del changed["client_secret"]
    answer = await admin.call("PUT", "single-sign-on", changed, headers={"If-Match": '"1"'})
    assert (answer.json["name"], answer.json["version"]) == ("Other", 2)
    stale = await admin.call("PUT", "single-sign-on", changed, headers={"If-Match": '"1"'})
    assert stale.status == 412
    assert (await admin.call("DELETE", "single-sign-on", headers={"If-Match": '"1"'})).status == 412
    assert (await admin.call("DELETE", "single-sign-on")).status == 204
    first, second, third = await changes(town)
    assert {"field": "Issuer", "old": None, "new": "http://127.0.0.1:1"} in first["changes"]
    assert first["secret_changed"]
    name = {"field": "Name on the Button", "old": "Riverside Login", "new": "Other"}
    assert second == {"changes": [name], "secret_changed": False, "removed": False}
    assert third["removed"]


async def test_saving_what_is_there_already_is_no_change(admin: Api, town: Town) -> None:
    await set_up(admin, "http://127.0.0.1:1")
    same = settings_for("http://127.0.0.1:1", client_secret=None)
    assert (await admin.call("PUT", "single-sign-on", same)).json["version"] == 1
    assert len(await changes(town)) == 1


async def test_the_secret_comes_out_nowhere(admin: Api, page: Browser, town: Town) -> None:
    answer = await admin.call("PUT", "single-sign-on", settings_for("http://127.0.0.1:1"))
    assert SECRET not in answer.text + (await admin.get("single-sign-on")).text
    assert SECRET not in (await page.get(PAGE)).text
    wrong = await save(page, client_secret=SECRET, issuer="ftp://wrong")
    assert wrong.status == 422
    assert SECRET not in wrong.text
    form = (await page.get(PAGE)).form("client_secret")
    assert SECRET not in (await page.post(f"{PAGE}/test", {**form, "client_secret": SECRET})).text
    assert "Client Secret" in (await page.get(f"{PAGE}/test")).text, "the same page without the form"
    stored = json.dumps(await town.rows("select * from accounts.identity_providers"), default=str)
    assert SECRET not in stored + str(await town.events())


async def test_a_secret_is_never_sent_to_another_address(admin: Api) -> None:
    await set_up(admin, "http://127.0.0.1:1")
    for change in ({"issuer": "http://127.0.0.1:2"}, {"client_id": "another"}):
        body = {**settings_for("http://127.0.0.1:1"), "client_secret": None, **change}
        answer = await admin.call("PUT", "single-sign-on", body)
        assert list(answer.fields) == ["client_secret"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("issuer", "http://login.example.org"),
        ("issuer", "https://user@login.example.org"),
        ("issuer", "https://login.example.org/?x=1"),
        ("issuer", "https://login.example.org#x"),
        ("issuer", "login.example.org"),
        ("issuer", "https://login.example.org:x"),
        ("claim", "sub"),
        ("name", ""),
        ("client_id", " "),
    ],
)
async def test_what_is_wrong_is_told_by_field(admin: Api, field: str, value: str) -> None:
    answer = await admin.call("PUT", "single-sign-on", settings_for("https://login.example.org", **{field: value}))
    assert (answer.status, list(answer.fields)) == (422, [field])


async def test_others_of_the_agency_have_no_part_in_it(api: Api, browser: Browser, town: Town) -> None:
    supervisor = await town.world.staff(town.agency, "super", role="supervisor")
    await set_up_as_admin(api, town)
    for name in ("nextstep", supervisor.user.username):
        await api.sign_in(name)
        for method, body in (("GET", None), ("PUT", settings_for("http://127.0.0.1:1")), ("DELETE", None)):
            assert (await api.call(method, "single-sign-on", body)).status == 403
    assert "Administration Menu" not in (await browser.get("")).words
    token = (await browser.get("")).form("sign-out")["csrf_token"]
    for path in ("administration", PAGE):
        assert (await browser.get(path)).status == 403
    for path in (PAGE, f"{PAGE}/test", f"{PAGE}/remove"):
        form = {"csrf_token": token, "version": "1", **settings_for("http://127.0.0.1:1")}
        assert (await browser.post(path, form)).status == 403
    assert len(await changes(town)) == 1


async def set_up_as_admin(api: Api, town: Town) -> None:
    await an_admin(town)
    await api.sign_in("boss")
    await set_up(api, "http://127.0.0.1:1")


async def test_the_page_sets_it_up(page: Browser, provider: Hostile, town: Town) -> None:
    assert "Administration Menu" in (await page.get("")).words
    assert "Single Sign-On" in (await page.get("administration")).words
    empty = await page.get(PAGE)
    assert "http://admin.example/riverside/single-sign-on/callback" in empty.words
    missing = await save(page, name="", issuer="", client_id="")
    assert missing.errors == ["Enter a value."] * 3
    typed = {"name": "Riverside Login", "issuer": provider.issuer, "client_id": "portico", "client_secret": SECRET}
    tested = await page.post(f"{PAGE}/test", {**empty.form("client_secret"), **typed})
    assert "Nothing was saved yet." in tested.words
    assert tested.form("client_secret")["client_id"] == "portico"
    assert (await page.get(PAGE)).form("client_secret")["issuer"] == ""
    saved = await save(page, **typed)
    assert (saved.status, saved.headers["Location"]) == (303, f"/riverside/{PAGE}?saved=1")
    removed = await page.post(f"{PAGE}/remove", (await page.get(PAGE)).form("Remove single sign-on"))
    assert removed.status == 303
    assert await town.rows("select * from accounts.identity_providers") == []


async def test_two_admins_do_not_overwrite_each_other(page: Browser, admin: Api) -> None:
    await set_up(admin, "http://127.0.0.1:1")
    form = (await page.get(PAGE)).form("client_secret")
    await set_up(admin, "http://127.0.0.1:1", name="Meanwhile")
    answer = await page.post(PAGE, {**form, "name": "Mine"})
    assert answer.status == 412
    assert "Somebody else changed these settings meanwhile." in answer.summary
    assert (await admin.get("single-sign-on")).json["name"] == "Meanwhile"


async def test_passwords_are_switched_off_only_by_who_came_in_without(
    page: Browser, admin: Api, provider: Hostile, clock: FakeClock, http: Http
) -> None:
    first = await admin.call("PUT", "single-sign-on", settings_for(provider.issuer, local_sign_in=False))
    assert list(first.fields) == ["local_sign_in"]
    await set_up(admin, provider.issuer)
    refused = await save(page, local_sign_in=None)
    assert "First sign out and sign in with single sign-on yourself." in refused.errors[0]
    browser = await another(http)
    await sign_in_there(browser, provider, clock)
    # With other settings nobody has signed in yet.
    refused = await save(browser, local_sign_in=None, client_secret="another")
    assert "First save these settings with it on" in refused.errors[0]
    assert (await save(browser, local_sign_in=None)).status == 303
    assert not (await admin.get("single-sign-on")).json["local_sign_in"]
    # It stays off while other things change, also when somebody else does that.
    assert (await save(page, name="Renamed")).status == 303
    await browser.http.session.close()


async def test_who_came_in_with_older_settings_says_nothing_of_these(
    admin: Api, provider: Hostile, clock: FakeClock, http: Http
) -> None:
    await set_up(admin, provider.issuer)
    browser = await another(http)
    await sign_in_there(browser, provider, clock)
    await set_up(admin, provider.issuer, client_secret="a-newer-one")
    clock.advance(seconds=1)
    assert (await save(browser, local_sign_in=None)).status == 422
    await browser.http.session.close()


@pytest.fixture
async def closed(admin: Api, provider: Hostile, clock: FakeClock, http: Http) -> AsyncIterator[Browser]:
    """The browser of the admin who has switched passwords off."""
    await set_up(admin, provider.issuer)
    found = await another(http)
    await sign_in_there(found, provider, clock)
    assert (await save(found, local_sign_in=None)).status == 303
    yield found
    await found.http.session.close()


async def test_a_password_opens_nothing_where_they_are_off(closed: Browser, http: Http, town: Town) -> None:
    stranger = Browser(http)
    shown = await stranger.get("sign-in")
    assert "Sign in with Riverside Login" in shown.words
    assert "Password" not in shown.words
    answers = set()
    for username, password in (("nextstep", STAFF_PASSWORD), ("nextstep", "wrong"), ("nobody-here", "wrong")):
        page = await stranger.post("sign-in", {"username": username, "password": password})
        assert (page.status, "A password does not open anything here." in page.summary) == (403, True)
        answer = await Api(http).post("token", {"agency": "riverside", "username": username, "password": password})
        answers.add((answer.status, answer.json["type"], answer.json["detail"]))
    [(status, type_, _)] = answers
    assert (status, type_) == (403, "/problems/local-sign-in-off")
    refusals = [payload for name, payload in await town.events() if name == "staff_session.refused"]
    assert {(r["username"], r["reason"]) for r in refusals} == {
        ("nextstep", "local_sign_in_off"),
        (None, "local_sign_in_off"),
    }
    assert (await stranger.get("")).status == 303


async def test_no_e_mail_is_a_way_around_it(closed: Browser, http: Http, town: Town, clock: FakeClock) -> None:
    # Whatever begins a session here without the provider is refused in the transaction that would.
    work = Work(http.app[WORK].pool, clock, table="accounts.outbox")  # type: ignore[index]
    with pytest.raises(LocalSignInOff):
        async with work.transaction(town.staff.actor) as tx:
            await open_session(tx, kind="staff", person_id=town.staff.user.id, origin=Origin(), with_cookie=True)
    assert "Forgot your password?" not in (await Browser(http).get("/riverside/sign-in")).words


async def test_passwords_that_open_nothing_are_counted_all_the_same(closed: Browser, http: Http, town: Town) -> None:
    statuses = []
    for _ in range(40):
        answer = await Api(http).post("token", {"agency": "riverside", "username": "x", "password": "y"})
        statuses.append(answer.status)
    assert statuses[-1] == 429
    assert (await town.types()).count("staff_session.refused") == statuses.count(403)


async def test_they_are_good_again_when_single_sign_on_is_removed(closed: Browser, http: Http) -> None:
    form = (await closed.get(PAGE)).form("Remove single sign-on")
    assert (await closed.post(f"{PAGE}/remove", form)).status == 303
    await Browser(http).sign_in()


async def test_a_secret_moves_to_the_key_that_seals_now(
    admin: Api, provider: Hostile, clock: FakeClock, town: Town, settings: AdminSettings, start: Start
) -> None:
    await set_up(admin, provider.issuer)
    newer = new_box_key()
    keys = settings.model_copy(update={"box_keys": f"{newer} {settings.box_keys}"})
    browser = Browser(await start(keys))
    for _ in range(2):
        await sign_in_there(browser, provider, clock)
        await browser.post("sign-out", (await browser.get("")).form("sign-out"))
    alone = Browser(await start(settings.model_copy(update={"box_keys": newer})))
    await sign_in_there(alone, provider, clock)
    assert [form["client_secret"] for _, form in provider.asked] == [SECRET] * 3


async def test_a_secret_whose_key_is_gone_lets_nobody_in(
    admin: Api, settings: AdminSettings, start: Start, clock: FakeClock
) -> None:
    await set_up(admin, "http://127.0.0.1:1")
    clock.advance(seconds=1)
    browser = Browser(await start(settings.model_copy(update={"box_keys": new_box_key()})))
    assert (await refusal(browser, await browser.get("single-sign-on"))).key == "away"


async def test_signing_out_here_signs_out_here_only(closed: Browser) -> None:
    page = await closed.post("sign-out", (await closed.get("")).form("sign-out"))
    told = await closed.get(page.headers["Location"])
    assert "You have signed out here." in told.words
    assert "still signed in at Riverside Login" in told.words
