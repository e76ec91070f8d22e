"""This side of the watchdog: starts it, and tells it what runs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.stack import watchdog_main

# A watchdog that keeps dying must not keep the processor busy.
_RESTART_PAUSE_SECONDS = 0.5


class Watchdog:
    """A process of its own that stops everything when this process is killed and cannot do so itself.

    ``marker`` is the value of the environment variable ``MARKER`` by which stray service processes are found;
    ``keep_open`` are file descriptors that stay open until it is done (the lock of the data directory).
    It is started again should it die. Use it as a context manager: leaving says goodbye, everything was stopped.
    """

    def __init__(self, marker: str | None = None, keep_open: Sequence[int] = ()) -> None:
        self._marker = marker
        self._keep_open = tuple(keep_open)
        self._running: dict[int, Mapping[str, object]] = {}
        self._folders: list[Path] = []
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._pipe = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        with self._guard:
            self._launch()
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with self._guard:
            self._tell({"goodbye": True})
            os.close(self._pipe)
        self._keeper.join()

    @property
    def pid(self) -> int:
        """The watchdog's own process id."""
        if self._process is None:
            raise RuntimeError("the watchdog was not started")
        return self._process.pid

    def add(self, pid: int, *, rank: int, plan: Sequence[tuple[int, float]]) -> None:
        """Know a process; ``plan`` are signals with the seconds to wait after each, high ranks are stopped first."""
        with self._guard:
            self._running[pid] = {"add": pid, "rank": rank, "plan": [[int(number), wait] for number, wait in plan]}
            self._tell(self._running[pid])

    def remove(self, pid: int) -> None:
        """Forget a process that has ended."""
        with self._guard:
            if self._running.pop(pid, None) is not None:
                self._tell({"remove": pid})

    def discard(self, folder: Path) -> None:
        """Have ``folder`` removed when nobody else can."""
        with self._guard:
            self._folders.append(folder)
            self._tell({"discard": str(folder)})

    def _tell(self, message: Mapping[str, object]) -> None:
        # A watchdog that died is started again, and told everything then.
        with contextlib.suppress(OSError):
            os.write(self._pipe, json.dumps(message).encode() + b"\n")

    def _launch(self) -> None:
        read_end, write_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                (sys.executable, "-I", "-S", watchdog_main.__file__),
                stdin=read_end,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=self._keep_open,
                start_new_session=True,
                cwd="/",
            )
        except BaseException:
            os.close(write_end)
            raise
        finally:
            os.close(read_end)
        if self._pipe >= 0:
            os.close(self._pipe)
        self._pipe = write_end
        if self._marker is not None:
            self._tell({"marker": self._marker})
        for message in self._running.values():
            self._tell(message)
        for folder in self._folders:
            self._tell({"discard": str(folder)})

    def _keep(self) -> None:
        while self._process is not None:
            self._process.wait()
            if self._closing.wait(_RESTART_PAUSE_SECONDS):
                return
            with self._guard:
                if self._closing.is_set():
                    return
                self._launch()
