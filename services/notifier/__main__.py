"""``python -m services.notifier``: deliver credential e-mails until told to stop."""

from __future__ import annotations

import sys

from services.notifier.app import serve
from services.notifier.settings import NotifierSettings
from shared.http.server import run
from shared.logging import configure_logging


def main() -> int:
    """The process's exit code."""
    settings = NotifierSettings.load()
    configure_logging(settings.log_level, settings.log_format)
    return run(serve(settings))


if __name__ == "__main__":
    sys.exit(main())
