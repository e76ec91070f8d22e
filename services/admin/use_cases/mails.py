"""The e-mails to staff users."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal

from services.admin.use_cases.sign_in import subject_of
from shared.accounts.agencies import Agency
from shared.accounts.password_mails import SECOND_STEP_REMOVED, PasswordMails
from shared.accounts.sessions import SessionKind
from shared.accounts.staff import StaffUser
from shared.deliveries import bounces
from shared.deliveries import store as deliveries
from shared.deliveries.sealing import Sealer
from shared.deliveries.store import MailName
from shared.errors import DomainError
from shared.events.delivery_catalogue import StaffEmailCleared
from shared.events.factor_catalogue import CHANGES_IN_WORDS, FactorChange
from shared.letters.languages import language_of
from shared.letters.samples import TEST_MAIL
from shared.letters.wording import Wording
from shared.outbox import Transaction
from shared.security.session_limits import REPORT_WITHIN

TEST_LASTS: Final = timedelta(minutes=15)
"""Whoever waits for a test e-mail does not wait longer. A server that asks to come back later was heard by then."""
_TEST_WITHIN: Final = timedelta(hours=1)


class NoAddress(DomainError):
    """You have no e-mail address here yet. Ask another admin to put one in."""


class StaffMails(PasswordMails[StaffUser]):
    """Puts them into the queue. Nothing is sent to somebody without an e-mail address."""

    kind: ClassVar[SessionKind] = "staff"
    credentials: ClassVar[tuple[MailName, ...]] = ("staff_invitation",)
    reset_mail: ClassVar[MailName] = "staff_password_reset"
    changed_mail: ClassVar[MailName] = "staff_password_changed"
    refused_mail: ClassVar[MailName] = "staff_sign_in_refused"

    def __init__(self, sealer: Sealer, public_url: str) -> None:
        """``public_url`` is the admin service's own, below which each agency has its pages."""
        self._sealer = sealer
        self._base_url = public_url.rstrip("/")

    async def invitation(self, tx: Transaction, user: StaffUser, temporary_password: str, agency: Agency) -> None:
        """The temporary password that the staff user has been given, with where it is good."""
        expires_at = user.temporary_password_expires_at
        if expires_at is None:
            raise ValueError("the staff user has no temporary password")
        # Admins send it on purpose, and see on the same page what became of the one before.
        if user.email is not None and await bounces.lift(tx, user.email):
            await tx.append(StaffEmailCleared(username=user.username), subject_of(user))
        await self._queue(tx, "staff_invitation", user, agency, secret=temporary_password, expires_at=expires_at)

    async def email_changed(self, tx: Transaction, before: StaffUser, agency: Agency) -> None:
        """An admin has put in another address: to the one of ``before``, with a code to lock the door."""
        await self._with_code(tx, "staff_email_changed", before, agency, "report", tx.now + REPORT_WITHIN)

    async def second_factor_changed(self, tx: Transaction, user: StaffUser, agency: Agency, what: FactorChange) -> None:
        """What is asked for besides the password was changed; with a code to say that it was somebody else."""
        expires_at = tx.now + REPORT_WITHIN
        await self._with_code(
            tx, "staff_second_factor_changed", user, agency, "report", expires_at, detail=CHANGES_IN_WORDS[what]
        )

    async def second_factor_reset(self, tx: Transaction, user: StaffUser, agency: Agency) -> None:
        """An admin has removed what is asked for besides the password; with a code to say that nobody asked for it."""
        expires_at, detail = tx.now + REPORT_WITHIN, SECOND_STEP_REMOVED
        await self._with_code(tx, "staff_second_factor_changed", user, agency, "report", expires_at, detail=detail)

    async def passkey_changed(
        self, tx: Transaction, user: StaffUser, agency: Agency, what: Literal["added", "removed"]
    ) -> None:
        """A passkey was added or removed; with a code to say that it was somebody else."""
        expires_at = tx.now + REPORT_WITHIN
        await self._with_code(tx, "staff_passkey_changed", user, agency, "report", expires_at, detail=what)

    async def email_test(self, tx: Transaction, user: StaffUser, agency: Agency) -> None:
        """Whether e-mails of the agency arrive. It carries no secret, and says nothing that is worth keeping."""
        await self._queue(tx, "email_test", user, agency, secret="", expires_at=tx.now + TEST_LASTS)

    async def wording_test(
        self,
        tx: Transaction,
        user: StaffUser,
        agency: Agency,
        *,
        mail: str,
        language: str,
        wording: Wording,
        portal_url: str,
    ) -> str:
        """A sample of a letter with the agency's own words, to whoever wrote them; answers the address.

        Raises NoAddress.
        """
        if user.email is None:
            raise NoAddress
        await deliveries.queue(
            tx,
            sealer=self._sealer,
            mail=TEST_MAIL,
            owner=subject_of(user),
            recipient=user.email,
            context={
                "letter": mail,
                "agency_name": agency.name,
                "portal_url": portal_url,
                "language": language,
                "wording": asdict(wording),
            },
            # There is nothing in it that has to be sealed.
            secret="",
            expires_at=tx.now + _TEST_WITHIN,
        )
        return user.email

    async def _queue(
        self,
        tx: Transaction,
        mail: MailName,
        person: StaffUser,
        agency: Agency,
        *,
        secret: str,
        expires_at: datetime,
        detail: str = "",
    ) -> None:
        if person.email is None:
            return
        await deliveries.queue(
            tx,
            sealer=self._sealer,
            mail=mail,
            owner=subject_of(person),
            recipient=person.email,
            context={
                "username": person.username,
                "staff_url": f"{self._base_url}/{agency.slug}/",
                "agency_name": agency.name,
                "language": language_of(agency.locale),
                **({"detail": detail} if detail else {}),
            },
            secret=secret,
            expires_at=expires_at,
        )
