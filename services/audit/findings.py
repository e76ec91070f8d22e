"""What a verification finds, chain by chain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

from services.audit.chain import LAST_YEAR
from shared.events import lowest_id_at, time_of

Kind = Literal[
    "edited",
    "removed",
    "inserted",
    "reordered",
    "rewritten",
    "missing",
    "row-changed",
    "seal-wrong",
    "seal-unknown",
    "seal-removed",
]
"""What was done: to an event, to a whole chain, to a chain's row in ``audit.chains``, or to seals."""

_HIGHEST: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Chain:
    """The name of a chain."""

    agency_id: UUID
    year: int

    @property
    def ids(self) -> tuple[UUID, UUID]:
        """The first and the last id that an event of it can have."""
        low = lowest_id_at(datetime(self.year, 1, 1, tzinfo=UTC))
        if self.year >= LAST_YEAR:
            return low, _HIGHEST
        return low, UUID(int=lowest_id_at(datetime(self.year + 1, 1, 1, tzinfo=UTC)).int - 1)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that nobody but the owner of the database can have done.

    ``seq`` is the number in the chain of the first event that is concerned, where one is; ``event_id`` which event is
    there now, or where it went: None when none is. ``text`` says what was found and needs nothing else to be read.
    """

    kind: Kind
    text: str
    seq: int | None = None
    event_id: UUID | None = None

    @property
    def at(self) -> datetime | None:
        """When the event happened, by its id."""
        try:
            return time_of(self.event_id) if self.event_id is not None else None
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What was found in one chain.

    ``events`` were verified, up to number ``last_seq``; ``erased`` of them have no personal details any more. Numbers
    up to ``began_after`` were not walked: they were ``retired`` with their year, or a seal was believed for them
    (``since_seal``). ``sealed_seq`` and ``sealed_at`` are the last good seal that the chain agrees with: events beyond
    it are vouched for by no seal. ``rows`` is how many events there are by the word of the chain's row.
    """

    chain: Chain
    events: int = 0
    erased: int = 0
    unchained: int = 0
    retired: int = 0
    began_after: int = 0
    since_seal: datetime | None = None
    sealed_seq: int | None = None
    sealed_at: datetime | None = None
    last_seq: int = 0
    rows: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def well(self) -> bool:
        """Whether nothing was found."""
        return not self.findings
