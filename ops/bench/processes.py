"""How much memory processes have, by what the kernel says: a shared page counts once, divided among its users."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_KIBIBYTES = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """In MiB. ``shared`` is memory that is shared on purpose (PostgreSQL's buffers), ``own`` everything else."""

    own: float
    shared: float


def memory_of(pids: Iterable[int]) -> Memory:
    """What these processes have together (proportional set size); nothing for those that ended."""
    own = shared = 0
    for pid in set(pids):
        found = _smaps(pid)
        shared += found.get("Pss_Shmem", 0)
        own += found.get("Pss", 0) - found.get("Pss_Shmem", 0)
    return Memory(own / _KIBIBYTES, shared / _KIBIBYTES)


def family(pid: int) -> Iterator[int]:
    """A process, its children, and theirs."""
    yield pid
    for children in (_PROC / str(pid) / "task").glob("*/children"):
        for child in _read(children).split():
            yield from family(int(child))


def _smaps(pid: int) -> dict[str, int]:
    lines = (line.split() for line in _read(_PROC / str(pid) / "smaps_rollup").splitlines()[1:])
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) == 3}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return ""
