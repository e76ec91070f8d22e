"""`portico keys`: give services new keys while they run, and take back those that leaked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.table import Table

from ops.audit.databases import DataFolder, Operator, WithoutAsking, admin_url, problems_told
from ops.deployment import Deployment
from ops.keys.changing import Keys, moment
from ops.keys.standing import Key
from ops.settings import setting
from ops.stack import environment
from ops.stack.key_folder import TARGETS, KeyFolder, target
from shared.clock import system_clock

_WIDTH_WITHOUT_TERMINAL = 160

app = typer.Typer(help="Give services new keys while they run.", no_args_is_help=True)

KeysFolder: TypeAlias = Annotated[
    Path | None, typer.Option("--keys", help="The folder of the keys, where KEYS_FOLDER does not name it.")
]
_NAMES = ", ".join(found.name for found in TARGETS)


@app.callback()
def keys_group() -> None:
    """Give services new keys while they run."""


@app.command("list")
def list_keys(
    every: Annotated[bool, typer.Option("--all", help="Also those that were withdrawn.")] = False,
    as_json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data: DataFolder = Path(".portico"),
    keys: KeysFolder = None,
) -> None:
    """List the keys by name: whose they are, since when they are known, which is in use, and what still needs it.

    Never shows a key. Ends with 1 when there is something to look at: a key that no process has read, one that is in
    no file, or one that has been in use for more than a year.
    """
    with problems_told():
        stand = asyncio.run(_keys(data, keys).standing())
    # A withdrawn key that is still in a file is somebody's to drop.
    found = [key for group in stand.values() for key in group if every or key.state != "withdrawn" or key.in_file]
    if as_json_:
        typer.echo(json.dumps({"items": [_as_json(key) for key in found]}, indent=1))
    else:
        _show(found)
    raise typer.Exit(1 if any(key.look for key in found) else 0)


@app.command("rotate")
def rotate(
    which: Annotated[
        list[str] | None, typer.Argument(metavar="[WHICH]...", help=f"Some of {_NAMES}; all if left out.")
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="The keys before may have leaked: withdraw them at once, not in some minutes.")
    ] = False,
    data: DataFolder = Path(".portico"),
    keys: KeysFolder = None,
) -> None:
    """Give services new keys. Nothing is restarted, nobody is signed out, no e-mail is lost.

    A new signing key is published before it signs, and the one before is accepted as long as its tokens are good. With
    --now it is not: programs get new tokens for their refresh tokens, people at pages notice nothing. Ends with 1 when
    no process has read a new key.
    """
    chosen = [target(name) for name in dict.fromkeys(which)] if which else list(TARGETS)
    with problems_told():
        done = asyncio.run(_keys(data, keys).rotate(chosen, leaked=now))
    raise typer.Exit(0 if done else 1)


# A key's name may begin with a dash, as base64url does.
@app.command("revoke", context_settings={"ignore_unknown_options": True})
def revoke(
    name: Annotated[str, typer.Argument(metavar="KEY", help="The key's name, as listed.")],
    yes: WithoutAsking = False,
    data: DataFolder = Path(".portico"),
    keys: KeysFolder = None,
) -> None:
    """Withdraw one key that has leaked. Where it is the one in use, the service gets a new one first."""
    if not yes:
        typer.confirm(f"Withdraw {name} for good? What it signed is refused from then on.", abort=True)
    with problems_told():
        asyncio.run(_keys(data, keys).revoke(name))


@app.command("tidy")
def tidy(data: DataFolder = Path(".portico"), keys: KeysFolder = None) -> None:
    """Drop from the files what nothing needs any more, and withdraw keys that are in no file. Rotating does so too."""
    with problems_told():
        asyncio.run(_keys(data, keys).tidy())


def _keys(data: Path, folder: Path | None) -> Keys:
    if folder is None:
        read = setting if setting("OWNER_DATABASE_URL") else environment.load(data).get
        named = read("KEYS_FOLDER")
        folder = Path(named) if named else None
    return Keys(
        owner_url=Deployment.named(data).owner_url,
        admin_url=admin_url(data),
        folder=KeyFolder(folder) if folder is not None else None,
        operator=Operator(),
        clock=system_clock,
        say=typer.echo,
    )


def _as_json(key: Key) -> dict[str, Any]:
    return {
        "key": key.name,
        "service": key.target.service,
        "use": key.target.use,
        "group": key.target.name,
        "since": key.since.isoformat() if key.since is not None else None,
        "state": key.state,
        "needed_for": key.needed,
        "in_file": key.in_file,
        "look": key.look,
    }


def _show(found: list[Key]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    table = Table(box=None)
    for heading in ("key", "group", "known since", "state", "needed for", "in its file"):
        table.add_column(heading)
    for key in found:
        there = {None: "not looked at", True: "yes", False: "no"}[key.in_file]
        state = f"{key.state} (look)" if key.look else key.state
        table.add_row(key.name, key.target.name, moment(key.since), state, key.needed or "nothing", there)
    console.print(table)
