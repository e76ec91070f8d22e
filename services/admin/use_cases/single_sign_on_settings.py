"""Agency admins say where their staff sign in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from services.admin.openid.fetching import Unusable
from services.admin.openid.providers import IdentityProviders
from services.admin.use_cases.single_sign_on import client_secret_owner
from shared.accounts import identity_providers
from shared.accounts.identity_providers import Claim, IdentityProvider
from shared.actors import Actor
from shared.errors import Changed, FieldError, InvalidFields, NotFound
from shared.events import Subject
from shared.events.registry import Change
from shared.events.single_sign_on_catalogue import AgencySingleSignOnChanged
from shared.outbox import Transaction, Work
from shared.rights import Right, needs
from shared.security.boxes import Boxes

_LABELS: Final = {
    "name": "Name on the Button",
    "issuer": "Issuer",
    "client_id": "Client ID",
    "claim": "Username Claim",
    "local_sign_in": "Sign-in with a Password",
}
_CONNECTION: Final = ("issuer", "client_id", "claim")


@dataclass(frozen=True, slots=True)
class Settings:
    """What an admin puts in. Without a ``secret`` the one that is there stays."""

    name: str
    issuer: str
    client_id: str
    secret: str | None = field(repr=False)
    claim: Claim
    local_sign_in: bool


@needs(Right.MANAGE_AGENCY)
async def read(work: Work, *, actor: Actor) -> IdentityProvider | None:
    """The agency's provider, if it has one."""
    async with work.pool.transaction(actor.agency_id) as conn:
        return await identity_providers.of_agency(conn)


@needs(Right.MANAGE_AGENCY)
async def check(providers: IdentityProviders, *, actor: Actor, issuer: str) -> None:
    """Ask a provider for all that a sign-in needs. Raises InvalidFields with what is wrong."""
    problem = providers.problem_with(issuer)
    try:
        if problem is None:
            await providers.check(issuer)
    except Unusable as error:
        problem = str(error)
    if problem is not None:
        raise InvalidFields(FieldError("issuer", problem))


@needs(Right.MANAGE_AGENCY)
async def save(
    work: Work,
    boxes: Boxes,
    providers: IdentityProviders,
    *,
    actor: Actor,
    settings: Settings,
    expected_version: int | None,
) -> IdentityProvider:
    """Keep the settings; whatever began with others is over. Raises InvalidFields, Changed."""
    problem = providers.problem_with(settings.issuer)
    if problem is not None:
        raise InvalidFields(FieldError("issuer", problem))
    async with work.transaction(actor) as tx:
        old = await identity_providers.lock(tx.conn)
        if expected_version is not None and expected_version != (old.version if old else 0):
            raise Changed
        connected = old is not None and settings.secret is None and not _differ(old, settings, _CONNECTION)
        await _refuse_to_lock_out(tx, old, settings, connected=connected)
        new = IdentityProvider(
            issuer=settings.issuer,
            client_id=settings.client_id,
            sealed_secret=_sealed(boxes, actor, old, settings),
            name=settings.name,
            claim=settings.claim,
            local_sign_in=settings.local_sign_in,
            connected_at=old.connected_at if old and connected else tx.now,
            version=(old.version if old else 0) + 1,
        )
        changes = _differ(old, settings, _LABELS)
        if old is not None and not changes and settings.secret is None:
            return old
        await identity_providers.put(tx.conn, actor.agency_id, new)
        event = AgencySingleSignOnChanged(changes=changes, secret_changed=settings.secret is not None)
        await tx.append(event, Subject())
    return new


@needs(Right.MANAGE_AGENCY)
async def remove(work: Work, *, actor: Actor, expected_version: int | None) -> None:
    """Staff sign in only here again, with their passwords. Raises NotFound, Changed."""
    async with work.transaction(actor) as tx:
        old = await identity_providers.lock(tx.conn)
        if old is None:
            raise NotFound("This agency does not use single sign-on.")
        if expected_version is not None and expected_version != old.version:
            raise Changed
        await identity_providers.remove(tx.conn, actor.agency_id)
        gone = tuple(Change(field=label, old=_worded(getattr(old, name))) for name, label in _LABELS.items())
        await tx.append(AgencySingleSignOnChanged(changes=gone, secret_changed=True, removed=True), Subject())


async def _refuse_to_lock_out(
    tx: Transaction, old: IdentityProvider | None, settings: Settings, *, connected: bool
) -> None:
    """Passwords are switched off only by whoever came in without one, by the very settings that are to stay."""
    if settings.local_sign_in:
        return
    if old is None or not connected:
        message = "First save these settings with it on, and sign in with them yourself. Then you can switch it off."
        raise InvalidFields(FieldError("local_sign_in", message))
    if not old.local_sign_in:
        return
    began = await identity_providers.session_began(tx.conn, tx.actor.session_id)
    if began is None or began <= old.connected_at:
        message = "First sign out and sign in with single sign-on yourself. Then you can switch this off."
        raise InvalidFields(FieldError("local_sign_in", message))


def _sealed(boxes: Boxes, actor: Actor, old: IdentityProvider | None, settings: Settings) -> bytes:
    if settings.secret is not None:
        return boxes.seal(settings.secret.encode(), owner=client_secret_owner(actor.agency_id))
    if old is None or _differ(old, settings, ("issuer", "client_id")):
        # Else a secret that nobody may read could be had by sending it to another address.
        raise InvalidFields(FieldError("client_secret", "Enter the secret that belongs to this issuer and client."))
    return old.sealed_secret


def _differ(old: IdentityProvider | None, settings: Settings, names: Iterable[str]) -> tuple[Change, ...]:
    """What is to be otherwise among these settings."""
    found = ((name, getattr(old, name) if old else None, getattr(settings, name)) for name in names)
    return tuple(
        Change(field=_LABELS[name], old=_worded(before), new=_worded(after))
        for name, before, after in found
        if before != after
    )


def _worded(value: str | bool | None) -> str | None:
    return ("On" if value else "Off") if isinstance(value, bool) else value
