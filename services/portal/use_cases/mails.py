"""The e-mails that the portal has sent to the owners of portal logins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal

from services.portal.use_cases.new_devices import coarse
from services.portal.use_cases.sign_in import subject_of
from shared.accounts import sessions
from shared.accounts.agencies import Agency
from shared.accounts.password_mails import PasswordMails
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.sessions import SessionKind
from shared.deliveries import store as deliveries
from shared.deliveries.sealing import Sealer
from shared.deliveries.store import MailName
from shared.events.factor_catalogue import CHANGES_IN_WORDS, FactorChange
from shared.outbox import Transaction
from shared.security.session_limits import REPORT_WITHIN
from shared.security.tokens import new_reference

_USERNAME_WITHIN: Final = timedelta(hours=1)


class Mails(PasswordMails[PortalLogin]):
    """Puts them into the queue, with a fresh code where one is needed."""

    kind: ClassVar[SessionKind] = "portal"
    credentials: ClassVar[tuple[MailName, ...]] = ("temporary_password", "invitation_link")
    reset_mail: ClassVar[MailName] = "password_reset"
    changed_mail: ClassVar[MailName] = "password_changed"
    refused_mail: ClassVar[MailName] = "sign_in_refused"

    def __init__(self, sealer: Sealer, portal_base_url: str) -> None:
        self._sealer = sealer
        self._base_url = portal_base_url.rstrip("/")

    async def username(self, tx: Transaction, login: PortalLogin, agency: Agency) -> None:
        """The username, for somebody who has forgotten it."""
        # Nobody waits for it longer. There is nothing in it that has to be sealed.
        await self._queue(tx, "username", login, agency, secret="", expires_at=tx.now + _USERNAME_WITHIN)

    async def passkey_changed(
        self, tx: Transaction, login: PortalLogin, agency: Agency, what: Literal["added", "removed"]
    ) -> None:
        """A passkey was added or removed; with a code to say that it was somebody else."""
        expires_at = tx.now + REPORT_WITHIN
        await self._with_code(tx, "passkey_changed", login, agency, "report", expires_at, detail=what)

    async def second_factor_changed(
        self, tx: Transaction, login: PortalLogin, agency: Agency, what: FactorChange
    ) -> None:
        """What is asked for besides the password was changed; with a code to say that it was somebody else."""
        expires_at = tx.now + REPORT_WITHIN
        await self._with_code(
            tx, "second_factor_changed", login, agency, "report", expires_at, detail=CHANGES_IN_WORDS[what]
        )

    async def new_device(
        self, tx: Transaction, login: PortalLogin, agency: Agency, *, device: str, address: str | None
    ) -> None:
        """Somebody signed in with what nobody had signed in with before; with a code to say that it was not them."""
        reference, expires_at = new_reference(agency.id), tx.now + REPORT_WITHIN
        await sessions.insert_password_token(
            tx.conn, reference, self.kind, login.id, "report", now=tx.now, expires_at=expires_at
        )
        further = {"happened_at": tx.now.isoformat(), "place": coarse(address)}
        await self._queue(
            tx,
            "new_device",
            login,
            agency,
            secret=reference.text,
            expires_at=expires_at,
            detail=device,
            further=further,
        )

    async def _queue(
        self,
        tx: Transaction,
        mail: MailName,
        person: PortalLogin,
        agency: Agency,
        *,
        secret: str,
        expires_at: datetime,
        detail: str = "",
        further: Mapping[str, str] | None = None,
    ) -> None:
        await deliveries.queue(
            tx,
            sealer=self._sealer,
            mail=mail,
            owner=subject_of(person),
            recipient=person.email,
            context={
                "username": person.username,
                # Always our own: an agency's own address may be a page elsewhere, which has no page for codes below it.
                "portal_url": f"{self._base_url}/{agency.slug}/",
                "agency_name": agency.name,
                "language": person.written_to_in(agency),
                **({"detail": detail} if detail else {}),
                **(further or {}),
            },
            secret=secret,
            expires_at=expires_at,
        )
