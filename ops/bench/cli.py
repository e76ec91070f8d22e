"""The command line of the bench."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from ops.bench import (
    api,
    drawing,
    hashing,
    ingest,
    latency,
    mail,
    memory,
    partitions,
    queries,
    report,
    sign_ins,
    usernames,
    verify,
)
from ops.bench.figures import Part, Run
from ops.bench.machine import machine
from ops.bench.stage import Options, Stage, stage
from ops.problems import Problem

ON_SERVERS: Mapping[str, Callable[[Stage, Options], Awaitable[Part]]] = {
    "ingest": ingest.measure,
    "latency": latency.measure,
    "queries": queries.measure,
    "api": api.measure,
    "verify": verify.measure,
    "partitions": partitions.measure,
    "sign-ins": sign_ins.measure,
    "usernames": usernames.measure,
    "mail": mail.measure,
}
"""Parts that are measured on a PostgreSQL and a Valkey of their own."""

ALONE: Mapping[str, Callable[[Progress, Options], Awaitable[Part]]] = {
    "memory": memory.measure,
    "hashing": hashing.measure,
}
"""Parts that need none, or bring all of them."""

PARTS = (*ON_SERVERS, *ALONE)
_WIDTH_WITHOUT_TERMINAL = 150

app = typer.Typer(pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files that a run is written to, besides the tables on the console."""

    json_file: Path | None
    plot: Path | None
    markdown: Path | None

    def check(self, parts: Sequence[str]) -> None:
        """Raise Problem now about what could not be written after many minutes."""
        for path in (self.json_file, self.plot, self.markdown):
            if path is not None and not (
                path.absolute().parent.is_dir() and os.access(path.absolute().parent, os.W_OK)
            ):
                raise Problem(f"{path} cannot be written: its folder is not there, or not yours.")
        if self.markdown is not None:
            report.require_places(parts, self.markdown)

    def write(self, run: Run) -> None:
        """Write what there is so far."""
        if self.json_file is not None:
            self.json_file.write_text(report.to_json(run) + "\n", encoding="utf-8")
        if self.plot is not None:
            self.plot.write_text(drawing.draw(run) + "\n", encoding="utf-8")
        if self.markdown is not None:
            report.write_markdown(run, self.markdown)


async def measure(name: str, options: Options) -> Part:
    """Measure one part, with a progress bar."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        if name in ALONE:
            return await ALONE[name](progress, options)
        async with stage(progress) as opened:
            return await ON_SERVERS[name](opened, options)


@app.command()
def bench(
    parts: Annotated[
        list[str] | None,
        typer.Argument(help=f"What to measure: {', '.join(PARTS)}. All but memory when left out.", show_default=False),
    ] = None,
    events: Annotated[int, typer.Option(min=100, help="Events that wait in the stream (ingest, verify).")] = 30_000,
    rows: Annotated[int, typer.Option(min=1000, help="Events in the large store (queries).")] = 1_000_000,
    small_rows: Annotated[int, typer.Option(min=1000, help="Events in the small store (queries).")] = 100_000,
    rate: Annotated[int, typer.Option(min=1, help="Events or sign-ins a second (latency, memory, sign-ins).")] = 500,
    seconds: Annotated[int, typer.Option(min=3, help="How long (latency, api, memory, sign-ins).")] = 20,
    rounds: Annotated[
        int, typer.Option(min=1, help="How often, for medians (ingest, api, verify, hashing, mail).")
    ] = 3,
    repeats: Annotated[
        int, typer.Option(min=5, help="How often each query is asked (queries, partitions, usernames).")
    ] = 300,
    connections: Annotated[int, typer.Option(min=1, help="Connections of the load (api).")] = 32,
    mails: Annotated[int, typer.Option(min=10, help="E-mails in the queue (mail).")] = 1_000,
    explain: Annotated[bool, typer.Option("--explain", help="Print the plans behind missed targets.")] = False,
    earlier: Annotated[
        list[Path] | None, typer.Option("--from", help="Tell also what an earlier --json file holds; may be repeated.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the ratios and the series as SVG.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Put the tables into this file, between their marks.")] = None,
) -> None:
    """Measure Portico beside the limits of this machine, on servers that are thrown away."""
    runs = [report.from_json(_read(path)) for path in earlier or ()]
    unknown = set(parts or ()) - set(PARTS)
    if unknown:
        raise Problem(f"There is no part {', '.join(sorted(unknown))}: choose of {', '.join(PARTS)}.")
    names = parts or ([] if runs else [name for name in PARTS if name != "memory"])
    outputs = Outputs(json_file, plot, markdown)
    outputs.check([*names, *(part.name for run in runs for part in run.parts)])
    options = Options(events, rows, small_rows, rate, seconds, rounds, repeats, connections, mails, explain)
    if not names:
        outputs.write(report.merged(runs))
    for name in names:
        part = asyncio.run(measure(name, options))
        report.show(part, _console())
        runs.append(Run(datetime.now(UTC).isoformat(timespec="seconds"), machine(), (part,)))
        # After each part: what was measured is there, whatever becomes of the next one.
        outputs.write(report.merged(runs))


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}.") from error


def main() -> None:
    """Run the command line; what the person can put right is one sentence and status 2."""
    try:
        app()
    except Problem as problem:
        print(f"bench: {problem}", file=sys.stderr)
        sys.exit(2)
