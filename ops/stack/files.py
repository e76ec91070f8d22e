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
    _write(path, content, None)


def replace_private(path: Path, content: str | bytes) -> None:
    """The same, and whoever could read the file before still can: it keeps its mode, and its owner and group where
    that is for us to say."""
    _write(path, content, path.stat())


def _write(path: Path, content: str | bytes, like: os.stat_result | None) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            if like is not None:
                if os.geteuid() == 0:
                    os.fchown(handle, like.st_uid, like.st_gid)
                os.fchmod(handle, like.st_mode & 0o777)
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            # A key that is in use must not be gone after the power was.
            os.fsync(handle)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
