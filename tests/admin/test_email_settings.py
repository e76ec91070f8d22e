"""Agency admins say who their e-mails are from and through which server they go, and see whether it works."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from services.admin.settings import AdminSettings
from tests.admin.conftest import Api, Browser, Page, Start, Town
from tests.admin.single_sign_on import an_admin
from tests.support.clock import FakeClock

Http = TestClient[web.Request, web.Application]
PAGE = "email-settings"
PASSWORD = "server-pass-of-tests"
SERVER: dict[str, Any] = {
    "host": "mail.riverside.example",
    "port": 587,
    "security": "starttls",
    "username": "riverside",
    "password": PASSWORD,
}
NOTHING = {
    "sender": None,
    "sender_name": None,
    "reply_to": None,
    "host": None,
    "port": None,
    "security": None,
    "username": None,
    "version": 0,
}


@pytest.fixture
async def admin(http: Http, town: Town) -> Api:
    await an_admin(town)
    await town.execute("update accounts.staff_users set email = 'boss@riverside.example' where username = 'boss'")
    found = Api(http)
    await found.sign_in("boss")
    return found


@pytest.fixture
async def page(http: Http, admin: Api) -> Browser:
    found = Browser(http)
    await found.sign_in("boss")
    return found


async def put(api: Api, /, *, match: str | None = None, **fields: Any) -> Any:
    return await api.call("PUT", "email-settings", fields, headers={"If-Match": match} if match else None)


async def save(browser: Browser, **typed: str | None) -> Page:
    """Fill the form in and save."""
    form = (await browser.get(PAGE)).form("sender_name")
    form |= {name: text for name, text in typed.items() if text is not None}
    return await browser.post(PAGE, form)


async def changes(town: Town) -> list[dict[str, Any]]:
    return [payload for type_, payload in await town.events() if type_ == "agency.email_settings_changed"]


async def stored(town: Town) -> dict[str, Any]:
    [row] = await town.rows("select * from accounts.email_settings")
    return row


async def test_an_agency_that_says_nothing_leaves_all_to_the_operator(admin: Api) -> None:
    answer = await admin.get("email-settings")
    assert (answer.json, answer.headers["ETag"]) == (NOTHING, '"0"')


async def test_an_admin_puts_it_in_changes_it_and_takes_it_away(admin: Api, town: Town) -> None:
    made = await put(admin, sender="portal@riverside.example", match='"0"', **SERVER)
    assert made.status == 200
    assert made.json == NOTHING | SERVER_SEEN | {"sender": "portal@riverside.example", "version": 1}
    assert town.opener.open((await stored(town))["sealed_password"]) == PASSWORD
    kept = {name: value for name, value in SERVER.items() if name != "password"}
    renamed = await put(admin, sender_name="Riverside Portal", match='"1"', **kept)
    assert (renamed.json["sender"], renamed.json["sender_name"], renamed.json["version"]) == (
        None,
        "Riverside Portal",
        2,
    )
    assert town.opener.open((await stored(town))["sealed_password"]) == PASSWORD
    assert (await put(admin, match='"1"', **kept)).status == 412
    gone = await put(admin, match='"2"')
    assert gone.json == NOTHING | {"version": 3}
    assert (await stored(town))["sealed_password"] is None
    first, second, third = await changes(town)
    assert {"field": "Mail Server", "old": None, "new": "mail.riverside.example"} in first["changes"]
    assert {"field": "Encryption", "old": None, "new": "STARTTLS, required"} in first["changes"]
    assert [first["password_changed"], second["password_changed"], third["password_changed"]] == [True, False, True]


SERVER_SEEN = {name: value for name, value in SERVER.items() if name != "password"}


async def test_saving_what_is_there_already_is_no_change(admin: Api, town: Town) -> None:
    await put(admin, **SERVER)
    again = await put(admin, **SERVER_SEEN)
    assert again.json["version"] == 1
    assert len(await changes(town)) == 1


async def test_the_password_comes_out_nowhere(admin: Api, page: Browser, town: Town) -> None:
    answer = await put(admin, **SERVER)
    assert PASSWORD not in answer.text + (await admin.get("email-settings")).text
    assert PASSWORD not in (await page.get(PAGE)).text
    wrong = await save(page, password=PASSWORD, sender="nobody")
    assert wrong.status == 422
    assert PASSWORD not in wrong.text
    assert PASSWORD not in json.dumps(await stored(town), default=str) + str(await town.events())


@pytest.mark.parametrize(
    "changed", [{"host": "mail.evil.example"}, {"port": 465}, {"username": "another"}], ids=["host", "port", "user"]
)
async def test_a_password_does_not_go_to_another_server(admin: Api, town: Town, changed: dict[str, Any]) -> None:
    await put(admin, **SERVER)
    answer = await put(admin, **{**SERVER_SEEN, **changed})
    assert answer.status == 422
    assert answer.fields == {"password": "Enter the password that belongs to this server and username."}
    assert (await put(admin, **{**SERVER, **changed})).status == 200


async def test_the_password_is_removed_by_itself(admin: Api, page: Browser, town: Town) -> None:
    await put(admin, **SERVER)
    saved = await save(page, remove_password="on")
    assert saved.headers["Location"].endswith("?saved=1")
    row = await stored(town)
    assert (row["host"], row["username"], row["sealed_password"]) == ("mail.riverside.example", None, None)
    assert "Remove the password" not in (await page.get(PAGE)).words


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({**SERVER, "security": "plaintext"}, "security"),
        ({**SERVER_SEEN}, "password"),
        ({**SERVER, "username": None}, "username"),
        ({"password": PASSWORD}, "password"),
        ({**SERVER, "remove_password": True}, "password"),
        ({"host": "mail.riverside.example", "security": "tls"}, "port"),
        ({"host": "mail.riverside.example", "port": 587}, "security"),
        ({**SERVER, "port": 6379}, "port"),
        ({**SERVER, "host": "127.0.0.1"}, "host"),
        ({**SERVER, "host": "169.254.169.254"}, "host"),
        ({**SERVER, "host": "[::1]"}, "host"),
        ({**SERVER, "security": "none"}, "security"),
        ({"sender": "Riverside <a@riverside.example>"}, "sender"),
        ({"sender_name": "a =?utf-8?q?b?="}, "sender_name"),
        ({"sender_name": "a\r\nBcc: b@evil.example"}, "sender_name"),
        ({"reply_to": "office@riverside.example\nBcc: b@evil.example"}, "reply_to"),
    ],
)
async def test_what_cannot_work_or_is_not_safe_is_told_at_its_field(
    admin: Api, town: Town, fields: dict[str, Any], at: str
) -> None:
    answer = await put(admin, **fields)
    assert answer.status == 422
    assert list(answer.fields) == [at]
    assert await town.rows("select * from accounts.email_settings") == []


async def test_no_encryption_is_chosen_in_words(admin: Api, page: Browser, town: Town) -> None:
    words = "Without encryption: passwords and mails can be read on the way"
    assert words in (await page.get(PAGE)).words
    saved = await save(page, host="mail.riverside.example", port="25", security="plaintext")
    assert saved.status == 303
    [event] = await changes(town)
    assert {"field": "Encryption", "old": None, "new": words} in event["changes"]


async def test_operators_may_let_servers_stand_inside(settings: AdminSettings, start: Start, town: Town) -> None:
    inside = settings.model_copy(update={"smtp_allowed_networks": (ip_network("127.0.0.0/8"),)})
    await an_admin(town)
    api = Api(await start(inside))
    await api.sign_in("boss")
    assert (await put(api, host="127.0.0.1", port=1025, security="plaintext")).status == 200
    assert (await put(api, host="10.0.0.1", port=25, security="plaintext")).status == 422


async def test_only_admins_come_here(http: Http, admin: Api, town: Town) -> None:
    staff, browser = Api(http), Browser(http)
    await staff.sign_in()
    await browser.sign_in()
    assert (await staff.get("email-settings")).status == 403
    assert (await put(staff, sender="x@riverside.example")).status == 403
    assert (await staff.post("email-settings/test")).status == 403
    assert (await browser.get(PAGE)).status == 403
    assert await town.rows("select * from accounts.email_settings") == []


async def test_the_page_keeps_what_was_typed_and_says_what_is_wrong(page: Browser) -> None:
    answer = await save(page, host="127.0.0.1", port="587", sender="portal@riverside.example")
    assert answer.status == 422
    assert answer.errors == ["This address is not public. Mail goes to servers on the internet only."]
    assert answer.form("sender_name")["sender"] == "portal@riverside.example"


async def test_a_page_that_is_out_of_date_overwrites_nothing(admin: Api, page: Browser) -> None:
    form = (await page.get(PAGE)).form("sender_name")
    await put(admin, sender_name="Theirs")
    answer = await page.post(PAGE, {**form, "sender_name": "Mine"})
    assert answer.status == 412
    assert "Somebody else changed these settings meanwhile" in answer.summary
    assert (await admin.get("email-settings")).json["sender_name"] == "Theirs"


async def send_test(browser: Browser) -> Page:
    return await browser.post(f"{PAGE}/test", (await browser.get(PAGE)).form("/test"))


async def test_a_test_goes_through_the_queue_to_ones_own_address(page: Browser, town: Town) -> None:
    sent = await send_test(page)
    assert sent.status == 303
    [row] = await town.rows("select * from mail.deliveries")
    assert (row["mail"], row["recipient"], row["state"]) == ("email_test", "boss@riverside.example", "queued")
    assert "The e-mail is on its way. Reload this page in a moment." in (await page.get(PAGE)).words
    assert ("delivery.queued", {"delivery_id": str(row["id"]), "mail": "email_test"}) in await town.events()


@pytest.mark.parametrize(
    ("state", "outcome", "code", "reply", "words"),
    [
        ("accepted", "accepted", 250, "2.0.0 Ok", "The mail server took the e-mail over. Look into your mailbox."),
        ("queued", "unreachable", None, "No such host", "The mail server could not be used."),
        ("queued", "channel_refused", 535, "no <b>sign-in</b>", "Check username, password and sender address."),
        ("failed", "refused", 550, "5.7.1 spam", "The mail server refused this e-mail. It was not sent."),
        ("expired", "deferred", 451, "later", "The mail server asks us to come back later. It was not sent."),
    ],
)
async def test_how_a_test_got_on_stands_on_the_page(
    page: Browser, town: Town, clock: FakeClock, state: str, outcome: str, code: int | None, reply: str, words: str
) -> None:
    await send_test(page)
    [row] = await town.rows("select id, agency_id from mail.deliveries")
    await town.execute(
        "insert into mail.delivery_attempts values ($1, $2, 1, $3, $3, $4, $5, $6)",
        *(row["id"], row["agency_id"], clock(), outcome, code, reply),
    )
    over = clock() if state != "queued" else None
    await town.execute("update mail.deliveries set state = $1, finished_at = $2, sealed_secret = null", state, over)
    shown = await page.get(PAGE)
    assert words in shown.words
    assert f"The answer in full: {code or ''} {reply}".replace("  ", " ") in shown.words
    assert "<b>sign-in" not in shown.text
    assert ("We try again at" in shown.words) == (state == "queued")


async def test_a_newer_test_takes_the_place_of_one_that_waits_and_of_nothing_else(page: Browser, town: Town) -> None:
    await send_test(page)
    await town.execute(
        "insert into mail.deliveries (id, agency_id, staff_user_id, mail, recipient, state, next_attempt_at, expires_at,"
        " message_id, created_at) select gen_random_uuid(), agency_id, staff_user_id, 'staff_invitation', recipient,"
        " 'queued', now(), now(), 'x', now() from mail.deliveries"
    )
    await send_test(page)
    rows = await town.rows("select mail, state from mail.deliveries order by mail, state")
    assert [(row["mail"], row["state"]) for row in rows] == [
        ("email_test", "queued"),
        ("email_test", "superseded"),
        ("staff_invitation", "queued"),
    ]


async def test_tests_are_few(page: Browser, admin: Api, clock: FakeClock) -> None:
    for _ in range(5):
        assert (await admin.post("email-settings/test")).status == 202
        clock.advance(seconds=1)
    refused = await admin.post("email-settings/test")
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 601
    assert "Please wait a few minutes." in (await send_test(page)).words
    clock.advance(seconds=601)
    assert (await send_test(page)).status == 303


async def test_without_an_own_address_there_is_no_test(page: Browser, admin: Api, town: Town) -> None:
    await town.execute("update accounts.staff_users set email = null")
    assert (await admin.post("email-settings/test")).status == 409
    shown = await page.get(PAGE)
    assert "You have no e-mail address here yet." in shown.words
    assert f"{PAGE}/test" not in shown.text
