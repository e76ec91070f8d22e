"""The setting that names an operator's own list of passwords, checked when a process starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from shared.security.blocklist import BadBlocklist, Blocklist
from shared.settings import wrong


def _usable(path: Path) -> Path:
    try:
        Blocklist(path)
    except BadBlocklist as error:
        raise wrong(f"names a file that {error}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is empty"
        raise wrong(f"names a file that can't be read: {reason}") from None
    return path


BlocklistFile: TypeAlias = Annotated[Path, AfterValidator(_usable)]
"""A file that `portico passwords refresh` has made."""
