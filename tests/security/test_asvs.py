"""The table of the OWASP ASVS is whole, and what it names is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs/security/ASVS.md"
STATES = ("met", "not applicable", "not yet")
# Levels in the order of the items: version 5.0.0, chapters 6, 7, 8, 9 and 16.
LEVELS = {
    "6.1": "122",
    "6.2": "111111112222",
    "6.3": "11223333",
    "6.4": "112233",
    "6.5": "22222333",
    "6.6": "2223",
    "6.7": "33",
    "6.8": "2222",
    "7.1": "222",
    "7.2": "1111",
    "7.3": "22",
    "7.4": "11222",
    "7.5": "223",
    "7.6": "22",
    "8.1": "1233",
    "8.2": "1123",
    "8.3": "133",
    "8.4": "23",
    "9.1": "111",
    "9.2": "1222",
    "16.1": "2",
    "16.2": "22222",
    "16.3": "2222",
    "16.4": "222",
    "16.5": "2223",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    item: str
    level: str
    asks: str
    state: str
    where: str
    test: str

    @property
    def named(self) -> list[str]:
        """Everything that stands as code in the last two columns."""
        return re.findall(r"`([^`]+)`", f"{self.where} {self.test}")


def rows() -> Iterator[Row]:
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if re.fullmatch(r"\d+\.\d+\.\d+", cells[0]):
            assert len(cells) == 6, line
            yield Row(*cells)


def test_every_item_is_there_once_with_its_level() -> None:
    wanted = [
        (f"{section}.{number}", level)
        for section, levels in LEVELS.items()
        for number, level in enumerate(levels, start=1)
    ]
    assert [(row.item, row.level) for row in rows()] == wanted
    assert all(row.asks for row in rows())


def test_every_row_has_a_state_and_its_reason() -> None:
    for row in rows():
        state, _, remark = row.state.partition(": ")
        assert state in STATES, row
        if state == "met":
            assert row.named, f"{row.item} names nothing that meets it"
            assert any(name.startswith("tests/") for name in row.named), f"{row.item} names no test"
        elif state == "not applicable":
            assert row.where or remark, f"{row.item} gives no reason"


def test_what_is_named_is_there() -> None:
    for row in rows():
        for name in row.named:
            path, _, test = name.partition("::")
            file = ROOT / path
            assert file.exists(), f"{row.item}: {path} is not there"
            if test:
                found = re.search(
                    rf"^(?:async )?def {re.escape(test)}\(", file.read_text(encoding="utf-8"), re.MULTILINE
                )
                assert found, f"{row.item}: {name} is not there"


def test_what_is_met_at_the_first_level_is_said() -> None:
    """What is open at level 1 has to say where it is being done."""
    for row in rows():
        if row.level == "1" and row.state == "not yet":
            assert row.where, row.item


def test_the_documents_name_every_log() -> None:
    text = (ROOT / "docs/operating/logs.md").read_text(encoding="utf-8")
    for name in ("audit log", "process log", "figures", "SEALS_FILE", "dead letters", "AUDIT_DATABASE_URL", "UTC"):
        assert name in text
