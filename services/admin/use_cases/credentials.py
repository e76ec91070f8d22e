"""What is mailed to the owners of portal logins when staff act: secrets in sealed boxes, which staff never see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from shared.accounts import sessions
from shared.accounts.agencies import Agency
from shared.accounts.portal_logins import PortalLogin
from shared.deliveries import bounces
from shared.deliveries import store as deliveries
from shared.deliveries.sealing import Sealer
from shared.deliveries.store import MailName
from shared.events import Subject
from shared.outbox import Transaction
from shared.security.passwords import PasswordHasher, new_temporary_password
from shared.security.session_limits import EMAIL_CONFIRM, REPORT_WITHIN
from shared.security.tokens import new_reference

# Nobody needs the news of last week.
_NOTICE_WITHIN: Final = timedelta(days=3)
_CREDENTIALS: Final[frozenset[MailName]] = frozenset({"temporary_password", "invitation_link"})


@dataclass(frozen=True, slots=True, repr=False)
class TemporaryPassword:
    """A temporary password with its hash, before it is known for whom. Never logged: it has no repr."""

    secret: str
    hash: str


class Credentials:
    """Makes temporary passwords and codes, and puts their e-mails into the queue."""

    def __init__(self, hasher: PasswordHasher, sealer: Sealer, portal_base_url: str) -> None:
        self._hasher = hasher
        self._sealer = sealer
        self._portal_base_url = portal_base_url

    async def make(self) -> TemporaryPassword:
        """A fresh one. Called before a transaction: hashing takes its time and holds no connection.

        Whether it is used, or a link in its place, is decided by the agency's rule at the moment of the transaction.
        """
        secret = new_temporary_password()
        return TemporaryPassword(secret, await self._hasher.hash(secret))

    def given_to(self, login: PortalLogin, password: TemporaryPassword, agency: Agency, tx: Transaction) -> PortalLogin:
        """The login as it is with this temporary password, or a link; whatever it had before is dead."""
        return replace(
            login,
            password_hash=None,
            # Behind a link there is nothing to guess, so there is no hash at all.
            temporary_password_hash=None if agency.link_for_new_logins else password.hash,
            temporary_password_expires_at=tx.now + timedelta(hours=agency.temporary_password_hours),
            credential_due=False,
            reported_at=None,
        )

    async def mail(self, tx: Transaction, login: PortalLogin, password: TemporaryPassword, agency: Agency) -> None:
        """Put the e-mail with it, or with a link in its place, into the queue; an earlier link is no good any more.

        Raises EmailComesBack.
        """
        expires_at = login.temporary_password_expires_at
        if expires_at is None:
            raise ValueError("the login has no temporary password")
        await bounces.require_works(tx, login.email)
        await sessions.void_password_tokens(tx.conn, login.id, tx.now)
        if login.temporary_password_hash is None:
            await self._mail_link(tx, login, agency, expires_at)
            return
        context = {"portal_url": agency.portal_address(self._portal_base_url)}
        await self._queue(
            tx, "temporary_password", login, login.email, agency, context, secret=password.secret, expires_at=expires_at
        )

    async def _mail_link(self, tx: Transaction, login: PortalLogin, agency: Agency, expires_at: datetime) -> None:
        reference = new_reference(agency.id)
        await sessions.insert_password_token(
            tx.conn, reference, "portal", login.id, "invitation", now=tx.now, expires_at=expires_at
        )
        # Our own address, whatever the agency's is: the page for the code is there.
        context = {"portal_url": f"{self._portal_base_url.rstrip('/')}/{agency.slug}/"}
        await self._queue(
            tx, "invitation_link", login, login.email, agency, context, secret=reference.text, expires_at=expires_at
        )

    async def notice(
        self, tx: Transaction, mail: Literal["login_inactive", "new_email"], login: PortalLogin, to: str, agency: Agency
    ) -> None:
        """Put an e-mail into the queue that tells of something, and opens nothing."""
        context = {"portal_url": agency.portal_address(self._portal_base_url)}
        await self._queue(tx, mail, login, to, agency, context, secret="", expires_at=tx.now + _NOTICE_WITHIN)

    async def mail_about_new_address(self, tx: Transaction, login: PortalLogin, recipient: str, agency: Agency) -> None:
        """Tell ``recipient`` that the login has another address now; its code confirms that, or locks the login."""
        reference, expires_at = new_reference(agency.id), tx.now + EMAIL_CONFIRM
        await sessions.insert_password_token(
            tx.conn, reference, "portal", login.id, "confirm_email", now=tx.now, expires_at=expires_at
        )
        context = {
            # Always our own: an agency's own address may be a page elsewhere, which has no page for codes below it.
            "portal_url": f"{self._portal_base_url.rstrip('/')}/{agency.slug}/",
            "new_email": masked(login.email),
        }
        await self._queue(
            tx, "email_changed", login, recipient, agency, context, secret=reference.text, expires_at=expires_at
        )

    async def _queue(
        self,
        tx: Transaction,
        mail: MailName,
        login: PortalLogin,
        recipient: str,
        agency: Agency,
        context: dict[str, str],
        *,
        secret: str,
        expires_at: datetime,
    ) -> None:
        await deliveries.queue(
            tx,
            sealer=self._sealer,
            mail=mail,
            owner=Subject(client_id=login.client_id, portal_login_id=login.id),
            recipient=recipient,
            context={
                "username": login.username,
                "agency_name": agency.name,
                "language": login.written_to_in(agency),
                **context,
            },
            secret=secret,
            expires_at=expires_at,
        )

    async def mail_factor_reset(self, tx: Transaction, login: PortalLogin, agency: Agency) -> None:
        """Tell the owner that staff have removed the second factor; with a code to say that it was not asked for."""
        reference, expires_at = new_reference(agency.id), tx.now + REPORT_WITHIN
        await sessions.insert_password_token(
            tx.conn, reference, "portal", login.id, "report", now=tx.now, expires_at=expires_at
        )
        await deliveries.queue(
            tx,
            sealer=self._sealer,
            mail="second_factor_reset",
            owner=Subject(client_id=login.client_id, portal_login_id=login.id),
            recipient=login.email,
            context={
                "username": login.username,
                # Our own address, whatever the agency's is: the page for the code is there.
                "portal_url": f"{self._portal_base_url.rstrip('/')}/{agency.slug}/",
                "agency_name": agency.name,
                "language": login.written_to_in(agency),
            },
            secret=reference.text,
            expires_at=expires_at,
        )

    def portal_address(self, agency: Agency) -> str:
        """The Agency Portal URL."""
        return agency.portal_address(self._portal_base_url)


def lost_with(login: PortalLogin, withdrawn: Iterable[MailName], now: datetime) -> bool:
    """Whether its owner can't use what they were given, once these mails are taken back and all codes are void.

    A link is a code; a temporary password that has arrived is none, and stays good.
    """
    return not _CREDENTIALS.isdisjoint(withdrawn) or login.password_state(now) == "link_sent"


def masked(email: str) -> str:
    """Enough for its owner to know it again, too little for others: ``c***@example.org``."""
    mailbox, _, domain = email.rpartition("@")
    return f"{mailbox[:1]}***@{domain}"
