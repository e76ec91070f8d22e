"""A thousand sign-ins at the same moment, right and wrong, from as many addresses."""

from __future__ import annotations

import asyncio
import gc
import resource
from collections import Counter

import aiohttp
import pytest

from shared.security import throttle
from shared.security.passwords import QUEUE_PER_THREAD, PasswordHasher
from tests.security.doors import Door, Street

AT_ONCE = 1_000
GROWTH_MIB = 80


async def attempt(http: aiohttp.ClientSession, street: Street, door: Door, number: int) -> tuple[int, bool, str, bool]:
    """Status, whether the password was right, the kind of problem, and whether a time to come again was given."""
    right = number % 4 == 0
    body = street.credentials(door) if right else street.credentials(door, username=f"nobody{number}", password="wrong")
    if number % 4 == 1:
        body = street.credentials(door, password=f"wrong {number}")
    headers = {"X-Forwarded-For": f"10.{number >> 8}.{number & 255}.7"}
    async with http.post(f"http://127.0.0.1:{door.port}/api/v1/token", json=body, headers=headers) as answer:
        found = await answer.json()
        return answer.status, right, str(found.get("type")), int(answer.headers.get("Retry-After", 0)) > 0


async def judged(street: Street, kind: str) -> Counter[str]:
    """How many refusals and starts were recorded."""
    types = [type_ for type_, _ in await street.events() if type_.startswith(kind)]
    return Counter(type_.partition(".")[2] for type_ in types)


@pytest.mark.parametrize("name", ["admin", "portal"])
async def test_each_is_judged_and_recorded_or_told_to_come_again(proxied: Street, name: str) -> None:
    door = proxied.admin if name == "admin" else proxied.portal
    kind = "staff_session" if name == "admin" else "portal_session"
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(90)) as http:
        # While they wait, somebody who is signed in is served.
        token = await proxied.token(door)
        waiting = asyncio.gather(*(attempt(http, proxied, door, n) for n in range(AT_ONCE)))
        served = 0
        while not waiting.done():
            status, _ = await door.json("GET", "/api/v1/sessions", token=token)
            assert status == 200
            served += 1
            await asyncio.sleep(0.05)
        answers = await waiting
    statuses = Counter(status for status, *_ in answers)
    assert set(statuses) <= {200, 401, 429, 503}, statuses
    assert served >= 3
    for status, right, problem, comes_again in answers:
        if status == 200:
            assert right, "a wrong password let somebody in"
        elif status == 401:
            assert problem == "/problems/bad-credentials"
        else:
            assert problem in ("/problems/busy", "/problems/too-many-attempts", "/problems/unavailable")
            assert comes_again
    events = await judged(proxied, kind)
    # The one before the crowd is among them.
    assert events["started"] == statuses[200] + 1
    assert events["refused"] == statuses[401]
    assert statuses[200] + statuses[401] >= QUEUE_PER_THREAD / 2, statuses
    [budget] = await failures(proxied, name)
    assert budget <= 10, "after ten the login is locked, and more are not counted"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < GROWTH_MIB, f"{grown:.0f} MiB"


async def failures(street: Street, name: str) -> list[int]:
    rows = await street.rows(
        "select failures from accounts.sign_in_budgets where kind = $1 and device is null",
        "staff" if name == "admin" else "portal",
    )
    return [row["failures"] for row in rows] or [0]


async def test_ten_wrong_passwords_lock_once_however_many_come_together(proxied: Street) -> None:
    for door, locked in ((proxied.admin, "staff.locked"), (proxied.portal, "portal_login.locked")):

        async def wrong(number: int, door: Door = door) -> int:
            headers = {"X-Forwarded-For": f"10.9.{number}.7"}
            body = proxied.credentials(door, password=f"wrong {number}")
            return (await door.ask("POST", "/api/v1/token", json=body, headers=headers)).status

        assert set(await asyncio.gather(*(wrong(n) for n in range(40)))) == {401}
        events = [type_ for type_, _ in await proxied.events()]
        assert events.count(locked) == 1, door.name
        status, problem = await door.json("POST", "/api/v1/token", proxied.credentials(door))
        assert (status, problem["type"]) == (401, "/problems/bad-credentials")


async def test_known_and_unknown_usernames_cost_the_same_hashes_at_both_doors(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[bool] = []
    verify = PasswordHasher.verify

    async def counted(self: PasswordHasher, stored: str | None, password: str) -> bool:
        hashed.append(stored is not None)
        return await verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    size = throttle.ADDRESS.size // 4
    for door in street.page_doors:
        costs = {}
        own = street.credentials(door)["username"]
        for username in (own, "nobody"):
            hashed.clear()
            for _ in range(size):
                await door.json("POST", "/api/v1/token", street.credentials(door, username=username, password="wrong"))
            costs[username] = len(hashed)
        assert costs == {own: size, "nobody": size}, door.name
