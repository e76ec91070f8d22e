"""`portico up --demo`: the whole product as processes of this machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest

from ops.stack import environment
from ops.stack.postgres import EmbeddedPostgres
from ops.stack.valkey import EmbeddedValkey
from tests.stack.conftest import is_gone, until

SERVICES = ("admin", "portal", "audit", "notifier", "mailbox", "postgres", "valkey")
SETTINGS = ("DATABASE_URL", "AUDIT_DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SMTP_URL", "SMTP_SECURITY")

pytestmark = pytest.mark.timeout(300)


class Portico:
    """One `portico up`, its ready file and what it says."""

    def __init__(self, folder: Path, base: int, *options: str, demo: bool = True) -> None:
        self.data = folder / "data"
        self.ready_file = folder / "ready.json"
        self.output = folder / "output"
        self._command = [sys.executable, "-m", "ops", "up", "--data", str(self.data), "--port-base", str(base)]
        self._command += ["--ready-file", str(self.ready_file), *(["--demo"] if demo else []), *options]

    def launch(self, **settings: str) -> None:
        """Start it."""
        inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        with self.output.open("a") as output:
            self.process = subprocess.Popen(self._command, env=inherited | settings, stdout=output, stderr=output)

    def start(self, **settings: str) -> dict[str, Any]:
        """Start it, wait until it is ready, and read where everything is."""
        self.launch(**settings)
        until(lambda: self.ready_file.exists() or self.process.poll() is not None, seconds=120)
        assert self.ready_file.exists(), self.said()
        return self.ready()

    def ready(self) -> dict[str, Any]:
        """What the ready file says now."""
        found: dict[str, Any] = json.loads(self.ready_file.read_text())
        return found

    def said(self) -> str:
        """Everything on the console so far."""
        return self.output.read_text()

    def family(self) -> list[int]:
        """Every process of the stack."""
        return [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]

    def run(self, *command: str) -> Any:
        """What one of the operators' commands says in JSON."""
        told = [sys.executable, "-m", "ops", *command, "--json", "--data", str(self.data)]
        return json.loads(subprocess.run(told, capture_output=True, check=False, timeout=60).stdout)

    def stop(self) -> int:
        """Ask it to stop, and get its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def portico(folder: Path, base: int) -> Iterator[Portico]:
    found = Portico(folder, base, "--scale", "audit=2")
    yield found
    if found.process.poll() is None:
        found.process.terminate()
        found.process.wait(60)


def answer(url: str, body: dict[str, str] | None = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, content, {"Content-Type": "application/json"}), timeout=10) as response:
        return json.loads(response.read())


def sign_in(ready: dict[str, Any]) -> str:
    agency = next(agency for agency in ready["agencies"] if agency["slug"] == "riverside")
    staff = next(member for member in agency["staff"] if member["username"] == "nextstep")
    credentials = {"agency": "riverside", "username": staff["username"], "password": staff["password"]}
    return str(answer(f"{ready['admin_url']}/api/v1/token", credentials)["access_token"])


def test_the_whole_life_of_a_stack(portico: Portico, base: int) -> None:
    ready = portico.start()
    family = portico.family()

    # Where everything is.
    assert ready["admin_url"] == f"http://localhost:{base + 1}"
    assert ready["portal_url"] == f"http://localhost:{base + 2}"
    assert ready["audit_url"] == f"http://localhost:{base + 3}"
    assert ready["mailbox_url"] == f"http://localhost:{base + 5}"
    assert {service: len(pids) for service, pids in ready["pids"].items()} == dict.fromkeys(SERVICES, 1) | {"audit": 2}
    assert {service: len(urls) for service, urls in ready["probes"].items()} == {
        "admin": 1,
        "portal": 1,
        "notifier": 1,
        "audit": 2,
    }
    assert {agency["slug"] for agency in ready["agencies"]} == {"riverside", "lakeside", "hillcrest"}
    assert portico.ready_file.stat().st_mode & 0o777 == 0o600
    for probe in (url for urls in ready["probes"].values() for url in urls):
        with urlopen(f"{probe}/readyz", timeout=5) as response:
            assert response.status == 200
    assert answer(f"{ready['mailbox_url']}/api/messages") == {"items": []}
    assert sign_in(ready)
    assert environment.load(portico.data)["DATABASE_URL"].startswith("postgresql://portico_admin:")
    # The ready file is there a moment before the table is printed.
    assert until(lambda: "Ctrl-C" in portico.said())
    said = portico.said()
    for expected in (ready["mailbox_url"], f"{ready['portal_url']}/riverside/", f"{ready['admin_url']}/riverside/"):
        assert expected in said

    # Operators' commands find it by its folder.
    assert until(lambda: portico.run("status")["state"] == "ok", seconds=40)
    assert portico.run("dead-letters", "list")["items"] == []

    # No secret is readable in the process list.
    secret = ready["database_url"].partition("://")[2].partition("@")[0].partition(":")[2]
    for pid in family:
        assert secret not in " ".join(psutil.Process(pid).cmdline())

    # A service that dies comes back, under another number.
    (first,) = ready["pids"]["admin"]
    os.kill(first, signal.SIGKILL)
    assert until(lambda: portico.ready()["pids"]["admin"] not in ([], [first]), seconds=40)
    assert "admin-1 was killed by SIGKILL; it is started again in 0.5 s." in portico.said()
    assert sign_in(portico.ready())

    # A second one on the same data is told so, and harms nothing.
    second = subprocess.run(portico._command, capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 2
    assert f"is in use by another `portico up` (process {portico.process.pid})" in second.stderr
    assert portico.ready_file.exists()

    # The end leaves nothing.
    family = portico.family()
    assert portico.stop() == 0
    assert all(map(is_gone, family))
    assert not portico.ready_file.exists()
    assert not (portico.data / "environment.json").exists()

    # A second start keeps the data and the passwords; a kill leaves nothing either.
    again = portico.start()
    assert again["agencies"] == ready["agencies"]
    assert sign_in(again)
    family = portico.family()
    portico.process.kill()
    portico.process.wait()
    assert until(lambda: all(map(is_gone, family)), seconds=60)


async def test_real_servers_are_used_when_they_are_named(folder: Path, base: int) -> None:
    portico = Portico(folder, base, demo=False)
    async with EmbeddedPostgres(durable=False) as postgres, EmbeddedValkey(durable=False) as valkey:
        named = {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url, "SMTP_URL": "smtp://user:word@127.0.0.1:2525"}
        ready = await asyncio.to_thread(portico.start, **named)
        try:
            assert set(ready["pids"]) == {"admin", "portal", "audit", "notifier"}
            assert ready["database_url"] == postgres.url
            assert ready["redis_url"] == valkey.url
            assert (ready["mailbox_url"], ready["smtp"], ready["agencies"]) == (None, "smtp://127.0.0.1:2525", [])
            # The ready file is there a moment before the table is printed.
            assert await asyncio.to_thread(until, lambda: "Client portal" in portico.said())
            assert not (portico.data / "postgres").exists()
        finally:
            assert await asyncio.to_thread(portico.stop) == 0


def test_nothing_is_left_when_it_is_stopped_before_it_is_ready(portico: Portico) -> None:
    portico.launch()
    assert until(lambda: "Starting postgres" in portico.said(), seconds=60)
    time.sleep(0.3)
    family = portico.family()
    assert portico.stop() == 0
    assert all(map(is_gone, family))
    assert not portico.ready_file.exists()
    assert "Traceback" not in portico.said()
