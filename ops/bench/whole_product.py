"""The whole product as `portico up --demo` runs it, on data that is thrown away, and a little use of its APIs."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

import ops
from ops.problems import Problem
from ops.stack import ports
from ops.stack.account import server_account
from ops.stack.placement import temporary_folder
from ops.stack.process import Command, Process, last_lines
from ops.stack.watchdog import Watchdog

_AGENCY: Final = "riverside"
_STAFF: Final = "nextstep"
_READY_SECONDS: Final = 120.0
_LOOK_AGAIN: Final = 0.1
_ROOT: Final = Path(ops.__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Product:
    """A running product: what its ready file says, the data folder, and the process that runs it all."""

    told: Mapping[str, Any]
    data: Path
    pid: int


@asynccontextmanager
async def product() -> AsyncIterator[Product]:
    """Start it and wait until it is ready; stop it at the end. Raises Problem."""
    folder = temporary_folder(server_account())
    with Watchdog() as watchdog:
        watchdog.discard(folder)
        process = Process(_command(folder, _free_base()), watchdog)
        try:
            told = await _ready(process, folder / "ready.json")
            yield Product(told, folder / "data", process.pid)
        finally:
            await process.stop()
            shutil.rmtree(folder, ignore_errors=True)


def _command(folder: Path, base: int) -> Command:
    ready, data = str(folder / "ready.json"), str(folder / "data")
    up = ("up", "--demo", "--data", data, "--port-base", str(base), "--ready-file", ready)
    return Command(
        name="portico up",
        argv=(sys.executable, "-m", "ops", *up),
        # Nothing of ours: no DATABASE_URL may lead to a real server.
        environment={"PATH": os.defpath},
        folder=_ROOT,
        log=folder / "up.log",
        stop=((signal.SIGTERM, 60.0), (signal.SIGKILL, 5.0)),
    )


def _free_base() -> int:
    """A base well away from that of a demo, below the ports that the system hands out by itself."""
    for base in range(20_000 + ports.free_port() % 1_000 * 10, 32_000, 10):
        try:
            ports.reserve(base, mailbox=True, say=lambda _: None).close()
        except Problem:
            continue
        return base
    raise Problem("No free ports were found for a whole product.")


async def _ready(process: Process, file: Path) -> Mapping[str, Any]:
    async with asyncio.timeout(_READY_SECONDS):
        while (told := _told(file)) is None:
            if not process.running:
                raise Problem(f"`portico up` ended: {' '.join(last_lines(process.command.log, 3))}")
            await asyncio.sleep(_LOOK_AGAIN)
    return told


def _told(file: Path) -> Mapping[str, Any] | None:
    """What the ready file says; None before it is there."""
    if not file.exists():
        return None
    found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


@dataclass(slots=True)
class Visitor:
    """Staff at work over the API: changes face sheets and reads both logs, a few times a second."""

    product: Product
    http: aiohttp.ClientSession
    answered: int = 0
    refused: int = 0
    _token: str = ""
    _clients: list[str] = field(default_factory=list)

    async def work(self, pause: float) -> None:
        """Until cancelled."""
        await self._sign_in()
        self._clients = await self._find()
        for number in itertools.count():
            client = self._clients[number % len(self._clients)]
            fields = {"dynamic_fields": {"current_residence": {"Street": f"{number} Elm St"}}}
            await self._ask("PATCH", f"{self.product.told['admin_url']}/api/v1/clients/{client}", fields)
            for log in ("changes", "activity"):
                await self._ask("GET", f"{self.product.told['audit_url']}/api/v1/{log}?client_id={client}")
            await asyncio.sleep(pause)

    async def _sign_in(self) -> None:
        [agency] = [a for a in self.product.told["agencies"] if a["slug"] == _AGENCY]
        [staff] = [s for s in agency["staff"] if s["username"] == _STAFF]
        body = {"agency": _AGENCY, "username": _STAFF, "password": staff["password"]}
        async with self.http.post(f"{self.product.told['admin_url']}/api/v1/token", json=body) as answer:
            answer.raise_for_status()
            self._token = (await answer.json())["access_token"]

    async def _find(self) -> list[str]:
        url = f"{self.product.told['admin_url']}/api/v1/clients/search"
        async with self.http.post(url, json={"query": "1", "limit": 100}, headers=self._headers()) as answer:
            answer.raise_for_status()
            return [item["id"] for item in (await answer.json())["items"]]

    async def _ask(self, method: str, url: str, body: object = None) -> None:
        async with self.http.request(method, url, json=body, headers=self._headers()) as answer:
            await answer.read()
        self.answered += 1
        if answer.status == 401:
            # Access tokens live for five minutes.
            await self._sign_in()
        elif answer.status >= 400:
            self.refused += 1

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}
