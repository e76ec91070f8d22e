"""A mail server that answers what a test tells it to, and keeps every byte that it was sent."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
import warnings
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import NameOID

USERNAME, PASSWORD = "relay", "channel-pass-7"

Hook = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Caught:
    """One mail that was accepted, or whose content came at least."""

    sender: str
    recipients: list[str]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """As a mail program reads it."""
        return message_from_bytes(self.content, policy=policy.default)  # type: ignore[return-value]

    @property
    def text(self) -> str:
        """The text part."""
        part = self.message.get_body(("plain",))
        assert part is not None
        return str(part.get_content())

    @property
    def html(self) -> str:
        """The HTML part."""
        part = self.message.get_body(("html",))
        assert part is not None
        return str(part.get_content())


@dataclass(slots=True)
class Script:
    """What the server says. ``replies[step]`` are its next answers, then it says yes; steps: greeting, EHLO, AUTH, MAIL,
    RCPT, DATA (the answer to the content). The answer ``drop`` closes the connection, ``silence`` never comes."""

    replies: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    before: dict[str, Hook] = field(default_factory=dict)
    caught: list[Caught] = field(default_factory=list)
    wire: bytearray = field(default_factory=bytearray)
    connections: int = 0
    open: list[_Server] = field(default_factory=list)
    port: int = 0
    hangs_for: str = "@"
    """No recipient whose address ends so gets an answer."""

    async def answer(self, step: str, server: SMTP, otherwise: str) -> str:
        """The next answer at this step."""
        if hook := self.before.get(step):
            await hook()
        said = self.replies[step].pop(0) if self.replies[step] else otherwise
        if said == "silence":
            await asyncio.sleep(3600)
        if said == "drop":
            transport = server.transport
            assert transport is not None
            transport.abort()
            raise ConnectionResetError
        return said


class _Handler:
    def __init__(self, script: Script) -> None:
        self._script = script

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        said = await self._script.answer("EHLO", server, "")
        return [said] if said else responses

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        said = await self._script.answer("MAIL", server, "250 OK")
        envelope.mail_from = address
        return said

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.endswith(self._script.hangs_for):
            await asyncio.sleep(3600)
        said = await self._script.answer("RCPT", server, "250 OK")
        envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.original_content
        assert content is not None
        caught = Caught(envelope.mail_from or "", list(envelope.rcpt_tos), content)
        self._script.caught.append(caught)
        return await self._script.answer("DATA", server, f"250 2.0.0 Kept as {len(self._script.caught)}")


class _Server(SMTP):
    def __init__(self, script: Script, **options: Any) -> None:
        super().__init__(_Handler(script), enable_SMTPUTF8=False, hostname="mail.test", ident="Scripted", **options)
        self._script = script
        self._greeted = False
        script.connections += 1
        script.open.append(self)

    def data_received(self, data: bytes) -> None:
        self._script.wire += data
        super().data_received(data)

    async def push(self, status: Any) -> None:
        if not self._greeted:
            self._greeted = True
            status = await self._script.answer("greeting", self, status)
        await super().push(status)

    async def end(self) -> None:
        """Leave nothing behind, whatever is going on."""
        if self.transport is not None:
            # Python 3.11.2's TLS transports lose their protocol when they close, and then fail to abort.
            with suppress(AttributeError):
                self.transport.abort()
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()
            await asyncio.gather(self._handler_coroutine, return_exceptions=True)


@asynccontextmanager
async def mail_server(
    script: Script | None = None,
    *,
    implicit_tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    auth: bool = False,
    port: int = 0,
) -> AsyncIterator[Script]:
    """The server, on a port of its own, for as long as the context is open."""
    script = script or Script()
    loop = asyncio.get_running_loop()

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        if script.replies["AUTH"]:
            return AuthResult(success=False, handled=False, message=script.replies["AUTH"].pop(0))
        right = isinstance(data, LoginPassword) and data == LoginPassword(USERNAME.encode(), PASSWORD.encode())
        return AuthResult(success=right)

    def connection() -> SMTP:
        with warnings.catch_warnings():
            # The library warns of a server that takes passwords in clear; such a server is what some tests are about.
            warnings.simplefilter("ignore")
            return _Server(
                script,
                loop=loop,
                tls_context=starttls,
                auth_require_tls=False,
                authenticator=check if auth else None,
                auth_exclude_mechanism=None if auth else ["LOGIN", "PLAIN"],
            )

    server = await loop.create_server(connection, "127.0.0.1", port, ssl=implicit_tls)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()
        await asyncio.gather(*(connection.end() for connection in script.open))
        await _all_gone(server)


async def _all_gone(server: asyncio.Server) -> None:
    """Wait for the end of every connection, also of one that came no further than its TLS handshake: such a one is not
    among those that are open, and would be found unclosed when the loop is gone."""
    if abort := getattr(server, "abort_clients", None):  # From Python 3.13 on.
        abort()
    with suppress(TimeoutError):
        async with asyncio.timeout(2):
            while getattr(server, "_active_count", 0):
                await asyncio.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of an authority of its own, for a name or an address."""

    pem: str
    server: ssl.SSLContext
    # Private key and certificate, for servers that are other programs.
    chain: bytes = field(repr=False)

    @property
    def trusting(self) -> ssl.SSLContext:
        """A client's context that trusts it."""
        context = ssl.create_default_context()
        context.load_verify_locations(cadata=self.pem)
        return context


def private_pem(key: PrivateKeyTypes) -> str:
    """A private key as settings and servers take it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def certificate(folder: Path, *, name: str = "127.0.0.1") -> Certificate:
    """A fresh one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = dt.datetime.now(dt.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    whole = folder / f"{name}.pem"
    chain = (private_pem(key) + pem).encode()
    whole.write_bytes(chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(whole)
    return Certificate(pem, context, chain)
