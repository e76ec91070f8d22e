"""``python -m services.portal``: run the portal until it is told to stop."""

from __future__ import annotations

import sys

from services.portal.app import create_portal
from services.portal.settings import PortalSettings
from shared.accounts_service import ready_checks
from shared.http.server import run, serve
from shared.logging import configure_logging


def main() -> int:
    """The process's exit code."""
    settings = PortalSettings.load()
    configure_logging(settings.log_level, settings.log_format)
    app = create_portal(settings)
    return run(serve(app, settings, ready_checks=ready_checks(app)))


if __name__ == "__main__":
    sys.exit(main())
