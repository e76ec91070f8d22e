"""How figures are told: a table, JSON, and the tables of docs/PERFORMANCE.md."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.bench.figures import Figure, Part, Run
from ops.problems import Problem

_RUN = TypeAdapter(Run)
_WORDS = {True: "yes", False: "no", None: ""}


def number(value: float) -> str:
    """So many digits as mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ratio_text(ratio: float) -> str:
    """One decimal more than targets have."""
    return f"{ratio:.3f}"


def show(part: Part, console: Console) -> None:
    """One part as a table, with its notes below."""
    table = Table(title=part.name, title_justify="left")
    for heading in ("what", "ours", "limit", "ratio", "target", "reached", "limit is", "size"):
        table.add_column(heading, justify="right" if heading in ("ours", "limit", "ratio") else "left")
    for figure in part.figures:
        style = "red" if figure.reached is False else ""
        table.add_row(*(Text(cell, style=style) for cell in _cells(figure)))
    console.print(table)
    for note in part.notes:
        console.print(Text(note))


def _cells(figure: Figure) -> tuple[str, ...]:
    ratio = figure.ratio
    return (
        figure.name,
        f"{number(figure.ours)} {figure.unit}",
        "" if figure.limit is None else number(figure.limit),
        "" if ratio is None else ratio_text(ratio),
        "" if figure.target is None else str(figure.target),
        _WORDS[figure.reached],
        figure.limit_name,
        figure.size,
    )


def to_json(run: Run) -> str:
    """The whole run; ratios and whether targets are reached stand beside what they follow from."""
    found = asdict(run)
    for part, told in zip(run.parts, found["parts"], strict=True):
        for figure, fields in zip(part.figures, told["figures"], strict=True):
            fields |= {"ratio": figure.ratio, "reached": figure.reached}
    return json.dumps(found, indent=1)


def from_json(text: str) -> Run:
    """Read a run back. Raises Problem."""
    try:
        return _RUN.validate_json(text)
    except ValidationError as error:
        raise Problem("That file holds no run of the bench: name one that was written by --json.") from error


def merged(runs: Sequence[Run]) -> Run:
    """Several runs as one, a later measurement of a part instead of an earlier one. Raises Problem without any."""
    if not runs:
        raise Problem("There is nothing to tell: name parts to measure.")
    parts = {part.name: part for run in runs for part in run.parts}
    return Run(at=runs[-1].at, machine=runs[-1].machine, parts=tuple(parts.values()))


def require_places(parts: Sequence[str], path: Path) -> None:
    """Raise Problem unless ``path`` has marks for the table of each part."""
    text = _page(path)
    for part in parts:
        if not _marks(part).search(text):
            raise Problem(f"{path} has no place for the part {part}: add `<!-- bench {part} -->` and `<!-- end -->`.")


def write_markdown(run: Run, path: Path) -> None:
    """Put each part's table between its marks in ``path``. Raises Problem where there are none."""
    require_places([part.name for part in run.parts], path)
    text = _page(path)
    for part in run.parts:
        found = _marks(part.name).search(text)
        if found is not None:
            text = text[: found.end(1)] + _markdown(part, run) + text[found.start(2) :]
    path.write_text(text, encoding="utf-8")


def _marks(part: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- bench {part} -->\n).*?(<!-- end -->)", re.DOTALL)


def _page(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}.") from error


def _markdown(part: Part, run: Run) -> str:
    lines = [
        "| what | ours | limit | ratio | target | reached | limit is | size |",
        "|---|--:|--:|--:|---|---|---|---|",
        *(f"| {' | '.join(_cells(figure))} |" for figure in part.figures),
        "",
        *(f"```\n{note}\n```" if "\n" in note else note for note in part.notes),
        f"Measured on {date.fromisoformat(run.at[:10]):%d %B %Y}: {run.machine}.",
        "",
    ]
    return "\n".join(lines)
