"""SMTP: one mail to one recipient, and what the mail server made of it.

A mail server's answer is a value, not an exception: each of the ways in which handing over can end calls for something
else to be done next, and `Outcome` names them.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from services.notifier.connections import Connections, goodbye
from services.notifier.reach import NotReachable, connected
from shared.accounts.email_settings import Security
from shared.mail_reach import Network

Outcome = Literal["accepted", "deferred", "unreachable", "refused", "channel_refused", "unknown", "withdrawn"]
"""How an attempt ended.

- ``accepted``: the mail server took the mail over.
- ``deferred``: it said 4xx to this mail; later it may take it.
- ``unreachable``: nothing was said about this mail: no connection, no encryption, connection lost before the content.
- ``refused``: 5xx to the recipient or the content; another try would get the same answer.
- ``channel_refused``: it does not take mail from us at all, or not from this sender.
- ``unknown``: the connection was lost after the content, so the mail may be on its way or not.
- ``withdrawn``: the mail was no longer wanted just before its content was sent.
"""

_LONGEST_REPLY: Final = 500
_SHARE_FOR_KEPT: Final = 1 / 6
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LEADING_DOT = re.compile(rb"(?m)^\.")
# Over an encrypted connection the plainest way is the one that servers get right; without, the password is not said.
_WAYS_IN: Final = ("plain", "login", "cram-md5")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail goes. ``security`` is a promise: without it nothing is said, neither a password nor a mail.

    ``inside``: None for the operator's own server; else whoever named it is not trusted with the inner network, and it
    has to be at a public address or in one of these networks.
    """

    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    inside: tuple[Network, ...] | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for everything up to the content, and for the answer to it (RFC 5321, 4.5.3.2.6, asks for minutes)."""

    until_content: float = 60.0
    after_content: float = 120.0


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one recipient; both addresses are safe. ``content`` has its lines ended by CRLF."""

    sender: str
    recipient: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an attempt. ``reply`` is what the mail server said, or a sentence of ours about it.

    ``about_sender``: a ``channel_refused`` that holds for this sender only. ``about_recipient``: a ``refused`` that
    came before anything of the content was said.
    """

    outcome: Outcome
    code: int | None = None
    reply: str = ""
    about_sender: bool = False
    about_recipient: bool = False


class _Ended(Exception):
    """Carries the answer out of the step that got it."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(answer.outcome)


class Mailer:
    """Hands mails to one server. Certificates are checked as ``tls`` says.

    Connections whose last mail was accepted are used again, ``keep`` of them at most: after that answer the server has
    forgotten the mail (RFC 5321, 4.1.1.4), so nothing has to be reset. Any other answer ends a connection, since what
    the server thinks of it is no longer sure. Each process that keeps some calls `close`.
    """

    def __init__(
        self, server: SmtpServer, *, hello: str, tls: ssl.SSLContext, patience: Patience, keep: int = 0
    ) -> None:
        """``hello`` is the name that we give ourselves in EHLO."""
        self._server = server
        self._hello = hello
        self._tls = tls
        self._patience = patience
        self._connections = Connections(keep)

    async def send(self, mail: Mail, *, still_wanted: Callable[[], Awaitable[bool]]) -> Answer:
        """Hand ``mail`` over. ``still_wanted`` is asked at the last moment, when the content is about to leave.

        Raises what ``still_wanted`` raises, and nothing else.
        """
        smtp: SMTP | None = None
        try:
            try:
                async with asyncio.timeout(self._patience.until_content) as limit:
                    smtp = await self._begin_on_kept(mail)
                    if smtp is None:
                        smtp = self._client()
                        await self._open(smtp)
                        await self._begin(smtp, mail)
                    await self._name_recipient(smtp, mail)
                    if not await still_wanted():
                        return Answer("withdrawn")
                    await self._announce(smtp)
                answer = await self._hand_over(smtp, mail.content)
            except _Ended as ended:
                answer = ended.answer
            except TimeoutError:
                if not limit.expired():
                    raise
                return Answer("unreachable", None, "The mail server took too long.")
            await self._part(smtp, answer)
            smtp = None
            return answer
        finally:
            if smtp is not None:
                smtp.close()

    async def close(self) -> None:
        """Part from the mail server."""
        await self._connections.close()

    async def _begin_on_kept(self, mail: Mail) -> SMTP | None:
        """Begin the mail on a connection that was kept; None when there is none, or it is not good any more.

        Whatever a server says then is about that connection: it has ended it, or wants no further mail on it. A fresh
        one gets the answer that counts, and as nothing was sent yet, nothing can double.
        """
        smtp = self._connections.take()
        if smtp is None:
            return None
        try:
            # One whose other end is gone without a word must leave time for the fresh one.
            async with asyncio.timeout(self._patience.until_content * _SHARE_FOR_KEPT):
                await self._begin(smtp, mail)
        except (_Ended, TimeoutError):
            smtp.close()
            return None
        except BaseException:
            smtp.close()
            raise
        return smtp

    async def _part(self, smtp: SMTP | None, answer: Answer) -> None:
        if smtp is None:
            return
        if answer.outcome == "accepted":
            await self._connections.give_back(smtp)
        elif answer.code is not None:
            await goodbye(smtp)
        else:
            # It said nothing, and would be waited for once more.
            smtp.close()

    def _client(self) -> SMTP:
        return SMTP(
            hostname=self._server.host,
            port=self._server.port,
            use_tls=self._server.security == "tls",
            # Never the library's own choice: it goes on in clear where somebody takes STARTTLS out of the answer.
            start_tls=False,
            tls_context=self._tls,
            local_hostname=self._hello,
            timeout=self._patience.until_content,
        )

    async def _open(self, smtp: SMTP) -> None:
        """A connection that may carry mail: encrypted as promised, and signed in."""
        with _channel("The mail server could not be reached"):
            await self._connect(smtp)
            await smtp.ehlo()
        if self._server.security == "starttls":
            if not smtp.supports_extension("starttls"):
                raise _Ended(Answer("unreachable", None, "The mail server does not offer STARTTLS."))
            with _channel("No encrypted connection to the mail server"):
                await smtp.starttls()
                await smtp.ehlo()
        if self._server.username is not None:
            await self._sign_in(smtp, self._server.username, self._server.password or "")

    async def _connect(self, smtp: SMTP) -> None:
        if self._server.inside is None:
            await smtp.connect()
            return
        try:
            socket = await connected(self._server.host, self._server.port, self._server.inside)
        except NotReachable:
            raise _Ended(Answer("unreachable", None, "Mail may not go to the address of this mail server.")) from None
        # The socket leads to an address that was looked at; the name is what the certificate has to be for.
        await smtp.connect(sock=socket, port=None)

    async def _sign_in(self, smtp: SMTP, username: str, password: str) -> None:
        ways = _WAYS_IN
        if self._server.security == "plaintext":
            ways = _WAYS_IN[::-1]
        elif smtp.get_transport_info("sslcontext") is None:
            raise _Ended(Answer("unreachable", None, "The connection to the mail server is not encrypted."))
        way = next((way for way in ways if way in smtp.server_auth_methods), None)
        if way is None:
            raise _Ended(Answer("channel_refused", None, "The mail server offers no way to sign in that we know."))
        try:
            with _channel("The connection was lost while signing in at the mail server"):
                await {"plain": smtp.auth_plain, "login": smtp.auth_login, "cram-md5": smtp.auth_crammd5}[way](
                    username, password
                )
        except _Ended as ended:
            answer = ended.answer
            if answer.code is None:
                raise
            # Not in the server's words: some of them repeat the username.
            raise _Ended(Answer(answer.outcome, answer.code, "The mail server did not accept our sign-in.")) from None

    async def _begin(self, smtp: SMTP, mail: Mail) -> None:
        with _step(refused="channel_refused", about_sender=True):
            # What comes back then has no content (RFC 3461, 4.3): mailboxes for returned mail are read by many.
            options = ["RET=HDRS"] if smtp.supports_extension("dsn") else []
            await smtp.mail(mail.sender, options=options)

    async def _name_recipient(self, smtp: SMTP, mail: Mail) -> None:
        with _step(refused="refused", about_recipient=True):
            await smtp.rcpt(mail.recipient)

    async def _announce(self, smtp: SMTP) -> None:
        with _step(refused="refused"):
            reply = await smtp.execute_command(b"DATA")
            if reply.code != 354:
                raise SMTPResponseException(reply.code, reply.message)

    async def _hand_over(self, smtp: SMTP, content: bytes) -> Answer:
        """The content and the answer to it. The library's own call does not tell a loss before it from one after."""
        protocol = smtp.protocol
        if protocol is None:
            return Answer("unreachable", None, "The connection to the mail server was lost.")
        with _step(refused="refused"):
            protocol.write(
                _LEADING_DOT.sub(b"..", content) + (b"" if content.endswith(b"\r\n") else b"\r\n") + b".\r\n"
            )
        try:
            reply = await protocol.read_response(timeout=self._patience.after_content)
        except (SMTPException, OSError):
            return Answer("unknown", None, "The connection was lost before the mail server had answered.")
        if 200 <= reply.code < 300:
            return Answer("accepted", reply.code, _printable(reply.message))
        return _judged(reply.code, reply.message, refused="refused", otherwise="unknown")


@contextmanager
def _step(*, refused: Outcome, about_sender: bool = False, about_recipient: bool = False) -> Iterator[None]:
    """A step in which the server judges this mail."""
    try:
        yield
    except SMTPResponseException as error:
        answer = _judged(error.code, error.message, refused=refused, otherwise="unreachable", about_sender=about_sender)
        raise _Ended(replace(answer, about_recipient=about_recipient and answer.outcome == refused)) from None
    except (SMTPException, OSError):
        raise _Ended(Answer("unreachable", None, "The connection to the mail server was lost.")) from None


@contextmanager
def _channel(trouble: str) -> Iterator[None]:
    """A step before any mail is spoken of: 4xx says nothing about the mail, and 5xx holds for every one of them."""
    try:
        yield
    except SMTPResponseException as error:
        outcome: Outcome = "channel_refused" if 500 <= error.code < 600 else "unreachable"
        raise _Ended(Answer(outcome, _code(error.code), _printable(error.message))) from None
    except (SMTPException, OSError) as error:
        # Only the kind of error: the library's messages name hosts and ports of the inner network.
        raise _Ended(Answer("unreachable", None, f"{trouble} ({_kind(error)}).")) from None


def _judged(code: int, text: str, *, refused: Outcome, otherwise: Outcome, about_sender: bool = False) -> Answer:
    if 400 <= code < 500:
        return Answer("deferred", code, _printable(text))
    if 500 <= code < 600:
        return Answer(refused, code, _printable(text), about_sender)
    return Answer(otherwise, _code(code), _printable(text))


def _code(code: int) -> int | None:
    # The library answers -1 for what it could not read.
    return code if 100 <= code < 1000 else None


def _kind(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its certificate is not valid"
        cause = cause.__cause__
    return type(error.__cause__ or error).__name__


def _printable(text: str) -> str:
    """A reply in a form that can be stored and shown: one line, valid Unicode, not too long."""
    clean = text.encode("utf-8", "replace").decode()
    return _UNPRINTABLE.sub(" ", clean).strip()[:_LONGEST_REPLY]
