"""The portal as a whole: what it documents, what it needs, and what it does without it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.portal.app import create_portal
from services.portal.settings import PortalSettings
from shared.accounts_service import BOXES, KEY_RING, SIGNER, WORK, ready_checks
from shared.http.keys import METRICS
from shared.http.openapi import undocumented
from shared.http.readiness import Readiness
from shared.security.boxes import new_box_key
from shared.security.tokens import new_signing_key
from tests.portal.conftest import FROM_OUR_PAGE, Portal, Town, credentials_of
from tests.support.clock import FakeClock

CLOSED = "127.0.0.1:1"


async def test_what_is_routed_is_documented_and_the_other_way_round(portal: Portal) -> None:
    assert undocumented(portal.app) == []
    document = await (await portal.http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    described = {(method, path) for path, entry in document["paths"].items() for method in entry}
    assert described == {
        ("post", "/api/v1/token"),
        ("post", "/api/v1/token/refresh"),
        ("post", "/api/v1/token/revoke"),
        ("post", "/api/v1/token/passkey/options"),
        ("post", "/api/v1/token/passkey"),
        ("get", "/api/v1/passkeys"),
        ("post", "/api/v1/passkeys"),
        ("post", "/api/v1/passkeys/options"),
        ("patch", "/api/v1/passkeys/{id}"),
        ("post", "/api/v1/passkeys/{id}/remove"),
        ("post", "/api/v1/token/second-factor"),
        ("post", "/api/v1/token/second-factor/totp"),
        ("post", "/api/v1/token/second-factor/totp/confirm"),
        ("get", "/api/v1/second-factor"),
        ("post", "/api/v1/second-factor/totp"),
        ("post", "/api/v1/second-factor/totp/confirm"),
        ("post", "/api/v1/second-factor/totp/remove"),
        ("post", "/api/v1/second-factor/recovery-codes"),
        ("delete", "/api/v1/second-factor/devices/{id}"),
        ("post", "/api/v1/password"),
        ("post", "/api/v1/password/forgot"),
        ("post", "/api/v1/password/reset"),
        ("post", "/api/v1/password/report"),
        ("post", "/api/v1/password/invitation"),
        ("post", "/api/v1/username/forgot"),
        ("post", "/api/v1/email/confirm"),
        ("get", "/api/v1/me"),
        ("get", "/api/v1/sessions"),
        ("delete", "/api/v1/sessions"),
        ("delete", "/api/v1/sessions/{id}"),
        ("get", "/.well-known/jwks.json"),
    }
    assert (await portal.http.get("/docs")).status == 200


async def test_every_problem_has_a_page_that_explains_it(portal: Portal) -> None:
    for name in (
        *("temporary-password-expired", "password-change-expired", "reset-expired", "password-refused"),
        "email-confirm-expired",
        *("wrong-code", "second-factor-expired", "set-up-expired", "no-second-factor"),
        *("second-factor-needed", "password-too-short"),
    ):
        assert (await portal.http.get(f"/problems/{name}")).status == 200, name


async def test_wrong_methods_and_bodies_are_problems(portal: Portal) -> None:
    refused = {
        405: await portal.http.get("/api/v1/token"),
        404: await portal.http.get("/api/v1/nothing"),
        415: await portal.http.post("/api/v1/token", data="x", headers={"Content-Type": "text/plain"}),
        400: await portal.http.post("/api/v1/token", data="{", headers={"Content-Type": "application/json"}),
        413: await portal.http.post("/api/v1/token", json={"agency": "x" * 100_000}),
    }
    for status, answer in refused.items():
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        assert (await answer.json())["request_id"]


async def test_it_is_ready_with_its_database_and_a_key_that_others_know(portal: Portal, clock: FakeClock) -> None:
    # Verifiers read new keys every few seconds: signing before that would turn people away.
    assert set(await Readiness(ready_checks(portal.app)).missing()) == {"keys"}
    clock.advance(minutes=1)
    assert await Readiness(ready_checks(portal.app)).missing() == {}


async def test_it_is_not_ready_with_a_key_that_was_withdrawn(portal: Portal, town: Town, clock: FakeClock) -> None:
    clock.advance(minutes=1)
    assert not await Readiness(ready_checks(portal.app)).missing()
    ring, pool = portal.app[KEY_RING], portal.app[WORK].pool
    await ring.withdraw(pool, [portal.app[SIGNER].kid], clock())
    await ring.refresh(pool)
    assert set(await Readiness(ready_checks(portal.app)).missing()) == {"keys"}


async def test_it_goes_on_with_the_keys_that_its_files_hold(
    settings: PortalSettings, start: Callable[[PortalSettings], Awaitable[TestClient[Any, Any]]], tmp_path: Path
) -> None:
    signing, boxes = tmp_path / "signing_key.pem", tmp_path / "box_keys.txt"
    signing.write_text(settings.signing_key)
    boxes.write_text(settings.box_keys)
    client = await start(settings.model_copy(update={"signing_key_file": signing, "box_keys_file": boxes}))
    assert client.app is not None
    sealed = client.app[BOXES].seal(b"seed", owner=b"o")
    signing.write_text(new_signing_key() + settings.signing_key)
    boxes.write_text(f"{new_box_key()}\n{settings.box_keys}")
    async with asyncio.timeout(10):
        while len((await (await client.get("/.well-known/jwks.json")).json())["keys"]) < 2:
            await asyncio.sleep(0.05)
    assert client.app[BOXES].outdated(sealed)
    assert client.app[BOXES].open(sealed, owner=b"o") == b"seed"


async def test_without_redis_it_serves_and_keeps_its_events(
    settings: PortalSettings, log: Any, start: Callable[[PortalSettings], Awaitable[Any]], town: Town
) -> None:
    await town.own()
    away = {"redis_url": f"redis://{CLOSED}/0", "celery_broker_url": f"redis://{CLOSED}/1"}
    portal = Portal(await start(settings.model_copy(update=away)), log[0])
    assert (await portal.api("token", credentials_of())).status == 200
    town.clock.advance(minutes=1)
    assert await Readiness(ready_checks(portal.app)).missing() == {}
    waiting = await town.rows("select body from accounts.outbox where published_at is null")
    assert any("portal_session.started" in row["body"] for row in waiting)
    async with asyncio.timeout(10):
        while b"portico_outbox_failures_total 0.0" in portal.app[METRICS].text():
            await asyncio.sleep(0.05)


async def test_without_postgresql_it_asks_to_come_again(settings: PortalSettings, clock: FakeClock) -> None:
    url = f"postgresql://portico_portal:x@{CLOSED}/portico"
    away = settings.model_copy(update={"database_url": url, "relay_database_url": url})
    app = create_portal(away, clock=clock)
    client: TestClient[web.Request, web.Application] = TestClient(TestServer(app))
    async with client:
        answers = [
            await client.post("/api/v1/token", json=credentials_of()),
            await client.get("/riverside/", headers={"Accept": "text/html"}),
            await client.post("/riverside/sign-in", data={"username": "a", "password": "b"}, headers=FROM_OUR_PAGE),
        ]
        for answer in answers:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
        missing = await Readiness(ready_checks(app)).missing()
        assert set(missing) == {"database", "keys"}
        assert "portico_portal" not in repr(missing)


def test_everything_that_is_wrong_with_the_settings_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in PortalSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("SIGNING_KEY", "not-a-key-but-secret")
    monkeypatch.setenv("SEALING_PUBLIC_KEY", "short")
    monkeypatch.setenv("DATABASE_URL", "mysql://user:secret@host/db")
    with pytest.raises(SystemExit):
        PortalSettings.load()
    said = capsys.readouterr().err
    for name in ("PUBLIC_URL", "AUDIT_URL", "REDIS_URL", "SIGNING_KEY", "SEALING_PUBLIC_KEY", "DATABASE_URL", "PORT"):
        assert name in said
    assert "secret" not in said
