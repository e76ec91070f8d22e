"""One child process: started with its output in a log file, stopped by a plan of signals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.problems import Problem
from ops.stack.account import Account
from ops.stack.watchdog import Watchdog

_TAIL_BYTES = 8_192
_LOG_GENERATIONS = 5

StopPlan = tuple[tuple[signal.Signals, float], ...]

GRACEFUL: StopPlan = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))
"""What a service gets: time to finish what it has begun, then the end."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. Secrets travel in ``environment`` or ``input``: ``argv`` is readable by everybody on the machine.

    ``stop`` lists signals with the seconds to wait after each; processes of a higher ``rank`` are stopped earlier.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    log: Path
    account: Account | None = None
    input: bytes | None = field(default=None, repr=False)
    stop: StopPlan = GRACEFUL
    rank: int = 0


class Process:
    """A running child process in a session of its own, so that Ctrl-C reaches this process alone.

    It belongs to no event loop: a thread waits for its end, whoever asks may do so from any loop.
    """

    def __init__(self, command: Command, watchdog: Watchdog | None = None) -> None:
        """Start it. Raises Problem when the program cannot be run."""
        self.command = command
        self._watchdog = watchdog
        self._process = _spawn(command)
        if watchdog is not None:
            watchdog.add(self.pid, rank=command.rank, plan=command.stop)
        self._ended: Future[int] = Future()
        threading.Thread(target=self._reap, name=f"wait-{command.name}", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process id, which stays readable after the end."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._ended.done()

    async def wait(self) -> int:
        """Wait for the end: the exit status, or the negative number of the signal that killed it."""
        return await asyncio.shield(asyncio.wrap_future(self._ended))

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Follow the stop plan until it has ended; once ``hurry`` is set, the plan's last signal comes at once."""
        ended = asyncio.create_task(self.wait())
        impatience = asyncio.create_task((hurry or asyncio.Event()).wait())
        try:
            for number, seconds in self.command.stop:
                last = number == self.command.stop[-1][0]
                if self.running and (last or not impatience.done()):
                    self._signal(number)
                    patient = {ended} if last else {ended, impatience}
                    await asyncio.wait(patient, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            await ended
        finally:
            impatience.cancel()
            ended.cancel()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def _reap(self) -> None:
        code = self._process.wait()
        if self._watchdog is not None:
            self._watchdog.remove(self.pid)
        self._ended.set_result(code)


def _spawn(command: Command) -> subprocess.Popen[bytes]:
    switch: dict[str, Any] = {}
    if command.account is not None and not command.account.is_me:
        switch = {"user": command.account.uid, "group": command.account.gid, "extra_groups": ()}
    log = os.open(command.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        process = subprocess.Popen(
            command.argv,
            env=dict(command.environment),
            cwd=command.folder,
            stdin=subprocess.DEVNULL if command.input is None else subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **switch,
        )
    except OSError as error:
        raise Problem(f"{command.name} cannot be started ({command.argv[0]}): {error.strerror or error}.") from error
    finally:
        os.close(log)
    if process.stdin is not None:
        # Should it have ended before it reads, whoever waits for it to be ready reports that.
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(command.input or b"")
    return process


def describe_end(code: int) -> str:
    """The words for a return code, negative ones being signals."""
    if code >= 0:
        return f"ended with status {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def rotate(log: Path) -> None:
    """Begin a new log file and keep a few of the earlier ones as ``name.log.1`` and so on."""
    for number in range(_LOG_GENERATIONS - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))


def size_of(log: Path) -> int:
    """The length of a log file in bytes, 0 when there is no file."""
    return log.stat().st_size if log.exists() else 0


def last_lines(log: Path, count: int = 1, *, since: int = 0) -> list[str]:
    """The last lines of a log file that are not empty, from the byte ``since`` on; none when there is no file."""
    try:
        with log.open("rb") as file:
            file.seek(max(since, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()][-count:]
