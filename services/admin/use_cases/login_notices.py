"""What the owners of portal logins are told when staff change them, as far as their agency wants it."""

from __future__ import annotations

from services.admin.use_cases.credentials import Credentials
from services.admin.use_cases.email_changes import old_address
from shared.accounts.agencies import Agency
from shared.accounts.portal_logins import PortalLogin
from shared.outbox import Transaction


async def tell(
    tx: Transaction,
    credentials: Credentials,
    *,
    before: PortalLogin,
    after: PortalLogin,
    agency: Agency,
    has_credential: bool,
) -> None:
    """Mail what a change of a login asks for; ``has_credential``: a password or a link is mailed at the same moment."""
    await tell_of_deactivation(tx, credentials, before=before, after=after, agency=agency)
    if not has_credential:
        await _tell_the_new_address(tx, credentials, before=before, after=after, agency=agency)


async def tell_of_deactivation(
    tx: Transaction, credentials: Credentials, *, before: PortalLogin, after: PortalLogin, agency: Agency
) -> None:
    """Mail whoever reads of the login that it has been made inactive.

    To be called once the e-mails that were on their way are taken back: somebody whom nothing has reached is told
    nothing either.
    """
    if not (agency.contracted and agency.notice_of_inactive and before.active and not after.active):
        return
    recipient = await old_address(tx, before)
    if recipient:
        await credentials.notice(tx, "login_inactive", after, recipient, agency)


async def _tell_the_new_address(
    tx: Transaction, credentials: Credentials, *, before: PortalLogin, after: PortalLogin, agency: Agency
) -> None:
    """Mail the new address that it belongs to a portal login now, if that has anything to sign in with yet."""
    changed = before.email.casefold() != after.email.casefold()
    has_any = after.password_hash or after.temporary_password_hash
    if agency.notice_of_new_email and changed and after.active and has_any:
        await credentials.notice(tx, "new_email", after, after.email, agency)
