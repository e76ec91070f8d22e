"""Who is told when staff change a portal login's e-mail address."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from services.admin.use_cases import portal_logins as use_cases
from services.admin.use_cases.credentials import Credentials, masked
from services.admin.use_cases.portal_logins import NewPortalLogin, PortalLoginChange
from shared.accounts import portal_logins
from shared.accounts.portal_logins import PortalLogin
from shared.outbox import Work
from tests.accounts.conftest import Desk
from tests.support.clock import FakeClock
from tests.support.databases import Database


@dataclass(frozen=True, slots=True)
class Office:
    """Staff at work on one login, and what is mailed because of it."""

    work: Work
    credentials: Credentials
    desk: Desk
    clock: FakeClock
    owner_url: str

    async def add(self, *, used: bool = False) -> PortalLogin:
        """A login; ``used``: its owner got the e-mail and chose a password."""
        new = NewPortalLogin("cmalek", "old@example.com")
        made = await use_cases.create(
            self.work, self.credentials, actor=self.desk.actor, client_id=self.desk.client.id, new=new
        )
        if used:
            await self.arrive()
            async with self.work.transaction(self.desk.actor) as tx:
                await portal_logins.set_own_password(tx.conn, made.id, "an own password's hash", tx.now)
        return made

    async def change(self, login: PortalLogin, **change: Any) -> PortalLogin:
        self.clock.advance(seconds=1)
        return await use_cases.update(
            self.work,
            self.credentials,
            actor=self.desk.actor,
            login_id=login.id,
            change=PortalLoginChange(**change),
        )

    async def rows(self, query: str) -> list[dict[str, Any]]:
        conn = await asyncpg.connect(self.owner_url)
        try:
            return [dict(row) for row in await conn.fetch(query)]
        finally:
            await conn.close()

    async def arrive(self) -> None:
        """The mail server takes what is in the queue."""
        await self.rows(
            "update mail.deliveries set state = 'accepted', finished_at = now(), sealed_secret = null"
            " where finished_at is null"
        )

    async def told(self) -> list[tuple[str, str]]:
        """Who was told of a changed address, and what of the new one."""
        found = await self.rows(
            "select recipient, context from mail.deliveries where mail = 'email_changed' order by created_at, id"
        )
        return [(row["recipient"], json.loads(row["context"])["new_email"]) for row in found]


@pytest.fixture
def office(admin_work: Work, credentials: Credentials, desk: Desk, clock: FakeClock, database: Database) -> Office:
    return Office(admin_work, credentials, desk, clock, database.owner_url)


async def test_the_old_address_is_told_at_once_and_learns_little_of_the_new_one(office: Office) -> None:
    login = await office.add(used=True)
    after = await office.change(login, email="someone@elsewhere.example")
    assert await office.told() == [("old@example.com", "s***@elsewhere.example")]
    assert after.email_unconfirmed_since == office.clock()
    [row] = await office.rows("select context from mail.deliveries where mail = 'email_changed'")
    assert json.loads(row["context"])["portal_url"] == "https://portal.example/riverside/"
    assert "someone" not in row["context"]


async def test_it_is_told_as_well_when_a_temporary_password_goes_to_the_new_one(office: Office) -> None:
    login = await office.add(used=True)
    await office.change(login, email="new@example.com", reset_password=True)
    mails = await office.rows("select mail, recipient from mail.deliveries where finished_at is null order by id")
    assert [(row["mail"], row["recipient"]) for row in mails] == [
        ("email_changed", "old@example.com"),
        ("temporary_password", "new@example.com"),
    ]


async def test_a_typing_error_put_right_before_any_mail_left_tells_no_stranger(office: Office) -> None:
    login = await office.add()
    await office.change(login, email="right@example.com")
    assert await office.told() == []


async def test_who_got_the_temporary_password_is_told_even_if_it_was_never_used(office: Office) -> None:
    login = await office.add()
    await office.arrive()
    await office.change(login, email="new@example.com")
    assert [recipient for recipient, _ in await office.told()] == ["old@example.com"]


async def test_of_a_second_change_the_last_owner_is_told_and_not_an_address_that_nobody_read(office: Office) -> None:
    login = await office.add(used=True)
    await office.change(login, email="typo@example.com")
    await office.arrive()
    await office.change(login, email="third@example.com")
    assert [recipient for recipient, _ in await office.told()] == ["old@example.com", "old@example.com"]


async def test_an_address_whose_owner_has_signed_in_is_told_of_the_next_change(office: Office) -> None:
    login = await office.add(used=True)
    await office.change(login, email="second@example.com")
    async with office.work.transaction(office.desk.actor) as tx:
        await portal_logins.confirm_email(tx.conn, login.id)
    await office.change(login, email="third@example.com")
    assert [recipient for recipient, _ in await office.told()] == ["old@example.com", "second@example.com"]


@pytest.mark.parametrize("email", ["old@example.com", "Old@Example.com"])
async def test_the_same_address_is_told_nothing(office: Office, email: str) -> None:
    login = await office.add(used=True)
    await office.change(login, email=email, representative=True)
    assert await office.told() == []


async def test_going_back_to_the_old_address_tells_it_nothing_more(office: Office) -> None:
    login = await office.add(used=True)
    await office.change(login, email="typo@example.com")
    await office.change(login, email="old@example.com")
    assert [recipient for recipient, _ in await office.told()] == ["old@example.com"]


async def test_events_hold_neither_the_code_nor_the_mails_addressee(office: Office) -> None:
    login = await office.add(used=True)
    await office.change(login, email="new@example.com")
    rows = await office.rows("select body from accounts.outbox where kind = 'event' order by id desc limit 2")
    for event in (json.loads(row["body"]) for row in rows):
        assert (event["type"], set(event["payload"])) == ("delivery.queued", {"delivery_id", "mail"})
    assert {json.loads(row["body"])["payload"]["mail"] for row in rows} == {"email_changed", "new_email"}


@pytest.mark.parametrize(
    ("email", "shown"),
    [("cmalek@example.org", "c***@example.org"), ("a@b.example", "a***@b.example"), ("", "***@")],
)
def test_an_address_is_shown_in_part(email: str, shown: str) -> None:
    assert masked(email) == shown
