"""To the agency's identity provider and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from services.admin.keys import BOXES, GATE, IDENTITY_PROVIDERS, SETTINGS, SIGNER, WORK
from services.admin.pages.visitors import DOOR, agency_of, url, visitor_of, way_back
from services.admin.use_cases import single_sign_on
from services.admin.use_cases.single_sign_on import (
    Answer,
    NoSingleSignOn,
    NoStaffUser,
    ProviderAway,
    SignInCancelled,
    SignInNotProven,
    StartAgain,
    Way,
)
from shared.accounts.identity_providers import SIGN_IN_LASTS
from shared.errors import DomainError
from shared.http.cookies import CookieName
from shared.http.pages import see_other
from shared.security.throttle import TooManyAttempts

PAGE: Final = "single-sign-on"
CALLBACK: Final = f"{PAGE}/callback"

_REFUSED: Final = "refused"
_BROWSER: Final = re.compile(r"[A-Za-z0-9_-]{43}")
# Longer than any code or state that providers make.
_LONGEST: Final = 4096
_KEYS: Final[Mapping[type[DomainError], str]] = {
    NoSingleSignOn: "none",
    ProviderAway: "away",
    TooManyAttempts: "busy",
    StartAgain: "again",
    SignInCancelled: "cancelled",
    SignInNotProven: "unproven",
    NoStaffUser: "nobody",
}
_WORDS: Final[Mapping[str, str]] = {
    "none": NoSingleSignOn().message,
    "away": "{name} does not answer right now. Please try again in a moment.",
    "busy": TooManyAttempts().message,
    "again": StartAgain().message,
    "cancelled": "{name} did not sign you in.",
    "unproven": "We could not check what {name} told us about you. Please start again.",
    "nobody": "{name} knows you, but there is no staff user here for you. Please ask your agency's admin.",
}


def refusal_in_words(request: web.Request, name: str | None) -> str | None:
    """Why a sign-in at the provider of this name came to nothing: the sign-in page's address carries a key for it."""
    words = _WORDS.get(request.query.get(_REFUSED, ""))
    return words.format(name=name or "The other login") if words else None


def callback_url(request: web.Request) -> str:
    """Where the provider sends people back to: what the agency's admin enters there."""
    return request.app[SETTINGS].public_url + url(request, CALLBACK)


async def start(request: web.Request) -> web.StreamResponse:
    """Send the browser to the provider.

    A link and no form: browsers hold every step that follows a form to our ``form-action``, and providers send people
    on to addresses that nobody here knows.
    """
    agency = await agency_of(request)
    next_path = way_back(request, request.query.get("next"))
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        # Another site must not sign people in behind their backs.
        return see_other(url(request, "sign-in", next=next_path))
    kept = _cookie(request).read(request) or ""
    # The same one for all sign-ins of a browser that are on their way, so that two windows do not disturb each other.
    browser = kept if _BROWSER.fullmatch(kept) else single_sign_on.new_browser()
    try:
        address = await single_sign_on.begin(
            request.app[WORK],
            request.app[GATE],
            request.app[BOXES],
            request.app[IDENTITY_PROVIDERS],
            agency=agency,
            way=Way(callback_url(request), browser),
            next_path=next_path,
            origin=DOOR.origin(request),
        )
    except (NoSingleSignOn, ProviderAway, TooManyAttempts) as error:
        return _refused(request, error, next_path)
    response = web.Response(status=303, headers={"Location": address})
    _cookie(request).set(response, browser, max_age=int(SIGN_IN_LASTS.total_seconds()))
    return response


async def come_back(request: web.Request) -> web.StreamResponse:
    """The provider's answer: go on as who this is, or say on the sign-in page why not.

    Either way the browser goes on to another address at once: this one holds the code.
    """
    agency = await agency_of(request)
    answer = _answer(request)
    if answer is None:
        return _refused(request, StartAgain(), "")
    try:
        arrived = await single_sign_on.finish(
            request.app[WORK],
            request.app[GATE],
            request.app[BOXES],
            request.app[IDENTITY_PROVIDERS],
            request.app[SIGNER],
            agency=agency,
            way=Way(callback_url(request), _cookie(request).read(request) or ""),
            answer=answer,
            origin=DOOR.origin(request),
        )
    except (StartAgain, SignInCancelled, SignInNotProven, NoStaffUser, ProviderAway) as error:
        if isinstance(error, StartAgain) and await visitor_of(request) is not None:
            # Somebody went back, or sent it twice, and is signed in already.
            return see_other(url(request))
        return _refused(request, error, "")
    await DOOR.leave(request)
    response = see_other(way_back(request, arrived.next_path))
    DOOR.admit(request, response, arrived.signed_in)
    _cookie(request).delete(response)
    return response


def _answer(request: web.Request) -> Answer | None:
    """What the address says, each thing once; None when it is no answer of a provider."""
    found = {name: request.query.getall(name, []) for name in ("state", "code", "error", "iss")}
    if any(len(values) > 1 or len("".join(values)) > _LONGEST for values in found.values()):
        return None
    state, code, error, iss = (values[0] if values else None for values in found.values())
    if not state or not (code or error):
        return None
    return Answer(state=state, code=None if error else code, iss=iss)


def _refused(request: web.Request, error: DomainError, next_path: str) -> web.Response:
    query = {_REFUSED: _KEYS[type(error)]} | ({"next": next_path} if next_path else {})
    return see_other(url(request, "sign-in", **query))


def _cookie(request: web.Request) -> CookieName:
    return DOOR.cookie(request, "_single_sign_on")
