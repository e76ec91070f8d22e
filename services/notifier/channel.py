"""When the mail server takes no mail from us, nobody asks it again for a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

PAUSE: Final = timedelta(seconds=60)


class Pauses:
    """Until when nothing is sent, at all or for one agency. Each process finds out by itself; none of it is lasting."""

    def __init__(self) -> None:
        self._for_all: datetime | None = None
        self._for_agency: dict[UUID, datetime] = {}

    def begin(self, until: datetime, agency_id: UUID | None = None) -> None:
        """Send nothing before ``until``, to anybody or in the name of one agency."""
        if agency_id is None:
            self._for_all = until
        else:
            self._for_agency[agency_id] = until

    def hold(self, agency_id: UUID, now: datetime, *, own_server: bool = False) -> bool:
        """Whether the agency's mails wait; with a server of its own no other one's refusal holds them."""
        until = self._for_agency.get(agency_id)
        if until is not None and until <= now:
            del self._for_agency[agency_id]
            until = None
        return until is not None or (not own_server and self._for_all is not None and now < self._for_all)
