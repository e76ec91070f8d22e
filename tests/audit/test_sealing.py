"""The ends of chains are signed and exported, by any number of replicas, and nothing waits for it."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from services.audit.sealing import SealsFile, SealsNotExported
from services.audit.seals import NoKey, NoSeal, PublicKeys, Seal, SealKey, from_line
from services.audit.settings import AuditSettings
from shared.security.tokens import new_signing_key
from tests.audit.events import NOON
from tests.audit.ledger import KEY, Ledger

KEYS = PublicKeys([KEY.public_pem])


def exported(ledger: Ledger) -> list[Seal]:
    return [from_line(line) for line in ledger.export.read_bytes().splitlines()]


async def in_database(ledger: Ledger) -> list[Seal]:
    return [Seal(**r) for r in await ledger.sql("select * from audit.seals order by agency_id, year, seq")]


def value(metric: Any) -> float:
    return float(metric.collect()[0].samples[0].value)


async def test_each_end_that_moved_is_signed_and_exported_once(ledger: Ledger) -> None:
    await ledger.add(3)
    await ledger.add(2, agency=uuid4())
    await ledger.add(1, at=NOON.replace(year=2025))
    assert await ledger.seal() == 3
    assert await ledger.seal() == 0
    await ledger.add(4)
    assert await ledger.seal() == 1
    found = await in_database(ledger)
    assert sorted(exported(ledger), key=lambda s: (s.agency_id, s.year, s.seq)) == found
    assert [s.seq for s in found if (s.agency_id, s.year) == (ledger.agency, 2026)] == [3, 7]
    assert {KEYS.judge(s) for s in found} == {"good"}


async def test_a_seal_says_where_the_chain_began_and_what_lies_beside_it(ledger: Ledger) -> None:
    await ledger.add(2, at=NOON.replace(year=2025))
    await ledger.add(3)
    await ledger.sql("update audit.chains set unchained = 4 where year = 2026")
    await ledger.seal()
    before, after = await in_database(ledger)
    assert (before.previous_year, before.previous_seq, before.previous_link) == (None, None, None)
    assert (after.previous_year, after.previous_seq, after.previous_link) == (2025, 2, before.link)
    assert (after.unchained, after.sealed_at, after.kid) == (4, ledger.clock(), KEY.kid)


async def test_a_chain_of_old_events_alone_is_sealed_too(ledger: Ledger) -> None:
    await ledger.sql(
        "insert into audit.chains (agency_id, year, link, unchained)"
        " values ($1, 2024::smallint, audit.chain_start($1, 2024::smallint, null), 9)",
        ledger.agency,
    )
    assert await ledger.seal() == 1
    [seal] = exported(ledger)
    assert (seal.seq, seal.unchained) == (0, 9)
    assert await ledger.seal() == 0


async def test_replicas_that_seal_at_once_make_one_seal(ledger: Ledger) -> None:
    await ledger.add(3)
    made = await asyncio.gather(*(ledger.sealer().round() for _ in range(4)))
    assert sorted(made) == [0, 0, 0, 1]
    assert len(exported(ledger)) == 1


async def test_many_chains_are_sealed_in_one_round(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.audit.sealing.BATCH", 3)
    for _ in range(8):
        await ledger.add(1, agency=uuid4())
    assert await ledger.seal() == 8
    assert len(exported(ledger)) == len(await in_database(ledger)) == 8


async def test_a_file_that_cannot_be_written_makes_sealing_wait_and_nothing_else(ledger: Ledger) -> None:
    ledger.export.mkdir()
    await ledger.add(3)
    sealer = ledger.sealer()
    with pytest.raises(SealsNotExported):
        await sealer.round()
    assert await in_database(ledger) == []
    assert value(sealer.figures.failures) == 1
    assert value(sealer.figures.unsealed) > 0
    await ledger.add(2)
    ledger.export.rmdir()
    assert await sealer.round() == 1
    assert [s.seq for s in await in_database(ledger)] == [5]
    assert value(sealer.figures.unsealed) == 0
    assert value(sealer.figures.made) == 1


async def test_what_was_exported_when_a_process_died_is_put_into_the_database(ledger: Ledger) -> None:
    await ledger.add(3)
    await ledger.seal()
    # As if it had died between the two.
    await ledger.sql("delete from audit.seals")
    await ledger.sql("update audit.chains set sealed_seq = 0, unsealed_since = now()")
    await ledger.add(2)
    await ledger.seal()
    assert [s.seq for s in await in_database(ledger)] == [3, 5]
    assert (await ledger.verify())[0].well


async def test_a_replica_puts_back_what_another_one_exported_later_and_died(ledger: Ledger) -> None:
    survivor = ledger.sealer()
    await ledger.add(3)
    await survivor.round()
    await ledger.add(2)
    await ledger.seal()
    # As if the other one had died between its export and its commit, and nothing moved since.
    await ledger.sql("delete from audit.seals where seq = 5")
    await survivor.round()
    assert [s.seq for s in await in_database(ledger)] == [3, 5]
    assert (await ledger.verify())[0].well


async def test_only_own_seals_are_put_into_the_database(ledger: Ledger) -> None:
    await ledger.add(1)
    stranger = SealKey(new_signing_key())
    made_up = stranger.sign(Seal(uuid4(), 2026, 7, b"x" * 32, 0, None, None, None, NOON, "x"))
    forged = Seal(uuid4(), 2026, 7, b"x" * 32, 0, None, None, None, NOON, KEY.kid, b"y" * 64)
    ledger.export.write_bytes(made_up.to_line() + forged.to_line() + b'{"torn')
    await ledger.seal()
    assert [s.agency_id for s in await in_database(ledger)] == [ledger.agency]


def test_a_torn_line_is_closed_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "seals"
    path.write_bytes(b'{"torn')
    seal = KEY.sign(Seal(uuid4(), 2026, 7, b"x" * 32, 0, None, None, None, NOON, "x"))
    SealsFile(path).append([seal])
    torn, line = path.read_bytes().splitlines()
    assert torn == b'{"torn'
    assert from_line(line) == seal
    with pytest.raises(NoSeal):
        from_line(torn)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "seals"
    SealsFile(path).append([])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_without_a_file_seals_are_in_the_database(ledger: Ledger) -> None:
    await ledger.add(3)
    assert await ledger.sealer(export=False).round() == 1
    assert len(await in_database(ledger)) == 1
    assert not ledger.export.exists()


def settings(**more: Any) -> AuditSettings:
    given = {
        "public_url": "http://localhost:8083",
        "port": 8083,
        "probe_port": 9083,
        "database_url": "postgresql://a:b@c/d",
        "redis_url": "redis://h/0",
        "seal_key": new_signing_key(),
    }
    return AuditSettings(**(given | more))


def test_a_file_that_could_never_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    assert settings(seals_file=tmp_path / "seals").seals_file == tmp_path / "seals"
    for wrong in (tmp_path, tmp_path / "missing" / "seals"):
        with pytest.raises(ValidationError, match="must be the path of a file that can be written"):
            settings(seals_file=wrong)


def test_the_key_is_checked_and_shown_nowhere() -> None:
    pem = new_signing_key()
    assert pem not in repr(settings(seal_key=pem))
    with pytest.raises(ValidationError, match="must be an Ed25519 private key"):
        settings(seal_key=KEY.public_pem)
    with pytest.raises(NoKey):
        SealKey(KEY.public_pem)
    with pytest.raises(NoKey):
        PublicKeys([pem])
