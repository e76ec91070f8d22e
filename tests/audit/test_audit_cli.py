"""`portico audit verify` and `portico audit seals`, as an operator runs them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.accounts.agencies import Agency
from shared.security.tokens import new_signing_key
from tests.audit.ledger import KEY, Ledger
from tests.support.people import World

_OURS = ("DATABASE_URL", "OWNER_DATABASE_URL", "AUDIT_OWNER_DATABASE_URL", "SEAL_PUBLIC_KEY", "SEALS_FILE")


@dataclass(frozen=True)
class Done:
    """What the command printed, and its status."""

    status: int
    out: str
    err: str


@dataclass
class Operator:
    """Somebody at the command line of a deployment that the environment names."""

    ledger: Ledger
    slug: str

    async def __call__(self, *arguments: str | Path, **settings: str | None) -> Done:
        database = self.ledger.database
        named: dict[str, str | None] = {
            "OWNER_DATABASE_URL": database.owner_url,
            "DATABASE_URL": database.url("portico_admin"),
            "SEAL_PUBLIC_KEY": KEY.public_pem,
            "SEALS_FILE": str(self.ledger.export),
        } | settings
        inherited = {k: v for k, v in os.environ.items() if k.removesuffix("_FILE") not in _OURS and k not in _OURS}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops", "audit", *map(str, arguments)),
            env=inherited | {k: v for k, v in named.items() if v is not None} | {"COLUMNS": "200"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert b"Traceback" not in err, err.decode()
        return Done(process.returncode or 0, out.decode(), err.decode())

    async def problem(self, *arguments: str | Path, **settings: str | None) -> str:
        """The one sentence of a command that can't run."""
        done = await self(*arguments, **settings)
        assert done.status == 2, done
        return done.err.strip()


@pytest.fixture
async def operator(ledger: Ledger, world: World) -> Operator:
    """Three events of an agency, sealed."""
    agency: Agency = await world.agency()
    ledger.agency = agency.id
    await ledger.add(3)
    await ledger.seal()
    return Operator(ledger, agency.slug)


async def recorded(ledger: Ledger) -> list[dict[str, Any]]:
    rows = await ledger.sql("select event from audit.events where type = 'audit_log.verified' order by id")
    return [json.loads(r["event"]) for r in rows]


async def test_an_untouched_store_is_well_and_the_log_says_who_verified_it(operator: Operator) -> None:
    done = await operator("verify")
    assert done.status == 0, done
    assert operator.slug in done.out
    assert "Well: 3 events in 1 chain as they were stored." in done.out
    [event] = await recorded(operator.ledger)
    assert event["agency_id"] == str(operator.ledger.agency)
    assert event["actor"]["kind"] == "operator"
    assert event["payload"] == {"outcome": "well", "chains": 1, "events": 3, "since": None}
    # The record is an event as any other.
    assert "Well: 4 events" in (await operator("verify")).out


async def test_tampering_is_named_with_status_1(operator: Operator) -> None:
    ledger = operator.ledger
    await ledger.sql("update audit.events set actor_name = 'Nobody' where {chain} and seq = 2")
    done = await operator("verify", "--agency", operator.slug)
    assert done.status == 1
    assert f"{operator.slug} 2026: edited: event 2 was edited" in done.out
    assert f"(event {await ledger.id_at(2)} of 2026-03-02 12:00:01 UTC)" in done.out
    assert "TAMPERING was found in 1 of 1 chain." in done.out
    [event] = await recorded(ledger)
    assert event["payload"]["outcome"] == "tampered"


async def test_json_says_the_same(operator: Operator) -> None:
    ledger = operator.ledger
    await ledger.sql("delete from audit.events where {chain} and seq = 2")
    done = await operator("verify", "--json")
    assert done.status == 1
    result = json.loads(done.out)
    [chain] = result["chains"]
    assert result["well"] is chain["well"] is False
    assert (chain["agency"], chain["year"], chain["events"]) == (operator.slug, 2026, 1)
    assert chain["findings"] == [
        {"kind": "removed", "text": "event 2 was removed", "seq": 2, "event_id": None, "at": None}
    ]


async def test_exported_seals_are_taken_from_where_the_deployment_or_the_operator_says(
    operator: Operator, tmp_path: Path
) -> None:
    ledger = operator.ledger
    await ledger.sql("delete from audit.seals")
    assert "seal-removed: 1 exported seal is missing in the database" in (await operator("verify")).out
    kept = tmp_path / "kept.jsonl"
    ledger.export.rename(kept)
    done = await operator("verify")
    assert done.status == 0
    assert "No exported seals were given" in done.out
    assert (await operator("verify", "--seals", kept)).status == 1


async def test_a_verification_from_a_day_on_says_what_it_believed(operator: Operator) -> None:
    ledger = operator.ledger
    await ledger.sql("update audit.events set actor_name = 'Nobody' where {chain} and seq = 2")
    await ledger.add(2)
    done = await operator("verify", "--from", "2026-03-03")
    assert done.status == 0, done
    assert "1 chain began at the last good seal before 2026-03-03, which was believed for 3 events" in done.out
    assert (await operator("verify", "--from", "2026")).status == 1


async def test_keys_are_given_by_the_environment_or_by_files(operator: Operator, tmp_path: Path) -> None:
    public = tmp_path / "public.pem"
    public.write_text(KEY.public_pem)
    assert (await operator("verify", "--public-key", public, SEAL_PUBLIC_KEY=None)).status == 0
    assert (await operator("verify", SEAL_PUBLIC_KEY=None, SEAL_PUBLIC_KEY_FILE=str(public))).status == 0
    other = tmp_path / "other.pem"
    other.write_text(new_signing_key())
    said = await operator.problem("verify", "--public-key", other)
    assert said == "portico: A public key must be an Ed25519 public key in PEM."


async def test_agencies_are_shown_by_id_when_the_accounts_cannot_be_asked(operator: Operator) -> None:
    ledger = operator.ledger
    agency = str(ledger.agency)
    done = await operator(
        *("verify", "--agency", agency),
        OWNER_DATABASE_URL="postgresql://nobody:topsecret@127.0.0.1:1/none",
        AUDIT_OWNER_DATABASE_URL=ledger.database.owner_url,
    )
    assert done.status == 0, done
    assert agency in done.out
    assert "topsecret" not in done.out + done.err


async def test_what_cannot_run_is_one_sentence(operator: Operator, tmp_path: Path) -> None:
    assert await operator.problem("verify", "--agency", "nobody") == "portico: There is no agency 'nobody'."
    assert "--from takes a day" in await operator.problem("verify", "--from", "soon")
    assert "SEAL_PUBLIC_KEY is not set" in await operator.problem("verify", SEAL_PUBLIC_KEY=None)
    missing = tmp_path / "missing"
    assert "can't be read" in await operator.problem("verify", "--seals", missing)
    assert "No stack runs on" in await operator.problem("verify", "--data", missing, OWNER_DATABASE_URL=None)
    text = tmp_path / "text"
    text.write_text("no seal\n")
    assert "there is no seal in it" in await operator.problem("verify", "--seals", text)


async def test_seals_are_listed(operator: Operator) -> None:
    await operator.ledger.add(2)
    done = await operator("seals")
    assert done.status == 0, done
    [_, line] = done.out.splitlines()
    assert line.split()[:4] == [operator.slug, "2026", "5", "3"]
    assert KEY.kid in line
    assert (await operator("seals", "--agency", operator.slug)).out.splitlines()[1].split()[0] == operator.slug
