"""The admin service's pages by address."""

from __future__ import annotations

from aiohttp import web

from services.admin.pages import (
    account,
    addresses,
    attention,
    change_log,
    documents,
    editing,
    email_settings,
    email_wording,
    face_sheet,
    factor_reset,
    login_mails,
    menus,
    notices,
    own_sessions,
    passkeys,
    searching,
    security_log,
    sign_in_rules,
    signing_in,
    single_sign_on,
    single_sign_on_settings,
    staff_factor,
    staff_users,
)
from services.admin.pages.documents import CHANGES, NO_CASE
from services.admin.pages.menus import (
    EMAIL_SETTINGS,
    EMAIL_WORDING,
    NOTICES,
    SECURITY_LOG,
    SIGN_IN_RULES,
    SINGLE_SIGN_ON,
)
from services.admin.pages.passwords import PASSWORD_PAGES
from services.admin.pages.second_factor import FACTOR_PAGES, SECOND_STEP_PAGES
from shared.passkey_pages import PAGE as PASSKEYS

# As agencies' slugs are; anything else is no address of ours.
_SLUG = "/{slug:[a-z0-9][a-z0-9-]{0,62}}"
_FILE = f"{_SLUG}/document-center/{{id}}"
_PERSON = f"{_SLUG}/staff/{{id}}"
_CASE = f"{_FILE}/{{case:{NO_CASE}|[0-9a-f-]{{36}}}}"


def page_routes() -> list[web.RouteDef]:
    """Every page. To be added last: an agency's address must not hide one that is fixed.

    Where the answer to a form is a page, its address shows one without the form as well: browsers go there when a
    session has run out, and when they restore their tabs.
    """
    return [
        web.get(_SLUG, menus.without_slash),
        web.get(f"{_SLUG}/", menus.main_menu),
        web.get(f"{_SLUG}/sign-in", signing_in.show),
        web.post(f"{_SLUG}/sign-in", signing_in.submit),
        *_single_sign_on_routes(),
        web.post(f"{_SLUG}/sign-in/passkey/options", passkeys.ask),
        web.get(f"{_SLUG}/sign-in/passkey", signing_in.show),
        web.post(f"{_SLUG}/sign-in/passkey", passkeys.submit_sign_in),
        web.post(f"{_SLUG}/sign-out", signing_in.sign_out),
        web.get(f"{_SLUG}/session", signing_in.still_signed_in),
        *SECOND_STEP_PAGES.routes(_SLUG),
        *FACTOR_PAGES.routes(_SLUG),
        web.get(f"{_SLUG}/{own_sessions.PAGE}", own_sessions.show),
        web.post(f"{_SLUG}/{own_sessions.PAGE}/end", own_sessions.end_one),
        web.post(f"{_SLUG}/{own_sessions.PAGE}/end-others", own_sessions.end_others),
        *_account_routes(),
        *_passkey_routes(),
        web.get(f"{_SLUG}/admissions", menus.admissions_menu),
        web.get(f"{_SLUG}/reports", menus.reports_menu),
        web.get(f"{_SLUG}/administration", menus.administration_menu),
        web.get(f"{_SLUG}/{SIGN_IN_RULES.page}", sign_in_rules.show),
        web.post(f"{_SLUG}/{SIGN_IN_RULES.page}", sign_in_rules.submit),
        web.get(f"{_SLUG}/{NOTICES.page}", notices.show),
        web.post(f"{_SLUG}/{NOTICES.page}", notices.submit),
        web.get(f"{_SLUG}/{SECURITY_LOG.page}", security_log.show),
        web.post(f"{_SLUG}/{SECURITY_LOG.page}", security_log.search),
        *_email_settings_routes(),
        *_wording_routes(),
        *_staff_routes(),
        web.get(f"{_SLUG}/face-sheet", searching.show_face_sheet_search),
        web.post(f"{_SLUG}/face-sheet", searching.search_face_sheet),
        *_client_routes(),
        *_login_mail_routes(),
        web.get(f"{_SLUG}/document-center", searching.show_document_search),
        web.post(f"{_SLUG}/document-center", searching.search_document),
        web.get(_FILE, documents.show_client),
        web.post(_FILE, documents.open_case),
        web.get(_CASE, documents.show_case),
        web.post(_CASE, documents.open_form),
        web.get(f"{_CASE}/{CHANGES}", change_log.show),
    ]


def _client_routes() -> list[web.RouteDef]:
    return [
        web.get(f"{_SLUG}/clients/{{id}}", face_sheet.show),
        web.get(f"{_SLUG}/clients/{{id}}/edit", editing.start),
        web.post(f"{_SLUG}/clients/{{id}}/edit", editing.submit),
        web.post(f"{_SLUG}/clients/{{id}}/unlock", face_sheet.unlock),
        web.post(f"{_SLUG}/clients/{{id}}/sign-out", face_sheet.sign_out),
        web.post(f"{_SLUG}/clients/{{id}}/email-works", addresses.works_again),
        web.get(f"{_SLUG}/clients/{{id}}/second-factor", factor_reset.show),
        web.post(f"{_SLUG}/clients/{{id}}/second-factor", factor_reset.submit),
    ]


def _account_routes() -> list[web.RouteDef]:
    return [
        web.get(f"{_SLUG}/account", account.show),
        *PASSWORD_PAGES.routes(_SLUG),
    ]


def _email_settings_routes() -> list[web.RouteDef]:
    settings = f"{_SLUG}/{EMAIL_SETTINGS.page}"
    return [
        web.get(settings, email_settings.show),
        web.post(settings, email_settings.save),
        web.post(f"{settings}/test", email_settings.test),
    ]


def _login_mail_routes() -> list[web.RouteDef]:
    login = f"{_SLUG}/clients/{{id}}/portal-logins/{{login}}"
    return [
        web.get(f"{_SLUG}/{attention.PAGE}", attention.show),
        web.get(f"{login}/emails", login_mails.show),
        web.post(f"{login}/resend", login_mails.resend),
        web.get(f"{login}/address", login_mails.show_address),
        web.post(f"{login}/address", login_mails.correct_address),
    ]


def _wording_routes() -> list[web.RouteDef]:
    page = f"{_SLUG}/{EMAIL_WORDING.page}"
    return [
        web.get(page, email_wording.show_all),
        web.get(f"{page}/letter", email_wording.show),
        web.post(f"{page}/letter", email_wording.save),
        web.post(f"{page}/test", email_wording.send_test),
        web.get(f"{page}/preview", email_wording.show_preview),
        web.post(f"{page}/preview", email_wording.preview),
    ]


def _staff_routes() -> list[web.RouteDef]:
    return [
        web.get(f"{_SLUG}/staff", staff_users.show_all),
        web.get(f"{_SLUG}/staff/new", staff_users.show_new),
        web.post(f"{_SLUG}/staff/new", staff_users.submit_new),
        web.get(_PERSON, staff_users.show),
        web.get(f"{_PERSON}/edit", staff_users.show_edit),
        web.post(f"{_PERSON}/edit", staff_users.submit_edit),
        web.post(f"{_PERSON}/new-password", staff_users.new_password),
        web.post(f"{_PERSON}/unlock", staff_users.unlock),
        web.post(f"{_PERSON}/sign-out", staff_users.sign_out),
        web.get(f"{_PERSON}/second-factor", staff_factor.show),
        web.post(f"{_PERSON}/second-factor", staff_factor.submit),
    ]


def _single_sign_on_routes() -> list[web.RouteDef]:
    settings = f"{_SLUG}/{SINGLE_SIGN_ON.page}"
    return [
        # No HEAD: a look at it would begin a sign-in.
        web.get(f"{_SLUG}/{single_sign_on.PAGE}", single_sign_on.start, allow_head=False),
        web.get(f"{_SLUG}/{single_sign_on.CALLBACK}", single_sign_on.come_back, allow_head=False),
        web.get(settings, single_sign_on_settings.show),
        web.post(settings, single_sign_on_settings.save),
        web.get(f"{settings}/test", single_sign_on_settings.show),
        web.post(f"{settings}/test", single_sign_on_settings.test),
        web.post(f"{settings}/remove", single_sign_on_settings.remove),
    ]


def _passkey_routes() -> list[web.RouteDef]:
    return [
        web.get(f"{_SLUG}/{PASSKEYS}", passkeys.show),
        web.post(f"{_SLUG}/{PASSKEYS}", passkeys.add),
        web.get(f"{_SLUG}/{PASSKEYS}/new", passkeys.show),
        web.post(f"{_SLUG}/{PASSKEYS}/new", passkeys.begin),
        web.get(f"{_SLUG}/{PASSKEYS}/{{id}}", passkeys.show_one),
        web.get(f"{_SLUG}/{PASSKEYS}/{{id}}/rename", passkeys.show_one),
        web.post(f"{_SLUG}/{PASSKEYS}/{{id}}/rename", passkeys.rename),
        web.get(f"{_SLUG}/{PASSKEYS}/{{id}}/remove", passkeys.show_one),
        web.post(f"{_SLUG}/{PASSKEYS}/{{id}}/remove", passkeys.remove),
    ]
