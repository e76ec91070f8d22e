"""Staff users as the owners of passwords."""

from __future__ import annotations

from typing import Final

from services.admin.use_cases.sign_in import actor_of, begin_session, subject_of
from shared.accounts import staff
from shared.accounts.owners import Owners
from shared.accounts.staff import StaffUser
from shared.db import Connection
from shared.events.staff_catalogue import (
    StaffPasswordChanged,
    StaffPasswordResetRequested,
    StaffReported,
    StaffUnlocked,
)


async def _words_of(_: Connection, user: StaffUser) -> tuple[str, ...]:
    return (user.display_name,)


STAFF_USERS: Final[Owners[StaffUser]] = Owners(
    kind="staff",
    contracted_only=False,
    by_id=staff.by_id,
    by_username=staff.by_username,
    lock=staff.lock,
    set_own_password=staff.set_own_password,
    report=staff.report,
    words_of=_words_of,
    changed=StaffPasswordChanged,
    reset_requested=StaffPasswordResetRequested,
    reported=StaffReported,
    unlocked=StaffUnlocked,
    actor_of=actor_of,
    subject_of=subject_of,
    begin_session=begin_session,
)
