"""The JSON APIs of the running product, as a program calls them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.support.product import TEMPORARY_PASSWORD, Product, eventually


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and the parsed body."""

    status: int
    headers: dict[str, str]
    body: Any
    raw: bytes


def call(method: str, url: str, body: Any = None, token: str | None = None, **headers: str) -> Answer:
    """One request."""
    sent = {"Accept": "application/json", **headers}
    data = None
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    if token:
        sent["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data=data, method=method, headers=sent)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return _answer(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, dict(error.headers), error.read())


def _answer(status: int, headers: dict[str, str], raw: bytes) -> Answer:
    is_json = "json" in headers.get("Content-Type", "")
    return Answer(status, headers, json.loads(raw) if raw and is_json else None, raw)


def staff_token(stack: Product, username: str = "nextstep", agency: str = "riverside") -> str:
    """A staff user's access token."""
    body = {"agency": agency, "username": username, "password": stack.password(agency, username)}
    answer = call("POST", stack.admin("api/v1/token"), body)
    assert answer.status == 200, answer
    return str(answer.body["access_token"])


def find_client(stack: Product, token: str, query: str) -> str:
    """The id of the first client that a search finds."""
    answer = call("POST", stack.admin("api/v1/clients/search"), {"query": query}, token)
    assert answer.status == 200, answer
    return str(answer.body["items"][0]["id"])


def temporary_password(stack: Product, address: str, *, count: int = 1) -> str:
    """The temporary password in the newest mail to an address."""
    return stack.wait_for_mail(address, TEMPORARY_PASSWORD, count=count)


def first_sign_in(stack: Product, username: str, temporary: str, own: str, agency: str = "riverside") -> dict[str, Any]:
    """Sign in with the temporary password, choose one's own; answers the tokens."""
    body = {"agency": agency, "username": username, "password": temporary}
    required = call("POST", stack.portal("api/v1/token"), body)
    assert required.status == 200, required
    assert required.body["password_change_required"] is True
    chosen = call(
        "POST",
        stack.portal("api/v1/password"),
        {"password_change_token": required.body["password_change_token"], "new_password": own},
    )
    assert chosen.status == 200, chosen
    tokens: dict[str, Any] = chosen.body
    return tokens


def activity_rows(stack: Product, token: str, *, at_least: int) -> list[tuple[str, str]]:
    """Action and description of the log's rows, once there are enough."""

    def look() -> list[tuple[str, str]] | None:
        answer = call("GET", f"{stack.ready['audit_url']}/api/v1/activity?limit=200", token=token)
        assert answer.status == 200, answer
        rows = [(item["action"], item["description"]) for item in answer.body["items"]]
        return rows if len(rows) >= at_least else None

    rows: list[tuple[str, str]] = eventually(look)
    return rows
