"""The typed keys of the admin service: what the application holds, and what a request learns on its way."""

from __future__ import annotations

from aiohttp import web

from services.admin.audit_client import AuditClient
from services.admin.openid.providers import IdentityProviders
from services.admin.settings import AdminSettings
from services.admin.use_cases.credentials import Credentials
from services.admin.use_cases.mail_wordings import Samples
from services.admin.use_cases.mails import StaffMails
from services.admin.visitor import Visitor
from shared.accounts.agencies import Agency
from shared.accounts_service import BOXES, FACTORS, GATE, HASHER, KEY_RING, SEALER, SIGNER, VERIFIER, WORK

SETTINGS = web.AppKey("settings", AdminSettings)
CREDENTIALS = web.AppKey("credentials", Credentials)
MAILS = web.AppKey("mails", StaffMails)
SAMPLES = web.AppKey("samples", Samples)
AUDIT = web.AppKey("audit", AuditClient)
IDENTITY_PROVIDERS = web.AppKey("identity_providers", IdentityProviders)

AGENCY = web.RequestKey("agency", Agency)
VISITOR = web.RequestKey("visitor", Visitor)

__all__ = [
    "AGENCY",
    "AUDIT",
    "BOXES",
    "CREDENTIALS",
    "FACTORS",
    "GATE",
    "HASHER",
    "IDENTITY_PROVIDERS",
    "KEY_RING",
    "MAILS",
    "SAMPLES",
    "SEALER",
    "SETTINGS",
    "SIGNER",
    "VERIFIER",
    "VISITOR",
    "WORK",
]
