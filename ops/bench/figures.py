"""What a measurement is: a figure beside its limit, and the target that it is meant to reach."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of a figure: of its ratio to the limit, or of its value."""

    of: Literal["ratio", "value"]
    bound: Literal[">=", "<=", "<"]
    value: float

    def holds(self, found: float) -> bool:
        """Whether ``found`` is within the bound."""
        if self.bound == ">=":
            return found >= self.value
        return found <= self.value if self.bound == "<=" else found < self.value

    def __str__(self) -> str:
        return f"{'ratio ' if self.of == 'ratio' else ''}{self.bound} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. ``limit`` was measured in the same run, in the same ``unit``; ``size`` says of how much."""

    name: str
    ours: float
    unit: str
    size: str
    limit: float | None = None
    limit_name: str = ""
    target: Target | None = None

    @property
    def ratio(self) -> float | None:
        """Ours as a multiple of the limit; None without one."""
        return None if self.limit is None else self.ours / self.limit

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None:
            return None
        found = self.ratio if self.target.of == "ratio" else self.ours
        return found is not None and self.target.holds(found)


@dataclass(frozen=True, slots=True)
class Series:
    """A figure over time: ``seconds`` since the beginning, and the values then."""

    name: str
    unit: str
    seconds: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of the bench has measured. ``notes`` are sentences about how the figures came about."""

    name: str
    figures: tuple[Figure, ...]
    series: tuple[Series, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """Parts that were measured on one machine. ``at`` is an ISO date, ``machine`` a line about it."""

    at: str
    machine: str
    parts: tuple[Part, ...]


def percentile(values: Sequence[float], share: float) -> float:
    """The lowest value that ``share`` (0 to 1) of all are not above. Raises ValueError when there are none."""
    if not values:
        raise ValueError("no values were measured")
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def steady_percentile(values: Sequence[float], share: float, slices: int) -> float:
    """The median of the percentiles of consecutive slices: what disturbs the machine once does not decide."""
    size = max(1, math.ceil(len(values) / slices))
    return median([percentile(values[start : start + size], share) for start in range(0, len(values), size)])


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)
