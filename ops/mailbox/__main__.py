"""``python -m ops.mailbox`` runs the mail catcher until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from datetime import UTC, datetime

from aiohttp import web

from ops.mailbox.catcher import catching
from ops.mailbox.pages import make_app
from ops.mailbox.settings import MailboxSettings
from ops.mailbox.store import MailStore
from shared.logging import configure_logging


def _now() -> datetime:
    return datetime.now(UTC)


async def _run(settings: MailboxSettings) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    store = await asyncio.to_thread(MailStore, settings.mail_folder, clock=_now)
    runner = web.AppRunner(make_app(store, settings.hosts()), access_log=None)
    await runner.setup()
    try:
        async with catching(store, host=settings.host, port=settings.smtp_port, reuse_port=settings.reuse_port):
            reuse = settings.reuse_port or None
            await web.TCPSite(runner, settings.host, settings.port, reuse_port=reuse, shutdown_timeout=2).start()
            await stopped.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """Read the settings and run."""
    settings = MailboxSettings.load()
    configure_logging(settings.log_level, settings.log_format)
    # aiosmtpd tells every line of every dialogue.
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    try:
        asyncio.run(_run(settings))
    except OSError as error:
        sys.exit(f"mailbox cannot start: {error}")


if __name__ == "__main__":
    main()
