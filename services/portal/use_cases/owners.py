"""Portal logins as the owners of passwords."""

from __future__ import annotations

from typing import Final

from services.portal.use_cases.sign_in import actor_of, begin_session, subject_of
from shared.accounts import clients, portal_logins
from shared.accounts.owners import Owners
from shared.accounts.portal_logins import PortalLogin
from shared.db import Connection
from shared.events.catalogue import (
    PortalLoginReported,
    PortalLoginUnlocked,
    PortalPasswordChanged,
    PortalPasswordResetRequested,
)


async def _words_of(conn: Connection, login: PortalLogin) -> tuple[str, ...]:
    client = await clients.names(conn, login.client_id)
    return client.first_name, client.last_name


PORTAL_LOGINS: Final[Owners[PortalLogin]] = Owners(
    kind="portal",
    contracted_only=True,
    by_id=portal_logins.by_id,
    by_username=portal_logins.by_username,
    lock=portal_logins.lock,
    set_own_password=portal_logins.set_own_password,
    report=portal_logins.report,
    words_of=_words_of,
    changed=PortalPasswordChanged,
    reset_requested=PortalPasswordResetRequested,
    reported=PortalLoginReported,
    unlocked=PortalLoginUnlocked,
    actor_of=actor_of,
    subject_of=subject_of,
    begin_session=begin_session,
)
