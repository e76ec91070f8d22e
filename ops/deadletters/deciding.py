"""Decisions about many dead letters, one transaction each: what was done stays done if the command is interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.audit import deadletters
from services.audit.deadletters import Decision, StillRefused
from shared.clock import system_clock
from shared.db import Pool


@dataclass(slots=True)
class Outcome:
    """What became of letters: how many are done, and which are not, with the reason."""

    stored: int = 0
    stored_already: int = 0
    discarded: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    done_before: list[int] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """All of it in one sentence."""
        counts = {
            "stored": self.stored,
            "stored already": self.stored_already,
            "discarded": self.discarded,
            "still refused": len(self.refused),
            "decided before": len(self.done_before),
        }
        return f"Dead letters: {', '.join(f'{n:,} {what}' for what, n in counts.items() if n) or 'none'}."


async def replay_all(pool: Pool, ids: Sequence[int], decision: Decision) -> Outcome:
    """Replay each of them."""
    outcome = Outcome()
    with _progress() as progress:
        for letter_id in progress.track(ids, description="Replaying"):
            try:
                done = await deadletters.replay(pool, letter_id=letter_id, decision=decision, now=system_clock())
            except StillRefused as error:
                outcome.refused.append((letter_id, error.message))
                continue
            if done is None:
                outcome.done_before.append(letter_id)
            elif done == "stored":
                outcome.stored += 1
            else:
                outcome.stored_already += 1
    return outcome


async def discard_all(pool: Pool, ids: Sequence[int], decision: Decision) -> Outcome:
    """Discard each of them."""
    outcome = Outcome()
    with _progress() as progress:
        for letter_id in progress.track(ids, description="Discarding"):
            if await deadletters.discard(pool, letter_id=letter_id, decision=decision, now=system_clock()):
                outcome.discarded += 1
            else:
                outcome.done_before.append(letter_id)
    return outcome


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Gone when it is over, since the summary says the same; nothing at all where nobody watches.
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
