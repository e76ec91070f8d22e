"""People who were told of a change say that it was not them: then nobody gets in any more."""

from __future__ import annotations

from typing import Final

from shared.accounts import access, agencies, passkeys, second_factors, sessions
from shared.accounts.access import Origin
from shared.accounts.owners import Owners, P
from shared.deliveries import store as deliveries
from shared.errors import DomainError
from shared.events.passkey_catalogue import PortalPasskeyRemoved, StaffPasskeyRemoved
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


async def report(work: Work, owners: Owners[P], gate: Gate, *, token: str, origin: Origin) -> None:
    """Somebody else has changed it: all sessions end, and nobody gets in until there is a new temporary one.

    The passkeys are removed. Raises ReportExpired, TooManyAttempts.
    """
    await gate.admit(origin.address)
    reference = parse_reference(token)
    if reference is None:
        raise ReportExpired
    async with work.pool.transaction(reference.agency_id) as conn:
        stored = await sessions.lock_password_token(conn, reference, owners.kind, work.clock())
        person = await owners.by_id(conn, stored.person_id) if stored else None
        if stored is None or person is None or stored.purpose not in _SAY_SO:
            raise ReportExpired
        agency = await agencies.by_id(conn, reference.agency_id)
    subject = owners.subject_of(person)
    async with work.transaction(owners.actor_of(agency, person, origin)) as tx:
        current = await owners.lock(tx.conn, person.id)
        if current is None or not await sessions.use_password_token(tx.conn, reference, tx.now):
            raise ReportExpired
        await owners.report(tx.conn, person.id, tx.now)
        await sessions.void_password_tokens(tx.conn, person.id, tx.now)
        await second_factors.start_over(tx.conn, owners.kind, person.id, tx.now)
        await tx.append(owners.reported(username=person.username), subject)
        # Nobody knows which of them somebody else has added.
        removed = StaffPasskeyRemoved if owners.kind == "staff" else PortalPasskeyRemoved
        for name in await passkeys.remove_all(tx, owners.kind, person.id):
            await tx.append(removed(username=person.username, passkey=name, reason="reported"), subject)
        await access.end_all(tx, owners.kind, person.username, subject)
        await deliveries.end_open(tx, subject, state="cancelled", reason="reported by its owner")
