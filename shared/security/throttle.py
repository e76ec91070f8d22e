"""How many sign-ins may fail: from one address, from one network, and from everywhere together.

Counted in Redis, for all replicas at once. While Redis is away each process counts for itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from ipaddress import IPv4Network, IPv6Network, ip_network
from math import ceil
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.errors import DomainError

log = structlog.get_logger(__name__)

Network = IPv4Network | IPv6Network

_PREFIX: Final = "portico:throttle:"
_TAKE: Final = resources.files(__package__).joinpath("throttle.lua").read_text("utf-8")
# One from each of several allowances comes back. What was whole already stays so.
_GIVE_BACK: Final = """
for i, key in ipairs(KEYS) do
    local whole = redis.call('GET', key)
    if whole then
        redis.call('SET', key, string.format('%.0f', whole - ARGV[i]), 'KEEPTTL')
    end
end
"""
# Nobody waits long for Redis at the door; while it is away, it is asked that seldom.
_REDIS_SECONDS: Final = 0.5
_AWAY_SECONDS: Final = 5.0
_KEPT_WHILE_AWAY: Final = 10_000


class TooManyAttempts(DomainError):
    """Too many sign-ins have failed. Please try again in a moment.

    They are counted for the address that they come from, and for all addresses together. Whoever signs in on a browser
    on which they have signed in before is not counted among them.
    """

    status = 429


@dataclass(frozen=True, slots=True)
class Allowance:
    """``size`` at once, and then one every so many ``seconds``."""

    name: str
    size: int
    seconds: float


ADDRESS: Final = Allowance("address", 30, 20.0)
SHARED_ADDRESS: Final = Allowance("network", 600, 1.0)
"""An office or a shelter, where many people come from one address."""
EVERYWHERE: Final = Allowance("everywhere", 1000, 0.05)


def allowances(address: str | None, shared: Sequence[Network]) -> tuple[Allowance, ...]:
    """What a sign-in from this address is counted in. An IPv6 address stands for its /64, which is one household."""
    if address is None:
        return (EVERYWHERE,)
    home = ip_network(address)
    for network in shared:
        if home.version == network.version and home.network_address in network:
            return _of(SHARED_ADDRESS, network), EVERYWHERE
    where = home if home.version == 4 else home.supernet(new_prefix=64)
    return _of(ADDRESS, where.network_address), EVERYWHERE


def _of(allowance: Allowance, whose: object) -> Allowance:
    return replace(allowance, name=f"{allowance.name}:{whose}")


class Throttle:
    """Takes from allowances and gives back. ``shared`` are networks where many people come from one address."""

    def __init__(
        self, redis: Redis, shared: Sequence[Network] = (), *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._take = redis.register_script(_TAKE)
        self._give_back = redis.register_script(_GIVE_BACK)
        self._shared = shared
        self._monotonic = monotonic
        self._away_until = 0.0
        self._shut_until = 0.0
        self._own = OwnCount(monotonic)

    @property
    def shut(self) -> bool:
        """Whether everybody together has had too many at this moment, by what Redis said last."""
        return self._monotonic() < self._shut_until

    async def take(self, address: str | None) -> tuple[Allowance, ...]:
        """One sign-in from an address; answers what to give back when it goes well. Raises TooManyAttempts."""
        wanted = self.counted_in(address)
        arguments = [value for a in wanted for value in (a.seconds * 1000, a.size)]
        waited = await self._ask(self._take, wanted, arguments)
        wait = self._own.take(wanted) if waited is None else abs(waited) / 1000
        if waited is not None and waited < 0:
            # Everybody together has had too many: until one comes back, nobody need ask.
            self._shut_until = self._monotonic() + min(wait, EVERYWHERE.seconds)
        if wait > 0:
            raise TooManyAttempts(retry_after=ceil(wait))
        return wanted

    def counted_in(self, address: str | None) -> tuple[Allowance, ...]:
        """What a sign-in from this address takes from."""
        return allowances(address, self._shared)

    async def give_back(self, taken: Sequence[Allowance]) -> None:
        """It was somebody who knew the password."""
        if await self._ask(self._give_back, taken, [a.seconds * 1000 for a in taken]) is None:
            self._own.give_back(taken)

    async def _ask(self, script: object, wanted: Sequence[Allowance], arguments: Sequence[float]) -> int | None:
        if self._monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(_REDIS_SECONDS):
                return int(await script(keys=[_PREFIX + a.name for a in wanted], args=arguments) or 0)  # type: ignore[operator]
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("sign-ins are counted in this process alone", reason=type(error).__name__)
            self._away_until = self._monotonic() + _AWAY_SECONDS
            return None


class OwnCount:
    """The same count in one process, for the time without Redis. Of the addresses it keeps the latest."""

    def __init__(self, monotonic: Callable[[], float], *, most: int = _KEPT_WHILE_AWAY) -> None:
        self._monotonic = monotonic
        self._most = most
        self._whole: OrderedDict[str, float] = OrderedDict()

    def take(self, wanted: Sequence[Allowance]) -> float:
        """For how many seconds to wait, 0 when it took."""
        now = self._monotonic()
        whole = {a.name: max(self._whole.get(a.name, now), now) + a.seconds for a in wanted}
        wait = max(whole[a.name] - a.seconds * a.size - now for a in wanted)
        if wait > 0:
            return wait
        for name, moment in whole.items():
            self._whole[name] = moment
            self._whole.move_to_end(name)
        while len(self._whole) > self._most:
            self._whole.popitem(last=False)
        return 0

    def give_back(self, taken: Sequence[Allowance]) -> None:
        """One of each comes back."""
        for allowance in taken:
            if allowance.name in self._whole:
                self._whole[allowance.name] -= allowance.seconds
