"""Staff choose, change and reset their passwords, and say when a change was not theirs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from services.admin.keys import WORK
from shared.accounts import sessions
from shared.accounts.sessions import PasswordTokenPurpose
from shared.accounts.sign_in_budgets import FAILURES
from shared.security.tokens import new_reference
from tests.admin.conftest import Answer, Api, Browser, Town, invited
from tests.support.clock import FakeClock
from tests.support.factors import App
from tests.support.people import STAFF_PASSWORD

Http = TestClient[web.Request, web.Application]
OWN = "seven lamps beside an old bridge"
NEW = "three green boats at the quay"
EMAIL = "next@example.org"


@pytest.fixture
async def mailed_town(town: Town) -> Town:
    """The same where ``nextstep`` has an e-mail address."""
    await town.execute("update accounts.staff_users set email = $1 where username = 'nextstep'", EMAIL)
    return town


def signing_in(password: str, username: str = "nora") -> dict[str, str]:
    return {"agency": "riverside", "username": username, "password": password}


async def temporary(boss: Api, town: Town, clock: FakeClock) -> str:
    """The temporary password of somebody who has just been invited."""
    await invited(boss)
    clock.advance(seconds=1)
    return await town.secret_for("nora", "staff_invitation")


async def change_token(http: Http, secret: str) -> str:
    answer = await Api(http).post("token", signing_in(secret))
    assert answer.status == 200, answer.text
    return str(answer.json["password_change_token"])


async def choose(http: Http, token: str, password: str = OWN) -> Answer:
    return await Api(http).post("password", {"password_change_token": token, "new_password": password})


async def ask_for_reset(http: Http, **fields: str) -> Answer:
    asked = {"agency": "riverside", "username": "nextstep", "email": EMAIL, **fields}
    return await Api(http).post("password/forgot", asked)


# The first password


async def test_a_temporary_password_leads_to_one_of_ones_own(
    http: Http, boss: Api, town: Town, clock: FakeClock
) -> None:
    secret = await temporary(boss, town, clock)
    before = len(await town.events())
    required = await Api(http).post("token", signing_in(secret))
    assert required.status == 200
    assert set(required.json) == {"password_change_required", "password_change_token", "expires_in"}
    assert (required.json["password_change_required"], required.json["expires_in"]) == (True, 900)
    [row] = await town.rows(
        "select count(s.id) from accounts.sessions s join accounts.staff_users u on u.id = s.staff_user_id"
        " where u.username = 'nora'"
    )
    assert row["count"] == 0
    answer = await choose(http, required.json["password_change_token"])
    assert answer.status == 200
    nora = Api(http, answer.json["access_token"])
    assert (await nora.get("sessions")).status == 200
    types = [type_ for type_, _ in (await town.events())[before:]]
    assert types[0] == "staff_password.changed"
    assert types[-1] == "staff_session.started"
    assert ("staff_password.changed", {"username": "nora", "how": "first"}) in await town.events()
    assert (await Api(http).post("token", signing_in(secret))).status == 401, "the temporary one is dead"
    assert (await Api(http).post("token", signing_in(OWN))).status == 200


async def test_a_change_token_is_good_once_and_for_fifteen_minutes(
    http: Http, boss: Api, town: Town, clock: FakeClock
) -> None:
    secret = await temporary(boss, town, clock)
    late, used, other = [await change_token(http, secret) for _ in range(3)]
    assert (await choose(http, used)).status == 200
    for token in (used, other):
        again = await choose(http, token, NEW)
        assert (again.status, again.json["type"]) == (401, "/problems/password-change-expired")
    clock.advance(minutes=15)
    assert (await choose(http, late, NEW)).status == 401


async def test_a_password_about_oneself_is_refused_and_the_token_stays_good(
    http: Http, boss: Api, town: Town, clock: FakeClock
) -> None:
    token = await change_token(http, await temporary(boss, town, clock))
    for password, reason in (
        ("ninelamp", "at least 15"),
        ("my old newman kettle", "newman"),
        ("riverside boats at the quay", "riverside"),
    ):
        answer = await choose(http, token, password)
        assert answer.status == 422
        assert reason in answer.fields["new_password"]
    assert (await choose(http, token)).status == 200


async def test_an_expired_temporary_password_is_told_to_whoever_has_it(
    http: Http, boss: Api, town: Town, clock: FakeClock
) -> None:
    secret = await temporary(boss, town, clock)
    clock.advance(hours=72)
    expired = await Api(http).post("token", signing_in(secret))
    assert (expired.status, expired.json["type"]) == (401, "/problems/temporary-password-expired")
    assert (await town.events())[-1][1] == {
        "username": "nora",
        "reason": "temporary_password_expired",
        "how": "password",
    }
    wrong = await Api(http).post("token", signing_in("not this one"))
    assert wrong.json["type"] == "/problems/bad-credentials"
    page = await Browser(http).post("sign-in", {"username": "nora", "password": secret})
    assert (page.status, "Your temporary password has expired." in page.words) == (401, True)


async def test_a_new_temporary_password_ends_the_old_one_and_what_it_gave(
    http: Http, boss: Api, town: Town, clock: FakeClock
) -> None:
    secret = await temporary(boss, town, clock)
    token = await change_token(http, secret)
    [user] = await town.rows("select id from accounts.staff_users where username = 'nora'")
    assert (await boss.patch(f"staff/{user['id']}", {"reset_password": True})).status == 200
    assert (await choose(http, token)).status == 401
    assert (await Api(http).post("token", signing_in(secret))).status == 401
    assert await change_token(http, await town.secret_for("nora", "staff_invitation"))


# Another password


async def test_a_change_ends_other_sessions_and_goes_on_with_new_tokens(
    http: Http, api: Api, mailed_town: Town
) -> None:
    other = Api(http)
    await other.sign_in()
    tokens = await api.sign_in()
    answer = await api.post("password", {"current_password": STAFF_PASSWORD, "new_password": NEW})
    assert answer.status == 200, answer.text
    assert (await other.get("sessions")).status == 401
    assert (await api.post("token/refresh", {"refresh_token": tokens["refresh_token"]})).status == 401
    assert (await Api(http, answer.json["access_token"]).get("sessions")).status == 200
    assert ("staff_password.changed", {"username": "nextstep", "how": "own"}) in await mailed_town.events()
    assert (await Api(http).post("token", signing_in(STAFF_PASSWORD, "nextstep"))).status == 401
    await api.sign_in(password=NEW)


async def test_whoever_has_no_address_changes_the_password_without_a_mail(api: Api, town: Town) -> None:
    answer = await api.post("password", {"current_password": STAFF_PASSWORD, "new_password": NEW})
    assert answer.status == 200
    assert await town.mailed() == []


async def test_ten_wrong_current_passwords_end_the_session(api: Api, town: Town) -> None:
    for _ in range(FAILURES - 1):
        wrong = await api.post("password", {"current_password": "not this one", "new_password": NEW})
        assert (wrong.status, set(wrong.fields)) == (422, {"current_password"})
    last = await api.post("password", {"current_password": "not this one", "new_password": NEW})
    assert last.status == 401
    assert (await api.get("sessions")).status == 401
    assert (await town.events())[-1] == ("staff_session.ended", {"username": "nextstep", "reason": "revoked"})


@pytest.mark.parametrize(
    "body",
    [
        {"new_password": NEW},
        {"password_change_token": "x", "current_password": "y", "new_password": NEW},
        {"current_password": STAFF_PASSWORD, "new_password": STAFF_PASSWORD},
    ],
)
async def test_what_makes_no_sense_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert (await api.post("password", body)).status == 422


# A forgotten password


async def test_a_reset_code_gives_another_password_and_ends_all_sessions(
    http: Http, api: Api, mailed_town: Town, clock: FakeClock
) -> None:
    assert (await ask_for_reset(http, username="NextStep", email="NEXT@example.org")).status == 202
    assert (await mailed_town.types())[-2:] == ["staff_password.reset_requested", "delivery.queued"]
    code = await mailed_town.secret_for("nextstep", "staff_password_reset")
    clock.advance(seconds=1)
    answer = await Api(http).post("password/reset", {"token": code, "new_password": NEW})
    assert answer.status == 200
    assert (await api.get("sessions")).status == 401
    assert (await Api(http, answer.json["access_token"]).get("sessions")).status == 200
    again = await Api(http).post("password/reset", {"token": code, "new_password": OWN})
    assert (again.status, again.json["type"]) == (401, "/problems/reset-expired")
    assert ("staff_password.changed", {"username": "nextstep", "how": "reset"}) in await mailed_town.events()


async def test_the_answer_is_the_same_whoever_is_named(http: Http, mailed_town: Town) -> None:
    for wrong in (
        {"username": "nobody"},
        {"email": "other@example.org"},
        {"agency": "nowhere"},
    ):
        answer = await ask_for_reset(http, **wrong)
        assert (answer.status, answer.text) == (202, "")
    assert await mailed_town.mailed() == []


async def test_a_reset_code_lives_an_hour_and_a_newer_one_takes_its_place(
    http: Http, mailed_town: Town, clock: FakeClock
) -> None:
    await ask_for_reset(http)
    first = await mailed_town.secret_for("nextstep", "staff_password_reset")
    clock.advance(seconds=59)
    await ask_for_reset(http)
    assert await mailed_town.secret_for("nextstep", "staff_password_reset") == first, "asked again too soon"
    clock.advance(seconds=1)
    await ask_for_reset(http)
    second = await mailed_town.secret_for("nextstep", "staff_password_reset")
    assert second != first
    assert (await Api(http).post("password/reset", {"token": first, "new_password": NEW})).status == 401
    clock.advance(hours=1)
    assert (await Api(http).post("password/reset", {"token": second, "new_password": NEW})).status == 401


async def test_there_are_five_resets_a_day(http: Http, mailed_town: Town, clock: FakeClock) -> None:
    for _ in range(7):
        await ask_for_reset(http)
        clock.advance(minutes=2)
    assert (await mailed_town.types()).count("staff_password.reset_requested") == 5


async def test_no_reset_goes_to_an_address_that_was_just_put_in(
    http: Http, boss: Api, mailed_town: Town, clock: FakeClock
) -> None:
    await boss.patch(f"staff/{mailed_town.staff.user.id}", {"email": "changed@example.org"})
    await ask_for_reset(http, email="changed@example.org")
    assert "changed@example.org" not in [recipient for recipient, _ in await mailed_town.mailed()]
    clock.advance(days=1)
    await ask_for_reset(http, email="changed@example.org")
    assert "changed@example.org" in [recipient for recipient, _ in await mailed_town.mailed()]


async def test_whoever_is_inactive_or_invited_gets_no_reset(
    http: Http, boss: Api, mailed_town: Town, clock: FakeClock
) -> None:
    await temporary(boss, mailed_town, clock)
    await ask_for_reset(http, username="nora", email="nora@example.org")
    await boss.patch(f"staff/{mailed_town.staff.user.id}", {"active": False})
    await ask_for_reset(http)
    assert "staff_password.reset_requested" not in await mailed_town.types()


async def test_a_lock_voids_open_resets_and_a_newer_one_lifts_it(
    http: Http, mailed_town: Town, clock: FakeClock
) -> None:
    await ask_for_reset(http)
    before = await mailed_town.secret_for("nextstep", "staff_password_reset")
    for _ in range(FAILURES):
        await Api(http).post("token", signing_in("not this one", "nextstep"))
    assert (await Api(http).post("password/reset", {"token": before, "new_password": NEW})).status == 401
    clock.advance(minutes=2)
    await ask_for_reset(http)
    after = await mailed_town.secret_for("nextstep", "staff_password_reset")
    assert (await Api(http).post("password/reset", {"token": after, "new_password": NEW})).status == 200
    assert "staff.unlocked" in await mailed_town.types()


@pytest.mark.parametrize("purpose", ["reset", "report", "temporary"])
async def test_a_code_of_a_portal_login_is_none_of_staff(
    http: Http, api: Api, town: Town, clock: FakeClock, purpose: PasswordTokenPurpose
) -> None:
    login = await api.login(town.client)
    reference = new_reference(town.agency.id)
    async with api.app[WORK].pool.transaction(town.agency.id) as conn:
        hour = clock() + timedelta(hours=1)
        await sessions.insert_password_token(
            conn, reference, "portal", UUID(login["id"]), purpose, now=clock(), expires_at=hour
        )
    nobody, code = Api(http), reference.text
    assert (await nobody.post("password/reset", {"token": code, "new_password": NEW})).status == 401
    assert (await nobody.post("password/report", {"token": code})).status == 401
    assert (await choose(http, code)).status == 401


# That was not me


async def told(api: Api, town: Town) -> str:
    """The code in the e-mail about a password that was just changed."""
    answer = await api.post("password", {"current_password": STAFF_PASSWORD, "new_password": NEW})
    assert answer.status == 200
    api.token = answer.json["access_token"]
    return await town.secret_for("nextstep", "staff_password_changed")


async def test_a_report_ends_all_sessions_and_lets_nobody_in(http: Http, api: Api, mailed_town: Town) -> None:
    code = await told(api, mailed_town)
    assert (await Api(http).post("password/report", {"token": code})).status == 204
    assert (await api.get("sessions")).status == 401
    assert ("staff.reported", {"username": "nextstep"}) in await mailed_town.events()
    for password in (NEW, STAFF_PASSWORD):
        assert (await Api(http).post("token", signing_in(password, "nextstep"))).status == 401
    assert (await mailed_town.events())[-1][1] == {"username": "nextstep", "reason": "locked", "how": "password"}
    await ask_for_reset(http)
    assert "staff_password.reset_requested" not in await mailed_town.types()
    again = await Api(http).post("password/report", {"token": code})
    assert (again.status, again.json["type"]) == (401, "/problems/report-expired")


async def test_an_admin_lets_them_in_again(http: Http, api: Api, boss: Api, mailed_town: Town) -> None:
    code = await told(api, mailed_town)
    await Api(http).post("password/report", {"token": code})
    staff_id = mailed_town.staff.user.id
    assert (await boss.get(f"staff/{staff_id}")).json["reported_at"] == "2026-03-02T15:00:00Z"
    answer = await boss.patch(f"staff/{staff_id}", {"reset_password": True})
    assert answer.json["reported_at"] is None
    secret = await mailed_town.secret_for("nextstep", "staff_invitation")
    required = await Api(http).post("token", signing_in(secret, "nextstep"))
    assert required.json["password_change_required"] is True


async def test_a_report_is_good_for_a_week_and_only_that(
    http: Http, api: Api, mailed_town: Town, clock: FakeClock
) -> None:
    code = await told(api, mailed_town)
    assert (await Api(http).post("password/reset", {"token": code, "new_password": OWN})).status == 401
    clock.advance(days=7)
    assert (await Api(http).post("password/report", {"token": code})).status == 401


# With a second factor


async def with_factor(api: Api, clock: FakeClock) -> App:
    """An app for whoever is signed in; the session goes on."""
    begun = await api.post("second-factor/totp", {"current_password": STAFF_PASSWORD})
    app = App(begun.json["secret"], clock)
    done = await api.post("second-factor/totp/confirm", {"code": app.code()})
    assert done.status == 200, done.text
    api.token = done.json["access_token"]
    clock.advance(seconds=30)
    return app


async def test_a_reset_does_not_go_around_the_second_factor(
    http: Http, api: Api, mailed_town: Town, clock: FakeClock
) -> None:
    app = await with_factor(api, clock)
    await ask_for_reset(http)
    code = await mailed_town.secret_for("nextstep", "staff_password_reset")
    clock.advance(seconds=30)
    answer = await Api(http).post("password/reset", {"token": code, "new_password": NEW})
    assert answer.status == 200
    assert answer.json["second_factor_required"] is True
    assert "access_token" not in answer.json
    half = {"second_factor_token": answer.json["second_factor_token"], "code": app.code()}
    tokens = await Api(http).post("token/second-factor", half)
    assert tokens.status == 200, tokens.text
    assert (await Api(http, tokens.json["access_token"]).get("sessions")).status == 200


async def test_a_report_ends_what_a_password_alone_has_begun(
    http: Http, api: Api, mailed_town: Town, clock: FakeClock
) -> None:
    code = await told(api, mailed_town)
    clock.advance(seconds=1)
    begun = await api.post("second-factor/totp", {"current_password": NEW})
    app = App(begun.json["secret"], clock)
    assert (await api.post("second-factor/totp/confirm", {"code": app.code()})).status == 200
    half = await Api(http).post("token", signing_in(NEW, "nextstep"))
    assert (await Api(http).post("password/report", {"token": code})).status == 204
    clock.advance(seconds=30)
    shown = {"second_factor_token": half.json["second_factor_token"], "code": app.code()}
    assert (await Api(http).post("token/second-factor", shown)).status == 401


async def test_a_changed_factor_is_told_with_a_way_to_lock(
    http: Http, api: Api, mailed_town: Town, clock: FakeClock
) -> None:
    await with_factor(api, clock)
    [row] = await mailed_town.rows("select mail, recipient, context from mail.deliveries")
    assert (row["mail"], row["recipient"]) == ("staff_second_factor_changed", EMAIL)
    assert "An authenticator app was set up" in row["context"]
    code = await mailed_town.secret_for("nextstep", "staff_second_factor_changed")
    assert (await Api(http).post("password/report", {"token": code})).status == 204
    assert (await api.get("sessions")).status == 401


async def test_a_short_password_is_good_beside_a_factor_and_no_longer(
    http: Http, api: Api, mailed_town: Town, clock: FakeClock
) -> None:
    short = "zebra-9-quilt"
    refused = await api.post("password", {"current_password": STAFF_PASSWORD, "new_password": short})
    assert refused.status == 422
    await with_factor(api, clock)
    done = await api.post("password", {"current_password": STAFF_PASSWORD, "new_password": short})
    assert done.status == 200, done.text
    await mailed_town.execute("delete from accounts.totp_authenticators")
    await mailed_town.execute("delete from accounts.recovery_codes")
    asked = await Api(http).post("token", signing_in(short, "nextstep"))
    assert asked.json["password_change_required"] is True
    assert (await choose(http, asked.json["password_change_token"], NEW)).status == 200
    assert ("staff_password.changed", {"username": "nextstep", "how": "own"}) in await mailed_town.events()


async def test_the_old_address_of_a_staff_user_is_told_and_locks_the_door(
    http: Http, api: Api, boss: Api, mailed_town: Town
) -> None:
    staff_id = next(s["id"] for s in (await boss.get("staff")).json["items"] if s["username"] == "nextstep")
    [before] = await mailed_town.rows("select email from accounts.staff_users where username = 'nextstep'")
    assert (await boss.patch(f"staff/{staff_id}", {"email": "elsewhere@example.org"})).status == 200
    [mail] = await mailed_town.rows("select mail, recipient from mail.deliveries where staff_user_id is not null")
    assert dict(mail) == {"mail": "staff_email_changed", "recipient": before["email"]}
    code = await mailed_town.secret_for("nextstep", "staff_email_changed")
    assert (await Api(http).post("password/report", {"token": code})).status == 204
    assert (await Api(http).post("token", signing_in(STAFF_PASSWORD, "nextstep"))).status == 401


async def test_an_address_that_nobody_used_is_not_told(boss: Api, mailed_town: Town) -> None:
    body = {"username": "nora", "display_name": "Nora", "email": "slip@example.org", "role": "staff"}
    nora = (await boss.post("staff", body)).json
    await boss.patch(f"staff/{nora['id']}", {"email": "nora@example.org"})
    mails = await mailed_town.rows("select mail, recipient from mail.deliveries where state = 'queued'")
    assert [tuple(row.values()) for row in mails] == [("staff_invitation", "nora@example.org")]
