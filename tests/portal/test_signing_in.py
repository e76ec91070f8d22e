"""Signing in through the API: own passwords, temporary ones, and everything that is refused."""

from __future__ import annotations

import pytest
from nacl.pwhash import argon2id

from services.portal.keys import SIGNER
from shared.security import throttle
from shared.security.passwords import PasswordHasher, normalized, outdated
from shared.security.tokens import STAFF, Signer, new_signing_key
from tests.portal.conftest import (
    NEW_PASSWORD,
    OWN_PASSWORD,
    Portal,
    Town,
    credentials_of,
    sign_in_page,
    tokens_of,
)
from tests.support.clock import FakeClock
from tests.support.people import World


async def test_an_own_password_begins_a_session(portal: Portal, town: Town) -> None:
    login = await town.own()
    before = len(await town.events())
    tokens = await tokens_of(portal, username="CMalek")
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 300
    me = await (await portal.get_api("me", token=tokens["access_token"])).json()
    assert me == {
        "id": str(login.id),
        "username": "cmalek",
        "email": "cmalek@example.com",
        "representative": False,
        "client": {"id": str(town.client.id), "first_name": "Catherine", "last_name": "Malek"},
        "agency": {"slug": "riverside", "name": "Riverside Family Services", "time_zone": "America/New_York"},
    }
    assert (await town.events())[before:] == [("portal_session.started", {"username": "cmalek", "how": "password"})]


async def test_a_temporary_password_begins_no_session(portal: Portal, town: Town) -> None:
    _, temporary = await town.login()
    before = len(await town.events())
    answer = await (await portal.api("token", credentials_of(password=temporary))).json()
    assert set(answer) == {"password_change_required", "password_change_token", "expires_in"}
    assert answer["password_change_required"] is True
    assert answer["expires_in"] == 900
    assert await town.open_sessions() == 0
    assert await town.new_events(before) == []
    as_bearer = await portal.get_api("me", token=answer["password_change_token"])
    assert as_bearer.status == 401


async def test_an_expired_temporary_password_is_told_before_a_new_one_is_asked_for(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    _, temporary = await town.login()
    clock.advance(hours=72)
    answer = await portal.api("token", credentials_of(password=temporary))
    problem = await answer.json()
    assert answer.status == 401
    assert problem["type"] == "/problems/temporary-password-expired"
    assert problem["detail"] == "Your temporary password has expired. Ask your agency for a new one."
    assert (await town.events())[-1] == (
        "portal_session.refused",
        {"username": "cmalek", "reason": "temporary_password_expired"},
    )
    wrong = await portal.api("token", credentials_of(password="not the temporary one"))
    assert (await wrong.json())["type"] == "/problems/bad-credentials"


async def test_whatever_is_wrong_gets_the_same_words(portal: Portal, town: Town) -> None:
    await town.own()
    inactive = await town.own("jdoe", email="jdoe@example.com")
    await town.change(inactive, active=False)
    expired_inactive, temporary = await town.login("rroe", email="rroe@example.com")
    await town.change(expired_inactive, active=False)
    attempts = {
        "wrong password": credentials_of(password="wrong password, surely"),
        "unknown username": credentials_of("nobody"),
        "inactive": credentials_of("jdoe"),
        "inactive with its temporary password": credentials_of("rroe", temporary),
        "unknown agency": credentials_of(agency="elsewhere"),
    }
    answers = {}
    for name, attempt in attempts.items():
        answer = await portal.api("token", attempt)
        problem = await answer.json()
        problem.pop("request_id")
        answers[name] = (answer.status, problem)
    assert len({repr(answer) for answer in answers.values()}) == 1, answers
    assert answers["inactive"][0] == 401
    refusals = [payload for type_, payload in await town.events() if type_ == "portal_session.refused"]
    assert refusals == [
        {"username": "cmalek", "reason": "wrong_password"},
        {"username": None, "reason": "unknown_username"},
        {"username": "jdoe", "reason": "inactive"},
        {"username": "rroe", "reason": "inactive"},
    ]


async def test_a_login_without_any_password_gets_them_too(portal: Portal, town: Town) -> None:
    login = await town.own()
    await town.rows(f"update accounts.portal_logins set password_hash = null where id = '{login.id}'")
    answer = await portal.api("token", credentials_of())
    assert (answer.status, (await answer.json())["type"]) == (401, "/problems/bad-credentials")
    assert (await town.events())[-1][1] == {"username": "cmalek", "reason": "no_password"}


async def test_what_was_typed_as_an_unknown_username_is_stored_nowhere(portal: Portal, town: Town) -> None:
    # People type their password into the wrong field.
    await portal.api("token", credentials_of("my-secret-typed-here"))
    assert "my-secret-typed-here" not in repr(await town.rows("select body from accounts.outbox"))


async def test_an_agency_without_a_contract_has_no_portal(portal: Portal, world: World) -> None:
    await world.agency("hillcrest", name="Hillcrest", contracted=False)
    answer = await portal.api("token", credentials_of(agency="hillcrest"))
    assert (answer.status, (await answer.json())["type"]) == (403, "/problems/not-contracted")


async def test_a_login_of_another_agency_does_not_sign_in_here(portal: Portal, town: Town, world: World) -> None:
    await town.own()
    await world.agency("lakeside", name="Lakeside")
    assert (await portal.api("token", credentials_of(agency="lakeside"))).status == 401


async def test_signing_out_ends_the_session_at_once(portal: Portal, town: Town) -> None:
    await town.own()
    tokens = await tokens_of(portal)
    revoked = await portal.api("token/revoke", {}, token=tokens["access_token"])
    assert (revoked.status, await revoked.read()) == (204, b"")
    assert (await portal.get_api("me", token=tokens["access_token"])).status == 401
    assert (await portal.api("token/refresh", {"refresh_token": tokens["refresh_token"]})).status == 401
    assert (await town.events())[-1] == ("portal_session.ended", {"username": "cmalek", "reason": "signed_out"})


async def test_signing_out_takes_a_missing_body(portal: Portal, town: Town) -> None:
    await town.own()
    token = (await tokens_of(portal))["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await portal.http.post("/api/v1/token/revoke", headers=headers)).status == 204
    assert await town.open_sessions() == 0


async def test_a_deactivated_login_is_out_at_once(portal: Portal, town: Town) -> None:
    login = await town.own()
    token = (await tokens_of(portal))["access_token"]
    await town.change(login, active=False)
    assert (await portal.get_api("me", token=token)).status == 401
    await town.change(login, active=True)
    assert (await portal.get_api("me", token=token)).status == 401, "an ended session stays ended"
    assert (await portal.api("token", credentials_of())).status == 200


async def test_the_end_of_a_contract_shuts_everybody_out(portal: Portal, town: Town) -> None:
    await town.own()
    token = (await tokens_of(portal))["access_token"]
    await town.rows("update accounts.agencies set contracted = false")
    assert (await portal.get_api("me", token=token)).status == 401


async def test_refresh_tokens_rotate_and_their_theft_ends_the_session(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    await town.own()
    first = await tokens_of(portal)
    second = await (await portal.api("token/refresh", {"refresh_token": first["refresh_token"]})).json()
    assert second["refresh_token"] != first["refresh_token"]
    clock.advance(seconds=9)
    retried = await (await portal.api("token/refresh", {"refresh_token": first["refresh_token"]})).json()
    assert retried["refresh_token"] == second["refresh_token"], "a lost answer can be asked for again"
    assert (await portal.get_api("me", token=retried["access_token"])).status == 200
    clock.advance(seconds=2)
    assert (await portal.api("token/refresh", {"refresh_token": first["refresh_token"]})).status == 401
    assert (await portal.get_api("me", token=second["access_token"])).status == 401
    assert (await portal.api("token/refresh", {"refresh_token": second["refresh_token"]})).status == 401
    assert (await town.events())[-1][1] == {"username": "cmalek", "reason": "revoked"}


async def test_access_tokens_last_five_minutes(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    token = (await tokens_of(portal))["access_token"]
    clock.advance(seconds=299)
    assert (await portal.get_api("me", token=token)).status == 200
    clock.advance(seconds=1)
    assert (await portal.get_api("me", token=token)).status == 401


async def test_an_idle_session_ends(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    tokens = await tokens_of(portal)
    clock.advance(minutes=15)
    assert (await portal.api("token/refresh", {"refresh_token": tokens["refresh_token"]})).status == 401


async def test_no_session_lasts_longer_than_twelve_hours(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    tokens = await tokens_of(portal)
    started = clock()
    while (clock() - started).total_seconds() < 12 * 3600 - 600:
        clock.advance(minutes=10)
        answer = await portal.api("token/refresh", {"refresh_token": tokens["refresh_token"]})
        assert answer.status == 200
        tokens = await answer.json()
    clock.advance(minutes=10)
    assert (await portal.api("token/refresh", {"refresh_token": tokens["refresh_token"]})).status == 401


async def test_staff_tokens_do_not_open_the_portal(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    tokens = await tokens_of(portal)
    claims = portal.app[SIGNER]
    session = (await town.rows("select id, portal_login_id from accounts.sessions"))[0]
    options = {"subject": session["portal_login_id"], "session_id": session["id"], "agency_id": town.agency.id}
    lifetime = clock().resolution * 60_000_000
    staff_door = claims.mint(STAFF, lifetime=lifetime, **options)
    foreign_key = Signer(new_signing_key(), "portico_portal", clock).mint(
        "portico-client", lifetime=lifetime, **options
    )
    for token in (staff_door, foreign_key, tokens["refresh_token"], "nonsense", "a.b.c", ""):
        assert (await portal.get_api("me", token=token)).status == 401, token
    good = claims.mint("portico-client", lifetime=lifetime, **options)
    assert (await portal.get_api("me", token=good)).status == 200


async def test_the_public_keys_are_there_for_all(portal: Portal) -> None:
    answer = await portal.http.get("/.well-known/jwks.json")
    keys = (await answer.json())["keys"]
    assert [key["kid"] for key in keys] == [portal.app[SIGNER].kid]
    assert set(keys[0]) == {"kty", "crv", "alg", "use", "kid", "x"}, "no private part"


BAD_INPUT: list[tuple[str, dict[str, object], str]] = [
    ("token", {"agency": "riverside", "username": "", "password": OWN_PASSWORD}, "username"),
    ("token", {"agency": "riverside", "username": "x" * 65, "password": OWN_PASSWORD}, "username"),
    ("token", {"agency": "riverside", "username": "cma\x00lek", "password": OWN_PASSWORD}, "username"),
    ("token", {"agency": "riverside", "username": "=?utf-8?q?x=0ABcc=3A?=", "password": "x"}, "username"),
    ("token", {"agency": "riverside", "username": 7, "password": OWN_PASSWORD}, "username"),
    ("token", {"agency": "riverside", "username": "cmalek", "password": "x" * 1025}, "password"),
    ("token", {"agency": "riverside", "username": "cmalek", "password": "a\x1bb"}, "password"),
    ("token", {"agency": "riverside", "username": "cmalek"}, "password"),
    ("token", {"agency": "y" * 64, "username": "cmalek", "password": "x"}, "agency"),
    ("token", {"agency": "riverside", "username": "cmalek", "password": "x", "extra": 1}, "extra"),
    ("token/refresh", {"refresh_token": "x" * 301}, "refresh_token"),
    ("password", {"new_password": NEW_PASSWORD}, "password_change_token"),
    (
        "password",
        {"password_change_token": "a", "current_password": "b", "new_password": "c"},
        "password_change_token",
    ),
    ("password/forgot", {"agency": "riverside", "username": "cmalek", "email": "no address"}, "email"),
    ("password/reset", {"token": "", "new_password": NEW_PASSWORD}, "token"),
]


async def test_bad_input_is_told_by_field(portal: Portal) -> None:
    for path, body, field in BAD_INPUT:
        answer = await portal.api(path, body)
        assert answer.status == 422, body
        assert answer.content_type == "application/problem+json"
        assert [error["field"] for error in (await answer.json())["errors"]] == [field], body


async def test_strange_headers_do_no_harm(portal: Portal, town: Town) -> None:
    await town.own()
    answer = await portal.http.post(
        "/api/v1/token", json=credentials_of(), headers={"User-Agent": "x\udcff\udcfe", "X-Request-ID": "short"}
    )
    assert answer.status == 200


async def test_known_and_unknown_usernames_cost_the_same(
    portal: Portal, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await town.own()
    hashed: list[bool] = []
    verify = PasswordHasher.verify

    async def counted(self: PasswordHasher, stored: str | None, password: str) -> bool:
        hashed.append(stored is not None)
        return await verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    costs = {}
    for username in ("cmalek", "nobody"):
        for _ in range(12):
            await portal.api("token", credentials_of(username, "wrong"))
        costs[username], hashed[:] = len(hashed), []
    assert costs == {"cmalek": 12, "nobody": 12}, "the last two of them while the login is locked"


async def test_a_password_of_another_cost_is_stored_anew_at_the_next_sign_in(portal: Portal, town: Town) -> None:
    login = await town.own()
    old = argon2id.str(normalized(OWN_PASSWORD), opslimit=1, memlimit=8192 * 1024).rstrip(b"\0").decode()
    stored = f"select password_hash from accounts.portal_logins where id = '{login.id}'"
    await town.rows(f"update accounts.portal_logins set password_hash = '{old}' where id = '{login.id}'")
    await portal.api("token", credentials_of(password="wrong"))
    assert (await town.rows(stored))[0]["password_hash"] == old
    await tokens_of(portal)
    [row] = await town.rows(stored)
    assert row["password_hash"] != old
    assert not outdated(row["password_hash"])
    await tokens_of(portal)
    assert await town.rows(stored) == [row], "once is enough"


async def test_who_tries_too_often_is_told_to_wait(portal: Portal, town: Town) -> None:
    await town.own()
    size = throttle.ADDRESS.size
    statuses = [(await portal.api("token", credentials_of(f"nobody{n}", "wrong"))).status for n in range(size)]
    assert set(statuses) == {401}
    refused = await portal.api("token", credentials_of())
    assert (refused.status, (await refused.json())["type"]) == (429, "/problems/too-many-attempts")
    assert 0 < int(refused.headers["Retry-After"]) <= throttle.ADDRESS.seconds
    page = await sign_in_page(portal)
    assert page.status == 429
    assert int(page.headers["Retry-After"]) > 0
    assert "Too many sign-ins have failed. Please try again in a moment." in await page.text()


async def test_a_known_browser_is_spared_the_crowd(portal: Portal, town: Town) -> None:
    await town.own()
    assert (await sign_in_page(portal)).status == 303
    for number in range(throttle.ADDRESS.size + 1):
        last = await portal.api("token", credentials_of(f"nobody{number}", "wrong"))
    assert last.status == 429
    assert (await sign_in_page(portal)).status == 303
