"""Keys change under a running product: nobody is signed out, no mail is lost, nothing is restarted."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compose.pages import Visitor
from tests.support import api, product
from tests.support.api import call
from tests.support.product import ROOT, TEMPORARY_PASSWORD, Product, eventually

pytestmark = pytest.mark.timeout(300)

OWN_PASSWORD = "nine paper boats on the pond"
SIGNING = ("admin", "portal", "notifier")


@pytest.fixture
def running(folder: Path) -> Iterator[Product]:
    scale = [word for service in SIGNING for word in ("--scale", f"{service}=2")]
    found = product.start(folder / "data", *scale)
    yield found
    product.stop(found)


def keys_command(stack: Product, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops", "keys", *arguments, "--data", str(stack.data)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=90)


def listed(stack: Product) -> dict[str, list[str]]:
    """States by group."""
    found: dict[str, list[str]] = {}
    for item in json.loads(keys_command(stack, "list", "--json").stdout)["items"]:
        found.setdefault(item["group"], []).append(item["state"])
    return found


def kids(url: str) -> set[str]:
    return {key["kid"] for key in call("GET", f"{url}/.well-known/jwks.json").body["keys"]}


class Program:
    """A client's program: when its access token is refused it gets another one, once."""

    def __init__(self, stack: Product, tokens: dict[str, Any]) -> None:
        self._stack = stack
        self.tokens = tokens
        self.exchanged = 0

    def look(self) -> None:
        url = self._stack.portal("api/v1/me")
        if call("GET", url, token=self.tokens["access_token"]).status == 401:
            body = {"refresh_token": self.tokens["refresh_token"]}
            answer = call("POST", self._stack.portal("api/v1/token/refresh"), body)
            assert answer.status == 200, answer
            self.tokens = answer.body
            self.exchanged += 1
            assert call("GET", url, token=self.tokens["access_token"]).status == 200


class Reader(threading.Thread):
    """Somebody who reads their activity over and over, while keys change."""

    def __init__(self, stack: Product, visitor: Visitor) -> None:
        super().__init__()
        self._url = stack.portal("riverside/activity")
        self._visitor = visitor
        self.stop = threading.Event()
        self.pages = 0
        self.trouble: list[str] = []

    def run(self) -> None:
        while not self.stop.wait(0.1):
            try:
                self._visitor.open(self._url)
            except OSError as error:
                self.trouble.append(str(error))
                continue
            self.pages += 1
            if "Profile Created" not in self._visitor.page or self._visitor.url != self._url:
                self.trouble.append(self._visitor.url)


def test_keys_change_and_a_client_stays_signed_in(running: Product) -> None:
    before = json.loads((running.data.parent / f"{running.data.name}-ready.json").read_text())["pids"]
    staff = api.staff_token(running)
    client_id = api.find_client(running, staff, "100001")

    def mailed(username: str, token: str) -> str:
        body = {"username": username, "email": f"{username}@example.com"}
        created = call("POST", running.admin(f"api/v1/clients/{client_id}/portal-logins"), body, token)
        assert created.status == 201, created
        return running.wait_for_mail(body["email"], TEMPORARY_PASSWORD)

    program = Program(running, api.first_sign_in(running, "first", mailed("first", staff), OWN_PASSWORD))
    visitor = Visitor()
    visitor.open(running.portal("riverside/"))
    visitor.send({"username": "first", "password": OWN_PASSWORD})
    api.activity_rows(running, program.tokens["access_token"], at_least=3)
    reader = Reader(running, visitor)
    reader.start()
    try:
        # The next key is shown ahead, and nothing else changes.
        shown = {url: kids(url) for url in (running.ready["admin_url"], running.ready["portal_url"])}
        done = keys_command(running, "rotate")
        assert done.returncode == 0, done
        assert {url: len(eventually(lambda url=url: kids(url) - shown[url])) for url in shown} == dict.fromkeys(
            shown, 1
        )
        found = listed(running)
        assert [found[name][:2] for name in SIGNING] == [["next", "current"]] * len(SIGNING)
        program.look()
        assert program.exchanged == 0
        mailed("second", staff)

        # The keys before are taken back: programs get new tokens, pages go on.
        done = keys_command(running, "rotate", "--now")
        assert done.returncode == 0, done
        eventually(lambda: not any(kids(url) & shown[url] for url in shown))
        program.look()
        assert program.exchanged == 1
        mailed("third", api.staff_token(running))
        assert api.activity_rows(running, program.tokens["access_token"], at_least=3)
    finally:
        reader.stop.set()
        reader.join(30)
    assert reader.trouble == []
    assert reader.pages > 20
    assert {name: states[0] for name, states in listed(running).items()} == dict.fromkeys(listed(running), "current")

    # The same processes as before, and the logs say who did it.
    ready = json.loads((running.data.parent / f"{running.data.name}-ready.json").read_text())
    assert ready["pids"] == before
    assert "keys read again" in (running.data / "logs" / "portal-2.log").read_text()
    for log in (running.data / "logs").glob("*.log"):
        assert "PRIVATE KEY" not in log.read_text(errors="replace"), log.name
