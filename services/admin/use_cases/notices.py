"""Which e-mails an agency has sent to the owners of portal logins, and what a new login is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from shared.accounts import agencies
from shared.accounts.agencies import Agency
from shared.actors import Actor
from shared.events import Change, Subject
from shared.events.catalogue import yes_no
from shared.events.delivery_catalogue import NoticesChanged
from shared.outbox import Work
from shared.rights import Right, needs

NewLoginsGet = Literal["temporary_password", "link"]

NEW_DEVICE_LABEL: Final = "Sign-in on a new device"
LOGIN_INACTIVE_LABEL: Final = "Login made inactive"
NEW_EMAIL_LABEL: Final = "E-mail changed: tell the new address, too"
NEW_LOGINS_LABEL: Final = "New logins get"
NEW_LOGINS: Final[dict[NewLoginsGet, str]] = {
    "temporary_password": "a temporary password by e-mail",
    "link": "a link to choose a password",
}


@dataclass(frozen=True, slots=True)
class Notices:
    """What can be switched. What keeps a login safe is always mailed, and is not in here."""

    new_device: bool
    login_inactive: bool
    new_email: bool
    new_logins_get: NewLoginsGet


@needs(Right.MANAGE_AGENCY)
async def read(work: Work, *, actor: Actor) -> Notices:
    """The notices as they are."""
    async with work.pool.transaction(actor.agency_id) as conn:
        return _notices_of(await agencies.by_id(conn, actor.agency_id))


@needs(Right.MANAGE_AGENCY)
async def change(
    work: Work,
    *,
    actor: Actor,
    new_device: bool | None = None,
    login_inactive: bool | None = None,
    new_email: bool | None = None,
    new_logins_get: NewLoginsGet | None = None,
) -> Notices:
    """Change them; None stays as it is. They count from now on; what was sent already stays good."""
    async with work.transaction(actor) as tx:
        before = _notices_of(await agencies.lock(tx.conn, actor.agency_id))
        after = Notices(
            new_device=before.new_device if new_device is None else new_device,
            login_inactive=before.login_inactive if login_inactive is None else login_inactive,
            new_email=before.new_email if new_email is None else new_email,
            new_logins_get=new_logins_get or before.new_logins_get,
        )
        if after != before:
            await agencies.set_notice_rules(
                tx.conn,
                actor.agency_id,
                new_device=after.new_device,
                inactive=after.login_inactive,
                new_email=after.new_email,
                link=after.new_logins_get == "link",
            )
            await tx.append(NoticesChanged(changes=_differences(before, after)), Subject())
    return after


def _notices_of(agency: Agency) -> Notices:
    return Notices(
        new_device=agency.notice_of_new_device,
        login_inactive=agency.notice_of_inactive,
        new_email=agency.notice_of_new_email,
        new_logins_get="link" if agency.link_for_new_logins else "temporary_password",
    )


def _differences(before: Notices, after: Notices) -> tuple[Change, ...]:
    pairs = (
        (NEW_DEVICE_LABEL, yes_no(before.new_device), yes_no(after.new_device)),
        (LOGIN_INACTIVE_LABEL, yes_no(before.login_inactive), yes_no(after.login_inactive)),
        (NEW_EMAIL_LABEL, yes_no(before.new_email), yes_no(after.new_email)),
        (NEW_LOGINS_LABEL, NEW_LOGINS[before.new_logins_get], NEW_LOGINS[after.new_logins_get]),
    )
    return tuple(Change(field=label, old=old, new=new) for label, old, new in pairs if old != new)
