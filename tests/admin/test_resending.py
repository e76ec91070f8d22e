"""Staff send the e-mail with the password again, to the same address or to the right one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.admin.conftest import Api, Browser, Town
from tests.support.clock import FakeClock

ACCEPTED = "update mail.deliveries set state = 'accepted', finished_at = now(), sealed_secret = null"


def page_of(town: Town, login: dict[str, Any], page: str) -> str:
    return f"clients/{town.client.id}/portal-logins/{login['id']}/{page}"


async def states(town: Town) -> list[tuple[str, str, str]]:
    rows = await town.rows("select mail, recipient, state from mail.deliveries order by id")
    return [(row["mail"], row["recipient"], row["state"]) for row in rows]


async def hash_of(town: Town) -> str:
    [row] = await town.rows("select temporary_password_hash from accounts.portal_logins")
    return str(row["temporary_password_hash"])


async def test_resend_replaces_the_password_and_the_e_mail_at_once(api: Api, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    [(_, old)] = await town.mailed()
    before, old_hash = await town.types(), await hash_of(town)
    clock.advance(seconds=1)
    answer = await api.post(f"portal-logins/{login['id']}/resend")
    assert answer.status == 200
    assert answer.json["version"] == login["version"] + 1
    assert answer.headers["ETag"]
    assert answer.json["temporary_password_expires_at"] == "2026-03-05T15:00:01Z"
    [(recipient, new)] = await town.mailed()
    assert (recipient, new != old) == ("cmalek@example.com", True)
    assert await hash_of(town) != old_hash
    assert [state for _, _, state in await states(town)] == ["superseded", "queued"]
    # As with Reset Password.
    added = (await town.types())[len(before) :]
    assert added == ["portal_login.updated", "delivery.superseded", "delivery.queued"]


async def test_the_address_is_corrected_in_the_same_step(api: Api, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client, email="worng@example.com")
    await town.execute("update mail.deliveries set state = 'failed', finished_at = now(), sealed_secret = null")
    before = len(await town.types())
    clock.advance(seconds=1)
    answer = await api.post(f"portal-logins/{login['id']}/resend", {"email": "right@example.com"})
    assert answer.json["email"] == "right@example.com"
    # Nobody read the wrong address, so nobody is told there.
    assert await states(town) == [
        ("temporary_password", "worng@example.com", "failed"),
        ("temporary_password", "right@example.com", "queued"),
    ]
    [(_, payload)] = [event for event in (await town.events())[before:] if event[0] == "portal_login.updated"]
    assert payload["changes"] == [
        {"field": "Portal User Email", "old": "worng@example.com", "new": "right@example.com"}
    ]
    assert payload["password_updated"] is True


async def test_an_old_address_that_somebody_reads_is_told(api: Api, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client, email="old@example.com")
    await town.execute(ACCEPTED)
    clock.advance(seconds=1)
    await api.post(f"portal-logins/{login['id']}/resend", {"email": "new@example.com"})
    assert sorted((await states(town))[1:]) == [
        ("email_changed", "old@example.com", "queued"),
        ("temporary_password", "new@example.com", "queued"),
    ]


async def test_an_inactive_login_is_refused_and_nothing_changes(api: Api, town: Town) -> None:
    login = await api.login(town.client, active=False)
    before = await town.types()
    answer = await api.post(f"portal-logins/{login['id']}/resend", {"email": "new@example.com"})
    assert answer.status == 409
    assert answer.json["type"] == "/problems/login-inactive"
    assert answer.fields["active"].startswith("This portal login is inactive.")
    assert await town.types() == before
    assert (await api.get(f"portal-logins/{login['id']}")).json["email"] == "cmalek@example.com"


async def test_an_agency_without_a_contract_is_refused(api: Api, town: Town) -> None:
    login = await api.login(town.client)
    await town.execute("update accounts.agencies set contracted = false")
    before = await states(town)
    assert (await api.post(f"portal-logins/{login['id']}/resend")).status == 403
    assert await states(town) == before


@pytest.mark.parametrize("body", [{"email": "no address"}, {"email": None}, {"mail": "x@example.com"}])
async def test_a_body_that_is_not_right_sends_nothing(api: Api, town: Town, body: dict[str, Any]) -> None:
    login = await api.login(town.client)
    answer = await api.post(f"portal-logins/{login['id']}/resend", body)
    assert answer.status == 422
    assert set(answer.fields) == set(body)
    assert len(await states(town)) == 1


async def test_it_is_not_sent_over_somebody_elses_change(api: Api, town: Town) -> None:
    login = await api.login(town.client)
    address = f"portal-logins/{login['id']}/resend"
    assert (await api.post(address, {}, headers={"If-Match": '"7"'})).status == 412
    assert len(await states(town)) == 1
    assert (await api.post(address, {}, headers={"If-Match": '"1"'})).status == 200


async def test_the_button_resends_and_says_so(api: Api, browser: Browser, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    page = await browser.get(f"clients/{town.client.id}")
    assert "Resend the e-mail to cmalek" in page.words
    clock.advance(seconds=1)
    token = page.form("/resend")["csrf_token"]
    sent = await browser.post(page_of(town, login, "resend"), {"csrf_token": token})
    assert (sent.status, sent.headers["Location"]) == (303, f"/riverside/clients/{town.client.id}?done=resent")
    after = await browser.get(sent.headers["Location"])
    assert "A new e-mail is on its way. The password or link in the one before it no longer works." in after.words
    assert "Something newer took its place before it was sent." in after.words
    assert len(await states(town)) == 2


async def test_the_button_asks_for_the_pages_token(api: Api, browser: Browser, town: Town) -> None:
    login = await api.login(town.client)
    for page, form in (("resend", {}), ("address", {"email": "new@example.com", "version": "1"})):
        answer = await browser.post(page_of(town, login, page), {**form, "csrf_token": "made-up"})
        assert answer.status == 403
    assert [recipient for _, recipient, _ in await states(town)] == ["cmalek@example.com"]


async def test_a_password_that_the_owner_chose_is_not_replaced_by_the_button(
    api: Api, browser: Browser, town: Town
) -> None:
    login = await api.login(town.client)
    token = (await browser.get(f"clients/{town.client.id}")).form("/resend")["csrf_token"]
    await town.execute(
        "update accounts.portal_logins set password_hash = 'x', temporary_password_hash = null,"
        " temporary_password_expires_at = null"
    )
    # Chosen while the page with the button was open.
    refused = await browser.post(page_of(town, login, "resend"), {"csrf_token": token})
    assert refused.status == 409
    assert "The owner has chosen a password already." in refused.words
    form = {"csrf_token": token, "email": "new@example.com", "version": "1"}
    refused = await browser.post(page_of(town, login, "address"), form)
    assert refused.status == 409
    assert "The owner has chosen a password already." in refused.summary
    page = await browser.get(f"clients/{town.client.id}")
    assert "Resend" not in page.words
    assert "If it is lost, choose Edit, then Reset Password." in page.words
    assert len(await states(town)) == 1
    # Programs do on purpose what they ask for.
    assert (await api.post(f"portal-logins/{login['id']}/resend")).status == 200


async def test_an_inactive_login_has_no_button(api: Api, browser: Browser, town: Town) -> None:
    await api.login(town.client, active=False)
    page = await browser.get(f"clients/{town.client.id}")
    assert "Resend" not in page.words
    assert "This portal login is inactive, so nothing is sent to it." in page.words


async def test_the_address_form_corrects_and_resends(api: Api, browser: Browser, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client, email="worng@example.com")
    clock.advance(seconds=1)
    address = page_of(town, login, "address")
    page = await browser.get(address)
    assert "The address now is worng@example.com" in page.words
    form = page.form("/address")
    assert form["email"] == "worng@example.com"
    wrong = await browser.post(address, {**form, "email": "nobody@"})
    assert wrong.status == 422
    assert wrong.errors == ["Enter an e-mail address such as name@example.org."]
    assert wrong.form("/address")["email"] == "nobody@"
    assert "The address now is worng@example.com" in wrong.words
    sent = await browser.post(address, {**form, "email": "right@example.com"})
    assert (sent.status, sent.headers["Location"]) == (303, f"/riverside/clients/{town.client.id}?done=resent")
    assert await states(town) == [
        ("temporary_password", "worng@example.com", "cancelled"),
        ("temporary_password", "right@example.com", "queued"),
    ]


async def test_the_address_form_does_not_undo_what_somebody_else_corrected(
    api: Api, browser: Browser, town: Town, clock: FakeClock
) -> None:
    login = await api.login(town.client)
    address = page_of(town, login, "address")
    form = (await browser.get(address)).form("/address")
    clock.advance(seconds=1)
    await api.patch(f"portal-logins/{login['id']}", {"email": "right@example.com"})
    refused = await browser.post(address, {**form, "email": "mine@example.com"})
    assert refused.status == 412
    assert "Somebody else changed this meanwhile." in refused.summary
    assert "The address now is right@example.com" in refused.words
    assert (await api.get(f"portal-logins/{login['id']}")).json["email"] == "right@example.com"
