"""Owners who were told of a change say that it was not them: then nobody gets in any more."""

from __future__ import annotations

from typing import Final

from services.portal.use_cases.sign_in import actor_of, subject_of
from shared.accounts import access, agencies, portal_logins, second_factors, sessions
from shared.accounts.access import Origin
from shared.deliveries import store as deliveries
from shared.errors import DomainError
from shared.events.catalogue import PortalLoginReported
from shared.outbox import Work
from shared.security.gate import Gate
from shared.security.tokens import parse_reference

REPORT_PATH: Final = "not-me"
"""The page behind the e-mail's link, below the address in its context; the code follows as ``#token=``."""


class ReportExpired(DomainError):
    """This code is not right, was used already, or has expired. Please call your agency.

    A code from an e-mail about a changed password or e-mail address is good for a week.
    """

    status = 401


_SAY_SO: Final = ("report", "confirm_email")


async def report(work: Work, gate: Gate, *, token: str, origin: Origin) -> None:
    """Somebody else has changed the login: all sessions end, and nobody gets in until staff give a new password.

    Raises ReportExpired, TooManyAttempts.
    """
    await gate.admit(origin.address)
    reference = parse_reference(token)
    if reference is None:
        raise ReportExpired
    async with work.pool.transaction(reference.agency_id) as conn:
        stored = await sessions.lock_password_token(conn, reference, work.clock())
        login = await portal_logins.by_id(conn, stored.portal_login_id) if stored else None
        if stored is None or login is None or stored.purpose not in _SAY_SO:
            raise ReportExpired
        agency = await agencies.by_id(conn, reference.agency_id)
    async with work.transaction(actor_of(agency, login, origin)) as tx:
        current = await portal_logins.lock(tx.conn, login.id)
        if current is None or not await sessions.use_password_token(tx.conn, reference, tx.now):
            raise ReportExpired
        await portal_logins.report(tx.conn, login.id, tx.now)
        await sessions.void_password_tokens(tx.conn, login.id, tx.now)
        await second_factors.start_over(tx.conn, "portal", login.id, tx.now)
        await tx.append(PortalLoginReported(username=login.username), subject_of(login))
        ended = await sessions.end_of_login(tx.conn, login.id, "revoked", tx.now)
        event = access.ended_event("portal", login.username, "revoked", person_id=login.id, client_id=login.client_id)
        await tx.append_all([event for _ in ended])
        await deliveries.end_open(
            tx, portal_login_id=login.id, client_id=login.client_id, state="cancelled", reason="reported by its owner"
        )
