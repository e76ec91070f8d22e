"""The `portico` command: what operators run."""

from __future__ import annotations

import sys

import typer

from ops.audit import cli as audit
from ops.bounces.cli import bounces
from ops.deadletters import cli as deadletters
from ops.importing import cli as importing
from ops.keys import cli as keys
from ops.migrate import migrate
from ops.passwords import cli as passwords
from ops.problems import Problem
from ops.sample import cli as sample
from ops.single_sign_on import single_sign_on
from ops.status.cli import status
from ops.up import up

COMMANDS = (up, migrate, status, single_sign_on, bounces)
"""Functions that are a command by themselves."""

GROUPS: tuple[tuple[str, typer.Typer], ...] = (
    ("audit", audit.app),
    ("dead-letters", deadletters.app),
    ("import", importing.app),
    ("keys", keys.app),
    ("passwords", passwords.app),
    ("sample", sample.app),
)
"""Commands with sub-commands, each a Typer application of its own: name and application."""

app = typer.Typer(
    name="portico",
    help="Run and look after Portico.",
    no_args_is_help=True,
    # A traceback that shows local variables would show secrets.
    pretty_exceptions_enable=False,
)
for command in COMMANDS:
    app.command()(command)
for name, group in GROUPS:
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command line; what the person can put right is one sentence and status 2."""
    try:
        app()
    except Problem as problem:
        print(f"portico: {problem}", file=sys.stderr)
        sys.exit(2)
