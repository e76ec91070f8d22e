"""The admin service's JSON API by address."""

from __future__ import annotations

from aiohttp import web

from services.admin.api.clients import create_client, get_client, search_clients, update_client
from services.admin.api.email_settings import get_email_settings, put_email_settings, send_email_test
from services.admin.api.email_wordings import list_email_wordings, test_email_wording, update_email_wording
from services.admin.api.mail_events import PATH as MAIL_EVENTS
from services.admin.api.mail_events import take_mail_events
from services.admin.api.notices import get_notices, update_notices
from services.admin.api.passwords import forgot_password, report, reset_password, set_password
from services.admin.api.portal_logins import (
    create_portal_login,
    email_works,
    get_portal_login,
    list_deliveries,
    resend_portal_login,
    sign_out_portal_login,
    unlock_portal_login,
    update_portal_login,
)
from services.admin.api.second_factors import reset_second_factor_of_login, reset_second_factor_of_staff
from services.admin.api.sign_in_rules import get_sign_in_rules, update_sign_in_rules
from services.admin.api.single_sign_on import delete_single_sign_on, get_single_sign_on, put_single_sign_on
from services.admin.api.staff import (
    create_staff_user,
    get_staff_user,
    list_staff,
    list_staff_deliveries,
    sign_out_staff_user,
    unlock_staff_user,
    update_staff_user,
)
from services.admin.api.tokens import create_token
from services.admin.keys import MAILS
from services.admin.use_cases import passkeys
from shared.factor_api import factor_routes
from shared.passkey_api import passkey_routes
from shared.session_api import session_routes

# The form of an id, so that "search" is none: that address takes POST alone.
_CLIENT = "/api/v1/clients/{id:[0-9A-Fa-f-]{36}}"


def mail_event_routes() -> list[web.RouteDef]:
    """Where the mail provider tells of returned e-mails; to be added where there is a secret to sign with."""
    return [web.post(MAIL_EVENTS, take_mail_events)]


def api_routes() -> list[web.RouteDef]:
    """Every address of the API."""
    return [
        web.post("/api/v1/token", create_token),
        *session_routes("staff"),
        *passkey_routes("staff", lambda _: passkeys.sign_in, lambda request: passkeys.told_by(request.app[MAILS])),
        *factor_routes("staff"),
        web.post("/api/v1/clients/search", search_clients),
        web.post("/api/v1/clients", create_client),
        web.get(_CLIENT, get_client),
        web.patch(_CLIENT, update_client),
        web.post("/api/v1/clients/{id}/portal-logins", create_portal_login),
        web.get("/api/v1/portal-logins/{id}", get_portal_login),
        web.patch("/api/v1/portal-logins/{id}", update_portal_login),
        web.post("/api/v1/portal-logins/{id}/unlock", unlock_portal_login),
        web.post("/api/v1/portal-logins/{id}/sign-out", sign_out_portal_login),
        web.get("/api/v1/portal-logins/{id}/deliveries", list_deliveries),
        web.post("/api/v1/portal-logins/{id}/resend", resend_portal_login),
        web.post("/api/v1/portal-logins/{id}/email-works", email_works),
        web.post("/api/v1/portal-logins/{id}/second-factor/reset", reset_second_factor_of_login),
        web.post("/api/v1/staff/{id}/second-factor/reset", reset_second_factor_of_staff),
        web.get("/api/v1/sign-in-rules", get_sign_in_rules),
        web.patch("/api/v1/sign-in-rules", update_sign_in_rules),
        web.get("/api/v1/notices", get_notices),
        web.patch("/api/v1/notices", update_notices),
        web.get("/api/v1/email-wordings", list_email_wordings),
        web.patch("/api/v1/email-wordings", update_email_wording),
        web.post("/api/v1/email-wordings/test", test_email_wording),
        web.post("/api/v1/password", set_password),
        web.post("/api/v1/password/forgot", forgot_password),
        web.post("/api/v1/password/reset", reset_password),
        web.post("/api/v1/password/report", report),
        *_staff_routes(),
        web.get("/api/v1/email-settings", get_email_settings),
        web.put("/api/v1/email-settings", put_email_settings),
        web.post("/api/v1/email-settings/test", send_email_test),
        web.get("/api/v1/single-sign-on", get_single_sign_on),
        web.put("/api/v1/single-sign-on", put_single_sign_on),
        web.delete("/api/v1/single-sign-on", delete_single_sign_on),
    ]


def _staff_routes() -> list[web.RouteDef]:
    return [
        web.get("/api/v1/staff", list_staff),
        web.post("/api/v1/staff", create_staff_user),
        web.get("/api/v1/staff/{id}", get_staff_user),
        web.patch("/api/v1/staff/{id}", update_staff_user),
        web.post("/api/v1/staff/{id}/unlock", unlock_staff_user),
        web.post("/api/v1/staff/{id}/sign-out", sign_out_staff_user),
        web.get("/api/v1/staff/{id}/deliveries", list_staff_deliveries),
    ]
