"""Settings of operators' commands: from the environment, secrets also from files."""

from __future__ import annotations

import os
from pathlib import Path

from ops.problems import Problem


def setting(name: str) -> str | None:
    """``NAME``, or what stands in the file that ``NAME_FILE`` names; None when neither is set. Raises Problem."""
    if file := os.environ.get(f"{name}_FILE"):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise Problem(f"The file that {name}_FILE names can't be read.") from None
    return os.environ.get(name) or None


def required(name: str) -> str:
    """The same for a setting that has to be there. Raises Problem."""
    value = setting(name)
    if value is None:
        raise Problem(f"{name} is not set.")
    return value
