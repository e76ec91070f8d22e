"""The gate before a password is checked: how many may fail is decided before anything is computed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from shared.db.pool import in_lane
from shared.errors import Busy
from shared.security.passwords import PasswordHasher, outdated
from shared.security.throttle import Throttle, TooManyAttempts

W = TypeVar("W")
T = TypeVar("T")
P = ParamSpec("P")

# Of ten connections: however many are at the door, people who are signed in find one free. Strangers and those who
# bring a browser's cookie do not wait for one another.
_MOST_OF_STRANGERS: Final = 4
_OF_BROWSERS: Final = 2


class Gate:
    """Checks passwords of people at the door, and counts whoever knocks."""

    def __init__(self, hasher: PasswordHasher, throttle: Throttle) -> None:
        self._hasher = hasher
        self._throttle = throttle
        # Reading for more sign-ins at once than can be hashed would only make the queue before the hashes longer.
        self._strangers = asyncio.Semaphore(min(_MOST_OF_STRANGERS, hasher.threads))
        self._browsers = asyncio.Semaphore(_OF_BROWSERS)
        self._inside = 0

    async def proves(self, stored: str | None, password: str, *, address: str | None, known: bool) -> bool:
        """Whether it is the password; without a stored one it takes as long, and never is.

        ``known``: the browser is one on which the person has signed in before, so what strangers do does not keep them
        out. Raises TooManyAttempts, Busy.
        """
        if known:
            return await self._hasher.verify(stored, password)
        taken = await self._throttle.take(address)
        proved = await self._hasher.verify(stored, password)
        if proved:
            await self._throttle.give_back(taken)
        return proved

    @asynccontextmanager
    async def counting(self, address: str | None, *, known: bool) -> AsyncIterator[None]:
        """Count a try that is judged inside; one that raises stays counted. Raises TooManyAttempts."""
        taken = () if known else await self._throttle.take(address)
        yield
        if taken:
            await self._throttle.give_back(taken)

    async def admit(self, address: str | None) -> None:
        """Count somebody who asks for an e-mail, brings a code from one, or goes to sign in elsewhere.

        Raises TooManyAttempts.
        """
        await self._throttle.take(address)

    async def passed(self, address: str | None) -> None:
        """Whoever was admitted from there has shown who they are: they do not count any longer."""
        await self._throttle.give_back(self._throttle.counted_in(address))

    async def enter(self, address: str | None, *, known: bool) -> None:
        """Count somebody who shows a passkey, or asks what to sign with it, unless the browser is known.

        Raises TooManyAttempts.
        """
        if not known:
            await self._throttle.take(address)

    async def entered(self, address: str | None, *, known: bool) -> None:
        """The passkey was right: neither it nor the question before it counts."""
        if not known:
            for _ in range(2):
                await self._throttle.give_back(self._throttle.counted_in(address))

    async def renewed(self, stored: str | None, password: str) -> str | None:
        """The hash at today's cost, for a right password that was stored at another one; None when there is no need.

        When there is too much to do, the next sign-in is as good.
        """
        if stored is None or not outdated(stored):
            return None
        try:
            return await self._hasher.hash(password)
        except Busy:
            return None

    @contextmanager
    def turn(self, *, stranger: bool) -> Iterator[None]:
        """For the whole of a sign-in, before anything is read: a flood of them is refused at little cost, and what is
        not refused leaves room for everybody else.

        ``stranger``: the browser, if it is one, brought nothing to be known by. Raises TooManyAttempts, Busy.
        """
        if stranger and self._throttle.shut:
            raise TooManyAttempts(retry_after=1)
        if self._inside >= self._hasher.most:
            raise Busy
        self._inside += 1
        try:
            with in_lane(self._strangers if stranger else self._browsers):
                yield
        finally:
            self._inside -= 1


def at_the_gate(
    sign_in: Callable[Concatenate[W, Gate, P], Awaitable[T]],
) -> Callable[Concatenate[W, Gate, P], Awaitable[T]]:
    """A use case that signs somebody in, by its ``origin``: it waits for its turn at the gate, or is refused."""

    @wraps(sign_in)
    async def in_turn(work: W, gate: Gate, /, *args: P.args, **kwargs: P.kwargs) -> T:
        origin: Any = kwargs["origin"]
        with gate.turn(stranger=origin.device is None):
            return await sign_in(work, gate, *args, **kwargs)

    return in_turn
