"""``python -m tests.faults``: play the faults and show the account of each. Ends with 1 when anything is wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.faults.accounting import Report
from tests.faults.faults import FAULTS
from tests.faults.play import LONG, SHORT, Fault, Scale, play
from tests.faults.rig import running

_COLUMNS = ("acknowledged", "committed", "stored", "doubled", "lost", "mails", "mails doubled", "recovery s", "mail s")


async def _round(faults: list[Fault], scale: Scale, console: Console) -> list[tuple[Report, list[str]]]:
    outcome = []
    async with running() as rig:
        for fault in faults:
            console.print(f"[bold]{fault.name}[/]: {fault.about}")
            try:
                report = await play(rig, fault, scale)
                wrong = report.wrong(mails_may_double=fault.mails_may_double)
            except Exception as error:
                # The others are still worth playing.
                report, wrong = Report(fault.name), [f"{type(error).__name__}: {error}"]
            console.print(f"  {'; '.join(wrong) or 'well'}  {report.facts}", highlight=False, markup=False)
            outcome.append((report, wrong))
    return outcome


def _table(outcome: list[tuple[Report, list[str]]]) -> Table:
    table = Table("fault", *_COLUMNS, "wrong", title="Faults")
    for column in table.columns[1:-1]:
        column.justify = "right"
    for report, wrong in outcome:
        numbers = (
            *(report.acknowledged, report.committed, report.stored, report.doubled, report.lost),
            *(report.mails, report.mails_doubled, report.recovery_seconds, report.mail_seconds),
        )
        table.add_row(report.fault, *(str(number) for number in numbers), "; ".join(wrong))
    return table


def main(
    long: Annotated[bool, typer.Option(help="Longer times and more load.")] = False,
    only: Annotated[str, typer.Option(help="Faults with this in their name.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the accounts there.")] = None,
) -> None:
    """Play the faults on a stack of their own."""
    console = Console(width=None if Console().is_terminal else 180)
    chosen = [fault for fault in FAULTS if only.lower() in fault.name.lower()]
    if not chosen:
        raise typer.BadParameter(f"no fault is called {only}")
    outcome = asyncio.run(_round(chosen, LONG if long else SHORT, console))
    console.print(_table(outcome))
    if json_file is not None:
        json_file.write_text(json.dumps([r.as_json() | {"wrong": wrong} for r, wrong in outcome], indent=1))
    if any(wrong for _, wrong in outcome):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
