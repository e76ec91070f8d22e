"""Staff sign in through the API, go on, and sign out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import jwt
import pytest

from services.admin.keys import HASHER, SIGNER
from shared.security.tokens import CLIENT, INTERNAL, STAFF, Audience
from tests.admin.conftest import Api, Town
from tests.support.clock import FakeClock
from tests.support.people import STAFF_PASSWORD


def forged(api: Api, audience: Audience, *, agency_id: UUID | None = None) -> str:
    """A fresh token of the session, signed with the service's own key."""
    claims = jwt.decode(api.token, options={"verify_signature": False})
    return api.app[SIGNER].mint(
        audience,
        lifetime=timedelta(minutes=5),
        subject=UUID(claims["sub"]),
        session_id=UUID(claims["sid"]),
        agency_id=agency_id or UUID(claims["agy"]),
    )


async def test_a_sign_in_gives_tokens_that_open_the_api(api: Api, town: Town) -> None:
    tokens = await api.sign_in()
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 300
    assert (await api.get(f"clients/{town.client.id}")).status == 200
    assert (await town.types()).count("staff_session.started") == 2


async def test_the_username_may_be_typed_in_any_case(api: Api) -> None:
    assert (await api.sign_in("NextStep"))["access_token"]


async def test_whatever_is_wrong_with_a_sign_in_the_answer_is_the_same(api: Api, town: Town) -> None:
    await town.world.agency("lakeside")
    for wrong in [
        {"password": "not-the-password"},
        {"username": "nobody"},
        {"agency": "nowhere"},
        {"agency": "lakeside"},
    ]:
        body = {"agency": "riverside", "username": "nextstep", "password": STAFF_PASSWORD, **wrong}
        answer = await api.post("token", body)
        assert answer.status == 401, wrong
        assert answer.json["type"] == "/problems/bad-credentials"
        assert answer.json["detail"] == "The username or password is not right, or this login cannot be used."


async def test_a_refused_sign_in_is_recorded_without_what_was_typed(api: Api, town: Town) -> None:
    await api.post("token", {"agency": "riverside", "username": "typed-by-mistake", "password": "hunter2-hunter2"})
    type_, payload = (await town.events())[-1]
    assert (type_, payload) == (
        "staff_session.refused",
        {"username": None, "reason": "unknown_username", "how": "password"},
    )
    rows = await town.rows("select body from accounts.outbox")
    assert not any("typed-by-mistake" in r["body"] or "hunter2" in r["body"] for r in rows)


async def test_an_inactive_staff_user_can_neither_come_in_nor_stay(api: Api, town: Town) -> None:
    await town.execute("update accounts.staff_users set active = false")
    assert (await api.get(f"clients/{town.client.id}")).status == 401
    body = {"agency": "riverside", "username": "nextstep", "password": STAFF_PASSWORD}
    assert (await api.post("token", body)).status == 401


async def test_a_sign_in_that_makes_no_sense_is_told_by_field(api: Api) -> None:
    for field, value in [
        ("agency", ""),
        ("agency", 7),
        ("agency", "a" * 64),
        ("username", ""),
        ("username", None),
        ("username", "x" * 65),
        ("username", "nul\x00"),
        ("username", "line\nbreak"),
        ("password", ""),
        ("password", ["x"]),
        ("password", "p" * 1025),
    ]:
        body = {"agency": "riverside", "username": "nextstep", "password": STAFF_PASSWORD, field: value}
        answer = await api.post("token", body)
        assert answer.status == 422
        assert set(answer.fields) == {field}


async def test_a_missing_and_an_unknown_field_are_told(api: Api) -> None:
    answer = await api.post("token", {"agency": "riverside", "password": "x", "colour": "blue"})
    assert answer.fields == {"username": "Enter a value.", "colour": "Unknown field."}


async def test_a_refresh_token_is_good_once(api: Api, clock: FakeClock) -> None:
    tokens = await api.sign_in()
    first = await api.post("token/refresh", {"refresh_token": tokens["refresh_token"]})
    assert first.status == 200
    assert first.json["refresh_token"] != tokens["refresh_token"]
    clock.advance(seconds=30)
    assert (await api.post("token/refresh", {"refresh_token": tokens["refresh_token"]})).status == 401
    after_theft = await api.post("token/refresh", {"refresh_token": first.json["refresh_token"]})
    assert after_theft.status == 401, "reuse ends the family"


async def test_an_unknown_refresh_token_is_refused(api: Api) -> None:
    for token in ["x", "." * 50, "0" * 32 + "." + "a" * 40, "ü" * 40]:
        assert (await api.post("token/refresh", {"refresh_token": token})).status == 401


async def test_signing_out_ends_the_session_at_once(api: Api, town: Town) -> None:
    bodies: list[dict[str, str] | None] = [{}, None]
    for body in bodies:
        tokens = await api.sign_in()
        answer = await api.post("token/revoke", body)
        assert (answer.status, answer.text) == (204, "")
        assert (await api.get(f"clients/{town.client.id}")).status == 401
        assert (await api.post("token/refresh", {"refresh_token": tokens["refresh_token"]})).status == 401
        assert (await town.events())[-1] == ("staff_session.ended", {"username": "nextstep", "reason": "signed_out"})


async def test_an_idle_session_ends(api: Api, town: Town, clock: FakeClock) -> None:
    tokens = await api.sign_in()
    clock.advance(minutes=16)
    assert (await api.post("token/refresh", {"refresh_token": tokens["refresh_token"]})).status == 401
    api.token = forged(api, STAFF)
    assert (await api.get(f"clients/{town.client.id}")).status == 401
    assert ("staff_session.ended", {"username": "nextstep", "reason": "idle"}) in await town.events()


async def test_an_access_token_expires(api: Api, town: Town, clock: FakeClock) -> None:
    clock.advance(seconds=301)
    assert (await api.get(f"clients/{town.client.id}")).status == 401


async def test_tokens_for_other_doors_are_refused(api: Api, town: Town) -> None:
    for audience in (CLIENT, INTERNAL):
        api.token = forged(api, audience)
        answer = await api.get(f"clients/{town.client.id}")
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_without_a_good_token_nothing_is_answered(api: Api, town: Town) -> None:
    for header in ["", "Bearer", "Bearer x.y.z", "Basic bmV4dHN0ZXA6eA==", "Bearer \u00fc"]:
        api.token = ""
        answer = await api.call("GET", f"clients/{town.client.id}", headers={"Authorization": header})
        assert answer.status == 401
        assert answer.json["type"] == "/problems/not-signed-in"


async def test_a_token_of_another_agency_does_not_open_this_one(api: Api, town: Town) -> None:
    other = await town.world.agency("lakeside")
    api.token = forged(api, STAFF, agency_id=other.id)
    assert (await api.get(f"clients/{town.client.id}")).status == 401


async def test_the_key_set_checks_our_tokens(api: Api) -> None:
    answer = await api.get("/.well-known/jwks.json")
    assert "max-age" in answer.headers["Cache-Control"]
    keys = jwt.PyJWKSet.from_dict(answer.json)
    kid = jwt.get_unverified_header(api.token)["kid"]
    claims = jwt.decode(
        api.token,
        keys[kid].key,
        algorithms=["EdDSA"],
        audience=STAFF,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert {"iss", "aud", "sub", "sid", "agy", "jti", "iat", "exp"} <= set(claims)
    assert claims["iss"] == "portico_admin"


async def test_a_full_queue_of_hashes_is_told_to_come_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.app[HASHER], "_limit", 0)
    answer = await api.post("token", {"agency": "riverside", "username": "nextstep", "password": "x"})
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0


async def test_many_sign_ins_at_once_all_succeed(api: Api) -> None:
    body = {"agency": "riverside", "username": "nextstep", "password": STAFF_PASSWORD}
    answers = await asyncio.gather(*(api.post("token", body) for _ in range(8)))
    assert {answer.status for answer in answers} == {200}
