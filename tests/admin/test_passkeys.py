"""Staff add passkeys and sign in with them, by the API and by the pages."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from shared.accounts.sign_in_budgets import FAILURES
from tests.admin.conftest import FROM_OUR_PAGE, Answer, Api, Browser, Page, Town
from tests.support.authenticator import Authenticator
from tests.support.clock import FakeClock
from tests.support.people import STAFF_PASSWORD

Http = TestClient[web.Request, web.Application]

ORIGIN = "http://admin.example"


@pytest.fixture
def key() -> Authenticator:
    return Authenticator(ORIGIN)


async def added(api: Api, key: Authenticator, name: str = "Desk") -> dict[str, Any]:
    question = (await api.post("passkeys/options", {"current_password": STAFF_PASSWORD})).json
    credential = key.create(question["options"])
    answer = await api.post("passkeys", {"handle": question["handle"], "name": name, "credential": credential})
    assert answer.status == 201, answer.text
    found: dict[str, Any] = answer.json
    return found


async def sign_in(http: Http, key: Authenticator, agency: str = "riverside") -> Answer:
    nobody = Api(http)
    question = (await nobody.post("token/passkey/options", {"agency": agency})).json
    credential = key.get(question["options"])
    body = {"agency": agency, "handle": question["handle"], "credential": credential}
    return await nobody.post("token/passkey", body)


async def test_staff_sign_in_with_a_passkey_alone(http: Http, api: Api, town: Town, key: Authenticator) -> None:
    await added(api, key)
    assert (await town.events())[-1] == ("staff.passkey_added", {"username": "nextstep", "passkey": "Desk"})
    answer = await sign_in(http, key)
    assert answer.status == 200
    assert (await town.events())[-1] == ("staff_session.started", {"username": "nextstep", "how": "passkey"})
    mine = Api(http, answer.json["access_token"])
    assert (await mine.get(f"clients/{town.client.id}")).status == 200
    assert [p["name"] for p in (await mine.get("passkeys")).json["items"]] == ["Desk"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"origin": "http://portal.example"}, "wrong_passkey"),
        ({"rp_id": "portal.example"}, "wrong_passkey"),
        ({"verifies": False}, "wrong_passkey"),
        ({"counter": -1, "counts": True}, "copied_passkey"),
        ({"credential_id": b"of somebody else"}, "unknown_passkey"),
    ],
    ids=str,
)
async def test_what_is_wrong_is_refused_alike(
    http: Http, api: Api, town: Town, key: Authenticator, wrong: dict[str, Any], reason: str
) -> None:
    await added(api, key)
    assert (await sign_in(http, key)).status == 200
    refused = await sign_in(http, replace(key, **wrong))
    assert (refused.status, refused.json["type"]) == (401, "/problems/bad-credentials")
    username = None if reason == "unknown_passkey" else "nextstep"
    assert (await town.events())[-1] == (
        "staff_session.refused",
        {"username": username, "reason": reason, "how": "passkey"},
    )
    assert (await sign_in(http, key)).status == 200


async def test_a_replayed_answer_is_refused(http: Http, api: Api, town: Town, key: Authenticator) -> None:
    await added(api, key)
    nobody = Api(http)
    question = (await nobody.post("token/passkey/options", {"agency": "riverside"})).json
    body = {"agency": "riverside", "handle": question["handle"], "credential": key.get(question["options"])}
    assert [(await nobody.post("token/passkey", body)).status for _ in range(2)] == [200, 401]


async def test_inactive_and_locked_staff_stay_out(http: Http, api: Api, town: Town, key: Authenticator) -> None:
    await added(api, key)
    await town.execute("update accounts.staff_users set active = false")
    assert (await sign_in(http, key)).status == 401
    assert (await town.events())[-1][1]["reason"] == "inactive"
    await town.execute("update accounts.staff_users set active = true")
    nobody = Api(http)
    for _ in range(FAILURES):
        await nobody.post("token", {"agency": "riverside", "username": "nextstep", "password": "wrong"})
    assert (await sign_in(http, key)).status == 401
    assert (await town.events())[-1][1]["reason"] == "locked"


async def test_the_end_of_a_contract_leaves_staff_their_passkeys(
    http: Http, api: Api, town: Town, key: Authenticator
) -> None:
    await added(api, key)
    await town.execute("update accounts.agencies set contracted = false")
    assert (await sign_in(http, key)).status == 200


async def test_another_agencys_passkey_opens_nothing(http: Http, api: Api, town: Town, key: Authenticator) -> None:
    await added(api, key)
    agency = await town.world.agency("lakeside", name="Lakeside")
    await town.world.staff(agency, "theirs")
    assert (await sign_in(http, key, "lakeside")).status == 401
    theirs, same = Api(http), replace(key)
    await theirs.sign_in("theirs", "lakeside")
    question = (await theirs.post("passkeys/options", {"current_password": STAFF_PASSWORD})).json
    assert question["options"]["excludeCredentials"] == []
    body = {"handle": question["handle"], "name": "Mine", "credential": same.create(question["options"])}
    taken = await theirs.post("passkeys", body)
    assert (taken.status, list(taken.fields)) == (422, ["credential"]), "a credential belongs to one person"
    assert (await sign_in(http, key)).status == 200


async def test_removing_one_ends_the_other_sessions(http: Http, api: Api, town: Town, key: Authenticator) -> None:
    mine = await added(api, key)
    opened = Api(http, (await sign_in(http, key)).json["access_token"])
    path = f"passkeys/{mine['passkey']['id']}"
    assert (await api.patch(path, {"name": "Old desk"})).json["name"] == "Old desk"
    renamed = {"username": "nextstep", "passkey": "Old desk", "old": "Desk"}
    assert (await town.events())[-1] == ("staff.passkey_renamed", renamed)
    wrong = await api.post(f"{path}/remove", {"current_password": "wrong"})
    assert (wrong.status, list(wrong.fields)) == (422, ["current_password"])
    done = await api.post(f"{path}/remove", {"current_password": STAFF_PASSWORD})
    assert done.status == 200
    assert (await opened.get("passkeys")).status == 401
    assert (await Api(http, done.json["access_token"]).get("passkeys")).json == {"items": []}
    assert (
        "staff.passkey_removed",
        {"username": "nextstep", "passkey": "Old desk", "reason": "own"},
    ) in await town.events()
    assert (await sign_in(http, key)).status == 401


async def test_ten_wrong_passwords_end_the_session(api: Api, town: Town) -> None:
    statuses = [(await api.post("passkeys/options", {"current_password": "wrong"})).status for _ in range(FAILURES)]
    assert statuses == [422] * (FAILURES - 1) + [401]
    assert (await town.events())[-1] == ("staff_session.ended", {"username": "nextstep", "reason": "revoked"})


# Pages


def options_in(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(html.unescape(re.findall(r"data-options='([^']*)'", page.text)[0]))
    return found


async def added_by_page(browser: Browser, key: Authenticator) -> Page:
    form = (await browser.get("passkeys")).form("passkeys/new")
    page = await browser.post("passkeys/new", {**form, "name": "Desk", "current_password": STAFF_PASSWORD})
    assert page.status == 200, page.words
    credential = json.dumps(key.create(options_in(page)))
    return await browser.post("passkeys", {**page.form("data-passkey"), "credential": credential})


async def test_the_pages_add_sign_in_rename_and_remove(
    http: Http, browser: Browser, town: Town, key: Authenticator, clock: FakeClock
) -> None:
    assert "Passkeys" in (await browser.get("")).words
    before = browser.cookies()["portico_staff_riverside"]
    done = await added_by_page(browser, key)
    assert (done.status, done.headers["Location"]) == (303, "/riverside/passkeys?added=1")
    assert browser.cookies()["portico_staff_riverside"] != before
    assert "The passkey was added." in (await browser.get("passkeys?added=1")).words
    http.session.cookie_jar.clear()
    assert "Sign in with a passkey" in (await browser.get("sign-in")).words
    headers = {**FROM_OUR_PAGE, "Accept": "application/json"}
    question = await (await http.post("/riverside/sign-in/passkey/options", headers=headers)).json()
    form = {"handle": question["handle"], "credential": json.dumps(key.get(question["options"]))}
    foreign = await browser.post("sign-in/passkey", form, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status == 403
    signed_in = await browser.post("sign-in/passkey", {**form, "next": "https://evil.example/"})
    assert (signed_in.status, signed_in.headers["Location"]) == (303, "/riverside/")
    [row] = await town.rows("select id from accounts.passkeys")
    one = await browser.get(f"passkeys/{row['id']}")
    assert "Passkey: Desk" in one.words
    renamed = await browser.post(f"passkeys/{row['id']}/rename", {**one.form("/rename"), "name": "Old desk"})
    assert renamed.headers["Location"] == "/riverside/passkeys?renamed=1"
    wrong = await browser.post(f"passkeys/{row['id']}/remove", {**one.form("/remove"), "current_password": "wrong"})
    assert (wrong.status, wrong.errors) == (422, ["This is not your current password."])
    gone = {**one.form("/remove"), "current_password": STAFF_PASSWORD}
    assert (await browser.post(f"passkeys/{row['id']}/remove", gone)).status == 303
    assert "You have no passkeys." in (await browser.get("passkeys?removed=1")).words


async def test_a_refused_passkey_is_told_in_the_same_words(http: Http, town: Town, key: Authenticator) -> None:
    browser = Browser(http)
    page = await browser.post("sign-in/passkey", {"handle": "x", "credential": "{}"})
    assert page.status == 401
    assert "That passkey is not right, or this login cannot be used." in page.summary
