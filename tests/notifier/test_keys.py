"""The notifier's sealing key rotates, and every mail that was sealed before is sent."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from services.notifier.keys import NotifierKeys
from services.notifier.settings import NotifierSettings
from shared.db import Pool
from shared.deliveries import sealing_keys
from shared.deliveries.sealing import Opener, Sealer, key_name, new_key_pair
from shared.deliveries.sealing_keys import SEALED_AHEAD
from shared.security.tokens import new_signing_key
from tests.notifier.conftest import SECRET, SENDER, Keys, MakeCourier, Post
from tests.notifier.smtp import Script
from tests.support.clock import FakeClock
from tests.support.databases import Database


@pytest.fixture(autouse=True)
async def no_keys(database: Database) -> None:
    conn = await asyncpg.connect(database.owner_url)
    try:
        await conn.execute("truncate accounts.sealing_keys, accounts.signing_keys")
    finally:
        await conn.close()


@pytest.fixture
def file(tmp_path: Path, keys: Keys) -> Path:
    path = tmp_path / "sealing_private_key.txt"
    path.write_text(keys.private)
    return path


@pytest.fixture
def notifier(keys: Keys, file: Path, clock: FakeClock) -> NotifierKeys:
    settings = NotifierSettings(
        probe_port=0,
        database_url="postgresql://h/d",
        relay_database_url="postgresql://h/d",
        redis_url="redis://h/0",
        celery_broker_url="redis://h/1",
        signing_key=new_signing_key(),
        sealing_private_key=keys.private,
        sealing_private_key_file=file,
        audit_url="http://h",
        smtp_url="smtp://h",
        mail_from=SENDER,
    )
    return NotifierKeys.of(settings, clock)


async def test_mails_sealed_before_during_and_after_a_rotation_are_all_sent(
    notifier: NotifierKeys,
    notifier_pool: Pool,
    admin_pool: Pool,
    post: Post,
    make_courier: MakeCourier,
    smtp: Script,
    keys: Keys,
    file: Path,
    clock: FakeClock,
) -> None:
    make_courier.opener = notifier.opener
    courier = make_courier(smtp)
    publisher = Sealer(keys.public)
    new_private, new_public = new_key_pair()
    await notifier.round(notifier_pool)
    before = await post.queue(sealer=publisher)
    clock.advance(seconds=1)

    file.write_text(f"{new_private}\n{keys.private}\n")
    await notifier.round(notifier_pool)
    await sealing_keys.use_newest(admin_pool, publisher, clock())
    # Another notifier may not have it yet.
    assert publisher.sealed_for == Sealer(keys.public).sealed_for
    during = await post.queue(sealer=publisher)

    clock.advance(seconds=SEALED_AHEAD.total_seconds() + 1)
    await sealing_keys.use_newest(admin_pool, publisher, clock())
    assert publisher.sealed_for == Sealer(new_public).sealed_for
    after = await post.queue(sealer=publisher)

    for queued in (before, during, after):
        await courier.deliver(queued.id)
        assert (await post.row(queued))["state"] == "accepted"
    assert len([mail for mail in smtp.caught if SECRET in mail.text]) == 3
    # Nothing but the new key opens what is sealed now.
    file.write_text(new_private)
    await notifier.round(notifier_pool)
    assert [notifier.opener.opens(Sealer(public).sealed_for) for public in (keys.public, new_public)] == [False, True]


@pytest.mark.parametrize("time", range(4))
async def test_of_keys_that_are_published_together_the_first_one_is_the_newest(
    notifier: NotifierKeys,
    notifier_pool: Pool,
    admin_pool: Pool,
    keys: Keys,
    file: Path,
    clock: FakeClock,
    time: int,
) -> None:
    """Their names have no part in it, which would be right every other time."""
    new_private, new_public = new_key_pair()
    file.write_text(f"{new_private}\n{keys.private}\n")
    await notifier.round(notifier_pool)
    clock.advance(seconds=SEALED_AHEAD.total_seconds() + 1)
    publisher = Sealer(keys.public)
    await sealing_keys.use_newest(admin_pool, publisher, clock())
    assert publisher.sealed_for == Sealer(new_public).sealed_for


async def test_publishers_go_on_with_the_key_of_their_settings_until_one_is_published(
    admin_pool: Pool, keys: Keys, clock: FakeClock
) -> None:
    publisher = Sealer(keys.public)
    await sealing_keys.use_newest(admin_pool, publisher, clock())
    assert publisher.sealed_for == Sealer(keys.public).sealed_for


@pytest.mark.parametrize("role", ["portico_admin", "portico_portal", "portico_audit", "portico_relay"])
async def test_nobody_but_the_notifier_says_what_is_sealed_for(database: Database, role: str) -> None:
    pool = await Pool.open(database.url(role), size=1)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sealing_keys.publish(pool, Opener(new_key_pair()[0]), FakeClock()())
    finally:
        await pool.close()


async def test_a_withdrawn_key_is_sealed_for_by_nobody(
    notifier: NotifierKeys,
    notifier_pool: Pool,
    admin_pool: Pool,
    database: Database,
    keys: Keys,
    file: Path,
    clock: FakeClock,
) -> None:
    new_private, new_public = new_key_pair()
    await notifier.round(notifier_pool)
    clock.advance(seconds=60)
    file.write_text(f"{new_private}\n{keys.private}\n")
    await notifier.round(notifier_pool)
    clock.advance(seconds=60)
    publisher = Sealer(keys.public)
    await sealing_keys.use_newest(admin_pool, publisher, clock())
    assert publisher.sealed_for == Sealer(new_public).sealed_for
    conn = await asyncpg.connect(database.owner_url)
    await conn.execute(
        "update accounts.sealing_keys set withdrawn_at = now() where name = $1", Sealer(new_public).sealed_for
    )
    await conn.close()
    await notifier.round(notifier_pool)
    await sealing_keys.use_newest(admin_pool, publisher, clock())
    assert publisher.sealed_for == Sealer(keys.public).sealed_for


def test_an_opener_takes_several_keys_and_opens_what_is_sealed_for_any(keys: Keys) -> None:
    private, public = new_key_pair()
    opener = Opener(f"{private} {keys.private}")
    for sealer in (Sealer(public), Sealer(keys.public)):
        assert opener.open(sealer.seal(SECRET)) == SECRET
    assert set(opener.public_keys) == {key_name(raw) for raw in opener.public_keys.values()}
    for wrong in ("", f"{private} c2hvcnQ="):
        with pytest.raises(ValueError, match="key"):
            opener.take(wrong)
    assert opener.opens(Sealer(public).sealed_for)
