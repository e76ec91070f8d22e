"""The e-mails that the portal has sent to the owners of portal logins."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from shared.accounts import sessions
from shared.accounts.agencies import Agency
from shared.accounts.portal_logins import PortalLogin
from shared.deliveries import store as deliveries
from shared.deliveries.sealing import Sealer
from shared.deliveries.store import MailName
from shared.events.factor_catalogue import CHANGES_IN_WORDS, FactorChange
from shared.outbox import Transaction
from shared.security.session_limits import PASSWORD_RESET, REPORT_WITHIN
from shared.security.tokens import new_reference

_USERNAME_WITHIN: Final = timedelta(hours=1)


class Mails:
    """Puts them into the queue, with a fresh code where one is needed."""

    def __init__(self, sealer: Sealer, portal_base_url: str) -> None:
        self._sealer = sealer
        self._base_url = portal_base_url.rstrip("/")

    async def reset(self, tx: Transaction, login: PortalLogin, agency: Agency) -> None:
        """A code that lets its reader choose another password; those before it are no good any more."""
        reference, expires_at = new_reference(agency.id), tx.now + PASSWORD_RESET
        await sessions.void_resets(tx.conn, login.id, tx.now)
        await sessions.insert_password_token(tx.conn, reference, login.id, "reset", now=tx.now, expires_at=expires_at)
        await self._queue(tx, "password_reset", login, agency, secret=reference.text, expires_at=expires_at)

    async def password_changed(self, tx: Transaction, login: PortalLogin, agency: Agency) -> None:
        """The password was changed; with a code to say that it was somebody else."""
        reference, expires_at = new_reference(agency.id), tx.now + REPORT_WITHIN
        await sessions.insert_password_token(tx.conn, reference, login.id, "report", now=tx.now, expires_at=expires_at)
        await self._queue(tx, "password_changed", login, agency, secret=reference.text, expires_at=expires_at)

    async def second_factor_changed(
        self, tx: Transaction, login: PortalLogin, agency: Agency, what: FactorChange
    ) -> None:
        """What is asked for besides the password was changed; with a code to say that it was somebody else."""
        reference, expires_at = new_reference(agency.id), tx.now + REPORT_WITHIN
        await sessions.insert_password_token(tx.conn, reference, login.id, "report", now=tx.now, expires_at=expires_at)
        await self._queue(
            tx,
            "second_factor_changed",
            login,
            agency,
            secret=reference.text,
            expires_at=expires_at,
            detail=CHANGES_IN_WORDS[what],
        )

    async def username(self, tx: Transaction, login: PortalLogin, agency: Agency) -> None:
        """The username, for somebody who has forgotten it."""
        # Nobody waits for it longer. There is nothing in it that has to be sealed.
        await self._queue(tx, "username", login, agency, secret="", expires_at=tx.now + _USERNAME_WITHIN)

    async def _queue(
        self,
        tx: Transaction,
        mail: MailName,
        login: PortalLogin,
        agency: Agency,
        *,
        secret: str,
        expires_at: datetime,
        detail: str = "",
    ) -> None:
        await deliveries.queue(
            tx,
            sealer=self._sealer,
            mail=mail,
            portal_login_id=login.id,
            client_id=login.client_id,
            recipient=login.email,
            context={
                "username": login.username,
                # Always our own: an agency's own address may be a page elsewhere, which has no page for codes below it.
                "portal_url": f"{self._base_url}/{agency.slug}/",
                "agency_name": agency.name,
                **({"detail": detail} if detail else {}),
            },
            secret=secret,
            expires_at=expires_at,
        )
