"""What the embedded servers have in common: a folder, an account, a free port, and an orderly end."""

from __future__ import annotations

import asyncio
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from ops.problems import Problem
from ops.stack.account import Account, owner_name, server_account
from ops.stack.leftover import stop_leftover
from ops.stack.placement import temporary_folder
from ops.stack.ports import free_port
from ops.stack.process import Command, Process, StopPlan, describe_end, last_lines, size_of
from ops.stack.watchdog import Watchdog

_READY_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.05
_PORT_TRIES = 5
_PORT_TAKEN = "Address already in use"


class EmbeddedServer(ABC):
    """A server process of our own on a free loopback port.

    As an async context manager it starts the server, and stops it at the end - even when this process is killed.
    Without ``folder`` the data is thrown away then. ``account`` runs the server and must be able to reach ``folder``.
    After a first start the port stays the same, so that the server can be started again under its clients.
    """

    service: ClassVar[str]
    title: ClassVar[str]
    stop_plan: ClassVar[StopPlan]
    rank: ClassVar[int]
    lacking: ClassVar[str] = "it does not answer"

    def __init__(
        self,
        folder: Path | None,
        *,
        log: Path | None = None,
        account: Account | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self.name = self.service
        self.account = account or server_account()
        self.port = 0
        self._given_folder = folder
        self._temporary: Path | None = None
        self._log = log
        self._watchdog = watchdog
        self._own_watchdog: Watchdog | None = None
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        if self._watchdog is None:
            self._watchdog = self._own_watchdog = Watchdog().__enter__()
        try:
            await self.start()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    @property
    def folder(self) -> Path:
        """The folder that holds the server's data, known once it was started."""
        if self._given_folder is None:
            raise RuntimeError(f"{self.title} was not started yet")
        return self._given_folder

    @property
    def log(self) -> Path:
        """The file that takes the server's output."""
        return self._log or self.folder.parent / f"{self.service}.log"

    @property
    def pid(self) -> int | None:
        """The server's process id, None when it is not running."""
        return self._process.pid if self._process is not None and self._process.running else None

    async def start(self) -> None:
        """Prepare the folder, start the server and wait until it answers. Raises Problem when it does not."""
        if self._given_folder is None:
            self._temporary = temporary_folder(self.account)
            self._given_folder = self._temporary / self.service
            if self._watchdog is not None:
                self._watchdog.discard(self._temporary)
        self._require_own(self.folder)
        await self._prepare()
        await stop_leftover(self._pid_file, self.folder, self.stop_plan)
        written = 0
        for _ in range(_PORT_TRIES):
            port = self.port or free_port()
            written = size_of(self.log)
            self._process = process = Process(self._command(port), self._watchdog)
            if await self._becomes_ready(process, port):
                self.port = port
                return
            await process.stop()
            if self.port or not any(_PORT_TAKEN in line for line in last_lines(self.log, 50, since=written)):
                break
        reason = " ".join(last_lines(self.log, 3, since=written)) or await self.wait()
        raise Problem(f"{self.title} did not start: {reason} (more in {self.log}).")

    async def wait(self) -> str:
        """Wait until the server ends, and say how it did."""
        if self._process is None:
            return "was not started"
        return describe_end(await self._process.wait())

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Stop the server in its own orderly way; ``hurry`` is not heeded, its data comes first."""
        if self._process is not None and self._process.running:
            await self._process.stop()

    @abstractmethod
    async def _prepare(self) -> None:
        """Make the folder ready for a start."""

    @abstractmethod
    def _command(self, port: int) -> Command:
        """How the server is run on ``port``."""

    @abstractmethod
    async def _answers(self, port: int) -> bool:
        """Whether the server on ``port`` is ours and takes clients."""

    @property
    @abstractmethod
    def _pid_file(self) -> Path:
        """Where the server notes its process id."""

    async def _becomes_ready(self, process: Process, port: int) -> bool:
        ended = asyncio.create_task(process.wait())
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while not ended.done():
                    if await self._answers_before(ended, port):
                        return True
                    await asyncio.wait({ended}, timeout=_LOOK_AGAIN_SECONDS)
        except TimeoutError:
            await process.stop()
            raise Problem(f"{self.title} did not answer within {_READY_SECONDS:.0f} s (see {self.log}).") from None
        finally:
            ended.cancel()
        return False

    async def _answers_before(self, ended: asyncio.Task[int], port: int) -> bool:
        # Whoever has taken the port may accept us and say nothing, while our server is long gone.
        answering = asyncio.create_task(self._answers(port))
        try:
            await asyncio.wait({ended, answering}, return_when=asyncio.FIRST_COMPLETED)
            return answering.done() and answering.result()
        finally:
            answering.cancel()

    def _require_own(self, folder: Path) -> None:
        if folder.exists() and folder.stat().st_uid != self.account.uid:
            raise Problem(
                f"{folder} belongs to the user {owner_name(folder)}, and {self.title} would run as {self.account.name}:"
                " use the account that created it, or choose another --data."
            )

    async def _leave(self) -> None:
        try:
            await self.stop()
        finally:
            if self._temporary is not None:
                shutil.rmtree(self._temporary, ignore_errors=True)
                self._temporary = self._given_folder = None
            if self._own_watchdog is not None:
                self._own_watchdog.__exit__()
                self._own_watchdog = self._watchdog = None
