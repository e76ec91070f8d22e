"""`portico audit`: look after the audit store."""

from __future__ import annotations

import typer

from ops.audit import retention
from ops.audit.erase import erase
from ops.audit.seals import seals
from ops.audit.verify import verify

app = typer.Typer(help="Look after the audit store.", no_args_is_help=True)


@app.callback()
def audit_group() -> None:
    """Look after the audit store."""


app.add_typer(retention.app, name="retention")
app.command()(erase)
app.command()(seals)
app.command()(verify)
