"""The service as operators and integrators meet it: description, health, settings, publishing, sweeping."""

from __future__ import annotations

import asyncio
import base64
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from redis.asyncio import Redis

from services.admin.app import create_admin
from services.admin.keys import WORK
from services.admin.settings import AdminSettings
from shared.accounts import access
from shared.accounts_service import RELAY_POOL, ready_checks
from shared.deliveries.queue import URGENT_QUEUE
from shared.http.keys import METRICS
from shared.http.openapi import undocumented
from shared.http.readiness import Readiness
from shared.security.tokens import PUBLISHED_AHEAD
from shared.streams import STREAM
from tests.admin.conftest import Api, Browser, Start, Town
from tests.support.clock import FakeClock

CONTRACT = {
    "/api/v1/token": {"post"},
    "/api/v1/token/refresh": {"post"},
    "/api/v1/token/revoke": {"post"},
    "/api/v1/token/second-factor": {"post"},
    "/api/v1/token/second-factor/totp": {"post"},
    "/api/v1/token/second-factor/totp/confirm": {"post"},
    "/api/v1/second-factor": {"get"},
    "/api/v1/second-factor/totp": {"post"},
    "/api/v1/second-factor/totp/confirm": {"post"},
    "/api/v1/second-factor/totp/remove": {"post"},
    "/api/v1/second-factor/recovery-codes": {"post"},
    "/api/v1/second-factor/devices/{id}": {"delete"},
    "/api/v1/portal-logins/{id}/second-factor/reset": {"post"},
    "/api/v1/portal-logins/{id}/resend": {"post"},
    "/api/v1/staff/{id}/second-factor/reset": {"post"},
    "/api/v1/sign-in-rules": {"get", "patch"},
    "/api/v1/notices": {"get", "patch"},
    "/api/v1/email-wordings": {"get", "patch"},
    "/api/v1/email-wordings/test": {"post"},
    "/api/v1/sessions": {"get", "delete"},
    "/api/v1/sessions/{id}": {"delete"},
    "/api/v1/token/passkey/options": {"post"},
    "/api/v1/token/passkey": {"post"},
    "/api/v1/passkeys": {"get", "post"},
    "/api/v1/passkeys/options": {"post"},
    "/api/v1/passkeys/{id}": {"patch"},
    "/api/v1/passkeys/{id}/remove": {"post"},
    "/.well-known/jwks.json": {"get"},
    "/api/v1/clients/search": {"post"},
    "/api/v1/clients": {"post"},
    "/api/v1/clients/{id}": {"get", "patch"},
    "/api/v1/clients/{id}/portal-logins": {"post"},
    "/api/v1/portal-logins/{id}": {"get", "patch"},
    "/api/v1/portal-logins/{id}/deliveries": {"get"},
    "/api/v1/portal-logins/{id}/email-works": {"post"},
    "/api/v1/portal-logins/{id}/unlock": {"post"},
    "/api/v1/portal-logins/{id}/sign-out": {"post"},
    "/api/v1/password": {"post"},
    "/api/v1/password/forgot": {"post"},
    "/api/v1/password/reset": {"post"},
    "/api/v1/password/report": {"post"},
    "/api/v1/staff": {"get", "post"},
    "/api/v1/staff/{id}": {"get", "patch"},
    "/api/v1/staff/{id}/unlock": {"post"},
    "/api/v1/staff/{id}/sign-out": {"post"},
    "/api/v1/staff/{id}/deliveries": {"get"},
    "/api/v1/single-sign-on": {"get", "put", "delete"},
    "/api/v1/email-settings": {"get", "put"},
    "/api/v1/email-settings/test": {"post"},
}


async def test_the_description_matches_the_routes_in_both_directions(api: Api) -> None:
    assert undocumented(api.app) == []
    document = (await api.get("/openapi.json")).json
    assert document["openapi"].startswith("3.1")
    described = {path: {m for m in item if m != "parameters"} for path, item in document["paths"].items()}
    routed: dict[str, set[str]] = {}
    for route in api.app.router.routes():
        path = route.resource.canonical if route.resource else ""
        if path.startswith(("/api/", "/.well-known/")) and route.method != "HEAD":
            routed.setdefault(path, set()).add(route.method.lower())
    assert described == routed == CONTRACT


async def test_updates_take_an_if_match(api: Api) -> None:
    paths = (await api.get("/openapi.json")).json["paths"]
    for path in ("/api/v1/clients/{id}", "/api/v1/portal-logins/{id}", "/api/v1/staff/{id}"):
        assert "If-Match" in [p["name"] for p in paths[path]["patch"]["parameters"]]
        assert {"403", "404", "412", "422"} <= set(paths[path]["patch"]["responses"])


async def test_problems_are_problems_everywhere(api: Api, browser: Browser) -> None:
    for method, path, status in (
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/api/v1/clients", 405),
        ("GET", "/api/v1/token", 405),
    ):
        answer = await api.call(method, path)
        assert answer.status == status
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    page = await browser.get("nothing-here")
    assert page.status == 404
    assert "<h1>" in page.text
    for name in ("not-contracted", "portal-refused", "username-taken", "changed", "not-found"):
        assert (await api.get(f"/problems/{name}")).status == 200


async def test_a_defect_is_an_error_page_with_a_number_and_nothing_else(
    api: Api, browser: Browser, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("services.admin.use_cases.face_sheets.view", broken)
    page = await browser.get(f"clients/{town.client.id}")
    assert page.status == 500
    assert "secret detail" not in page.text
    assert page.headers["X-Request-ID"] in page.words
    answer = await api.get(f"clients/{town.client.id}")
    assert (answer.status, answer.json["type"]) == (500, "/problems/internal-error")


async def test_it_is_ready_with_the_database_and_its_key_alone(
    settings: AdminSettings, start: Start, town: Town, clock: FakeClock
) -> None:
    nowhere = {"redis_url": "redis://127.0.0.1:1/0", "celery_broker_url": "redis://127.0.0.1:1/1"}
    http = await start(settings.model_copy(update=nowhere))
    app = http.app
    assert app is not None
    assert set(await Readiness(ready_checks(app)).missing()) == {"keys"}, "others have to read the key first"
    clock.advance(seconds=PUBLISHED_AHEAD.total_seconds())
    assert await Readiness(ready_checks(app)).missing() == {}
    api = Api(http)
    await api.sign_in()
    assert (await api.login(town.client))["username"] == "cmalek"
    rows = await town.rows("select published_at from accounts.outbox")
    assert rows
    assert all(row["published_at"] is None for row in rows), "what cannot be published waits"


async def test_without_the_database_it_is_not_ready_and_answers_503(settings: AdminSettings, clock: FakeClock) -> None:
    nowhere = "postgresql://portico_admin:x@127.0.0.1:1/nothing"
    app = create_admin(
        settings.model_copy(update={"database_url": nowhere, "relay_database_url": nowhere}), clock=clock
    )
    async with TestClient(TestServer(app)) as http:
        missing = await Readiness(ready_checks(app)).missing()
        assert set(missing) == {"database", "keys"}
        answer = await http.post("/api/v1/token", json={"agency": "riverside", "username": "x", "password": "y"})
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        page = await http.get("/riverside/", headers={"Accept": "text/html"})
        assert page.status == 503
        assert "Please try again in a moment" in await page.text()


async def test_what_is_stored_is_published(api: Api, town: Town, redis_url: str, broker_url: str) -> None:
    await api.login(town.client)
    async with asyncio.timeout(10), Redis.from_url(redis_url) as redis, Redis.from_url(broker_url) as broker:
        while await town.rows("select 1 from accounts.outbox where published_at is null"):
            await asyncio.sleep(0.05)
        stream = [str(fields) for _, fields in await redis.xrange(STREAM) or []]
        queued = [str(item) for item in await broker.lrange(URGENT_QUEUE, 0, -1)]
    assert any("portal_login.created" in item for item in stream)
    (delivery,) = await town.rows("select id from mail.deliveries")
    assert len(queued) == 1
    assert base64.b64encode(f'[["{delivery["id"]}"]'.encode())[:40].decode() in queued[0]
    ((_, secret),) = await town.mailed()
    assert not any(text in item for text in (secret, "cmalek") for item in queued)
    assert not any(secret in item for item in stream)


async def test_sessions_that_nobody_ends_are_swept(api: Api, town: Town, clock: FakeClock) -> None:
    clock.advance(minutes=16)
    assert await access.end_overdue(api.app[RELAY_POOL], api.app[WORK], "staff") == 1
    assert (await town.events())[-1] == ("staff_session.ended", {"username": "nextstep", "reason": "idle"})
    assert await access.end_overdue(api.app[RELAY_POOL], api.app[WORK], "staff") == 0


async def test_metrics_name_routes_and_never_ids(api: Api, browser: Browser, town: Town) -> None:
    await api.get(f"clients/{town.client.id}")
    await browser.get(f"clients/{town.client.id}")
    text = api.app[METRICS].text().decode()
    assert 'route="/api/v1/clients/{id}"' in text
    assert 'route="/{slug}/clients/{id}"' in text
    assert str(town.client.id) not in text
    assert "portico_outbox_published_total" in text


async def test_logs_name_no_client(api: Api, browser: Browser, town: Town, capfd: pytest.CaptureFixture[str]) -> None:
    await api.post("clients/search", {"query": "Malek 03/07/1966"})
    await browser.get(f"clients/{town.client.id}")
    await browser.get(f"document-center/{town.client.id}/{await town.case_id()}/face-sheet-changes?changed_by=somebody")
    written = "".join(capfd.readouterr())
    assert "request" in written
    for secret in ("Malek", "malek", "1966", str(town.client.id), "somebody", api.token):
        assert secret not in written


def test_every_setting_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.admin"],
        env={"PATH": "", "SIGNING_KEY": "nonsense", "PORTAL_URL": "ftp://x"},
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 2
    for name in ("PORT", "PROBE_PORT", "DATABASE_URL", "RELAY_DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"):
        assert re.search(rf"^\s*{name} is not set", done.stderr, re.MULTILINE), name
    assert "SIGNING_KEY must be an Ed25519 private key" in done.stderr
    assert "PORTAL_URL must be a URL" in done.stderr
    assert "nonsense" not in done.stderr


async def test_two_replicas_share_their_sessions(settings: AdminSettings, start: Start, town: Town) -> None:
    first, second = Api(await start(settings)), Api(await start(settings))
    await first.sign_in()
    second.token = first.token
    assert (await second.get(f"clients/{town.client.id}")).status == 200
    await second.post("token/revoke")
    assert (await first.get(f"clients/{town.client.id}")).status == 401


async def test_unknown_methods_of_pages_are_told(http: Any, town: Town) -> None:
    response = await http.delete("/riverside/", headers={"Accept": "text/html", "Sec-Fetch-Site": "same-origin"})
    assert response.status == 405
