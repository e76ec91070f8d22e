"""Whose request was refused is found in the process's log."""

from __future__ import annotations

from uuid import uuid4

from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from shared.security.tokens import STAFF
from tests.security.doors import Street


async def test_a_refused_request_names_its_session_and_nobody(street: Street) -> None:
    token = await street.token(street.admin)
    [session] = await street.rows("select id from accounts.sessions")
    client = street.client.id
    with capture_logs(processors=[merge_contextvars]) as logs:
        assert (await street.admin.json("GET", "/api/v1/staff", token=token))[0] == 403
        assert (await street.admin.json("GET", f"/api/v1/clients/{uuid4()}", token=token))[0] == 404
        assert (await street.audit.json("GET", "/api/v1/security-log", token=token))[0] == 403
        assert (await street.admin.json("GET", "/api/v1/staff"))[0] == 401
    told = [(line["route"], line["status"], line.get("session_id")) for line in logs if line["event"] == "request"]
    sid = str(session["id"])
    assert told == [
        ("/api/v1/staff", 403, sid),
        ("/api/v1/clients/{id}", 404, sid),
        ("/api/v1/security-log", 403, sid),
        ("/api/v1/staff", 401, None),
    ]
    for secret in (token, "nextstep", str(client), STAFF):
        assert secret not in str(logs)
