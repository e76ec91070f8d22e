"""The Security Log: what is in it, who may read it, how it is filtered, and that reading it is an entry of its own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from shared.db import migrations, partition_indexes
from shared.events import Actor, Envelope, Payload, Subject
from shared.events.catalogue import (
    FaceSheetViewed,
    PortalLoginLocked,
    PortalLoginUnlocked,
    PortalSessionRefused,
    PortalSessionStarted,
)
from shared.events.operator_catalogue import AuditLogVerified
from shared.events.staff_catalogue import StaffCreated, StaffLocked, StaffSessionRefused, StaffSessionStarted
from shared.security.tokens import STAFF, Signer
from tests.audit.events import owner_fetch
from tests.audit.house import House, an_actor, fields_at_fault, ids
from tests.support.databases import AUDIT_PACKAGES, Database
from tests.support.people import Person
from tests.support.pipeline import PEMS
from tests.support.waiting import soon

LOG = "/api/v1/security-log"
FILTERS = "/api/v1/security-log/filters"
UNTIL = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
async def admin(house: House) -> Person:
    return await house.world.staff(house.agency, "ada", display_name="Ada Admin", role="agency_admin")


@pytest.fixture
async def token(house: House, admin: Person) -> str:
    return await house.api.staff_token(admin.actor)


def staff_event(house: House, payload: Payload, *, actor: Actor, about: UUID | None) -> Envelope:
    """An event about a staff user, a second after the one before."""
    house.clock.advance(seconds=1)
    event = house.event(payload, actor=actor, client_id=None, portal_login_id=None)
    return event.model_copy(update={"subject": Subject(staff_user_id=about)})


async def found(house: House, token: str, **query: Any) -> list[str]:
    """The types of the entries, newest first, without those of the reading itself."""
    status, page = await house.api.get(LOG, token, **query)
    assert status == 200, page
    return [item["event"] for item in page["items"] if item["event"] != "log.viewed"]


async def test_an_entry_says_who_did_what_when_and_from_where(house: House, admin: Person) -> None:
    house.clock.set(datetime(2026, 7, 4, 13, 5, 9, tzinfo=UTC))
    token = await house.api.staff_token(admin.actor)
    person = house.staff.actor.as_event_actor().model_copy(update={"address": "203.0.113.7"})
    event = house.event(PortalLoginUnlocked(username="cmalek"), actor=person)
    await house.keep(event)
    _, page = await house.api.get(LOG, token)
    assert page["items"] == [
        {
            "id": str(event.id),
            "event": "portal_login.unlocked",
            "event_label": "Portal Login Unlocked",
            "user": "NextStep Solutions",
            "username": "nextstep",
            "person": f"staff:{house.staff.user.id}",
            "description": "nextstep unlocked the portal login cmalek.",
            "address": "203.0.113.7",
            "about": {
                "client_id": str(house.client.id),
                "portal_login_id": str(house.login.id),
                "staff_user_id": None,
            },
            "occurred_at": "2026-07-04T13:05:09Z",
            "date_and_time": "7/4/2026 9:05:09 AM",
        }
    ]
    assert page["next_cursor"] is None


async def test_what_happens_every_day_to_face_sheets_is_not_in_it(house: House, token: str) -> None:
    await house.keep(house.event(FaceSheetViewed()))
    await house.sign_ins(1)
    assert await found(house, token) == ["portal_session.started"]
    assert await found(house, token, event="face_sheet.viewed") == []


async def test_agency_admins_alone_may_read_it(house: House, token: str) -> None:
    for path in (LOG, FILTERS):
        assert (await house.api.get(path, token))[0] == 200
        for other in (await house.staff_token(), await house.supervisor_token(), await house.client_token()):
            status, problem = await house.api.get(path, other)
            assert (status, problem["type"]) == (403, "/problems/not-allowed"), path
        for nobody in ("", "nonsense", house.api.internal_token()):
            assert (await house.api.get(path, nobody))[0] == 401


async def test_a_refused_reader_reads_nothing_and_leaves_no_note(house: House, database: Database) -> None:
    await house.api.get(LOG, await house.supervisor_token())
    assert await owner_fetch(database, "select id from audit.events where type = 'log.viewed'") == []


async def test_each_agency_has_its_own(house: House, token: str) -> None:
    await house.sign_ins(1)
    elsewhere = await house.world.agency("lakeside")
    theirs = await house.world.staff(elsewhere, "ada", role="agency_admin")
    their_token = await house.api.staff_token(theirs.actor)
    await house.keep(house.event(StaffSessionStarted(username="ada"), agency_id=elsewhere.id, actor=an_actor("Ada")))
    assert await found(house, token) == ["portal_session.started"]
    assert await found(house, their_token) == ["staff_session.started"]
    for key in (f"portal_login:{house.login.id}", f"staff:{house.staff.user.id}"):
        assert await found(house, their_token, person=key) == []
    assert (await house.api.get(LOG, their_token, person="cmalek"))[0] == 422


async def test_the_newest_come_first_and_pages_hold_together_while_events_come_in(house: House, token: str) -> None:
    kept = []
    for number in range(7):
        house.clock.advance(seconds=1)
        payload = (
            PortalSessionStarted(username="cmalek")
            if number % 2
            else PortalSessionRefused(username="cmalek", reason="wrong_password")
        )
        kept.append(house.event(payload))
    await house.keep(*kept)
    seen: list[UUID] = []
    cursor = None
    while True:
        status, page = await house.api.get(LOG, token, cursor=cursor, limit=2)
        assert status == 200
        seen += ids(page)
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await house.sign_ins(1)
    assert seen == [event.id for event in reversed(kept)]


async def test_entries_are_filtered_by_event(house: House, token: str) -> None:
    await house.sign_ins(2)
    await house.keep(house.event(PortalLoginLocked(username="cmalek", failures=10, until=UNTIL, known_device=False)))
    assert await found(house, token, event="portal_login.locked") == ["portal_login.locked"]
    assert await found(house, token, event="portal_session.started") == ["portal_session.started"] * 2
    assert await found(house, token, event="nothing.like_it") == []


async def test_a_portal_login_is_found_by_what_it_did_and_what_was_done_to_it(house: House, token: str) -> None:
    owner = Actor(kind="portal_login", id=house.login.id, username="cmalek", name="cmalek")
    await house.sign_ins(1, actor=owner)
    house.clock.advance(seconds=1)
    await house.keep(house.event(PortalLoginUnlocked(username="cmalek")))
    other = await house.a_login(house.agency, house.client, "fam")
    await house.sign_ins(1, portal_login_id=other.id, actor=an_actor("Somebody"))
    for person in ("cmalek", "CMalek", f"portal_login:{house.login.id}"):
        assert await found(house, token, person=person) == ["portal_login.unlocked", "portal_session.started"], person
    assert await found(house, token, person="cmalek", event="portal_login.unlocked") == ["portal_login.unlocked"]


async def test_staff_are_found_by_what_they_did_and_what_was_done_to_them(
    house: House, admin: Person, token: str
) -> None:
    me, boss = house.staff.actor.as_event_actor(), admin.actor.as_event_actor()
    mine, hers = house.staff.user.id, admin.user.id
    house.clock.advance(seconds=1)
    await house.keep(
        house.event(PortalLoginUnlocked(username="cmalek"), actor=me),
        staff_event(house, StaffCreated(username="nextstep", role="staff"), actor=boss, about=mine),
        staff_event(house, StaffSessionStarted(username="nextstep"), actor=me, about=mine),
        staff_event(house, StaffSessionStarted(username="ada"), actor=boss, about=hers),
    )
    expected = ["staff_session.started", "staff.created", "portal_login.unlocked"]
    assert await found(house, token, person="nextstep") == expected
    assert await found(house, token, person=f"staff:{mine}") == expected
    assert await found(house, token, person="nextstep", event="staff.created") == ["staff.created"]
    # Page by page, as one list.
    _, page = await house.api.get(LOG, token, person="nextstep", limit=1)
    rest = await found(house, token, person="nextstep", cursor=page["next_cursor"])
    assert [page["items"][0]["event"], *rest] == expected
    assert await found(house, token, person="ada") == ["staff_session.started", "staff.created"]


async def test_a_username_of_both_finds_both(house: House, token: str) -> None:
    twin = await house.a_login(house.agency, house.client, "nextstep")
    await house.sign_ins(1, portal_login_id=twin.id, actor=an_actor("Somebody"))
    mine = house.staff.user.id
    await house.keep(
        staff_event(
            house,
            StaffLocked(username="nextstep", failures=10, until=UNTIL, known_device=False),
            actor=house.staff.actor.as_event_actor(),
            about=mine,
        )
    )
    assert await found(house, token, person="nextstep") == ["staff.locked", "portal_session.started"]


async def test_operators_are_found_by_their_key(house: House, token: str) -> None:
    operator = Actor(kind="operator", username="ops@host", name="Operator ops@host")
    await house.keep(
        house.event(
            AuditLogVerified(outcome="well", chains=1, events=9),
            actor=operator,
            client_id=None,
            portal_login_id=None,
        )
    )
    _, page = await house.api.get(LOG, token)
    [item] = page["items"]
    assert item["person"] == "operator:ops@host"
    assert await found(house, token, person=item["person"]) == ["audit_log.verified"]
    for nothing in ("operator:other@host", "staff:nonsense", "portal_login:nonsense", "system:", ":", "staff:' or 1=1"):
        assert await found(house, token, person=nothing) == [], nothing


async def test_a_username_that_is_nobodys_is_told_at_its_field(house: House, token: str) -> None:
    status, problem = await house.api.get(LOG, token, person="nobody")
    assert (status, fields_at_fault(problem)) == (422, ["person"])


async def test_who_tried_a_username_that_is_nobodys_is_unknown(house: House, token: str) -> None:
    nobody = Actor(kind="staff", username="", name="", address="198.51.100.9")
    refused = StaffSessionRefused(username=None, reason="unknown_username")
    await house.keep(staff_event(house, refused, actor=nobody, about=None))
    _, page = await house.api.get(LOG, token)
    [item] = page["items"]
    assert (item["user"], item["person"], item["address"]) == ("Unknown", None, "198.51.100.9")


async def test_both_days_are_inclusive_in_the_agencys_zone(house: House, token: str) -> None:
    """New York is four hours behind in July."""
    moments = ["2026-07-03T23:59:59-04:00", "2026-07-04T00:00:00-04:00", "2026-07-04T23:59:59-04:00"]
    kept = [house.event(StaffSessionStarted(username="nextstep"), at=datetime.fromisoformat(m)) for m in moments]
    await house.keep(*kept)
    house.clock.set(datetime.fromisoformat("2026-07-05T12:00:00-04:00"))
    fresh = await house.api.staff_token(
        (await house.world.staff(house.agency, "otheradmin", role="agency_admin")).actor
    )

    async def on(**query: Any) -> list[UUID]:
        status, page = await house.api.get(LOG, fresh, event="staff_session.started", **query)
        assert status == 200, page
        return list(ids(page))

    before, first, last = [event.id for event in kept]
    assert await on(start_date="2026-07-04", end_date="2026-07-04") == [last, first]
    assert await on(end_date="2026-07-03") == [before]
    assert await on(start_date="2026-07-05") == []
    assert await on(start_date="0001-01-01", end_date="9999-12-31") == [last, first, before]


async def test_what_makes_no_sense_is_named(house: House, token: str) -> None:
    for query, field in (
        ({"start_date": "2026-03-09", "end_date": "2026-03-08"}, "end_date"),
        ({"start_date": "03/09/2026"}, "start_date"),
        ({"end_date": ""}, "end_date"),
        ({"event": "\x00"}, "event"),
        ({"person": "x" * 201}, "person"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"limit": 201}, "limit"),
        ({"colour": "blue"}, "colour"),
    ):
        status, problem = await house.api.get(LOG, token, **query)
        assert (status, fields_at_fault(problem)) == (422, [field]), query


async def test_reading_it_is_an_entry_of_its_own(house: House, admin: Person, token: str) -> None:
    await house.sign_ins(2)
    _, page = await house.api.get(LOG, token, person="cmalek", start_date="2026-01-01", limit=1)
    await house.api.get(LOG, token, person="cmalek", start_date="2026-01-01", cursor=page["next_cursor"])
    house.clock.advance(seconds=1)
    _, page = await house.api.get(LOG, token, event="log.viewed")
    [item] = page["items"]
    assert (item["event_label"], item["description"]) == ("Log Viewed", "ada read the Security Log.")
    assert item["person"] == f"staff:{admin.user.id}"
    assert item["address"] == "127.0.0.1"


async def test_what_was_asked_for_is_kept_with_the_reading(house: House, token: str, database: Database) -> None:
    await house.sign_ins(1)
    await house.api.get(LOG, token, person="cmalek", event="portal_session.started", end_date="2026-12-31")
    [row] = await owner_fetch(
        database, "select event::jsonb -> 'payload' as payload from audit.events where type = 'log.viewed'"
    )
    assert '"person": "cmalek"' in row["payload"]
    assert '"event": "portal_session.started"' in row["payload"]
    assert '"end_date": "2026-12-31"' in row["payload"]


async def test_a_reading_through_a_service_names_the_persons_address(house: House, admin: Person, token: str) -> None:
    """The service's own address tells nothing, and who may send what as a header is nobody's business here."""
    import jwt

    session = jwt.decode(token, options={"verify_signature": False})["sid"]
    through = Signer(PEMS["portico_admin"], "portico_admin", house.clock).mint(
        STAFF,
        lifetime=timedelta(seconds=60),
        subject=admin.user.id,
        session_id=UUID(session),
        agency_id=house.agency.id,
        address="198.51.100.23",
    )
    await house.api.get(LOG, through)
    house.clock.advance(seconds=1)
    _, page = await house.api.get(LOG, token)
    assert page["items"][0]["address"] == "198.51.100.23"


async def test_the_filters_offer_every_kind_of_event_and_the_agencys_staff(house: House, token: str) -> None:
    elsewhere = await house.world.agency("lakeside")
    await house.world.staff(elsewhere, "stranger")
    status, answer = await house.api.get(FILTERS, token)
    assert status == 200
    labels = [option["label"] for option in answer["events"]]
    assert labels == sorted(labels)
    assert {"value": "portal_login.locked", "label": "Portal Login Locked"} in answer["events"]
    assert "face_sheet.viewed" not in {option["value"] for option in answer["events"]}
    assert answer["people"] == [
        {"value": "ada", "label": "Ada Admin"},
        {"value": "nextstep", "label": "NextStep Solutions"},
        {"value": "supervisor", "label": "Sue Pervisor"},
    ]


async def test_an_erased_event_shows_its_kind_and_time_alone(house: House, token: str, database: Database) -> None:
    await house.sign_ins(1)
    conn = await asyncpg.connect(database.owner_url)
    try:
        found_ids = [r["id"] for r in await conn.fetch("select id from audit.events")]
        await conn.fetchval(
            "select audit.erase($1, $2, $3, $4)", house.agency.id, house.client.id, [house.login.id], found_ids
        )
    finally:
        await conn.close()
    _, page = await house.api.get(LOG, token)
    [item] = page["items"]
    assert item["event_label"] == "Portal Sign-in"
    assert "erased" in item["description"]
    assert (item["person"], item["address"]) == (None, None)
    assert "cmalek" not in str(item)


async def test_an_event_that_this_version_cannot_word_keeps_its_place(house: House, token: str) -> None:
    event = house.event(PortalSessionStarted(username="cmalek")).model_copy(update={"version": 99})
    await house.keep(event)
    _, page = await house.api.get(LOG, token)
    assert [item["event_label"] for item in page["items"]] == ["Portal Sign-in"]


async def test_what_was_stored_before_there_was_the_log_is_in_it(house: House, token: str, database: Database) -> None:
    """Neither a column nor a mark at the time of storing decides: an event of the time before is found by its type."""
    await owner_fetch(
        database,
        "insert into audit.events (id, agency_id, type, version, occurred_at, actor_key, actor_name, in_activity, body)"
        " select audit.lowest_id(now()), $1, 'staff_session.started', 1, now(), 'staff:x', 'x', false, '{}'",
        house.agency.id,
    )
    assert await found(house, token) == ["staff_session.started"]


_AGAIN = "create index events_security on only audit.events (agency_id, type, id desc) where not audit.everyday(type)"
_WRITE = (
    "insert into audit.events (id, agency_id, type, version, occurred_at, actor_key, actor_name, in_activity, body)"
    " values (audit.lowest_id($1), gen_random_uuid(), 'staff_session.started', 1, $1, 'staff:x', 'x', false, '{}')"
)


async def test_an_index_that_was_half_built_is_built_again(database: Database) -> None:
    conn = await asyncpg.connect(database.owner_url)
    try:
        await conn.execute("drop index audit.events_security")
        await conn.execute(_AGAIN)
        # What a run leaves that was cut off between building and attaching.
        await conn.execute("create index events_2026_events_security on audit.events_2026 (agency_id)")
        # Two at once, as two replicas of an installation's job would.
        await asyncio.gather(*(migrations.apply(database.owner_url, AUDIT_PACKAGES, {}) for _ in range(2)))
        assert await conn.fetchval(
            "select indisvalid from pg_index where indexrelid = 'audit.events_security'::regclass"
        )
        rows = await conn.fetch(
            "select pg_get_indexdef(inhrelid) as text from pg_inherits"
            " where inhparent = 'audit.events_security'::regclass"
        )
        assert rows
        assert all("(agency_id, type, id DESC)" in row["text"] for row in rows)
        assert await partition_indexes.build_missing(conn) == []
    finally:
        await conn.close()


async def test_nobody_who_writes_waits_for_an_index_that_is_built(database: Database) -> None:
    conn, long, writer = [await asyncpg.connect(database.owner_url) for _ in range(3)]
    moment = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    building = "select count(*) from pg_stat_progress_create_index where phase = 'waiting for writers before build'"

    async def is_building() -> bool:
        return bool(await writer.fetchval(building))

    try:
        await conn.execute("drop index audit.events_security")
        await conn.execute(_AGAIN)
        async with asyncio.TaskGroup() as tasks, long.transaction():
            # The building waits for whoever has begun to write; those who come after it do not wait for it.
            await long.execute(_WRITE, moment)
            tasks.create_task(migrations.apply(database.owner_url, AUDIT_PACKAGES, {}))
            await soon(is_building)
            await writer.execute(_WRITE, moment + timedelta(seconds=1), timeout=5)
        found = await writer.fetchval(
            "select indisvalid from pg_index where indexrelid = 'audit.events_security'::regclass"
        )
        assert found
    finally:
        for each in (conn, long, writer):
            await each.close()


async def test_a_new_years_partition_has_the_indexes_too(database: Database) -> None:
    conn = await asyncpg.connect(database.owner_url)
    try:
        await conn.fetchval("select audit.ensure_partition(2031)")
        rows = await conn.fetch("select indexdef from pg_indexes where tablename = 'events_2031'")
    finally:
        await conn.close()
    assert sum("audit.everyday(type)" in row["indexdef"] for row in rows) == 3
