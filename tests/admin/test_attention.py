"""Portal logins whose owners do not get in: their number on the Main Menu, and which they are."""

from __future__ import annotations

import re

import asyncpg

from shared.accounts import attention
from tests.admin.conftest import Api, Browser, Page, Town
from tests.support.clock import FakeClock
from tests.support.databases import Database

# So long a temporary password is good.
RUNS_OUT = {"hours": 72}


async def ended(town: Town, clock: FakeClock, state: str) -> None:
    """End what is in the queue, as the notifier does."""
    await town.execute(
        "update mail.deliveries set state = $1, finished_at = $2, sealed_secret = null where finished_at is null",
        state,
        clock(),
    )


async def refused(town: Town, clock: FakeClock, reply: str = "5.1.1 no such user") -> None:
    """The mail server refuses what is in the queue."""
    await town.execute(
        "insert into mail.delivery_attempts (delivery_id, agency_id, number, started_at, ended_at, outcome, reply_code,"
        " reply) select id, agency_id, 1, $1, $1, 'refused', 550, $2 from mail.deliveries where finished_at is null",
        clock(),
        reply,
    )
    await ended(town, clock, "failed")


async def look(browser: Browser, page: str = "") -> Page:
    await browser.sign_in()
    return await browser.get(page)


async def names(browser: Browser, kind: str) -> list[str]:
    """The usernames on the list, in their order."""
    page = await look(browser, f"attention?kind={kind}")
    assert page.status == 200, page.words
    return re.findall(r'data-label="Portal Username">([^<]*)<', page.text)


async def test_an_unused_password_counts_from_the_moment_it_runs_out(
    api: Api, browser: Browser, town: Town, clock: FakeClock
) -> None:
    login = await api.login(town.client)
    await ended(town, clock, "accepted")
    clock.advance(hours=71, minutes=59)
    assert "need" not in (await look(browser)).words
    assert await names(browser, "expired") == []
    clock.advance(minutes=1)
    menu = await look(browser)
    assert "1 portal login needs attention" in menu.words
    assert 'href="/riverside/attention"' in menu.text
    page = await look(browser, "attention")
    assert "Malek, Catherine cmalek 3/5/2026 10:00 AM" in page.words
    assert "Password ran out (1)" in page.words
    assert f"/riverside/clients/{town.client.id}#emails-{login['id']}" in page.text
    await api.sign_in()
    assert (await api.post(f"portal-logins/{login['id']}/resend")).status == 200
    assert "need" not in (await look(browser)).words


async def test_a_failed_e_mail_counts_until_something_better_is_known(
    api: Api, browser: Browser, town: Town, clock: FakeClock
) -> None:
    login = await api.login(town.client)
    clock.advance(seconds=1)
    await refused(town, clock)
    menu = await look(browser)
    assert "1 portal login needs attention" in menu.words
    # Not where nothing is.
    assert 'href="/riverside/attention?kind=failed"' in menu.text
    page = await look(browser, "attention?kind=failed")
    assert "The mailbox does not exist. Ask for an address that works" in page.words
    assert "E-mail failed (1)" in page.words
    clock.advance(seconds=1)
    await api.post(f"portal-logins/{login['id']}/resend", {"email": "right@example.com"})
    assert await names(browser, "failed") == []
    clock.advance(seconds=1)
    await refused(town, clock)
    assert await names(browser, "failed") == ["cmalek"]


async def test_a_login_is_in_one_list_only(api: Api, browser: Browser, town: Town, clock: FakeClock) -> None:
    await api.login(town.client)
    await refused(town, clock)
    clock.advance(**RUNS_OUT)
    assert await names(browser, "failed") == ["cmalek"]
    assert await names(browser, "expired") == []
    assert "1 portal login needs attention" in (await look(browser)).words
    # The failure says nothing about an address that staff have put in since.
    await town.execute("update accounts.portal_logins set email = 'right@example.com'")
    assert await names(browser, "failed") == []
    assert await names(browser, "expired") == ["cmalek"]


async def test_a_failed_notice_counts_as_well(api: Api, browser: Browser, town: Town, clock: FakeClock) -> None:
    """Whoever has a password of their own is reached by no warning any more."""
    await api.login(town.client)
    await ended(town, clock, "accepted")
    await town.execute(
        "update accounts.portal_logins set password_hash = 'x', temporary_password_hash = null,"
        " temporary_password_expires_at = null"
    )
    await town.execute(
        "insert into mail.deliveries (id, agency_id, portal_login_id, client_id, mail, recipient, state,"
        " next_attempt_at, expires_at, message_id, created_at, finished_at)"
        " select 'ffffffff-0000-7000-8000-000000000000', agency_id, portal_login_id, client_id, 'password_changed',"
        " recipient, 'failed', $1, $1, 'm', $1, $1 from mail.deliveries",
        clock(),
    )
    assert await names(browser, "failed") == ["cmalek"]
    assert "choose Edit, and enter it." in (await look(browser, "attention?kind=failed")).words


async def test_inactive_logins_and_other_agencies_do_not_count(
    api: Api, browser: Browser, town: Town, clock: FakeClock
) -> None:
    there = await town.world.agency("lakeside", name="Lakeside")
    await town.world.staff(there, "theirs")
    client = await town.world.client(there, client_number="300001", first_name="Zebulon", last_name="Quagmire")
    theirs = Api(api.http)
    await theirs.sign_in("theirs", "lakeside")
    await theirs.login(client, username="zebulon")
    await theirs.login(client, username="zebedee")
    await refused(town, clock)
    login = await api.login(town.client)
    await api.login(town.client, username="second")
    await town.execute(
        "update mail.deliveries set state = 'accepted', finished_at = now(), sealed_secret = null"
        " where finished_at is null"
    )
    await api.patch(f"portal-logins/{login['id']}", {"active": False})
    clock.advance(**RUNS_OUT)
    assert await names(browser, "expired") == ["second"]
    assert await names(browser, "failed") == []
    assert "Zebulon" not in (await look(browser, "attention?kind=failed")).text
    assert "1 portal login needs attention" in (await look(browser)).words


async def test_the_list_goes_on_where_a_page_ended(api: Api, browser: Browser, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    await ended(town, clock, "accepted")
    # Two at a time ran out at the same moment.
    await town.execute(
        "insert into accounts.portal_logins (id, agency_id, client_id, username, email, temporary_password_hash,"
        " temporary_password_expires_at, created_at, updated_at)"
        " select gen_random_uuid(), agency_id, client_id, 'person-' || n, 'x@example.com', 'x',"
        " temporary_password_expires_at - (n / 2) * interval '1 minute', created_at, created_at"
        " from accounts.portal_logins, generate_series(1, 59) n where id = $1",
        login["id"],
    )
    clock.advance(**RUNS_OUT)
    assert "60 portal logins need attention" in (await look(browser)).words
    seen: list[str] = []
    sizes = []
    address: str | None = "attention"
    while address:
        page = await browser.get(address)
        found = re.findall(r'data-label="Portal Username">([^<]*)<', page.text)
        sizes.append(len(found))
        seen += found
        further = re.search(r'href="([^"]*after=[^"]*)"', page.text)
        address = further[1].replace("&amp;", "&") if further else None
    assert sizes == [25, 25, 10]
    assert len(set(seen)) == 60
    assert "First portal logins" in page.words


async def test_many_are_not_counted_to_the_end(api: Api, browser: Browser, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    await town.execute(
        "insert into accounts.portal_logins (id, agency_id, client_id, username, email, temporary_password_hash,"
        " temporary_password_expires_at, created_at, updated_at)"
        " select gen_random_uuid(), agency_id, client_id, 'person-' || n, 'x@example.com', 'x',"
        " temporary_password_expires_at, created_at, created_at"
        " from accounts.portal_logins, generate_series(1, $2::int) n where id = $1",
        login["id"],
        attention.COUNTED + 20,
    )
    clock.advance(**RUNS_OUT)
    assert "More than 99 portal logins need attention" in (await look(browser)).words
    assert "Password ran out (99+)" in (await look(browser, "attention")).words


async def test_without_the_contract_there_is_nothing_to_do(
    api: Api, browser: Browser, town: Town, clock: FakeClock
) -> None:
    await api.login(town.client)
    await town.execute("update accounts.agencies set contracted = false")
    clock.advance(**RUNS_OUT)
    assert "need" not in (await look(browser)).words
    assert (await browser.get("attention")).status == 403


async def test_what_is_no_list_is_not_found(browser: Browser, town: Town) -> None:
    for query in ("kind=other", "after=made-up", "after=" + "A" * 32 + "%00"):
        assert (await browser.get(f"attention?{query}")).status == 404


async def test_both_lists_come_out_of_their_indexes(town: Town, database: Database, clock: FakeClock) -> None:
    """However many logins and e-mails there are: only those that wait, or failed, are looked at."""
    await town.execute(
        "insert into accounts.portal_logins (id, agency_id, client_id, username, email, password_hash,"
        " temporary_password_expires_at, created_at, updated_at)"
        " select gen_random_uuid(), $1, $2, 'person-' || n, n || '@example.com', 'x',"
        " case when n % 300 = 0 then $3::timestamptz end, $3, $3 from generate_series(1, 3000) n",
        town.agency.id,
        town.client.id,
        clock(),
    )
    await town.execute(
        "insert into mail.deliveries (id, agency_id, portal_login_id, client_id, mail, recipient, state,"
        " next_attempt_at, expires_at, message_id, created_at, finished_at)"
        " select gen_random_uuid(), agency_id, id, client_id, 'username', email,"
        " case when temporary_password_expires_at is null then 'accepted' else 'failed' end,"
        " $1, $1, gen_random_uuid()::text, $1, $1 from accounts.portal_logins",
        clock(),
    )
    await town.execute("analyze accounts.portal_logins, mail.deliveries")
    asked = {
        "portal_logins_waiting": ("expired", clock(), None, None, 26),
        "deliveries_failed": ("failed", None, None, 26),
    }
    conn = await asyncpg.connect(database.url("portico_admin"))
    try:
        await conn.execute("select set_config('app.agency_id', $1, false)", str(town.agency.id))
        for index, (query, *arguments) in asked.items():
            plan = await conn.fetch(f"explain {attention.SQL[query]}", *arguments)
            assert index in "\n".join(row[0] for row in plan)
    finally:
        await conn.close()
