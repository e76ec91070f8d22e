"""How dead letters are shown. Nothing of a body but its agency and type, unless somebody asks for the letter itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.audit.deadletters import DeadLetter

_WIDTH_WITHOUT_TERMINAL = 160
_STYLES = {"waiting": "yellow", "stored": "cyan"}


def printable(text: str, *, lines: bool = False) -> Text:
    """Text from outside, which must neither command the terminal nor count as markup. ``lines`` keeps line breaks."""
    kept = "\n" if lines else ""
    return Text("".join(c if c.isprintable() or c in kept else f"\\x{ord(c):02x}" for c in text))


def as_json(letter: DeadLetter, slugs: Mapping[UUID, str]) -> dict[str, Any]:
    """A letter for programs, without its body."""
    decided = letter.replayed_at or letter.discarded_at
    return {
        "id": letter.id,
        "received_at": letter.received_at.isoformat(),
        "agency_id": str(letter.agency_id) if letter.agency_id else None,
        "agency": slugs.get(letter.agency_id) if letter.agency_id else None,
        "type": letter.type,
        "event_id": str(letter.event_id) if letter.event_id else None,
        "stream_id": letter.stream_id,
        "reason": letter.reason,
        "state": letter.state,
        "decided_at": decided.isoformat() if decided else None,
        "decided_by": letter.decided_by,
        "decision_reason": letter.decision_reason,
    }


def show_list(console: Console, letters: Sequence[DeadLetter], slugs: Mapping[UUID, str]) -> None:
    """A table, oldest letter first."""
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    table = Table("id", "received (UTC)", "agency", "type", "reason", "state")
    for letter in letters:
        table.add_row(
            str(letter.id),
            f"{letter.received_at:%Y-%m-%d %H:%M:%S}",
            _agency(letter, slugs),
            letter.type or "-",
            printable(letter.reason),
            Text("stored already" if letter.state == "stored" else letter.state, style=_STYLES.get(letter.state, "")),
        )
    console.print(table)


def show_letter(console: Console, letter: DeadLetter, slugs: Mapping[UUID, str]) -> None:
    """Everything about a letter, its body last."""
    for name, value in as_json(letter, slugs).items():
        if value is not None:
            console.print(Text(f"{name.replace('_', ' ')}: ").append_text(printable(str(value))), soft_wrap=True)
    console.print(Text("body:" if letter.body else "body: none, its personal details were erased"))
    console.print(printable(_laid_out(letter.body), lines=True), soft_wrap=True)


def _agency(letter: DeadLetter, slugs: Mapping[UUID, str]) -> str:
    return slugs.get(letter.agency_id, str(letter.agency_id)) if letter.agency_id else "-"


def _laid_out(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body
