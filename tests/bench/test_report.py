"""Figures are told in a table, as JSON, as SVG and in the page about performance."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from ops.bench import drawing, report
from ops.bench.cli import PARTS
from ops.bench.figures import Figure, Part, Run, Series, Target, percentile, steady_percentile
from ops.problems import Problem

REACHED = Figure("fast <enough>", 80.0, "events/s", "10 events", 100.0, "the wire", Target("ratio", ">=", 0.7))
MISSED = Figure("too slow", 60.0, "events/s", "10 events", 100.0, "the wire", Target("ratio", ">=", 0.7))
ALONE = Figure("soon", 12.5, "ms", "10 samples", target=Target("value", "<", 20))
SERIES = Series("memory of a & b", "MiB", (0.0, 5.0, 10.0), (30.0, 31.5, 31.0))
RUN = Run(
    "2026-03-02T12:00:00+00:00",
    "2 cores",
    (Part("ingest", (REACHED, MISSED)), Part("latency", (ALONE,), (SERIES,), ("A note.",))),
)

ROOT = Path(report.__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def test_a_figure_knows_its_ratio_and_whether_it_reaches_its_target() -> None:
    assert [(f.ratio, f.reached) for f in (REACHED, MISSED, ALONE)] == [(0.8, True), (0.6, False), (None, True)]
    assert Figure("x", 1, "s", "1").reached is None
    assert not Target("value", "<", 20).holds(20)
    assert Target("ratio", "<=", 1.5).holds(1.5)


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
    # Once in three slices something took very long.
    assert steady_percentile([1.0, 2.0, 2.0, 90.0, 3.0, 2.0], 1.0, 3) == 3


def test_json_tells_everything_and_is_read_back_the_same() -> None:
    told = report.to_json(RUN)
    assert report.from_json(told) == RUN
    figures = json.loads(told)["parts"][0]["figures"]
    assert [(f["ratio"], f["reached"]) for f in figures] == [(0.8, True), (0.6, False)]
    with pytest.raises(Problem, match="holds no run"):
        report.from_json("{}")


def test_a_later_measurement_of_a_part_takes_the_place_of_an_earlier_one() -> None:
    later = Run("2026-03-03T12:00:00+00:00", "4 cores", (Part("ingest", (REACHED,)),))
    merged = report.merged([RUN, later])
    assert [(part.name, len(part.figures)) for part in merged.parts] == [("ingest", 1), ("latency", 1)]
    assert (merged.at, merged.machine) == (later.at, "4 cores")


def test_the_table_says_what_each_figure_should_reach_and_whether_it_does() -> None:
    console = Console(width=200, record=True, file=StringIO())
    for part in RUN.parts:
        report.show(part, console)
    lines = console.export_text().splitlines()
    [reached] = [line for line in lines if "fast <enough>" in line]
    assert "0.800" in reached
    assert "ratio >= 0.7" in reached
    assert " yes " in reached
    assert " no " in next(line for line in lines if "too slow" in line)
    assert "A note." in lines


def test_the_drawing_is_xml_with_a_bar_a_ratio_and_a_line_a_series() -> None:
    root = ET.fromstring(drawing.draw(RUN))
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert len(list(root.iter(f"{SVG}rect"))) == 2
    assert [line.get("points", "").count(",") for line in root.iter(f"{SVG}polyline")] == [3]
    assert {"fast <enough>", "too slow", "0.800", "missed 0.600", "memory of a & b (MiB)"} <= set(words)
    description = root.findtext(f"{SVG}desc") or ""
    assert root.findtext(f"{SVG}title") == "Portico measured on 2026-03-02"
    assert "too slow: 0.600 of the wire, target ratio >= 0.7" in description
    assert "memory of a & b: from 30.0 to 31.0 MiB" in description


def test_a_drawing_of_nothing_is_still_a_drawing() -> None:
    assert ET.fromstring(drawing.draw(Run("2026-03-02", "2 cores", ()))).tag == f"{SVG}svg"


def test_tables_come_between_their_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Before\n\n<!-- bench ingest -->\nold\n<!-- end -->\nBetween\n<!-- bench latency -->\n<!-- end -->\nAfter\n"
    )
    report.write_markdown(RUN, page)
    text = page.read_text()
    assert text.startswith("# Before\n\n<!-- bench ingest -->\n| what |")
    assert "old" not in text
    assert "| fast <enough> | 80.0 events/s | 100 | 0.800 | ratio >= 0.7 | yes | the wire | 10 events |" in text
    assert "A note." in text
    assert "Measured on 02 March 2026: 2 cores." in text
    assert text.endswith("<!-- end -->\nAfter\n")
    page.write_text("# Without marks\n")
    with pytest.raises(Problem, match="no place for the part ingest"):
        report.write_markdown(RUN, page)


def test_the_page_about_performance_has_a_place_for_each_part() -> None:
    page = (ROOT / "docs" / "PERFORMANCE.md").read_text(encoding="utf-8")
    for part in PARTS:
        assert f"<!-- bench {part} -->" in page


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops.bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_measures_what_is_named_and_writes_what_is_asked_for(tmp_path: Path) -> None:
    files = {name: tmp_path / f"run.{name}" for name in ("json", "svg", "md")}
    files["md"].write_text("<!-- bench hashing -->\n<!-- end -->\n")
    options = [f"--json={files['json']}", f"--plot={files['svg']}", f"--markdown={files['md']}"]
    done = bench("hashing", "--rounds", "1", *options)
    assert done.returncode == 0, done.stderr
    assert "argon2id alone on one thread" in done.stdout
    assert [part.name for part in report.from_json(files["json"].read_text()).parts] == ["hashing"]
    assert ET.parse(files["svg"]).getroot().tag == f"{SVG}svg"
    assert "| verify a password, one thread |" in files["md"].read_text()


def test_an_earlier_run_is_told_again_without_measuring(tmp_path: Path) -> None:
    earlier, plot = tmp_path / "earlier.json", tmp_path / "again.svg"
    earlier.write_text(report.to_json(RUN))
    done = bench("--from", str(earlier), "--plot", str(plot))
    assert done.returncode == 0, done.stderr
    assert "too slow" in plot.read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ingests"], "bench: There is no part ingests: choose of ingest, "),
        (["hashing", "--json", "/nowhere/run.json"], "bench: /nowhere/run.json cannot be written: its folder is not "),
        (["hashing", "--markdown", "README.md"], "bench: README.md has no place for the part hashing: add "),
        (["--from", "pyproject.toml"], "bench: That file holds no run of the bench: name one that "),
    ],
)
def test_what_cannot_be_done_is_a_sentence_before_anything_is_measured(arguments: list[str], sentence: str) -> None:
    done = bench(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(sentence)
    assert not done.stdout
