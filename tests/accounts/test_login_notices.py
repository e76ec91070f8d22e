"""Who is told that a login was made inactive, or that an address belongs to one now."""

from __future__ import annotations

from services.admin.use_cases import face_sheets
from services.admin.use_cases.face_sheets import FaceSheetChange
from tests.accounts.test_changed_addresses import Office, office

__all__ = ["office"]


async def told(office: Office, mail: str) -> list[str]:
    rows = await office.rows(
        f"select recipient from mail.deliveries where mail = '{mail}' and state = 'queued' order by id"
    )
    return [row["recipient"] for row in rows]


async def test_an_owner_is_told_that_the_login_was_made_inactive(office: Office) -> None:
    login = await office.add(used=True)
    await office.change(login, representative=True)
    assert await told(office, "login_inactive") == []
    await office.change(login, active=False)
    assert await told(office, "login_inactive") == ["old@example.com"]
    await office.change(login, active=True)
    assert await told(office, "login_inactive") == ["old@example.com"]


async def test_a_refusal_that_makes_the_login_inactive_is_told_too(office: Office) -> None:
    await office.add(used=True)
    change = FaceSheetChange(portal_refused=True, deactivate_portal_logins=True)
    await face_sheets.update(
        office.work, office.credentials, actor=office.desk.actor, client_id=office.desk.client.id, change=change
    )
    assert await told(office, "login_inactive") == ["old@example.com"]


async def test_whom_nothing_has_reached_is_told_nothing(office: Office) -> None:
    login = await office.add()
    await office.change(login, active=False)
    assert await told(office, "login_inactive") == []


async def test_an_unread_new_address_is_not_told_of_an_inactive_login(office: Office) -> None:
    login = await office.add(used=True)
    await office.change(login, email="typo@example.com")
    await office.change(login, active=False)
    assert await told(office, "login_inactive") == ["old@example.com"]
    assert await told(office, "new_email") == [], "what was on its way to it is taken back"


async def test_the_new_address_is_told_that_it_belongs_to_a_login(office: Office) -> None:
    login = await office.add(used=True)
    await office.change(login, email="new@example.com")
    assert await told(office, "new_email") == ["new@example.com"]
    assert await told(office, "email_changed") == ["old@example.com"]


async def test_it_is_told_nothing_besides_a_credential_and_nothing_of_an_inactive_login(office: Office) -> None:
    login = await office.add(used=True)
    await office.change(login, email="new@example.com", reset_password=True)
    assert await told(office, "new_email") == []
    await office.change(login, active=False)
    await office.change(login, email="third@example.com")
    assert await told(office, "new_email") == []


async def test_a_wrong_address_that_is_put_right_is_told_nothing(office: Office) -> None:
    login = await office.add(used=True)
    await office.change(login, email="typo@example.com")
    await office.change(login, email="right@example.com")
    assert await told(office, "new_email") == ["right@example.com"]


async def test_nothing_is_told_that_the_agency_does_not_want(office: Office) -> None:
    await office.rows("update accounts.agencies set notice_of_inactive = false, notice_of_new_email = false")
    login = await office.add(used=True)
    await office.change(login, email="new@example.com")
    await office.change(login, active=False)
    assert await told(office, "new_email") == []
    assert await told(office, "login_inactive") == []
    assert await told(office, "email_changed") == ["old@example.com"], "that one keeps the login safe"
