"""What the notifier is told by its environment."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Self, get_args
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from services.notifier.dkim_signing import DkimSigner, WeakKey
from services.notifier.headers import UnsafeHeader, safe_address
from services.notifier.mailer import Patience, SmtpServer
from shared.accounts.email_settings import Security
from shared.deliveries.return_paths import LONGEST_MAILBOX, SHORTEST_KEY, ReturnPaths, ReturnTokens
from shared.outbox.reconcile import ASK_AFTER
from shared.security.key_settings import SealingPrivateKey, SigningKey
from shared.settings import BaseUrl, Networks, PostgresUrl, ProcessSettings, RedisUrl, wrong

ISSUER: Final = "portico_notifier"
"""Who signs the notifier's tokens: its database role, whose own keys alone it may publish."""

_SCHEMES: Final[Mapping[str, Security]] = {"smtp": "starttls", "smtps": "tls"}
_PORTS: Final[Mapping[Security, int]] = {"tls": 465, "starttls": 587, "plaintext": 25}


def _smtp(value: str) -> str:
    try:
        url = urlsplit(value.strip())
        fits = url.scheme in _SCHEMES and url.hostname and url.port != 0
    except ValueError:
        fits = False
    if not fits or url.path.strip("/") or url.query or url.fragment:
        raise wrong("must be a URL such as smtp://user:password@host:587 or smtps://host:465")
    if url.password is not None and not url.username:
        raise wrong("has a password without a user")
    return value.strip()


def _certificates(value: str | None) -> str | None:
    try:
        ssl.create_default_context(cadata=value)
    except (ssl.SSLError, ValueError):
        raise wrong("must be certificates in PEM") from None
    return value


def _address(value: str) -> str:
    try:
        return safe_address(value.strip())
    except UnsafeHeader:
        raise wrong("must be a plain e-mail address such as no-reply@portico.example") from None


def _domain(value: str) -> str:
    try:
        safe_address(f"x@{value.strip()}")
    except UnsafeHeader:
        raise wrong("must be a domain such as portico.example") from None
    return value.strip().lower()


def _dkim_key(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        DkimSigner("portico.example", "s1", value)
    except WeakKey as error:
        raise wrong(f"is too weak: {error}") from None
    except ValueError:
        raise wrong("must be a private key in PEM: RSA with 2048 bits or more, or Ed25519") from None
    return value


def _bounce_address(value: str | None) -> str | None:
    if value is None:
        return None
    address = _address(value)
    if len(address.partition("@")[0]) > LONGEST_MAILBOX:
        raise wrong(f"must have at most {LONGEST_MAILBOX} characters before the @: a token comes after them")
    return address


def _bounce_domain(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return safe_address(f"bounce@{value.strip()}").partition("@")[2]
    except UnsafeHeader:
        raise wrong("must be a domain such as bounces.portico.example") from None


def _bounce_key(value: str | None) -> str | None:
    if value is not None:
        try:
            ReturnTokens(value)
        except ValueError:
            raise wrong(f"must be one or more keys of at least {SHORTEST_KEY} characters, apart by spaces") from None
    return value


class NotifierSettings(ProcessSettings):
    """The notifier's settings; each secret ``X`` may come from the file that ``X_FILE`` names."""

    database_url: PostgresUrl = Field(repr=False)
    relay_database_url: PostgresUrl = Field(repr=False)
    redis_url: RedisUrl = Field(repr=False)
    celery_broker_url: RedisUrl = Field(repr=False)
    signing_key: SigningKey = Field(repr=False)
    # Keys that have a file are read again from there while the notifier runs.
    signing_key_file: Path | None = None
    sealing_private_key: SealingPrivateKey = Field(repr=False)
    sealing_private_key_file: Path | None = None
    audit_url: BaseUrl
    smtp_url: Annotated[str, AfterValidator(_smtp), Field(repr=False)]
    smtp_security: Security | None = None
    # Certificates (PEM) of authorities besides the system's, for a mail server with one of an own authority.
    smtp_ca: Annotated[str | None, AfterValidator(_certificates)] = None
    mail_from: Annotated[str, AfterValidator(_address)]
    # All three or none: what is sent from an address of this domain is signed.
    dkim_domain: Annotated[str, AfterValidator(_domain)] | None = None
    dkim_selector: Annotated[str, AfterValidator(_domain)] | None = None
    dkim_key: Annotated[str | None, AfterValidator(_dkim_key), Field(repr=False)] = None
    # Where agencies' own mail servers may be besides public addresses, on any port: only what operators put here.
    smtp_allowed_networks: Networks = ()
    # Where mails go back to: an address of which each mail has its own, with a token after a "+". Without it, or with
    # neither, to the sender. A domain alone stands for bounce@ there.
    bounce_address: Annotated[str | None, AfterValidator(_bounce_address)] = None
    bounce_domain: Annotated[str | None, AfterValidator(_bounce_domain)] = None
    # What the tokens are made with; `portico bounces` is told the same. Several while they change, the new one first.
    bounce_key: Annotated[str | None, AfterValidator(_bounce_key)] = Field(default=None, repr=False)
    # Mails that are handed over at once. A thread only waits for its mail, so it costs little; a worker that is killed
    # may double as many mails as it has in its hands.
    worker_threads: int = Field(default=8, ge=1, le=64)
    # Of those, to one recipient domain. Three domains have to hang before the others have two threads left.
    mails_per_domain: int = Field(default=2, ge=1, le=64)
    # How long a worker may be silent before another one takes its delivery.
    lease_seconds: float = Field(default=150.0, ge=1, le=280)
    # After how long a published event that nobody has confirmed is asked for.
    reconcile_seconds: float = Field(default=ASK_AFTER.total_seconds(), ge=1, le=3600)
    sweep_seconds: float = Field(default=10.0, ge=0.1, le=300)
    # For deliveries in flight when the process is told to stop; orchestrators must wait longer than this.
    shutdown_seconds: float = Field(default=10.0, ge=0, le=300)
    heartbeat_file: Path | None = None

    @field_validator("smtp_security", mode="before")
    @classmethod
    def _fits_the_url(cls, value: object, info: ValidationInfo) -> object:
        url: Any = info.data.get("smtp_url")
        if isinstance(value, str):
            value = value.strip().lower()
        if url and value in get_args(Security) and urlsplit(url).scheme == "smtps" and value != "tls":
            raise wrong("must be tls, or left out, when SMTP_URL starts with smtps://")
        if value == "plaintext" and url and urlsplit(url).password is not None:
            raise wrong("must not be plaintext when SMTP_URL holds a password: it would travel in clear")
        return value

    @field_validator("dkim_key", mode="after")
    @classmethod
    def _complete(cls, value: str | None, info: ValidationInfo) -> str | None:
        given = [info.data.get("dkim_domain"), info.data.get("dkim_selector"), value]
        if any(given) and not all(given):
            raise wrong("goes together with DKIM_DOMAIN and DKIM_SELECTOR: set all three or none")
        return value

    @property
    def dkim(self) -> DkimSigner | None:
        """What signs, if anything does."""
        if not (self.dkim_domain and self.dkim_selector and self.dkim_key):
            return None
        return DkimSigner(self.dkim_domain, self.dkim_selector, self.dkim_key)

    @property
    def reserved_domains(self) -> tuple[str, ...]:
        """Domains that speak for whoever runs this: agencies' admins may not choose senders there."""
        return tuple({self.mail_from.rpartition("@")[2].lower(), *([self.dkim_domain] if self.dkim_domain else [])})

    @property
    def smtp(self) -> SmtpServer:
        """The mail server, with the security that was chosen or follows from the URL."""
        url = urlsplit(self.smtp_url)
        security = self.smtp_security or _SCHEMES[url.scheme]
        return SmtpServer(
            host=url.hostname or "",
            port=url.port or _PORTS[security],
            security=security,
            username=unquote(url.username) if url.username else None,
            password=unquote(url.password) if url.password else None,
        )

    @property
    def lease(self) -> timedelta:
        """How long a delivery is a worker's own."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def patience(self) -> Patience:
        """Within the lease: it is taken anew just before the content, so each part must fit into one by itself."""
        return Patience(until_content=self.lease_seconds * 0.4, after_content=self.lease_seconds * 0.8)

    @model_validator(mode="after")
    def _bounces_are_whole(self) -> Self:
        if self.bounce_address and self.bounce_domain:
            raise ValueError("BOUNCE_ADDRESS and BOUNCE_DOMAIN are both set: one of them says where mails go back to")
        if (self.bounce_address or self.bounce_domain) and self.bounce_key is None:
            raise ValueError("BOUNCE_KEY is not set (nor is BOUNCE_KEY_FILE): return addresses are made with it")
        return self

    def return_paths(self) -> ReturnPaths | None:
        """Where each mail goes back to; None: to its sender."""
        address = self.bounce_address or (f"bounce@{self.bounce_domain}" if self.bounce_domain else None)
        if address is None or self.bounce_key is None:
            return None
        return ReturnPaths(address, ReturnTokens(self.bounce_key))

    def tls_context(self) -> ssl.SSLContext:
        """Checks certificates and names against the system's authorities and those of SMTP_CA."""
        context = ssl.create_default_context()
        if self.smtp_ca is not None:
            context.load_verify_locations(cadata=self.smtp_ca)
        return context
