"""Staff sign in with a passkey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.admin.use_cases.mails import StaffMails
from services.admin.use_cases.sign_in import begin_session
from shared.accounts import agencies, passkey_sign_in, staff
from shared.accounts.access import Origin, SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.own_passkeys import Tell, What
from shared.accounts.passkey_owners import Owner
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
    slug: str,
    handle: str,
    credential: Mapping[str, Any],
    origin: Origin,
    with_cookie: bool,
) -> SignedIn:
    """Begin a staff session with a passkey alone. Raises TooManyAttempts, BadCredentials."""

    async def begin(tx: Transaction, agency: Agency, owner: Owner) -> SignedIn:
        user = await staff.by_id(tx.conn, owner.id)
        if user is None:
            raise NotSignedIn
        return await begin_session(
            tx, agency, user, signer=signer, origin=origin, with_cookie=with_cookie, how="passkey"
        )

    return await passkey_sign_in.sign_in(
        work, gate, rp, kind="staff", slug=slug, handle=handle, credential=credential, origin=origin, begin=begin
    )


def told_by(mails: StaffMails) -> Tell:
    """Tells the staff user by e-mail, with a way to say that it was somebody else."""

    async def tell(tx: Transaction, owner: Owner, what: What) -> None:
        user = await staff.by_id(tx.conn, owner.id)
        if user is not None:
            await mails.passkey_changed(tx, user, await agencies.by_id(tx.conn, tx.agency_id), what)

    return tell
