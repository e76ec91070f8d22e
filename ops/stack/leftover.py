"""Servers that an earlier run left behind, in a data directory that is ours alone now."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

from ops.stack.process import StopPlan

_LOOK_AGAIN_SECONDS = 0.05
# Linux only; elsewhere ps is asked.
_PROCESSES = Path("/proc")


async def stop_leftover(pid_file: Path, folder: Path, plan: StopPlan) -> int | None:
    """Stop the process that ``pid_file`` names if it serves ``folder``; its id, or None when there was none.

    Call it only while holding the lock of the data directory: whoever runs there then is an orphan.
    """
    pid = _read_pid(pid_file)
    if pid is None or str(folder) not in _command_line(pid):
        return None
    for number, seconds in plan:
        try:
            os.kill(pid, number)
        except OSError:
            return pid
        if await _gone(pid, folder, seconds):
            return pid
    return pid


async def _gone(pid: int, folder: Path, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            # It is no child of ours: looking is the only way to notice its end.
            while str(folder) in _command_line(pid):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    except TimeoutError:
        return False
    return True


def _read_pid(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().split(maxsplit=1)[0])
    except (OSError, ValueError, IndexError):
        return None


def _command_line(pid: int) -> str:
    """The process's arguments, empty when it is gone: a number alone may belong to somebody else by now."""
    if (_PROCESSES / "self").exists():
        try:
            return (_PROCESSES / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    found = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip()
