"""The process that tidies up when the one that started it is gone. Standard library only, so that it starts fast.

It reads JSON lines from its standard input and learns which processes run. When the input ends without a goodbye, the
other side was killed, and everything that still runs is stopped in order: the highest rank first.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MARKER = "PORTICO_STACK"
"""Environment variable that every service process carries, its value names the data directory."""

_LOOK_AGAIN_SECONDS = 0.05
_HANDLES = hasattr(os, "pidfd_open")


class Target:
    """One process: ``plan`` is a list of signal numbers with the seconds to wait after each."""

    def __init__(self, pid: int, rank: int, plan: list[tuple[int, float]]) -> None:
        self.pid = pid
        self.rank = rank
        self._plan = list(plan)
        self._next_step_at = 0.0
        self._handle: int | None = None
        if _HANDLES:
            # A handle keeps meaning this very process after its number was given to another one.
            try:
                self._handle = os.pidfd_open(pid)
            except OSError:
                self._plan = []

    def alive(self) -> bool:
        """Whether the process still runs."""
        if self._handle is not None:
            return not select.select([self._handle], [], [], 0)[0]
        if _HANDLES:
            return False
        try:
            os.kill(self.pid, 0)
        except OSError:
            return False
        return True

    def urge(self, now: float) -> bool:
        """Send the next signal if its time has come; True once the process is gone or nothing more can be done."""
        if not self.alive():
            return True
        if now < self._next_step_at:
            return False
        if not self._plan:
            return True
        number, seconds = self._plan.pop(0)
        self._send(number)
        self._next_step_at = now + seconds
        return False

    def close(self) -> None:
        """Let go of the handle."""
        if self._handle is not None:
            os.close(self._handle)

    def _send(self, number: int) -> None:
        try:
            if self._handle is not None:
                signal.pidfd_send_signal(self._handle, number)
            else:
                os.kill(self.pid, number)
        except OSError:
            self._plan = []


def listen(lines: Iterator[bytes]) -> tuple[list[Target], list[Path], str | None]:
    """Follow the messages to the end of the input: what runs then, the folders to remove, the marker to look for."""
    targets: dict[int, Target] = {}
    folders: list[Path] = []
    marker: str | None = None
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:
            # The sender was killed in the middle of a line.
            continue
        if "add" in message:
            targets[message["add"]] = Target(message["add"], message["rank"], message["plan"])
        elif "remove" in message:
            gone = targets.pop(message["remove"], None)
            if gone is not None:
                gone.close()
        elif "discard" in message:
            folders.append(Path(message["discard"]))
        elif "marker" in message:
            marker = message["marker"]
        elif "goodbye" in message:
            return [], [], None
    return list(targets.values()), folders, marker


def stop_in_order(targets: list[Target]) -> None:
    """Stop the highest rank first; the next one only when nothing of it is left."""
    for rank in sorted({target.rank for target in targets}, reverse=True):
        waiting = [target for target in targets if target.rank == rank]
        while waiting:
            now = time.monotonic()
            waiting = [target for target in waiting if not target.urge(now)]
            if waiting:
                time.sleep(_LOOK_AGAIN_SECONDS)


def kill_marked(marker: str) -> list[int]:
    """Kill every process that carries the marker in its environment, and say which (Linux only, elsewhere none)."""
    wanted = f"{MARKER}={marker}".encode()
    killed = []
    processes = Path("/proc")
    for entry in processes.iterdir() if processes.is_dir() else ():
        if not entry.name.isdecimal():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
            if wanted in variables and int(entry.name) != os.getpid():
                os.kill(int(entry.name), signal.SIGKILL)
                killed.append(int(entry.name))
        except OSError:
            continue
    return killed


def main() -> None:
    """Wait for the end of the input, then leave nothing behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    targets, folders, marker = listen(iter(sys.stdin.buffer.readline, b""))
    stop_in_order(targets)
    if marker is not None:
        kill_marked(marker)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
