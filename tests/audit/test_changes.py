"""The Face Sheet Change Log: filters, days of the agency, who may read across clients."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from shared.events import Change
from shared.events.catalogue import BlockChanges, FaceSheetUpdated, PortalLoginUpdated, PortalRefusalChanged
from tests.audit.events import owner_fetch
from tests.audit.house import House, an_actor, fields_at_fault, ids
from tests.support.databases import Database

CHANGES = "/api/v1/changes"
FILTERS = "/api/v1/changes/filters"


async def test_an_entry_has_its_lines_its_changes_and_the_agencys_time(house: House) -> None:
    house.clock.set(datetime(2026, 7, 4, 13, 5, 9, tzinfo=UTC))
    active = Change(field="Active", old="Yes", new="No")
    event = house.event(PortalLoginUpdated(username="cmalek", changes=(active,), password_updated=True))
    await house.keep(event)
    _, page = await house.api.get(CHANGES, await house.staff_token(), client_id=house.client.id)
    assert page["items"] == [
        {
            "id": str(event.id),
            "type": "portal_login.updated",
            "change_type": "Portal Login",
            "user": "NextStep Solutions",
            "description": "Portal Login cmalek was modified.",
            "lines": ["Active: Yes -> No", "Password updated"],
            "changes": [
                {"field": "Active", "old": "Yes", "new": "No"},
                {"field": "Password", "old": None, "new": None},
            ],
            "occurred_at": "2026-07-04T13:05:09Z",
            "date_and_time": "7/4/2026 9:05:09 AM",
        }
    ]


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 12, 31, 5, 0, 0, tzinfo=UTC), "12/31/2026 12:00:00 AM"),
        (datetime(2026, 1, 2, 17, 3, 4, tzinfo=UTC), "1/2/2026 12:03:04 PM"),
        (datetime(2026, 11, 1, 6, 30, tzinfo=UTC), "11/1/2026 1:30:00 AM"),
    ],
)
def test_times_have_no_leading_zeros_in_month_day_and_hour(moment: datetime, shown: str) -> None:
    from zoneinfo import ZoneInfo

    from services.audit.api import change_log_time

    assert change_log_time(moment, ZoneInfo("America/New_York")) == shown


async def test_a_client_is_named_by_id_or_by_case(house: House) -> None:
    mine = await house.changes(2)
    other = await house.world.client(house.agency, client_number="2", case_number="C-2")
    await house.changes(1, client_id=other.id)
    elsewhere = await house.world.agency("lakeside")
    stranger = await house.world.client(elsewhere)
    token = await house.staff_token()
    [case_id] = await house.world.case_ids(house.agency, house.client)
    [their_case] = await house.world.case_ids(elsewhere, stranger)

    assert ids((await house.api.get(CHANGES, token, client_id=house.client.id))[1]) == mine
    assert ids((await house.api.get(CHANGES, token, case_id=case_id))[1]) == mine
    for query in ({"client_id": stranger.id}, {"case_id": their_case}, {"client_id": uuid4()}, {"case_id": uuid4()}):
        assert (await house.api.get(CHANGES, token, **query))[0] == 404, query
    status, problem = await house.api.get(CHANGES, token, client_id=house.client.id, case_id=case_id)
    assert (status, set(fields_at_fault(problem))) == (422, {"client_id", "case_id"})


async def test_reading_across_clients_takes_a_supervisor(house: House) -> None:
    mine = await house.changes(1)
    other = await house.world.client(house.agency, client_number="2", case_number="C-2")
    theirs = await house.changes(1, client_id=other.id)
    await house.changes(1, agency_id=uuid4())
    status, problem = await house.api.get(CHANGES, await house.staff_token())
    assert (status, problem["type"]) == (403, "/problems/not-allowed")
    status, page = await house.api.get(CHANGES, await house.supervisor_token())
    assert (status, ids(page)) == (200, theirs + mine)
    admin = await house.world.staff(house.agency, "agencyadmin", role="agency_admin")
    status, page = await house.api.get(CHANGES, await house.api.staff_token(admin.actor), change_type="Portal Login")
    assert (status, ids(page)) == (200, theirs + mine)


async def test_entries_are_filtered_by_type_and_by_person(house: House) -> None:
    ann, bob = an_actor("Ann"), an_actor("Bob")
    by_ann, by_bob = await house.changes(2, actor=ann), await house.changes(1, actor=bob)
    refusal = house.event(PortalRefusalChanged(refused=True), actor=ann)
    await house.keep(refusal)
    token, client = await house.staff_token(), house.client.id

    async def found(**query: object) -> list[object]:
        status, page = await house.api.get(CHANGES, token, client_id=client, **query)
        assert status == 200
        return list(ids(page))

    assert await found(change_type="Portal Login") == by_bob + by_ann
    assert await found(change_type="Portal Refusal") == [refusal.id]
    assert await found(changed_by=f"staff:{ann.id}") == [refusal.id, *by_ann]
    assert await found(changed_by=f"staff:{bob.id}", change_type="Portal Login") == by_bob
    assert await found(changed_by=f"staff:{bob.id}", change_type="Portal Refusal") == []
    assert await found(change_type="Nothing Like It") == []
    assert await found(changed_by="staff:' or 1=1") == []


async def test_the_filters_offer_what_this_clients_log_holds(house: House) -> None:
    ann, bob = an_actor("ann"), an_actor("Bob")
    await house.changes(2, actor=bob)
    await house.changes(1, actor=ann)
    await house.changes(1, actor=ann.model_copy(update={"name": "Ann Married"}))
    blocks = (BlockChanges(block="current_residence", label="Current Residence", entries=(Change(field="Email"),)),)
    await house.keep(house.event(FaceSheetUpdated(blocks=blocks), actor=ann.model_copy(update={"name": "Ann Married"})))
    await house.sign_ins(1, actor=an_actor("Nobody"))
    other = await house.world.client(house.agency, client_number="2", case_number=None)
    await house.changes(1, client_id=other.id, actor=an_actor("Elsewhere"))
    status, answer = await house.api.get(FILTERS, await house.staff_token(), client_id=house.client.id)
    assert status == 200
    assert answer == {
        "change_types": [
            {"value": "Dynamic Fields", "label": "Dynamic Fields"},
            {"value": "Portal Login", "label": "Portal Login"},
        ],
        "changed_by": [
            {"value": f"staff:{ann.id}", "label": "Ann Married"},
            {"value": f"staff:{bob.id}", "label": "Bob"},
        ],
    }
    assert (await house.api.get(FILTERS, await house.staff_token(), client_id=uuid4()))[0] == 404
    status, problem = await house.api.get(FILTERS, await house.staff_token())
    assert (status, fields_at_fault(problem)) == (422, ["client_id"])


async def at(house: House, moment: str) -> object:
    house.clock.set(datetime.fromisoformat(moment))
    [found] = await house.changes(1, at=house.clock())
    return found


async def test_both_days_are_inclusive_in_the_agencys_zone(house: House) -> None:
    """New York changes its clocks on 8 March 2026 (a day of 23 hours) and on 1 November (one of 25)."""
    short_before = await at(house, "2026-03-07T23:59:59.999-05:00")
    short_first = await at(house, "2026-03-08T00:00:00-05:00")
    short_last = await at(house, "2026-03-08T23:59:59.999999-04:00")
    short_after = await at(house, "2026-03-09T00:00:00-04:00")
    long_before = await at(house, "2026-10-31T23:59:59.999-04:00")
    long_first = await at(house, "2026-11-01T00:00:00-04:00")
    long_last = await at(house, "2026-11-01T23:59:59.999999-05:00")
    long_after = await at(house, "2026-11-02T00:00:00-05:00")
    token = await house.staff_token()

    async def found(**query: object) -> list[object]:
        status, page = await house.api.get(CHANGES, token, client_id=house.client.id, **query)
        assert status == 200, page
        return list(ids(page))

    everything = [long_after, long_last, long_first, long_before, short_after, short_last, short_first, short_before]
    assert await found() == everything
    assert await found(start_date="2026-03-08", end_date="2026-03-08") == [short_last, short_first]
    assert await found(start_date="2026-11-01", end_date="2026-11-01") == [long_last, long_first]
    assert await found(start_date="2026-11-02") == [long_after]
    assert await found(end_date="2026-03-07") == [short_before]
    assert await found(start_date="2026-03-09", end_date="2026-10-31") == [long_before, short_after]
    # Days that no event can have are no error.
    assert await found(start_date="0001-01-01", end_date="9999-12-31") == everything
    assert await found(start_date="9999-12-31") == []
    assert await found(end_date="0001-01-01") == []


async def test_dates_that_make_no_sense_are_named(house: House) -> None:
    token = await house.staff_token()
    for query, field in (
        ({"start_date": "2026-03-09", "end_date": "2026-03-08"}, "end_date"),
        ({"start_date": "03/09/2026"}, "start_date"),
        ({"end_date": "2026-02-30"}, "end_date"),
        ({"start_date": "20260309"}, "start_date"),
        ({"end_date": ""}, "end_date"),
        ({"change_type": "\x00"}, "change_type"),
        ({"changed_by": "x" * 201}, "changed_by"),
    ):
        status, problem = await house.api.get(CHANGES, token, client_id=house.client.id, **query)
        assert (status, fields_at_fault(problem)) == (422, [field]), query


async def test_filtered_pages_hold_together_while_events_come_in(house: House) -> None:
    ann = an_actor("Ann")
    newest_first = await house.changes(5, actor=ann)
    token, seen, cursor = await house.staff_token(), [], None
    query = {"client_id": house.client.id, "changed_by": f"staff:{ann.id}", "start_date": "2026-03-01", "limit": 2}
    while True:
        status, page = await house.api.get(CHANGES, token, cursor=cursor, **query)
        assert status == 200
        seen += ids(page)
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await house.changes(1, actor=ann)
    assert seen == newest_first


async def test_reading_the_change_log_is_an_event_with_its_filters(house: House, database: Database) -> None:
    await house.changes(2)
    query = {"client_id": house.client.id, "change_type": "Portal Login", "start_date": "2026-03-01", "limit": 1}
    _, page = await house.api.get(CHANGES, await house.staff_token(), **query)
    await house.api.get(CHANGES, await house.staff_token(), **query, cursor=page["next_cursor"])
    await house.api.get(CHANGES, await house.supervisor_token())
    rows = await owner_fetch(
        database,
        "select client_id, actor_name, event::jsonb -> 'payload' ->> 'log' as log,"
        " event::jsonb -> 'payload' ->> 'filters' as filters, change_type"
        " from audit.events where type = 'log.viewed' order by id",
    )
    assert [tuple(r) for r in rows] == [
        (
            house.client.id,
            "NextStep Solutions",
            "changes",
            '{"start_date": "2026-03-01", "change_type": "Portal Login"}',
            None,
        ),
        (None, "Sue Pervisor", "changes", "{}", None),
    ]


async def test_an_unknown_event_is_shown_by_its_type(house: House) -> None:
    event = house.event(PortalRefusalChanged(refused=True)).model_copy(update={"version": 99})
    await house.keep(event)
    _, page = await house.api.get(CHANGES, await house.staff_token(), client_id=house.client.id)
    assert [(i["change_type"], i["lines"], i["changes"]) for i in page["items"]] == [("portal_refusal.changed", [], [])]
