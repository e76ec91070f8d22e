"""Owners are told when their password was changed, and say so if that was not them: then nobody gets in any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from services.portal.use_cases.sign_in import actor_of, subject_of
from shared.accounts import access, agencies, portal_logins, sessions
from shared.accounts.access import Origin
from shared.accounts.agencies import Agency
from shared.accounts.portal_logins import PortalLogin
from shared.deliveries import store as deliveries
from shared.deliveries.sealing import Sealer
from shared.errors import DomainError
from shared.events.catalogue import PortalLoginReported
from shared.outbox import Transaction, Work
from shared.security.tokens import new_reference, parse_reference

REPORT_PATH: Final = "not-me"
"""The page behind the e-mail's link, below the address in its context; the code follows as ``#token=``."""

GOOD_FOR: Final = timedelta(days=7)


class ReportExpired(DomainError):
    """This code is not right, was used already, or has expired. Please call your agency.

    A code from an e-mail about a changed password is good for a week.
    """

    status = 401


class Notices:
    """Puts the e-mails about changed passwords into the queue."""

    def __init__(self, sealer: Sealer, portal_base_url: str) -> None:
        self._sealer = sealer
        self._base_url = portal_base_url.rstrip("/")

    async def password_changed(self, tx: Transaction, login: PortalLogin, agency: Agency) -> None:
        """Tell the owner, at the login's address, with a code to say that it was somebody else."""
        reference, expires_at = new_reference(agency.id), tx.now + GOOD_FOR
        await sessions.insert_password_token(tx.conn, reference, login.id, "report", now=tx.now, expires_at=expires_at)
        await deliveries.queue(
            tx,
            sealer=self._sealer,
            mail="password_changed",
            portal_login_id=login.id,
            client_id=login.client_id,
            recipient=login.email,
            context={
                "username": login.username,
                "portal_url": f"{self._base_url}/{agency.slug}/",
                "agency_name": agency.name,
            },
            secret=reference.text,
            expires_at=expires_at,
        )


async def report(work: Work, *, token: str, origin: Origin) -> None:
    """Somebody else has changed the password: all sessions end, and nobody gets in until staff give a new password.

    Raises ReportExpired.
    """
    reference = parse_reference(token)
    if reference is None:
        raise ReportExpired
    async with work.pool.transaction(reference.agency_id) as conn:
        stored = await sessions.lock_password_token(conn, reference, work.clock())
        login = await portal_logins.by_id(conn, stored.portal_login_id) if stored else None
        if stored is None or login is None or stored.purpose != "report":
            raise ReportExpired
        agency = await agencies.by_id(conn, reference.agency_id)
    async with work.transaction(actor_of(agency, login, origin)) as tx:
        current = await portal_logins.lock(tx.conn, login.id)
        if current is None or not await sessions.use_password_token(tx.conn, reference, tx.now):
            raise ReportExpired
        await portal_logins.report(tx.conn, login.id, tx.now)
        await sessions.void_password_tokens(tx.conn, login.id, tx.now)
        await tx.append(PortalLoginReported(username=login.username), subject_of(login))
        ended = await sessions.end_of_login(tx.conn, login.id, "revoked", tx.now)
        event = access.ended_event("portal", login.username, "revoked", person_id=login.id, client_id=login.client_id)
        await tx.append_all([event for _ in ended])
        await deliveries.end_open(
            tx, portal_login_id=login.id, client_id=login.client_id, state="cancelled", reason="reported by its owner"
        )
