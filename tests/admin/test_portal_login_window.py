"""The window Portal Login, and that nothing typed around it is lost."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from services.admin.keys import HASHER, WORK
from shared.accounts import portal_logins
from tests.admin.conftest import Api, Browser, Page, Town
from tests.admin.test_face_sheet_pages import EMAIL, HOMELESS, STREET
from tests.admin.test_portal_logins_api import BAD_EMAILS, ended, portal_session
from tests.support.clock import FakeClock

# Typed into the face sheet and not stored: right, wrong, and a box.
UNSAVED = {"first_name": "Cathy", EMAIL: "no address (yet)", "date_of_birth": "1966-02-30", "portal_refused": "on"}


def kept(page: Page) -> bool:
    form = page.form()
    return all(form.get(name.replace("__", ".")) == text for name, text in UNSAVED.items())


async def opened(browser: Browser, town: Town, **typed: str | None) -> Page:
    """The window for a new login, over a face sheet with these edits."""
    page = await browser.press(town.client, await browser.edit(town.client), "do=add-login", **typed)
    assert page.status == 200
    assert page.has_window
    return page


async def opened_for(browser: Browser, town: Town, login_id: str, **typed: str | None) -> Page:
    page = await browser.press(town.client, await browser.edit(town.client), f"edit={login_id}", **typed)
    assert page.status == 200
    assert page.has_window
    return page


async def logins(town: Town) -> list[str]:
    return [row["username"] for row in await town.rows("select username from accounts.portal_logins order by id")]


# Adding


async def test_the_window_opens_with_its_defaults(browser: Browser, town: Town) -> None:
    assert "No data" in (await browser.edit(town.client)).words
    page = await opened(browser, town)
    form = page.form()
    assert (form["username"], form["email"], form["reset_password"], form["active"]) == ("", "", "on", "on")
    assert "representative" not in form
    for label in ("Portal Username", "Reset Password", "Representative", "Active", "Portal User Email"):
        assert f">{label}</label>" in page.text
    for button in ("Populate Email from Current Residence Block", "Save", "Cancel"):
        assert f">{button}</button>" in page.text
    assert '<dialog class="window" id="portal-login" open' in page.text


async def test_saving_adds_the_login_and_keeps_the_unsaved_face_sheet(browser: Browser, town: Town) -> None:
    page = await opened(browser, town, **UNSAVED)
    assert kept(page)
    saved = await browser.press(town.client, page, "do=save-login", username=" cmalek ", email="cmalek@example.com")
    assert saved.status == 200
    assert not saved.has_window
    words = "Portal login cmalek was added. An e-mail with a temporary password is on its way to cmalek@example.com."
    assert words in saved.words
    assert "cmalek No Yes Edit" in saved.words
    assert kept(saved)
    assert 'data-warn-unsaved="changed"' in saved.text
    assert [recipient for recipient, _ in await town.mailed()] == ["cmalek@example.com"]
    (row,) = await town.rows("select first_name, version from accounts.clients")
    assert (row["first_name"], row["version"]) == ("Catherine", 1)
    fixed = {EMAIL: "c@example.com", "date_of_birth": "1966-03-08", "portal_refused": None}
    assert (await browser.press(town.client, saved, "do=update", **fixed)).status == 303


async def test_several_logins_can_be_added_one_after_the_other(browser: Browser, town: Town) -> None:
    page = await browser.edit(town.client)
    for username in ("first", "second", "third"):
        page = await browser.press(town.client, page, "do=add-login")
        assert page.form()["username"] == ""
        page = await browser.press(
            town.client, page, "do=save-login", username=username, email=f"{username}@example.com"
        )
    assert await logins(town) == ["first", "second", "third"]


async def test_what_becomes_of_the_password_is_told(browser: Browser, town: Town) -> None:
    page = await opened(browser, town)
    saved = await browser.press(
        town.client, page, "do=save-login", username="later", email="a@example.com", active=None, representative="on"
    )
    assert "It is inactive: the e-mail with a temporary password is sent once it is made active." in saved.words
    assert "later Yes No Edit" in saved.words
    page = await browser.press(town.client, saved, "do=add-login")
    saved = await browser.press(
        town.client, page, "do=save-login", username="without", email="a@example.com", reset_password=None
    )
    assert "No password was generated and no e-mail was sent." in saved.words
    assert await town.mailed() == []


async def test_cancelling_adds_nothing_and_keeps_the_unsaved_face_sheet(browser: Browser, town: Town) -> None:
    page = await opened(browser, town, **UNSAVED)
    closed = await browser.press(town.client, page, "do=cancel", username="cmalek", email="a@example.com")
    assert (closed.status, closed.has_window) == (200, False)
    assert kept(closed)
    assert await logins(town) == []
    again = await browser.press(town.client, closed, "do=add-login")
    assert again.form()["username"] == ""


async def test_populate_takes_what_is_on_the_screen(browser: Browser, town: Town) -> None:
    page = await opened(browser, town, **{EMAIL: "typed@example.org", STREET: "Unsaved"})
    filled = await browser.press(town.client, page, "do=populate", username="cmalek", representative="on", active=None)
    form = filled.form()
    assert filled.status == 200
    assert (form["email"], form["username"], form["representative"]) == ("typed@example.org", "cmalek", "on")
    assert "active" not in form
    assert form["dynamic_fields.current_residence.Street"] == "Unsaved"
    empty = await browser.press(town.client, filled, "do=populate", **{EMAIL: " "}, email="kept@example.com")
    assert empty.status == 422
    assert empty.errors == ["The Current Residence block has no e-mail to fill in."]
    assert empty.form()["email"] == "kept@example.com"


async def test_populate_is_not_offered_without_an_e_mail_entry(browser: Browser, town: Town) -> None:
    await town.execute("update accounts.field_entries set retired = true where key = 'Email'")
    assert "Populate Email" not in (await opened(browser, town)).words


async def test_wrong_input_keeps_the_window_open(browser: Browser, town: Town) -> None:
    page = await opened(browser, town, **UNSAVED)
    empty = await browser.press(town.client, page, "do=save-login")
    assert (empty.status, empty.errors) == (422, ["Enter a value.", "Enter a value."])
    assert empty.has_window
    assert "Portal Username: Enter a value." in empty.summary
    assert kept(empty)
    wrong = [
        *(("username", value) for value in ("ab", "x" * 65, "with space", "ünï", "a\x00b", "=?utf-8?q?x=0ABcc=3A?=")),
        *(("email", value) for value in BAD_EMAILS if isinstance(value, str)),
    ]
    for field, value in wrong:
        typed = {"username": "cmalek", "email": "a@example.com", field: value}
        answer = await browser.press(town.client, page, "do=save-login", **typed)
        assert (answer.status, len(answer.errors)) == (422, 1), (field, value)
        assert answer.has_window
        assert answer.form()["reset_password"] == "on"
        if "\x00" not in value and "\n" not in value:
            assert answer.form()[field] == value
    assert await logins(town) == []
    assert await town.mailed() == []


async def test_a_username_that_is_taken_in_another_case_is_told(browser: Browser, town: Town, api: Api) -> None:
    await api.login(town.client)
    page = await opened(browser, town)
    told = await browser.press(town.client, page, "do=save-login", username="CMALEK", email="b@example.com")
    assert (told.status, told.errors) == (409, ["That portal username is already in use at this agency."])
    assert told.form()["username"] == "CMALEK"


async def test_a_recorded_refusal_has_to_be_confirmed(browser: Browser, town: Town) -> None:
    await town.execute("update accounts.clients set portal_refused = true")
    page = await opened(browser, town, **{STREET: "Unsaved"})
    assert ">Add a portal login although the client refused</label>" in page.text
    told = await browser.press(town.client, page, "do=save-login", username="cmalek", email="a@example.com")
    assert told.status == 409
    assert told.errors == ["This client refused a portal login. Confirm that you want to add one all the same."]
    assert await logins(town) == []
    saved = await browser.press(town.client, told, "do=save-login", confirm_refused="on")
    assert not saved.has_window
    assert saved.form()["dynamic_fields.current_residence.Street"] == "Unsaved"
    assert await logins(town) == ["cmalek"]


async def test_a_refusal_recorded_meanwhile_is_asked_about_too(browser: Browser, town: Town, api: Api) -> None:
    page = await opened(browser, town)
    assert "although the client refused" not in page.words
    await api.patch(f"clients/{town.client.id}", {"portal_refused": True})
    told = await browser.press(town.client, page, "do=save-login", username="cmalek", email="a@example.com")
    assert told.status == 409
    assert ">Add a portal login although the client refused</label>" in told.text


async def test_the_rest_of_the_page_waits_for_the_window(browser: Browser, town: Town, api: Api) -> None:
    login = await api.login(town.client)
    page = await opened(browser, town, **{STREET: "Unsaved"})
    for button in ("do=update", "do=add-login", f"edit={login['id']}"):
        told = await browser.press(town.client, page, button, username="half", email="typed@example.com")
        assert told.status == 409
        assert "Save or cancel this portal login first." in told.summary
        form = told.form()
        assert (form["username"], form["dynamic_fields.current_residence.Street"]) == ("half", "Unsaved")


async def test_a_full_queue_of_hashes_keeps_the_window(
    browser: Browser, town: Town, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await opened(browser, town, **UNSAVED)
    monkeypatch.setattr(api.app[HASHER], "_limit", 0)
    told = await browser.press(town.client, page, "do=save-login", username="cmalek", email="a@example.com")
    assert told.status == 503
    assert "We are busy." in told.summary
    assert told.form()["username"] == "cmalek"
    assert kept(told)


async def test_a_contract_that_ended_meanwhile_is_told_in_the_window(browser: Browser, town: Town) -> None:
    page = await opened(browser, town)
    await town.execute("update accounts.agencies set contracted = false")
    told = await browser.press(town.client, page, "do=save-login", username="cmalek", email="a@example.com")
    assert told.status == 403
    assert "The client portal is not available for this agency." in told.summary


# Changing


async def test_the_window_shows_a_login_and_leaves_the_password_alone(browser: Browser, town: Town, api: Api) -> None:
    login = await api.login(town.client, representative=True)
    page = await opened_for(browser, town, login["id"], **UNSAVED)
    form = page.form()
    assert kept(page)
    assert (form["email"], form["representative"], form["active"]) == ("cmalek@example.com", "on", "on")
    assert "reset_password" not in form
    assert "username" not in form
    assert "Portal Username cmalek" in page.words


async def test_a_login_is_changed(browser: Browser, town: Town, api: Api, clock: FakeClock) -> None:
    login = await api.login(town.client)
    page = await opened_for(browser, town, login["id"], **UNSAVED)
    session_id = await portal_session(api, town, login["id"], clock)
    saved = await browser.press(
        town.client, page, "do=save-login", email="new@example.com", representative="on", active=None
    )
    assert (saved.status, saved.has_window) == (200, False)
    assert "Portal login cmalek was changed. It is inactive now" in saved.words
    assert "cmalek Yes No Edit" in saved.words
    assert kept(saved)
    assert await ended(town, session_id) == "revoked"
    updated = [payload for type_, payload in await town.events() if type_ == "portal_login.updated"]
    assert [change["field"] for change in updated[0]["changes"]] == ["Portal User Email", "Representative", "Active"]


async def test_a_reset_is_told_with_the_address(browser: Browser, town: Town, api: Api) -> None:
    login = await api.login(town.client)
    page = await opened_for(browser, town, login["id"])
    saved = await browser.press(town.client, page, "do=save-login", reset_password="on")
    assert "An e-mail with a new temporary password is on its way to cmalek@example.com." in saved.words


async def test_saving_without_a_change_says_so(browser: Browser, town: Town, api: Api) -> None:
    login = await api.login(town.client)
    page = await opened_for(browser, town, login["id"])
    before = len(await town.events())
    saved = await browser.press(town.client, page, "do=save-login")
    assert "Nothing was changed about portal login cmalek." in saved.words
    assert (await town.types())[before:] == []


async def test_a_wrong_address_keeps_the_window_open(browser: Browser, town: Town, api: Api) -> None:
    login = await api.login(town.client)
    page = await opened_for(browser, town, login["id"])
    for email in ("", "nobody", "a@example.com\r\nBcc: x@example.com"):
        told = await browser.press(town.client, page, "do=save-login", email=email, representative="on")
        assert (told.status, len(told.errors), told.has_window) == (422, 1, True), email
        assert told.form()["representative"] == "on"
    assert (await api.get(f"portal-logins/{login['id']}")).json == login


async def test_of_two_people_at_one_login_the_second_is_told(browser: Browser, town: Town, api: Api) -> None:
    login = await api.login(town.client)
    page = await opened_for(browser, town, login["id"], **UNSAVED)
    await api.patch(f"portal-logins/{login['id']}", {"email": "theirs@example.com", "representative": True})
    told = await browser.press(town.client, page, "do=save-login", email="mine@example.com")
    assert (told.status, told.has_window) == (412, True)
    assert "Somebody else changed this portal login while you were editing it" in told.words
    assert (
        "Portal User Email Was: cmalek@example.com Is now (by another user): theirs@example.com Yours: mine@example.com"
        in told.words
    )
    assert "Representative Was: No Is now (by another user): Yes You did not change it" in told.words
    assert kept(told)
    form = told.form()
    assert (form["email"], form["representative"]) == ("mine@example.com", "on")
    assert (await api.get(f"portal-logins/{login['id']}")).json["email"] == "theirs@example.com"
    saved = await browser.press(town.client, told, "do=save-login")
    assert saved.status == 200
    found = (await api.get(f"portal-logins/{login['id']}")).json
    assert (found["email"], found["representative"]) == ("mine@example.com", True)


async def test_saving_a_login_does_not_disturb_the_face_sheet_of_others(browser: Browser, town: Town, api: Api) -> None:
    page = await browser.edit(town.client)
    await api.login(town.client)
    assert (await browser.press(town.client, page, "do=update", **{HOMELESS: "No"})).status == 303


async def test_logins_of_other_clients_cannot_be_opened_here(browser: Browser, town: Town, api: Api) -> None:
    second = await town.world.client(town.agency, client_number="2", case_number=None)
    theirs = await api.login(second)
    own = await api.login(town.client, username="own-login")
    page = await browser.edit(town.client)
    for login_id in (theirs["id"], "nonsense", "\x00"):
        assert (await browser.press(town.client, page, f"edit={login_id}")).status in (404, 422), login_id
    window = await opened_for(browser, town, own["id"])
    state = window.form()["window"].replace(own["id"], theirs["id"])
    assert (
        await browser.press(town.client, window, "do=save-login", window=state, email="x@example.com")
    ).status == 404
    assert (await browser.press(town.client, window, "do=save-login", window="{}", email="x@example.com")).status == 400
    assert (await api.get(f"portal-logins/{theirs['id']}")).json == theirs


async def test_no_temporary_password_is_in_any_page_answer_or_log(
    browser: Browser, town: Town, api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    texts: list[str] = []
    page = await opened(browser, town)
    saved = await browser.press(town.client, page, "do=save-login", username="cmalek", email="a@example.com")
    secrets = [secret for _, secret in await town.mailed()]
    texts += [saved.text, str(saved.headers)]
    (found,) = (await api.get(f"clients/{town.client.id}")).json["portal_logins"]
    answer = await api.patch(f"portal-logins/{found['id']}", {"reset_password": True})
    secrets += [secret for _, secret in await town.mailed()]
    texts += [answer.text, (await api.get(f"clients/{town.client.id}")).text]
    texts += [(await api.get(f"portal-logins/{found['id']}/deliveries")).text]
    texts += [(await browser.get(f"clients/{town.client.id}")).text, (await browser.edit(town.client)).text]
    texts += [row["body"] for row in await town.rows("select body from accounts.outbox")]
    texts += [str(row) for row in await town.rows("select * from accounts.portal_logins, mail.deliveries")]
    captured = capfd.readouterr()
    texts += [captured.out, captured.err]
    assert len(set(secrets)) == 2
    for secret in secrets:
        assert re.fullmatch(r"[A-Za-z0-9-]{16,}", secret)
        assert not any(secret in text or secret.replace("-", "") in text for text in texts)
    assert "a@example.com" not in captured.out + captured.err, "logs name nobody"


async def test_an_owners_own_password_survives_a_change_of_boxes(
    browser: Browser, town: Town, api: Api, clock: FakeClock
) -> None:
    login = await api.login(town.client)
    async with api.app[WORK].pool.transaction(town.agency.id) as conn:
        await portal_logins.set_own_password(conn, UUID(login["id"]), "$argon2id$own", clock())
    page = await opened_for(browser, town, login["id"])
    await browser.press(town.client, page, "do=save-login", representative="on")
    assert (await api.get(f"portal-logins/{login['id']}")).json["password_state"] == "own"
