"""The one fake that tests use for time: a clock that stands still until it is told to move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Answers the moment it was set to, in UTC."""

    def __init__(self, moment: datetime | None = None) -> None:
        self.moment = moment or datetime(2026, 3, 2, 15, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **amount: float) -> None:
        """Move on by a timedelta's keyword arguments."""
        self.moment += timedelta(**amount)

    def set(self, moment: datetime) -> None:
        """Move to an aware moment."""
        self.moment = moment.astimezone(UTC)
