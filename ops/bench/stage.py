"""What is measured on: real servers with durable settings, databases of their own, and processes with a barrier."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from rich.progress import Progress, TaskID

from ops.migrate import migrate_all
from ops.problems import Problem
from ops.stack.account import server_account
from ops.stack.environment import role_url
from ops.stack.placement import temporary_folder
from ops.stack.postgres import EmbeddedPostgres
from ops.stack.process import last_lines
from ops.stack.secrets import Secrets
from ops.stack.valkey import EmbeddedValkey
from ops.stack.watchdog import Watchdog
from shared.db import Connection

_LONGEST_LINE = 1 << 24
_ANSWER_SECONDS = 600.0
_END_SECONDS = 10.0
_TEMPLATE = "bench_template"


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured. ``rate`` is in events a second; the other numbers are events, rows and repetitions."""

    events: int = 30_000
    rows: int = 1_000_000
    small_rows: int = 100_000
    rate: int = 500
    seconds: int = 20
    rounds: int = 3
    repeats: int = 300
    connections: int = 32
    mails: int = 1_000
    explain: bool = False


class Database:
    """One database. ``url`` is its owner's."""

    def __init__(self, url: str, passwords: Mapping[str, str]) -> None:
        self.url = url
        self._passwords = passwords

    def url_of(self, role: str) -> str:
        """As the role ``portico_<role>`` sees it."""
        return role_url(self.url, role, self._passwords[role])

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[Connection]:
        """A connection of the owner, on which nothing is too slow."""
        conn = await asyncpg.connect(self.url)
        try:
            yield conn
        finally:
            await conn.close()


class Child:
    """A process that takes part in a measurement, and the talk with it."""

    def __init__(self, module: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self._module = module
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def tell(self, **what: object) -> None:
        """One line to it."""
        pipe = self._process.stdin
        if pipe is None:
            raise RuntimeError("a child without a pipe")
        with contextlib.suppress(ConnectionError):
            pipe.write(json.dumps(what).encode() + b"\n")
            await pipe.drain()

    async def hear(self) -> Mapping[str, Any]:
        """The next line from it. Raises Problem when it has ended, or says nothing for ten minutes."""
        pipe = self._process.stdout
        if pipe is None:
            raise RuntimeError("a child without a pipe")
        async with asyncio.timeout(_ANSWER_SECONDS):
            line = await pipe.readline()
        if not line:
            said = " ".join(last_lines(self._log, 3)) or "it wrote nothing"
            raise Problem(f"The process {self._module} ended before it had measured anything: {said}")
        found: Mapping[str, Any] = json.loads(line)
        return found

    async def end(self) -> None:
        """Close the talk, upon which it ends; by force when it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


async def start_together(children: Sequence[Child]) -> None:
    """Wait until all are ready, then let them go at once. Raises Problem."""
    await asyncio.gather(*(child.hear() for child in children))
    await asyncio.gather(*(child.tell(go=True) for child in children))


class Stage:
    """Servers that are thrown away, and what a part needs besides. Open it with :func:`stage`."""

    def __init__(
        self, postgres: EmbeddedPostgres, valkey: EmbeddedValkey, folder: Path, watchdog: Watchdog, progress: Progress
    ) -> None:
        self.postgres = postgres
        self.valkey = valkey
        self.folder = folder
        self.watchdog = watchdog
        self._progress = progress
        self.secrets = Secrets.of(folder)
        self._migrated = False
        self._children = 0

    def steps(self, what: str, total: int) -> AbstractAsyncContextManager[Steps]:
        """A progress bar of ``total`` steps."""
        return steps(self._progress, what, total)

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[Database]:
        """A fresh database with everything migrated, dropped afterwards."""
        if not self._migrated:
            await self._prepare()
        await self._execute(f"create database {name} template {_TEMPLATE}")
        try:
            yield Database(self.postgres.url_of(name), self.secrets.database_passwords)
        finally:
            await self._execute(f"drop database if exists {name} with (force)")

    def child(self, module: str, **told: object) -> AbstractAsyncContextManager[Child]:
        """``python -m module``, told what to do."""
        self._children += 1
        return child_process(self.folder / f"{module.rpartition('.')[2]}-{self._children}.log", module, **told)

    async def _prepare(self) -> None:
        await self._execute(f"create database {_TEMPLATE}")
        roles = self.secrets.database_passwords.items()
        passwords = {f"{role.upper()}_DB_PASSWORD": password for role, password in roles}
        await migrate_all({"DATABASE_URL": self.postgres.url_of(_TEMPLATE)} | passwords)
        self._migrated = True

    async def _execute(self, statement: str) -> None:
        conn = await asyncpg.connect(self.postgres.url)
        try:
            await conn.execute(statement)
        finally:
            await conn.close()


@asynccontextmanager
async def child_process(log: Path, module: str, **told: object) -> AsyncIterator[Child]:
    """``python -m module``, told what to do by its standard input: nothing secret is in its arguments."""
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
            limit=_LONGEST_LINE,
        )
    child = Child(module, process, log)
    try:
        await child.tell(**told)
        yield child
    finally:
        await child.end()


class Steps:
    """A progress bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def done(self, count: float = 1) -> None:
        """So many more steps are done."""
        self._progress.advance(self._task, count)


@asynccontextmanager
async def steps(progress: Progress, what: str, total: int) -> AsyncIterator[Steps]:
    """A progress bar of ``total`` steps, full at the end."""
    task = progress.add_task(what, total=total)
    yield Steps(progress, task)
    progress.update(task, completed=total)


@asynccontextmanager
async def stage(progress: Progress) -> AsyncIterator[Stage]:
    """Both servers, as an installation runs them: what they acknowledge is durable."""
    async with AsyncExitStack() as stack:
        folder = temporary_folder(server_account())
        watchdog = stack.enter_context(Watchdog())
        watchdog.discard(folder)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = await stack.enter_async_context(EmbeddedPostgres(watchdog=watchdog))
        valkey = await stack.enter_async_context(EmbeddedValkey(watchdog=watchdog))
        yield Stage(postgres, valkey, folder, watchdog, progress)
