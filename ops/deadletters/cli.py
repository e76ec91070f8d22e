"""`portico dead-letters`: decide about events that could not be stored."""

from __future__ import annotations

import asyncio
import getpass
import json
import socket
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

import asyncpg
import typer
from rich.console import Console

from ops.deadletters.deciding import Outcome, discard_all, replay_all
from ops.deadletters.telling import as_json, show_letter, show_list
from ops.deployment import Deployment
from ops.problems import Problem
from services.audit import deadletters, store
from services.audit.deadletters import DeadLetter, Decision
from shared.db import Pool, Unavailable, named_queries

_SQL = named_queries(__package__, "sql/agencies.sql")
_LONGEST_REASON = 500
_NOT_CURRENT = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError)
_AWAY: tuple[type[BaseException], ...] = (*Unavailable, asyncpg.PostgresError)

T = TypeVar("T")

app = typer.Typer(help="Decide about events that could not be stored.", no_args_is_help=True)

DataFolder = Annotated[
    Path, typer.Option("--data", help="The data folder of a running `portico up`; not needed with OWNER_DATABASE_URL.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the letter and in the agency's log.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.callback()
def dead_letters_group() -> None:
    """Decide about events that could not be stored."""


@app.command("list")
def list_letters(
    also_done: Annotated[bool, typer.Option("--all", help="Also those that were replayed or discarded.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    after: Annotated[int, typer.Option(help="Begin after the letter of this id.")] = 0,
    as_json_: AsJson = False,
    data: DataFolder = Path(".portico"),
) -> None:
    """List the letters that nobody decided about, oldest first. Never shows what an event says about people.

    The state `stored already` means that the event came in by another way; a replay closes its letter.
    """
    deployment = Deployment.named(data)
    # One more than is shown tells whether more follow.
    found = _run(_listed(deployment, also_done=also_done, after=after, limit=limit + 1))
    letters, more = found[:limit], len(found) > limit
    slugs = asyncio.run(_slugs(deployment, letters))
    if as_json_:
        next_after = letters[-1].id if more else None
        typer.echo(json.dumps({"items": [as_json(d, slugs) for d in letters], "next_after": next_after}))
        return
    if not letters:
        typer.echo("There are no dead letters." if also_done else "No dead letter waits for a decision.")
        return
    show_list(Console(highlight=False), letters, slugs)
    if more:
        typer.echo(f"More follow: --after {letters[-1].id}")


@app.command("show")
def show_one(
    letter_id: Annotated[int, typer.Argument(metavar="ID", help="The letter's id, as listed.")],
    as_json_: AsJson = False,
    data: DataFolder = Path(".portico"),
) -> None:
    """Show everything about a letter, with the event's body, which may hold personal data."""
    deployment = Deployment.named(data)
    [letter] = _run(_found(deployment, [letter_id]))
    slugs = asyncio.run(_slugs(deployment, [letter]))
    typer.echo("The body of an event may hold personal data: show it to nobody who need not see it.", err=True)
    if as_json_:
        typer.echo(json.dumps(as_json(letter, slugs) | {"body": letter.body}))
    else:
        show_letter(Console(highlight=False), letter, slugs)


@app.command("replay")
def replay_letters(
    reason: Reason,
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID", help="Which letters.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All letters that nobody decided about.")] = False,
    yes: Yes = False,
    data: DataFolder = Path(".portico"),
) -> None:
    """Store the events of letters after all, once what was wrong is put right. Each is stored once, however often.

    A letter whose body this version cannot read can't be replayed by it. What is still refused is told with its reason
    and goes on waiting; the command then ends with status 1.
    """
    if bool(ids) == every:
        raise Problem("Name the letters to replay by their ids, or all of them by --all.")
    deployment, decision = Deployment.named(data), _decision(reason)
    wanted = _run(_open(deployment)) if every else _ids(_run(_found(deployment, ids or [])))
    if not wanted:
        typer.echo("No dead letter waits for a decision.")
        return
    if not yes:
        typer.confirm(f"Replay {_letters(len(wanted))}?", abort=True)
    outcome = _run(_replayed(deployment, wanted, decision))
    _tell(outcome)
    raise typer.Exit(1 if outcome.refused else 0)


@app.command("discard")
def discard_letters(
    ids: Annotated[list[int], typer.Argument(metavar="ID", help="Which letters.")],
    reason: Reason,
    yes: Yes = False,
    data: DataFolder = Path(".portico"),
) -> None:
    """Decide that the events of letters are not to be stored. The letters stay readable, and cannot be replayed."""
    deployment, decision = Deployment.named(data), _decision(reason)
    wanted = _ids(_run(_found(deployment, ids)))
    if not yes:
        typer.confirm(f"Discard {_letters(len(wanted))}? Their events will never be in a log.", abort=True)
    _tell(_run(_discarded(deployment, wanted, decision)))


def _decision(reason: str) -> Decision:
    reason = reason.strip()
    if not 1 <= len(reason) <= _LONGEST_REASON or not reason.isprintable():
        raise Problem(f"--reason takes one line of 1 to {_LONGEST_REASON} characters.")
    return Decision(account=getpass.getuser(), host=socket.gethostname(), reason=reason)


def _ids(letters: Iterable[DeadLetter]) -> list[int]:
    return [letter.id for letter in letters]


def _letters(count: int) -> str:
    return "1 dead letter" if count == 1 else f"{count:,} dead letters"


def _tell(outcome: Outcome) -> None:
    for letter_id, why in outcome.refused:
        typer.echo(f"Dead letter {letter_id} still waits: {why}.")
    for letter_id in outcome.done_before:
        typer.echo(f"Dead letter {letter_id} was decided about before; nothing was changed.")
    typer.echo(outcome.summary)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end. Raises Problem in place of what the driver raises."""
    try:
        return asyncio.run(work)
    except Unavailable as error:
        raise Problem(f"The audit store can't be reached: {error or type(error).__name__}.") from None
    except _NOT_CURRENT:
        raise Problem("The audit store is not of this version: run `portico migrate` first.") from None
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise Problem(f"The audit store refuses its user this: {error}.") from None


@asynccontextmanager
async def _store(deployment: Deployment) -> AsyncIterator[Pool]:
    pool = await store.open_pool(deployment.audit_owner_url, 1)
    try:
        yield pool
    finally:
        await pool.close()


async def _listed(deployment: Deployment, *, also_done: bool, after: int, limit: int) -> list[DeadLetter]:
    async with _store(deployment) as pool, pool.transaction(None) as conn:
        return await deadletters.listed(conn, also_done=also_done, after=after, limit=limit)


async def _open(deployment: Deployment) -> list[int]:
    async with _store(deployment) as pool, pool.transaction(None) as conn:
        return await deadletters.open_ids(conn)


async def _found(deployment: Deployment, ids: Sequence[int]) -> list[DeadLetter]:
    """The letters of these ids, each once. Raises Problem, before anything is done, when there is none of an id."""
    letters = []
    async with _store(deployment) as pool, pool.transaction(None) as conn:
        for letter_id in dict.fromkeys(ids):
            letter = await deadletters.show(conn, letter_id) if 0 < letter_id < 2**63 else None
            if letter is None:
                raise Problem(f"There is no dead letter {letter_id}.")
            letters.append(letter)
    return letters


async def _replayed(deployment: Deployment, ids: Sequence[int], decision: Decision) -> Outcome:
    async with _store(deployment) as pool:
        return await replay_all(pool, ids, decision)


async def _discarded(deployment: Deployment, ids: Sequence[int], decision: Decision) -> Outcome:
    async with _store(deployment) as pool:
        return await discard_all(pool, ids, decision)


async def _slugs(deployment: Deployment, letters: Iterable[DeadLetter]) -> dict[UUID, str]:
    """How people call the letters' agencies; without the accounts database their ids have to do."""
    wanted = {letter.agency_id for letter in letters if letter.agency_id}
    if not wanted:
        return {}
    pool = await Pool.open(deployment.owner_url, size=1, application_name="portico-dead-letters")
    try:
        async with pool.transaction(None) as conn:
            return {r["id"]: r["slug"] for r in await conn.fetch(_SQL["slugs"], list(wanted))}
    except _AWAY:
        return {}
    finally:
        await pool.close()
