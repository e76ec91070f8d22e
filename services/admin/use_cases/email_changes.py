"""When staff change a portal login's e-mail address, whoever reads the old one is told at once."""

from __future__ import annotations

from services.admin.use_cases.credentials import Credentials
from shared.accounts.agencies import Agency
from shared.accounts.portal_logins import PortalLogin
from shared.deliveries import store as deliveries
from shared.outbox import Transaction


async def tell_the_old_address(
    tx: Transaction, credentials: Credentials, *, before: PortalLogin, after: PortalLogin, agency: Agency
) -> None:
    """Mail it what has happened, with a code to confirm it or to lock the login; nothing, if nobody reads it.

    To be called once the mails to a wrong address are taken back, and before one to the new address is queued.
    """
    recipient = await old_address(tx, before)
    if recipient and recipient.casefold() != after.email.casefold():
        await credentials.mail_about_new_address(tx, after, recipient, agency)


async def old_address(tx: Transaction, before: PortalLogin) -> str | None:
    """Where whoever has read of this login reads; None while nobody has."""
    reached = await deliveries.last_recipient(tx.conn, before.id)
    if before.email_unconfirmed_since is not None:
        # Put in by staff as well, and perhaps nobody's: the one before it is told, unless a mail went to this one.
        return reached
    # A typing error that staff notice before any mail was sent must not tell a stranger who is a client here.
    return before.email if reached or before.password_hash else None
