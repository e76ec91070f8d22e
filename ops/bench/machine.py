"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from ops.stack.postgres import postgres_installation
from ops.stack.valkey import valkey_installation


def machine() -> str:
    """Cores, processor and versions in one line."""
    servers = (("PostgreSQL", postgres_installation().version), ("Valkey", valkey_installation().version))
    return ", ".join(
        (
            f"{os.cpu_count()} cores ({_processor()})",
            f"Python {platform.python_version()}",
            *(f"{name} {version}" for name, version in servers),
        )
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
