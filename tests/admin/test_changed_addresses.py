"""Staff change a portal login's e-mail address: who is told, and what they see until its owner confirms it."""

from __future__ import annotations

from services.admin.pages.sheet_form import RESIDENCE_EMAIL_FIELD
from tests.admin.conftest import Api, Browser, Town
from tests.support.clock import FakeClock

WAITING = "waiting for the owner to confirm"


async def used_login(api: Api, town: Town) -> str:
    """The id of a login whose owner got the e-mail."""
    login = await api.login(town.client, email="old@example.com")
    await town.execute("update mail.deliveries set state = 'accepted', finished_at = now(), sealed_secret = null")
    return str(login["id"])


async def told(town: Town) -> list[str]:
    rows = await town.rows("select recipient from mail.deliveries where mail = 'email_changed' order by id")
    return [row["recipient"] for row in rows]


async def test_the_face_sheet_says_that_an_address_waits_for_its_owner(
    api: Api, browser: Browser, town: Town, clock: FakeClock
) -> None:
    login_id = await used_login(api, town)
    assert WAITING not in (await browser.get(f"clients/{town.client.id}")).words
    changed = await api.patch(f"portal-logins/{login_id}", {"email": "new@example.com"})
    assert changed.json["email_unconfirmed_since"] == clock().isoformat().replace("+00:00", "Z")
    assert (await api.get(f"portal-logins/{login_id}")).json == changed.json
    assert f"new@example.com {WAITING}" in (await browser.get(f"clients/{town.client.id}")).words
    clock.advance(hours=23, minutes=59)
    await browser.sign_in()
    assert WAITING in (await browser.get(f"clients/{town.client.id}")).words
    clock.advance(minutes=1)
    assert WAITING not in (await browser.get(f"clients/{town.client.id}")).words


async def test_it_no_longer_waits_once_it_is_confirmed(api: Api, browser: Browser, town: Town) -> None:
    login_id = await used_login(api, town)
    await api.patch(f"portal-logins/{login_id}", {"email": "new@example.com"})
    await town.execute("update accounts.portal_logins set email_unconfirmed_since = null")
    assert WAITING not in (await browser.get(f"clients/{town.client.id}")).words
    assert (await api.get(f"portal-logins/{login_id}")).json["email_unconfirmed_since"] is None


async def test_an_address_taken_from_the_current_residence_counts_as_changed(
    api: Api, browser: Browser, town: Town
) -> None:
    login_id = await used_login(api, town)
    window = await browser.press(town.client, await browser.edit(town.client), f"edit={login_id}")
    filled = await browser.press(town.client, window, "do=populate", **{RESIDENCE_EMAIL_FIELD: "home@example.com"})
    assert filled.form()["email"] == "home@example.com"
    saved = await browser.press(town.client, filled, "do=save-login")
    assert saved.status == 200, saved.words
    assert await told(town) == ["old@example.com"]


async def test_an_agency_without_a_contract_changes_no_address_and_sends_nothing(api: Api, town: Town) -> None:
    login_id = await used_login(api, town)
    await town.execute("update accounts.agencies set contracted = false")
    assert (await api.patch(f"portal-logins/{login_id}", {"email": "new@example.com"})).status == 403
    assert await told(town) == []
