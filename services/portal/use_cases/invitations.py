"""The link that staff had sent in place of a temporary password: what it opens is the choice of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.portal.use_cases.sign_in import actor_of
from shared.accounts import agencies, clients, portal_logins, sessions
from shared.accounts.access import Origin
from shared.accounts.passwords import PasswordChangeRequired, require_change
from shared.accounts.portal_logins import PortalLogin
from shared.errors import DomainError
from shared.outbox import Work
from shared.security.gate import Gate
from shared.security.tokens import parse_reference

INVITATION_PATH: Final = "invitation"
"""The page behind the e-mail's link, below the address in its context; the code follows as ``#token=``."""


class InvitationExpired(DomainError):
    """This link is not right, was used already, or has expired. Ask your agency to send you a new one.

    A link in place of a temporary password is good as long as one would be, and for one password; a newer e-mail takes
    its place.
    """

    status = 401


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody came with to choose a password. ``record_of`` names the client, to a representative alone."""

    by_link: bool
    record_of: str | None


async def accept(
    work: Work, gate: Gate, *, token: str, origin: Origin, slug: str | None = None
) -> PasswordChangeRequired:
    """What it takes to choose a password, as after the right temporary one. The link stays good until one is chosen.

    At the pages of an agency, ``slug``, it must be one of theirs.

    Raises InvitationExpired, NotContracted, TooManyAttempts.
    """
    await gate.admit(origin.address)
    reference = parse_reference(token)
    if reference is None:
        raise InvitationExpired
    async with work.pool.transaction(reference.agency_id) as conn:
        stored = await sessions.lock_password_token(conn, reference, "portal", work.clock())
        login = await portal_logins.by_id(conn, stored.person_id) if stored else None
        if stored is None or login is None or stored.purpose != "invitation":
            raise InvitationExpired
        agency = await agencies.by_id(conn, reference.agency_id)
        if slug is not None and agency.slug != slug:
            raise InvitationExpired
        agency.require_contract()
    async with work.transaction(actor_of(agency, login, origin)) as tx:
        # The login first, as everywhere: staff may be making it inactive, or sending a newer link, at this moment.
        current = await portal_logins.lock(tx.conn, login.id)
        still = await sessions.lock_password_token(tx.conn, reference, "portal", tx.now)
        if current is None or still is None or not _waits(current):
            raise InvitationExpired
        return await require_change(tx, agency, kind="portal", person_id=current.id)


def _waits(login: PortalLogin) -> bool:
    return login.active and login.reported_at is None and login.password_hash is None


async def choice(work: Work, *, token: str) -> Choice | None:
    """What the bearer of a token for a first password came with; None when it is no good any more."""
    reference = parse_reference(token)
    if reference is None:
        return None
    async with work.pool.transaction(reference.agency_id) as conn:
        stored = await sessions.lock_password_token(conn, reference, "portal", work.clock())
        login = await portal_logins.by_id(conn, stored.person_id) if stored else None
        if stored is None or login is None or stored.purpose != "temporary":
            return None
        client = await clients.names(conn, login.client_id)
    by_link = login.temporary_password_hash is None and login.password_hash is None
    record_of = f"{client.first_name} {client.last_name}" if login.representative else None
    return Choice(by_link, record_of)
