"""`portico sample`: the sample data of a demonstration."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path
from typing import Annotated

import typer

from ops.sample.data import AGENCIES
from ops.sample.loading import load
from ops.settings import required
from ops.stack.files import write_private

app = typer.Typer(help="The sample data of a demonstration.", no_args_is_help=True)


@app.callback()
def sample_group() -> None:
    """The sample data of a demonstration."""


@app.command("load")
def load_sample(
    passwords: Annotated[
        Path, typer.Option("--passwords", help="JSON file of the sample passwords; made, owner-only, if it is missing.")
    ],
) -> None:
    """Load the sample agencies, staff and clients into DATABASE_URL (role portico_admin) and OWNER_DATABASE_URL."""
    environment = {name: required(name) for name in ("DATABASE_URL", "OWNER_DATABASE_URL")}
    known: dict[str, str] = json.loads(passwords.read_text()) if passwords.exists() else {}
    wanted = [f"{agency.slug}/{person.username}" for agency in AGENCIES for person in agency.staff]
    missing = {key: secrets.token_urlsafe(15) for key in wanted if key not in known}
    if missing:
        known |= missing
        # Stored before anybody uses them: an interruption must not leave a password that nobody knows.
        write_private(passwords, json.dumps(known, indent=1))
    loaded = asyncio.run(load(environment, known))
    count = sum(len(agency["staff"]) for agency in loaded["agencies"])
    typer.echo(f"{len(loaded['agencies'])} agencies with {count} staff users are there; passwords: {passwords}")
