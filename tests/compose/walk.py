"""The account's story through the gateway: from the staff's search to the client's own log."""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Any, TypeVar

from tests.compose.stack import ComposeStack

T = TypeVar("T")

AGENCY = "riverside"
OWN_PASSWORD = "three paper boats in a row"
ARRIVES_WITHIN = 60.0

_PASSWORD_LINE = re.compile(r"^Temporary password:\s+(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a service or of the gateway."""

    status: int
    headers: Message
    text: str

    @property
    def document(self) -> Any:
        """The JSON in it."""
        return json.loads(self.text)


def ask(url: str, document: Any = None, *, token: str | None = None, accept: str = "application/json") -> Answer:
    """GET, or POST with a JSON document; answers of every status are returned."""
    headers = {"Accept": accept}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    data = None
    if document is not None:
        headers["Content-Type"] = "application/json"
        data = json.dumps(document).encode()
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Answer(answer.status, answer.headers, answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read().decode())


def eventually(look: Callable[[], T | None], what: str) -> T:
    """What ``look`` finds; raises AssertionError when it has found nothing for a minute."""
    deadline = time.monotonic() + ARRIVES_WITHIN
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"{what}: not within {ARRIVES_WITHIN:.0f} s"
        time.sleep(0.5)
    return found


@contextmanager
def steady_requests(url: str) -> Iterator[list[int]]:
    """Posts to an address without a pause while the context is open; gives the statuses of the answers."""
    statuses: list[int] = []
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            statuses.append(ask(url, {}, token="none").status)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def walk(stack: ComposeStack, *, username: str | None = None) -> list[str]:
    """Create a login, take its e-mail, sign in, choose a password; returns the actions of the login's own log."""
    username = username or f"walker-{secrets.token_hex(4)}"
    address = f"{username}@example.com"
    staff = _staff_token(stack)
    client_id = _find_client(stack, staff)
    made = ask(
        f"{stack.staff}/api/v1/clients/{client_id}/portal-logins", {"username": username, "email": address}, token=staff
    )
    assert made.status == 201, made.text
    client = _choose_password(stack, username, _mailed_password(stack, address))

    def all_actions() -> list[str] | None:
        actions = [item["action"] for item in _items(stack, "activity", client)]
        return actions if {"Profile Created", "Reset Password", "Login"} <= set(actions) else None

    def in_change_log() -> bool | None:
        changes = _items(stack, f"changes?client_id={client_id}", staff)
        return True if any(change["description"] == "Added a new portal login" for change in changes) else None

    eventually(in_change_log, "the staff's change log")
    return eventually(all_actions, "the client's action log")


def _staff_token(stack: ComposeStack) -> str:
    password = stack.sample_passwords()[f"{AGENCY}/nextstep"]
    given = ask(f"{stack.staff}/api/v1/token", {"agency": AGENCY, "username": "nextstep", "password": password})
    assert given.status == 200, given.text
    return str(given.document["access_token"])


def _find_client(stack: ComposeStack, staff: str) -> str:
    found = ask(f"{stack.staff}/api/v1/clients/search", {"query": "Malek"}, token=staff)
    assert found.status == 200, found.text
    return str(found.document["items"][0]["id"])


def _mailed_password(stack: ComposeStack, address: str) -> str:
    url = f"{stack.mailbox}/api/messages?to={urllib.parse.quote(address)}"
    mails = eventually(lambda: ask(url).document["items"] or None, "the e-mail")
    assert len(mails) == 1
    found = _PASSWORD_LINE.search(mails[0]["text"])
    assert found, mails[0]["text"]
    return found[1]


def _choose_password(stack: ComposeStack, username: str, temporary: str) -> str:
    signing_in = {"agency": AGENCY, "username": username, "password": temporary}
    asked = ask(f"{stack.portal}/api/v1/token", signing_in)
    assert asked.status == 200, asked.text
    assert asked.document["password_change_required"] is True
    choosing = {"password_change_token": asked.document["password_change_token"], "new_password": OWN_PASSWORD}
    chosen = ask(f"{stack.portal}/api/v1/password", choosing)
    assert chosen.status == 200, chosen.text
    assert ask(f"{stack.portal}/api/v1/token", signing_in).status == 401, "the temporary password is dead"
    return str(chosen.document["access_token"])


def _items(stack: ComposeStack, path: str, token: str) -> list[dict[str, Any]]:
    answer = ask(f"{stack.audit}/api/v1/{path}", token=token)
    assert answer.status == 200, answer.text
    items: list[dict[str, Any]] = answer.document["items"]
    return items
