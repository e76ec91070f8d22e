"""The Client Action Log: who sees whose, in what form, page by page."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from shared.events import Subject, from_json
from shared.events.catalogue import FaceSheetViewed, PortalPasswordChanged
from tests.audit.events import owner_fetch
from tests.audit.house import House, fields_at_fault, ids
from tests.support.databases import Database

ACTIVITY = "/api/v1/activity"


async def test_a_row_has_its_words_and_its_time_in_the_agencys_zone(house: House) -> None:
    house.clock.set(datetime(2026, 7, 4, 1, 5, 9, tzinfo=UTC))
    event = house.event(PortalPasswordChanged(username="cmalek", how="own"))
    await house.keep(event)
    status, page = await house.api.get(ACTIVITY, await house.client_token())
    assert status == 200
    assert page["next_cursor"] is None
    assert page["items"] == [
        {
            "id": str(event.id),
            "type": "portal_password.changed",
            "action": "Reset Password",
            "description": "Password changed by cmalek",
            "occurred_at": "2026-07-04T01:05:09Z",
            "timestamp": "07/03/2026 09:05:09 PM",
            "actor": {"kind": "staff", "username": "nextstep"},
        }
    ]


async def test_a_client_sees_the_own_login_and_nothing_else(house: House) -> None:
    mine = await house.sign_ins(2)
    sister = await house.a_login(house.agency, house.client, "sister")
    await house.sign_ins(1, portal_login_id=sister.id)
    await house.keep(house.event(FaceSheetViewed()))
    token = await house.client_token()
    for query in (
        {},
        {"portal_login_id": house.login.id},
        {"client_id": house.client.id},
        {"portal_login_id": house.login.id, "client_id": house.client.id},
    ):
        status, page = await house.api.get(ACTIVITY, token, **query)
        assert (status, ids(page)) == (200, mine), query
    for query in ({"portal_login_id": sister.id}, {"client_id": uuid4()}, {"portal_login_id": uuid4()}):
        assert (await house.api.get(ACTIVITY, token, **query))[0] == 404, query


async def test_staff_name_a_login_or_a_client_of_their_agency(house: House) -> None:
    mine = await house.sign_ins(2)
    sister = await house.a_login(house.agency, house.client, "sister")
    hers = await house.sign_ins(1, portal_login_id=sister.id)
    elsewhere = await house.world.agency("lakeside")
    their_client = await house.world.client(elsewhere)
    their_login = await house.a_login(elsewhere, their_client, "theirs")
    token = await house.staff_token()

    assert ids((await house.api.get(ACTIVITY, token, portal_login_id=house.login.id))[1]) == mine
    assert ids((await house.api.get(ACTIVITY, token, client_id=house.client.id))[1]) == hers + mine
    for query in ({}, {"portal_login_id": house.login.id, "client_id": house.client.id}):
        status, problem = await house.api.get(ACTIVITY, token, **query)
        assert (status, set(fields_at_fault(problem))) == (422, {"portal_login_id", "client_id"})
    for query in ({"portal_login_id": their_login.id}, {"client_id": their_client.id}, {"client_id": uuid4()}):
        assert (await house.api.get(ACTIVITY, token, **query))[0] == 404, query
    status, problem = await house.api.get(ACTIVITY, token, client_id="7")
    assert (status, fields_at_fault(problem)) == (422, ["client_id"])


async def test_another_agencys_rows_stay_away_even_when_they_name_the_same_login(house: House) -> None:
    mine = await house.sign_ins(1)
    await house.sign_ins(1, agency_id=uuid4())
    assert ids((await house.api.get(ACTIVITY, await house.client_token()))[1]) == mine


async def test_pages_hold_together_while_events_come_in(house: House) -> None:
    newest_first = await house.sign_ins(7)
    token, seen, cursor = await house.client_token(), [], None
    while True:
        status, page = await house.api.get(ACTIVITY, token, limit=2, cursor=cursor)
        assert status == 200
        seen += ids(page)
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await house.sign_ins(1)
    assert seen == newest_first


async def test_a_full_last_page_is_the_last(house: House) -> None:
    await house.sign_ins(4)
    token = await house.client_token()
    _, page = await house.api.get(ACTIVITY, token, limit=4)
    assert page["next_cursor"] is None
    _, page = await house.api.get(ACTIVITY, token, limit=3)
    assert page["next_cursor"] is not None


async def test_what_is_no_cursor_and_no_limit_is_named(house: House) -> None:
    token = await house.client_token()
    for cursor in ("x", "AAAA", "%00", "e" * 500, "....", "ä", "AAAAAAAAAAAAAAAAAAAAAAAA", "a b"):
        status, problem = await house.api.get(ACTIVITY, token, cursor=cursor)
        assert (status, fields_at_fault(problem)) == (422, ["cursor"]), cursor
    for limit in (0, 201, -1, "many"):
        status, problem = await house.api.get(ACTIVITY, token, limit=limit)
        assert (status, fields_at_fault(problem)) == (422, ["limit"]), limit
    status, problem = await house.api.get(ACTIVITY, token, offset=50)
    assert (status, fields_at_fault(problem)) == (422, ["offset"])


async def test_an_unknown_event_is_shown_by_its_type(house: House) -> None:
    event = house.event(FaceSheetViewed()).model_copy(update={"type": "portal_login.blessed"})
    await house.keep(event)
    _, page = await house.api.get(ACTIVITY, await house.client_token())
    assert page["items"][0]["action"] == "portal_login.blessed"
    assert page["items"][0]["description"]


async def test_that_staff_read_a_log_is_an_event_on_its_first_page_only(house: House, database: Database) -> None:
    await house.sign_ins(3)
    _, page = await house.api.get(ACTIVITY, await house.staff_token(), portal_login_id=house.login.id, limit=2)
    await house.api.get(
        ACTIVITY, await house.staff_token(), portal_login_id=house.login.id, limit=2, cursor=page["next_cursor"]
    )
    await house.api.get(ACTIVITY, await house.client_token())
    rows = await owner_fetch(database, "select event, actor_key from audit.events where type = 'log.viewed'")
    assert [r["actor_key"] for r in rows] == [f"staff:{house.staff.user.id}"]
    viewed = from_json(rows[0]["event"])
    assert viewed.payload == {"log": "activity", "filters": {}}
    assert viewed.subject == Subject(client_id=house.client.id, portal_login_id=house.login.id)
    assert viewed.actor.address == "127.0.0.1"
    # It is staff's own doing: the client's log does not show it.
    _, page = await house.api.get(ACTIVITY, await house.client_token())
    assert len(page["items"]) == 3
