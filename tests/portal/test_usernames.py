"""A forgotten username comes by e-mail, and nobody learns from asking whether there is one."""

from __future__ import annotations

from shared.security import throttle
from tests.portal.conftest import Portal, Town
from tests.support.clock import FakeClock

MAILS = "select recipient, context->>'username' as username from mail.deliveries where mail = 'username' order by id"


async def ask(portal: Portal, email: str = "cmalek@example.com", agency: str = "riverside") -> int:
    return (await portal.api("username/forgot", {"agency": agency, "email": email})).status


async def test_each_active_login_of_an_address_gets_its_username(portal: Portal, town: Town) -> None:
    await town.own()
    await town.own("mom", email="CMalek@Example.com")
    await town.own("other", email="other@example.com")
    gone = await town.own("gone")
    await town.change(gone, active=False)
    before = len(await town.events())
    town.clock.advance(seconds=1)
    assert await ask(portal, "cmalek@EXAMPLE.com") == 202
    assert await town.rows(MAILS) == [
        {"recipient": "cmalek@example.com", "username": "cmalek"},
        {"recipient": "CMalek@Example.com", "username": "mom"},
    ]
    assert (await town.new_events(before)).count("portal_username.requested") == 2


async def test_strangers_get_the_same_answer(portal: Portal, town: Town) -> None:
    await town.own()
    for email, agency in (("nobody@example.com", "riverside"), ("cmalek@example.com", "elsewhere")):
        assert await ask(portal, email, agency) == 202
    assert await town.rows(MAILS) == []


async def test_a_mailbox_is_not_filled(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    for _ in range(2):
        await ask(portal)
    assert len(await town.rows(MAILS)) == 1
    for _ in range(7):
        clock.advance(seconds=60)
        await ask(portal)
    assert len(await town.rows(MAILS)) == 5


async def test_it_takes_no_credentials_place(portal: Portal, town: Town) -> None:
    login, temporary = await town.login()
    await ask(portal)
    assert await town.mailed(login) == temporary


async def test_the_page_says_the_same_for_all(portal: Portal, town: Town) -> None:
    await town.own()
    assert "Forgot your username?" in await (await portal.get("/riverside/forgot-username")).text()
    assert (await portal.post("/riverside/forgot-username", {"email": "no address"})).status == 422
    for email in ("cmalek@example.com", "nobody@example.com"):
        done = await portal.post("/riverside/forgot-username", {"email": email})
        assert (done.status, done.headers["Location"]) == (303, "/riverside/forgot-username?sent=1")
    assert "on its way" in await (await portal.get("/riverside/forgot-username?sent=1")).text()
    assert len(await town.rows(MAILS)) == 1


async def test_who_asks_too_often_is_told_to_wait(portal: Portal, town: Town) -> None:
    await town.own()
    size = throttle.ADDRESS.size
    gone = "a.b"
    asked = [(await portal.api("password/report", {"token": gone})).status for _ in range(size)]
    assert set(asked) == {401}
    for path, body in (
        ("username/forgot", {"agency": "riverside", "email": "cmalek@example.com"}),
        ("password/forgot", {"agency": "riverside", "username": "cmalek", "email": "cmalek@example.com"}),
        ("password/report", {"token": gone}),
    ):
        refused = await portal.api(path, body)
        assert (refused.status, (await refused.json())["type"]) == (429, "/problems/too-many-attempts"), path
        assert int(refused.headers["Retry-After"]) > 0
    page = await portal.post("/riverside/forgot-username", {"email": "cmalek@example.com"})
    assert page.status == 429
    assert int(page.headers["Retry-After"]) > 0
    assert "Please try again in a moment" in await page.text()
    assert await town.rows(MAILS) == []
