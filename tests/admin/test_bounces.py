"""E-mails that came back: what staff see, what is refused from then on, and how an address is taken into use again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from services.admin.keys import WORK
from shared.deliveries import bounces
from shared.deliveries.bounces import Taken
from shared.outbox import Work
from tests.admin.conftest import Api, Browser, Town, invited
from tests.support.bounces import come_back
from tests.support.clock import FakeClock

COMES_BACK = "E-mails to this address come back. Correct the address first."


@dataclass(slots=True)
class Post:
    """The e-mails of an agency, as the notifier and a mailbox for returned mail leave them."""

    api: Api
    town: Town
    clock: FakeClock

    @property
    def work(self) -> Work:
        return self.api.app[WORK]

    async def latest(self) -> UUID:
        """The newest delivery, handed over."""
        [row] = await self.town.rows(
            "update mail.deliveries set state = 'accepted', attempts = 1, sealed_secret = null, finished_at = now()"
            " where id = (select id from mail.deliveries order by id desc limit 1) returning id"
        )
        found: UUID = row["id"]
        return found

    async def comes_back(self, **told: Any) -> Taken:
        """The newest e-mail comes back a second later."""
        delivery_id = await self.latest()
        self.clock.advance(seconds=1)
        taken = await come_back(self.work, delivery_id, at=self.clock(), **told)
        self.clock.advance(seconds=1)
        return taken

    async def states(self) -> list[tuple[str, str]]:
        rows = await self.town.rows("select mail, state from mail.deliveries order by id")
        return [(row["mail"], row["state"]) for row in rows]


@pytest.fixture
def post(api: Api, town: Town, clock: FakeClock) -> Post:
    return Post(api, town, clock)


async def test_the_face_sheet_and_the_api_say_that_e_mails_come_back(
    api: Api, browser: Browser, town: Town, post: Post
) -> None:
    login = await api.login(town.client)
    assert login["email_bounced"] is None
    page = await browser.get(f"clients/{town.client.id}")
    assert "come back" not in page.words
    assert await post.comes_back(reply="550 5.1.1 <cmalek@example.com>: <b>User</b> unknown") == "recorded"
    page = await browser.get(f"clients/{town.client.id}")
    assert "cmalek@example.com e-mails come back" in page.words
    assert "E-mails to cmalek@example.com have come back since 3/2/2026" in page.words
    assert "The mailbox does not exist. Nothing is sent there any more." in page.words
    assert "<b>User</b>" not in page.text
    assert "<b>User</b> unknown" in page.words
    found = (await api.get(f"portal-logins/{login['id']}")).json
    told = {"at": "2026-03-02T15:00:01Z", "reason": "The mailbox does not exist."}
    assert found["email_bounced"] == told
    sheet = (await api.get(f"clients/{town.client.id}")).json
    assert [one["email_bounced"] for one in sheet["portal_logins"]] == [told]
    assert ("delivery.bounced", "hard", "5.1.1") in [(t, p.get("kind"), p.get("code")) for t, p in await town.events()]


async def test_a_report_that_comes_again_says_nothing_new(api: Api, town: Town, post: Post) -> None:
    await api.login(town.client)
    assert await post.comes_back() == "recorded"
    assert await post.comes_back() == "known"
    assert await post.comes_back(reply="550 5.1.1 again", code="5.1.6") == "known"
    assert (await town.types()).count("delivery.bounced") == 1


async def test_what_waits_ends_and_new_passwords_are_refused(api: Api, town: Town, post: Post) -> None:
    login = await api.login(town.client)
    first = await post.latest()
    again = await api.patch(f"portal-logins/{login['id']}", {"reset_password": True})
    assert again.status == 200
    assert (await post.states())[-1] == ("temporary_password", "queued")
    await come_back(post.work, first, at=post.clock())
    assert (await post.states())[-1] == ("temporary_password", "failed")
    assert [p["outcome"] for t, p in await town.events() if t == "delivery.failed"] == ["bounced"]
    assert await town.mailed() == []
    before = await town.rows("select temporary_password_hash, version from accounts.portal_logins")
    for call in (
        api.patch(f"portal-logins/{login['id']}", {"reset_password": True}),
        api.post(f"clients/{town.client.id}/portal-logins", {"username": "second", "email": "CMALEK@example.com"}),
    ):
        answer = await call
        assert (answer.status, answer.json["type"]) == (409, "/problems/email-comes-back")
        assert answer.fields == {"email": COMES_BACK}
    # Nothing of it happened: the password that the owner has stays good.
    assert await town.rows("select temporary_password_hash, version from accounts.portal_logins") == before


async def test_the_window_says_so_beside_the_address(browser: Browser, api: Api, town: Town, post: Post) -> None:
    login = await api.login(town.client)
    await post.comes_back()
    page = await browser.press(town.client, await browser.edit(town.client), f"edit={login['id']}")
    page = await browser.press(town.client, page, "do=save-login", reset_password="on")
    assert page.status == 409
    assert page.errors == [COMES_BACK]
    page = await browser.press(town.client, page, "do=save-login", reset_password="on", email="right@example.com")
    assert "on its way to right@example.com" in page.words
    assert [recipient for recipient, _ in await town.mailed()][-1] == "right@example.com"
    page = await browser.get(f"clients/{town.client.id}")
    assert "come back" not in page.words


async def test_a_corrected_address_lifts_nothing_of_the_old_one(api: Api, town: Town, post: Post) -> None:
    login = await api.login(town.client)
    await post.comes_back()
    moved = await api.patch(f"portal-logins/{login['id']}", {"email": "right@example.com", "reset_password": True})
    assert (moved.status, moved.json["email_bounced"]) == (200, None)
    back = await api.patch(f"portal-logins/{login['id']}", {"email": "cmalek@example.com", "reset_password": True})
    assert back.status == 409


async def test_staff_say_that_the_address_works_again(api: Api, browser: Browser, town: Town, post: Post) -> None:
    login = await api.login(town.client)
    delivery = await post.latest()
    await post.comes_back()
    page = await browser.get(f"clients/{town.client.id}")
    form = page.form("email-works")
    done = await browser.post(f"clients/{town.client.id}/email-works", form)
    assert (done.status, done.headers["Location"]) == (303, f"/riverside/clients/{town.client.id}?done=email-works")
    page = await browser.get(f"clients/{town.client.id}?done=email-works")
    assert "E-mails are sent to that address again." in page.words
    assert "e-mails come back" not in page.words
    assert ("portal_login.email_cleared", {"username": "cmalek"}) in await town.events()
    # A late report of what was sent before does not close it once more; one of what is sent now does.
    assert await come_back(post.work, delivery, at=post.clock(), kind="complaint", code=None) == "recorded"
    assert (await api.get(f"portal-logins/{login['id']}")).json["email_bounced"] is None
    assert (await api.patch(f"portal-logins/{login['id']}", {"reset_password": True})).status == 200
    await post.comes_back(code="5.2.1")
    found = (await api.get(f"portal-logins/{login['id']}")).json["email_bounced"]
    assert found["reason"] == "The mailbox is switched off."
    works = await api.post(f"portal-logins/{login['id']}/email-works", {})
    assert (works.status, works.json["email_bounced"]) == (200, None)
    once_more = await api.post(f"portal-logins/{login['id']}/email-works")
    assert once_more.status == 200
    assert (await town.types()).count("portal_login.email_cleared") == 2


async def test_a_button_without_our_token_changes_nothing(api: Api, browser: Browser, town: Town, post: Post) -> None:
    login = await api.login(town.client)
    await post.comes_back()
    page = await browser.post(f"clients/{town.client.id}/email-works", {"login": login["id"]})
    assert page.status in (400, 403, 409, 422)
    assert (await api.get(f"portal-logins/{login['id']}")).json["email_bounced"] is not None


async def test_a_complaint_shows_as_one_and_ends_e_mails(api: Api, browser: Browser, town: Town, post: Post) -> None:
    await api.login(town.client)
    await post.comes_back(kind="complaint", code=None, reply="")
    page = await browser.get(f"clients/{town.client.id}")
    assert "Its owner marked an e-mail from us as spam." in page.words
    assert "cmalek@example.com marked as spam" in page.words
    assert "come back" not in page.words
    answer = await api.post(
        f"clients/{town.client.id}/portal-logins", {"username": "second", "email": "cmalek@example.com"}
    )
    assert answer.status == 409


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"kind": "soft", "code": "5.2.2", "reply": "552 5.2.2 Over quota"}, "The mailbox is full."),
        (
            {"kind": "soft", "code": "5.7.1", "reply": "550 5.7.1 No"},
            "The mail server does not let us write to this address.",
        ),
        ({"kind": "unknown", "code": None, "reply": ""}, "An e-mail came back, and nobody said why."),
    ],
)
async def test_trouble_that_passes_is_shown_and_stops_nothing(
    api: Api, browser: Browser, town: Town, post: Post, told: dict[str, Any], words: str
) -> None:
    login = await api.login(town.client)
    await post.comes_back(**told)
    page = await browser.get(f"clients/{town.client.id}")
    assert "The last e-mail to cmalek did not arrive" in page.words
    assert words in page.words
    assert "e-mails come back" not in page.words
    assert (await api.get(f"portal-logins/{login['id']}")).json["email_bounced"] is None
    assert (await api.patch(f"portal-logins/{login['id']}", {"reset_password": True})).status == 200
    page = await browser.get(f"clients/{town.client.id}")
    assert "did not arrive" not in page.words


async def test_the_words_of_a_mail_server_lose_what_does_not_belong_there(api: Api, town: Town, post: Post) -> None:
    await api.login(town.client)
    reply = "550 5.1.1 no\r\nuser\x00 \ud800 see HTTPS://portal.example/riverside/reset#token=abc " + "x" * 600
    await post.comes_back(reply=reply)
    [row] = await town.rows("select reply from mail.bounced_addresses")
    assert row["reply"].startswith("550 5.1.1 no user ? see (link) xxx")
    assert len(row["reply"]) == 500


async def test_only_what_was_handed_over_can_come_back(api: Api, town: Town, post: Post) -> None:
    await api.login(town.client)
    [row] = await town.rows("select id from mail.deliveries")
    assert await come_back(post.work, row["id"], at=post.clock()) == "not_ours"
    assert await come_back(post.work, UUID(int=7), at=post.clock()) == "not_ours"
    assert await town.rows("select 1 from mail.bounces") == []


async def test_another_agency_still_writes_to_the_address(api: Api, town: Town, post: Post) -> None:
    await api.login(town.client)
    await post.comes_back()
    there = await town.world.agency("lakeside")
    await town.world.staff(there, "theirs")
    client = await town.world.client(there)
    theirs = Api(api.http)
    await theirs.sign_in("theirs", "lakeside")
    login = await theirs.login(client, username="zebulon")
    assert login["email_bounced"] is None


async def test_another_invitation_is_a_try_of_an_address_of_staff(boss: Api, town: Town, clock: FakeClock) -> None:
    person = await invited(boss)
    post = Post(boss, town, clock)
    await post.comes_back()
    [row] = await town.rows("select address from mail.bounced_addresses where lifted_at is null")
    assert row["address"] == person["email"]
    answer = await boss.patch(f"staff/{person['id']}", {"reset_password": True})
    assert answer.status == 200
    assert await town.rows("select 1 from mail.bounced_addresses where lifted_at is null") == []
    assert ("staff.email_cleared", {"username": "nora"}) in await town.events()


async def test_what_came_back_is_found_by_e_mail(api: Api, town: Town, post: Post) -> None:
    await api.login(town.client)
    delivery = await post.latest()
    await post.comes_back(kind="soft", code="4.4.1", reply="timed out")
    await post.comes_back()
    async with post.work.pool.transaction(town.agency.id) as conn:
        found = await bounces.of_deliveries(conn, [delivery, UUID(int=7)])
    assert [(one.kind, one.code, one.reply) for one in found[delivery]] == [
        ("soft", "4.4.1", "timed out"),
        ("hard", "5.1.1", "550 5.1.1 User unknown"),
    ]
    assert list(found) == [delivery]
