"""`portico up`: everything on this machine, as separate processes."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from ops.problems import Problem
from ops.stack.backends import UpSettings
from ops.stack.environment import SERVICES
from ops.stack.local import LocalStack, Options
from ops.stack.report import Teller

_MOST_REPLICAS = 16


def up(
    demo: Annotated[bool, typer.Option("--demo", help="Load sample agencies, staff and clients.")] = False,
    data: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path(".portico"),
    port_base: Annotated[
        int | None,
        typer.Option(
            help="Staff pages on base+1, portal +2, logs +3, mailbox +5, SMTP +6; 8080 or the next free if left out."
        ),
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVICE=N", help="Run N processes of a service, 1 to 16; may be repeated."),
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write addresses, process ids and sample sign-ins here once all is ready.")
    ] = None,
) -> None:
    """Run all of Portico on this machine until Ctrl-C.

    PostgreSQL, Valkey and a mailbox come along; DATABASE_URL (of an owner), REDIS_URL and SMTP_URL in the environment
    name real servers to use instead.
    """
    options = Options(
        data=data.absolute(),
        demo=demo,
        port_base=port_base,
        replicas=parse_scale(scale or []),
        ready_file=_writable(ready_file),
    )
    asyncio.run(_run(options, UpSettings.load()))


def parse_scale(wishes: list[str]) -> dict[str, int]:
    """Read ``notifier=2`` and the like. Raises Problem on an unknown service or a number out of range."""
    replicas = {}
    for wish in wishes:
        service, _, number = wish.partition("=")
        if service not in SERVICES or not number.isdecimal() or not 1 <= int(number) <= _MOST_REPLICAS:
            raise Problem(
                f"--scale takes SERVICE=N with one of {', '.join(SERVICES)} and 1 to {_MOST_REPLICAS}, not {wish!r}."
            )
        replicas[service] = int(number)
    return replicas


def _writable(ready_file: Path | None) -> Path | None:
    if ready_file is None:
        return None
    path = ready_file.absolute()
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise Problem(f"The ready file {path} cannot be written.")
    return path


async def _run(options: Options, settings: UpSettings) -> None:
    hurry = asyncio.Event()
    # What the children inherit; our own settings were read by UpSettings.
    stack = LocalStack(options, settings, dict(os.environ), Teller(), hurry)
    work = asyncio.create_task(stack.run())

    def stop() -> None:
        # Asked a second time, nobody gets time to finish any more.
        if work.cancelling():
            hurry.set()
        else:
            work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    try:
        await work
    except asyncio.CancelledError:
        return
