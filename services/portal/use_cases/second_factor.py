"""What the second factors of portal logins have of their own: how a session begins, and the e-mails about changes."""

from __future__ import annotations

from uuid import UUID

from services.portal.use_cases import new_devices
from services.portal.use_cases.mails import Mails
from services.portal.use_cases.sign_in import begin_session
from shared.accounts import portal_logins
from shared.accounts.access import Origin, SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.factor_owners import FactorOwner, Factors
from shared.errors import NotSignedIn
from shared.events.factor_catalogue import FactorChange
from shared.outbox import Transaction
from shared.security.boxes import Boxes
from shared.security.passwords import PasswordHasher
from shared.security.tokens import Signer


def factors_of(boxes: Boxes, hasher: PasswordHasher, signer: Signer, mails: Mails) -> Factors:
    """What the shared use cases need of the portal."""

    async def tell(tx: Transaction, agency: Agency, owner: FactorOwner, what: FactorChange) -> None:
        login = await portal_logins.by_id(tx.conn, owner.id)
        if login is not None:
            await mails.second_factor_changed(tx, login, agency, what)

    async def warn(tx: Transaction, agency: Agency, owner: FactorOwner) -> None:
        login = await portal_logins.by_id(tx.conn, owner.id)
        if login is not None:
            await mails.refused(tx, login, agency, "wrong_codes")

    async def begin(
        tx: Transaction, agency: Agency, person_id: UUID, *, signer: Signer, origin: Origin, with_cookie: bool
    ) -> SignedIn:
        login = await portal_logins.by_id(tx.conn, person_id)
        if login is None:
            raise NotSignedIn
        await new_devices.tell(tx, mails, agency, login, origin)
        return await begin_session(tx, agency, login, signer=signer, origin=origin, with_cookie=with_cookie)

    return Factors("portal", boxes, hasher, signer, begin, tell, warn)
