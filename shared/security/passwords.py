"""Passwords at rest: argon2id in a bounded pool of threads.

Cost: t=2, m=19 MiB, p=1 (OWASP Password Storage Cheat Sheet; libsodium's own string format).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import string
import sys
import threading
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from shared.errors import Busy
from shared.security import password_rules
from shared.security.blocklist import Blocklist

OPERATIONS: Final = 2
MEMORY_BYTES: Final = 19 * 1024 * 1024
_TODAYS: Final = f"$argon2id$v=19$m={MEMORY_BYTES // 1024},t={OPERATIONS},p=1$"
# About two seconds of queue at a hundred hashes a second on one thread; what comes later is told to come again.
QUEUE_PER_THREAD: Final = 100

# So many waiting for one thread are more than people make who know their passwords.
_A_CROWD_PER_THREAD: Final = 10
_NICENESS: Final = 10

# Letters and digits that are not mistaken for one another when a person types them from a phone's screen.
_ALPHABET: Final = "".join(c for c in string.ascii_letters + string.digits if c not in "0O1lIo")
_TEMPORARY_GROUPS: Final = 4
_GROUP: Final = 5

T = TypeVar("T")


class PasswordHasher:
    """Hashes and verifies without holding up the event loop. Raises Busy when its queue is full."""

    def __init__(self, threads: int | None = None, *, blocklist: Blocklist | None = None) -> None:
        """``blocklist``: passwords that nobody may choose, besides those of the list that comes with Portico."""
        self._blocklist = blocklist
        self._threads = threads or usual_threads()
        self._limit = self._threads * (QUEUE_PER_THREAD + 1)
        self._crowd = self._threads * _A_CROWD_PER_THREAD
        self._executor = ThreadPoolExecutor(
            self._threads, thread_name_prefix="argon2id", initializer=_leave_the_loop_its_turn
        )
        self._executor_of_crowds = ThreadPoolExecutor(
            self._threads, thread_name_prefix="argon2id-crowd", initializer=_leave_others_all_they_need
        )
        self._at_once = threading.Semaphore(self._threads)
        self._waiting = 0
        self._decoy = _hash(secrets.token_urlsafe(16))

    @property
    def threads(self) -> int:
        """How many are computed at once."""
        return self._threads

    @property
    def most(self) -> int:
        """How many may run or wait."""
        return self._limit

    @property
    def waiting(self) -> int:
        """Hashes that run or wait."""
        return self._waiting

    async def hash(self, password: str) -> str:
        """The string to store: algorithm, parameters, salt and hash."""
        return await self._in_pool(lambda: _hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the password. Without a stored hash it takes the same time and is never right, so that
        nobody learns from the clock which usernames exist."""
        matches = await self._in_pool(lambda: _verify(stored or self._decoy, password))
        return matches and stored is not None

    async def check_rules(self, password: str, *, context: Sequence[str], least: int = password_rules.LEAST) -> None:
        """The rules for a password of one's own: they cost computing too. Raises PasswordRefused."""
        await self._in_pool(
            lambda: password_rules.check(password, context=context, least=least, blocklist=self._blocklist)
        )

    async def _in_pool(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._limit:
            raise Busy
        executor = self._executor if self._waiting < self._crowd else self._executor_of_crowds
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, self._in_turn, work)
        finally:
            self._waiting -= 1

    def _in_turn(self, work: Callable[[], T]) -> T:
        with self._at_once:
            return work()

    def close(self) -> None:
        """Let the threads end."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor_of_crowds.shutdown(wait=False, cancel_futures=True)


def usual_threads() -> int:
    """All cores but the one that answers people."""
    return max(1, (os.cpu_count() or 2) - 1)


def _leave_the_loop_its_turn() -> None:
    # Where cores are few, hashing must not slow down those who are signed in. Only Linux takes a thread for a process.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _leave_others_all_they_need() -> None:
    # A nice thread still ends its slice of some milliseconds before others get the core, at each step of a page: an
    # idle one gives way at once. Never for a few who sign in: beside something that keeps on computing it hardly runs.
    if sys.platform == "linux":
        os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))


def normalized(password: str) -> bytes:
    """NFKC, then UTF-8 (NIST SP 800-63B-4, section 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def outdated(stored: str) -> bool:
    """Whether a stored hash was made at another cost than today's."""
    return not stored.startswith(_TODAYS)


def _hash(password: str) -> str:
    return argon2id.str(normalized(password), opslimit=OPERATIONS, memlimit=MEMORY_BYTES).rstrip(b"\0").decode("ascii")


def _verify(stored: str, password: str) -> bool:
    try:
        return bool(argon2id.verify(stored.encode("ascii"), normalized(password)))
    except CryptoError:
        return False


def new_temporary_password() -> str:
    """20 characters of 56 (about 116 bits) in groups of five, from the system's random source."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_TEMPORARY_GROUPS))
    return "-".join(groups)
