"""What staff see of the e-mails to a login's owner, step by step."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.admin.conftest import Api, Browser, Page, Town
from tests.support.clock import FakeClock

TRIED = "Attempt 1: The mailbox does not exist."
SAID = "550 5.1.1 <cmalek@example.com>: no <b>such</b> user"
UNUSED = "The temporary password ran out before anybody signed in with it."


async def attempted(town: Town, clock: FakeClock, number: int, outcome: str, code: int | None, reply: str) -> None:
    """Write an attempt at the newest delivery down, as the notifier does."""
    await town.execute(
        "insert into mail.delivery_attempts (delivery_id, agency_id, number, started_at, ended_at, outcome, reply_code,"
        " reply) select id, agency_id, $1, $2, $2, $3, $4, $5 from mail.deliveries order by id desc limit 1",
        number,
        clock(),
        outcome,
        code,
        reply,
    )


async def ended(town: Town, clock: FakeClock, state: str) -> None:
    """End what is in the queue, as the notifier does."""
    await town.execute(
        "update mail.deliveries set state = $1, finished_at = $2, sealed_secret = null where finished_at is null",
        state,
        clock(),
    )


async def timeline(api: Api, login: dict[str, Any], mail: int = 0) -> list[dict[str, Any]]:
    """The steps of a login's newest e-mail, or of an older one."""
    answer = await api.get(f"portal-logins/{login['id']}/deliveries")
    assert answer.status == 200, answer.text
    found: list[dict[str, Any]] = answer.json["items"][mail]["timeline"]
    return found


def steps(found: list[dict[str, Any]]) -> list[str]:
    return [step["step"] for step in found]


async def face_sheet(browser: Browser, town: Town) -> Page:
    # The session of the page does not outlive what the clock does between two looks.
    await browser.sign_in()
    return await browser.get(f"clients/{town.client.id}")


async def test_a_refusal_is_told_in_plain_words_and_in_the_mail_servers_own(
    api: Api, browser: Browser, town: Town, clock: FakeClock
) -> None:
    login = await api.login(town.client)
    clock.advance(seconds=5)
    await attempted(town, clock, 1, "refused", 550, SAID.removeprefix("550 "))
    await ended(town, clock, "failed")
    found = await timeline(api, login)
    assert steps(found) == ["queued", "tried", "failed"]
    assert found[1] == {"at": "2026-03-02T15:00:05Z", "step": "tried", "text": TRIED, "reply": SAID}
    assert found[0]["reply"] is found[2]["reply"] is None
    page = await face_sheet(browser, town)
    assert "E-mails to cmalek" in page.words
    # Ten in the morning where the agency is.
    assert f"3/2/2026 10:00:05 AM {TRIED} The mail server said: {SAID}" in page.words
    assert "<b>such</b>" not in page.text


async def test_every_try_is_a_step_of_its_own(api: Api, browser: Browser, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    await attempted(town, clock, 1, "unreachable", None, "The mail server does not offer STARTTLS.")
    clock.advance(seconds=30)
    await attempted(town, clock, 2, "deferred", 450, "4.2.2 over quota")
    await town.execute("update mail.deliveries set attempts = 2, next_attempt_at = $1", clock())
    waiting = await face_sheet(browser, town)
    assert "The next attempt follows at 3/2/2026 10:00:30 AM." in waiting.words
    clock.advance(seconds=30)
    await attempted(town, clock, 3, "accepted", 250, "2.0.0 queued as 1234")
    await ended(town, clock, "accepted")
    found = await timeline(api, login)
    assert steps(found) == ["queued", "tried", "tried", "tried", "accepted"]
    assert [step["text"] for step in found[1:4]] == [
        "Attempt 1: The mail server does not offer STARTTLS.",
        "Attempt 2: The mailbox is full.",
        "Attempt 3: The mail server took the e-mail.",
    ]
    # What the notifier says for itself is no word of a mail server.
    assert [step["reply"] for step in found[1:4]] == [None, "450 4.2.2 over quota", "250 2.0.0 queued as 1234"]
    page = await face_sheet(browser, town)
    assert "Temporary password: Accepted" in page.words
    assert "The next attempt" not in page.words


async def test_a_password_that_runs_out_unused_is_told_from_that_moment_on(
    api: Api, browser: Browser, town: Town, clock: FakeClock
) -> None:
    login = await api.login(town.client)
    await ended(town, clock, "accepted")
    clock.advance(hours=71, minutes=59, seconds=59)
    await api.sign_in()
    assert steps(await timeline(api, login)) == ["queued", "accepted"]
    clock.advance(seconds=1)
    found = await timeline(api, login)
    assert steps(found) == ["queued", "accepted", "expired_unused"]
    assert found[-1]["text"] == UNUSED
    assert found[-1]["at"] == login["temporary_password_expires_at"]
    assert "Temporary password: Ran out unused" in (await face_sheet(browser, town)).words


async def test_an_accepted_e_mail_is_superseded_by_the_next_one(api: Api, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    await ended(town, clock, "accepted")
    clock.advance(seconds=10)
    assert (await api.post(f"portal-logins/{login['id']}/resend")).status == 200
    found = await timeline(api, login, 1)
    assert steps(found) == ["queued", "accepted", "superseded"]
    assert found[-1]["at"] == "2026-03-02T15:00:10Z"
    clock.advance(hours=80)
    await api.sign_in()
    assert steps(await timeline(api, login, 1)) == ["queued", "accepted", "superseded"]


@pytest.mark.parametrize("state", ["superseded", "cancelled", "expired", "failed"])
async def test_what_never_arrived_did_not_run_out_unused(api: Api, town: Town, clock: FakeClock, state: str) -> None:
    login = await api.login(town.client)
    await ended(town, clock, state)
    clock.advance(hours=80)
    await api.sign_in()
    assert steps(await timeline(api, login)) == ["queued", state]


async def test_of_an_e_mail_from_before_there_were_marks_nothing_is_made_up(
    api: Api, town: Town, clock: FakeClock
) -> None:
    login = await api.login(town.client)
    await ended(town, clock, "accepted")
    await town.execute("update mail.deliveries set followed = false")
    clock.advance(hours=80)
    await api.sign_in()
    assert steps(await timeline(api, login)) == ["queued", "accepted"]


async def test_the_face_sheet_shows_the_newest_three_and_a_page_of_its_own_all(
    api: Api, browser: Browser, town: Town, clock: FakeClock
) -> None:
    login = await api.login(town.client)
    address = f"clients/{town.client.id}/portal-logins/{login['id']}/emails"
    for _ in range(2):
        clock.advance(seconds=1)
        await api.post(f"portal-logins/{login['id']}/resend")
    page = await browser.get(f"clients/{town.client.id}")
    assert page.text.count("The e-mail was put in the queue.") == 3
    assert address not in page.text
    clock.advance(seconds=1)
    await api.post(f"portal-logins/{login['id']}/resend")
    page = await browser.get(f"clients/{town.client.id}")
    assert page.text.count("The e-mail was put in the queue.") == 3
    assert f"/riverside/{address}" in page.text
    everything = await browser.get(address)
    assert everything.status == 200
    assert everything.text.count("The e-mail was put in the queue.") == 4
    assert "Older e-mails" not in everything.words


async def test_the_page_of_all_goes_on_where_it_ended(api: Api, browser: Browser, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    address = f"clients/{town.client.id}/portal-logins/{login['id']}/emails"
    await town.execute(
        "insert into mail.deliveries (id, agency_id, portal_login_id, client_id, mail, recipient, state,"
        " next_attempt_at, expires_at, message_id, created_at, finished_at)"
        " select gen_random_uuid(), agency_id, portal_login_id, client_id, 'username', n || '@example.com', 'accepted',"
        " $1, $1, gen_random_uuid()::text, $1, $1 from mail.deliveries, generate_series(1, 27) n",
        clock(),
    )
    first = await browser.get(address)
    further = re.search(r'href="/riverside/([^"]*before=[^"]*)"', first.text)
    assert further
    second = await browser.get(further[1])
    seen = [set(re.findall(r"\d+@example\.com", page.text)) for page in (first, second)]
    assert seen[0].isdisjoint(seen[1])
    assert len(seen[0] | seen[1]) == 27
    assert "Older e-mails" not in second.words


async def test_another_clients_login_has_no_page_here(api: Api, browser: Browser, town: Town) -> None:
    other = await town.world.client(town.agency, client_number="200001", case_number=None)
    login = await api.login(other)
    for page in ("emails", "address"):
        answer = await browser.get(f"clients/{town.client.id}/portal-logins/{login['id']}/{page}")
        assert answer.status == 404
        assert "cmalek" not in answer.text
    assert (await browser.get(f"clients/{other.id}/portal-logins/{login['id']}/emails?before=x")).status == 404


async def test_a_staff_users_e_mails_have_a_timeline_too(boss: Api, town: Town, clock: FakeClock) -> None:
    made = await boss.post(
        "staff", {"username": "nora", "display_name": "Nora", "email": "nora@example.org", "role": "staff"}
    )
    clock.advance(seconds=1)
    password = await town.secret_for("nora", "staff_invitation")
    await ended(town, clock, "accepted")
    nora = Api(boss.http)
    asked = await nora.post("token", {"agency": "riverside", "username": "nora", "password": password})
    clock.advance(seconds=1)
    chosen = {
        "password_change_token": asked.json["password_change_token"],
        "new_password": "seven lamps beside a bridge",
    }
    assert (await nora.post("password", chosen)).status == 200
    answer = await boss.get(f"staff/{made.json['id']}/deliveries")
    [invitation] = [mail for mail in answer.json["items"] if mail["mail"] == "staff_invitation"]
    assert steps(invitation["timeline"]) == ["queued", "accepted", "opened", "password_chosen"]


async def test_without_the_contract_the_face_sheet_speaks_of_no_e_mails(api: Api, browser: Browser, town: Town) -> None:
    await api.login(town.client)
    await town.execute("update accounts.agencies set contracted = false")
    assert "E-mails to" not in (await browser.get(f"clients/{town.client.id}")).words
