"""An identity provider that says whatever a test wants it to, for what no honest one would say."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.support.clock import FakeClock

Sign = Callable[["Hostile", dict[str, Any]], str]


@dataclass
class Hostile:
    """What it says; an honest answer unless it is told otherwise."""

    clock: FakeClock
    server: TestServer
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1", "use": "sig"}, private=True))
    keys: list[dict[str, Any]] | None = None
    description: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    nonce: str | None = None
    userinfo: dict[str, Any] = field(default_factory=dict)
    sign: Sign | None = None
    answer: Callable[[], web.StreamResponse] | None = None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    def described(self) -> dict[str, Any]:
        found = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            **self.description,
        }
        return {name: value for name, value in found.items() if value is not None}

    def said(self, **claims: Any) -> dict[str, Any]:
        """The claims of an ID token, but for those that a test wants otherwise; None leaves one out."""
        now = int(self.clock().timestamp())
        found = {"iss": self.issuer, "aud": "portico", "sub": "sub-1", "iat": now, "exp": now + 60, "nonce": self.nonce}
        found |= {"preferred_username": "nextstep", **self.claims, **claims}
        return {name: value for name, value in found.items() if value is not None}

    def signed(self, claims: dict[str, Any], *, alg: str = "RS256", key: Any = None, **header: Any) -> str:
        used = key or self.key
        return jwt.encode({"alg": alg, "kid": "1", **header}, claims, used, algorithms=[alg])

    def signed_with_secret(self, claims: dict[str, Any], secret: bytes) -> str:
        """By hand: the library refuses to take a public key for a secret."""
        header = _base64(b'{"alg":"HS256","kid":"1"}')
        said = f"{header}.{_base64(json.dumps(claims).encode())}"
        return f"{said}.{_base64(hmac.digest(secret, said.encode(), 'sha256'))}"

    async def discovery(self, request: web.Request) -> web.StreamResponse:
        return self.answer() if self.answer else web.json_response(self.described())

    async def key_set(self, request: web.Request) -> web.StreamResponse:
        keys = [self.key.as_dict(private=False)] if self.keys is None else self.keys
        return web.json_response({"keys": keys})

    async def token(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(("token", form))
        claims = self.said()
        id_token = self.sign(self, claims) if self.sign else self.signed(claims)
        return web.json_response({"access_token": "theirs", "token_type": "Bearer", "id_token": id_token})

    async def tell(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(("userinfo", dict(request.headers)))
        return web.json_response(self.userinfo)


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


@asynccontextmanager
async def hostile_provider(clock: FakeClock) -> AsyncIterator[Hostile]:
    """One that runs while the test does."""
    app = web.Application()
    server = TestServer(app)
    found = Hostile(clock, server)
    app.router.add_get("/.well-known/openid-configuration", found.discovery)
    app.router.add_get("/keys", found.key_set)
    app.router.add_post("/token", found.token)
    app.router.add_get("/userinfo", found.tell)
    await server.start_server()
    try:
        yield found
    finally:
        await server.close()
