"""A staff user at work in a browser."""

from __future__ import annotations

from dataclasses import dataclass

from shared.accounts.access import SessionCookie
from shared.accounts.agencies import Agency
from shared.accounts.sessions import Session
from shared.actors import Actor
from shared.http.csrf import csrf_token


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in at the agency of the address, with the session's cookie."""

    actor: Actor
    session: Session
    cookie: SessionCookie
    agency: Agency

    @property
    def csrf_token(self) -> str:
        """The token for this session's forms."""
        return csrf_token(self.cookie.digest)
