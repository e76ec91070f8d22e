"""Agency admins word parts of the e-mails to clients, look at the whole, and try it out."""

from __future__ import annotations

import html
import json
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from shared.letters.samples import WORDED
from tests.admin.conftest import Api, Browser, Page, Town
from tests.support.clock import FakeClock

Http = TestClient[web.Request, web.Application]

LETTER = {"mail": "temporary_password", "language": "es"}
TEXTS = {
    "subject": "Su acceso está listo",
    "opening": "Hola {{ username }}:\n\nBienvenido al portal de {{ agency_name }}.",
    "closing": "¿Preguntas? Llame al 555-0100.",
}
ADDRESS = "email-wording/letter?mail=temporary_password&language=es"


@pytest.fixture
async def admin(http: Http, town: Town) -> Browser:
    """The agency admin ``boss`` at a browser, with an address."""
    await town.world.staff(town.agency, "boss", display_name="Alex Morgan", role="agency_admin")
    await town.execute("update accounts.staff_users set email = 'boss@riverside.example' where username = 'boss'")
    found = Browser(http)
    await found.sign_in("boss")
    return found


async def sent(admin: Browser, to: str, **texts: str) -> Page:
    token = (await admin.get(ADDRESS)).form()["csrf_token"]
    return await admin.post(f"email-wording/{to}", {"csrf_token": token, **LETTER, **texts})


async def stored(town: Town) -> list[dict[str, Any]]:
    return await town.rows("select mail, language, subject, opening, closing from accounts.mail_wordings")


async def test_the_page_lists_every_letter_in_every_language(admin: Browser) -> None:
    menu = await admin.get("administration")
    assert "/riverside/email-wording" in menu.text
    page = await admin.get("email-wording")
    assert page.status == 200
    for label in WORDED.values():
        assert f"Standard words : {label}, English" in page.words
        assert f"Standard words : {label}, Spanish" in page.words
    await sent(admin, "letter", **TEXTS)
    assert "Your words : Temporary password, Spanish" in (await admin.get("email-wording")).words


async def test_a_saved_wording_is_kept_and_told_in_the_log(admin: Browser, town: Town, clock: FakeClock) -> None:
    page = await sent(admin, "letter", **TEXTS)
    assert (page.status, page.headers["Location"]) == (303, f"/riverside/{ADDRESS}&saved=1")
    assert await stored(town) == [{**LETTER, **TEXTS}]
    shown = await admin.get(ADDRESS)
    assert shown.form()["subject"] == TEXTS["subject"]
    assert html.escape(TEXTS["opening"], quote=False) in shown.text
    clock.advance(seconds=1)
    await sent(admin, "letter", subject=TEXTS["subject"], opening="Hola:")
    told = [payload for type_, payload in await town.events() if type_ == "agency.email_wording_changed"]
    assert [event["letter"] for event in told] == ["Temporary password"] * 2
    assert told[0]["changes"][0] == {"field": "Subject", "old": None, "new": TEXTS["subject"]}
    assert told[1]["changes"] == [
        {"field": "Opening", "old": TEXTS["opening"], "new": "Hola:"},
        {"field": "Closing", "old": TEXTS["closing"], "new": None},
    ]


async def test_nothing_changed_is_no_event(admin: Browser, town: Town) -> None:
    for _ in range(2):
        assert (await sent(admin, "letter", **TEXTS)).status == 303
    assert (await town.types()).count("agency.email_wording_changed") == 1


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("opening", "Hello\n{{ usernam }}", "Line 2: “usernam” is no placeholder."),
        ("opening", "Your code is {{ secret }}", "Line 1: “secret” is no placeholder."),
        ("closing", "{{ reset_url }}", "“reset_url” is no placeholder."),
        ("closing", "a\nb\n{{ username", "Line 3: the braces do not fit together."),
        ("closing", "{% if username %}x", "a condition is not closed"),
        ("opening", "{% for x in username %}x{% endfor %}", "this is not allowed here"),
        ("opening", "{% include 'layout.html' %}", "this is not allowed here"),
        ("opening", "{{ username.__class__ }}", "this is not allowed here"),
        ("opening", "{{ username|replace('a', 'b') }}", "“replace” is no filter"),
        ("opening", "{{ 'x' * 100000000 }}", "this is not allowed here"),
        ("opening", "{{ range(10) }}", "this is not allowed here"),
        ("opening", "{% set username = 'x' %}", "this is not allowed here"),
        ("opening", "{{ " + "(" * 290 + "username" + ")" * 290 + " }}", "too many braces or brackets"),
        ("opening", "{% if username %}" * 4 + "x" + "{% endif %}" * 4, "at most 3 conditions into each other"),
        ("closing", "{{username}}" * 41, "at most 40 placeholders"),
        ("opening", "x" * 601, "Use at most 600 characters."),
        ("opening", "a\u202eb", "Line 1: remove the characters that cannot be seen."),
        ("subject", "For {{ username }}", "Placeholders are not for the subject"),
        ("subject", "News of RIVERSIDE family services", "Leave the name of your agency out"),
        ("subject", "=?utf-8?q?x=0ABcc=3A=20evil=40example.org?=", "Do not use =? here."),
        ("subject", "x" * 101, "Use at most 100 characters."),
    ],
)
async def test_a_mistake_is_told_at_its_field_before_anything_is_saved(
    admin: Browser, town: Town, field: str, text: str, says: str
) -> None:
    for to in ("letter", "test"):
        page = await sent(admin, to, **{field: text})
        assert page.status == 422
        assert any(says in error for error in page.errors), (to, page.errors)
        assert html.escape(text, quote=False).replace("'", "&#39;") in page.text or text in html.unescape(page.text)
    assert says in html.unescape((await sent(admin, "preview", **{field: text})).text)
    assert await stored(town) == []
    assert await town.rows("select id from mail.deliveries") == []


async def test_the_preview_shows_the_letter_in_its_language_with_made_up_values(admin: Browser) -> None:
    page = await sent(admin, "preview", **TEXTS)
    assert page.status == 200
    text = html.unescape(page.text)
    for needed in (
        TEXTS["subject"],
        "Hola sample.username:",
        TEXTS["closing"],
        "THIS-IS-A-SAMPLE",
        "SU CONTRASEÑA TEMPORAL",
    ):
        assert needed in text
    assert 'sandbox="" srcdoc="' in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    saved = await admin.get("email-wording/preview?mail=username&language=en")
    assert "YOUR USERNAME" in saved.text
    assert "frame-src 'self'" in (await admin.get(ADDRESS)).headers["Content-Security-Policy"]


@pytest.mark.parametrize("mail", WORDED)
async def test_every_letter_has_a_preview_in_every_language(admin: Browser, mail: str) -> None:
    for language in ("en", "es"):
        page = await admin.get(f"email-wording/preview?mail={mail}&language={language}")
        assert page.status == 200
        assert ("sample.username" in page.text) is (mail != "new_email")
        assert ("198.51.x.x" in page.text) is (mail == "new_device")


async def test_a_letter_that_a_stranger_may_get_names_no_username(admin: Browser, boss: Api, town: Town) -> None:
    shown = await admin.get("email-wording/letter?mail=new_email&language=en")
    assert "{{ agency_name }}" in shown.text
    assert "{{ username }}" not in shown.text
    letter = {"mail": "new_email", "language": "en"}
    page = await admin.post(
        "email-wording/letter", {"csrf_token": shown.form()["csrf_token"], **letter, "closing": "{{ username }}"}
    )
    assert page.status == 422
    says = "Line 1: “username” is no placeholder. Use agency_name or portal_url."
    assert any(says in error for error in page.errors)
    answer = await boss.patch("email-wordings", {**letter, "opening": "{{ username }}"})
    assert (answer.status, answer.fields) == (422, {"opening": says})
    assert await stored(town) == []


async def test_markup_in_a_text_stays_text(admin: Browser) -> None:
    page = await sent(admin, "preview", opening="<script>alert(1)</script> & co")
    # Escaped for the letter, and once more for the frame's attribute.
    assert "&amp;lt;script&amp;gt;" in page.text
    assert "<script>alert(1)" not in page.text


async def test_a_test_goes_to_the_admin_through_the_queue(admin: Browser, town: Town) -> None:
    page = await sent(admin, "test", **TEXTS)
    assert page.status == 200
    assert "A test is on its way to boss@riverside.example. Nothing was saved yet." in page.words
    assert page.form()["subject"] == TEXTS["subject"]
    (row,) = await town.rows("select mail, recipient, context, portal_login_id, state from mail.deliveries")
    assert (row["mail"], row["recipient"], row["portal_login_id"]) == ("wording_test", "boss@riverside.example", None)
    context = json.loads(row["context"])
    assert (context["letter"], context["language"], context["wording"]) == ("temporary_password", "es", TEXTS)
    assert await stored(town) == []


async def test_tests_are_limited_and_need_an_address(admin: Browser, town: Town, clock: FakeClock) -> None:
    for _ in range(20):
        assert (await sent(admin, "test", **TEXTS)).status == 200
        clock.advance(seconds=1)
    page = await sent(admin, "test", **TEXTS)
    assert (page.status, "Please try again in an hour" in page.summary) == (429, True)
    clock.advance(seconds=int(timedelta(hours=1).total_seconds()))
    await admin.sign_in("boss")
    assert (await sent(admin, "test", **TEXTS)).status == 200
    await town.execute("update accounts.staff_users set email = null where username = 'boss'")
    page = await sent(admin, "test", **TEXTS)
    assert (page.status, "You have no e-mail address here yet" in page.summary) == (409, True)


async def test_a_letter_that_is_none_is_not_found(admin: Browser) -> None:
    for query in ("", "?mail=temporary_password", "?mail=staff_invitation&language=en", "?mail=username&language=xx"):
        assert (await admin.get(f"email-wording/letter{query}")).status == 404
        assert (await admin.get(f"email-wording/preview{query}")).status == 404


async def test_it_is_for_agency_admins_alone(http: Http, town: Town) -> None:
    browser = Browser(http)
    await browser.sign_in()
    for path in ("email-wording", ADDRESS, "email-wording/preview?mail=username&language=en"):
        assert (await browser.get(path)).status == 403


async def test_a_form_of_another_session_changes_nothing(admin: Browser, town: Town) -> None:
    for to in ("letter", "test", "preview"):
        page = await admin.post(f"email-wording/{to}", {"csrf_token": "x", **LETTER, **TEXTS})
        assert page.status == 403
    assert await stored(town) == []


async def test_the_api_reads_and_changes_the_same(boss: Api, town: Town) -> None:
    items = (await boss.get("email-wordings")).json["items"]
    assert len(items) == len(WORDED) * 2
    assert items[0] == {"mail": "temporary_password", "language": "en", "subject": "", "opening": "", "closing": ""}
    answer = await boss.patch("email-wordings", {**LETTER, "opening": "Hola {{ username }}:\r\n"})
    assert answer.json == {**LETTER, "subject": "", "opening": "Hola {{ username }}:", "closing": ""}
    answer = await boss.patch("email-wordings", {**LETTER, "closing": "Adiós"})
    assert (answer.json["opening"], answer.json["closing"]) == ("Hola {{ username }}:", "Adiós")
    answer = await boss.patch("email-wordings", {**LETTER, "subject": "a\r\nBcc: x@example.org", "closing": "{{ x }}"})
    assert (answer.status, set(answer.fields)) == (422, {"subject", "closing"})
    answer = await boss.patch("email-wordings", {"mail": "staff_invitation", "language": "xx"})
    assert (answer.status, set(answer.fields)) == (422, {"mail", "language"})
    assert (await boss.post("email-wordings/test", LETTER)).status == 409
    await town.execute("update accounts.staff_users set email = 'boss@riverside.example' where username = 'boss'")
    answer = await boss.post("email-wordings/test", {**LETTER, **TEXTS})
    assert (answer.status, answer.json) == (202, {"recipient": "boss@riverside.example"})


# The language of a login's e-mails


async def context_of(town: Town) -> dict[str, Any]:
    rows = await town.rows("select context from mail.deliveries order by id desc limit 1")
    found: dict[str, Any] = json.loads(rows[0]["context"])
    return found


async def test_a_logins_language_is_chosen_and_goes_with_its_mails(api: Api, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client, language="es")
    assert login["language"] == "es"
    assert (await context_of(town))["language"] == "es"
    clock.advance(seconds=1)
    answer = await api.patch(f"portal-logins/{login['id']}", {"language": None})
    assert answer.json["language"] is None
    clock.advance(seconds=1)
    answer = await api.patch(f"portal-logins/{login['id']}", {"reset_password": True})
    assert (await context_of(town))["language"] == "en"
    assert (await api.patch(f"portal-logins/{login['id']}", {"language": "xx"})).fields == {
        "language": "Choose one of these: en, es."
    }
    changed = [payload for type_, payload in await town.events() if type_ == "portal_login.updated"]
    assert changed[0]["changes"] == [
        {"field": "Language of e-mails", "old": "Spanish", "new": "English (the agency's own)"}
    ]
    created = next(payload for type_, payload in await town.events() if type_ == "portal_login.created")
    assert created["language"] == "Spanish"


async def test_the_agencys_own_language_is_that_of_its_locale(api: Api, town: Town) -> None:
    await town.execute("update accounts.agencies set locale = 'es-US'")
    await api.login(town.client)
    assert (await context_of(town))["language"] == "es"


async def test_the_window_offers_the_languages(browser: Browser, town: Town) -> None:
    page = await browser.press(town.client, await browser.edit(town.client), "do=add-login")
    assert ">Language of e-mails</label>" in page.text
    assert "As the agency (English) English Spanish" in page.words
    typed = {"username": "cmalek", "email": "cmalek@example.com", "language": "es"}
    assert (await browser.press(town.client, page, "do=save-login", **typed)).status == 200
    (row,) = await town.rows("select id, language from accounts.portal_logins")
    assert row["language"] == "es"
    page = await browser.press(town.client, await browser.edit(town.client), f"edit={row['id']}")
    assert page.form()["language"] == "es"
    page = await browser.press(town.client, page, "do=save-login", language="")
    assert "Portal login cmalek was changed." in page.words
    assert (await town.rows("select language from accounts.portal_logins"))[0]["language"] is None
