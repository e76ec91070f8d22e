"""The portal's pages by address."""

from __future__ import annotations

from aiohttp import web

from services.portal.pages import email_confirmations, home, invitations, passkeys, passwords, sessions, signing_in
from services.portal.pages.passwords import PASSWORD_PAGES
from services.portal.pages.second_factor import FACTOR_PAGES, SECOND_STEP_PAGES
from services.portal.use_cases.email_confirmations import CONFIRM_PATH
from services.portal.use_cases.invitations import INVITATION_PATH
from shared.passkey_pages import PAGE as PASSKEYS

# As agencies' slugs are; anything else is no address of ours.
_SLUG = "/{slug:[a-z0-9][a-z0-9-]{0,62}}"


def page_routes() -> list[web.RouteDef]:
    """Every page. To be added last: an agency's address must not hide one that is fixed.

    Where the answer to a form is a page, its address shows one without the form as well: browsers go there when a
    session has run out, and when they restore their tabs.
    """
    return [
        web.get(_SLUG, home.without_slash),
        web.get(f"{_SLUG}/", home.home),
        web.get(f"{_SLUG}/sign-in", signing_in.show),
        web.post(f"{_SLUG}/sign-in", signing_in.submit),
        web.post(f"{_SLUG}/sign-in/passkey/options", passkeys.ask),
        web.get(f"{_SLUG}/sign-in/passkey", signing_in.show),
        web.post(f"{_SLUG}/sign-in/passkey", passkeys.submit_sign_in),
        web.post(f"{_SLUG}/sign-out", signing_in.sign_out),
        web.get(f"{_SLUG}/session", signing_in.still_signed_in),
        *SECOND_STEP_PAGES.routes(_SLUG),
        *FACTOR_PAGES.routes(_SLUG),
        web.get(f"{_SLUG}/activity", home.activity),
        web.get(f"{_SLUG}/{sessions.PAGE}", sessions.show),
        web.post(f"{_SLUG}/{sessions.PAGE}/end", sessions.end_one),
        web.post(f"{_SLUG}/{sessions.PAGE}/end-others", sessions.end_others),
        web.get(f"{_SLUG}/{PASSKEYS}", passkeys.show),
        web.post(f"{_SLUG}/{PASSKEYS}", passkeys.add),
        web.get(f"{_SLUG}/{PASSKEYS}/new", passkeys.show),
        web.post(f"{_SLUG}/{PASSKEYS}/new", passkeys.begin),
        web.get(f"{_SLUG}/{PASSKEYS}/{{id}}", passkeys.show_one),
        web.get(f"{_SLUG}/{PASSKEYS}/{{id}}/rename", passkeys.show_one),
        web.post(f"{_SLUG}/{PASSKEYS}/{{id}}/rename", passkeys.rename),
        web.get(f"{_SLUG}/{PASSKEYS}/{{id}}/remove", passkeys.show_one),
        web.post(f"{_SLUG}/{PASSKEYS}/{{id}}/remove", passkeys.remove),
        *PASSWORD_PAGES.routes(_SLUG),
        web.get(f"{_SLUG}/forgot-username", passwords.show_forgot_username),
        web.post(f"{_SLUG}/forgot-username", passwords.submit_forgot_username),
        web.get(f"{_SLUG}/{CONFIRM_PATH}", email_confirmations.show),
        web.post(f"{_SLUG}/{CONFIRM_PATH}", email_confirmations.submit),
        web.get(f"{_SLUG}/{INVITATION_PATH}", invitations.show),
        web.post(f"{_SLUG}/{INVITATION_PATH}", invitations.submit),
    ]
