"""The typed keys of the portal: what the application holds, and what a request learns on its way."""

from __future__ import annotations

from aiohttp import web

from services.portal.audit_client import AuditClient
from services.portal.settings import PortalSettings
from services.portal.use_cases.resets import Resets
from services.portal.visitor import Visitor
from shared.accounts.agencies import Agency
from shared.outbox import Work
from shared.security.passwords import PasswordHasher
from shared.security.tokens import KeyRing, Signer, Verifier

SETTINGS = web.AppKey("settings", PortalSettings)
WORK = web.AppKey("work", Work)
HASHER = web.AppKey("hasher", PasswordHasher)
SIGNER = web.AppKey("signer", Signer)
KEY_RING = web.AppKey("key_ring", KeyRing)
VERIFIER = web.AppKey("verifier", Verifier)
RESETS = web.AppKey("resets", Resets)
AUDIT = web.AppKey("audit", AuditClient)

AGENCY = web.RequestKey("agency", Agency)
VISITOR = web.RequestKey("visitor", Visitor)
