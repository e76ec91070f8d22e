"""What the API of staff users takes and gives."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.admin.api.bodies import optional
from services.admin.use_cases.staff_users import NewStaffUser, StaffChange
from shared.accounts.owners import PasswordState
from shared.accounts.staff import StaffUser
from shared.actors import Role
from shared.http.fields import Answer, Body, Cursor, Email, Limit, PersonName, Query, Timestamp, Username


class StaffQuery(Query):
    """Which page of the agency's staff; without ``active`` everybody is listed."""

    active: bool | None = None
    limit: Limit = 25
    cursor: Cursor | None = None


class NewStaffUserIn(Body):
    """Somebody to invite: the temporary password is sent to ``email``."""

    username: Username
    display_name: PersonName
    email: Email
    role: Role

    def new(self) -> NewStaffUser:
        """As the use case takes it."""
        return NewStaffUser(self.username, self.display_name, self.email, self.role)


class StaffUserPatch(Body):
    """What is to be changed; with ``reset_password`` a new temporary password is made and mailed."""

    display_name: PersonName = optional()
    email: Email = optional()
    role: Role = optional()
    active: bool = optional()
    reset_password: bool = False

    def change(self) -> StaffChange:
        """As the use case takes it."""
        return StaffChange(**self.changes())


class StaffUserOut(Answer):
    """A staff user. Passwords are in no answer; ``password_state`` says what they can sign in with.

    ``email`` is null for staff users from before there were addresses. ``locked_until`` is null unless they are locked
    after too many wrong passwords; ``reported_at`` is when they said that somebody else had changed the password:
    nobody gets in until the password is reset.
    """

    id: UUID
    username: str
    display_name: str
    email: str | None
    role: Role
    active: bool
    password_state: PasswordState
    temporary_password_expires_at: Timestamp | None
    locked_until: Timestamp | None
    reported_at: Timestamp | None
    last_sign_in_at: Timestamp | None
    version: int
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, user: StaffUser, now: datetime) -> StaffUserOut:
        """As it is at this moment."""
        return cls(
            id=user.id,
            username=user.username,
            display_name=user.display_name,
            email=user.email,
            role=user.role,
            active=user.active,
            password_state=user.password_state(now),
            temporary_password_expires_at=user.temporary_password_expires_at,
            locked_until=user.locked_until if user.locked(now) else None,
            reported_at=user.reported_at,
            last_sign_in_at=user.last_sign_in_at,
            version=user.version,
            created_at=user.created_at,
            updated_at=user.updated_at,
        )
