"""What the mailbox is told by its environment."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from shared.settings import BaseUrl, Port, ServiceSettings

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class MailboxSettings(ServiceSettings):
    """``mail_folder`` keeps the mail; ``allowed_hosts`` are further names, by commas, that the page answers to.

    ``reuse_port`` is for a supervisor that holds the ports while the mailbox is started again.
    """

    probe_port: Port = 0
    smtp_port: Port
    mail_folder: Path
    public_url: BaseUrl | None = None
    allowed_hosts: str = ""
    reuse_port: bool = False

    def hosts(self) -> frozenset[str]:
        """Host names that requests may carry: others come from pages that had their own name point here."""
        own = urlsplit(self.public_url).hostname if self.public_url else None
        listed = {host.strip().lower() for host in self.allowed_hosts.split(",") if host.strip()}
        return _LOOPBACK_NAMES | listed | ({own} if own else set())
