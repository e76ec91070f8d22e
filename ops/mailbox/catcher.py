"""The SMTP side: accepts everything and keeps it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiosmtpd.smtp import SMTP, Envelope, Session

from ops.mailbox.store import MailStore

LARGEST_MAIL = 10 * 1024 * 1024

_log = logging.getLogger(__name__)


class _Keep:
    """aiosmtpd calls this once a mail has arrived."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep the mail, and answer as a mail server does."""
        content = envelope.content or b""
        if isinstance(content, str):
            content = content.encode("utf-8", "replace")
        try:
            kept = self._store.add(
                content,
                sender=envelope.mail_from or "",
                recipients=envelope.rcpt_tos,
                peer=str(session.peer[0]) if session.peer else "unknown",
            )
        except OSError:
            _log.exception("mail could not be stored")
            return "452 4.3.1 Insufficient system storage"
        return f"250 2.0.0 Kept as {kept.id}"


@asynccontextmanager
async def catching(store: MailStore, *, host: str, port: int, reuse_port: bool) -> AsyncIterator[int]:
    """Take mail on ``host:port`` while the context is open; gives the port that it listens on."""

    loop = asyncio.get_running_loop()

    def connection() -> SMTP:
        return SMTP(
            _Keep(store),
            loop=loop,
            data_size_limit=LARGEST_MAIL,
            enable_SMTPUTF8=True,
            hostname="mailbox.portico.example",
            ident="Portico mailbox",
        )

    server = await loop.create_server(connection, host, port, reuse_port=reuse_port or None)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
