"""The Client Action Log's page, and the question behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.portal.conftest import Portal, Town, sign_in_page

ROWS: list[dict[str, Any]] = [
    {
        "id": "2",
        "action": "Login",
        "description": "Patient Portal login by cmalek",
        "occurred_at": "2022-06-16T13:47:16Z",
        "timestamp": "06/16/2022 09:47:16 AM",
    },
    {
        "id": "1",
        "action": "Profile Updated",
        "description": "Portal Login cmalek was modified by nextstep. Changes: Password updated <b>",
        "occurred_at": "2022-06-16T13:46:43Z",
        "timestamp": "06/16/2022 09:46:43 AM",
        "changes": [],
    },
]


async def test_the_log_is_a_table_newest_first_in_the_agencys_time(portal: Portal, town: Town) -> None:
    await town.own()
    await sign_in_page(portal)
    portal.log.items = ROWS
    page = await (await portal.get("/riverside/activity")).text()
    assert "<h1>Client Action Log</h1>" in page
    assert "<caption>Actions</caption>" in page
    assert page.index(">Action</th>") < page.index(">Description</th>") < page.index(">Timestamp</th>")
    assert page.index("Patient Portal login by cmalek") < page.index("Password updated")
    assert '<time datetime="2022-06-16T13:47:16+00:00">06/16/2022 09:47:16 AM</time>' in page
    assert "Password updated &lt;b&gt;" in page
    assert "Older entries" not in page


async def test_the_question_carries_a_short_token_of_the_session(
    portal: Portal, town: Town, verifier: Callable[[str], Any]
) -> None:
    login = await town.own()
    await sign_in_page(portal)
    await portal.get("/riverside/activity")
    asked = portal.log.asked[-1]
    claims = verifier(asked.headers["Authorization"].removeprefix("Bearer "))
    session = (await town.rows("select id from accounts.sessions where ended_at is null"))[0]
    assert (claims.subject, claims.agency_id, claims.session_id) == (login.id, town.agency.id, session["id"])
    assert (claims.expires_at - town.clock()).total_seconds() == 60
    assert asked.query["limit"] == "25"
    assert "cursor" not in asked.query


async def test_older_entries_follow_the_logs_cursor(portal: Portal, town: Town) -> None:
    await town.own()
    await sign_in_page(portal)
    portal.log.items, portal.log.next_cursor = ROWS, "a+b/c="
    page = await (await portal.get("/riverside/activity")).text()
    assert 'href="/riverside/activity?cursor=a%2Bb%2Fc%3D"' in page
    portal.log.next_cursor = None
    older = await portal.get("/riverside/activity?cursor=a%2Bb%2Fc%3D")
    assert portal.log.asked[-1].query["cursor"] == "a+b/c="
    assert 'href="/riverside/activity">Newest' in await older.text()


async def test_an_empty_log_says_so(portal: Portal, town: Town) -> None:
    await town.own()
    await sign_in_page(portal)
    assert "Nothing has happened yet." in await (await portal.get("/riverside/activity")).text()


async def test_a_cursor_that_nobody_gave_leads_to_the_newest(portal: Portal, town: Town) -> None:
    await town.own()
    await sign_in_page(portal)
    portal.log.status = 422
    for cursor in ("invented", "x" * 600, "a%00b"):
        answer = await portal.get(f"/riverside/activity?cursor={cursor}")
        assert (answer.status, answer.headers["Location"]) == (303, "/riverside/activity"), cursor


async def test_without_the_audit_service_the_page_says_so_and_stays(portal: Portal, town: Town, log: Any) -> None:
    await town.own()
    await sign_in_page(portal)
    for status in (500, 503, 401, 404):
        portal.log.status = status
        answer = await portal.get("/riverside/activity")
        page = await answer.text()
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "can’t be shown right now" in page
        assert "Client Portal Navigation Menu" in page
    await log[1].close()
    assert (await portal.get("/riverside/activity")).status == 503


async def test_an_answer_that_is_no_log_counts_as_none(portal: Portal, town: Town) -> None:
    await town.own()
    await sign_in_page(portal)
    portal.log.items = [{"action": "Login"}]
    assert (await portal.get("/riverside/activity")).status == 503
