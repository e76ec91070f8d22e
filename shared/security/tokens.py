"""Access tokens (JWT, EdDSA) and opaque references.

Every claim is required and checked (RFC 8725): ``iss aud sub sid agy jti iat exp`` and the header's ``typ`` and
``kid``. A token says who and which session; what they may do is read from PostgreSQL at each request. A service that
asks another one for somebody adds where that person is (``adr``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast
from uuid import UUID

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.clock import Clock
from shared.db import Pool, named_queries
from shared.errors import NotSignedIn
from shared.security.session_limits import ACCESS_TOKEN

SQL = named_queries(__package__, "sql/signing_keys.sql")

Audience = Literal["portico-staff", "portico-client", "portico-internal"]
STAFF: Audience = "portico-staff"
CLIENT: Audience = "portico-client"
INTERNAL: Audience = "portico-internal"

# Who may sign for which door; the issuer is the database role of the service that published the key.
ISSUERS: Mapping[Audience, frozenset[str]] = {
    STAFF: frozenset({"portico_admin"}),
    CLIENT: frozenset({"portico_portal"}),
    INTERNAL: frozenset({"portico_admin", "portico_portal", "portico_notifier"}),
}

# Verifiers read the keys again this often; a key signs nothing before all of them have had the time to do so.
KEYS_EVERY: Final = timedelta(seconds=2)
PUBLISHED_AHEAD: Final = timedelta(seconds=3)
# Others may keep what /.well-known/jwks.json says for five minutes: a key is in it for longer before it signs, as long
# as there is another one that can.
JWKS_KEPT: Final = timedelta(minutes=5)
NEXT_FOR: Final = JWKS_KEPT + timedelta(minutes=1)
# After that a key has not signed for longer than any token lives, and clocks differ.
REPLACED_AFTER: Final = NEXT_FOR + ACCESS_TOKEN + timedelta(minutes=1)

_TYPE = "at+jwt"
_NO_SIGNING_KEY = "a signing key is an Ed25519 private key in PEM (PKCS 8)"
_PEM = re.compile(r"-----BEGIN PRIVATE KEY-----[A-Za-z0-9+/=\s]*-----END PRIVATE KEY-----")
_REQUIRED = ["iss", "aud", "sub", "sid", "agy", "jti", "iat", "exp"]
NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Claims:
    """A token that was verified. For service tokens subject, session and agency are :data:`NOBODY`.

    ``address`` is where the person is for whom another service asks; None in tokens that people send themselves.
    """

    audience: Audience
    issuer: str
    subject: UUID
    session_id: UUID
    agency_id: UUID
    expires_at: datetime
    address: str | None = None


class SigningKey:
    """One Ed25519 key pair; its private half stays in here."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self.private = key
        self.public = key.public_key().public_bytes_raw()
        self.kid = key_id(self.public)
        self._derivation_key = hashlib.sha256(b"portico successor" + key.private_bytes_raw()).digest()

    def successor(self, reference: Reference) -> Reference:
        """The one reference that follows this one by this key."""
        secret = hmac.digest(self._derivation_key, reference.text.encode(), "sha256")
        return _reference(reference.agency_id, base64.urlsafe_b64encode(secret).rstrip(b"=").decode())


def pem_blocks(pems: str) -> list[str]:
    """Private keys in PEM one by one. Raises ValueError when there is none, or anything else between them."""
    blocks: list[str] = _PEM.findall(pems)
    if not blocks or _PEM.sub("", pems).strip():
        raise ValueError(_NO_SIGNING_KEY)
    return blocks


def signing_keys(pems: str) -> tuple[SigningKey, ...]:
    """Ed25519 private keys in PEM (PKCS 8), one after the other. Raises ValueError for anything else."""
    found: dict[str, SigningKey] = {}
    for block in pem_blocks(pems):
        try:
            key = serialization.load_pem_private_key(block.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(_NO_SIGNING_KEY) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(_NO_SIGNING_KEY)
        one = SigningKey(key)
        found.setdefault(one.kid, one)
    return tuple(found.values())


class Signer:
    """A service's own signing keys, the newest first. Raises ValueError when the PEM is not that of Ed25519 keys.

    Without a ``ring`` the first key signs. With one, the newest that has been public for long enough does, so that
    replicas which see a new key at different moments sign with what everybody knows.
    """

    def __init__(self, private_pems: str, issuer: str, clock: Clock, ring: KeyRing | None = None) -> None:
        self.held = signing_keys(private_pems)
        self._clock = clock
        self._ring = ring
        self.issuer = issuer

    def take(self, private_pems: str) -> None:
        """Go on with these keys. Raises ValueError, and changes nothing then."""
        self.held = signing_keys(private_pems)

    @property
    def current(self) -> SigningKey:
        """The key that signs now."""
        held, ring, now = self.held, self._ring, self._clock()
        if ring is None:
            return held[0]
        for key in held:
            if ring.known_for(key.kid, now) >= NEXT_FOR:
                return key
        for key in reversed(held):
            if ring.known_everywhere(key.kid, now):
                return key
        return held[0]

    @property
    def kid(self) -> str:
        """The name of the key that signs now."""
        return self.current.kid

    @property
    def public_key(self) -> bytes:
        """Its public half."""
        return self.current.public

    def replaced(self) -> list[str]:
        """Own keys that no token which is still good was signed with: the one after them has signed for too long."""
        current, ring, now = self.current, self._ring, self._clock()
        if ring is None or ring.known_for(current.kid, now) < REPLACED_AFTER:
            return []
        older = self.held[self.held.index(current) + 1 :]
        return [key.kid for key in older if ring.find(key.kid) is not None]

    def mint(
        self,
        audience: Audience,
        *,
        lifetime: timedelta,
        subject: UUID = NOBODY,
        session_id: UUID = NOBODY,
        agency_id: UUID = NOBODY,
        address: str | None = None,
    ) -> str:
        """A signed token that is good for ``lifetime`` from now. Raises ValueError when it could outlive its key."""
        if self._ring is not None and lifetime > ACCESS_TOKEN:
            raise ValueError("no token lives longer than an access token: its key is withdrawn after that")
        now, key = self._clock(), self.current
        claims: dict[str, str | int] = {
            "iss": self.issuer,
            "aud": audience,
            "sub": str(subject),
            "sid": str(session_id),
            "agy": str(agency_id),
            "jti": secrets.token_urlsafe(12),
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
        }
        if address is not None:
            claims["adr"] = address
        return jwt.encode(claims, key.private, algorithm="EdDSA", headers={"kid": key.kid, "typ": _TYPE})

    def successor(self, reference: Reference) -> Reference:
        """The one reference that follows this one. It can't be guessed without the service's key, and a retried
        exchange gets the same one."""
        return self.current.successor(reference)

    def successors(self, reference: Reference) -> list[Reference]:
        """What follows this one by each key at hand: another replica may have given it a moment ago, by another key."""
        return [key.successor(reference) for key in self.held]


def key_id(public_key: bytes) -> str:
    """The name of a public key: the first 16 characters of its SHA-256 in base64url."""
    return base64.urlsafe_b64encode(hashlib.sha256(public_key).digest())[:16].decode()


class KeyRing:
    """Every service's public keys, as PostgreSQL holds them. Refreshed in the background, never by a request."""

    def __init__(self, keys: Mapping[str, tuple[str, bytes]] | None = None) -> None:
        self._keys: dict[str, tuple[str, Ed25519PublicKey]] = {}
        self._raw: dict[str, tuple[str, bytes]] = {}
        self._published: dict[str, datetime] = {}
        self._withdrawn: frozenset[str] = frozenset()
        self.loaded = False
        self._replace(keys or {})

    def _replace(self, keys: Mapping[str, tuple[str, bytes]]) -> None:
        self._raw = dict(keys)
        self._keys = {kid: (iss, Ed25519PublicKey.from_public_bytes(raw)) for kid, (iss, raw) in keys.items()}

    async def publish(self, pool: Pool, signer: Signer, now: datetime) -> None:
        """Put a service's own public keys where the others read them; those that are there stay as they are."""
        new = [key for key in signer.held if key.kid not in self._raw and key.kid not in self._withdrawn]
        if not new:
            return
        async with pool.transaction(None) as conn:
            for key in new:
                await conn.execute(SQL["publish"], key.kid, signer.issuer, key.public, now)

    async def withdraw(self, pool: Pool, kids: Sequence[str], now: datetime) -> list[str]:
        """Take own keys back for good; answers which ones had not been before."""
        async with pool.transaction(None) as conn:
            return [r["kid"] for r in await conn.fetch(SQL["withdraw"], list(kids), now)]

    async def refresh(self, pool: Pool) -> None:
        """Read all keys again."""
        async with pool.transaction(None) as conn:
            rows = await conn.fetch(SQL["all"])
        good = [r for r in rows if r["withdrawn_at"] is None]
        self._replace({r["kid"]: (r["issuer"], r["public_key"]) for r in good})
        self._published = {r["kid"]: r["created_at"] for r in good}
        self._withdrawn = frozenset(r["kid"] for r in rows if r["withdrawn_at"] is not None)
        self.loaded = True

    def find(self, kid: str) -> tuple[str, Ed25519PublicKey] | None:
        """(issuer, key), or None when no such key is known here, or it was withdrawn."""
        return self._keys.get(kid)

    def known_for(self, kid: str, now: datetime) -> timedelta:
        """For how long a key has been public; less than nothing for one that is not."""
        published = self._published.get(kid)
        return now - published if published is not None else timedelta(-1)

    def known_everywhere(self, kid: str, now: datetime) -> bool:
        """Whether a key was published long enough ago that every verifier has read it: only then may it sign."""
        return self.known_for(kid, now) >= PUBLISHED_AHEAD

    def jwks(self, issuer: str) -> dict[str, Any]:
        """The JSON Web Key Set (RFC 7517, RFC 8037) of one issuer."""
        return {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "alg": "EdDSA",
                    "use": "sig",
                    "kid": kid,
                    "x": base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
                }
                for kid, (iss, raw) in sorted(self._raw.items())
                if iss == issuer
            ]
        }


class Verifier:
    """Checks tokens for the doors that it is told of."""

    def __init__(self, keys: KeyRing, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def verify(self, token: str, *audiences: Audience) -> Claims:
        """The claims of a token made for one of ``audiences``. Raises NotSignedIn, whatever is wrong with it."""
        try:
            header = jwt.get_unverified_header(token)
            found = self._keys.find(str(header.get("kid")))
            if found is None or header.get("typ") != _TYPE:
                raise NotSignedIn
            issuer, key = found
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=list(audiences),
                issuer=issuer,
                # The clock comes in as an argument, so expiry is compared below.
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            return self._checked(claims, issuer)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise NotSignedIn from error

    def _checked(self, claims: Mapping[str, Any], issuer: str) -> Claims:
        audience, now = cast(Audience, claims["aud"]), self._clock()
        expires_at = datetime.fromtimestamp(claims["exp"], tz=now.tzinfo)
        if not isinstance(audience, str) or issuer not in ISSUERS[audience] or expires_at <= now:
            raise NotSignedIn
        return Claims(
            audience=audience,
            issuer=issuer,
            subject=UUID(str(claims["sub"])),
            session_id=UUID(str(claims["sid"])),
            agency_id=UUID(str(claims["agy"])),
            expires_at=expires_at,
            address=str(claims["adr"]) if "adr" in claims else None,
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """An opaque token: ``text`` goes to its bearer, ``digest`` (SHA-256) is all that is stored.

    The agency stands in it in clear, so that row-level security can be set before it is looked up.
    """

    agency_id: UUID
    text: str
    digest: bytes


def new_reference(agency_id: UUID) -> Reference:
    """A fresh reference with 256 bits from the system's random source."""
    return _reference(agency_id, secrets.token_urlsafe(32))


def _reference(agency_id: UUID, secret: str) -> Reference:
    text = f"{agency_id.hex}.{secret}"
    return Reference(agency_id, text, hashlib.sha256(text.encode()).digest())


def parse_reference(text: str) -> Reference | None:
    """Read a reference back; None when it does not have the form of one."""
    agency, dot, secret = text.partition(".")
    if not dot or len(agency) != 32 or not 20 <= len(secret) <= 100 or not text.isascii():
        return None
    try:
        return Reference(UUID(hex=agency), text, hashlib.sha256(text.encode()).digest())
    except ValueError:
        return None


def new_signing_key() -> str:
    """A fresh Ed25519 private key in PEM (PKCS 8)."""
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )
