"""The gate before a password is checked: how many may fail is decided before anything is computed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.errors import Busy
from shared.security.passwords import PasswordHasher, outdated
from shared.security.throttle import Throttle


class Gate:
    """Checks passwords of people at the door, and counts whoever knocks."""

    def __init__(self, hasher: PasswordHasher, throttle: Throttle) -> None:
        self._hasher = hasher
        self._throttle = throttle

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
