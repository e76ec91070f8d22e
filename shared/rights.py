"""Who may do what: the one table, and how use cases ask it."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Final, Literal, ParamSpec, TypeAlias, TypeVar

from shared.actors import Actor, Role
from shared.errors import NotAllowed

Holder: TypeAlias = Role | Literal["portal_login", "operator", "system"]

P = ParamSpec("P")
T = TypeVar("T")


class Right(Enum):
    """What can be allowed; the value says it in words."""

    READ_FACE_SHEETS = "find clients, read face sheets and the Document Center"
    CHANGE_FACE_SHEETS = "add clients, change face sheets, record refusals"
    MANAGE_PORTAL_LOGINS = "add, change, reset and unlock portal logins, see their e-mails"
    READ_LOGS_OF_A_CLIENT = "read a client's change log and activity"
    READ_LOGS_OF_ALL = "read the changes of all clients of the agency"
    READ_SECURITY_LOG = "read the agency's security log"
    READ_OWN_ACTIVITY = "read the activity of one's own portal login"
    MANAGE_AGENCY = "change the agency's own settings: sign-in rules, single sign-on, e-mail wording"
    MANAGE_OWN_SECOND_FACTOR = "set up, change and remove one's own second factor"
    CHANGE_OWN_PASSWORD = "change one's own portal password"  # noqa: S105 - words, no password
    CHANGE_OWN_STAFF_PASSWORD = "change one's own staff password"  # noqa: S105 - words, no password
    MANAGE_STAFF = "add, change, reset, unlock and sign out staff users, and remove a second factor that they have lost"
    MANAGE_OWN_PASSKEYS = "add, rename and remove one's own passkeys"


_WORK: Final = frozenset(
    {Right.READ_FACE_SHEETS, Right.CHANGE_FACE_SHEETS, Right.MANAGE_PORTAL_LOGINS, Right.READ_LOGS_OF_A_CLIENT}
)
_ONESELF: Final = frozenset({Right.MANAGE_OWN_SECOND_FACTOR, Right.MANAGE_OWN_PASSKEYS})
_STAFF: Final = _WORK | _ONESELF | {Right.CHANGE_OWN_STAFF_PASSWORD}
_SUPERVISOR: Final = _STAFF | {Right.READ_LOGS_OF_ALL}
_AGENCY_ADMIN: Final = _SUPERVISOR | {Right.READ_SECURITY_LOG, Right.MANAGE_STAFF, Right.MANAGE_AGENCY}

RIGHTS: Final[Mapping[Holder, frozenset[Right]]] = {
    "staff": _STAFF,
    "supervisor": _SUPERVISOR,
    "agency_admin": _AGENCY_ADMIN,
    "portal_login": frozenset({Right.READ_OWN_ACTIVITY, Right.CHANGE_OWN_PASSWORD}) | _ONESELF,
    # Operators have the database; what they do through use cases, imports and the sample data, is staff's work.
    "operator": _WORK,
    "system": frozenset(),
}
"""Everything that anybody may do, always within their own agency. What is not here is refused."""


def holder_of(actor: Actor) -> Holder | None:
    """Under what name the table has somebody; None for a staff user without a role."""
    return actor.role if actor.kind == "staff" else actor.kind


def allowed(actor: Actor, right: Right) -> bool:
    """Whether the table gives the right to somebody."""
    holder = holder_of(actor)
    return holder is not None and right in RIGHTS[holder]


def require(actor: Actor, right: Right, message: str | None = None) -> None:
    """Raises NotAllowed unless the table gives the right to the actor."""
    if not allowed(actor, right):
        raise NotAllowed(message)


def needs(right: Right) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """A use case that only its ``actor``'s right opens, before anything is read. It raises NotAllowed besides."""

    def decorate(use_case: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @functools.wraps(use_case)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            actor = kwargs["actor"]
            if not isinstance(actor, Actor):
                raise TypeError(f"{use_case.__name__} needs to know who acts")
            require(actor, right)
            return await use_case(*args, **kwargs)

        guarded.__dict__["needs"] = right
        return guarded

    return decorate
