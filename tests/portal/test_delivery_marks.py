"""What the owner of a portal login does with an e-mail is noted on it, in the same transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from services.admin.use_cases import login_mails
from services.admin.use_cases import portal_logins as staff_logins
from shared.accounts.portal_logins import PortalLogin
from tests.portal.conftest import NEW_PASSWORD, OWN_PASSWORD, Portal, Town, credentials_of, sign_in_page
from tests.support.clock import FakeClock


async def timelines(town: Town, login: PortalLogin) -> list[tuple[str, list[tuple[str, datetime]]]]:
    """The steps of each of a login's e-mails, newest first, as staff see them."""
    found = await login_mails.of_login(town.work, actor=town.staff, login_id=login.id, before=None, limit=20)
    return [(one.delivery.mail, [(step.step, step.at) for step in one.steps]) for one in found]


async def steps(town: Town, login: PortalLogin, mail: str = "temporary_password") -> list[str]:
    """The steps of the newest e-mail of a kind."""
    return next([name for name, _ in found] for what, found in await timelines(town, login) if what == mail)


async def accepted(town: Town) -> None:
    """Everything in the queue is taken over by the mail server."""
    async with town.pool.transaction(town.agency.id) as conn:
        await conn.execute(
            "update mail.deliveries set state = 'accepted', finished_at = $1, sealed_secret = null"
            " where finished_at is null",
            town.clock(),
        )
    town.clock.advance(seconds=1)


async def opened(portal: Portal, password: str) -> str:
    """Sign in with a temporary password; answers the token to choose one's own."""
    answer = await portal.api("token", credentials_of(password=password))
    assert answer.status == 200, await answer.text()
    token: str = (await answer.json())["password_change_token"]
    return token


async def chosen(portal: Portal, path: str, body: dict[str, Any]) -> None:
    answer = await portal.api(path, {**body, "new_password": NEW_PASSWORD})
    assert answer.status == 200, await answer.text()


async def test_signing_in_and_choosing_a_password_are_steps_of_the_e_mail(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    login, password = await town.login()
    await accepted(town)
    asked_at = clock()
    token = await opened(portal, password)
    clock.advance(seconds=1)
    # Only the first time counts.
    token = await opened(portal, password)
    clock.advance(seconds=1)
    await chosen(portal, "password", {"password_change_token": token})
    found = dict(await timelines(town, login))["temporary_password"]
    assert [name for name, _ in found] == ["queued", "accepted", "opened", "password_chosen"]
    assert [at for _, at in found[2:]] == [asked_at, asked_at + timedelta(seconds=2)]
    clock.advance(days=30)
    assert await steps(town, login) == ["queued", "accepted", "opened", "password_chosen"]


async def test_the_page_to_sign_in_marks_it_as_well(portal: Portal, town: Town) -> None:
    login, password = await town.login()
    await accepted(town)
    assert (await sign_in_page(portal, password=password)).status in (200, 303)
    assert await steps(town, login) == ["queued", "accepted", "opened"]


async def test_wrong_and_expired_passwords_open_nothing(portal: Portal, town: Town, clock: FakeClock) -> None:
    login, password = await town.login()
    await accepted(town)
    assert (await portal.api("token", credentials_of(password="not the password"))).status == 401
    clock.advance(hours=72)
    assert (await portal.api("token", credentials_of(password=password))).status == 401
    assert await steps(town, login) == ["queued", "accepted", "expired_unused"]


async def test_a_password_that_ran_out_after_it_was_used_is_told_so(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    login, password = await town.login()
    await accepted(town)
    await opened(portal, password)
    clock.advance(hours=72)
    found = await login_mails.of_login(town.work, actor=town.staff, login_id=login.id, before=None, limit=1)
    assert [step.step for step in found[0].steps] == ["queued", "accepted", "opened", "expired_unused"]
    assert found[0].steps[-1].text == "The temporary password ran out before its owner had chosen another one."


async def test_the_marks_are_on_the_e_mail_whose_password_is_good(portal: Portal, town: Town, clock: FakeClock) -> None:
    login, _ = await town.login()
    await accepted(town)
    await staff_logins.resend(town.work, town.credentials, actor=town.staff, login_id=login.id)
    clock.advance(seconds=1)
    password = await town.mailed(login)
    await accepted(town)
    await opened(portal, password)
    newest, first = await timelines(town, login)
    assert [name for name, _ in newest[1]] == ["queued", "accepted", "opened"]
    assert [name for name, _ in first[1]] == ["queued", "accepted", "superseded"]


async def test_a_reset_e_mail_is_marked_when_its_code_was_used(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    await portal.api("password/forgot", {"agency": "riverside", "username": "cmalek", "email": "cmalek@example.com"})
    clock.advance(seconds=1)
    code = await town.mailed(login, "password_reset")
    await accepted(town)
    await chosen(portal, "password/reset", {"token": code})
    assert await steps(town, login, "password_reset") == ["queued", "accepted", "password_chosen"]


async def test_a_code_that_nobody_used_ran_out(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    await portal.api("password/forgot", {"agency": "riverside", "username": "cmalek", "email": "cmalek@example.com"})
    await accepted(town)
    assert await steps(town, login, "password_reset") == ["queued", "accepted"]
    clock.advance(hours=1)
    assert await steps(town, login, "password_reset") == ["queued", "accepted", "expired_unused"]


async def test_a_later_change_of_ones_own_marks_no_old_e_mail(portal: Portal, town: Town, clock: FakeClock) -> None:
    login, password = await town.login()
    await accepted(town)
    await chosen(portal, "password", {"password_change_token": await opened(portal, password)})
    clock.advance(seconds=1)
    before = await timelines(town, login)
    tokens = await (await portal.api("token", credentials_of(password=NEW_PASSWORD))).json()
    body = {"current_password": NEW_PASSWORD, "new_password": OWN_PASSWORD}
    assert (await portal.api("password", body, token=tokens["access_token"])).status == 200
    after = await timelines(town, login)
    assert [one for one in after if one[0] == "temporary_password"] == [
        one for one in before if one[0] == "temporary_password"
    ]
