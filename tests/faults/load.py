"""A load over HTTP that never stops on errors, and a source that appends events by the thousand."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from shared.actors import system
from shared.clock import system_clock
from shared.db import Pool
from shared.events import Subject
from shared.events.catalogue import FaceSheetViewed
from shared.outbox import Work
from tests.faults.rig import AGENCY, STAFF, Rig
from tests.support.waiting import soon

_BLOCK, _ENTRY = "current_residence", "Street"
_BULK_BATCH = 1000
_AT_ONCE = 48
_ANSWER_WITHIN = aiohttp.ClientTimeout(total=6)
_TROUBLE = (aiohttp.ClientError, OSError, TimeoutError)


@dataclass(slots=True)
class Sent:
    """One request. ``value`` is unique; without a 2xx it may or may not have happened."""

    kind: str
    value: str
    status: int | None = None
    answered: float | None = None
    cut_off: bool = False

    @property
    def acknowledged(self) -> bool:
        """Whether the client was told that it is done."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(slots=True)
class Load:
    """What was asked of the API, and what it said. ``mark`` begins every value and address of this load."""

    rig: Rig
    rate: float
    mails: float
    mark: str = field(default_factory=lambda: f"f{uuid4().hex[:8]}")
    sent: list[Sent] = field(default_factory=list)
    _clients: list[str] = field(default_factory=list)
    _token: str = ""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def acknowledged(self) -> list[Sent]:
        """Requests that were answered with 2xx."""
        return [sent for sent in self.sent if sent.acknowledged]

    @property
    def failed(self) -> list[Sent]:
        """Requests that were not, as far as they are over."""
        return [sent for sent in self.sent if sent.answered is not None and not sent.acknowledged]

    def address(self, value: str) -> str:
        """Where the mail of a login goes."""
        return f"{value}@mail.example.org"

    async def flows(self, more: int = 15, seconds: float = 30) -> None:
        """Wait until ``more`` requests were acknowledged from now on."""
        until = len(self.acknowledged) + more

        async def enough() -> bool:
            return len(self.acknowledged) >= until

        await soon(enough, seconds)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep asking; at the end everything that was asked is waited for."""
        # A connection each: a request that fails is followed by one that may reach another replica.
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=_ANSWER_WITHIN) as http:
            await self._begin(http)
            tasks = [
                asyncio.create_task(self._keep_asking(http, self._change, self.rate)),
                asyncio.create_task(self._keep_asking(http, self._add_login, self.mails)),
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self, http: aiohttp.ClientSession) -> None:
        await self._sign_in(http)
        url = f"{self.rig.admin_url}/api/v1/clients/search"
        async with http.post(url, json={"query": "1", "limit": 100}, headers=self._headers()) as answer:
            found: dict[str, Any] = await answer.json()
        self._clients = [item["id"] for item in found["items"]]
        if not self._clients:
            raise LookupError(f"no clients to work with: {found}")

    async def _sign_in(self, http: aiohttp.ClientSession) -> None:
        body = {"agency": AGENCY, "username": STAFF, "password": self.rig.password}
        async with http.post(f"{self.rig.admin_url}/api/v1/token", json=body) as answer:
            answer.raise_for_status()
            self._token = (await answer.json())["access_token"]

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}

    async def _keep_asking(
        self, http: aiohttp.ClientSession, ask: Callable[[aiohttp.ClientSession, Sent], Any], rate: float
    ) -> None:
        """Ask at ``rate`` a second whatever the answers are, with a limit to what is open at once."""
        turns = asyncio.Semaphore(_AT_ONCE)
        open_now: set[asyncio.Task[None]] = set()

        async def one() -> None:
            sent = Sent(ask.__name__, f"{self.mark}n{next(self._numbers)}")
            self.sent.append(sent)
            try:
                await ask(http, sent)
            except _TROUBLE as error:
                sent.answered = time.time()
                # Without a connection nothing can have happened.
                sent.cut_off = not isinstance(error, aiohttp.ClientConnectorError)
            finally:
                turns.release()

        due = time.monotonic()
        try:
            while rate > 0:
                await turns.acquire()
                task = asyncio.create_task(one())
                open_now.add(task)
                task.add_done_callback(open_now.discard)
                # What was missed while all turns were taken is not made up for.
                due = max(due + 1 / rate, time.monotonic())
                await asyncio.sleep(due - time.monotonic())
        finally:
            await asyncio.gather(*open_now)

    async def _change(self, http: aiohttp.ClientSession, sent: Sent) -> None:
        client = self._clients[hash(sent.value) % len(self._clients)]
        body = {"dynamic_fields": {_BLOCK: {_ENTRY: sent.value}}}
        await self._ask(http, sent, "PATCH", f"/api/v1/clients/{client}", body)

    async def _add_login(self, http: aiohttp.ClientSession, sent: Sent) -> None:
        client = self._clients[hash(sent.value) % len(self._clients)]
        body = {"username": sent.value, "email": self.address(sent.value)}
        await self._ask(http, sent, "POST", f"/api/v1/clients/{client}/portal-logins", body)

    async def _ask(self, http: aiohttp.ClientSession, sent: Sent, method: str, path: str, body: object) -> None:
        async with http.request(method, f"{self.rig.admin_url}{path}", json=body, headers=self._headers()) as answer:
            await answer.read()
        sent.status, sent.answered = answer.status, time.time()
        if answer.status == 401 and not self._renewing.locked():
            # Access tokens live for five minutes, long rounds longer.
            async with self._renewing:
                with contextlib.suppress(*_TROUBLE):
                    await self._sign_in(http)


class Bulk:
    """Appends events with the product's own outbox, as the admin service's role. Nobody's relay is woken by it."""

    def __init__(self, work: Work, agency_id: UUID) -> None:
        self.work = work
        self.actor = system(agency_id, "faults")

    async def append(self, count: int) -> None:
        """Commit that many events."""
        for start in range(0, count, _BULK_BATCH):
            batch = min(_BULK_BATCH, count - start)
            async with self.work.transaction(self.actor) as tx:
                await tx.append_all([(FaceSheetViewed(), Subject(client_id=uuid4()))] * batch)


@asynccontextmanager
async def bulk(rig: Rig) -> AsyncIterator[Bulk]:
    """A source of events beside the API."""
    # Unlike the services' own, its transactions may take as long as a fault wants them to.
    patience = {"idle_in_transaction_session_timeout": "0"}
    url = rig.environment.database_url("admin")
    pool = await Pool.open(url, size=2, command_timeout=60, server_settings=patience)
    try:
        yield Bulk(Work(pool, system_clock, table="accounts.outbox"), rig.agency_id)
    finally:
        await pool.close()
