"""The errors that the domain raises. Each is a sentence; the HTTP layer turns it into problem+json or a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with the input: ``field`` is the name as the caller sent it, ``message`` a sentence."""

    field: str
    message: str


class DomainError(Exception):
    """Something the product does not allow.

    A subclass's docstring is what the person reads; ``status`` is the HTTP status (DESIGN: HTTP contract) and
    ``name`` the last part of the problem's type, ``/problems/<name>``.
    """

    status: ClassVar[int] = 409
    field: ClassVar[str | None] = None
    name: ClassVar[str] = "domain-error"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in cls.__dict__:
            cls.name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()

    def __init__(self, message: str | None = None, *, retry_after: int | None = None) -> None:
        """``retry_after`` is in seconds, for the answers that carry Retry-After (429, 503)."""
        doc = (type(self).__doc__ or "").strip().splitlines()
        self.message = message or (doc[0] if doc else type(self).__name__)
        self.retry_after = retry_after
        super().__init__(self.message)

    @property
    def errors(self) -> tuple[FieldError, ...]:
        """The fields at fault, empty when the error is about none in particular."""
        return (FieldError(self.field, self.message),) if self.field else ()


class InvalidFields(DomainError):
    """Some fields need your attention."""

    status = 422

    def __init__(self, *errors: FieldError) -> None:
        super().__init__()
        self._errors = errors

    @property
    def errors(self) -> tuple[FieldError, ...]:
        """Every field at fault, in the order in which they were found."""
        return self._errors


class Unparsable(DomainError):
    """The request could not be read."""

    status = 400


class NotSignedIn(DomainError):
    """Sign in first."""

    status = 401


class BadCredentials(DomainError):
    """The username or password is not right, or this login cannot be used."""

    status = 401


class NotAllowed(DomainError):
    """Your role does not allow this."""

    status = 403


class NotFound(DomainError):
    """There is nothing here, or it belongs to somebody else."""

    status = 404


class Changed(DomainError):
    """Somebody else changed this meanwhile."""

    status = 412


class Busy(DomainError):
    """We are busy. Please try again in a moment."""

    status = 503

    def __init__(self, message: str | None = None, *, retry_after: int = 2) -> None:
        super().__init__(message, retry_after=retry_after)
