"""The run as one SVG: a bar for each ratio with the line that it should reach, and a small chart for each series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

import jinja2

from ops.bench.figures import Figure, Run, Series
from ops.bench.report import number, ratio_text

_WIDTH: Final = 780
_LABELS: Final = 330
_BARS: Final = 340
_ROW: Final = 26
_CHART: Final = (370, 110)
_HEAD: Final = 60
_TOP: Final = 1.05


@dataclass(frozen=True, slots=True)
class _Bar:
    label: str
    y: float
    width: float
    value: str
    target_x: float | None
    target: str
    missed: bool


@dataclass(frozen=True, slots=True)
class _Chart:
    label: str
    x: float
    y: float
    points: str
    lowest: str
    highest: str
    seconds: str


def draw(run: Run) -> str:
    """The SVG. It has no fonts and no colours but the reader's own, and says in words what it shows."""
    figures = [figure for part in run.parts for figure in part.figures if figure.ratio is not None]
    series = [found for part in run.parts for found in part.series if len(found.values) > 1]
    bars, end = _bars(figures), _HEAD + _ROW * len(figures)
    charts = _charts(series, end + (30 if series else 0))
    height = (charts[-1].y + _CHART[1] + 34 if charts else end) + 10
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        resources.files(__package__).joinpath("chart.svg").read_text(encoding="utf-8")
    )
    return template.render(
        width=_WIDTH,
        height=height,
        labels=_LABELS,
        bars=bars,
        charts=charts,
        chart_width=_CHART[0],
        chart_height=_CHART[1],
        title=f"Portico measured on {run.at[:10]}",
        description="; ".join([_spoken(f) for f in figures] + [_spoken_series(s) for s in series]),
        machine=run.machine,
    )


def _bars(figures: Sequence[Figure]) -> list[_Bar]:
    ratios = [figure.ratio or 0 for figure in figures]
    targets = [_target(figure) or 0 for figure in figures]
    scale = _BARS / (max([*ratios, *targets, 1]) * _TOP)
    return [
        _Bar(
            label=figure.name,
            y=_HEAD + n * _ROW,
            width=ratio * scale,
            value=ratio_text(ratio),
            target_x=None if (target := _target(figure)) is None else _LABELS + target * scale,
            target=str(figure.target or ""),
            missed=figure.reached is False,
        )
        for n, (figure, ratio) in enumerate(zip(figures, ratios, strict=True))
    ]


def _target(figure: Figure) -> float | None:
    return figure.target.value if figure.target is not None and figure.target.of == "ratio" else None


def _charts(series: Sequence[Series], top: float) -> list[_Chart]:
    width, height = _CHART
    found = []
    for n, one in enumerate(series):
        low, high = min(one.values), max(one.values)
        # A line that hardly moves is to look like one: the axis begins at nothing.
        across, up = width / (max(one.seconds) or 1), height / (high * 1.05 or 1)
        points = (f"{s * across:.1f},{height - v * up:.1f}" for s, v in zip(one.seconds, one.values, strict=True))
        found.append(
            _Chart(
                label=f"{one.name} ({one.unit})",
                x=(n % 2) * (width + 40),
                y=top + n // 2 * (height + 50),
                points=" ".join(points),
                lowest=number(low),
                highest=number(high),
                seconds=f"{max(one.seconds):.0f} s",
            )
        )
    return found


def _spoken(figure: Figure) -> str:
    aim = f", target {figure.target}" if figure.target is not None else ""
    return f"{figure.name}: {ratio_text(figure.ratio or 0)} of {figure.limit_name}{aim}"


def _spoken_series(series: Series) -> str:
    return f"{series.name}: from {number(series.values[0])} to {number(series.values[-1])} {series.unit}"
