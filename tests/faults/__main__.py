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
_BEGIN, _END = "<!-- faults -->", "<!-- end -->"


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


def _numbers(report: Report) -> list[str]:
    return [
        str(number)
        for number in (
            *(report.acknowledged, report.committed, report.stored, report.doubled, report.lost),
            *(report.mails, report.mails_doubled, report.recovery_seconds, report.mail_seconds),
        )
    ]


def _table(outcome: list[tuple[Report, list[str]]]) -> Table:
    table = Table("fault", *_COLUMNS, "wrong", title="Faults")
    for column in table.columns[1:-1]:
        column.justify = "right"
    for report, wrong in outcome:
        table.add_row(report.fault, *_numbers(report), "; ".join(wrong))
    return table


def _put_into(page: Path, outcome: list[tuple[Report, list[str]]]) -> None:
    """Replace the page's table."""
    lines = [f"| fault | {' | '.join(_COLUMNS)} |", f"|---|{'--:|' * len(_COLUMNS)}"]
    lines += [f"| {report.fault} | {' | '.join(_numbers(report))} |" for report, _ in outcome]
    before, begin, rest = page.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    page.write_text("".join([before, begin, "\n", *(f"{line}\n" for line in lines), end, after]))


def main(
    long: Annotated[bool, typer.Option(help="Longer times and more load.")] = False,
    only: Annotated[str, typer.Option(help="Faults with this in their name.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the accounts there.")] = None,
    page: Annotated[Path | None, typer.Option("--markdown", help="Put the table into this page.")] = None,
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
    if page is not None:
        _put_into(page, outcome)
    if any(wrong for _, wrong in outcome):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
