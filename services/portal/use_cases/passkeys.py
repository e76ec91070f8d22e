"""The owners of portal logins sign in with a passkey, and are told when one is added or removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.portal.use_cases import new_devices
from services.portal.use_cases.mails import Mails
from services.portal.use_cases.sign_in import begin_session
from shared.accounts import agencies, passkey_sign_in, portal_logins
from shared.accounts.access import Origin, SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.own_passkeys import Tell, What
from shared.accounts.passkey_owners import Owner
from shared.accounts.portal_logins import PortalLogin
from shared.errors import NotSignedIn
from shared.outbox import Transaction, Work
from shared.security.gate import Gate
from shared.security.passkeys import RelyingParty
from shared.security.tokens import Signer


async def sign_in(
    work: Work,
    gate: Gate,
    signer: Signer,
    rp: RelyingParty,
    *,
    mails: Mails,
    slug: str,
    handle: str,
    credential: Mapping[str, Any],
    origin: Origin,
    with_cookie: bool,
) -> SignedIn:
    """Begin a session with a passkey alone, also while a temporary password waits.

    Raises NotContracted, TooManyAttempts, BadCredentials.
    """

    async def begin(tx: Transaction, agency: Agency, owner: Owner) -> SignedIn:
        login = await _login(tx, owner)
        await new_devices.tell(tx, mails, agency, login, origin)
        return await begin_session(
            tx, agency, login, signer=signer, origin=origin, with_cookie=with_cookie, how="passkey"
        )

    return await passkey_sign_in.sign_in(
        work, gate, rp, kind="portal", slug=slug, handle=handle, credential=credential, origin=origin, begin=begin
    )


def told_by(mails: Mails) -> Tell:
    """Tells the owner by e-mail, with a way to say that it was somebody else."""

    async def tell(tx: Transaction, owner: Owner, what: What) -> None:
        login = await _login(tx, owner)
        await mails.passkey_changed(tx, login, await agencies.by_id(tx.conn, tx.agency_id), what)

    return tell


async def _login(tx: Transaction, owner: Owner) -> PortalLogin:
    login = await portal_logins.by_id(tx.conn, owner.id)
    if login is None:
        raise NotSignedIn
    return login
