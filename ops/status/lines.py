"""What a look at the pipeline consists of: lines, each with what is normal; and how amounts and times are said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

State: TypeAlias = Literal["ok", "look", "bad"]
Figure: TypeAlias = int | float | str | bool | Sequence[Mapping[str, int | float | str | None]] | None

WORST: Final[Mapping[State, int]] = {"ok": 0, "look": 1, "bad": 2}
"""How bad each state is, and the command's exit code when it is the worst one."""

MOST: Final = 100_000
"""Rows are counted up to here: whether it is more than that by one or by a million, what is to be done is the same."""

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


@dataclass(frozen=True, slots=True)
class Line:
    """One thing about the pipeline: ``value`` and ``normal`` for people, ``figures`` for programs."""

    name: str
    value: str
    normal: str
    state: State
    figures: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its name for programs."""
        return self.name.replace(" ", "_")


@dataclass(frozen=True, slots=True)
class Limit:
    """From where on a figure wants a look, and from where on it is bad (None: never by itself)."""

    look: float
    bad: float | None = None

    def state(self, figure: float | None) -> State:
        """Where a figure stands; None stands for nothing there."""
        if figure is None or figure < self.look:
            return "ok"
        return "look" if self.bad is None or figure < self.bad else "bad"


def worst(*states: State) -> State:
    """The worst of them."""
    return max(states, key=WORST.__getitem__, default="ok")


def amount(count: int, most: int = MOST) -> str:
    """A number of rows that was counted no further than one beyond ``most``."""
    return f"more than {most:,}" if count > most else f"{count:,}"


def duration(seconds: float) -> str:
    """A time in its largest unit: 0.3 s, 12 s, 4 min, 3 h, 2 d."""
    for size, unit in _UNITS:
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.{0 if seconds >= 10 else 1}f} s"


def counted(count: int, one: str, many: str, most: int = MOST) -> str:
    """``1 row``, ``3 rows``, ``more than 100,000 rows``."""
    return f"{amount(count, most)} {one if count == 1 else many}"


def since(seconds: float | None, what: str = "the oldest") -> str:
    """``, the oldest 4 s``; nothing when there is none."""
    return "" if seconds is None else f", {what} {duration(seconds)}"
