"""The e-mails about passwords, with a fresh code where one is needed; each kind of owner has its own letters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from typing import ClassVar, Final, Generic, Literal

from shared.accounts import sessions
from shared.accounts.agencies import Agency
from shared.accounts.owners import P
from shared.accounts.sessions import PasswordTokenPurpose, SessionKind
from shared.deliveries import store as deliveries
from shared.deliveries.store import MailName
from shared.outbox import Transaction
from shared.security.session_limits import PASSWORD_RESET, REPORT_WITHIN
from shared.security.tokens import new_reference

# Somebody who tries again and again must not fill a mailbox as well.
_WARNED_FOR: Final = timedelta(days=1)

Attack = Literal["wrong_passwords", "wrong_codes"]
ATTACKS_IN_WORDS: Final = {
    "wrong_passwords": "Somebody typed a wrong password ten times",
    "wrong_codes": "Somebody typed the right password, and then wrong codes",
}
SECOND_STEP_REMOVED: Final = "An admin removed your second step"


class PasswordMails(ABC, Generic[P]):
    """Puts them into the queue. A subclass says which letters they are, and what stands in them."""

    kind: ClassVar[SessionKind]
    credentials: ClassVar[tuple[MailName, ...]]
    """The e-mails that bring a temporary password, or a link in place of one."""
    reset_mail: ClassVar[MailName]
    changed_mail: ClassVar[MailName]
    refused_mail: ClassVar[MailName]
    """The e-mail that tells of somebody who tries to get in."""

    async def reset(self, tx: Transaction, person: P, agency: Agency) -> None:
        """A code that lets its reader choose another password; those before it are no good any more."""
        await sessions.void_resets(tx.conn, person.id, tx.now)
        await self._with_code(tx, self.reset_mail, person, agency, "reset", tx.now + PASSWORD_RESET)

    async def password_changed(self, tx: Transaction, person: P, agency: Agency) -> None:
        """The password was changed; with a code to say that it was somebody else."""
        await self._with_code(tx, self.changed_mail, person, agency, "report", tx.now + REPORT_WITHIN)

    async def refused(self, tx: Transaction, person: P, agency: Agency, what: Attack) -> None:
        """Somebody tries to get in; once a day at most (OWASP ASVS 5.0, 6.3.5)."""
        if await deliveries.sent_since(tx.conn, person.id, self.refused_mail, tx.now - _WARNED_FOR) == (None, 0):
            expires_at = tx.now + REPORT_WITHIN
            await self._with_code(
                tx, self.refused_mail, person, agency, "report", expires_at, detail=ATTACKS_IN_WORDS[what]
            )

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
