"""The typed keys of the portal: what the application holds, and what a request learns on its way."""

from __future__ import annotations

from aiohttp import web

from services.portal.audit_client import AuditClient
from services.portal.settings import PortalSettings
from services.portal.use_cases.mails import Mails
from services.portal.visitor import Visitor
from shared.accounts.agencies import Agency
from shared.accounts_service import FACTORS, GATE, HASHER, KEY_RING, SIGNER, VERIFIER, WORK

SETTINGS = web.AppKey("settings", PortalSettings)
MAILS = web.AppKey("mails", Mails)
AUDIT = web.AppKey("audit", AuditClient)

AGENCY = web.RequestKey("agency", Agency)
VISITOR = web.RequestKey("visitor", Visitor)

__all__ = [
    "AGENCY",
    "AUDIT",
    "FACTORS",
    "GATE",
    "HASHER",
    "KEY_RING",
    "MAILS",
    "SETTINGS",
    "SIGNER",
    "VERIFIER",
    "VISITOR",
    "WORK",
]
