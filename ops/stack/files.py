"""Files that hold secrets, folders of our own, and writes that a reader never sees half done."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def make_folder(folder: Path, mode: int) -> None:
    """Create ``folder`` with exactly ``mode``; one that is there already keeps the mode that it has."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    # mkdir's own mode is cut by the umask.
    folder.chmod(mode)


def write_private(path: Path, content: str | bytes) -> None:
    """Replace ``path`` in one step by a file that only its owner can read."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
