"""The typed keys of the audit service."""

from __future__ import annotations

from aiohttp import web

from services.audit.consumer import Consumer
from services.audit.queries import Logs
from services.audit.security_log import SecurityLog
from services.audit.settings import AuditSettings
from services.audit.viewers import Viewers
from shared.db import Pool
from shared.security.tokens import KeyRing, Verifier

SETTINGS = web.AppKey("settings", AuditSettings)
ACCOUNTS_POOL = web.AppKey("accounts_pool", Pool)
STORE_POOL = web.AppKey("store_pool", Pool)
CONSUMER = web.AppKey("consumer", Consumer)
KEY_RING = web.AppKey("key_ring", KeyRing)
VERIFIER = web.AppKey("verifier", Verifier)
VIEWERS = web.AppKey("viewers", Viewers)
LOGS = web.AppKey("logs", Logs)
SECURITY_LOG = web.AppKey("security_log", SecurityLog)
