"""Agency admins manage the staff users of their agency through the API."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from services.admin.keys import CREDENTIALS, MAILS, WORK
from services.admin.use_cases import staff_users
from services.admin.use_cases.staff_users import LastAgencyAdmin, StaffChange
from shared.accounts.sign_in_budgets import FAILURES
from shared.accounts.staff import StaffUser
from shared.actors import Actor
from tests.admin.conftest import Api, Town, invited
from tests.support.clock import FakeClock
from tests.support.people import STAFF_PASSWORD

Http = TestClient[web.Request, web.Application]


async def id_of(boss: Api, username: str) -> str:
    people = {user["username"]: user["id"] for user in (await boss.get("staff?limit=200")).json["items"]}
    return str(people[username])


# Adding


async def test_whoever_is_added_gets_an_invitation(boss: Api, town: Town) -> None:
    before = len(await town.events())
    answer = await boss.post(
        "staff", {"username": "nora", "display_name": "Nora Newman", "email": "nora@example.org", "role": "supervisor"}
    )
    user = answer.json
    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/v1/staff/{user['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert (user["password_state"], user["temporary_password_expires_at"]) == ("temporary", "2026-03-05T15:00:00Z")
    assert (user["role"], user["active"], user["last_sign_in_at"]) == ("supervisor", True, None)
    [(recipient, secret)] = await town.mailed()
    assert recipient == "nora@example.org"
    assert secret not in answer.text
    [row] = await town.rows("select mail, context, portal_login_id, staff_user_id from mail.deliveries")
    assert (row["mail"], row["portal_login_id"], str(row["staff_user_id"])) == ("staff_invitation", None, user["id"])
    assert '"staff_url": "http://admin.example/riverside/"' in row["context"]
    created, queued = (await town.events())[before:]
    assert created == (
        "staff.created",
        {"username": "nora", "display_name": "Nora Newman", "email": "nora@example.org", "role": "supervisor"},
    )
    assert queued[0] == "delivery.queued"
    [subject] = await town.rows(
        "select body::jsonb -> 'subject' ->> 'staff_user_id' as id from accounts.outbox"
        " where body like '%delivery.queued%' and kind = 'event'"
    )
    assert subject["id"] == user["id"]


async def test_a_username_is_taken_in_whatever_case(boss: Api, town: Town) -> None:
    await invited(boss)
    answer = await boss.post(
        "staff", {"username": "NORA", "display_name": "Nora Two", "email": "two@example.org", "role": "staff"}
    )
    assert (answer.status, answer.json["type"]) == (409, "/problems/staff-username-taken")
    assert answer.fields == {"username": "That username is already in use at this agency."}
    assert len(await town.mailed()) == 1


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"username": "no"}, {"username"}),
        ({"username": "nora newman"}, {"username"}),
        ({"email": "nobody"}, {"email"}),
        ({"role": "operator"}, {"role"}),
        ({"display_name": ""}, {"display_name"}),
        ({"password": "chosen by somebody"}, {"password"}),
    ],
)
async def test_what_is_wrong_is_told_by_field(boss: Api, fields: dict[str, Any], at_fault: set[str]) -> None:
    body = {"username": "nora", "display_name": "Nora Newman", "email": "nora@example.org", "role": "staff", **fields}
    answer = await boss.post("staff", body)
    assert answer.status == 422
    assert set(answer.fields) == at_fault


async def test_only_agency_admins_manage_staff(api: Api, boss: Api, town: Town) -> None:
    user = await invited(boss)
    await town.world.staff(town.agency, "sam", role="supervisor")
    for username in ("nextstep", "sam"):
        await api.sign_in(username)
        assert (await api.get("staff")).status == 403
        assert (await api.get(f"staff/{user['id']}")).status == 403
        assert (await api.patch(f"staff/{user['id']}", {"role": "agency_admin"})).status == 403
        for action in ("unlock", "sign-out"):
            assert (await api.post(f"staff/{user['id']}/{action}")).status == 403
        assert (await api.get(f"staff/{user['id']}/deliveries")).status == 403


# Listing


async def test_the_list_goes_on_by_username_and_leaves_out_the_inactive(boss: Api) -> None:
    for name in ("Zoe", "adam", "mia"):
        await invited(boss, username=name, email=f"{name}@example.org")
    await boss.patch(f"staff/{await id_of(boss, 'mia')}", {"active": False})
    first = (await boss.get("staff?limit=3")).json
    assert [user["username"] for user in first["items"]] == ["adam", "boss", "mia"]
    rest = (await boss.get(f"staff?limit=3&cursor={first['next_cursor']}")).json
    assert [user["username"] for user in rest["items"]] == ["nextstep", "Zoe"]
    assert rest["next_cursor"] is None
    active = (await boss.get("staff?active=true")).json["items"]
    assert "mia" not in {user["username"] for user in active}
    assert [u["username"] for u in (await boss.get("staff?active=false")).json["items"]] == ["mia"]
    for wrong in ("cursor=nonsense", "cursor=AAAAAAAAAAAAAAAAAAAAAA", "active=perhaps", "limit=0"):
        assert (await boss.get(f"staff?{wrong}")).status == 422


async def test_the_list_says_when_somebody_last_signed_in(boss: Api, api: Api) -> None:
    found = {user["username"]: user["last_sign_in_at"] for user in (await boss.get("staff")).json["items"]}
    assert found == {"boss": "2026-03-02T15:00:00Z", "nextstep": "2026-03-02T15:00:00Z"}


# Changing


async def test_a_change_is_an_event_with_old_and_new(boss: Api, town: Town) -> None:
    user = await invited(boss)
    answer = await boss.patch(f"staff/{user['id']}", {"display_name": "Nora Norton", "role": "supervisor"})
    assert (answer.status, answer.json["version"], answer.headers["ETag"]) == (200, 2, '"2"')
    type_, payload = (await town.events())[-1]
    assert type_ == "staff.updated"
    assert payload == {
        "username": "nora",
        "changes": [
            {"field": "Name", "old": "Nora Newman", "new": "Nora Norton"},
            {"field": "Role", "old": "Staff", "new": "Supervisor"},
        ],
        "password_updated": False,
    }
    before = len(await town.events())
    same = await boss.patch(f"staff/{user['id']}", {"display_name": "Nora Norton"})
    assert (same.status, same.json["version"]) == (200, 2)
    assert len(await town.events()) == before


async def test_an_update_of_what_somebody_else_changed_is_refused(boss: Api) -> None:
    user = await invited(boss)
    path, tag = f"staff/{user['id']}", {"If-Match": '"1"'}
    assert (await boss.patch(path, {"display_name": "First"}, headers=tag)).status == 200
    assert (await boss.patch(path, {"display_name": "Second"}, headers=tag)).status == 412
    assert (await boss.get(path)).json["display_name"] == "First"


@pytest.mark.parametrize("change", [{"role": "supervisor"}, {"active": False}, {"reset_password": True}])
async def test_sessions_end_at_once_with_their_events(api: Api, boss: Api, town: Town, change: dict[str, Any]) -> None:
    staff_id = await id_of(boss, "nextstep")
    await town.execute("update accounts.staff_users set email = 'next@example.org' where username = 'nextstep'")
    tokens = await api.sign_in()
    assert (await boss.patch(f"staff/{staff_id}", change)).status == 200
    assert (await api.get("sessions")).status == 401
    assert (await api.post("token/refresh", {"refresh_token": tokens["refresh_token"]})).status == 401
    ended = [payload for type_, payload in await town.events() if type_ == "staff_session.ended"]
    assert ended == [{"username": "nextstep", "reason": "revoked"}] * 2


async def test_another_name_ends_no_session(api: Api, boss: Api) -> None:
    await boss.patch(f"staff/{await id_of(boss, 'nextstep')}", {"display_name": "Other"})
    assert (await api.get("sessions")).status == 200


async def test_nobody_takes_their_own_role_or_access_away(boss: Api) -> None:
    own = await id_of(boss, "boss")
    role = await boss.patch(f"staff/{own}", {"role": "staff"})
    assert (role.status, role.json["type"], set(role.fields)) == (409, "/problems/own-role", {"role"})
    inactive = await boss.patch(f"staff/{own}", {"active": False})
    assert (inactive.status, set(inactive.fields)) == (409, {"active"})
    assert (await boss.patch(f"staff/{own}", {"role": "agency_admin", "active": True})).status == 200


async def changed(boss: Api, actor: Actor, staff_id: UUID, **change: Any) -> StaffUser | Exception:
    """What a request comes to whose right was asked already, as two at the same moment do."""
    app = boss.app
    try:
        return await staff_users.update(
            app[WORK], app[CREDENTIALS], app[MAILS], actor=actor, staff_id=staff_id, change=StaffChange(**change)
        )
    except LastAgencyAdmin as error:
        return error


@pytest.mark.parametrize("change", [{"role": "staff"}, {"active": False}])
async def test_of_two_admins_who_remove_each_other_at_once_one_stays(
    boss: Api, town: Town, change: dict[str, Any]
) -> None:
    first = await town.world.staff(town.agency, "first", role="agency_admin")
    second = await town.world.staff(town.agency, "second", role="agency_admin")
    await town.execute("update accounts.staff_users set active = false where username = 'boss'")
    results = await asyncio.gather(
        changed(boss, first.actor, second.user.id, **change), changed(boss, second.actor, first.user.id, **change)
    )
    assert sorted(isinstance(result, LastAgencyAdmin) for result in results) == [False, True]
    assert len(await town.rows("select id from accounts.staff_users where role = 'agency_admin' and active")) == 1


async def test_an_agency_keeps_an_admin(boss: Api, town: Town) -> None:
    other = await town.world.staff(town.agency, "other", role="agency_admin")
    await town.execute("update accounts.staff_users set role = 'staff' where username = 'other'")
    refused = await changed(boss, other.actor, UUID(await id_of(boss, "boss")), active=False)
    assert isinstance(refused, LastAgencyAdmin)
    assert (refused.status, refused.message.startswith("Your agency needs at least one")) == (409, True)


async def test_a_new_address_gets_what_went_to_the_old_one(boss: Api, town: Town) -> None:
    user = await invited(boss)
    old = await town.secret_for("nora", "staff_invitation")
    answer = await boss.patch(f"staff/{user['id']}", {"email": "norah@example.org"})
    assert answer.json["password_state"] == "temporary"
    [(recipient, new)] = await town.mailed()
    assert (recipient, new != old) == ("norah@example.org", True)
    assert (await boss.post("token", {"agency": "riverside", "username": "nora", "password": old})).status == 401
    states = [row["state"] for row in await town.rows("select state from mail.deliveries order by id")]
    assert states == ["cancelled", "queued"]


async def test_one_that_was_read_at_a_wrong_address_is_good_no_more(boss: Api, town: Town) -> None:
    user = await invited(boss)
    old = await town.secret_for("nora", "staff_invitation")
    await town.execute("update mail.deliveries set state = 'accepted', finished_at = now(), sealed_secret = null")
    await boss.patch(f"staff/{user['id']}", {"email": "norah@example.org"})
    assert (await boss.post("token", {"agency": "riverside", "username": "nora", "password": old})).status == 401
    assert [recipient for recipient, _ in await town.mailed()] == ["norah@example.org"]


async def test_an_invitation_is_withdrawn_and_sent_again_with_the_access(boss: Api, town: Town) -> None:
    user = await invited(boss)
    answer = await boss.patch(f"staff/{user['id']}", {"active": False})
    assert answer.json["password_state"] == "none"
    assert await town.mailed() == []
    answer = await boss.patch(f"staff/{user['id']}", {"active": True})
    assert answer.json["password_state"] == "temporary"
    assert [recipient for recipient, _ in await town.mailed()] == ["nora@example.org"]


async def test_whoever_has_a_password_keeps_it_while_inactive(api: Api, boss: Api) -> None:
    staff_id = await id_of(boss, "nextstep")
    await boss.patch(f"staff/{staff_id}", {"active": False})
    wrong = {"agency": "riverside", "username": "nextstep", "password": STAFF_PASSWORD}
    assert (await boss.post("token", wrong)).status == 401
    assert (await boss.patch(f"staff/{staff_id}", {"active": True})).json["password_state"] == "own"
    await api.sign_in()


async def test_a_temporary_password_needs_an_address(boss: Api, town: Town) -> None:
    staff_id = await id_of(boss, "nextstep")
    refused = await boss.patch(f"staff/{staff_id}", {"reset_password": True})
    assert (refused.status, set(refused.fields)) == (422, {"email"})
    together = await boss.patch(f"staff/{staff_id}", {"reset_password": True, "email": "next@example.org"})
    assert (together.status, together.json["password_state"]) == (200, "temporary")
    assert [recipient for recipient, _ in await town.mailed()] == ["next@example.org"]
    updated = next(payload for type_, payload in await town.events() if type_ == "staff.updated")
    assert updated["password_updated"] is True
    assert updated["changes"] == [{"field": "E-mail", "old": None, "new": "next@example.org"}]


# Locks, sessions, e-mails


async def test_an_admin_lifts_a_lock(http: Http, api: Api, boss: Api, town: Town, clock: FakeClock) -> None:
    wrong = {"agency": "riverside", "username": "nextstep", "password": "not this one"}
    for _ in range(FAILURES):
        await api.post("token", wrong)
    staff_id = await id_of(boss, "nextstep")
    assert (await boss.get(f"staff/{staff_id}")).json["locked_until"] == "2026-03-02T15:15:00Z"
    clock.advance(seconds=1)
    answer = await boss.post(f"staff/{staff_id}/unlock")
    assert (answer.status, answer.json["locked_until"]) == (200, None)
    assert (await town.events())[-1] == ("staff.unlocked", {"username": "nextstep"})
    await Api(http).sign_in()
    before = len(await town.events())
    assert (await boss.post(f"staff/{staff_id}/unlock", {})).status == 200
    assert len(await town.events()) == before, "there was nothing to lift"


async def test_an_admin_ends_all_sessions_of_somebody(api: Api, boss: Api, town: Town) -> None:
    await api.sign_in()
    staff_id = await id_of(boss, "nextstep")
    assert (await boss.post(f"staff/{staff_id}/sign-out")).status == 200
    assert (await api.get("sessions")).status == 401
    assert (await town.types()).count("staff_session.ended") == 2
    await api.sign_in()


async def test_the_progress_of_the_e_mails_is_told_without_their_secret(boss: Api, town: Town) -> None:
    user = await invited(boss)
    secret = await town.secret_for("nora", "staff_invitation")
    await boss.patch(f"staff/{user['id']}", {"reset_password": True})
    answer = await boss.get(f"staff/{user['id']}/deliveries")
    items = answer.json["items"]
    assert [(item["mail"], item["state"]) for item in items] == [
        ("staff_invitation", "queued"),
        ("staff_invitation", "superseded"),
    ]
    assert secret not in answer.text
    page = (await boss.get(f"staff/{user['id']}/deliveries?limit=1")).json
    rest = (await boss.get(f"staff/{user['id']}/deliveries?limit=1&cursor={page['next_cursor']}")).json
    assert [page["items"][0]["id"], rest["items"][0]["id"]] == [item["id"] for item in items]


async def test_a_hash_is_in_no_answer_and_no_event(boss: Api, town: Town) -> None:
    user = await invited(boss)
    texts = [(await boss.get(path)).text for path in ("staff", f"staff/{user['id']}")]
    texts += [row["body"] for row in await town.rows("select body from accounts.outbox")]
    secret = await town.secret_for("nora", "staff_invitation")
    assert not any("argon2id" in text or secret in text for text in texts)
