"""``python -m services.audit``: run the audit service until it is told to stop."""

from __future__ import annotations

import sys

from services.audit.app import create_audit, ready_checks
from services.audit.settings import AuditSettings
from shared.http.server import run, serve
from shared.logging import configure_logging


def main() -> int:
    """The process's exit code."""
    settings = AuditSettings.load()
    configure_logging(settings.log_level, settings.log_format)
    app = create_audit(settings)
    return run(serve(app, settings, ready_checks=ready_checks(app)))


if __name__ == "__main__":
    sys.exit(main())
