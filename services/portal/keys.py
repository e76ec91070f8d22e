"""The typed keys of the portal: what the application holds, and what a request learns on its way."""

from __future__ import annotations

from aiohttp import web

from services.portal.audit_client import AuditClient
from services.portal.settings import PortalSettings
from services.portal.use_cases.notices import Notices
from services.portal.use_cases.resets import Resets
from services.portal.visitor import Visitor
from shared.accounts.agencies import Agency
from shared.accounts_service import GATE, HASHER, KEY_RING, SIGNER, VERIFIER, WORK

SETTINGS = web.AppKey("settings", PortalSettings)
RESETS = web.AppKey("resets", Resets)
NOTICES = web.AppKey("notices", Notices)
AUDIT = web.AppKey("audit", AuditClient)

AGENCY = web.RequestKey("agency", Agency)
VISITOR = web.RequestKey("visitor", Visitor)

__all__ = [
    "AGENCY",
    "AUDIT",
    "GATE",
    "HASHER",
    "KEY_RING",
    "NOTICES",
    "RESETS",
    "SETTINGS",
    "SIGNER",
    "VERIFIER",
    "VISITOR",
    "WORK",
]
