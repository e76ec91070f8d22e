"""`portico status`: one look at the pipeline, for people and for scripts."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from ops.deployment import Deployment
from ops.status.report import Report, look
from shared.clock import system_clock

_WIDTH_WITHOUT_TERMINAL = 160


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with --watch one document a line.")] = False,
    watch: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0.5, help="Look again every so often until Ctrl-C.")
    ] = None,
    data: Annotated[
        Path,
        typer.Option("--data", help="The data folder of a running `portico up`; not needed with OWNER_DATABASE_URL."),
    ] = Path(".portico"),
) -> None:
    """Look at the pipeline: outboxes, stream, consumers, dead letters, deliveries, audit store; and what is normal.

    Ends with 0 when all is well, 1 when there is something to look at, 2 when something is bad or cannot be reached.
    Takes OWNER_DATABASE_URL, AUDIT_OWNER_DATABASE_URL where the audit store has a server of its own, REDIS_URL and
    CELERY_BROKER_URL; each also as NAME_FILE.
    """
    deployment = Deployment.named(data)
    if watch is not None:
        raise typer.Exit(_watched(deployment, watch, as_json=as_json))
    report = asyncio.run(look(deployment, system_clock()))
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=1))
    else:
        _console().print(report.as_table())
    raise typer.Exit(report.exit_code)


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


def _watched(deployment: Deployment, seconds: float, *, as_json: bool) -> int:
    """Look until Ctrl-C; answers the exit code of the last look."""
    seen: list[Report] = []
    with contextlib.ExitStack() as cleanup:
        cleanup.enter_context(contextlib.suppress(KeyboardInterrupt))
        if as_json:
            show: Callable[[Report], None] = _print_line
        else:
            live = cleanup.enter_context(Live(console=_console(), auto_refresh=False))
            show = partial(_update, live)
        asyncio.run(_watch(deployment, seconds, seen, show))
    return seen[-1].exit_code if seen else 0


def _print_line(report: Report) -> None:
    print(json.dumps(report.as_json()), flush=True)


def _update(live: Live, report: Report) -> None:
    live.update(report.as_table(), refresh=True)


async def _watch(deployment: Deployment, seconds: float, seen: list[Report], show: Callable[[Report], None]) -> None:
    while True:
        report = await look(deployment, system_clock())
        seen[:] = [report]
        show(report)
        await asyncio.sleep(seconds)
