"""`portico dead-letters`, as an operator runs it on real servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ops.cli import app
from ops.problems import Problem
from services.audit import store
from shared.accounts.agencies import Agency
from shared.db import Pool
from tests.audit.events import NOON, an_event, owner_fetch
from tests.support.databases import Database
from tests.support.people import World

PERSON = "Catherine Malek"


@pytest.fixture
async def store_pool(database: Database) -> AsyncIterator[Pool]:
    pool = await store.open_pool(database.url("portico_audit"), 2)
    yield pool
    await pool.close()


@pytest.fixture
async def agency(world: World) -> Agency:
    return await world.agency()


class Operator:
    """Runs commands on one deployment, which the environment names."""

    def __init__(self, database: Database) -> None:
        self.environment = {"OWNER_DATABASE_URL": database.owner_url, "COLUMNS": "200", "LOGNAME": "ada"}

    async def run(self, *arguments: str, answer: str | None = None) -> Result:
        """What a command did. Raises Problem as the command does."""
        runner = CliRunner(env=self.environment)
        done = await asyncio.to_thread(runner.invoke, app, ["dead-letters", *arguments], input=answer)
        if isinstance(done.exception, Problem):
            raise done.exception
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        return done

    async def items(self, *arguments: str) -> list[dict[str, Any]]:
        """What `list --json` says."""
        return list(json.loads((await self.run("list", "--json", *arguments)).stdout)["items"])


@pytest.fixture
def operator(database: Database) -> Operator:
    return Operator(database)


async def bury(pool: Pool, body: str, *, event_id: UUID | None = None) -> None:
    async with pool.transaction(None) as conn:
        await store.insert_dead_letter(
            conn, stream_id=str(uuid4()), event_id=event_id, body=body, reason="a test", now=NOON
        )


async def a_good_one(pool: Pool, agency: Agency) -> UUID:
    """A letter whose event fits by now."""
    event = an_event(agency_id=agency.id)
    await bury(pool, event.to_json(), event_id=event.id)
    return event.id


async def a_bad_one(pool: Pool, agency: Agency) -> None:
    """A letter whose event still does not fit."""
    body = an_event(agency_id=agency.id).to_json().replace('"version":1', '"version":70000')
    await bury(pool, body.replace("cmalek", PERSON))


async def stored_times(database: Database, event_id: UUID) -> int:
    return len(await owner_fetch(database, "select id from audit.events where id = $1", event_id))


async def test_the_list_tells_what_waits_and_never_what_it_says(
    operator: Operator, store_pool: Pool, agency: Agency
) -> None:
    assert "No dead letter waits" in (await operator.run("list")).stdout
    await a_bad_one(store_pool, agency)
    await bury(store_pool, f"no JSON about {PERSON}")
    text = (await operator.run("list")).stdout
    for part in ("2026-03-02 12:00:00", "riverside", "portal_session.started", "a test", "waiting"):
        assert part in text
    first, second = await operator.items()
    assert PERSON not in text + json.dumps([first, second])
    assert (first["id"], first["agency"], first["type"]) == (1, "riverside", "portal_session.started")
    assert (first["agency_id"], first["state"], first["reason"]) == (str(agency.id), "waiting", "a test")
    assert (second["agency"], second["agency_id"], second["type"]) == (None, None, None)


async def test_the_list_goes_on_after_a_letter(operator: Operator, store_pool: Pool) -> None:
    for _ in range(3):
        await bury(store_pool, "x")
    assert "More follow: --after 2" in (await operator.run("list", "--limit", "2")).stdout
    assert [item["id"] for item in await operator.items("--after", "2")] == [3]
    page = json.loads((await operator.run("list", "--json", "--limit", "3")).stdout)
    assert page["next_after"] is None


async def test_the_list_does_without_the_accounts_database(
    operator: Operator, store_pool: Pool, agency: Agency, database: Database
) -> None:
    await a_bad_one(store_pool, agency)
    operator.environment |= {
        "OWNER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "AUDIT_OWNER_DATABASE_URL": database.owner_url,
    }
    assert str(agency.id) in (await operator.run("list")).stdout


async def test_a_letter_is_shown_with_its_body_after_a_warning(operator: Operator, store_pool: Pool) -> None:
    await bury(store_pool, f"[bold]{PERSON} \x1b[31m")
    shown = await operator.run("show", "1")
    assert "may hold personal data" in shown.stderr
    assert f"[bold]{PERSON} \\x1b[31m" in shown.stdout
    asked = await operator.run("show", "1", "--json")
    assert "may hold personal data" in asked.stderr
    assert json.loads(asked.stdout)["body"] == f"[bold]{PERSON} \x1b[31m"
    with pytest.raises(Problem, match="no dead letter 2"):
        await operator.run("show", "2")


async def test_replaying_stores_each_once_and_tells_what_is_still_refused(
    operator: Operator, store_pool: Pool, agency: Agency, database: Database
) -> None:
    events = [await a_good_one(store_pool, agency) for _ in range(3)]
    await a_bad_one(store_pool, agency)
    done = await operator.run("replay", "--all", "--yes", "--reason", "new version")
    assert done.exit_code == 1
    assert "Dead letter 4 still waits: this version cannot read it" in done.stdout
    assert "3 stored, 1 still refused" in done.stdout
    assert PERSON not in done.output
    assert [await stored_times(database, e) for e in events] == [1, 1, 1]
    assert [(item["id"], item["state"]) for item in await operator.items()] == [(4, "waiting")]
    everything = await operator.items("--all")
    assert [item["state"] for item in everything] == ["replayed"] * 3 + ["waiting"]
    assert {item["decision_reason"] for item in everything[:3]} == {"new version"}
    assert all(item["decided_by"].startswith("ada@") for item in everything[:3])
    again = await operator.run("replay", "1", "--yes", "--reason", "once more")
    assert again.exit_code == 0
    assert "Dead letter 1 was decided about before" in again.stdout
    assert [await stored_times(database, e) for e in events] == [1, 1, 1]


async def test_a_letter_whose_event_is_stored_is_listed_so_and_closed_by_a_replay(
    operator: Operator, store_pool: Pool, agency: Agency, database: Database
) -> None:
    event = an_event(agency_id=agency.id)
    await bury(store_pool, event.to_json(), event_id=event.id)
    async with store_pool.transaction(None) as conn:
        await store.append(conn, [store.entry_of(event.to_json())])
    assert "stored already" in (await operator.run("list")).stdout
    done = await operator.run("replay", "1", "--yes", "--reason", "it came later")
    assert done.exit_code == 0
    assert "1 stored already" in done.stdout
    assert await operator.items() == []
    assert await stored_times(database, event.id) == 1


async def test_nothing_is_done_unless_it_is_wanted(
    operator: Operator, store_pool: Pool, agency: Agency, database: Database
) -> None:
    event = await a_good_one(store_pool, agency)
    for command in ("replay", "discard"):
        asked = await operator.run(command, "1", "--reason", "perhaps", answer="n\n")
        assert asked.exit_code == 1
        assert f"{command.capitalize()} 1 dead letter?" in asked.stdout
    assert [item["state"] for item in await operator.items()] == ["waiting"]
    assert await stored_times(database, event) == 0
    wanted = await operator.run("replay", "1", "--reason", "surely", answer="y\n")
    assert wanted.exit_code == 0
    assert await stored_times(database, event) == 1


async def test_a_discarded_letter_is_not_stored_and_the_agencys_log_says_who_and_why(
    operator: Operator, store_pool: Pool, agency: Agency, database: Database
) -> None:
    event = await a_good_one(store_pool, agency)
    done = await operator.run("discard", "1", "--yes", "--reason", "made by hand")
    assert (done.exit_code, "1 discarded" in done.stdout) == (0, True)
    assert await operator.items() == []
    replayed = await operator.run("replay", "1", "--yes", "--reason", "too late")
    assert "decided about before" in replayed.stdout
    assert await stored_times(database, event) == 0
    [row] = await owner_fetch(database, "select agency_id, type, event from audit.events")
    assert (row["agency_id"], row["type"]) == (agency.id, "dead_letter.discarded")
    said = json.loads(row["event"])
    assert said["actor"]["kind"] == "operator"
    assert said["actor"]["username"].startswith("ada@")
    assert said["payload"] == {"letter_id": 1, "reason": "made by hand", "event_id": str(event)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("replay", "--reason", "x"), "by their ids, or all of them by --all"),
        (("replay", "1", "--all", "--reason", "x"), "by their ids, or all of them by --all"),
        (("replay", "1", "2", "--yes", "--reason", "x"), "no dead letter 2"),
        (("discard", "1", "99999999999999999999", "--yes", "--reason", "x"), "no dead letter 99999999999999999999"),
        (("discard", "1", "--yes", "--reason", " "), "--reason takes one line"),
        (("discard", "1", "--yes", "--reason", "two\nlines"), "--reason takes one line"),
        (("discard", "1", "--yes", "--reason", "x" * 501), "--reason takes one line"),
    ],
)
async def test_what_makes_no_sense_changes_nothing(
    operator: Operator, store_pool: Pool, agency: Agency, arguments: tuple[str, ...], said: str
) -> None:
    await a_good_one(store_pool, agency)
    with pytest.raises(Problem, match=said):
        await operator.run(*arguments)
    assert [item["state"] for item in await operator.items()] == ["waiting"]


@pytest.mark.parametrize("command", ["replay", "discard"])
async def test_a_decision_needs_a_reason(operator: Operator, command: str) -> None:
    done = await operator.run(command, "1", "--yes")
    assert done.exit_code == 2
    assert "--reason" in done.stderr


async def test_an_audit_store_that_is_away_or_older_is_one_sentence(operator: Operator, database: Database) -> None:
    address = database.owner_url.rpartition("/")[0]
    operator.environment["OWNER_DATABASE_URL"] = f"{address}/postgres"
    with pytest.raises(Problem, match="portico migrate"):
        await operator.run("list")
    operator.environment["OWNER_DATABASE_URL"] = "postgresql://owner:topsecret@127.0.0.1:1/portico"
    with pytest.raises(Problem, match="can't be reached") as away:
        await operator.run("list")
    assert "topsecret" not in str(away.value)
    operator.environment["OWNER_DATABASE_URL"] = "postgresql://owner:top/secret@127.0.0.1/portico"
    with pytest.raises(Problem, match="OWNER_DATABASE_URL must be a URL") as wrong:
        await operator.run("list")
    assert "secret" not in str(wrong.value)
