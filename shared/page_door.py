"""The door of a service's pages: the session cookie of an agency's address, and the way in and back."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from shared.accounts import access
from shared.accounts.access import Origin, Presented, SessionCookie, SignedIn
from shared.accounts.second_steps import SecondFactorRequired, device_digest
from shared.accounts.sessions import Session, SessionKind
from shared.accounts_service import WORK
from shared.actors import Actor
from shared.doors import origin_of
from shared.errors import NotSignedIn
from shared.http.cookies import CookieName
from shared.http.csrf import SAFE_METHODS
from shared.http.keys import PUBLIC_URL
from shared.http.pages import local_path, see_other
from shared.security.session_limits import IDLE, SEEN_EVERY

SECOND_STEP: Final = "second-factor"
"""The page of the second step of a sign-in."""

# The longest that browsers keep a cookie for; it is set anew at each sign-in.
_BROWSER_SECONDS: Final = 400 * 86_400
_BROWSER: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_BROWSER_KEY: Final = web.RequestKey("browser", str)
# How long before the end of an idle session its owner is asked whether to stay.
_WARNING_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class PageDoor:
    """Pages live at ``/{slug}/``; ``cookie_prefix`` tells apart the services' cookies, which share a host."""

    kind: SessionKind
    cookie_prefix: str

    def cookie(self, request: web.Request, suffix: str = "") -> CookieName:
        """The name of the session cookie at the address's agency, or of another one that goes with it."""
        secure = request.app[PUBLIC_URL].scheme == "https"
        return CookieName(self.cookie_prefix + suffix, request.match_info["slug"], secure)

    def origin(self, request: web.Request) -> Origin:
        """Where the request came from, with the browser by its own cookies. A browser that has none is given one."""
        text = self._browser_cookie(request).read(request) or ""
        request[_BROWSER_KEY] = text if _BROWSER.fullmatch(text) else secrets.token_urlsafe(32)
        device = hashlib.sha256(request[_BROWSER_KEY].encode()).digest()
        return replace(origin_of(request), device=device, remembered=self.remembered_digest(request))

    def choice_cookie(self, request: web.Request) -> CookieName:
        """The name of the cookie that keeps the token for a first password."""
        return self.cookie(request, "_choice")

    def second_step_cookie(self, request: web.Request) -> CookieName:
        """The name of the cookie that keeps the token of a half-done sign-in."""
        return self.cookie(request, "_second_step")

    def remembered_cookie(self, request: web.Request) -> CookieName:
        """The name of the cookie by which a browser need not show a second factor."""
        return self.cookie(request, "_remembered")

    def remembered_digest(self, request: web.Request) -> bytes | None:
        """What is stored of that cookie, if the browser sent one."""
        text = self.remembered_cookie(request).read(request)
        return device_digest(text) if text else None

    def ask_second_factor(self, request: web.Request, required: SecondFactorRequired, next_path: str) -> web.Response:
        """On to the second step of a sign-in, and from there to where the person was headed."""
        response = see_other(self.url(request, SECOND_STEP, next=next_path))
        self.second_step_cookie(request).set(response, required.token, max_age=required.expires_in)
        return response

    def admit(self, request: web.Request, response: web.StreamResponse, session: SignedIn) -> None:
        """Give the browser the session's cookie, and the one by which it will be known again."""
        if session.cookie is not None:
            self.cookie(request).set(response, session.cookie.text)
            self.remember_browser(request, response)

    def remember_browser(self, request: web.Request, response: web.StreamResponse) -> None:
        """Keep the cookie by which the browser will be known again; it names nobody and opens nothing."""
        if _BROWSER_KEY in request:
            self._browser_cookie(request).set(response, request[_BROWSER_KEY], max_age=_BROWSER_SECONDS)

    def _browser_cookie(self, request: web.Request) -> CookieName:
        return self.cookie(request, "_browser")

    def url(self, request: web.Request, page: str = "", **query: str) -> str:
        """The address of a page of this agency."""
        return f"/{request.match_info['slug']}/{page}" + (f"?{urlencode(query)}" if query else "")

    def way_back(self, request: web.Request, given: str | None) -> str:
        """Where to go after signing in: a page of this agency, and never another site's."""
        home = self.url(request)
        path = local_path(given, home)
        page, _, _ = path.partition("?")
        # No page of ours has these in its address; browsers would take /riverside/%2e%2e/ for a way out of it.
        return path if page.startswith(home) and not {".", "%"} & set(page) else home

    async def entrant(self, request: web.Request) -> tuple[Actor, Session, SessionCookie] | None:
        """Whoever the cookie belongs to, if the session is good. The caller compares the agency with the address's."""
        cookie = SessionCookie.parse(self.cookie(request).read(request) or "")
        if cookie is None:
            return None
        presented = Presented(self.kind, cookie.agency_id, cookie.session_id, cookie)
        try:
            actor, session = await access.recognise(request.app[WORK], presented, origin_of(request))
        except NotSignedIn:
            return None
        return actor, session, cookie

    async def leave(self, request: web.Request) -> None:
        """End the session that the browser has been in; for whoever has just signed in anew (OWASP ASVS 5.0, 7.2.4).

        Its cookie is about to be replaced: nobody could end it any more.
        """
        entrant = await self.entrant(request)
        if entrant is not None:
            actor, session, _ = entrant
            await access.end(request.app[WORK], actor.agency_id, self.kind, session, "signed_out", actor=actor)

    def sign_in_first(self, request: web.Request) -> web.Response:
        """To the sign-in page, which says it when a session has ended, and afterwards back."""
        # What was sent is lost; the page that it was sent from is what they get back to.
        back = request.path_qs if request.method in SAFE_METHODS else request.path
        query = {"next": self.way_back(request, back)}
        had_session = self.cookie(request).read(request) is not None
        if had_session:
            query["ended"] = "1"
        response = see_other(self.url(request, "sign-in", **query))
        if had_session:
            self.cookie(request).delete(response)
        return response

    def idle_warning(self) -> Mapping[str, Any]:
        """When a page has to ask whether its reader wants to stay signed in, in seconds."""
        # last_seen may be that old already when the page is made.
        wait = IDLE.total_seconds() - SEEN_EVERY.total_seconds() - _WARNING_SECONDS
        return {"warn_after_seconds": int(wait), "warning_seconds": _WARNING_SECONDS}
