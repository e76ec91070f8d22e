"""The e-mails about passwords, with a fresh code where one is needed; each kind of owner has its own letters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import ClassVar, Generic

from shared.accounts import sessions
from shared.accounts.agencies import Agency
from shared.accounts.owners import P
from shared.accounts.sessions import PasswordTokenPurpose, SessionKind
from shared.deliveries.store import MailName
from shared.outbox import Transaction
from shared.security.session_limits import PASSWORD_RESET, REPORT_WITHIN
from shared.security.tokens import new_reference


class PasswordMails(ABC, Generic[P]):
    """Puts them into the queue. A subclass says which letters they are, and what stands in them."""

    kind: ClassVar[SessionKind]
    credential: ClassVar[MailName]
    """The e-mail that brings a temporary password."""
    reset_mail: ClassVar[MailName]
    changed_mail: ClassVar[MailName]

    async def reset(self, tx: Transaction, person: P, agency: Agency) -> None:
        """A code that lets its reader choose another password; those before it are no good any more."""
        await sessions.void_resets(tx.conn, person.id, tx.now)
        await self._with_code(tx, self.reset_mail, person, agency, "reset", tx.now + PASSWORD_RESET)

    async def password_changed(self, tx: Transaction, person: P, agency: Agency) -> None:
        """The password was changed; with a code to say that it was somebody else."""
        await self._with_code(tx, self.changed_mail, person, agency, "report", tx.now + REPORT_WITHIN)

    async def _with_code(
        self,
        tx: Transaction,
        mail: MailName,
        person: P,
        agency: Agency,
        purpose: PasswordTokenPurpose,
        expires_at: datetime,
        *,
        detail: str = "",
    ) -> None:
        if person.email is None:
            # Staff users from before they had addresses.
            return
        reference = new_reference(agency.id)
        await sessions.insert_password_token(
            tx.conn, reference, self.kind, person.id, purpose, now=tx.now, expires_at=expires_at
        )
        await self._queue(tx, mail, person, agency, secret=reference.text, expires_at=expires_at, detail=detail)

    @abstractmethod
    async def _queue(
        self,
        tx: Transaction,
        mail: MailName,
        person: P,
        agency: Agency,
        *,
        secret: str,
        expires_at: datetime,
        detail: str = "",
    ) -> None:
        """Put one into the queue."""
