"""The typed keys of the admin service: what the application holds, and what a request learns on its way."""

from __future__ import annotations

from aiohttp import web

from services.admin.audit_client import AuditClient
from services.admin.settings import AdminSettings
from services.admin.use_cases.credentials import Credentials
from services.admin.visitor import Visitor
from shared.accounts.agencies import Agency
from shared.outbox import Work
from shared.security.passwords import PasswordHasher
from shared.security.tokens import KeyRing, Signer, Verifier

SETTINGS = web.AppKey("settings", AdminSettings)
WORK = web.AppKey("work", Work)
HASHER = web.AppKey("hasher", PasswordHasher)
SIGNER = web.AppKey("signer", Signer)
KEY_RING = web.AppKey("key_ring", KeyRing)
VERIFIER = web.AppKey("verifier", Verifier)
CREDENTIALS = web.AppKey("credentials", Credentials)
AUDIT = web.AppKey("audit", AuditClient)

AGENCY = web.RequestKey("agency", Agency)
VISITOR = web.RequestKey("visitor", Visitor)
