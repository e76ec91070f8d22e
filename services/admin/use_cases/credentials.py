"""Temporary passwords: made, stored as a hash, mailed in a sealed box. Staff never see one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from shared.accounts.agencies import Agency
from shared.accounts.portal_logins import PortalLogin
from shared.deliveries import store as deliveries
from shared.deliveries.sealing import Sealer
from shared.outbox import Transaction
from shared.security.passwords import PasswordHasher, new_temporary_password


@dataclass(frozen=True, slots=True, repr=False)
class TemporaryPassword:
    """A temporary password with its hash, before it is known for whom. Never logged: it has no repr."""

    secret: str
    hash: str


class Credentials:
    """Makes temporary passwords and puts their e-mails into the queue."""

    def __init__(self, hasher: PasswordHasher, sealer: Sealer, portal_base_url: str) -> None:
        self._hasher = hasher
        self._sealer = sealer
        self._portal_base_url = portal_base_url

    async def make(self) -> TemporaryPassword:
        """A fresh one. Called before a transaction: hashing takes its time and holds no connection."""
        secret = new_temporary_password()
        return TemporaryPassword(secret, await self._hasher.hash(secret))

    def given_to(self, login: PortalLogin, password: TemporaryPassword, agency: Agency, tx: Transaction) -> PortalLogin:
        """The login as it is with this temporary password; whatever it had before is dead."""
        return replace(
            login,
            password_hash=None,
            temporary_password_hash=password.hash,
            temporary_password_expires_at=tx.now + timedelta(hours=agency.temporary_password_hours),
            credential_due=False,
            reported_at=None,
        )

    async def mail(self, tx: Transaction, login: PortalLogin, password: TemporaryPassword, agency: Agency) -> None:
        """Put the e-mail with it into the queue."""
        expires_at = login.temporary_password_expires_at
        if expires_at is None:
            raise ValueError("the login has no temporary password")
        await deliveries.queue(
            tx,
            sealer=self._sealer,
            mail="temporary_password",
            portal_login_id=login.id,
            client_id=login.client_id,
            recipient=login.email,
            context={
                "username": login.username,
                "portal_url": agency.portal_address(self._portal_base_url),
                "agency_name": agency.name,
            },
            secret=password.secret,
            expires_at=expires_at,
        )

    def portal_address(self, agency: Agency) -> str:
        """The Agency Portal URL."""
        return agency.portal_address(self._portal_base_url)
