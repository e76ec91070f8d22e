"""Portal logins through the API."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from services.admin.keys import WORK
from shared.accounts import portal_logins, sessions
from tests.admin.conftest import Api, Town
from tests.admin.test_clients_api import ENCODED_WORD
from tests.support.clock import FakeClock


async def portal_session(api: Api, town: Town, login_id: str, clock: FakeClock) -> UUID:
    """A session of the login's owner, as the portal opens it."""
    session_id = uuid4()
    async with api.app[WORK].pool.transaction(town.agency.id) as conn:
        await sessions.start(
            conn,
            session_id=session_id,
            agency_id=town.agency.id,
            kind="portal",
            person_id=UUID(login_id),
            secret_digest=None,
            user_agent="",
            address=None,
            now=clock(),
        )
    return session_id


async def ended(town: Town, session_id: UUID) -> str | None:
    (row,) = await town.rows("select end_reason from accounts.sessions where id = $1", session_id)
    reason: str | None = row["end_reason"]
    return reason


# Adding


async def test_a_login_is_added_and_its_owner_mailed(api: Api, town: Town, clock: FakeClock) -> None:
    body = {"username": "cmalek", "email": "cmalek@example.com"}
    answer = await api.post(f"clients/{town.client.id}/portal-logins", body)
    now = clock().isoformat().replace("+00:00", "Z")
    login_id = answer.json["id"]
    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/v1/portal-logins/{login_id}"
    assert answer.headers["ETag"] == '"1"'
    assert answer.json == {
        "id": login_id,
        "client_id": str(town.client.id),
        "username": "cmalek",
        "email": "cmalek@example.com",
        "representative": False,
        "active": True,
        "language": None,
        "password_state": "temporary",
        "link_expires_at": None,
        "temporary_password_expires_at": (clock() + timedelta(hours=72)).isoformat().replace("+00:00", "Z"),
        "locked_until": None,
        "reported_at": None,
        "email_unconfirmed_since": None,
        "email_bounced": None,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    assert (await api.get(f"portal-logins/{login_id}")).json == answer.json
    ((recipient, password),) = await town.mailed()
    assert recipient == "cmalek@example.com"
    assert len(password) >= 16
    asked = {"representative": False, "active": True, "reset_password": True}
    created = ("portal_login.created", {**body, **asked, "language": ""})
    assert created in await town.events()


async def test_the_address_may_come_from_the_current_residence(api: Api, town: Town) -> None:
    body = {"username": "cmalek", "populate_email_from_current_residence": True}
    answer = await api.post(f"clients/{town.client.id}/portal-logins", body)
    assert (answer.status, answer.json["email"]) == (201, "cmalek@example.com")


async def test_the_address_has_exactly_one_source(api: Api, town: Town) -> None:
    path, populate = f"clients/{town.client.id}/portal-logins", "populate_email_from_current_residence"
    both = await api.post(path, {"username": "cmalek", "email": "a@example.com", populate: True})
    assert (both.status, set(both.fields)) == (422, {"email", populate})
    for neither in ({}, {populate: False}, {"email": None}):
        answer = await api.post(path, {"username": "cmalek", **neither})
        assert (answer.status, set(answer.fields)) == (422, {"email"})
    await api.patch(f"clients/{town.client.id}", {"dynamic_fields": {"current_residence": {"Email": ""}}})
    empty = await api.post(path, {"username": "cmalek", populate: True})
    assert (empty.status, set(empty.fields)) == (422, {populate})
    assert "portal_login.created" not in await town.types()


async def test_without_reset_password_there_is_no_password_and_no_mail(api: Api, town: Town) -> None:
    login = await api.login(town.client, reset_password=False)
    assert (login["password_state"], login["temporary_password_expires_at"]) == ("none", None)
    assert await town.mailed() == []


async def test_an_inactive_login_is_mailed_when_it_is_made_active(api: Api, town: Town) -> None:
    login = await api.login(town.client, active=False)
    assert (login["active"], login["password_state"]) == (False, "none")
    assert await town.mailed() == []
    answer = await api.patch(f"portal-logins/{login['id']}", {"active": True})
    assert answer.json["password_state"] == "temporary"
    assert [recipient for recipient, _ in await town.mailed()] == ["cmalek@example.com"]


async def test_a_username_is_taken_in_whatever_case(api: Api, town: Town) -> None:
    await api.login(town.client)
    for username in ("cmalek", "CMalek", " CMALEK "):
        body = {"username": username, "email": "b@example.com"}
        answer = await api.post(f"clients/{town.client.id}/portal-logins", body)
        assert answer.status == 409
        assert answer.json["type"] == "/problems/username-taken"
        assert set(answer.fields) == {"username"}
    assert (await town.types()).count("portal_login.created") == 1
    assert len(await town.mailed()) == 1


async def test_of_two_at_once_one_gets_the_username(api: Api, town: Town) -> None:
    path, body = f"clients/{town.client.id}/portal-logins", {"username": "cmalek", "email": "a@example.com"}
    answers = await asyncio.gather(*(api.post(path, body) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]


async def test_another_agency_may_use_the_same_username(api: Api, town: Town) -> None:
    await api.login(town.client)
    other = await town.world.agency("lakeside")
    await town.world.staff(other, "lakestaff")
    theirs = await town.world.client(other)
    await api.sign_in("lakestaff", "lakeside")
    assert (await api.login(theirs))["username"] == "cmalek"


BAD_EMAILS = [
    "",
    "nobody",
    "a@b",
    "a@localhost",
    "a b@example.com",
    "a@example.com\r\nBcc: evil@example.com",
    "a@example.com\x00",
    "x" * 250 + "@example.com",
    ENCODED_WORD,
    "=?utf-8?q?x?=@example.com",
    '"quoted local"@example.com',
    "Name <a@example.com>",
    "a@example.com, b@example.com",
    7,
    ["a@example.com"],
]


async def test_logins_that_cannot_be_are_told_by_field_and_nothing_is_half_saved(api: Api, town: Town) -> None:
    wrong: list[tuple[str, Any]] = [
        *(("username", value) for value in ("", "ab", "x" * 65, "with space", "ünï", "a\x00b", ENCODED_WORD, 7, None)),
        *(("email", value) for value in BAD_EMAILS),
        *((box, value) for box in ("representative", "active", "reset_password") for value in ("yes", 1, None)),
        ("confirm_refused", "on"),
        ("populate_email_from_current_residence", "true"),
        ("temporary_password", "chosen-by-staff"),
        ("password", "chosen-by-staff"),
    ]
    for field, value in wrong:
        body = {"username": "cmalek", "email": "a@example.com", field: value}
        answer = await api.post(f"clients/{town.client.id}/portal-logins", body)
        assert (answer.status, set(answer.fields)) == (422, {field}), (field, value)
    assert "portal_login.created" not in await town.types()
    assert await town.mailed() == []


async def test_a_recorded_refusal_has_to_be_confirmed(api: Api, town: Town) -> None:
    await api.patch(f"clients/{town.client.id}", {"portal_refused": True})
    path, body = f"clients/{town.client.id}/portal-logins", {"username": "cmalek", "email": "a@example.com"}
    refused = await api.post(path, body)
    assert refused.status == 409
    assert refused.json["type"] == "/problems/portal-refused"
    assert await town.mailed() == []
    assert (await api.post(path, {**body, "confirm_refused": True})).status == 201


# Changing


async def test_what_staff_may_change(api: Api, town: Town) -> None:
    login = await api.login(town.client)
    path = f"portal-logins/{login['id']}"
    answer = await api.patch(path, {"email": "new@example.com", "representative": True})
    assert answer.status == 200
    assert answer.headers["ETag"] == '"2"'
    assert (answer.json["email"], answer.json["representative"], answer.json["active"]) == (
        "new@example.com",
        True,
        True,
    )
    mailed = await town.mailed()
    assert [recipient for recipient, _ in mailed] == ["new@example.com"], "the e-mail follows the address"
    updated = [payload for type_, payload in await town.events() if type_ == "portal_login.updated"]
    assert [change["field"] for change in updated[0]["changes"]] == ["Portal User Email", "Representative"]


async def test_nothing_named_changes_nothing(api: Api, town: Town) -> None:
    login = await api.login(town.client)
    before = len(await town.events())
    for body in ({}, {"active": True}, {"email": "cmalek@example.com", "reset_password": False}):
        answer = await api.patch(f"portal-logins/{login['id']}", body)
        assert (answer.status, answer.json) == (200, login)
    assert len(await town.events()) == before


async def test_a_reset_makes_a_new_password_and_ends_sessions(api: Api, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    async with api.app[WORK].pool.transaction(town.agency.id) as conn:
        await portal_logins.set_own_password(conn, UUID(login["id"]), "$argon2id$own", clock())
    assert (await api.get(f"portal-logins/{login['id']}")).json["password_state"] == "own"
    session_id = await portal_session(api, town, login["id"], clock)
    first = await town.mailed()
    answer = await api.patch(f"portal-logins/{login['id']}", {"reset_password": True})
    assert answer.json["password_state"] == "temporary"
    second = await town.mailed()
    assert len(second) == 1
    assert second != first
    assert await ended(town, session_id) == "revoked"


async def test_an_expired_temporary_password_is_told(api: Api, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    clock.advance(hours=73)
    await api.sign_in()
    assert (await api.get(f"portal-logins/{login['id']}")).json["password_state"] == "temporary_expired"


async def test_deactivation_ends_sessions_and_reactivation_works(api: Api, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    session_id = await portal_session(api, town, login["id"], clock)
    answer = await api.patch(f"portal-logins/{login['id']}", {"active": False})
    assert answer.json["active"] is False
    assert await ended(town, session_id) == "revoked"
    assert ("portal_session.ended", {"username": "cmalek", "reason": "revoked"}) in await town.events()
    assert await town.mailed() == []
    again = await api.patch(f"portal-logins/{login['id']}", {"active": True})
    assert again.json["active"] is True
    assert len(await town.mailed()) == 1, "the e-mail that was withdrawn is made up for"


async def test_wrong_changes_are_told_and_nothing_is_half_saved(api: Api, town: Town) -> None:
    login = await api.login(town.client)
    wrong: list[tuple[str, Any]] = [
        *(("email", value) for value in [*BAD_EMAILS, None]),
        *((box, value) for box in ("representative", "active", "reset_password") for value in ("no", 0, None)),
        ("username", "other"),
        ("confirm_refused", True),
        ("password_hash", "x"),
    ]
    for field, value in wrong:
        answer = await api.patch(f"portal-logins/{login['id']}", {"representative": True, field: value})
        assert (answer.status, set(answer.fields)) == (422, {field}), (field, value)
    assert (await api.get(f"portal-logins/{login['id']}")).json == login


async def test_a_change_meanwhile_is_told(api: Api, town: Town) -> None:
    login = await api.login(town.client)
    path = f"portal-logins/{login['id']}"
    assert (await api.patch(path, {"representative": True}, headers={"If-Match": '"1"'})).status == 200
    late = await api.patch(path, {"representative": False, "reset_password": True}, headers={"If-Match": '"1"'})
    assert late.status == 412
    assert late.json["type"] == "/problems/changed"
    assert (await api.get(path)).json["representative"] is True


async def test_unknown_logins_and_those_of_others_are_not_there(api: Api, town: Town) -> None:
    other = await town.world.agency("lakeside")
    await town.world.staff(other, "lakestaff")
    their_client = await town.world.client(other)
    await api.sign_in("lakestaff", "lakeside")
    theirs = await api.login(their_client)
    await api.sign_in()
    before = len(await town.events())
    body = {"username": "cmalek", "email": "a@example.com"}
    for login_id in (theirs["id"], uuid4(), "no-id", "%00"):
        assert (await api.get(f"portal-logins/{login_id}")).status == 404
        assert (await api.patch(f"portal-logins/{login_id}", {"active": False})).status == 404
        assert (await api.get(f"portal-logins/{login_id}/deliveries")).status == 404
    for client_id in (their_client.id, uuid4(), "no-id"):
        assert (await api.post(f"clients/{client_id}/portal-logins", body)).status == 404
    assert len(await town.events()) == before


async def test_an_agency_without_a_contract_has_no_logins_to_change(api: Api, town: Town) -> None:
    login = await api.login(town.client)
    await town.execute("update accounts.agencies set contracted = false")
    body = {"username": "another", "email": "a@example.com"}
    for answer in (
        await api.post(f"clients/{town.client.id}/portal-logins", body),
        await api.patch(f"portal-logins/{login['id']}", {"active": False}),
    ):
        assert answer.status == 403
        assert answer.json["type"] == "/problems/not-contracted"


# Deliveries


async def test_the_mails_to_a_login_with_their_attempts(api: Api, town: Town) -> None:
    login = await api.login(town.client)
    await api.patch(f"portal-logins/{login['id']}", {"reset_password": True})
    await town.execute(
        "insert into mail.delivery_attempts (delivery_id, number, started_at, ended_at, outcome, reply_code, reply, agency_id)"
        " select id, 1, now(), now(), 'deferred', 451, 'try later', agency_id from mail.deliveries where state = 'queued'"
    )
    page = (await api.get(f"portal-logins/{login['id']}/deliveries")).json
    newest, first = page["items"]
    assert page["next_cursor"] is None
    assert (newest["state"], newest["recipient"], newest["mail"]) == (
        "queued",
        "cmalek@example.com",
        "temporary_password",
    )
    assert [(a["number"], a["outcome"], a["reply_code"], a["reply"]) for a in newest["attempts"]] == [
        (1, "deferred", 451, "try later")
    ]
    assert (first["state"], first["attempts"], first["next_attempt_at"]) == ("superseded", [], None)


async def test_pages_of_mails_follow_one_another(api: Api, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    for _ in range(4):
        clock.advance(seconds=1)
        await api.patch(f"portal-logins/{login['id']}", {"reset_password": True})
    seen, query = [], "limit=2"
    for _ in range(3):
        page = (await api.get(f"portal-logins/{login['id']}/deliveries?{query}")).json
        seen += [item["id"] for item in page["items"]]
        query = f"limit=2&cursor={page['next_cursor']}"
    assert page["next_cursor"] is None
    assert len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)


async def test_questions_for_mails_that_make_no_sense_are_told(api: Api, town: Town) -> None:
    login = await api.login(town.client)
    for query, field in (
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=nonsense", "cursor"),
        ("cursor=%C3%BC", "cursor"),
        ("offset=2", "offset"),
    ):
        answer = await api.get(f"portal-logins/{login['id']}/deliveries?{query}")
        assert (answer.status, set(answer.fields)) == (422, {field}), query
