"""Somebody who is signed in and looks at a page."""

from __future__ import annotations

from dataclasses import dataclass

from services.portal.use_cases.sessions import Me
from shared.accounts.access import SessionCookie
from shared.accounts.sessions import Session
from shared.actors import Actor
from shared.http.csrf import csrf_token


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who it is, with the session and its cookie."""

    actor: Actor
    session: Session
    cookie: SessionCookie
    me: Me

    @property
    def csrf_token(self) -> str:
        """The token for this session's forms."""
        return csrf_token(self.cookie.digest)
