"""`portico passwords`: look after the list of passwords that nobody may choose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ops.passwords.reading import keys_in
from ops.passwords.writing import Keys, write
from ops.problems import Problem
from shared.security.blocklist import Blocklist

app = typer.Typer(help="Look after the list of passwords that nobody may choose.", no_args_is_help=True)


@app.callback()
def passwords_group() -> None:
    """Look after the list of passwords that nobody may choose."""


@app.command()
def refresh(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Lists, or folders of them: a password a line, JSON, or SHA-1 hashes (HASH:COUNT); .gz too."
        ),
    ],
    into: Annotated[Path, typer.Option("--into", help="The file to write, for PASSWORD_BLOCKLIST_FILE.")],
    least_length: Annotated[
        int, typer.Option(min=1, help="Leave out passwords of fewer characters; does not apply to hashes.")
    ] = 4,
    least_count: Annotated[
        int, typer.Option(min=1, help="Of hashes with a count, leave out those that were lost more seldom.")
    ] = 1,
) -> None:
    """Make a list from files that you have fetched. It is asked besides the one that comes with Portico.

    Nothing is sent anywhere. The services read the file when they start.
    """
    console = Console(highlight=False, soft_wrap=True)
    keys = Keys()
    for named in files:
        found = sum(
            keys.add(keys_in(file, least_length=least_length, least_count=least_count)) for file in _files_of(named)
        )
        console.print(f"{named}: {found:,} passwords", markup=False)
    if not any(True for _ in keys.records(1)):
        raise Problem("There is no password in these files, so nothing was written.")
    try:
        count = write(keys, into)
    except OSError as error:
        raise Problem(f"{into} can't be written: {error.strerror}.") from None
    made = Blocklist(into)
    console.print(
        f"{into}: {count:,} passwords in {into.stat().st_size:,} bytes; one in {1 / made.mistaken:,.0f} passwords that "
        "are on no list is taken for one.",
        markup=False,
    )


def _files_of(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
