"""Of whom an agency asks a second factor at sign-in."""

from __future__ import annotations

from dataclasses import dataclass

from shared.accounts import agencies
from shared.accounts.agencies import Agency
from shared.actors import Actor
from shared.events import Change, Subject
from shared.events.catalogue import yes_no
from shared.events.factor_catalogue import SignInRulesChanged
from shared.outbox import Work
from shared.rights import Right, needs

STAFF_LABEL = "Second step for staff"
REPRESENTATIVES_LABEL = "Second step for representatives"


@dataclass(frozen=True, slots=True)
class SignInRules:
    """Who has to set up a second factor. Everybody else may."""

    second_factor_of_staff: bool
    second_factor_of_representatives: bool


@needs(Right.MANAGE_AGENCY)
async def read(work: Work, *, actor: Actor) -> SignInRules:
    """The rules as they are."""
    async with work.pool.transaction(actor.agency_id) as conn:
        return _rules_of(await agencies.by_id(conn, actor.agency_id))


@needs(Right.MANAGE_AGENCY)
async def change(
    work: Work,
    *,
    actor: Actor,
    second_factor_of_staff: bool | None = None,
    second_factor_of_representatives: bool | None = None,
) -> SignInRules:
    """Change them; None stays as it is. They count from each person's next sign-in on."""
    async with work.transaction(actor) as tx:
        before = _rules_of(await agencies.lock(tx.conn, actor.agency_id))
        after = SignInRules(
            before.second_factor_of_staff if second_factor_of_staff is None else second_factor_of_staff,
            before.second_factor_of_representatives
            if second_factor_of_representatives is None
            else second_factor_of_representatives,
        )
        if after != before:
            await agencies.set_sign_in_rules(
                tx.conn,
                actor.agency_id,
                staff=after.second_factor_of_staff,
                representatives=after.second_factor_of_representatives,
            )
            await tx.append(SignInRulesChanged(changes=_differences(before, after)), Subject())
    return after


def _rules_of(agency: Agency) -> SignInRules:
    return SignInRules(agency.second_factor_of_staff, agency.second_factor_of_representatives)


def _differences(before: SignInRules, after: SignInRules) -> tuple[Change, ...]:
    pairs = (
        (STAFF_LABEL, before.second_factor_of_staff, after.second_factor_of_staff),
        (REPRESENTATIVES_LABEL, before.second_factor_of_representatives, after.second_factor_of_representatives),
    )
    return tuple(Change(field=label, old=yes_no(old), new=yes_no(new)) for label, old, new in pairs if old != new)
