"""After staff have changed a login's e-mail address, its owner says with a code from the old one: that is right."""

from __future__ import annotations

from typing import Final

from services.portal.use_cases.sign_in import actor_of, subject_of
from shared.accounts import agencies, portal_logins, sessions
from shared.accounts.access import Origin
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.sessions import PasswordToken
from shared.errors import DomainError
from shared.events.catalogue import PortalLoginEmailConfirmed
from shared.outbox import Work
from shared.security.gate import Gate
from shared.security.tokens import parse_reference

CONFIRM_PATH: Final = "confirm-email"
"""The page behind the e-mail's link, below the address in its context; the code follows as ``#token=``."""


class EmailConfirmExpired(DomainError):
    """This code is not right, was used already, or has expired. You can also confirm the address by signing in.

    A code from an e-mail about a changed address is good for a week, and for that change alone.
    """

    status = 401


async def confirm(work: Work, gate: Gate, *, token: str, origin: Origin) -> None:
    """The address is right: reset e-mails may go there at once. Nothing happens where a sign-in has shown that already.

    Raises EmailConfirmExpired, NotContracted, TooManyAttempts.
    """
    await gate.admit(origin.address)
    reference = parse_reference(token)
    if reference is None:
        raise EmailConfirmExpired
    async with work.pool.transaction(reference.agency_id) as conn:
        stored = await sessions.lock_password_token(conn, reference, "portal", work.clock())
        login = await portal_logins.by_id(conn, stored.person_id) if stored else None
        if stored is None or login is None or stored.purpose != "confirm_email":
            raise EmailConfirmExpired
        agency = await agencies.by_id(conn, reference.agency_id)
        agency.require_contract()
    async with work.transaction(actor_of(agency, login, origin)) as tx:
        current = await portal_logins.lock(tx.conn, login.id)
        if current is None or not _is_about(stored, current):
            raise EmailConfirmExpired
        if not await sessions.use_password_token(tx.conn, reference, tx.now):
            raise EmailConfirmExpired
        if current.email_unconfirmed_since is not None:
            await portal_logins.confirm_email(tx.conn, current.id)
            await tx.append(PortalLoginEmailConfirmed(username=current.username), subject_of(current))


def _is_about(token: PasswordToken, login: PortalLogin) -> bool:
    """Whether the code was made with the latest change. An older one still says that its own change was wrong."""
    changed = login.email_unconfirmed_since
    return login.reported_at is None and (changed is None or changed == token.issued_at)
