"""Signing keys rotate: replicas see the new key at different moments, and no token is refused that should be good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from shared.accounts import access
from shared.accounts.access import Origin, Tokens
from shared.db import Pool
from shared.errors import NotSignedIn
from shared.outbox import Work
from shared.security.boxes import Boxes, CannotOpen, new_box_key
from shared.security.key_files import KeyFile
from shared.security.own_keys import OwnKeys
from shared.security.session_limits import ACCESS_TOKEN
from shared.security.tokens import (
    KEYS_EVERY,
    NEXT_FOR,
    REPLACED_AFTER,
    STAFF,
    KeyRing,
    Signer,
    Verifier,
    new_signing_key,
    signing_keys,
)
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.people import World

ISSUER = "portico_admin"
OLD, NEW = new_signing_key(), new_signing_key()
EVERY = int(KEYS_EVERY.total_seconds())


def kid_of(pem: str) -> str:
    return signing_keys(pem)[0].kid


@dataclass
class Replica:
    """A process with a file of its own, so that a test decides when it sees a change."""

    path: Path
    signer: Signer
    keys: OwnKeys
    verifier: Verifier
    pool: Pool
    clock: FakeClock

    @classmethod
    def of(cls, path: Path, pems: str, pool: Pool, clock: FakeClock) -> Replica:
        path.write_text(pems)
        ring = KeyRing()
        signer = Signer(pems, ISSUER, clock, ring)
        return cls(path, signer, OwnKeys.of(signer, ring, pems, path), Verifier(ring, clock), pool, clock)

    async def round(self) -> None:
        await self.keys.round(self.pool, self.clock())

    def mint(self) -> str:
        return self.signer.mint(STAFF, lifetime=ACCESS_TOKEN)


@dataclass
class Auditor:
    """A verifier elsewhere, which signs nothing."""

    ring: KeyRing
    verifier: Verifier
    pool: Pool

    async def round(self) -> None:
        await self.ring.refresh(self.pool)


@dataclass
class House:
    """Two replicas of a service and a verifier elsewhere. Each reads keys in a second of its own."""

    one: Replica
    two: Replica
    auditor: Auditor
    clock: FakeClock
    tokens: list[tuple[str, int]]
    second: int = 0

    @property
    def _verifiers(self) -> list[Verifier]:
        return [self.one.verifier, self.two.verifier, self.auditor.verifier]

    async def settle(self) -> None:
        """Until everybody may sign and nobody lacks a key."""
        for _ in range(6):
            await self._tick()

    async def live(self, seconds: int) -> None:
        """Every second both mint, and whatever is good so far is accepted by everybody."""
        for _ in range(seconds):
            await self._tick()
            for replica in (self.one, self.two):
                self.tokens.append((replica.mint(), self.second + int(ACCESS_TOKEN.total_seconds())))
            self.check()

    def check(self) -> None:
        self.tokens = [(token, end) for token, end in self.tokens if end > self.second]
        # The oldest of each key and the newest: all those between are of the same keys.
        for token, _ in {*self.tokens[:2], *self.tokens[-2:]}:
            for verifier in self._verifiers:
                verifier.verify(token, STAFF)

    async def _tick(self) -> None:
        self.clock.advance(seconds=1)
        self.second += 1
        if self.second % EVERY == 0:
            await self.one.round()
        if self.second % EVERY == 1:
            await self.two.round()
            await self.auditor.round()


@pytest.fixture
async def audit_pool(database: Database) -> AsyncIterator[Pool]:
    pool = await Pool.open(database.url("portico_audit"), size=1)
    yield pool
    await pool.close()


@pytest.fixture
async def house(admin_pool: Pool, audit_pool: Pool, clock: FakeClock, tmp_path: Path) -> House:
    ring = KeyRing()
    found = House(
        one=Replica.of(tmp_path / "one.pem", OLD, admin_pool, clock),
        two=Replica.of(tmp_path / "two.pem", OLD, admin_pool, clock),
        auditor=Auditor(ring, Verifier(ring, clock), audit_pool),
        clock=clock,
        tokens=[],
    )
    await found.settle()
    return found


async def test_every_token_is_accepted_everywhere_at_every_moment_of_a_rotation(house: House) -> None:
    await house.live(3)
    house.one.path.write_text(NEW + OLD)
    await house.live(4)
    # The other one sees it seconds later.
    house.two.path.write_text(NEW + OLD)
    assert {house.one.signer.kid, house.two.signer.kid} == {kid_of(OLD)}
    await house.live(int(NEXT_FOR.total_seconds()) - 10)
    assert {house.one.signer.kid, house.two.signer.kid} == {kid_of(OLD)}
    await house.live(20)
    assert {house.one.signer.kid, house.two.signer.kid} == {kid_of(NEW)}
    await house.live(int((REPLACED_AFTER - NEXT_FOR).total_seconds()))
    assert house.auditor.ring.find(kid_of(OLD)) is None
    # What is dropped from the file by then is missed by nobody.
    house.one.path.write_text(NEW)
    await house.live(5)
    house.two.path.write_text(NEW)
    await house.live(5)


async def test_the_key_set_shows_the_next_key_ahead_and_the_old_one_as_long_as_it_is_needed(house: House) -> None:
    def shown() -> set[str]:
        return {key["kid"] for key in house.auditor.ring.jwks(ISSUER)["keys"]}

    assert shown() == {kid_of(OLD)}
    for replica in (house.one, house.two):
        replica.path.write_text(NEW + OLD)
    await house.live(4)
    assert (shown(), house.one.signer.kid) == ({kid_of(OLD), kid_of(NEW)}, kid_of(OLD))
    await house.live(int(NEXT_FOR.total_seconds()))
    assert (shown(), house.one.signer.kid) == ({kid_of(OLD), kid_of(NEW)}, kid_of(NEW))
    await house.live(int((REPLACED_AFTER - NEXT_FOR).total_seconds()) + 4)
    assert shown() == {kid_of(NEW)}


async def test_a_withdrawn_key_opens_nothing_and_cannot_come_back(house: House, database: Database) -> None:
    leaked = house.one.mint()
    for replica in (house.one, house.two):
        replica.path.write_text(NEW + OLD)
    await house.live(6)
    await withdraw(database, kid_of(OLD))
    await house.settle()
    for verifier in (house.one.verifier, house.two.verifier, house.auditor.verifier):
        with pytest.raises(NotSignedIn):
            verifier.verify(leaked, STAFF)
    # The key is still in the files. Nobody signs with it, and nobody publishes it again.
    assert {house.one.signer.kid, house.two.signer.kid} == {kid_of(NEW)}
    house.tokens.clear()
    await house.live(5)
    thief = Replica.of(house.one.path.with_name("thief.pem"), OLD, house.one.pool, house.clock)
    await thief.round()
    await house.settle()
    with pytest.raises(NotSignedIn):
        house.auditor.verifier.verify(thief.mint(), STAFF)


async def test_a_service_withdraws_its_own_keys_alone_and_for_good(house: House, portal_pool: Pool) -> None:
    ring = KeyRing()
    assert await ring.withdraw(portal_pool, [kid_of(OLD)], house.clock()) == []
    assert await ring.withdraw(house.one.pool, [kid_of(OLD)], house.clock()) == [kid_of(OLD)]
    assert await ring.withdraw(house.one.pool, [kid_of(OLD)], house.clock()) == []
    async with house.one.pool.transaction(None) as conn:
        assert await conn.execute("update accounts.signing_keys set withdrawn_at = null") == "UPDATE 0"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with house.one.pool.transaction(None) as conn:
            await conn.execute("delete from accounts.signing_keys")


async def test_a_damaged_or_missing_file_changes_nothing_and_is_told_once(house: House) -> None:
    with capture_logs() as logs:
        for content in ("", "no key", OLD[:60], f"{OLD}\n{OLD[:60]}"):
            house.one.path.write_text(content)
            await house.live(4)
        house.one.path.unlink()
        await house.live(4)
    assert house.one.signer.kid == kid_of(OLD)
    told = [entry["reason"] for entry in logs if entry["event"] == "key file passed over"]
    assert told == ["it holds what is no key"] * 4 + ["it can't be read"]
    assert "BEGIN" not in str(logs)
    house.one.path.write_text(NEW + OLD)
    await house.live(4)
    assert [key.kid for key in house.one.signer.held] == [kid_of(NEW), kid_of(OLD)]


async def test_a_retried_refresh_gets_the_same_successor_from_a_replica_with_another_key(
    house: House, world: World, admin_work: Work
) -> None:
    tokens = await tokens_of_somebody(house, world, admin_work)
    house.one.path.write_text(NEW + OLD)
    house.two.path.write_text(NEW + OLD)
    await house.live(int(NEXT_FOR.total_seconds()) + 4)

    async def refreshed(signer: Signer, token: str) -> Tokens:
        return await access.refresh(admin_work, signer=signer, kind="staff", refresh_token=token, origin=Origin())

    # As if one had switched already and the other not yet: both have both keys at hand.
    late = Signer(OLD + NEW, ISSUER, house.clock)
    ahead = house.one.signer
    assert (late.kid, ahead.kid) == (kid_of(OLD), kid_of(NEW))
    for first, second in ((ahead, late), (late, ahead)):
        given = await refreshed(first, tokens.refresh_token)
        house.clock.advance(seconds=2)
        again = await refreshed(second, tokens.refresh_token)
        assert again.refresh_token == given.refresh_token
        for token in (given.access_token, again.access_token):
            house.auditor.verifier.verify(token, STAFF)
        tokens = given


async def test_people_stay_signed_in_when_the_key_of_their_tokens_is_withdrawn(
    house: House, world: World, admin_work: Work, database: Database
) -> None:
    tokens = await tokens_of_somebody(house, world, admin_work)
    for replica in (house.one, house.two):
        replica.path.write_text(NEW)
    await house.settle()
    await withdraw(database, kid_of(OLD))
    await house.settle()
    with pytest.raises(NotSignedIn):
        house.auditor.verifier.verify(tokens.access_token, STAFF)
    again = await access.refresh(
        admin_work, signer=house.one.signer, kind="staff", refresh_token=tokens.refresh_token, origin=Origin()
    )
    house.auditor.verifier.verify(again.access_token, STAFF)


async def test_keys_of_boxes_are_read_again_too(tmp_path: Path) -> None:
    old, new = new_box_key(), new_box_key()
    path = tmp_path / "box_keys.txt"
    path.write_text(old)
    boxes = Boxes(old)
    before = boxes.seal(b"seed", owner=b"o")
    file = KeyFile("BOX_KEYS", path, old, boxes.take)
    path.write_text(f"{new}\n{old}\n")
    await file.look()
    assert boxes.open(before, owner=b"o") == b"seed"
    with pytest.raises(CannotOpen):
        Boxes(old).open(boxes.seal(b"seed", owner=b"o"), owner=b"o")


async def test_no_token_outlives_its_key(house: House) -> None:
    with pytest.raises(ValueError, match="no token lives longer"):
        house.one.signer.mint(STAFF, lifetime=ACCESS_TOKEN + timedelta(seconds=1))


def test_nothing_of_a_key_is_in_what_stands_for_it(tmp_path: Path) -> None:
    file = KeyFile("SIGNING_KEY", tmp_path, OLD, lambda _: None)
    assert "PRIVATE" not in repr(file)


@pytest.mark.parametrize("pems", ["", "x", f"{OLD} and", OLD.replace("PRIVATE", "PUBLIC"), f"{OLD}{OLD[:80]}"])
def test_what_is_no_row_of_keys_is_refused(pems: str) -> None:
    with pytest.raises(ValueError, match="Ed25519"):
        signing_keys(pems)


def test_a_key_that_stands_twice_is_one() -> None:
    assert [key.kid for key in signing_keys(NEW + OLD + NEW)] == [kid_of(NEW), kid_of(OLD)]


async def withdraw(database: Database, kid: str) -> None:
    """As an operator does."""
    conn = await asyncpg.connect(database.owner_url)
    try:
        await conn.execute("update accounts.signing_keys set withdrawn_at = now() where kid = $1", kid)
    finally:
        await conn.close()


async def tokens_of_somebody(house: House, world: World, work: Work) -> Tokens:
    agency = await world.agency()
    person = await world.staff(agency)
    async with work.transaction(person.actor) as tx:
        session_id, _ = await access.open_session(
            tx, kind="staff", person_id=person.user.id, origin=Origin("203.0.113.9", "Phone"), with_cookie=False
        )
        return await access.first_tokens(
            tx, signer=house.one.signer, kind="staff", person_id=person.user.id, session_id=session_id
        )
