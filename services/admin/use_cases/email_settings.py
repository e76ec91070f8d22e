"""Agency admins say who their e-mails are from, and through which mail server they go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from shared.accounts import agencies, email_settings
from shared.accounts.agencies import Agency
from shared.accounts.email_settings import EmailSettings, SealedPassword
from shared.actors import Actor
from shared.deliveries.sealing import Sealer
from shared.errors import Changed, FieldError, InvalidFields
from shared.events import Subject
from shared.events.email_settings_catalogue import AgencyEmailSettingsChanged
from shared.events.registry import Change
from shared.mail_reach import Network, problem_with
from shared.outbox import Work
from shared.rights import Right, needs

LABELS: Final = {
    "sender": "Sender Address",
    "sender_name": "Sender Name",
    "reply_to": "Replies Go To",
    "host": "Mail Server",
    "port": "Port",
    "security": "Encryption",
    "username": "Username",
}
"""The fields as the page calls them."""
SECURITY_IN_WORDS: Final = {
    "tls": "TLS from the first byte on",
    "starttls": "STARTTLS, required",
    "plaintext": "Without encryption: passwords and mails can be read on the way",
}
# Whoever may not read the password could have it sent to a server of their own otherwise.
_BOUND_TO_PASSWORD: Final = ("host", "port", "username")


@dataclass(frozen=True, slots=True)
class NewPassword:
    """What becomes of the password of the mail server; with neither, the one that is there stays."""

    value: str | None = field(default=None, repr=False)
    remove: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The settings, and what they are part of. ``system_sender``: what operators have put in for the agency."""

    settings: EmailSettings
    agency: Agency

    @property
    def system_sender(self) -> str | None:
        """The address that stands in where the agency's admins have named none."""
        return self.agency.sender


@needs(Right.MANAGE_AGENCY)
async def read(work: Work, *, actor: Actor) -> Found:
    """The settings as they are."""
    async with work.pool.transaction(actor.agency_id) as conn:
        return Found(await email_settings.of_agency(conn), await agencies.by_id(conn, actor.agency_id))


@needs(Right.MANAGE_AGENCY)
async def save(
    work: Work,
    sealer: Sealer,
    *,
    actor: Actor,
    settings: EmailSettings,
    password: NewPassword,
    allowed_networks: Sequence[Network],
    expected_version: int | None,
) -> EmailSettings:
    """Keep the settings; they are good for every e-mail from now on. Raises InvalidFields, Changed.

    ``settings.version`` counts for nothing. ``allowed_networks``: where a mail server may be besides public addresses.
    """
    async with work.transaction(actor) as tx:
        # The agency's row, since the settings may not have one yet.
        await agencies.lock(tx.conn, actor.agency_id)
        old = await email_settings.of_agency(tx.conn)
        if expected_version is not None and expected_version != old.version:
            raise Changed
        wanted = _without_loose_ends(settings, password)
        _check(old, wanted, password, allowed_networks)
        new = replace(wanted, version=old.version + 1)
        changes = _changes(old, new)
        keeps = new.username is not None and password.value is None
        password_changed = password.value is not None or (old.username is not None and new.username is None)
        if not changes and not password_changed:
            return old
        if keeps:
            await email_settings.put_but_password(tx.conn, actor.agency_id, new)
        else:
            sealed = SealedPassword(sealer.seal(password.value), sealer.sealed_for) if password.value else None
            await email_settings.put(tx.conn, actor.agency_id, new, sealed)
        await tx.append(AgencyEmailSettingsChanged(changes=changes, password_changed=password_changed), Subject())
    return new


def _without_loose_ends(settings: EmailSettings, password: NewPassword) -> EmailSettings:
    """Without a server there is nobody to sign in at; without a password neither."""
    if settings.host is None:
        return replace(settings, port=None, security=None, username=None)
    return replace(settings, username=None) if password.remove else settings


def _check(old: EmailSettings, new: EmailSettings, password: NewPassword, allowed: Sequence[Network]) -> None:
    """Raises InvalidFields."""
    errors = [*_server_errors(new, allowed), *_password_errors(old, new, password)]
    if errors:
        raise InvalidFields(*errors)


def _server_errors(new: EmailSettings, allowed: Sequence[Network]) -> Iterator[FieldError]:
    if new.host is None:
        return
    if new.port is None:
        yield FieldError("port", "Enter the port of your mail server.")
    elif problem := problem_with(new.host, new.port, allowed):
        yield FieldError(*problem)
    if new.security is None:
        yield FieldError("security", "Choose how the connection is encrypted.")


def _password_errors(old: EmailSettings, new: EmailSettings, password: NewPassword) -> Iterator[FieldError]:
    if password.value is not None and password.remove:
        yield FieldError("password", "Leave this empty to remove the password.")
    elif password.value is not None and new.host is None:
        yield FieldError("password", "A password needs a mail server that it belongs to.")
    elif password.value is not None and new.username is None:
        yield FieldError("username", "Enter the username that belongs to the password.")
    if new.username is not None:
        if new.security == "plaintext":
            yield FieldError("security", "Choose encryption, or remove the password: it could be read.")
        if password.value is None and _another(old, new):
            yield FieldError("password", "Enter the password that belongs to this server and username.")


def _another(old: EmailSettings, new: EmailSettings) -> bool:
    return any(getattr(old, name) != getattr(new, name) for name in _BOUND_TO_PASSWORD)


def _changes(old: EmailSettings, new: EmailSettings) -> tuple[Change, ...]:
    found = ((label, getattr(old, name), getattr(new, name)) for name, label in LABELS.items())
    return tuple(Change(field=label, old=_worded(o), new=_worded(n)) for label, o, n in found if o != n)


def _worded(value: str | int | None) -> str | None:
    return None if value is None else SECURITY_IN_WORDS.get(str(value), str(value))
